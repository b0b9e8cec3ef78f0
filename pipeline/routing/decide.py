"""Choosing the models for a shot. Pure: every fact, the day and the settings are handed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from pipeline.errors import NoModelAvailable
from pipeline.registry.files import nearest
from pipeline.registry.load import Registry
from pipeline.routing.decision import Candidate, Planned, RouteDecision
from pipeline.routing.eligibility import Offer, offer_of
from pipeline.routing.facts import ShotFacts
from pipeline.routing.health import HEALTHY, Standing
from pipeline.routing.learned import Chance, Evidence, Option, evidence_of, valued
from pipeline.routing.rules import Circumstances, Ruled, Which, ruled, tier_by
from pipeline.routing.stage import Stage
from pipeline.routing.table import RoutingTable
from pipeline.storyboard.schema import Tier
from pipeline.units import FREE, MicroUsd, format_usd


@dataclass(frozen=True, slots=True)
class Experience:
    """What is known of the models at present; nothing of it is needed.

    Attributes:
        standings: How each model's provider does; empty if nobody asked.
        evidence: What is known of each model's acceptance for the shot's content class.
        chance: Where learned routing draws from; without it the means count.
    """

    standings: Mapping[str, Standing] | None = None
    evidence: Mapping[str, Evidence] | None = None
    chance: Chance | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A model in its place, with what it offers and what was said of it."""

    model: str
    table_rank: int
    offer: Offer
    health: str = ""


def route(
    facts: ShotFacts,
    *,
    stage: Stage,
    registry: Registry,
    table: RoutingTable,
    available_engines: Mapping[str, tuple[str, ...]],
    today: date,
    budget_left: MicroUsd | None = None,
    around: Circumstances | None = None,
    experience: Experience | None = None,
    attempts_left: int | None = None,
) -> RouteDecision:
    """Return which models serve a shot, in which order, and why the others don't.

    A model that the storyboard pins is the only one considered, whatever its tier. Where a stage uses
    one tier for every shot (a preview the drafts, so that it costs nothing), a pin or an allow list that
    names none of that tier's models is meant for the final cut and set aside, which the decision says;
    a deny list always holds.

    The order is the table's, as its rules move it; under the strategy ``learned`` it is that of the expected
    cost. A model whose provider is down keeps its place (who plans a take passes over it), but does not keep
    one that is not down out of the chain.

    Args:
        facts: The shot.
        stage: What the cut is made for.
        registry: Every model that is known.
        table: The routing table.
        available_engines: Engine to the settings that it still lacks; engines left out are unknown.
        today: The UTC day, for prices and retirement.
        budget_left: What may still be spent in all, or ``None`` if nothing limits it.
        around: What else surrounds the shot; its money counts besides ``budget_left``.
        experience: What is known of the models at present.
        attempts_left: Takes that the shot may still have, for learned routing; all of them if left out.
    """
    around = around or Circumstances(stage, budget_left)
    known = experience or Experience()
    tier, notes = _tier(facts, stage, table, around)
    ranked = table.ranked(facts.content_class, tier)
    pin, allow = facts.pin, facts.allow
    if table.forces_tier(stage):
        if pin and pin not in ranked:
            notes.append(f"the pinned model {pin} is for the final cut")
            pin = ""
        if allow and not set(allow) & set(ranked):
            notes.append("the models allowed are for the final cut")
            allow = ()
    limits = [each for each in (facts.max_cost_micro_usd, budget_left, around.money_left) if each is not None]
    named = (pin,) if pin else ranked
    rules = ruled(table.rules, tuple((each, registry.find(each)) for each in named), facts, tier, around)
    asked = [
        _Asked(
            model_id,
            named.index(model_id) + 1,
            _offer(model_id, facts, allow, registry, table, available_engines, today, min(limits, default=None), rules),
            str(known.standings.get(model_id, HEALTHY)) if known.standings is not None else "",
        )
        for model_id in rules.order
    ]
    if table.strategy == "learned":
        asked = _by_cost(asked, tier, table, known, attempts_left or facts.max_attempts)
    asked = _crowded_last(asked, table, known.standings or {})
    chain = _chain([each.model for each in asked if not each.offer.reasons], table.chain_length, known.standings or {})
    candidates = [_candidate(each, rank, chain, table.chain_length) for rank, each in enumerate(asked, start=1)]
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
        chain=chain,
        candidates=tuple(candidates),
        notes=(*notes, *_unseen(rules, named)),
        table_version=table.version,
        table_hash=table.hash,
        registry_hash=registry.hash,
        day=today.isoformat(),
        expected_micro_usd=(tried[0].expected_micro_usd or FREE) if tried else FREE,
        worst_micro_usd=(tried[0].worst_micro_usd or FREE) if tried else FREE,
        chain_worst_micro_usd=max((each.worst_micro_usd or FREE for each in tried), default=FREE),
        strategy=table.strategy,
        rules=tuple(rule.name for rule in rules.applied),
    )


