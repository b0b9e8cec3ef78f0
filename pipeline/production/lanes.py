"""Limits of providers, shared by the whole fleet: who may ask now, and who is next.

Slots in use are counted, not kept: jobs that are asked or run, and steps to which a slot was granted. So none can
leak. A step that finds no slot parks (due, ``waiting_for`` a model); :func:`grant` gives free slots to parked steps,
and while any is parked for a model, none passes it by. Whoever asks or grants holds the engine's lane row.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from pipeline.production.health import may_ask
from pipeline.production.outbox import StepMessage
from pipeline.production.rules import current_rules
from pipeline.production.states import IN_FLIGHT, RESTING_CUTS, StepState
from pipeline.production.studio import Studio
from pipeline.registry.load import Registry
from pipeline.registry.model import Limits, Model
from pipeline.store.tables import AskRow, Base, CutRow, JobRow, LaneRow, StepRow, TakeRow

MINUTE = timedelta(seconds=60)
_BLOCKED_S, _BLOCKED_AT_MOST_S = 2.0, 300.0
_GRANTED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What an engine's account or one of its models allows; ``None`` is no limit."""

    concurrent: int | None
    per_minute: int | None

    @classmethod
    def of(cls, limits: Limits | None) -> _Bounds:
        if limits is None:
            return cls(None, None)
        concurrent, per_minute = limits.concurrent, limits.per_minute
        return cls(
            concurrent if isinstance(concurrent, int) else None, per_minute if isinstance(per_minute, int) else None
        )


def lane_of(session: Session, engine: str) -> LaneRow:
    """Return an engine's lane, locked until the transaction ends."""
    wanted = select(LaneRow).where(LaneRow.engine == engine).with_for_update()
    row = session.scalars(wanted).one_or_none()
    if row is None:
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        session.execute(insert(LaneRow).values(engine=engine).on_conflict_do_nothing())
        row = session.scalars(wanted).one()
    return row


def acquire(studio: Studio, session: Session, step: StepRow, model: Model) -> bool:
    """Take a slot of a model for a step that is about to ask for it; return whether there was one.

    It is in use from the moment when the step's job is ``asking``, which the caller commits in the same transaction.
    """
    lane, now = lane_of(session, model.engine), studio.clock()
    if lane.blocked_until is not None and lane.blocked_until > now:
        return False
    rules = current_rules(studio.settings)
    rivals = _rivals(rules.registry, model)
    others = select(StepRow.id).join(CutRow, CutRow.id == StepRow.cut_id).where(rivals, _PARKED, *_able()).limit(1)
    if step.waiting_for != model.id and session.scalar(others) is not None:
        return False
    if _free(session, rules.registry, model, now, but=step.id) < 1 or not may_ask(session, model.id, rules.table, now):
        return False
    step.waiting_for = None
    session.execute(delete(AskRow).where(AskRow.engine == model.engine, AskRow.at <= now - MINUTE))
    session.add(AskRow(id=studio.new_id(), engine=model.engine, model=model.id, at=now))
    return True


def block(studio: Studio, session: Session, engine: str, reason: str, retry_after_s: float | None) -> None:
    """Let everybody leave a provider alone for a while: as long as it said, else longer each time."""
    lane, now = lane_of(session, engine), studio.clock()
    blocked = lane.blocked_until is not None and lane.blocked_until > now
    # Calls that were under way when the first was turned away are no further setbacks.
    lane.setbacks += not blocked
    longer = min(_BLOCKED_S * 2 ** min(lane.setbacks - 1, 16), _BLOCKED_AT_MOST_S)
    until = now + timedelta(seconds=max(0.5, longer if retry_after_s is None else retry_after_s))
    if lane.blocked_until is None or not blocked or (retry_after_s is not None and until > lane.blocked_until):
        lane.blocked_until = until
    lane.reason = reason[:4000]


def unblock(session: Session, engine: str) -> None:
    """Note that a provider accepted something."""
    lane = lane_of(session, engine)
    if lane.setbacks or lane.reason:
        lane.setbacks, lane.reason, lane.blocked_until = 0, "", None


