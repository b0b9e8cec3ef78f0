"""Chooses the model of a shot's next take: what the rows tell, handed to routing, which decides.

Price, caps, rules and health are looked at anew for each take, so that a fallback is never dearer than what is left,
and a table or a price that changes under a running fleet counts from the next take on.
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.engines.catalog import available, works_remotely
from pipeline.errors import NoModelAvailable, Trouble
from pipeline.production import purses
from pipeline.production.boards import Board
from pipeline.production.decide import generate_key
from pipeline.production.health import evidence, standings
from pipeline.production.money import committed
from pipeline.production.rules import Rules, current_rules
from pipeline.production.states import UNCOUNTED, USELESS_AGAIN, TakeState
from pipeline.production.studio import Studio
from pipeline.registry.model import Model
from pipeline.routing.decide import Experience, route
from pipeline.routing.decision import RouteDecision
from pipeline.routing.facts import ShotFacts, shot_facts
from pipeline.routing.health import Breaker, Standing
from pipeline.routing.rules import Circumstances
from pipeline.routing.stage import Stage
from pipeline.routing.switching import Choice, Exhausted, Left, Result, Tried, Wait, choose
from pipeline.store.tables import CutRow, LaneRow, LedgerRow, ShotRow, TakeRow
from pipeline.storyboard.schema import Shot, Tier
from pipeline.units import MicroUsd

log = logging.getLogger(__name__)


class NotNow(Exception):  # noqa: N818 - no fault
    """Every model that may serve the shot is left alone at present; nothing was asked.

    Args:
        wait: Until when, and why.
    """

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait.reason)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen for a take.

    Attributes:
        decision: The shot's route, with the take's own choice.
        model: The model; ``None`` if the shot waits.
        wait: Until when it waits, if no model can be asked now.
        adoptable: Models whose earlier takes of the same request are as good as one by this: the one that the table
            and its rules put first when neither money nor health is asked, and the one chosen.
    """

    decision: RouteDecision
    model: Model | None
    wait: Wait | None
    adoptable: tuple[Model, ...]


@dataclass(frozen=True, slots=True)
class _Asking:
    """Everything that the choice for one take depends on."""

    rules: Rules
    facts: ShotFacts
    around: Circumstances
    history: tuple[Tried, ...]
    attempts_left: int
    intent: str
    now: datetime
    engines: Mapping[str, tuple[str, ...]]


def choose_model(
    studio: Studio, session: Session, cut: CutRow, shot: ShotRow, board: Board, candidate: int, attempt: int
) -> Chosen:
    """Choose the model of a take.

    Raises:
        NoModelAvailable: If no model may serve the shot today, or none is left for it.
    """
    asking = _asking(studio, session, cut, shot, board, candidate, attempt)
    decided = _decide(session, asking)
    adoptable = _adoptable(asking, decided) if shot.round == 0 and attempt == 0 else ()
    if isinstance(decided, _Waiting):
        return Chosen(decided.decision, None, decided.wait, adoptable)
    choice = decided.choice
    if choice is not None and (choice.position > 1 or choice.passed_over):
        log.info("%s: model %d of its chain, %s: %s", shot.key, choice.position, choice.model, choice.why)
    model = asking.rules.registry.get(choice.model if choice is not None else decided.chain[0])
    return Chosen(decided, model, None, adoptable)


def soften(studio: Studio, written: Shot, decision: RouteDecision) -> tuple[Shot, tuple[str, ...]]:
    """Return a shot with its prompt put more mildly, if its take was decided so, and what was changed, in words."""
    if decision.choice is None or not decision.choice.softened:
        return written, ()
    prompt, changes = current_rules(studio.settings).table.switching.soften.soften(written.prompt)
    said = "; ".join(changes) or "the table names no words to change in it"
    return written.model_copy(update={"prompt": prompt}), (f"put more mildly after a refusal: {said}",)


def given_up(studio: Studio, session: Session, cut: CutRow, shot: ShotRow, board: Board, take: TakeRow) -> str:
    """Return why a take that its provider did not accept yet is better given up; empty if it goes on waiting.

    It is, once it has waited as long as the table allows, its engine accepts nothing from anybody, and another
    model can serve the shot.
    """
    asking = _asking(studio, session, cut, shot, board, take.candidate, take.attempt)
    table = asking.rules.table
    lane = session.get(LaneRow, take.engine)
    outage, hours = table.switching.outage, asking.around.hours_left
    waited = asking.now - take.created_at > timedelta(seconds=outage.wait_s)
    hurried = hours is not None and hours < outage.hurry_h
    if lane is None or lane.setbacks < table.breaker.setbacks or not (waited or hurried):
        return ""
    try:
        decided = _decide(session, asking, down=(take.engine, lane.reason))
    except NoModelAvailable:
        return ""
    if isinstance(decided, _Waiting) or decided.choice is None or decided.choice.model == take.model:
        return ""
    return f"{take.engine} accepts nothing ({lane.reason}), so {decided.choice.model} is tried."


