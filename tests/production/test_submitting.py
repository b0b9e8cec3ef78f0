"""Submitting: refused before anything is written, the same storyboard once, nothing made twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sqlalchemy.exc import IntegrityError

from pipeline.errors import BudgetRefused, NoModelAvailable
from pipeline.production import submit as submitting
from pipeline.production.submit import submit
from pipeline.routing.stage import Stage
from pipeline.units import MicroUsd
from tests.support.production import Production, board

TABLES = ("storyboards", "cuts", "shots", "steps", "takes", "ledger")


def row_counts(production: Production) -> list[int]:
    return [len(production.rows("SELECT 1 FROM " + table)) for table in TABLES]  # noqa: S608 - names from above


def test_the_same_storyboard_at_the_same_stage_is_one_cut_however_often_it_is_submitted(production: Production) -> None:
    first, twin = production.submit(board(3), board(3))
    before = row_counts(production)

    (again,) = production.submit(board(3))

    assert (first.existed, twin.existed, again.existed) == (False, True, True)
    assert first.cut_id == twin.cut_id == again.cut_id
    assert row_counts(production) == before == [1, 1, 3, 3, 0, 0]


def test_a_submission_again_after_delivery_makes_nothing(production: Production) -> None:
    production.submit(board(2))
    production.run()
    before = row_counts(production)

    (again,) = production.submit(board(2))

    assert again.state == "delivered"
    assert production.run() == 0
    assert row_counts(production) == before


def test_an_edited_storyboard_adopts_every_take_but_the_edited_shots(production: Production) -> None:
    words = [{"prompt": f"picture {n}"} for n in range(12)]
    production.submit(board(words))
    production.run()
    words[7] = {"prompt": "another picture"}

    (edited,) = production.submit(board(words))
    production.run()

    assert not edited.existed
    takes = production.rows(
        "SELECT t.*, s.key FROM takes t JOIN shots s ON s.id = t.shot_id WHERE t.cut_id = ?", edited.cut_id
    )
    assert len(takes) == 12
    assert [take.key for take in takes if take.source_take_id is None] == ["s07"]
    assert all(take.charged_micro_usd == 0 for take in takes if take.source_take_id)
    assert production.value("SELECT state FROM cuts WHERE id = ?", edited.cut_id) == "delivered"
    assert production.value("SELECT sum(amount_micro_usd) FROM ledger WHERE kind = 'settle'") == 13 * 50_000
    assert production.value("SELECT count(*) FROM steps WHERE cut_id = ? AND kind = 'check'", edited.cut_id) == 1


def test_reordered_shots_keep_their_takes(production: Production) -> None:
    words = [{"id": f"s{n:02d}", "prompt": f"picture {n}"} for n in range(4)]
    production.submit(board(words))
    production.run()

    (reordered,) = production.submit(board(words[::-1]))
    production.run()

    assert (
        production.value("SELECT count(*) FROM takes WHERE cut_id = ? AND source_take_id IS NULL", reordered.cut_id)
        == 0
    )


def test_a_take_that_was_judged_by_other_thresholds_is_adopted_but_checked_again(production: Production) -> None:
    production.submit(board([{}]))
    production.run()

    (judged_otherwise,) = production.submit(board([{"quality": {"skip": ["black"]}}]))
    production.run()

    (take,) = production.rows("SELECT * FROM takes WHERE cut_id = ?", judged_otherwise.cut_id)
    assert take.source_take_id is not None
    assert (
        production.value("SELECT count(*) FROM steps WHERE cut_id = ? AND kind = 'check'", judged_otherwise.cut_id) == 1
    )


def test_a_clip_that_is_gone_from_the_storage_is_made_again(production: Production, tmp_path: Path) -> None:
    production.submit(board([{}, {}]))
    production.run()
    for clip in (tmp_path / "storage").rglob("*.mp4"):
        clip.unlink()

    (edited,) = production.submit(board([{}, {"prompt": "another"}]))
    production.run()

    assert (
        production.value("SELECT count(*) FROM takes WHERE cut_id = ? AND source_take_id IS NULL", edited.cut_id) == 2
    )


def test_a_final_cut_without_a_model_is_refused_before_anything_is_written(production: Production) -> None:
    with pytest.raises(NoModelAvailable) as refused:
        production.submit(board(1, name="fine"), board(2, name="unfit"), stage=Stage.FINAL)

    assert "s00" in refused.value.what
    assert "standard" in refused.value.what
    assert "--stage preview" in refused.value.remedy
    assert row_counts(production) == [0] * 6
    assert production.broker.published == []


@pytest.mark.parametrize("where", ["storyboard", "argument"])
def test_a_cut_beyond_its_budget_is_refused_before_anything_is_written(production: Production, where: str) -> None:
    loaded = board(4, budget={"limit_usd": 0.1} if where == "storyboard" else None)

    with pytest.raises(BudgetRefused):
        production.submit(loaded, budget=MicroUsd(100_000) if where == "argument" else None)

    assert row_counts(production) == [0] * 6
    assert production.broker.published == []


def test_a_budget_given_later_holds_but_never_lifts_the_storyboards_own(production: Production) -> None:
    loaded = board(1, budget={"limit_usd": 0.5})
    production.submit(loaded, budget=MicroUsd(100_000))
    assert production.value("SELECT budget_micro_usd FROM cuts") == 100_000

    production.submit(loaded, budget=MicroUsd(300_000))
    assert production.value("SELECT budget_micro_usd FROM cuts") == 300_000

    production.submit(loaded, budget=MicroUsd(900_000))
    assert production.value("SELECT budget_micro_usd FROM cuts") == 500_000


def test_a_submission_that_loses_a_race_against_the_same_one_finds_its_cut(production: Production) -> None:
    """As on a database where both look before either writes: the first look finds nothing."""
    (winner,) = production.submit(board(2))
    find = submitting._Opening.find
    looks: list[None] = []

    def look(opening: Any, session: Any, boards: Any) -> None:
        looks.append(None)
        if len(looks) > 1:
            find(opening, session, boards)

    with mock.patch.object(submitting._Opening, "find", look):
        (receipt,) = production.submit(board(2))

    assert (receipt.cut_id, receipt.existed, len(looks)) == (winner.cut_id, True, 2)
    assert row_counts(production)[:4] == [1, 1, 2, 2]
    assert len(production.broker.published) == 2


def test_another_broken_rule_of_the_database_is_not_taken_for_a_lost_race(production: Production) -> None:
    production.tamper("CREATE UNIQUE INDEX nobody_may ON shots (state)")

    with pytest.raises(IntegrityError):
        submit(production.studio, [board(2)], stage=Stage.PREVIEW)
    production.tamper("DROP INDEX nobody_may")

    assert row_counts(production) == [0] * 6


def test_shots_that_continue_another_wait_and_the_others_begin_at_once(production: Production) -> None:
    production.submit(board([{}, {"continues": "s00"}, {}, {"continues": "s01"}]))

    states = {shot.key: shot.state for shot in production.rows("SELECT * FROM shots")}
    assert states == {"s00": "generating", "s01": "waiting", "s02": "generating", "s03": "waiting"}
    assert [message.label for message in production.broker.messages] == ["board/s00 attempt 1", "board/s02 attempt 1"]
    production.run()
    assert production.value("SELECT state FROM cuts") == "delivered"


def test_every_candidate_begins_at_once(production: Production) -> None:
    production.submit(board(1, candidates=3))

    assert len(production.broker.messages) == 3
    production.run()
    assert production.value("SELECT count(*) FROM takes WHERE state = 'accepted'") == 3
