"""The books: right after any sequence of reservations, ends, repetitions and crashes; and what is wrong is found."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from pipeline.errors import BudgetRefused, LedgerConflict
from pipeline.ledger.entries import Entry, EntryKind, faults
from pipeline.production.books import audit
from pipeline.store.tables import LedgerRow, PurseRow, TakeRow
from pipeline.units import MicroUsd
from tests.support.spending import NOW, SimulatedCrash, Spending, copy_of, open_spending

MONTH = "account:2026-11"
folders = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def spending(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> Iterator[Spending]:
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres").fresh_database()
    else:
        url = copy_of(template, tmp_path)
    opened = open_spending(url)
    yield opened
    opened.database.close()


@pytest.fixture
def books(spending: Spending) -> Spending:
    """Books with a bit of everything, all of it right."""
    campaign = spending.campaign("autumn", 9_000_000)
    cut, other = spending.cut(campaign=campaign, shots=2), spending.cut()
    spending.spend(cut, 400_000)
    spending.spend(cut, 0, price=300_000, state="failed")
    spending.spend(other, 900_000, price=800_000, state="rejected")
    spending.spend(other, 0)
    spending.hold(other, 250_000)
    spending.take(cut, 70_000)
    assert audit(spending.studio).faults == ()
    return spending


def test_the_sums_are_those_of_the_ledger(books: Spending) -> None:
    found = audit(books.studio)

    assert (found.entries, found.purses) == (14, 4)
    assert (found.spent, found.reserved) == (1_300_000, 250_000)


def _change(spending: Spending, statement: Any) -> None:
    with spending.database.write() as session:
        session.execute(statement)


def _of(spending: Spending, state: str) -> str:
    with spending.database.read() as session:
        return session.scalars(select(TakeRow.id).where(TakeRow.state == state).order_by(TakeRow.id).limit(1)).one()


def _purse_loses_a_millionth(spending: Spending) -> str:
    _change(
        spending,
        update(PurseRow).where(PurseRow.key == MONTH).values(committed_micro_usd=PurseRow.committed_micro_usd - 1),
    )
    return f"purse {MONTH} holds $1.549999, the ledger has $1.55"


def _purse_of_nobody(spending: Spending) -> str:
    _change(spending, update(PurseRow).where(PurseRow.key.startswith("campaign:")).values(key="campaign:gone"))
    return "purse campaign:gone holds $0.40, the ledger has $0.00"


def _release_is_lost(spending: Spending) -> str:
    take = _of(spending, "rejected")
    _change(spending, delete(LedgerRow).where(LedgerRow.key == f"release:{take}"))
    return f"take {take} is settled but not released"


def _reservation_is_lost(spending: Spending) -> str:
    take = _of(spending, "failed")
    _change(spending, delete(LedgerRow).where(LedgerRow.key == f"reserve:{take}"))
    return f"take {take} was never reserved"


def _charge_is_changed(spending: Spending) -> str:
    take = _of(spending, "rejected")
    _change(spending, update(LedgerRow).where(LedgerRow.key == f"settle:{take}").values(amount_micro_usd=1))
    return f"take {take}: reserve - settle - release is 899999, not 0"


def _take_says_another_charge(spending: Spending) -> str:
    take = _of(spending, "rejected")
    _change(spending, update(TakeRow).where(TakeRow.id == take).values(charged_micro_usd=5))
    return f"take {take} says $0.000005 was charged, the ledger $0.90"


def _take_ends_and_keeps_its_money(spending: Spending) -> str:
    take = _of(spending, "unknown")
    _change(spending, update(TakeRow).where(TakeRow.id == take).values(state="failed"))
    return f"take {take} is failed, and $0.25 is still reserved for it"


@pytest.mark.parametrize(
    "harm",
    [
        _purse_loses_a_millionth,
        _purse_of_nobody,
        _release_is_lost,
        _reservation_is_lost,
        _charge_is_changed,
        _take_says_another_charge,
        _take_ends_and_keeps_its_money,
    ],
)
def test_what_is_wrong_is_told(books: Spending, harm: Callable[[Spending], str]) -> None:
    expected = harm(books)

    found = audit(books.studio).faults

    assert any(expected in each for each in found), found


def test_no_more_faults_are_told_than_asked_for(books: Spending) -> None:
    _change(books, update(TakeRow).values(charged_micro_usd=TakeRow.charged_micro_usd + 1))

    few, all_ = audit(books.studio, most=2), audit(books.studio, most=6)

    assert (len(few.faults), few.more) == (2, True)
    assert (len(all_.faults), all_.more) == (6, False)


KINDS = st.sampled_from(EntryKind)
quick = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@quick
@given(rows=st.lists(st.tuples(KINDS, st.integers(0, 3)), min_size=1, max_size=4))
def test_whatever_the_laws_find_wrong_in_a_takes_entries_the_audit_finds(
    template: Path, tmp_path: Path, rows: list[tuple[EntryKind, int]]
) -> None:
    spending = open_spending(copy_of(template, tmp_path / f"{next(folders)}"))
    cut = spending.cut()
    take = spending.take(cut, 3)
    entries = [Entry(f"{kind}:{n}", kind, take, MicroUsd(amount)) for n, (kind, amount) in enumerate(rows)]
    with spending.database.write() as session:
        session.add_all(
            LedgerRow(
                id=entry.key, key=entry.key, kind=entry.kind, cut_id=cut, shot_id=f"{cut}-0", take_id=take,
                model="", amount_micro_usd=entry.amount, at=NOW,
            )
            for entry in entries
        )  # fmt: skip

    told = [each for each in audit(spending.studio).faults if "says" not in each]
    spending.database.close()

    assert bool(told) >= bool(faults(entries)), entries


CAP = {"account": 90, "campaign": 60, "cut": 40, "shot": 30}
doings = st.one_of(
    st.tuples(st.just("reserve"), st.integers(0, 7), st.just(0)),
    st.tuples(st.just("settle"), st.integers(0, 7), st.integers(0, 25)),
    st.tuples(st.just("release"), st.integers(0, 7), st.just(0)),
    st.tuples(st.just("month"), st.integers(1, 2), st.just(0)),
)


@quick
@given(
    prices=st.lists(st.integers(0, 20), min_size=8, max_size=8),
    course=st.lists(st.tuples(doings, st.booleans(), st.integers(1, 2)), max_size=25),
)
def test_any_sequence_with_repetitions_and_crashes_leaves_the_books_right_and_every_cap_kept(
    template: Path, tmp_path: Path, prices: list[int], course: list[tuple[tuple[str, int, int], bool, int]]
) -> None:
    spending = open_spending(copy_of(template, tmp_path / f"{next(folders)}"), account_cap=MicroUsd(CAP["account"]))
    campaign = spending.campaign("autumn", CAP["campaign"])
    cuts = [spending.cut(campaign=campaign, budget=CAP["cut"], shots=2), spending.cut(budget=CAP["cut"], shots=2)]
    takes = [spending.take(cuts[n % 2], price, shot=n // 4) for n, price in enumerate(prices)]
    held: dict[str, tuple[str, int]] = {}  # the oracle: take -> month and what counts against its caps
    ended: set[str] = set()
    overrun = False

    for (word, number, charged), crashes, times in course:
        if word == "month":
            spending.clock.now = datetime(2026, 10 + number, 5, tzinfo=NOW.tzinfo)
            continue
        take = takes[number]
        spending.crashes = crashes
        for _ in range(times):
            with suppress(SimulatedCrash, BudgetRefused, LedgerConflict):
                match word:
                    case "reserve":
                        spending.reserve(take, CAP["shot"])
                        held.setdefault(take, (spending.clock.now.strftime("%Y-%m"), prices[number]))
                    case "settle":
                        spending.settle(take, charged)
                        overrun |= charged > held[take][1] and take not in ended
                        held[take] = (held[take][0], charged)
                        ended.add(take)
                    case _:
                        spending.release(take)
                        if take in held:
                            held[take] = (held[take][0], 0)
                            ended.add(take)

        committed = spending.committed()
        by_month = {f"account:{m}": sum(v for k, v in held.values() if k == m) for m in ("2026-11", "2026-12")}
        by_cut = {
            f"cut:{cut}": sum(v for take, (_, v) in held.items() if takes.index(take) % 2 == n)
            for n, cut in enumerate(cuts)
        }
        expected = {**by_month, **by_cut, f"campaign:{campaign}": by_cut[f"cut:{cuts[0]}"]}
        assert all(committed.get(key, 0) == amount for key, amount in expected.items()), (committed, expected)
        if not overrun:
            assert all(amount <= CAP[key.partition(":")[0]] for key, amount in committed.items())

    found = audit(spending.studio)
    spending.database.close()
    assert [each for each in found.faults if "still reserved" not in each] == []
    assert found.spent == sum(held[take][1] for take in ended)
    assert found.reserved == sum(amount for take, (_, amount) in held.items() if take not in ended)
