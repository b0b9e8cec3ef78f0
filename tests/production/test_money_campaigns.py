"""Campaigns: one cap and one share for what is submitted together; what has no room is not enqueued."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import BudgetRefused, InputError
from pipeline.production.books import audit
from pipeline.production.campaigns import Campaign
from pipeline.production.perform import perform
from pipeline.units import MicroUsd
from tests.support.production import PAINTED, Production, board


def campaigns(production: Production) -> dict[str, Any]:
    rows = production.rows(
        "SELECT k.key, p.cap_micro_usd cap, coalesce(p.committed_micro_usd, 0) held, count(c.id) cuts FROM campaigns k "
        "LEFT JOIN purses p ON p.key = 'campaign:' || k.id LEFT JOIN cuts c ON c.campaign_id = k.id GROUP BY k.id"
    )
    return {row.key: (row.cap, row.held, row.cuts) for row in rows}


def test_all_storyboards_of_a_call_belong_to_the_campaign_that_is_named(production: Production) -> None:
    receipts = production.submit(board(name="a"), board(name="b"), campaign=Campaign("autumn", MicroUsd(900_000)))
    later = production.submit(board(name="c"), campaign=Campaign("autumn"))

    assert [each.campaign for each in (*receipts, *later)] == ["autumn"] * 3
    assert campaigns(production) == {"autumn": (900_000, 0, 3)}


def test_a_cap_given_again_replaces_the_one_before(production: Production) -> None:
    production.submit(board(name="a"), campaign=Campaign("autumn", MicroUsd(900_000)))

    production.submit(board(name="a"), campaign=Campaign("autumn", MicroUsd(100_000)))

    assert campaigns(production) == {"autumn": (100_000, 0, 1)}


def test_several_new_storyboards_share_a_campaign_of_their_own_and_one_alone_needs_none(
    production: Production,
) -> None:
    (alone,) = production.submit(board(name="a"))
    again, second, third = production.submit(board(name="a"), board(name="b"), board(name="c"))
    (resubmitted,) = production.submit(board(name="b"))

    assert (alone.campaign, again.campaign) == ("", "")
    assert second.campaign == third.campaign == resubmitted.campaign
    assert second.campaign.startswith("batch-")
    assert [cuts for _, _, cuts in campaigns(production).values()] == [2]


def test_a_cut_that_moves_to_another_campaign_takes_along_what_it_has_spent(production: Production) -> None:
    production.submit(board(name="a"), campaign=Campaign("autumn"))
    production.submit(board(name="b"))
    production.run()
    production.submit(board(name="a"), board(name="b"), campaign=Campaign("winter"))

    assert campaigns(production) == {"autumn": (None, 0, 0), "winter": (None, 2 * PAINTED, 2)}
    assert audit(production.studio).faults == ()


@pytest.mark.parametrize("whose", ["campaign", "account"])
def test_what_is_expected_to_cost_more_than_is_left_is_not_enqueued(production: Production, whose: str) -> None:
    autumn = Campaign("autumn", MicroUsd(200_000 if whose == "campaign" else 9_000_000))
    if whose == "account":
        object.__setattr__(production.studio.settings, "account_cap", MicroUsd(200_000))
    (first,) = production.submit(board(name="a"), campaign=autumn)
    production.run()
    before = production.everything()

    with pytest.raises(BudgetRefused) as refused:
        production.submit(board(name="b"), board(name="c"), board(name="d"), campaign=Campaign("autumn"))

    told = "campaign autumn" if whose == "campaign" else "the account's cap for 2026-11"
    assert told in refused.value.what
    assert "$0.15 of $0.20" in refused.value.what
    assert production.everything() == before
    again, *_ = production.submit(board(name="a"), board(name="b"), campaign=Campaign("autumn"))
    assert (again.cut_id, again.existed) == (first.cut_id, True)


def test_a_campaigns_cap_stops_its_storyboards_and_no_others(production: Production) -> None:
    two = board(2, name="a"), board(2, name="b")
    production.submit(*two, campaign=Campaign("autumn"))
    production.submit(*two, campaign=Campaign("autumn", MicroUsd(3 * PAINTED)))
    (other,) = production.submit(board(3, name="z"))

    while production.broker.messages:
        perform(production.studio, production.deliver().step_id, "worker")

    assert campaigns(production)["autumn"] == (3 * PAINTED, 3 * PAINTED, 2)
    assert production.value("SELECT count(*) FROM shots WHERE cut_id = ? AND state = 'ready'", other.cut_id) == 3
    assert "campaign's cap" in production.rows("SELECT reason FROM shots WHERE state = 'needs_attention'")[0].reason
    assert audit(production.studio).faults == ()


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "a/b", "x" * 65, "a\n"])
def test_a_name_that_could_not_be_typed_again_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="can't be a campaign's name"):
        Campaign(name)
