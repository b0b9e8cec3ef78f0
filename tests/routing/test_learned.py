from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import routing as benchmark
from pipeline.routing.learned import Evidence, Learning, Option, Seen, discounted, posterior, valued
from pipeline.units import MicroUsd

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
RULE = Learning()
CHEAP, DEAR = Option("a/cheap", MicroUsd(200_000)), Option("b/dear", MicroUsd(2_000_000))


def known(option: Option, accepted: float, rejected: float) -> Option:
    return Option(option.model, option.price, Evidence(accepted, rejected))


def test_the_first_attempt_goes_to_what_is_cheap_and_the_last_to_what_is_sure() -> None:
    options = [known(CHEAP, 400, 600), known(DEAR, 980, 20)]

    order = {left: valued(options, 0.5, left, RULE, None)[0].model for left in (1, 4)}

    assert order == {1: "b/dear", 4: "a/cheap"}


def test_a_model_whose_takes_are_rejected_falls_behind() -> None:
    before = valued([CHEAP, DEAR], 0.7, 3, RULE, None)[0]
    after = valued([known(CHEAP, 0, 60), DEAR], 0.7, 3, RULE, None)[0]

    assert (before.model, after.model) == ("a/cheap", "b/dear")


def test_older_verdicts_count_less_by_their_number_and_by_their_age() -> None:
    rule = Learning(half_life_takes=1, half_life_days=1)

    newer = discounted([Seen(NOW, True), Seen(NOW, True)], rule, NOW)
    older = discounted([Seen(NOW - timedelta(days=1), True)], rule, NOW)

    assert (newer.accepted, older.accepted) == (1.5, 0.5)


def test_without_verdicts_the_posterior_is_what_the_table_assumes() -> None:
    alpha, beta = posterior(Evidence(), 0.7, RULE)

    assert alpha / (alpha + beta) == pytest.approx(0.7)
    assert alpha + beta == RULE.prior_takes


@given(
    prices=st.lists(st.integers(0, 5_000_000), min_size=1, max_size=5),
    counts=st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50)), min_size=5, max_size=5),
    seed=st.integers(),
    left=st.integers(1, 8),
)
def test_a_replay_gives_the_same_order_and_every_option_keeps_its_place_in_it(
    prices: list[int], counts: list[tuple[float, float]], seed: int, left: int
) -> None:
    options = [Option(f"a/m{n}", MicroUsd(p), Evidence(*counts[n])) for n, p in enumerate(prices)]

    once, again = (valued(options, 0.6, left, RULE, random.Random(seed)) for _ in range(2))

    assert once == again
    assert sorted(each.model for each in once) == [each.model for each in options]
    assert [each.cost for each in once] == sorted(each.cost for each in once)
    assert all(0 <= each.acceptance <= 1 and each.why for each in once)


def test_in_a_small_world_it_is_far_cheaper_than_the_table_at_no_less_completion() -> None:
    tallies = {name: benchmark.Tally() for name in ("learned", "escalation ladder (table)", "oracle")}

    for name, tally in tallies.items():
        for seed in range(2):
            benchmark.simulate(benchmark.World("steady", seed, 300), benchmark.WAYS[name], tally)

    learned, ladder, oracle = tallies.values()
    assert oracle.true_cost < learned.true_cost < ladder.true_cost
    assert learned.completion >= ladder.completion