def _tier(facts: ShotFacts, stage: Stage, table: RoutingTable, around: Circumstances) -> tuple[Tier, list[str]]:
    """Return the tier of a shot, and why it is not the one that is asked."""
    if table.forces_tier(stage):
        tier = table.tier_used(facts.tier, stage)
        return tier, [] if tier == facts.tier else [f"a {stage} cut uses the {tier} tier, not {facts.tier}"]
    tier, rule = tier_by(table.rules, facts, facts.tier, around)
    if rule is None:
        return tier, []
    why = f" ({rule.why})" if rule.why else ""
    return tier, [f"rule {rule.name} uses the {tier} tier, not {facts.tier}{why}"]


def _offer(
    model_id: str,
    facts: ShotFacts,
    allow: tuple[str, ...],
    registry: Registry,
    table: RoutingTable,
    available_engines: Mapping[str, tuple[str, ...]],
    today: date,
    money_left: MicroUsd | None,
    rules: Ruled,
) -> Offer:
    said = list(rules.refused.get(model_id, ()))
    moved = rules.moved.get(model_id, ())
    model = registry.find(model_id)
    if model is None:
        hint = nearest(model_id, registry.models)
        return Offer(None, None, (f"the registry has no such model. {hint}".strip(), *said), moved)
    offer = offer_of(
        model,
        facts,
        bounds=table.bounds,
        available_engines=available_engines,
        today=today,
        money_left=money_left,
    )
    if model_id in facts.deny:
        said.append("the storyboard denies it for this shot")
    if allow and model_id not in allow:
        said.append(f"the storyboard allows only {', '.join(allow)}")
    if offer.quoted is not None:
        said += [
            f"one take may cost {format_usd(offer.quoted.worst)}, and rule {name} allows {format_usd(cap)}"
            for cap, name in rules.caps
            if offer.quoted.worst > cap
        ]
    return Offer(offer.fit, offer.quoted, (*said, *offer.reasons), (*moved, *offer.notes))


def _unseen(rules: Ruled, named: Sequence[str]) -> list[str]:
    """Return what has to be said of rules that hold and name models that the table does not rank here."""
    notes: list[str] = []
    for rule in rules.applied:
        for which in (rule.then.prefer, rule.then.require):
            notes += [
                f"rule {rule.name} names {each}, which is not in the ranking"
                for each in (which.models if isinstance(which, Which) else ())
                if not set(each) & set("*?") and each not in named
            ]
    return notes


def _by_cost(
    asked: Sequence[_Asked], tier: Tier, table: RoutingTable, known: Experience, attempts_left: int
) -> list[_Asked]:
    """Put the models that may serve the shot in the order of what it is expected to cost; the others come last."""
    able = {each.model: each for each in asked if not each.offer.reasons}
    options = [
        Option(each.model, each.offer.quoted.expected, evidence_of(known.evidence or {}, each.model))
        for each in able.values()
        if each.offer.quoted is not None
    ]
    assumed = table.acceptance.get(tier, 0.5)
    order: list[_Asked] = []
    for value in valued(options, assumed, max(1, attempts_left), table.learned, known.chance):
        each = able[value.model]
        order.append(replace(each, offer=replace(each.offer, notes=(value.why, *each.offer.notes))))
    return [*order, *(each for each in asked if each.offer.reasons)]


def _crowded_last(asked: Sequence[_Asked], table: RoutingTable, standings: Mapping[str, Standing]) -> list[_Asked]:
    """Let models for whose slots too many shots wait come after the others."""
    most = table.switching.outage.crowded_at
    if most is None:
        return list(asked)
    free: list[_Asked] = []
    crowded: list[_Asked] = []
    for each in asked:
        waiting = standings.get(each.model, HEALTHY).waiting
        if waiting < most:
            free.append(each)
        else:
            said = f"{waiting} shots wait for its slots, so it comes after those with fewer than {most}"
            crowded.append(replace(each, offer=replace(each.offer, notes=(said, *each.offer.notes))))
    return [*free, *crowded]


def _chain(eligible: Sequence[str], longest: int, standings: Mapping[str, Standing]) -> tuple[str, ...]:
    """Return the models to try, in order: the best one, and before others those whose providers deliver."""
    usable = [each for each in eligible[1:] if standings.get(each, HEALTHY).usable]
    others = [each for each in eligible[1:] if each not in usable]
    chosen = [*eligible[:1], *usable, *others][:longest]
    return tuple(each for each in eligible if each in chosen)


def _candidate(asked: _Asked, rank: int, chain: tuple[str, ...], longest: int) -> Candidate:
    offer = asked.offer
    if offer.reasons:
        role, reason = "refused", "; ".join(offer.reasons)
    elif asked.model not in chain:
        role, reason = "reserve", f"beyond the chain's length of {longest}"
    elif asked.model == chain[0]:
        role, reason = "first", "best ranked of those that may serve the shot"
    else:
        role, reason = "fallback", f"tried if {chain[chain.index(asked.model) - 1]} can't deliver"
    return Candidate(
        model=asked.model,
        rank=rank,
        eligible=not offer.reasons,
        role=role,
        reason=reason,
        notes=offer.notes,
        planned=_planned(offer),
        expected_micro_usd=offer.quoted.expected if offer.quoted else None,
        worst_micro_usd=offer.quoted.worst if offer.quoted else None,
        table_rank=asked.table_rank,
        health=asked.health,
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
