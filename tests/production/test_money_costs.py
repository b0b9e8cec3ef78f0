"""What was spent on what: sums of the ledger's entries, however they are told apart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.production.books import audit
from pipeline.production.costs import NO_CAMPAIGN, By, Costs, cost_report
from tests.support.boards import board
from tests.support.spending import NOW, Spending, copy_of, open_spending


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
def spent(spending: Spending) -> Spending:
    """Two cuts of a campaign, one of none, in November and December."""
    autumn = spending.campaign("autumn")
    sea = spending.cut(campaign=autumn, key="sea", shots=2, expected=1_000_000, worst=4_000_000)
    land = spending.cut(campaign=autumn, key="land", tier="speed", expected=300_000, worst=900_000)
    alone = spending.cut(key="alone", expected=50_000, worst=70_000)
    spending.spend(sea, 400_001, state="rejected")
    spending.spend(sea, 400_002, price=500_000)
    spending.spend(sea, 0, price=400_000, state="failed", shot=1)
    spending.spend(sea, 200_000, model="cheap/one", shot=1)
    spending.spend(land, 0, model="free/one")
    spending.hold(land, 90_000)
    spending.clock.now = datetime(2026, 12, 1, tzinfo=NOW.tzinfo)
    spending.spend(alone, 60_000, price=50_000)
    return spending


def test_attempts_are_what_was_made_or_billed_and_all_of_it_is_against_the_quote(spent: Spending) -> None:
    rows = cost_report(spent.studio, By.STORYBOARD).rows

    assert list(rows) == ["sea", "alone", "land"]
    assert rows["sea"] == Costs(1_000_003, 0, 3, 3, 2, 1_000_000, 4_000_000)
    assert rows["land"] == Costs(0, 90_000, 1, 0, 1, 300_000, 900_000)
    assert rows["sea"].multiplier == Fraction(3, 2)
    assert rows["sea"].per_accepted == Fraction(1_000_003, 2)
    assert Costs(5, 0, 1, 1, 0).multiplier is Costs(5, 0, 1, 1, 0).per_accepted is None


@pytest.mark.parametrize(
    ("by", "billed"),
    [
        (By.MODEL, {"dear/one": 860_003, "cheap/one": 200_000, "free/one": 0}),
        (By.TIER, {"premium": 1_060_003, "speed": 0}),
        (By.CAMPAIGN, {"autumn": 1_000_003, NO_CAMPAIGN: 60_000}),
        (By.STORYBOARD, {"sea": 1_000_003, "alone": 60_000, "land": 0}),
    ],
)
def test_however_it_is_told_apart_it_adds_up_to_the_ledger(spent: Spending, by: By, billed: dict[str, int]) -> None:
    report, books = cost_report(spent.studio, by), audit(spent.studio)

    assert {group: costs.billed_micro_usd for group, costs in report.rows.items()} == billed
    assert report.total.billed_micro_usd == books.spent == 1_060_003
    assert report.total.reserved_micro_usd == books.reserved == 90_000
    assert (report.total.expected_micro_usd, report.total.worst_micro_usd) == (1_350_000, 4_970_000)
    assert report.cuts == 3


def test_a_month_is_that_of_the_reservations(spent: Spending) -> None:
    november, december, never = (cost_report(spent.studio, By.MODEL, f"2026-{m}") for m in (11, 12, 10))

    assert november.total.billed_micro_usd == 1_000_003
    assert december.rows == {"dear/one": Costs(60_000, 0, 1, 1, 1, 50_000, 70_000)}
    assert never.rows == {}
    assert never.total == Costs()


def test_a_class_is_the_storyboards_own(spending: Spending) -> None:
    for content_class, charged in (("product", 5), ("action", 3), ("product", 2)):
        body = board({}, content_class=content_class).model_dump(mode="json")
        spending.spend(spending.cut(body=body), charged)

    rows = cost_report(spending.studio, By.CLASS).rows

    assert {group: costs.billed_micro_usd for group, costs in rows.items()} == {"product": 7, "action": 3}


amounts = st.integers(1, 5_000_000)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    takes=st.lists(
        st.tuples(st.integers(0, 2), amounts, st.none() | amounts, st.sampled_from(["a/x", "b/y"])), max_size=10
    )
)
def test_any_takes_add_up_by_everything(
    template: Path, tmp_path_factory: pytest.TempPathFactory, takes: list[tuple[int, int, int | None, str]]
) -> None:
    spending = open_spending(copy_of(template, tmp_path_factory.mktemp("costs")))
    autumn = spending.campaign("autumn")
    cuts = [spending.cut(campaign=autumn, key=f"b{n}", tier=tier) for n, tier in enumerate(("speed", "premium"))]
    cuts.append(spending.cut(key="b2", shots=2))
    for cut, price, charged, model in takes:
        if charged is None:
            spending.reserve(spending.take(cuts[cut], price, model=model, state="generating"))
        else:
            spending.spend(cuts[cut], charged, price=price, model=model)

    reports = [cost_report(spending.studio, by) for by in By if by is not By.CLASS]
    spending.database.close()

    for report in reports:
        assert report.total.billed_micro_usd == sum(charged or 0 for _, _, charged, _ in takes)
        assert report.total.reserved_micro_usd == sum(price for _, price, charged, _ in takes if charged is None)
        assert report.total.accepted == sum(charged is not None for _, _, charged, _ in takes)
