"""What the match step hands to the consistency check, and what it says of shots that it can't compare."""

from __future__ import annotations

import json
from types import SimpleNamespace
from unittest import mock

import pytest

from pipeline.checks.consistency import compare
from pipeline.production.boards import Board
from pipeline.production.steps import match
from pipeline.store.tables import ShotRow, TakeRow
from pipeline.storyboard.schema import Storyboard
from tests.support.production import Production, board


@pytest.fixture
def report(production: Production) -> dict[str, object]:
    """The report of a cut of two shots: one whose look could not be measured, one with a placeholder."""
    (receipt,) = production.submit(board(2))
    production.run()
    black = json.dumps({"not_measured": {"signature": "every sampled frame is black"}})
    production.tamper("UPDATE takes SET measurements = ?", black)
    production.tamper("UPDATE shots SET accepted_take_id = NULL, placeholder = true WHERE key = 's01'")
    session = mock.Mock()
    cut = session.get_one.return_value
    claim = mock.Mock(cut_id=receipt.cut_id)
    with mock.patch.object(match, "compare", compare):
        match.execute(mock.Mock(studio=production.studio, claim=claim))(session)
    return cut.consistency


def test_a_shot_whose_look_could_not_be_measured_and_a_placeholder_are_named_as_not_compared(
    report: dict[str, object],
) -> None:
    assert report["not_compared"] == {"s00": "every sampled frame is black", "s01": "a placeholder stands for it"}


def test_a_comparison_that_could_not_be_made_has_not_passed(report: dict[str, object]) -> None:
    assert report["passed"] is None


def test_a_place_in_another_scene_may_look_otherwise_and_is_compared_within_its_scene_only() -> None:
    storyboard = Storyboard.model_validate(
        {
            "schema_version": 1,
            "id": "two-scenes",
            "locations": {"coast": {}},
            "shots": [
                {"id": "day", "prompt": "waves", "location": "coast", "scene": "Morning"},
                {"id": "night", "prompt": "waves", "location": "coast", "scene": "Night"},
                {"id": "free", "prompt": "waves", "scene": "Night"},
            ],
        }
    )
    board = Board("b", "h", "f", storyboard, {}, {shot.id: shot for shot in storyboard.shots})
    measured = {"signature": object()}

    with mock.patch.object(match, "Measurements") as measurements, mock.patch.object(match, "TakeSignature") as made:
        measurements.model_validate.return_value = SimpleNamespace(**measured)
        for shot in storyboard.shots:
            match._signature(board, ShotRow(key=shot.id), TakeRow(measurements={}))

    asked = [(call.kwargs["location"], call.kwargs["variant"]) for call in made.call_args_list]
    assert asked == [("coast", "Morning"), ("coast", "Night"), ("Night", "")]
