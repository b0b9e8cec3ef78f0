"""What the rows tell of models: how their providers do at present, and how often their takes are accepted.

Nothing is kept: a breaker follows from the last jobs (`jobs` and the take's trouble) and from the engine's lane, an
acceptance from the last verdicts (`takes`). So there is no table of health that could disagree with what happened, all
processes see the same, and emptying a cache loses nothing. What is read is bounded: the last outcomes per model.

How jobs count: ``succeeded`` is good; a job that its provider failed, that was never accepted (nobody got through),
that was lost (``unsure``), given up (``held``: no answer, or far too late) or stopped because it took too long is an
outage, and so is an account without funds or a model that is gone. Refusals, invalid requests, a person's cancels and
a person's word tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from pipeline.errors import Trouble
from pipeline.production.states import IN_FLIGHT, JobPhase, StepState, TakeState
from pipeline.routing.health import Outcome, Standing, standing_of, with_lane
from pipeline.routing.learned import Evidence, Seen, discounted
from pipeline.routing.table import RoutingTable
from pipeline.store.tables import JobRow, LaneRow, StepRow, TakeRow

_REPLAYED = 60
"""So many of a model's last jobs are read: far more than a breaker looks at, so that a long outage shows as one."""
_VERDICTS = 300
"""So many of a model's last verdicts are read; with the default half-life the oldest counts a sixtieth."""

_ILL = (Trouble.FAILED, Trouble.TRANSIENT, Trouble.CAPACITY, Trouble.OUT_OF_FUNDS, Trouble.RETIRED)
_LOST = (JobPhase.UNSURE, JobPhase.HELD)


def standings(session: Session, models: Iterable[str], table: RoutingTable, now: datetime) -> dict[str, Standing]:
    """Return how each model's provider does at present.

    Args:
        session: Where the rows are read.
        models: Ids; those whose takes this machine renders have no jobs, and are healthy.
        table: When a breaker opens.
        now: The present moment.
    """
    wanted = tuple(dict.fromkeys(models))
    if not wanted:
        return {}
    engines = {model.split("/", 1)[0] for model in wanted}
    lanes = {row.engine: row for row in session.scalars(select(LaneRow).where(LaneRow.engine.in_(engines)))}
    in_flight, asking, waiting = _under_way(session, wanted), _asking(session, engines), _waiting(session, wanted)
    since = now - timedelta(hours=table.breaker.memory_h)
    found: dict[str, Standing] = {}
    for model in wanted:
        engine = model.split("/", 1)[0]
        own = standing_of(
            model,
            _outcomes(session, model, since),
            table.breaker,
            now,
            in_flight=in_flight.get(model, 0),
            waiting=waiting.get(model, 0),
        )
        lane = lanes.get(engine)
        if lane is not None:
            own = with_lane(
                own,
                table.breaker,
                now,
                until=lane.blocked_until,
                setbacks=lane.setbacks,
                asking=asking.get(engine, 0),
                reason=lane.reason,
            )
        found[model] = own
    return found


def may_ask(session: Session, model: str, table: RoutingTable, now: datetime) -> bool:
    """Return whether a model may be asked now; while it is half-open one job at a time is.

    Asked by whoever holds the engine's lane, so that no two are the one.
    """
    return standings(session, (model,), table, now)[model].usable


def evidence(
    session: Session, models: Iterable[str], content_class: str, table: RoutingTable, now: datetime
) -> dict[str, Evidence]:
    """Return what is known of how often models' takes are accepted for a content class.

    Only verdicts of the gate count, on takes that were generated: an adopted one was judged before, and one that was
    refused or not made tells nothing of what the model draws.
    """
    return {
        model: discounted(_verdicts(session, model, content_class), table.learned, now)
        for model in dict.fromkeys(models)
    }


def _outcomes(session: Session, model: str, since: datetime) -> list[Outcome]:
    # A job that ended is of its end; one that is lost of the moment when it was asked for.
    stopped_by_us = and_(JobRow.outcome == "cancelled", JobRow.cancel_asked_at.is_(None))
    ended = (
        select(JobRow.ended_at, JobRow.outcome, TakeRow.trouble, TakeRow.reason)
        .join(TakeRow, TakeRow.id == JobRow.take_id)
        .where(
            JobRow.model == model,
            JobRow.state == JobPhase.ENDED,
            JobRow.ended_at > since,
            or_(
                JobRow.outcome == "succeeded",
                and_(or_(JobRow.outcome.in_(_TOLD), stopped_by_us), TakeRow.trouble.in_(_ILL)),
            ),
        )
        .order_by(JobRow.ended_at.desc())
        .limit(_REPLAYED)
    )
    found = [
        # One that was made and could not be had has a trouble, too.
        Outcome(at, good=outcome == "succeeded" and not trouble, reason=reason or f"its job was {outcome}")
        for at, outcome, trouble, reason in session.execute(ended)
        if at is not None
    ]
    lost = (
        select(JobRow.asked_at, JobRow.error)
        .where(JobRow.model == model, JobRow.state.in_(_LOST), JobRow.asked_at > since)
        .order_by(JobRow.asked_at.desc())
        .limit(_REPLAYED)
    )
    found += [Outcome(at, good=False, reason=error) for at, error in session.execute(lost) if at is not None]
    return found


_TOLD = ("failed", "not_accepted", *(str(each) for each in _ILL))
"""Outcomes of jobs that came to nothing, and not because somebody stopped or dropped them."""


def _under_way(session: Session, models: tuple[str, ...]) -> Mapping[str, int]:
    jobs = select(JobRow.model, func.count()).where(JobRow.model.in_(models), JobRow.state.in_(IN_FLIGHT))
    return dict(session.execute(jobs.group_by(JobRow.model)).all())


def _asking(session: Session, engines: Iterable[str]) -> Mapping[str, int]:
    calls = select(JobRow.engine, func.count()).where(JobRow.engine.in_(engines), JobRow.state == JobPhase.ASKING)
    return dict(session.execute(calls.group_by(JobRow.engine)).all())


def _waiting(session: Session, models: tuple[str, ...]) -> Mapping[str, int]:
    steps = select(StepRow.waiting_for, func.count()).where(
        StepRow.waiting_for.in_(models), StepRow.state == StepState.DUE
    )
    return {model: count for model, count in session.execute(steps.group_by(StepRow.waiting_for)) if model}


def _verdicts(session: Session, model: str, content_class: str) -> list[Seen]:
    judged = (
        select(
            func.coalesce(TakeRow.finished_at, TakeRow.created_at),
            case((TakeRow.state == TakeState.ACCEPTED, 1), else_=0),
        )
        .where(
            TakeRow.model == model,
            TakeRow.state.in_((TakeState.ACCEPTED, TakeState.REJECTED)),
            TakeRow.source_take_id.is_(None),
            TakeRow.verdict.is_not(None),  # one that could not be checked says nothing of its model
            TakeRow.routing["content_class"].as_string() == content_class,
        )
        .order_by(TakeRow.created_at.desc())
        .limit(_VERDICTS)
    )
    return [Seen(at, accepted == 1) for at, accepted in session.execute(judged)]
