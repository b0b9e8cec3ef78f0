from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import EXIT_BUDGET, BudgetRefused
from pipeline.registry.load import load_registry
from pipeline.routing.decide import route
from pipeline.routing.facts import shot_facts
from pipeline.routing.load import load_table
from pipeline.routing.quote import Quote, quote, require_budget
from pipeline.routing.stage import Stage
from pipeline.units import MicroUsd
from tests.support.boards import board
from tests.support.registry_samples import PAID, write

TABLE = """
format: 1
version: "7"
acceptance: {standard: 0.5}
default: {standard: [acme/one]}
"""
TAKE = 5 * (123_457 + 10_000)  # five seconds at 720p with sound


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The shipped registry and table, with a paid model added by two YAML files and no code."""
    folder = tmp_path_factory.mktemp("overlays")
    registry = load_registry(write(folder, PAID, "registry.yaml"))
    return registry, load_table(write(folder, TABLE, "routing.yaml"), registry=registry)


def quoted(
    rules: tuple[Any, Any], *shots: dict, stage: Stage = Stage.FINAL, budget: int | None = None, **fields: Any
) -> Quote:
    registry, table = rules
    film = board(*shots, **fields)
    decisions = [
        route(
            shot_facts(film, shot),
            stage=stage,
            registry=registry,
            table=table,
            available_engines={"animatic": (), "acme": ()},
            today=date(2026, 11, 21),
        )
        for shot in film.enabled_shots
    ]
    return quote(film, decisions, table, budget=None if budget is None else MicroUsd(budget))


def test_a_model_added_by_yaml_alone_is_routed_to_and_quoted_to_the_micro_usd(rules: tuple[Any, Any]) -> None:
    priced = quoted(rules, {"duration_s": 5}, {"duration_s": 5, "candidates": 2, "max_attempts": 2})

    first, second = priced.shots
    assert first.model == second.model == "acme/one"
    assert first.take_micro_usd == TAKE == 667_285
    assert first.expected_micro_usd == 1_167_749  # x (1 + 1/2 + 1/4), rounded up
    assert first.worst_micro_usd == 3 * TAKE
    assert second.expected_micro_usd == 2_001_855  # x (1 + 1/2) x 2
    assert second.worst_micro_usd == 4 * TAKE
    assert priced.expected_micro_usd == 1_167_749 + 2_001_855
    assert priced.worst_micro_usd == 7 * TAKE
    assert priced.complete


def test_a_preview_costs_nothing(rules: tuple[Any, Any]) -> None:
    priced = quoted(rules, {}, {}, stage=Stage.PREVIEW, budget=0)

    assert (priced.expected_micro_usd, priced.worst_micro_usd, priced.refusal) == (0, 0, "")


def test_a_cost_cap_bounds_the_worst_case_and_is_warned_of(rules: tuple[Any, Any]) -> None:
    priced = quoted(rules, {"duration_s": 5, "max_cost_usd": 1})

    assert priced.worst_micro_usd == priced.expected_micro_usd == 1_000_000
    assert priced.shots[0].capped
    assert any("s1" in warning for warning in priced.warnings)


def test_work_is_refused_when_the_expected_cost_is_beyond_the_budget(rules: tuple[Any, Any]) -> None:
    priced = quoted(rules, {"duration_s": 5}, budget=1_167_748)

    with pytest.raises(BudgetRefused) as caught:
        require_budget(priced)

    assert caught.value.exit_code == EXIT_BUDGET == 3
    assert "$1.167749" in str(caught.value)
    assert "--budget of $1.167748" in str(caught.value)
    assert "$2.001855" in str(caught.value)


def test_a_worst_case_beyond_the_budget_is_a_warning_for_reservations_hold_it(rules: tuple[Any, Any]) -> None:
    priced = quoted(rules, {"duration_s": 5}, budget=1_167_749)

    require_budget(priced)
    assert any("At worst it would cost $2.001855" in warning for warning in priced.warnings)


def test_shots_without_a_model_are_named_and_left_out_of_the_sums(rules: tuple[Any, Any]) -> None:
    priced = quoted(rules, {"duration_s": 5}, {"tier": "premium"}, {"enabled": False})

    assert not priced.complete
    assert priced.shots[1].worst_micro_usd is None
    assert priced.worst_micro_usd == 3 * TAKE
    assert any("s2" in warning for warning in priced.warnings)
    assert len(priced.shots) == 2


def test_a_quote_of_other_shots_is_refused(rules: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="route of each enabled shot"):
        quote(board({}), [], rules[1])


def test_a_quote_survives_json(rules: tuple[Any, Any]) -> None:
    priced = quoted(rules, {"duration_s": 5}, budget=5)

    assert Quote.model_validate_json(priced.model_dump_json()) == priced


def test_the_worst_case_counts_the_dearest_fallback(tmp_path: Path, rules: tuple[Any, Any]) -> None:
    cheap_first = "format: 1\ndefault: {standard: [animatic/painted, acme/one]}"
    table = load_table(write(tmp_path, cheap_first), registry=rules[0])

    priced = quoted((rules[0], table), {"duration_s": 5})

    assert (priced.expected_micro_usd, priced.worst_micro_usd) == (0, 3 * TAKE)


def test_the_tightest_limit_counts(rules: tuple[Any, Any]) -> None:
    priced = quoted_with_limit(rules, limit_usd=1.0, budget=1_100_000)

    assert "budget.limit_usd of $1.00" in priced.refusal


def quoted_with_limit(rules: tuple[Any, Any], *, limit_usd: float, budget: int) -> Quote:
    registry, table = rules
    film = board({"duration_s": 5}, budget={"limit_usd": limit_usd})
    decision = route(
        shot_facts(film, film.shots[0]),
        stage=Stage.FINAL,
        registry=registry,
        table=table,
        available_engines={"acme": ()},
        today=date(2026, 11, 21),
    )
    return quote(film, [decision], table, budget=MicroUsd(budget))


@given(
    shots=st.lists(
        st.fixed_dictionaries(
            {
                "duration_s": st.sampled_from([1, 5, 7.5, 10]),
                "candidates": st.integers(1, 4),
                "max_attempts": st.integers(1, 6),
                "max_cost_usd": st.none() | st.floats(0, 20),
            }
        ),
        min_size=1,
        max_size=4,
    )
)
def test_expected_is_never_more_than_worst_and_both_add_up(rules: tuple[Any, Any], shots: list[dict]) -> None:
    priced = quoted(rules, *shots)

    known = [shot for shot in priced.shots if shot.worst_micro_usd is not None]
    assert priced.worst_micro_usd == sum(shot.worst_micro_usd or 0 for shot in known)
    for shot in known:
        assert shot.expected_micro_usd is not None
        assert 0 < shot.expected_micro_usd <= (shot.worst_micro_usd or 0)
