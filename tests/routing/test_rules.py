from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigurationError
from pipeline.registry.load import Registry, load_registry
from pipeline.routing.decide import Experience, route
from pipeline.routing.decision import RouteDecision
from pipeline.routing.facts import shot_facts
from pipeline.routing.health import Breaker, Standing
from pipeline.routing.load import load_table
from pipeline.routing.rules import Circumstances
from pipeline.routing.stage import Stage
from pipeline.routing.table import RoutingTable
from pipeline.units import MicroUsd
from tests.support.boards import board
from tests.support.registry_samples import write

MODELS = tuple(f"acme/m{n}" for n in range(5))
_MODEL = """
  {id}:
    kind: video
    capabilities:
      modes: [text-to-video, image-to-video]
      durations: {{max_s: 20}}
      resolutions: any
      aspect_ratios: any
      audio: {audio}
      seed: {seed}
      reference_images: {references}
    prices: [{{from: 2026-01-01, source: x, rates: [{{unit: second, usd: "{usd}"}}]}}]
"""
REGISTRY = "format: 1\nengine: acme\nprovider: Acme\nmodels:" + "".join(
    _MODEL.format(id=model, audio="no" if n == 0 else "yes", seed="yes" if n > 2 else "no", references=n, usd=f"0.{n}1")
    for n, model in enumerate(MODELS)
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return load_registry(write(tmp_path_factory.mktemp("registry"), REGISTRY))


def table(*rules: dict[str, Any], **fields: Any) -> RoutingTable:
    return RoutingTable.model_validate(
        {
            "format": 1,
            "version": "1",
            "default": {"standard": MODELS, "premium": MODELS[::-1]},
            "rules": rules,
            **fields,
        }
    )


def decide(
    registry: Registry,
    rules: RoutingTable,
    *,
    around: Circumstances | None = None,
    standings: dict[str, Standing] | None = None,
    stage: Stage = Stage.FINAL,
    fields: dict[str, Any] | None = None,
    **shot: Any,
) -> RouteDecision:
    film = board({"duration_s": 4, **shot}, **(fields or {}))
    return route(
        shot_facts(film, film.shots[0]),
        stage=stage,
        registry=registry,
        table=rules,
        available_engines={"acme": (), "animatic": ()},
        today=date(2026, 11, 21),
        around=around,
        experience=Experience(standings),
    )


def rule(then: dict[str, Any], when: dict[str, Any] | None = None, name: str = "ours") -> dict[str, Any]:
    return {"name": name, "when": when or {}, "then": then}


NOTHING: dict[str, Any] = {}
HELLO = {"dialogue": [{"text": "Hello"}]}


@pytest.mark.parametrize(
    ("when", "holds", "fails"),
    [
        ({"tier": ["standard"]}, NOTHING, {"tier": "premium"}),
        ({"content_class": ["product"]}, {"fields": {"content_class": "product"}}, NOTHING),
        ({"mode": ["image-to-video"]}, {"mode": "image-to-video"}, {"mode": "text-to-video"}),
        ({"dialogue": {"min": 1}}, HELLO, NOTHING),
        ({"characters": {"max": 0}}, NOTHING, {"characters": [{"id": "ada"}]}),
        ({"motion": ["action"]}, {"prompt": "A fox leaps over the ice"}, {"prompt": "A fox sleeps"}),
        ({"motion": ["camera"]}, {"camera": {"move": "dolly in"}}, {"camera": {"move": "static"}}),
        ({"camera_move": ["push-in"]}, {"camera": {"move": "dolly in"}}, {"camera": {"move": "pan left"}}),
        ({"duration_s": {"min": 6}}, {"duration_s": 6}, {"duration_s": 5.5}),
        ({"aspect": ["portrait"]}, {"fields": {"deliverables": [{"resolution": "720x1280"}]}}, NOTHING),
        ({"aspect": ["16:9"]}, {"fields": {"deliverables": [{"resolution": "1366x768"}]}}, {
            "fields": {"deliverables": [{"resolution": "640x640"}]}
        }),
        ({"budget_left_usd": {"max": 1}}, {"around": Circumstances(Stage.FINAL, MicroUsd(900_000))}, NOTHING),
        (
            {"credits_left_usd": {"max": 1}},
            {"around": Circumstances(Stage.FINAL, credits_left=MicroUsd(900_000))},
            {"around": Circumstances(Stage.FINAL, credits_left=MicroUsd(1_100_000))},
        ),
        (
            {"hours_left": {"max": 2}},
            {"around": Circumstances(Stage.FINAL, hours_left=-3)},
            {"around": Circumstances(Stage.FINAL, hours_left=3)},
        ),
    ],
)  # fmt: skip
def test_a_rule_applies_where_its_condition_holds_and_nowhere_else(
    registry: Registry, when: dict[str, Any], holds: dict[str, Any], fails: dict[str, Any]
) -> None:
    rules = table(rule({"avoid": {"models": ["acme/m1"]}}, when))
    fields = {"characters": {"ada": {"description": "A woman"}}}

    there = decide(registry, rules, **{**holds, "fields": {**fields, **holds.get("fields", {})}})
    elsewhere = decide(registry, rules, **{**fails, "fields": {**fields, **fails.get("fields", {})}})

    assert (there.rules, elsewhere.rules) == (("ours",), ())
    assert there.candidates[-1].model == "acme/m1"
    assert "rule ours avoids it" in there.candidates[-1].notes


def test_what_a_rule_prefers_comes_first_in_the_order_in_which_it_names_them(registry: Registry) -> None:
    decision = decide(registry, table(rule({"prefer": {"models": ["acme/m3", "acme/m1"]}})))

    assert decision.chain == ("acme/m3", "acme/m1", "acme/m0")
    assert [each.table_rank for each in decision.candidates] == [4, 2, 1, 3, 5]


def test_what_a_rule_requires_or_excludes_is_refused_with_the_rules_name(registry: Registry) -> None:
    decision = decide(
        registry,
        table(
            rule({"require": {"can": ["references"]}}, name="faces"),
            rule({"exclude": {"models": ["acme/m2"]}}, name="not-two"),
            rule({"max_usd_per_second": "0.31"}, name="thrift"),
        ),
    )

    said = {each.model: each.reason for each in decision.candidates}
    assert decision.chain == ("acme/m1", "acme/m3")
    assert said["acme/m0"] == "rule faces requires models with references"
    assert said["acme/m2"] == "rule not-two excludes it"
    assert said["acme/m4"] == "one take may cost $1.64, and rule thrift allows $1.24"


def test_a_rule_changes_the_tier_and_rules_of_that_tier_then_apply(registry: Registry) -> None:
    rules = table(
        rule({"tier": "premium"}, {"motion": ["action"]}, name="action"),
        rule({"exclude": {"models": ["acme/m4"]}}, {"tier": ["premium"]}, name="not-four"),
    )

    decision = decide(registry, rules, prompt="Two cars crash")

    assert (decision.tier_asked, decision.tier_used) == ("standard", "premium")
    assert decision.notes == ("rule action uses the premium tier, not standard",)
    assert decision.chain == ("acme/m3", "acme/m2", "acme/m1")


def test_no_rule_makes_a_preview_cost_anything(registry: Registry) -> None:
    rules = table(rule({"tier": "premium"}), stages={"preview": {"tier": "draft"}})

    assert decide(registry, rules, stage=Stage.PREVIEW).tier_used == "draft"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{name: loud, when: {dialog: {min: 1}}, then: {tier: premium}}", ("rules.loud.when.dialog", "mean dialogue")),
        ("{name: loud, when: {camera_move: [dolly]}, then: {tier: premium}}", ("rules.loud.when", "mean push-in?")),
        ("{name: loud, then: {}}", ("rules.loud.then", "say what follows")),
        ("{name: loud, then: {prefer: {models: []}}}", ("rules.loud.then.prefer", "name models")),
        ("{name: loud, when: {duration_s: {min: 5, max: 2}}, then: {tier: premium}}", ("rules.loud.when.duration_s",)),
        ("{name: loud, when: {stage: []}, then: {tier: premium}}", ("rules.loud.when.stage", "never apply")),
        ("{name: loud, then: {max_usd_per_second: 0.5}}", ("rules.loud.then.max_usd_per_second", "in quotes")),
        ("{name: loud, then: {prefer: {models: [acme/m9]}}}", ("rules.loud.then.prefer.models", "no model 'acme/m9'")),
        ("{name: loud, then: {avoid: {models: [nobody/*]}}}", ("rules.loud.then.avoid.models", "no model 'nobody/*'")),
        ("{when: {}, then: {tier: premium}}", ("rules.1 (it has no name)",)),
        ("{name: a, then: {tier: draft}}, {name: a, then: {tier: draft}}", ("two rules are named a",)),
    ],
)
def test_a_wrong_rule_is_refused_by_its_name_and_field(
    tmp_path: Path, registry: Registry, text: str, words: tuple[str, ...]
) -> None:
    path = write(tmp_path, f"format: 1\nrules: [{text}]\n", "routing.yaml")

    with pytest.raises(ConfigurationError) as caught:
        load_table(path, registry=registry)

    assert all(word in str(caught.value) for word in (*words, "routing.yaml")), caught.value


