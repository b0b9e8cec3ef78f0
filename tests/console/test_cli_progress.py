"""Progress, as values: what changed between two looks, and the picture on terminals of any size."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from console.views import cuts as views
from console.views.progress import changes, picture
from console.views.words import length, safe
from pipeline.production.states import CutState, ShotState
from pipeline.production.status import CutStatus, ShotStatus
from pipeline.units import FREE


def shot(key: str, state: ShotState, reason: str = "") -> ShotStatus:
    return ShotStatus(
        key=key, state=state, tier="draft", progress=0.5, doing="", reason=reason, remedy="",
        placeholder=False, accepted_take=None, takes=(),
    )  # fmt: skip


def cut(*shots: ShotStatus, state: CutState = CutState.GENERATING) -> CutStatus:
    counts = {each: sum(one.state is each for one in shots) for each in ShotState}
    return CutStatus(
        id="abc", storyboard="tiny", title="Tiny", stage="preview", state=state, paused=False, reason="", remedy="",
        counts=dict(counts), progress=0.5, spent_micro_usd=FREE, reserved_micro_usd=FREE, budget_micro_usd=None,
        takes=0, adopted=0, created_at=datetime(2026, 11, 21, tzinfo=UTC), finished_at=None, shots=shots,
    )  # fmt: skip


def drawn(view: object, width: int = 80, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, legacy_windows=False)
    with console.capture() as captured:
        console.print(view)
    return captured.get().splitlines()


def test_nothing_is_said_while_nothing_changes() -> None:
    now = cut(shot("a", ShotState.GENERATING))

    assert changes(None, now) != []
    assert changes(now, now) == []


def test_each_change_is_said_once_with_its_reason() -> None:
    before = cut(shot("a", ShotState.GENERATING), shot("b", ShotState.GENERATING))
    now = cut(shot("a", ShotState.READY), shot("b", ShotState.NEEDS_ATTENTION, "Too dark."))

    assert changes(before, now) == ["shot a: ready", "shot b: needs attention, Too dark."]


def test_a_pause_is_said_with_the_command_that_ends_it() -> None:
    before = cut(shot("a", ShotState.GENERATING))

    assert changes(before, replace(before, paused=True)) == ["cut abc: paused; go on with: dailies resume abc"]


@given(
    states=st.lists(st.sampled_from(ShotState), min_size=1, max_size=60),
    rows=st.integers(3, 40),
    width=st.integers(40, 200),
)
def test_the_picture_fits_the_terminal_and_hides_no_trouble(states: list[ShotState], rows: int, width: int) -> None:
    now = cut(*(shot(f"shot-{index}", state) for index, state in enumerate(states)))

    lines = drawn(picture(now, 12.0, rows), width, rows + 6)

    assert len(lines) <= rows + 4
    assert all(len(line) <= width for line in lines)
    troubled = [each for each in now.shots if each.state is ShotState.NEEDS_ATTENTION]
    if len(troubled) <= rows and width >= 80:
        shown = "\n".join(lines)
        assert all(f"{each.key} " in shown for each in troubled)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (None, "not compared"),
        ({"deviations": [], "ranking": [], "not_compared": {"a": "alone"}}, "not compared"),
        ({"deviations": [], "ranking": [{}, {}], "not_compared": {}}, "2 shots compared, none stands out"),
        (
            {"deviations": [{"shot_id": "b", "other_shot_id": "", "reason": "Too red."}], "ranking": [{}, {}]},
            "1 outlier: b. Too red.",
        ),
    ],
)
def test_the_consistency_check_is_told_in_a_sentence_and_never_passes_unmade(
    report: dict[str, Any] | None, said: str
) -> None:
    view = views.delivered(replace(cut(), consistency=report), files=(), again=False, wall_s=1.0)

    assert any(said in line for line in drawn(view))


@given(st.text())
def test_no_text_can_steer_the_terminal(text: str) -> None:
    assert not any(ord(char) < 32 and char not in "\n\t" for char in safe(text))
    assert "\x1b" not in safe(text)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (65, "1 min 05 s"), (3660, "1 h 01 min")]
)
def test_lengths_are_told_as_people_do(seconds: float, said: str) -> None:
    assert length(seconds) == said
