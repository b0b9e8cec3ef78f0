"""The sweep finds what was lost and sends it again, without flooding a healthy backlog.

Three kinds of loss: a worker died (its lease ran out), a message was lost (fewer messages wait in the
queue than steps count as published), and a step's time has come (retries, resumed cuts, schedules).
A message sent twice is harmless: the second finds the step claimed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from pipeline.errors import BackendUnavailable, ConfigurationError
from pipeline.production.advance import advance
from pipeline.production.lanes import grant
from pipeline.production.outbox import StepMessage
from pipeline.production.phases import doubt
from pipeline.production.states import IN_FLIGHT, OPEN_STEPS, RESTING_CUTS, JobPhase, StepState
from pipeline.production.studio import Studio
from pipeline.production.views import lock_cut, shots_of
from pipeline.store.tables import CutRow, JobRow, ShotRow, StepRow

log = logging.getLogger(__name__)

ASKING_S = 150.0
"""A create call that has not been answered after so long is taken for lost: longer than one may take."""

BATCH = 1000
"""At most so many messages of one kind of loss a sweep: the next one goes on."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did."""

    expired: int
    """Steps whose worker was lost."""
    due: int
    """Steps whose time had come."""
    lost: int
    """Messages sent again."""
    stalled: int
    """Cuts that nothing was open for; they were advanced."""


def sweep(studio: Studio) -> Swept:
    """Find what was lost and publish it.

    Raises:
        BackendUnavailable: If the database or the broker does not answer; the next sweep goes on.
    """
    _doubt_abandoned(studio)
    expired, messages = _expire(studio)
    stalled, more = _advance_stalled(studio)
    due = _take_due(studio)
    # These are on their way before anything is counted as missing.
    send(studio, [*messages, *more, *due])
    due += _granted(studio)
    lost = _find_lost(studio)
    send(studio, lost)
    return Swept(expired=expired, due=len(due), lost=len(lost), stalled=stalled)


def _granted(studio: Studio) -> list[StepMessage]:
    """Send steps that got a slot; a registry or table that is wrong at present stops nothing else."""
    try:
        messages = grant(studio)
    except ConfigurationError as error:
        log.warning("no slots are granted: %s", error)
        return []
    send(studio, messages)
    return messages


def send(studio: Studio, messages: Sequence[StepMessage]) -> None:
    """Publish messages whose steps count as published; if the broker refuses, they are due again.

    Raises:
        BackendUnavailable: If the broker does not answer.
    """
    if not messages:
        return
    try:
        studio.publisher.publish(messages)
    except BackendUnavailable:
        ids = [message.step_id for message in messages]
        with studio.database.write() as session:
            for start in range(0, len(ids), 500):
                sent = and_(StepRow.id.in_(ids[start : start + 500]), StepRow.state == StepState.PUBLISHED)
                # One that somebody holds is passed over, for he may wait for another of them: it is missed later.
                ours = select(StepRow.id).where(sent).with_for_update(skip_locked=True)
                session.execute(
                    update(StepRow).where(StepRow.id.in_(ours)).values(state=StepState.DUE, published_at=None)
                )
        raise


def offer(studio: Studio, messages: Sequence[StepMessage]) -> bool:
    """Publish messages if the broker answers; if not, their steps are due, and the next sweep sends them.

    Returns:
        Whether they went out.
    """
    try:
        send(studio, messages)
    except BackendUnavailable as error:
        log.info("%s messages wait for the broker: %s", len(messages), error)
        return False
    return True


def _expire(studio: Studio) -> tuple[int, list[StepMessage]]:
    """Free the steps of lost workers; those that lost too many are dead, and their shots move on."""
    messages: list[StepMessage] = []
    with studio.database.read() as session:
        now = studio.clock()
        found = session.execute(
            select(StepRow.id, StepRow.cut_id)
            .where(StepRow.state == StepState.RUNNING, StepRow.lease_expires_at < now)
            .limit(BATCH)
        ).all()
    for step_id, cut_id in found:
        with _apart(cut_id), studio.database.write() as session:
            messages += _free(studio, session, cut_id, step_id, now)
    return len(found), messages


def _free(studio: Studio, session: Session, cut_id: str, step_id: str, now: datetime) -> list[StepMessage]:
    cut = lock_cut(session, cut_id)
    row = session.scalars(select(StepRow).where(StepRow.id == step_id).with_for_update()).one()
    if row.state != StepState.RUNNING or not row.lease_expires_at or row.lease_expires_at >= now:
        return []
    worker, row.lease_owner, row.lease_expires_at = row.lease_owner, None, None
    row.fence += 1
    row.error = f"Its worker {worker} was lost (attempt {row.attempts} of {row.max_attempts})."
    if row.attempts < row.max_attempts:
        row.state, row.not_before, row.published_at = StepState.DUE, now, None
        return []
    row.state, row.finished_at = StepState.DEAD, now
    shots = [session.get_one(ShotRow, row.shot_id)] if row.shot_id else []
    return advance(studio, session, cut, shots)


