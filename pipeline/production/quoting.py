"""Routes and quotes a storyboard against today's registry and table, spending nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.engines.catalog import available
from pipeline.production.rules import current_rules
from pipeline.routing.decide import Experience, require_routes, route
from pipeline.routing.decision import RouteDecision
from pipeline.routing.facts import ShotFacts, shot_facts
from pipeline.routing.motion import motion_of
from pipeline.routing.quote import Quote, quote, require_budget
from pipeline.routing.stage import Stage
from pipeline.settings import Settings
from pipeline.storyboard.schema import Storyboard
from pipeline.units import MicroUsd


@dataclass(frozen=True, slots=True)
class Quoted:
    """A storyboard's routes and its price.

    Attributes:
        routes: Route of each enabled shot by its id, in film order; shots that ask the same share one,
            which names no shot.
        quote: Expected and worst cost.
    """

    routes: Mapping[str, RouteDecision]
    quote: Quote

    @property
    def decisions(self) -> tuple[RouteDecision, ...]:
        """Route of each enabled shot, in film order, with the shot's id."""
        return tuple(route.model_copy(update={"shot_id": shot_id}) for shot_id, route in self.routes.items())


def quote_boards(
    settings: Settings,
    storyboards: Sequence[Storyboard],
    *,
    stage: Stage,
    today: date,
    budget: MicroUsd | None = None,
    require: bool = True,
    experience: Experience | None = None,
) -> list[Quoted]:
    """Route and quote storyboards; shots that ask the same get the same answer, worked out once.

    Args:
        settings: What is configured.
        storyboards: The storyboards.
        stage: What the cuts are for.
        today: The UTC day, for prices and retirement.
        budget: What each may cost at most, beside its own limit.
        require: Refuse work that can't begin: shots without a model, or a cost beyond a limit.
        experience: How models do at present, to be told with the routes; no price depends on it under the strategy
            ``table``.

    Raises:
        NoModelAvailable: If a shot has no model; names them all and what to configure.
        BudgetRefused: If a storyboard is expected to cost more than its limit or the budget.
    """
    rules = current_rules(settings)
    engines = available(settings.environment)
    known: dict[ShotFacts, RouteDecision] = {}
    quoted: list[Quoted] = []
    for storyboard in storyboards:
        facts = _facts(storyboard)
        for alike in facts.values():
            if alike not in known:
                known[alike] = route(
                    alike,
                    stage=stage,
                    registry=rules.registry,
                    table=rules.table,
                    available_engines=engines,
                    today=today,
                    experience=experience,
                )
        routes = {shot_id: known[alike] for shot_id, alike in facts.items()}
        result = Quoted(routes, quote(storyboard, routes, rules.table, budget=budget, facts=facts))
        if require:
            if not result.quote.complete:
                require_routes(result.decisions)
            require_budget(result.quote)
        quoted.append(result)
    return quoted


def _facts(storyboard: Storyboard) -> dict[str, ShotFacts]:
    """Return what routing knows of each enabled shot, without its id; shots that ask the same share it."""
    found: dict[str, ShotFacts] = {}
    known: dict[object, ShotFacts] = {}
    for shot in storyboard.enabled_shots:
        # All of a shot that shot_facts() reads; a thousand shots of a campaign differ only in their words.
        asks = (
            motion_of("static", shot.prompt, *(who.action for who in shot.characters)),
            (shot.tier, shot.mode, shot.duration_s, shot.camera, shot.location, shot.props, shot.references),
            (len(shot.dialogue), shot.ambience, shot.sound, tuple(who.id for who in shot.characters)),
            (shot.first_frame, shot.last_frame, shot.continues, shot.models),
            (shot.candidates, shot.max_attempts, shot.max_cost_usd),
        )
        if asks not in known:
            known[asks] = shot_facts(storyboard, shot).model_copy(update={"shot_id": ""})
        found[shot.id] = known[asks]
    return found
