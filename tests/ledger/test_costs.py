from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger.costs import (
    expected_attempts,
    expected_cost,
    regeneration_multiplier,
    true_cost,
    worst_cost,
)
from pipeline.units import MicroUsd


@given(p=st.fractions(0, 1, max_denominator=100), n=st.integers(1, 12))
def test_expected_attempts_are_the_sum_over_the_attempts_that_are_reached(p: Fraction, n: int) -> None:
    reached = sum(((1 - p) ** k for k in range(n)), Fraction(0))

    assert expected_attempts(p, n) == reached
    assert 1 <= reached <= n


@given(
    price=st.integers(0, 10**9).map(MicroUsd),
    p=st.fractions(0, 1, max_denominator=20),
    n=st.integers(1, 9),
    candidates=st.integers(1, 8),
)
def test_the_expected_cost_lies_between_one_take_each_and_the_worst_case(
    price: MicroUsd, p: Fraction, n: int, candidates: int
) -> None:
    expected = expected_cost(price, acceptance=p, max_attempts=n, candidates=candidates)

    assert price * candidates <= expected <= worst_cost(price, max_attempts=n, candidates=candidates)


@pytest.mark.parametrize(("p", "n"), [(Fraction(-1), 3), (Fraction(2), 3), (Fraction(1, 2), 0)])
def test_nonsense_is_refused(p: Fraction, n: int) -> None:
    with pytest.raises(ValueError, match="acceptance is 0 to 1"):
        expected_attempts(p, n)


def test_the_true_cost_counts_every_attempt_checks_refinement_and_delay() -> None:
    cost = true_cost(
        [MicroUsd(500_000), MicroUsd(500_000)],
        checks=[MicroUsd(2_000)],
        refinement=[MicroUsd(30_000)],
        delay_s=5400,
        delay_cost_per_hour=MicroUsd(10_000_000),
    )

    assert (cost.billed, cost.checks, cost.refinement, cost.delay) == (1_000_000, 2_000, 30_000, 15_000_000)
    assert cost.total == 16_032_000


def test_the_regeneration_multiplier_is_unknown_until_something_is_accepted() -> None:
    assert regeneration_multiplier(5, 2) == Fraction(5, 2)
    assert regeneration_multiplier(5, 0) is None
