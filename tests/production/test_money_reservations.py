"""Reservations hold under every cap, whoever reserves at once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from pipeline.errors import BudgetRefused, LedgerConflict
from pipeline.production import money, purses
from pipeline.production.books import audit
from pipeline.store.tables import CutRow, LedgerRow, TakeRow
from pipeline.units import MicroUsd
from tests.support.spending import Spending, copy_of, open_spending, reserve_all

MONTH = "account:2026-11"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> str:
    """A migrated database without rows, of both kinds."""
    if request.param == "postgresql":
        fresh: str = request.getfixturevalue("postgres").fresh_database()
        return fresh
    return copy_of(template, tmp_path)


@pytest.fixture
def spending(url: str) -> Iterator[Spending]:
    opened = open_spending(url)
    yield opened
    opened.database.close()


def test_a_reservation_stands_in_every_purse_and_a_charge_gives_the_rest_back(spending: Spending) -> None:
    campaign = spending.campaign("autumn", 10_000_000)
    cut = spending.cut(campaign=campaign, budget=5_000_000)
    take = spending.take(cut, 700_001)

    spending.reserve(take)
    reserved = spending.purses()
    spending.settle(take, 500_000)

    assert reserved == {
        MONTH: (None, 700_001),
        f"campaign:{campaign}": (10_000_000, 700_001),
        f"cut:{cut}": (5_000_000, 700_001),
    }
    assert set(spending.committed().values()) == {500_000}
    assert spending.entries(take) == [("release", 200_001), ("reserve", 700_001), ("settle", 500_000)]
    assert spending.row(TakeRow, take).charged_micro_usd == 500_000


def test_what_is_released_is_in_no_purse_any_more(spending: Spending) -> None:
    take = spending.take(spending.cut(), 300_000)
    spending.reserve(take)

    spending.release(take)

    assert set(spending.committed().values()) == {0}
    assert spending.entries(take) == [("release", 300_000), ("reserve", 300_000), ("settle", 0)]


@pytest.mark.parametrize("charged", [0, 250_000, 300_000, 400_000])
def test_saying_the_same_end_twice_changes_nothing(spending: Spending, charged: int) -> None:
    take = spending.take(spending.cut(), 300_000)
    spending.reserve(take)
    spending.reserve(take)
    spending.settle(take, charged)
    before = spending.purses(), spending.entries(take)

    spending.settle(take, charged)
    if charged == 0:
        spending.release(take)

    assert (spending.purses(), spending.entries(take)) == before


def test_a_contradicting_end_is_refused_and_changes_nothing(spending: Spending) -> None:
    take = spending.take(spending.cut(), 300_000)
    spending.reserve(take)
    spending.settle(take, 250_000)
    before = spending.purses(), spending.entries(take)

    with pytest.raises(LedgerConflict, match=r"\$0\.30 is to be charged, and \$0\.25 was charged already"):
        spending.settle(take, 300_000)
    with pytest.raises(LedgerConflict):
        spending.release(take)
    with pytest.raises(LedgerConflict):
        spending.reserve(take)

    assert (spending.purses(), spending.entries(take)) == before


def test_another_price_is_not_reserved_beside_the_first(spending: Spending) -> None:
    take = spending.take(spending.cut(), 300_000)
    spending.reserve(take)
    with spending.database.write() as session:
        session.get_one(TakeRow, take).price_micro_usd = 900_000

    with pytest.raises(LedgerConflict, match=r"\$0\.90 is to be reserved, and the ledger has reserve:"):
        spending.reserve(take)

    assert spending.committed()[MONTH] == 300_000


def test_a_charge_without_a_reservation_is_refused_and_a_release_does_nothing(spending: Spending) -> None:
    take = spending.take(spending.cut(), 300_000)

    with pytest.raises(LedgerConflict, match="nothing was reserved"):
        spending.settle(take, 1)
    spending.release(take)

    assert spending.entries(take) == []


def test_a_provider_that_charges_more_than_the_worst_case_is_booked_beyond_the_cap(spending: Spending) -> None:
    cut = spending.cut(budget=300_000)
    take = spending.take(cut, 300_000)
    spending.reserve(take)

    spending.settle(take, 450_000)

    assert spending.committed()[f"cut:{cut}"] == 450_000
    assert spending.entries(take) == [("release", 0), ("reserve", 150_000), ("reserve", 300_000), ("settle", 450_000)]
    with pytest.raises(BudgetRefused, match=r"\$0\.45 is spent or reserved, \$0\.00 is left"):
        spending.reserve(spending.take(cut, 1))


def test_a_charge_that_comes_to_light_after_the_end_is_booked_once_and_never_lowered(spending: Spending) -> None:
    cut = spending.cut(budget=300_000)
    take = spending.take(cut, 300_000)
    spending.reserve(take)
    with pytest.raises(LedgerConflict, match="it has none yet"):
        spending.correct(take, 300_000)
    spending.release(take)

    for _ in range(2):
        spending.correct(take, 280_000)
    spending.correct(take, 0)

    assert spending.committed()[f"cut:{cut}"] == spending.row(TakeRow, take).charged_micro_usd == 280_000
    assert audit(spending.studio).faults == ()


def test_a_take_that_costs_nothing_touches_no_purse(spending: Spending) -> None:
    spending.configure(account_cap=MicroUsd(0))
    take = spending.take(spending.cut(budget=0), 0)

    spending.reserve(take, shot_cap=0)
    spending.settle(take, 0)

    assert spending.purses() == {}
    assert spending.entries(take) == [("release", 0), ("reserve", 0), ("settle", 0)]


@pytest.mark.parametrize("tight", ["account", "campaign", "cut", "shot"])
def test_a_refusal_names_the_cap_what_is_left_and_what_helps_and_reserves_nowhere(
    spending: Spending, tight: str
) -> None:
    caps = dict.fromkeys(("account", "campaign", "cut", "shot"), 5_000_000) | {tight: 1_000_000}
    spending.configure(account_cap=MicroUsd(caps["account"]))
    cut = spending.cut(campaign=spending.campaign("autumn", caps["campaign"]), budget=caps["cut"])
    spending.reserve(spending.take(cut, 600_000), caps["shot"])
    before = spending.committed()
    refused = spending.take(cut, 400_001)

    with pytest.raises(BudgetRefused) as error:
        spending.reserve(refused, caps["shot"])

    scope = "storyboard" if tight == "cut" else tight
    assert f"the {scope}'s cap of $1.00: $0.60 is spent or reserved, $0.40 is left" in error.value.what
    helps = {
        "account": "DAILIES_ACCOUNT_CAP_USD",
        "campaign": "--campaign autumn --campaign-cap",
        "cut": "--budget",
        "shot": "max_cost_usd",
    }
    assert helps[tight] in error.value.remedy
    assert spending.committed() == before
    assert spending.entries(refused) == []
    spending.reserve(spending.take(cut, 400_000), caps["shot"])  # to the last micro-USD


def test_a_refusal_that_is_caught_within_its_transaction_leaves_nothing_behind(spending: Spending) -> None:
    spending.configure(account_cap=MicroUsd(1_000_000))
    cut = spending.cut(campaign=spending.campaign("autumn", 1_000_000), budget=100_000)
    take = spending.take(cut, 100_001)

    with spending.database.write() as session, pytest.raises(BudgetRefused):
        money.reserve(spending.studio, session, session.get_one(CutRow, cut), session.get_one(TakeRow, take), None)

    assert set(spending.committed().values()) == {0}


def test_a_cap_that_is_raised_or_lowered_counts_from_then_on(spending: Spending) -> None:
    campaign = spending.campaign("autumn", 100_000)
    cut = spending.cut(campaign=campaign, budget=100_000)
    spending.configure(account_cap=MicroUsd(100_000))
    first, second, third = (spending.take(cut, 100_000) for _ in range(3))
    spending.reserve(first)

    spending.configure(account_cap=MicroUsd(200_000))
    with spending.database.write() as session:
        purses.set_cap(session, purses.campaign_purse(campaign), MicroUsd(200_000))
        session.get_one(CutRow, cut).budget_micro_usd = None
    spending.reserve(second)
    spending.configure(account_cap=MicroUsd(50_000))

    with pytest.raises(BudgetRefused, match=r"account's cap of \$0\.05: \$0\.20 is spent or reserved, \$0\.00"):
        spending.reserve(third)
    assert spending.purses()[f"cut:{cut}"] == (None, 200_000)


def test_every_month_has_its_own_account_cap_and_gets_its_own_money_back(spending: Spending) -> None:
    spending.configure(account_cap=MicroUsd(100_000))
    cut = spending.cut()
    november, december = spending.take(cut, 100_000), spending.take(cut, 100_000)
    spending.clock.now = datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC)
    spending.reserve(november)

    spending.clock.now = datetime(2026, 12, 1, tzinfo=UTC)
    spending.reserve(december)
    spending.settle(november, 30_000)

    assert spending.committed() == {MONTH: 30_000, "account:2026-12": 100_000, f"cut:{cut}": 130_000}
    with spending.database.read() as session:
        of_november = select(LedgerRow.period).where(LedgerRow.take_id == november)
        assert set(session.scalars(of_november)) == {"2026-11"}


def test_a_purse_begins_with_what_the_ledger_had_before_there_were_purses(spending: Spending) -> None:
    cut = spending.cut(budget=1_000_000)
    old = spending.take(cut, 600_000)
    with spending.database.write() as session:
        session.add(
            LedgerRow(
                id="old", key=f"reserve:{old}", kind="reserve", cut_id=cut, shot_id=f"{cut}-0", take_id=old,
                model="dear/one", amount_micro_usd=600_000, at=spending.clock(),
            )
        )  # fmt: skip

    with pytest.raises(BudgetRefused, match=r"\$0\.40 is left"):
        spending.reserve(spending.take(cut, 400_001))
    spending.settle(old, 100_000)

    assert spending.committed() == {f"cut:{cut}": 100_000}


def test_two_that_end_the_same_take_at_once_end_it_once(spending: Spending, url: str) -> None:
    take = spending.take(spending.cut(), 300_000)
    spending.reserve(take)
    doors = threading.Barrier(6)

    def end(charged: int) -> str:
        other = open_spending(url)
        try:
            doors.wait()
            other.settle(take, charged)
        except (LedgerConflict, IntegrityError):
            return "refused"
        finally:
            other.database.close()
        return f"charged {charged}"

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(end, [100_000, 200_000] * 3))

    (charged,) = {word for word in said if word != "refused"}
    assert said.count(charged) == 3
    assert f"charged {spending.committed()[MONTH]}" == charged
    assert len(spending.entries(take)) == 3


PRICES = [7, 11, 13, 17, 19, 23]


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_nobody_passes_a_cap_together_not_by_a_millionth_of_a_dollar(spending: Spending, url: str, kind: str) -> None:
    # Caps that no sum of prices needs to meet; each of them is the tight one for somebody.
    campaign = spending.campaign("autumn", 400)
    cuts = [spending.cut(campaign=campaign, budget=150) for _ in range(3)] + [spending.cut(budget=180)]
    prices = itertools.cycle(PRICES)
    takes = [spending.take(cut, next(prices)) for _ in range(12) for cut in cuts]
    price = {take: spending.row(TakeRow, take).price_micro_usd for take in takes}
    workers = 6 if kind == "threads" else 3
    shares = [takes[n::workers] for n in range(workers)]

    if kind == "threads":
        with ThreadPoolExecutor(workers) as threads:
            allowed = [t for each in threads.map(reserve_all, [url] * workers, shares, [500] * workers) for t in each]
    else:
        context = multiprocessing.get_context("spawn")
        doors = context.Barrier(workers)
        # Each is kept back until all are there, or the first would be done before the last has begun.
        with ProcessPoolExecutor(workers, context, initializer=doors.wait) as processes:
            allowed = [t for each in processes.map(reserve_all, [url] * workers, shares, [500] * workers) for t in each]

    held = spending.committed()
    caps = {MONTH: 500, f"campaign:{campaign}": 400, **{f"cut:{cut}": 150 for cut in cuts[:3]}, f"cut:{cuts[3]}": 180}
    assert held[MONTH] == sum(price[take] for take in allowed)
    assert all(held[key] <= cap for key, cap in caps.items()), (held, caps)
    # Nor was anything refused that there was room for: nothing was given back, so it would not fit now either.
    for take in set(takes) - set(allowed):
        cut = spending.row(TakeRow, take).cut_id
        own = [MONTH, f"cut:{cut}", *([f"campaign:{campaign}"] if cut in cuts[:3] else [])]
        assert any(held[key] + price[take] > caps[key] for key in own)
