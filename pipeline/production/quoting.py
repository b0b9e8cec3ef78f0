"""Routes and quotes a storyboard against today's registry and table, spending nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.engines.catalog import available
from pipeline.production.rules import current_rules
from pipeline.routing.decide import require_routes, route
from pipeline.routing.decision import RouteDecision
from pipeline.routing.facts import ShotFacts, shot_facts
from pipeline.routing.quote import Quote, quote, require_budget
from pipeline.routing.stage import Stage
from pipeline.settings import Settings
from pipeline.storyboard.schema import Storyboard
from pipeline.units import MicroUsd


@dataclass(frozen=True, slots=True)
class Quoted:
    """A storyboard's routes and its price.

    Attributes:
        decisions: Route of each enabled shot, in film order.
        quote: Expected and worst cost.
    """

    decisions: tuple[RouteDecision, ...]
    quote: Quote


def quote_boards(
    settings: Settings,
    storyboards: Sequence[Storyboard],
    *,
    stage: Stage,
    today: date,
    budget: MicroUsd | None = None,
    require: bool = True,
) -> list[Quoted]:
    """Route and quote storyboards; shots that ask the same get the same answer, worked out once.

    Args:
        settings: What is configured.
        storyboards: The storyboards.
        stage: What the cuts are for.
        today: The UTC day, for prices and retirement.
        budget: What each may cost at most, beside its own limit.
        require: Refuse work that can't begin: shots without a model, or a cost beyond a limit.

    Raises:
        NoModelAvailable: If a shot has no model; names them all and what to configure.
        BudgetRefused: If a storyboard is expected to cost more than its limit or the budget.
    """
    rules = current_rules(settings)
    engines = available(settings.environment)
    known: dict[ShotFacts, RouteDecision] = {}
    quoted: list[Quoted] = []
    for storyboard in storyboards:
        decisions: list[RouteDecision] = []
        for shot in storyboard.enabled_shots:
            facts = shot_facts(storyboard, shot)
            alike = facts.model_copy(update={"shot_id": ""})
            if alike not in known:
                known[alike] = route(
                    alike,
                    stage=stage,
                    registry=rules.registry,
                    table=rules.table,
                    available_engines=engines,
                    today=today,
                )
            decisions.append(known[alike].model_copy(update={"shot_id": shot.id}))
        price = quote(storyboard, decisions, rules.table, budget=budget)
        if require:
            require_routes(decisions)
            require_budget(price)
        quoted.append(Quoted(tuple(decisions), price))
    return quoted
