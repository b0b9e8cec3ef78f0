"""Shots that continue others: they start from a clean last frame, the engine's own if it gives one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from pipeline.engines.base import Rendered
from tests.support.production import Fate, Production, SimulatedEngine, board

CLEAN = b"a last frame without burnt-in text"


class StillEngine(SimulatedEngine):
    """Hands in a clean last frame with each clip."""

    def render(
        self, model: str, request: Any, images: Any, out: Path, progress: Any, *, last_frame: bool = False
    ) -> Rendered:
        """Render, and leave a still beside the clip if one is wanted."""
        made = super().render(model, request, images, out, progress)
        if not last_frame:
            return made
        still = out.with_suffix(".last.png")
        still.write_bytes(CLEAN + request.shot_id.encode())
        return Rendered(made.path, made.facts, still)


def takes(production: Production) -> dict[str, dict[str, Any]]:
    rows = production.rows(
        "SELECT shots.key AS shot, takes.last_frame_sha256 AS last, takes.state AS state,"
        " json_extract(takes.request, '$.first_frame.sha256') AS first"
        " FROM takes JOIN shots ON shots.id = takes.shot_id"
    )
    return {row.shot: vars(row) for row in rows}


def run(production: Production, *, still: bool) -> tuple[dict[str, dict[str, Any]], int]:
    production.submit(board([{}, {"continues": "s00"}, {"continues": "s01"}]))
    engine = StillEngine(Fate()) if still else SimulatedEngine(Fate())
    with (
        mock.patch("pipeline.production.steps.generate.load_engine", return_value=engine),
        mock.patch("pipeline.production.steps.check.frame_at", side_effect=_frame_at) as taken,
    ):
        production.run()
    return takes(production), taken.call_count


def _frame_at(clip: Path, _where: object, out: Path) -> None:
    out.write_bytes(b"cut out of " + clip.read_bytes())


def test_a_shot_starts_from_the_clean_frame_that_the_engine_of_the_shot_before_gave(production: Production) -> None:
    found, taken = run(production, still=True)

    for before, after in (("s00", "s01"), ("s01", "s02")):
        assert found[before]["last"] == hashlib.sha256(CLEAN + before.encode()).hexdigest()
        assert found[after]["first"] == found[before]["last"]
    assert taken == 0, "nothing had to be cut out of a clip"


def test_nothing_is_kept_of_a_shot_that_no_other_continues(production: Production) -> None:
    found, _ = run(production, still=True)

    unused = hashlib.sha256(CLEAN + b"s02").hexdigest()
    assert found["s02"]["last"] is None
    assert not production.studio.artifacts.has(unused, ".png")


def test_without_one_the_last_frame_is_cut_out_of_the_accepted_clip(production: Production) -> None:
    found, taken = run(production, still=False)

    assert taken == 2
    assert found["s01"]["first"] == found["s00"]["last"] is not None


@pytest.mark.parametrize("still", [True, False])
def test_every_take_of_the_chain_is_accepted(production: Production, still: bool) -> None:
    found, _ = run(production, still=still)

    assert {take["state"] for take in found.values()} == {"accepted"}
