"""Choosing the models for a shot. Pure: every fact, the day and the settings are handed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from pipeline.errors import NoModelAvailable
from pipeline.registry.files import nearest
from pipeline.registry.load import Registry
from pipeline.routing.decision import Candidate, Planned, RouteDecision
from pipeline.routing.eligibility import Offer, offer_of
from pipeline.routing.facts import ShotFacts
from pipeline.routing.stage import Stage
from pipeline.routing.table import RoutingTable
from pipeline.units import FREE, MicroUsd


def route(
    facts: ShotFacts,
    *,
    stage: Stage,
    registry: Registry,
    table: RoutingTable,
    available_engines: Mapping[str, tuple[str, ...]],
    today: date,
    budget_left: MicroUsd | None = None,
) -> RouteDecision:
    """Return which models serve a shot, in which order, and why the others don't.

    A model that the storyboard pins is the only one considered, whatever its tier. Where a stage uses
    one tier for every shot (a preview the drafts, so that it costs nothing), a pin or an allow list that
    names none of that tier's models is meant for the final cut and set aside, which the decision says;
    a deny list always holds.

    Args:
        facts: The shot.
        stage: What the cut is made for.
        registry: Every model that is known.
        table: The routing table.
        available_engines: Engine to the settings that it still lacks; engines left out are unknown.
        today: The UTC day, for prices and retirement.
        budget_left: What may still be spent in all, or ``None`` if nothing limits it.
    """
    tier = table.tier_used(facts.tier, stage)
    notes = [] if tier == facts.tier else [f"a {stage} cut uses the {tier} tier, not {facts.tier}"]
    ranked = table.ranked(facts.content_class, tier)
    pin, allow = facts.pin, facts.allow
    if table.forces_tier(stage):
        if pin and pin not in ranked:
            notes.append(f"the pinned model {pin} is for the final cut")
            pin = ""
        if allow and not set(allow) & set(ranked):
            notes.append("the models allowed are for the final cut")
            allow = ()
    limits = [each for each in (facts.max_cost_micro_usd, budget_left) if each is not None]
    money_left = min(limits, default=None)
    candidates: list[Candidate] = []
    chain: list[str] = []
    for rank, model_id in enumerate((pin,) if pin else ranked, start=1):
        offer = _offer(model_id, facts, allow, registry, table, available_engines, today, money_left)
        candidate = _candidate(model_id, rank, offer, chain, table.chain_length)
        candidates.append(candidate)
        if candidate.role in {"first", "fallback"}:
            chain.append(model_id)
    candidates += [
        Candidate(
            model=model_id,
            rank=len(candidates) + place,
            eligible=False,
            role="refused",
            reason=f"the shot allows it, but the routing table does not name it for the {tier} tier",
        )
        for place, model_id in enumerate((each for each in allow if each not in ranked and not pin), start=1)
    ]
    tried = [candidate for candidate in candidates if candidate.model in chain]
    return RouteDecision(
        shot_id=facts.shot_id,
        stage=stage,
        content_class=facts.content_class,
        tier_asked=facts.tier,
        tier_used=tier,
        chain=tuple(chain),
        candidates=tuple(candidates),
        notes=tuple(notes),
        table_version=table.version,
        table_hash=table.hash,
        registry_hash=registry.hash,
        day=today.isoformat(),
        expected_micro_usd=(tried[0].expected_micro_usd or FREE) if tried else FREE,
        worst_micro_usd=(tried[0].worst_micro_usd or FREE) if tried else FREE,
        chain_worst_micro_usd=max((each.worst_micro_usd or FREE for each in tried), default=FREE),
    )


def _offer(
    model_id: str,
    facts: ShotFacts,
    allow: tuple[str, ...],
    registry: Registry,
    table: RoutingTable,
    available_engines: Mapping[str, tuple[str, ...]],
    today: date,
    money_left: MicroUsd | None,
) -> Offer:
    model = registry.find(model_id)
    if model is None:
        hint = nearest(model_id, registry.models)
        return Offer(None, None, (f"the registry has no such model. {hint}".strip(),), ())
    offer = offer_of(
        model,
        facts,
        bounds=table.bounds,
        available_engines=available_engines,
        today=today,
        money_left=money_left,
    )
    said = []
    if model_id in facts.deny:
        said.append("the storyboard denies it for this shot")
    if allow and model_id not in allow:
        said.append(f"the storyboard allows only {', '.join(allow)}")
    return Offer(offer.fit, offer.quoted, (*said, *offer.reasons), offer.notes)


def _candidate(model_id: str, rank: int, offer: Offer, chain: list[str], longest: int) -> Candidate:
    if offer.reasons:
        role, reason = "refused", "; ".join(offer.reasons)
    elif not chain:
        role, reason = "first", "best ranked of those that may serve the shot"
    elif len(chain) < longest:
        role, reason = "fallback", f"tried if {chain[-1]} can't deliver"
    else:
        role, reason = "reserve", f"beyond the chain's length of {longest}"
    return Candidate(
        model=model_id,
        rank=rank,
        eligible=not offer.reasons,
        role=role,
        reason=reason,
        notes=offer.notes,
        planned=_planned(offer),
        expected_micro_usd=offer.quoted.expected if offer.quoted else None,
        worst_micro_usd=offer.quoted.worst if offer.quoted else None,
    )


def _planned(offer: Offer) -> Planned | None:
    asked = offer.fit
    if asked is None:
        return None
    return Planned(
        width=asked.width,
        height=asked.height,
        resolution=asked.resolution,
        fps=f"{asked.rate.numerator}/{asked.rate.denominator}",
        frames=asked.frames,
        duration_s=float(asked.duration_s),
        audio=asked.audio,
        references=asked.references,
        picture_kept=round(asked.crop.kept, 4),
    )


def require_routes(decisions: Iterable[RouteDecision]) -> None:
    """Refuse work of which any shot has no model, naming every such shot and what to configure.

    Raises:
        NoModelAvailable: If any decision has an empty chain.
    """
    stranded = [decision for decision in decisions if not decision.chain]
    if not stranded:
        return
    by_reason: dict[tuple[str, str, bool], list[str]] = {}
    for decision in stranded:
        known = bool(decision.candidates)
        why = "; ".join(f"{each.model}: {each.reason}" for each in decision.candidates)
        by_reason.setdefault((decision.tier_used, why, known), []).append(decision.shot_id)
    sentences = [
        f"No model {'can serve' if known else 'is configured for'} tier {tier} "
        f"(shot{'s' if len(shots) > 1 else ''} {', '.join(shots)}){': ' + why if why else ''}."
        for (tier, why, known), shots in by_reason.items()
    ]
    tiers = ", ".join(dict.fromkeys(decision.tier_used for decision in stranded))
    named = ", or put right what is said of the models named" if any(d.candidates for d in stranded) else ""
    preview = "" if stranded[0].stage is Stage.PREVIEW else ", or run with --stage preview"
    raise NoModelAvailable(
        " ".join(sentences),
        remedy=(
            f"Add a model for {tiers} to the registry overlay (DAILIES_REGISTRY) and the routing table "
            f"(DAILIES_ROUTING){named}{preview}."
        ),
    )
