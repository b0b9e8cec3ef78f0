from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigurationError, NoModelAvailable
from pipeline.registry.load import Registry, load_registry, registry_of
from pipeline.registry.model import Model
from pipeline.routing.decide import require_routes, route
from pipeline.routing.decision import RouteDecision
from pipeline.routing.facts import shot_facts
from pipeline.routing.load import load_table
from pipeline.routing.stage import Stage
from pipeline.routing.table import RoutingTable
from pipeline.storyboard.schema import Tier
from pipeline.units import MicroUsd
from tests.support.boards import board
from tests.support.registry_samples import PAID, write

TODAY = date(2026, 11, 21)
ENGINES = {"animatic": (), "acme": ()}
TABLE = """
format: 1
version: "7"
chain_length: 2
default:
  standard: [acme/old, acme/one, animatic/pencil, animatic/painted]
"""


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return load_registry(write(tmp_path, PAID, "registry.yaml"))


@pytest.fixture
def table(tmp_path: Path, registry: Registry) -> RoutingTable:
    return load_table(write(tmp_path, TABLE, "table.yaml"), registry=registry)


def decide(
    registry: Registry,
    table: RoutingTable,
    *,
    stage: Stage = Stage.FINAL,
    engines: dict[str, tuple[str, ...]] | None = None,
    today: date = TODAY,
    budget_left: int | None = None,
    fields: dict[str, Any] | None = None,
    **shot: Any,
) -> RouteDecision:
    film = board({"duration_s": 5, **shot}, **(fields or {}))
    return route(
        shot_facts(film, film.shots[0]),
        stage=stage,
        registry=registry,
        table=table,
        available_engines=ENGINES if engines is None else engines,
        today=today,
        budget_left=None if budget_left is None else MicroUsd(budget_left),
    )


def reason(decision: RouteDecision, model: str) -> str:
    candidate = decision.candidate(model)
    assert candidate is not None
    return candidate.reason


def test_a_preview_takes_every_shot_from_the_draft_tier_and_costs_nothing() -> None:
    decision = decide(load_registry(), load_table(), stage=Stage.PREVIEW, tier="premium")

    assert decision.chain == ("animatic/painted", "animatic/pencil")
    assert (decision.tier_asked, decision.tier_used) == ("premium", "draft")
    assert decision.worst_micro_usd == 0
    assert decision.notes == ("a preview cut uses the draft tier, not premium",)


def test_a_final_cut_never_falls_to_a_lower_tier_by_itself() -> None:
    film = board({}, {"tier": "premium"}, {}, {"tier": "draft"})
    registry, table = load_registry(), load_table()

    decisions = [
        route(
            shot_facts(film, shot),
            stage=Stage.FINAL,
            registry=registry,
            table=table,
            available_engines=ENGINES,
            today=TODAY,
        )
        for shot in film.shots
    ]

    with pytest.raises(NoModelAvailable) as caught:
        require_routes(decisions)
    text = str(caught.value)
    assert "No model is configured for tier standard (shots s1, s3)" in text
    assert "tier premium (shot s2)" in text
    assert "s4" not in text
    for words in ("DAILIES_REGISTRY", "DAILIES_ROUTING", "--stage preview"):
        assert words in text
    assert decisions[3].chain[0] == "animatic/painted"


def test_decisions_with_a_model_each_are_required_without_complaint(registry: Registry, table: RoutingTable) -> None:
    require_routes([decide(registry, table)])


def test_a_retired_model_is_refused_naming_its_successor_and_the_next_is_first(
    registry: Registry, table: RoutingTable
) -> None:
    decision = decide(registry, table)

    assert reason(decision, "acme/old") == "it was retired on 2026-11-21; use its successor acme/one"
    assert decision.model == "acme/one"
    assert decision.chain == ("acme/one", "animatic/pencil")


def test_a_model_exists_until_the_day_it_retires_and_says_so_before(registry: Registry, table: RoutingTable) -> None:
    decision = decide(registry, table, today=date(2026, 11, 20))

    old = decision.candidate("acme/old")
    assert decision.model == "acme/old"
    assert old is not None
    assert "it retires on 2026-11-21; its successor is acme/one" in old.notes


def test_the_chain_is_no_longer_than_the_table_says(registry: Registry, table: RoutingTable) -> None:
    decision = decide(registry, table)

    assert reason(decision, "animatic/painted") == "beyond the chain's length of 2"
    assert [each.role for each in decision.candidates] == ["refused", "first", "fallback", "reserve"]