WHICH = st.fixed_dictionaries({"models": st.lists(st.sampled_from([*MODELS, "acme/*"]), min_size=1, max_size=3)}) | (
    st.fixed_dictionaries({"can": st.lists(st.sampled_from(["audio", "seed", "references"]), min_size=1, max_size=2)})
)
THEN = st.one_of(
    *(st.fixed_dictionaries({effect: WHICH}) for effect in ("prefer", "avoid", "require", "exclude")),
    st.fixed_dictionaries({"max_usd_per_second": st.sampled_from(["0.05", "0.20", "0.35"])}),
)
STANDINGS = st.dictionaries(st.sampled_from(MODELS), st.builds(Standing, breaker=st.sampled_from(Breaker)))


@given(
    thens=st.lists(THEN, max_size=4),
    standings=STANDINGS,
    budget=st.none() | st.integers(0, 2_000_000),
    deny=st.lists(st.sampled_from(MODELS), max_size=2),
    learned=st.booleans(),
    longest=st.integers(1, 6),
)
def test_no_chain_holds_a_refused_model_or_one_twice_and_every_move_is_explained(
    registry: Registry,
    thens: list[dict[str, Any]],
    standings: dict[str, Standing],
    budget: int | None,
    deny: list[str],
    learned: bool,
    longest: int,
) -> None:
    rules = table(
        *(rule(then, name=f"r{n}") for n, then in enumerate(thens)),
        strategy="learned" if learned else "table",
        chain_length=longest,
    )
    left = None if budget is None else MicroUsd(budget)

    decision = decide(
        registry, rules, around=Circumstances(Stage.FINAL, left), standings=standings, models={"deny": deny}
    )

    by_model = {each.model: each for each in decision.candidates}
    assert sorted(by_model) == sorted(MODELS)
    assert len(set(decision.chain)) == len(decision.chain) <= longest
    for model in decision.chain:
        chosen = by_model[model]
        assert chosen.eligible
        assert model not in deny
        assert left is None or (chosen.worst_micro_usd or 0) <= left
        assert not any("exclude" in then and model in then["exclude"].get("models", ()) for then in thens)
    able = [each.model for each in decision.candidates if each.eligible]
    assert decision.chain[:1] == tuple(able[:1])
    assert len(decision.chain) == min(longest, len(able))
    for each in decision.candidates:
        assert each.reason
        ahead = [
            other for other in decision.candidates if other.rank < each.rank and other.table_rank > each.table_rank
        ]
        for other in ahead:
            explained = [*each.notes, *other.notes, each.reason]
            assert any("rule r" in note or "learned:" in note for note in explained), (each, other)
    healthy = [model for model in able[1:] if standings.get(model, Standing()).usable]
    if any(not standings.get(model, Standing()).usable for model in decision.chain[1:]):
        assert set(healthy) <= set(decision.chain)