def grant(studio: Studio) -> list[StepMessage]:
    """Give free slots to parked steps; return the messages to send.

    Raises:
        BackendUnavailable: If the database does not answer.
    """
    with studio.database.read() as session:
        wanted = session.scalars(
            select(StepRow.waiting_for)
            .join(CutRow, CutRow.id == StepRow.cut_id)
            .where(StepRow.waiting_for.is_not(None), _PARKED, *_able())
            .distinct()
        ).all()
    by_engine: dict[str, list[str]] = defaultdict(list)
    for model_id in sorted(each for each in wanted if each is not None):
        by_engine[model_id.split("/", 1)[0]].append(model_id)
    if not by_engine:
        return []
    rules = current_rules(studio.settings)
    messages: list[StepMessage] = []
    for engine, models in by_engine.items():
        with studio.database.write() as session:
            lane, now = lane_of(session, engine), studio.clock()
            if lane.blocked_until is None or lane.blocked_until <= now:
                usable = [each for each in models if may_ask(session, each, rules.table, now)]
                _send_on(session, [each for each in models if each not in usable])
                messages += _grant_engine(session, rules.registry, engine, usable, now)
    return messages


def _send_on(session: Session, models: Sequence[str]) -> None:
    """Let parked steps whose model is left alone at present be routed anew, unless they were asked for already."""
    if not models:
        return
    asked = (
        select(JobRow.take_id)
        .join(TakeRow, TakeRow.id == JobRow.take_id)
        .where(TakeRow.intent == StepRow.key, JobRow.asked_at.is_not(None))
    )
    unasked = (
        select(StepRow.id)
        .where(StepRow.waiting_for.in_(models), _PARKED, ~asked.exists())
        .order_by(StepRow.not_before, StepRow.id)
        .limit(_GRANTED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    session.execute(update(StepRow).where(StepRow.id.in_(unasked)).values(waiting_for=None))


def _grant_engine(
    session: Session, registry: Registry, engine: str, models: Sequence[str], now: datetime
) -> list[StepMessage]:
    """Give an engine's free slots to parked steps: the urgent ones first, whichever of its models they wait for."""
    room = {model_id: _model_room(session, registry.find(model_id), now) for model_id in models}
    free = min(_GRANTED_AT_ONCE, _account_room(session, registry, engine, now))
    messages: list[StepMessage] = []
    priorities = session.scalars(
        select(StepRow.priority)
        .join(CutRow, CutRow.id == StepRow.cut_id)
        .where(StepRow.waiting_for.in_(models), _PARKED, *_able())
        .distinct()
        .order_by(StepRow.priority)
    ).all()
    for priority in priorities:
        able = [model_id for model_id in models if room[model_id] > 0]
        if free < 1 or not able:
            break
        waiting, model_of = _waiting(session, able, priority, free)
        chosen = share_out(free, waiting, _in_use_by_share(session, engine), room, model_of)
        rows = session.scalars(
            select(StepRow)
            .where(StepRow.id.in_(chosen), StepRow.state == StepState.DUE)
            .order_by(StepRow.id)
            # Who holds one of them (a cancel, say) may wait for the lane that we hold; the next grant sees it.
            .with_for_update(skip_locked=True)
        ).all()
        order = {step_id: place for place, step_id in enumerate(chosen)}
        for row in sorted(rows, key=lambda each: order[each.id]):
            row.state, row.published_at = StepState.PUBLISHED, now
            messages.append(StepMessage.of(row))
            room[model_of[row.id]] -= 1
            free -= 1
        session.flush()
    return messages


def share_out(
    free: int,
    waiting: Mapping[str, Sequence[str]],
    in_use: Mapping[str, int],
    room: Mapping[str, int] | None = None,
    model_of: Mapping[str, str] | None = None,
) -> list[str]:
    """Return which steps get the free slots: each goes to the share with the fewest in use, then the longest waiting.

    Args:
        free: Number of slots.
        waiting: Steps by share, the longest waiting first; the shares in the order of their first step's waiting.
        in_use: Slots in use by share.
        room: Of these at most so many for each model; no limit if not given.
        model_of: The model that each step waits for.
    """
    left = dict(room or {})
    models = model_of or {}
    heap = [(in_use.get(share, 0), place, share, 0) for place, share in enumerate(waiting) if waiting[share]]
    heapq.heapify(heap)
    chosen: list[str] = []
    while heap and len(chosen) < free:
        used, place, share, at = heapq.heappop(heap)
        steps = waiting[share]
        while at < len(steps) and left.get(models.get(steps[at], ""), 1) < 1:
            at += 1
        if at == len(steps):
            continue
        model = models.get(steps[at], "")
        if model in left:
            left[model] -= 1
        chosen.append(steps[at])
        heapq.heappush(heap, (used + 1, place, share, at + 1))
    return chosen


_PARKED = StepRow.state == StepState.DUE


def _rivals(registry: Registry, model: Model) -> ColumnElement[bool]:
    """Select the steps that wait for the same slots as a model's: also other models' if their account is limited."""
    if _Bounds.of(registry.accounts.get(model.engine)) == _Bounds(None, None):
        return StepRow.waiting_for == model.id
    return StepRow.waiting_for.startswith(f"{model.engine}/", autoescape=True)


def _able() -> tuple[ColumnElement[bool], ...]:
    return (CutRow.paused.is_(False), CutRow.state.not_in(RESTING_CUTS))


def _share() -> ColumnElement[str]:
    return func.coalesce(CutRow.campaign_id, CutRow.id)


def _waiting(
    session: Session, models: Sequence[str], priority: int, most: int
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return parked steps by share, at most so many of each for each model, longest waiting first; and their models."""
    ranked = (
        select(
            StepRow.id,
            StepRow.waiting_for.label("model"),
            _share().label("share"),
            StepRow.not_before,
            func.row_number()
            .over(partition_by=(_share(), StepRow.waiting_for), order_by=(StepRow.not_before, StepRow.id))
            .label("rank"),
        )
        .join(CutRow, CutRow.id == StepRow.cut_id)
        .where(StepRow.waiting_for.in_(models), _PARKED, StepRow.priority == priority, *_able())
        .subquery()
    )
    found = session.execute(
        select(ranked.c.id, ranked.c.share, ranked.c.model)
        .where(ranked.c.rank <= most)
        .order_by(ranked.c.not_before, ranked.c.id)
    ).all()
    waiting: dict[str, list[str]] = defaultdict(list)
    model_of: dict[str, str] = {}
    for step_id, share, model in found:
        waiting[share].append(step_id)
        model_of[step_id] = model
    return waiting, model_of


def _in_use_by_share(session: Session, engine: str) -> Counter[str]:
    used: Counter[str] = Counter()
    jobs = select(JobRow.share, func.count()).where(JobRow.engine == engine, JobRow.state.in_(IN_FLIGHT))
    for share, count in session.execute(jobs.group_by(JobRow.share)):
        used[share] += count
    granted = (
        select(_share(), func.count())
        .select_from(StepRow)
        .join(CutRow, CutRow.id == StepRow.cut_id)
        .where(StepRow.waiting_for.startswith(f"{engine}/", autoescape=True), _GRANTED)
        .group_by(_share())
    )
    for share, count in session.execute(granted):
        used[share] += count
    return used


_GRANTED = StepRow.state.in_((StepState.PUBLISHED, StepState.RUNNING))


def _free(session: Session, registry: Registry, model: Model, now: datetime, *, but: str = "") -> int:
    """Return how many jobs of a model may be asked for now.

    Args:
        session: Holds the engine's lane.
        registry: Where the limits stand.
        model: The model.
        now: The present moment.
        but: A step whose own grant is not counted.
    """
    return min(_model_room(session, model, now, but=but), _account_room(session, registry, model.engine, now, but=but))


def _model_room(session: Session, model: Model | None, now: datetime, *, but: str = "") -> int:
    if model is None:  # it has left the registry: its steps go on, and are routed anew
        return _GRANTED_AT_ONCE
    steps = StepRow.waiting_for == model.id
    jobs, asks = JobRow.model == model.id, AskRow.model == model.id
    return _room(session, _Bounds.of(model.limits), jobs, asks, steps, now, but)


def _account_room(session: Session, registry: Registry, engine: str, now: datetime, *, but: str = "") -> int:
    steps = StepRow.waiting_for.startswith(f"{engine}/", autoescape=True)
    jobs, asks = JobRow.engine == engine, AskRow.engine == engine
    return _room(session, _Bounds.of(registry.accounts.get(engine)), jobs, asks, steps, now, but)


def _room(
    session: Session,
    bounds: _Bounds,
    jobs: ColumnElement[bool],
    asks: ColumnElement[bool],
    steps: ColumnElement[bool],
    now: datetime,
    but: str,
) -> int:
    if bounds.concurrent is None and bounds.per_minute is None:
        return _GRANTED_AT_ONCE
    granted = _count(session, StepRow, steps, _GRANTED, StepRow.id != but)
    room = _GRANTED_AT_ONCE
    if bounds.concurrent is not None:
        room = min(room, bounds.concurrent - granted - _count(session, JobRow, jobs, JobRow.state.in_(IN_FLIGHT)))
    if bounds.per_minute is not None:
        room = min(room, bounds.per_minute - granted - _count(session, AskRow, asks, AskRow.at > now - MINUTE))
    return room


def _count(session: Session, table: type[Base], *where: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(table).where(*where)) or 0