def test_the_price_is_that_of_what_would_be_asked(registry: Registry, table: RoutingTable) -> None:
    decision = decide(registry, table, duration_s=6)

    one = decision.candidate("acme/one")
    assert one is not None
    assert one.planned is not None
    assert one.planned.duration_s == 10
    assert decision.worst_micro_usd == 10 * (123_457 + 10_000)
    assert "it generates 10 s, of which 6 s is used" in one.notes


@pytest.mark.parametrize(
    ("change", "model", "words"),
    [
        ({"models": {"deny": ["acme/one"]}}, "acme/one", "the storyboard denies it for this shot"),
        (
            {"models": {"allow": ["animatic/pencil"]}},
            "acme/one",
            "the storyboard allows only animatic/pencil",
        ),
        ({"models": {"allow": ["acme/two"]}}, "acme/two", "the routing table does not name it"),
        ({"mode": "first-last-frame"}, "acme/one", "it can't do first-last-frame"),
        ({"duration_s": 11}, "acme/one", "11 s is too long for it"),
        ({"max_cost_usd": 0.66}, "acme/one", "one take may cost $0.667285, and $0.66 is left for the shot"),
        ({"budget_left": 600_000}, "acme/one", "and $0.60 is left for the shot"),
        ({"engines": {"animatic": ()}}, "acme/one", "there is no engine 'acme'"),
        ({"engines": {"acme": ("ACME_KEY",)}}, "acme/one", "is not configured: set ACME_KEY"),
        ({"today": date(2025, 1, 1)}, "acme/one", "it has no price for 2025-01-01"),
        (
            {"fields": {"deliverables": [{"resolution": "4096x2304"}]}},
            "acme/one",
            "4096x2304 is too large for it: 1920x1080 would be enlarged 2.1 times (the table allows 2)",
        ),
        (
            {"fields": {"deliverables": [{"resolution": "3840x2160"}]}},
            "acme/one",
            "best ranked",  # 1080p enlarged twice is still allowed
        ),
        (
            {"fields": {"deliverables": [{"resolution": "400x1600"}]}},
            "acme/one",
            "would be cropped to 44%",
        ),
    ],
)
def test_every_candidate_says_why(
    registry: Registry, table: RoutingTable, change: dict[str, Any], model: str, words: str
) -> None:
    assert words in reason(decide(registry, table, **change), model)


def test_a_pin_is_the_only_candidate_whatever_its_tier(registry: Registry, table: RoutingTable) -> None:
    decision = decide(registry, table, tier="premium", models={"pin": "acme/one"})

    assert decision.chain == ("acme/one",)
    assert len(decision.candidates) == 1


def test_a_pin_that_does_not_exist_is_refused_with_the_nearest(registry: Registry, table: RoutingTable) -> None:
    decision = decide(registry, table, models={"pin": "acme/on"})

    assert decision.chain == ()
    assert "the registry has no such model. Did you mean acme/one?" in reason(decision, "acme/on")


@pytest.mark.parametrize("tier", ["draft", "standard"])
def test_a_preview_never_pays_for_a_model_that_is_pinned_or_allowed_for_the_final_cut(
    registry: Registry, table: RoutingTable, tier: str
) -> None:
    pinned = decide(registry, table, stage=Stage.PREVIEW, tier=tier, models={"pin": "acme/one"})
    allowed = decide(registry, table, stage=Stage.PREVIEW, tier=tier, models={"allow": ["acme/one"]})

    assert pinned.chain == allowed.chain == ("animatic/painted", "animatic/pencil")
    assert "the pinned model acme/one is for the final cut" in pinned.notes
    assert "the models allowed are for the final cut" in allowed.notes


def test_a_preview_heeds_a_pin_to_a_draft_model(registry: Registry, table: RoutingTable) -> None:
    decision = decide(registry, table, stage=Stage.PREVIEW, models={"pin": "animatic/pencil"})

    assert decision.chain == ("animatic/pencil",)


def test_a_content_class_has_its_own_ranking(tmp_path: Path, registry: Registry) -> None:
    text = TABLE + "classes:\n  product: {standard: [animatic/pencil]}\n"
    table = load_table(write(tmp_path, text, "t.yaml"), registry=registry)

    product = decide(registry, table, fields={"content_class": "product"})
    draft = decide(registry, table, fields={"content_class": "product"}, tier="draft")

    assert product.chain == ("animatic/pencil",)
    assert draft.model == "animatic/painted"


