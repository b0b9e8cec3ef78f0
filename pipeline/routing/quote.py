"""What a storyboard will cost: expected, and at worst. Pure.

Expected: the first model's price times the average number of takes, from the acceptance that the routing
table assumes for the tier until it is measured. Worst: the dearest model of the chain times every
attempt of every candidate, or the shot's cost cap if that is less.

Work is refused before it starts only if the *expected* cost is beyond a limit. The worst case is held
below it at run time: each take reserves its worst price first, and a reservation that would go over a
cap is refused. The quote says when that may happen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import cast

from pipeline.errors import BudgetRefused
from pipeline.ledger.costs import expected_cost, worst_cost
from pipeline.routing.decision import RouteDecision
from pipeline.routing.facts import Frozen, ShotFacts, shot_facts
from pipeline.routing.stage import Stage
from pipeline.routing.table import RoutingTable
from pipeline.storyboard.schema import Storyboard, Tier
from pipeline.units import MicroUsd, format_usd, usd


class ShotQuote(Frozen):
    """The price of one shot.

    Attributes:
        shot_id: The shot.
        tier: The tier that it gets.
        model: The model that is tried first, or ``None`` if none may serve it.
        take_micro_usd: What one take of that model most likely costs.
        candidates: Accepted takes wanted.
        max_attempts: Takes per candidate at most.
        acceptance: Assumed probability that a take is accepted.
        expected_micro_usd: What the shot most likely costs; ``None`` without a model.
        worst_micro_usd: What it may cost at most; ``None`` without a model.
        capped: Whether the shot's cost cap, not its attempts, bounds the worst case.
    """

    shot_id: str
    tier: Tier
    model: str | None
    take_micro_usd: MicroUsd | None
    candidates: int
    max_attempts: int
    acceptance: float
    expected_micro_usd: MicroUsd | None
    worst_micro_usd: MicroUsd | None
    capped: bool


class Limit(Frozen):
    """A limit that the quote was held against.

    Attributes:
        name: Where it stands: ``budget.limit_usd`` or ``--budget``.
        amount_micro_usd: How much it is.
    """

    name: str
    amount_micro_usd: MicroUsd


class Quote(Frozen):
    """The price of a storyboard's cut.

    Attributes:
        storyboard_id: The storyboard.
        stage: The stage.
        day: The UTC day whose prices were used.
        shots: Each enabled shot, in film order.
        expected_micro_usd: Sum of the shots' expected costs.
        worst_micro_usd: Sum of the shots' worst cases.
        complete: Whether every shot has a model; the sums leave the others out.
        limits: The limits that hold.
        refusal: Why the work is refused, in words; empty if it may begin.
        warnings: What may still happen, in words.
        table_version: Version of the routing table.
        table_hash: Hash of the routing table.
        registry_hash: Hash of the registry.
    """

    storyboard_id: str
    stage: Stage
    day: str
    shots: tuple[ShotQuote, ...]
    expected_micro_usd: MicroUsd
    worst_micro_usd: MicroUsd
    complete: bool
    limits: tuple[Limit, ...]
    refusal: str
    warnings: tuple[str, ...]
    table_version: str
    table_hash: str
    registry_hash: str


def quote(
    storyboard: Storyboard,
    decisions: Iterable[RouteDecision] | Mapping[str, RouteDecision],
    table: RoutingTable,
    *,
    budget: MicroUsd | None = None,
    facts: Mapping[str, ShotFacts] | None = None,
) -> Quote:
    """Return what a cut will cost.

    Args:
        storyboard: The storyboard.
        decisions: The route of each of its enabled shots, in film order; or by shot id.
        table: The table that they were made with, for the acceptance it assumes.
        budget: What the person said it may cost (``--budget``), besides the storyboard's own limit.
        facts: Facts of each shot, if they are known; shots that share one value are priced once.

    Raises:
        ValueError: If the decisions are not those of the storyboard's enabled shots.
    """
    routes: Mapping[str, RouteDecision]
    if isinstance(decisions, Mapping):
        routes = cast("Mapping[str, RouteDecision]", decisions)
    else:
        routes = {decision.shot_id: decision for decision in decisions}
    enabled = storyboard.enabled_shots
    if not enabled or set(routes) != {shot.id for shot in enabled}:
        message = "a quote needs the route of each enabled shot, and of no other"
        raise ValueError(message)
    known: dict[tuple[int, Tier], ShotQuote] = {}
    shots: list[ShotQuote] = []
    for shot in enabled:
        fact = facts[shot.id] if facts is not None else shot_facts(storyboard, shot)
        alike = (id(fact), routes[shot.id].tier_used)
        if facts is None or alike not in known:
            known[alike] = _shot_quote(fact, routes[shot.id], table.acceptance)
        shots.append(known[alike].model_copy(update={"shot_id": shot.id}))
    expected = MicroUsd(sum(shot.expected_micro_usd or 0 for shot in shots))
    worst = MicroUsd(sum(shot.worst_micro_usd or 0 for shot in shots))
    limits = tuple(_limits(storyboard, budget))
    tightest = min(limits, key=lambda limit: limit.amount_micro_usd, default=None)
    any_route = routes[enabled[0].id]
    return Quote(
        storyboard_id=storyboard.id,
        stage=any_route.stage,
        day=any_route.day,
        shots=tuple(shots),
        expected_micro_usd=expected,
        worst_micro_usd=worst,
        complete=all(shot.model is not None for shot in shots),
        limits=limits,
        refusal=_refusal(expected, worst, tightest),
        warnings=_warnings(expected, worst, tightest, shots),
        table_version=any_route.table_version,
        table_hash=any_route.table_hash,
        registry_hash=any_route.registry_hash,
    )


def require_budget(quoted: Quote) -> None:
    """Refuse work whose expected cost is beyond a limit.

    Raises:
        BudgetRefused: Says the expected cost, the worst case and the limit.
    """
    if quoted.refusal:
        raise BudgetRefused(
            quoted.refusal,
            where=quoted.storyboard_id,
            remedy="Raise the limit, choose cheaper tiers, or lower candidates or durations.",
        )


def _shot_quote(facts: ShotFacts, decision: RouteDecision, acceptance: Mapping[Tier, float]) -> ShotQuote:
    rate = Fraction(str(acceptance.get(decision.tier_used, 0.5)))
    expected = worst = take = None
    capped = False
    if decision.model is not None:
        cap = facts.max_cost_micro_usd
        take = decision.expected_micro_usd
        attempts, candidates = facts.max_attempts, facts.candidates
        uncapped = worst_cost(decision.chain_worst_micro_usd, max_attempts=attempts, candidates=candidates)
        worst = uncapped if cap is None else min(uncapped, cap)
        capped = worst < uncapped
        likely = expected_cost(take, acceptance=rate, max_attempts=attempts, candidates=candidates)
        expected = min(worst, likely)
    return ShotQuote(
        shot_id=facts.shot_id,
        tier=decision.tier_used,
        model=decision.model,
        take_micro_usd=take,
        candidates=facts.candidates,
        max_attempts=facts.max_attempts,
        acceptance=float(rate),
        expected_micro_usd=expected,
        worst_micro_usd=worst,
        capped=capped,
    )


def _limits(storyboard: Storyboard, budget: MicroUsd | None) -> Iterable[Limit]:
    if storyboard.budget.limit_usd is not None:
        yield Limit(name="budget.limit_usd", amount_micro_usd=usd(storyboard.budget.limit_usd))
    if budget is not None:
        yield Limit(name="--budget", amount_micro_usd=budget)


def _refusal(expected: MicroUsd, worst: MicroUsd, limit: Limit | None) -> str:
    if limit is None or expected <= limit.amount_micro_usd:
        return ""
    return (
        f"The expected cost of {format_usd(expected)} is beyond {limit.name} of "
        f"{format_usd(limit.amount_micro_usd)} (at worst {format_usd(worst)})."
    )


def _warnings(expected: MicroUsd, worst: MicroUsd, limit: Limit | None, shots: Sequence[ShotQuote]) -> tuple[str, ...]:
    warnings: list[str] = []
    if limit is not None and expected <= limit.amount_micro_usd < worst:
        warnings.append(
            f"At worst it would cost {format_usd(worst)}; it stops at {limit.name} of "
            f"{format_usd(limit.amount_micro_usd)}, and shots left over then need attention."
        )
    capped = [shot.shot_id for shot in shots if shot.capped]
    if capped:
        warnings.append(f"The cost cap may stop these shots before their last attempt: {', '.join(capped)}.")
    stranded = [shot.shot_id for shot in shots if shot.model is None]
    if stranded:
        warnings.append(f"No model may serve these shots; the sums leave them out: {', '.join(stranded)}.")
    return tuple(warnings)