@contextmanager
def _apart(cut_id: str) -> Generator[None]:
    """Let a fault in one cut (its storyboard can't be read any more, say) harm no other.

    Raises:
        BackendUnavailable: That is everybody's trouble: the next sweep goes on.
    """
    try:
        yield
    except BackendUnavailable:
        raise
    except Exception:
        log.exception("cut %s can't be advanced; the sweep goes on with the others", cut_id)


def _doubt_abandoned(studio: Studio) -> None:
    """Let jobs be looked for whose caller has been silent for too long, whatever became of its step."""
    since = studio.clock() - timedelta(seconds=ASKING_S)
    abandoned = (JobRow.state == JobPhase.ASKING, JobRow.asked_at < since)
    with studio.database.read() as session:
        found = session.scalars(select(JobRow.take_id).where(*abandoned).limit(BATCH)).all()
    for take_id in found:
        with studio.database.write() as session:
            job = session.scalars(select(JobRow).where(JobRow.take_id == take_id, *abandoned).with_for_update()).first()
            if job is not None:
                doubt(studio, job, f"Whoever asked for it has not been heard of for {ASKING_S:g} s.")


def _advance_stalled(studio: Studio) -> tuple[int, list[StepMessage]]:
    """Advance cuts in which nothing is open: should never be needed, and costs one query."""
    open_steps = select(StepRow.id).where(StepRow.cut_id == CutRow.id, StepRow.state.in_(OPEN_STEPS))
    in_flight = select(JobRow.take_id).where(JobRow.cut_id == CutRow.id, JobRow.state.in_(IN_FLIGHT))
    stalled = (CutRow.state.not_in(RESTING_CUTS), ~open_steps.exists(), ~in_flight.exists())
    with studio.database.read() as session:
        found = session.scalars(select(CutRow.id).where(*stalled).limit(BATCH)).all()
    messages: list[StepMessage] = []
    for cut_id in found:
        with _apart(cut_id), studio.database.write() as session:
            cut = lock_cut(session, cut_id)
            messages += advance(studio, session, cut, shots_of(session, cut_id))
    return len(found), messages


def _take_due(studio: Studio) -> list[StepMessage]:
    """Mark as published the steps whose time has come, in order of priority."""
    now = studio.clock()
    wanted = (
        select(StepRow)
        .join(CutRow, CutRow.id == StepRow.cut_id)
        .where(
            StepRow.state == StepState.DUE,
            StepRow.waiting_for.is_(None),
            StepRow.not_before <= now,
            CutRow.paused.is_(False),
            CutRow.state.not_in(RESTING_CUTS),
        )
        .order_by(StepRow.priority, StepRow.not_before)
        .limit(BATCH)
    )
    with studio.database.read() as session:
        if session.scalars(wanted.limit(1)).first() is None:
            return []
    with studio.database.write() as session:
        rows = session.scalars(wanted.with_for_update(of=StepRow, skip_locked=True)).all()
        return _publish(rows, studio)


def _publish(rows: Sequence[StepRow], studio: Studio) -> list[StepMessage]:
    for row in rows:
        row.state, row.published_at = StepState.PUBLISHED, studio.clock()
    return [StepMessage.of(row) for row in rows]


def _find_lost(studio: Studio) -> list[StepMessage]:
    """Send again as many of the most urgent, longest waiting steps as messages are missing from their queue.

    Which messages are missing can't be seen. An urgent step whose message is there is served soon, and the
    one too many with it; behind a night's backlog an urgent one that is lost would wait for all of it.
    """
    overdue = studio.clock() - timedelta(seconds=studio.settings.republish_after_s)
    missing: dict[str, int] = defaultdict(int)
    with studio.database.read() as session:
        for queue, oldest, count in session.execute(
            select(StepRow.queue, func.min(StepRow.published_at), func.count())
            .where(StepRow.state == StepState.PUBLISHED)
            .group_by(StepRow.queue)
        ):
            if oldest is None or oldest >= overdue:
                continue
            waiting = studio.publisher.depth(queue)
            missing[queue] = count if waiting is None else count - waiting
    messages: list[StepMessage] = []
    for queue, count in missing.items():
        if count <= 0:
            continue
        with studio.database.write() as session:
            messages += _publish(_longest_waiting(session, queue, overdue, min(count, BATCH)), studio)
    return messages


def _longest_waiting(session: Session, queue: str, overdue: object, count: int) -> Sequence[StepRow]:
    return session.scalars(
        select(StepRow)
        .where(StepRow.queue == queue, StepRow.state == StepState.PUBLISHED, StepRow.published_at < overdue)
        .order_by(StepRow.priority, StepRow.published_at)
        .limit(count)
        .with_for_update(skip_locked=True)
    ).all()