@dataclass(frozen=True, slots=True)
class _Waiting:
    decision: RouteDecision
    wait: Wait


def _asking(
    studio: Studio, session: Session, cut: CutRow, shot: ShotRow, board: Board, candidate: int, attempt: int
) -> _Asking:
    facts = shot_facts(board.storyboard, board.shots[shot.key])
    before = session.scalars(
        select(TakeRow)
        .where(
            TakeRow.shot_id == shot.id,
            TakeRow.round == shot.round,
            TakeRow.candidate == candidate,
            TakeRow.attempt < attempt,
            TakeRow.state.in_((TakeState.FAILED, TakeState.REJECTED)),
        )
        .order_by(TakeRow.attempt)
    ).all()
    used = sum(take.trouble not in UNCOUNTED for take in before)
    return _Asking(
        rules=current_rules(studio.settings),
        facts=facts,
        around=_around(studio, session, cut, shot, facts),
        history=tuple(_tried(take) for take in before),
        attempts_left=max(1, shot.max_attempts - used),
        intent=generate_key(shot.id, shot.round, candidate, attempt),
        now=studio.clock(),
        engines=available(studio.settings.environment),
    )


def _tried(take: TakeRow) -> Tried:
    routing: Mapping[str, Any] = take.routing
    choice: Mapping[str, Any] = routing.get("choice") or {}
    return Tried(
        model=take.model,
        tier=Tier(routing["tier_used"]),
        result=_result(take),
        reason=take.reason,
        softened=bool(choice.get("softened")),
    )


def _result(take: TakeRow) -> Result:
    if take.state == TakeState.REJECTED:
        return Result.REJECTED
    if take.trouble == Trouble.REFUSED:
        return Result.REFUSED
    if take.trouble in USELESS_AGAIN:
        return Result.USELESS
    return Result.OUTAGE if take.trouble in (Trouble.TRANSIENT, Trouble.CAPACITY) else Result.FAILED


def _around(studio: Studio, session: Session, cut: CutRow, shot: ShotRow, facts: ShotFacts) -> Circumstances:
    """Return what is left under every cap; a cut has no deadline yet, so nobody knows the hours left."""
    left: list[int] = []
    if facts.max_cost_micro_usd is not None:
        left.append(facts.max_cost_micro_usd - committed(session, LedgerRow.shot_id == shot.id))
    credits_left: MicroUsd | None = None
    for purse in purses.purses_of(studio.settings, cut, purses.period_of(studio.clock())):
        if purse.cap is None and not purse.own_cap:
            continue
        cap, held = purses.standing(session, purse)
        cap = cap if purse.own_cap else purse.cap
        if cap is None:
            continue
        if purse.scope is purses.Scope.ACCOUNT:
            credits_left = MicroUsd(max(0, cap - held))
        else:
            left.append(cap - held)
    return Circumstances(
        stage=Stage(cut.stage),
        budget_left=MicroUsd(max(0, min(left))) if left else None,
        credits_left=credits_left,
    )


def _decide(session: Session, asking: _Asking, down: tuple[str, str] | None = None) -> RouteDecision | _Waiting:
    """Route, choose, and go up a tier while one has nothing left.

    Args:
        session: Where the rows are read.
        asking: What the choice depends on.
        down: An engine that is taken for down whatever the rows say, and why.

    Raises:
        NoModelAvailable: If no model may serve the shot, or none is left.
    """
    switching = asking.rules.table.switching
    facts, notes = asking.facts, tuple[str, ...]()
    tiers: list[tuple[RouteDecision, Mapping[str, Standing]]] = []
    left: tuple[Left, ...] = ()
    while True:
        decision, known = _route(session, asking, facts, down)
        if any(decision.tier_used == one.tier_used for one, _ in tiers):
            break
        decision = decision.model_copy(update={"tier_asked": asking.facts.tier, "notes": (*notes, *decision.notes)})
        tiers.append((decision, known))
        outcome = _choose(asking, decision, known)
        if not isinstance(outcome, Exhausted):
            return outcome
        left = outcome.left
        above = switching.escalate.get(decision.tier_used)
        if above is None or facts.pin or asking.rules.table.forces_tier(asking.around.stage):
            break
        notes = (*notes, f"escalated to the {above} tier: nothing is left of {decision.tier_used}")
        facts = facts.model_copy(update={"tier": above})
    first = tiers[0][0]
    if not any(decision.chain for decision, _ in tiers):
        refused = "; ".join(f"{each.model}: {each.reason}" for each in first.candidates)
        raise NoModelAvailable(
            f"no model may serve tier {first.tier_used} ({refused or 'the routing table names none'}).",
            where=asking.facts.shot_id,
            remedy="`dailies route` explains it; `dailies doctor` says what is not configured.",
        )
    for decision, known in reversed(tiers):
        outcome = _choose(asking, decision, known, insist=True)
        if not isinstance(outcome, Exhausted):
            return outcome
    raise NoModelAvailable(
        f"no model is left for it: {'; '.join(f'{each.model}: {each.why}' for each in left)}",
        where=asking.facts.shot_id,
        remedy="Change what is named there, then retry the shot.",
    )


