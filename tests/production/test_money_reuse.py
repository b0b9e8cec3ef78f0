"""What is adopted from earlier cuts costs nothing, and no budget is asked for it."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.errors import BudgetRefused
from pipeline.production import reuse
from pipeline.production.campaigns import Campaign
from pipeline.production.quoting import quote_boards
from pipeline.routing.stage import Stage
from pipeline.store.tables import TakeRow
from pipeline.storyboard.load import LoadedStoryboard
from pipeline.units import MicroUsd
from tests.support.production import Production, board

ENOUGH_FOR_ONE = MicroUsd(100_000)
FOLLOWS = {"prompt": "and then", "continues": "s00"}


def words(shots: int, **of_last: Any) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = [{"prompt": f"picture {n}"} for n in range(shots)]
    written[-1].update(of_last)
    return written


def saved(production: Production, loaded: LoadedStoryboard) -> int:
    """Return how many shots are said to be adopted."""
    studio = production.studio
    (quoted,) = quote_boards(
        studio.settings, [loaded.storyboard], stage=Stage.PREVIEW, today=studio.clock().date(), require=False
    )
    with studio.database.read() as session:
        return reuse.saving(studio, session, loaded, quoted).shots


def adopted(production: Production, loaded: LoadedStoryboard) -> int:
    """Return how many shots are adopted when the storyboard is made."""
    (receipt,) = production.submit(loaded)
    production.run()
    return production.value(
        "SELECT count(DISTINCT shot_id) FROM takes WHERE cut_id = ? AND source_take_id IS NOT NULL "
        "AND shot_id NOT IN (SELECT shot_id FROM takes WHERE cut_id = ? AND source_take_id IS NULL)",
        receipt.cut_id,
        receipt.cut_id,
    )


def test_one_changed_shot_of_six_asks_the_budget_of_one(production: Production) -> None:
    production.submit(board(words(6)))
    production.run()
    edited = board(words(6, prompt="another picture"))

    with pytest.raises(BudgetRefused):
        production.submit(edited, budget=MicroUsd(40_000))
    (receipt,) = production.submit(edited, budget=ENOUGH_FOR_ONE)
    production.run()

    assert production.value("SELECT state FROM cuts WHERE id = ?", receipt.cut_id) == "delivered"


def test_the_same_holds_for_what_is_left_of_a_campaign(production: Production) -> None:
    production.submit(board(words(6)), campaign=Campaign("autumn"))
    production.run()
    capped = Campaign("autumn", MicroUsd(6 * 50_000 + ENOUGH_FOR_ONE))

    with pytest.raises(BudgetRefused):
        production.submit(board(6, name="quite-another"), campaign=capped)
    (receipt,) = production.submit(board(words(6, prompt="another picture")), campaign=capped)

    assert not receipt.existed


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (words(3), words(3), 3),
        (words(3), words(3, prompt="another picture"), 2),
        (words(2), words(3), 2),
        (words(3), words(3, candidates=2), 2),
        (words(3, continues="s00"), words(3, continues="s00"), 3),
        (words(3), words(3, continues="s00"), 1),
        ([{"prompt": "a"}, FOLLOWS], [{"prompt": "b"}, FOLLOWS], 0),
    ],
)  # fmt: skip
def test_what_is_said_to_be_adopted_is_adopted(
    production: Production, before: list[dict[str, Any]], after: list[dict[str, Any]], expected: int
) -> None:
    production.submit(board(before))
    production.run()
    # The same storyboard again is the same cut; another id makes it one that adopts.
    edited = board(after, name="board") if before != after else board(after, deliverables=2)

    said = saved(production, edited)

    assert said == expected
    assert said <= adopted(production, edited)


def test_takes_that_are_no_longer_stored_or_were_judged_otherwise_save_nothing(production: Production) -> None:
    production.submit(board(words(2)))
    production.run()
    edited = board(words(2), deliverables=2)
    assert saved(production, edited) == 2

    with production.studio.database.write() as session:
        first, second = session.scalars(select(TakeRow).order_by(TakeRow.shot_id)).all()
        second.gate_hash = "another"
    assert saved(production, edited) == 1
    shutil.rmtree(production.studio.settings.home / "storage")
    assert first.clip_sha256
    assert saved(production, edited) == 0
