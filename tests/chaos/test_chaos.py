"""A short run of the chaos that ``make chaos`` makes: real processes, killed and frozen around the paid call."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.conductor import Script, run
from tests.chaos.havoc import Havoc
from tests.chaos.points import PAID_CALL
from tests.chaos.world import World
from tests.support.postgres import started_or_skipped

pytestmark = pytest.mark.stack
SHOTS = (6, 6)


def once(*hits: tuple[str, str]) -> Script:
    """Return a script that arms points at the beginning and does nothing more."""

    def script(havoc: Havoc, seconds: float) -> None:
        del seconds
        for point, how in hits[havoc.armed :]:
            havoc.arm((point,), how)

    return script


def quiet_provider(world: World) -> None:
    """Let the provider do what it is asked: what goes wrong is what is done to the fleet."""
    world.behaviour["chances"] = {}
    world.boards = [board for board in world.boards if board.shots]
    world.poison = ""


def reached(happened: Counter[str], *hits: tuple[str, str]) -> None:
    words = {"kill": "killed", "freeze": "frozen", "lose": "answer lost"}
    missed = [hit for hit in hits if not happened[f"{words[hit[1].split()[0]]} at {hit[0]}"]]
    assert not missed, "the test proves less than it says"


def test_killed_at_every_point_of_the_paid_call_with_a_provider_that_can_tell_nothing(tmp_path: Path) -> None:
    hits = [(point, "kill") for point in (*PAID_CALL, "end:commit")]

    outcome = run(4, tmp_path / "run", havoc_s=40.0, shots=SHOTS, script=once(*hits), change=quiet_provider)

    assert outcome.reconcile == "none"
    assert outcome.faults == []
    reached(outcome.havoc, *hits)
    # After begin:leave, create:sent, create:leave and accepted:commit nobody can know; nothing is asked for again.
    assert outcome.figures.held == 4


def test_frozen_past_the_lease_and_answers_to_commits_lost_on_postgresql(tmp_path: Path) -> None:
    frozen = [(point, "freeze 5") for point in ("create:leave", "end:commit")]
    lost = [(point, "lose") for point in ("claim:leave", "begin:leave", "complete:leave", "watch:leave", "found:leave")]

    with started_or_skipped() as postgres:
        outcome = run(
            5, tmp_path / "run", postgres=postgres, havoc_s=40.0, shots=SHOTS, script=once(*frozen, *lost),
            change=quiet_provider,
        )  # fmt: skip

    assert outcome.reconcile == "idempotency"
    assert outcome.faults == []
    assert outcome.figures.held == 0
    reached(outcome.havoc, *frozen, *lost)