def _choose(
    asking: _Asking, decision: RouteDecision, known: Mapping[str, Standing], *, insist: bool = False
) -> RouteDecision | _Waiting | Exhausted:
    table = asking.rules.table
    outcome = choose(
        decision.chain,
        asking.history,
        table.switching_used,
        known,
        asking.now,
        longest=table.chain_length,
        tier=decision.tier_used,
        hours_left=asking.around.hours_left,
        insist=insist,
    )
    match outcome:
        case Choice():
            return decision.model_copy(update={"choice": outcome})
        case Wait():
            return _Waiting(decision, outcome)
        case Exhausted():
            return outcome


def _route(
    session: Session, asking: _Asking, facts: ShotFacts, down: tuple[str, str] | None
) -> tuple[RouteDecision, Mapping[str, Standing]]:
    """Route with today's prices and what is left; where nothing is affordable, as if there were enough.

    Then the reservation is what refuses the take: it names the cap, and what to do.
    """
    table = asking.rules.table
    named = dict.fromkeys((*_named(asking, facts), *facts.allow, *((facts.pin,) if facts.pin else ())))
    known = _standings(session, asking, tuple(named), down)
    seen = evidence(session, named, facts.content_class.value, table, asking.now) if _learns(asking) else None
    drawn = random.Random(hashlib.sha256(asking.intent.encode()).digest())  # noqa: S311 - the same for a replay
    experience = Experience(known, seen, drawn if _learns(asking) else None)
    decision = _routed(asking, facts, asking.around, experience)
    if not decision.chain and asking.around.money_left is not None:
        unlimited = replace(asking.around, budget_left=None, credits_left=None)
        decision = _routed(asking, facts, unlimited, experience)
    return decision, known


def _routed(asking: _Asking, facts: ShotFacts, around: Circumstances, experience: Experience) -> RouteDecision:
    return route(
        facts,
        stage=around.stage,
        registry=asking.rules.registry,
        table=asking.rules.table,
        available_engines=asking.engines,
        today=asking.now.date(),
        around=around,
        experience=experience,
        attempts_left=asking.attempts_left,
    )


def _learns(asking: _Asking) -> bool:
    return asking.rules.table.strategy == "learned"


def _named(asking: _Asking, facts: ShotFacts) -> tuple[str, ...]:
    """Return every model that the shot might be routed to: of its tier, and of the tiers that a rule may name."""
    table = asking.rules.table
    tiers = (
        table.tier_used(facts.tier, asking.around.stage),
        *(rule.then.tier for rule in table.rules if rule.then.tier is not None),
    )
    return tuple(model for each in tiers for model in table.ranked(facts.content_class, each))


def _standings(
    session: Session, asking: _Asking, models: tuple[str, ...], down: tuple[str, str] | None
) -> dict[str, Standing]:
    found = [each for each in map(asking.rules.registry.find, models) if each is not None]
    remote = [each.id for each in found if each.engine in asking.engines and works_remotely(each.engine)]
    known = standings(session, remote, asking.rules.table, asking.now)
    if down is not None:
        engine, why = down
        for model in known:
            if model.startswith(f"{engine}/"):
                known[model] = Standing(breaker=Breaker.OPEN, reason=why)
    return known


def _adoptable(asking: _Asking, decided: RouteDecision | _Waiting) -> tuple[Model, ...]:
    """Return the models of which an earlier take is as good: so that money, health and chance pay for nothing twice."""
    plain = _routed(asking, asking.facts, Circumstances(asking.around.stage), Experience())
    wanted = list(plain.chain[:1])
    if _learns(asking):
        wanted = [each.model for each in plain.candidates if each.eligible]
    if isinstance(decided, RouteDecision) and decided.choice is not None:
        wanted.append(decided.choice.model)
    return tuple(asking.rules.registry.get(each) for each in dict.fromkeys(wanted))
