"""What the match step hands to the consistency check, and what it says of shots that it can't compare."""

from __future__ import annotations

import json
import sqlite3
from unittest import mock

import pytest

from pipeline.checks.consistency import compare
from pipeline.production.steps import match
from tests.support.production import Production, board


@pytest.fixture
def report(production: Production) -> dict[str, object]:
    """The report of a cut of two shots: one whose look could not be measured, one with a placeholder."""
    (receipt,) = production.submit(board(2))
    production.run()
    with sqlite3.connect(production.database_file) as connection:
        black = json.dumps({"not_measured": {"signature": "every sampled frame is black"}})
        connection.execute("UPDATE takes SET measurements = ?", (black,))
        connection.execute("UPDATE shots SET accepted_take_id = NULL, placeholder = 1 WHERE key = 's01'")
    connection.close()
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