def test_the_dearest_model_of_the_chain_is_what_the_worst_case_counts(tmp_path: Path) -> None:
    table = load_table(
        write(tmp_path, "format: 1\ndefault: {standard: [animatic/painted, acme/one]}"),
        registry=SAMPLES,
    )

    decision = decide(SAMPLES, table)

    assert decision.model == "animatic/painted"
    assert (decision.worst_micro_usd, decision.chain_worst_micro_usd) == (0, 250_000)


def test_a_decision_survives_json(registry: Registry, table: RoutingTable) -> None:
    decision = decide(registry, table)

    assert RouteDecision.model_validate_json(decision.model_dump_json()) == decision
    assert (decision.table_version, decision.table_hash) == ("7", table.hash)
    assert decision.registry_hash == registry.hash


@given(
    ranked=st.lists(
        st.sampled_from(["acme/one", "acme/old", "animatic/painted", "animatic/pencil", "no/such"]), max_size=8
    ),
    length=st.integers(1, 4),
    deny=st.lists(st.sampled_from(["acme/one", "animatic/painted"]), max_size=2),
    left=st.none() | st.integers(0, 1_000_000),
    day=st.dates(date(2025, 12, 1), date(2027, 1, 1)),
    seconds=st.floats(0.2, 12),
)
def test_the_chain_is_bounded_repeats_nothing_and_holds_only_models_that_may_serve(
    ranked: list[str], length: int, deny: list[str], left: int | None, day: date, seconds: float
) -> None:
    table = RoutingTable.model_validate(
        {"format": 1, "version": "1", "chain_length": length, "default": {"standard": ranked}}
    )

    decision = decide(SAMPLES, table, today=day, budget_left=left, duration_s=seconds, models={"deny": deny})

    assert len(decision.chain) == len(set(decision.chain)) <= length
    assert not set(decision.chain) & set(deny)
    assert [each.model for each in decision.candidates] == list(dict.fromkeys(ranked))
    for candidate in decision.candidates:
        assert candidate.eligible == (candidate.role != "refused")
        assert candidate.reason
        if candidate.model in decision.chain:
            assert candidate.worst_micro_usd is not None
            assert left is None or candidate.worst_micro_usd <= left
            assert candidate.worst_micro_usd <= decision.chain_worst_micro_usd
        if candidate.model == "acme/old" and day >= TODAY:
            assert not candidate.eligible


def _samples() -> Registry:
    shipped = list(load_registry().models.values())
    shared = {"provider": "a", "kind": "video", "engine": "acme"}
    able = {"modes": ["text-to-video"], "durations": [5, 10], "resolutions": "any", "aspect_ratios": "any"}
    price = {"from": date(2026, 1, 1), "source": "x", "rates": [{"unit": "second", "usd": "0.05"}]}
    one = Model.model_validate({**shared, "id": "acme/one", "capabilities": able, "prices": [price]})
    old = Model.model_validate({**shared, "id": "acme/old", "capabilities": able, "prices": [price], "retires": TODAY})
    return registry_of([*shipped, one, old])


SAMPLES = _samples()


def test_a_table_that_names_an_unknown_model_is_refused_naming_file_and_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "format: 1\ndefault: {standard: [animatic/panted]}")

    with pytest.raises(ConfigurationError, match="Did you mean animatic/painted") as caught:
        load_table(path, registry=load_registry())

    assert caught.value.where == str(path)
    assert "default.standard" in caught.value.what


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("default: {stadard: []}", "default.stadard"),
        ("chain_lenght: 2", "did you mean chain_length?"),
        ("chain_length: 0", "chain_length: "),
        ("bounds: {least_picture_kept: 2}", "bounds.least_picture_kept"),
        ("stages: {preview: {tier: fast}}", "stages.preview.tier"),
    ],
)
def test_a_wrong_table_names_the_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_table(write(tmp_path, f"format: 1\n{text}"))

    assert words in caught.value.what


def test_an_overlay_without_a_version_of_its_own_is_told_apart_from_the_shipped_table(tmp_path: Path) -> None:
    shipped = load_table()
    mine = load_table(write(tmp_path, "format: 1\nchain_length: 1"))

    assert mine.version == f"{shipped.version}+overlay"
    assert mine.hash != shipped.hash
    assert mine.ranked(board({}).content_class, Tier.DRAFT) == shipped.ranked(board({}).content_class, Tier.DRAFT)
