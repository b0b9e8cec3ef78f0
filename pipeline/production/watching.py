"""What a watcher does in the database: it claims jobs, keeps them, learns of cancels, and gives them back.

A claim takes a lease and a fence, as with steps; several watchers share the work. What a job came to is written by
:mod:`pipeline.production.jobs`, and only for the fence that was claimed.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Select, and_, bindparam, func, or_, select, true, update
from sqlalchemy.orm import Session

from pipeline.control.request import GenerationRequest
from pipeline.engines.base import Order, Ticket
from pipeline.production.boards import board_of
from pipeline.production.jobs import note_found, ticket_of
from pipeline.production.states import IN_FLIGHT, JobPhase
from pipeline.production.studio import Studio
from pipeline.store.storage import CorruptObject, MissingObject
from pipeline.store.tables import Base, CutRow, JobRow, ShotRow, StoryboardRow, TakeRow

_UNANSWERED = (JobPhase.ASKING, JobPhase.UNSURE, JobPhase.HELD)
_LOOKS = ("prompt", "frames", "fps", "width", "height")
"""By these two orders for the same model can be taken for each other at a provider."""

SEND_WITHIN_S = 20.0
"""A call that looks for a job by asking again is not sent later than so long after it was prepared."""

GIVEN_BACK_AT_ONCE = 500
"""Of more jobs that are named, the rest is given back the next time."""

HELD_FOR = timedelta(days=7)
"""A held job that its provider knows is still asked for, now and then, for so long after its deadline."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A job under a watcher's lease.

    Attributes:
        take_id: Its take.
        label: For people and Flower, such as ``lighthouse/s03``.
        cut_id: Its cut.
        engine: Engine that speaks to its provider.
        model: Model, as the registry has it.
        phase: ``unsure``, ``running`` or ``held``.
        fence: Number of the claim.
        asked_at: When its intent was committed.
        deadline_at: When it is to be stopped.
        next_poll_at: When it is to be looked at next.
        cancelled: Whether it is to be stopped at once.
        setbacks: Failed looks in a row.
        progress: Share done, as far as was written down.
        ticket: What its provider is asked with; ``None`` while it is unsure.
    """

    take_id: str
    label: str
    cut_id: str
    engine: str
    model: str
    phase: JobPhase
    fence: int
    asked_at: datetime
    deadline_at: datetime
    next_poll_at: datetime
    cancelled: bool
    setbacks: int
    progress: float
    ticket: Ticket | None

    def as_cancelled(self) -> Watched:
        """Return the job as one that is to be stopped."""
        return replace(self, cancelled=True)


def claim_jobs(
    studio: Studio,
    owner: str,
    most: int,
    *,
    lease_s: float,
    cut_id: str | None = None,
    engines: Collection[str] | None = None,
) -> list[Watched]:
    """Take the lease of jobs that nobody watches, those that are to be looked at soonest first.

    Args:
        studio: Everything a use case may reach.
        owner: The watcher's name.
        most: How many at most.
        lease_s: How long the lease lasts unless it is renewed.
        cut_id: Only this cut's jobs.
        engines: Only jobs of these: those whose providers this process can ask.
    """
    if most < 1:
        return []
    now = studio.clock()
    free = or_(JobRow.lease_expires_at.is_(None), JobRow.lease_expires_at < now)
    looked_after = or_(
        JobRow.state.in_((JobPhase.UNSURE, JobPhase.RUNNING)),
        and_(
            JobRow.state == JobPhase.HELD,
            JobRow.provider_job.is_not(None),
            JobRow.next_poll_at <= now,
            JobRow.deadline_at > now - HELD_FOR,
        ),
    )
    wanted = select(JobRow).where(looked_after, free).order_by(JobRow.next_poll_at).limit(most)
    if cut_id is not None:
        wanted = wanted.where(JobRow.cut_id == cut_id)
    if engines is not None:
        wanted = wanted.where(JobRow.engine.in_(sorted(engines)))
    with studio.database.read() as session:
        if session.scalars(wanted.limit(1)).first() is None:
            return []
    with studio.database.write() as session:
        rows = session.scalars(wanted.with_for_update(skip_locked=True)).all()
        for row in rows:
            row.lease_owner, row.lease_expires_at = owner[:200], now + timedelta(seconds=lease_s)
            row.fence += 1
        session.flush()
        labels = _labels(session, [row.take_id for row in rows])
        return [_watched(row, labels[row.take_id]) for row in rows]


def keep_jobs(studio: Studio, owner: str, *, lease_s: float) -> Mapping[str, tuple[int, bool]]:
    """Extend the leases of all jobs of a watcher.

    Returns:
        Take to (fence, cancelled) of every job that is still its own.
    """
    with studio.database.write() as session:
        until = studio.clock() + timedelta(seconds=lease_s)
        session.execute(update(JobRow).where(JobRow.take_id.in_(_untouched(owner))).values(lease_expires_at=until))
        return _own(session, owner)


def cancelled_jobs(studio: Studio, owner: str) -> frozenset[str]:
    """Return the jobs of a watcher that are to be stopped."""
    with studio.database.read() as session:
        wanted = select(JobRow.take_id).where(
            JobRow.lease_owner == owner[:200], JobRow.cancel_asked_at.is_not(None), JobRow.state != JobPhase.ENDED
        )
        return frozenset(session.scalars(wanted))


def jobs_in_flight(studio: Studio, cut_id: str) -> int:
    """Return how many jobs of a cut are in the hands of providers."""
    with studio.database.read() as session:
        wanted = select(func.count()).where(JobRow.cut_id == cut_id, JobRow.state.in_(IN_FLIGHT))
        return session.scalar(wanted) or 0


def note_progress(studio: Studio, owner: str, looked: Iterable[tuple[str, int, float, int, datetime]]) -> None:
    """Write down how far jobs are: (take, fence, share done, setbacks, next look) of each."""
    rows = [
        {"take": take_id, "held": fence, "progress_": progress, "setbacks_": setbacks, "next_poll_at_": next_poll_at}
        for take_id, fence, progress, setbacks, next_poll_at in sorted(looked)
    ]
    if not rows:
        return
    jobs = Base.metadata.tables[JobRow.__tablename__]  # the table itself: with the ORM each row would be a statement
    noted = (
        update(jobs)
        .where(jobs.c.take_id == bindparam("take"), jobs.c.fence == bindparam("held"))
        .where(jobs.c.lease_owner == owner[:200])
        .values(
            progress=bindparam("progress_"), setbacks=bindparam("setbacks_"), next_poll_at=bindparam("next_poll_at_")
        )
    )
    with studio.database.write() as session:
        free = frozenset(session.scalars(_untouched(owner)))
        if written := [row for row in rows if row["take"] in free]:
            session.connection().execute(noted, written)


def give_jobs_back(studio: Studio, owner: str, take_ids: Collection[str] | None = None) -> None:
    """Leave jobs of a watcher to whoever claims them next: some, or all of them."""
    some = true() if take_ids is None else JobRow.take_id.in_(sorted(take_ids)[:GIVEN_BACK_AT_ONCE])
    with studio.database.write() as session:
        session.execute(
            update(JobRow)
            .where(JobRow.take_id.in_(_untouched(owner)), some)
            .values(lease_owner=None, lease_expires_at=None, fence=JobRow.fence + 1)
        )


def order_of(studio: Studio, job: Watched, wire: Mapping[str, object]) -> Order:
    """Return what was asked for with a job whose answer is lost.

    Raises:
        BackendUnavailable: If the database or the storage does not answer.
    """
    with studio.database.read() as session:
        take = session.get_one(TakeRow, job.take_id)
        cut = session.get_one(CutRow, take.cut_id)
        request = GenerationRequest.model_validate(take.request)
        suffixes = {each.sha256: each.suffix for each in board_of(session, cut.storyboard_id).pictures.values()}
        others = session.scalars(
            select(TakeRow.request)
            .join(JobRow, JobRow.take_id == TakeRow.id)
            .where(JobRow.model == job.model, JobRow.state.in_(_UNANSWERED), JobRow.take_id != job.take_id)
            .where(JobRow.provider_job.is_(None), TakeRow.request["prompt"].as_string() == request.prompt)
        ).all()
    images: dict[str, Path] = {}
    for image in request.images():
        with suppress(MissingObject, CorruptObject):  # an engine that needs it says that it can't tell
            # A picture that the storyboard does not name is the last frame of the shot before.
            images[image.sha256] = studio.artifacts.fetch(image.sha256, suffixes.get(image.sha256, ".png"))
    alike = any(all(other[name] == take.request[name] for name in _LOOKS) for other in others)
    return Order(
        intent=job.take_id,
        model=job.model.split("/", 1)[1],
        request=request,
        images=images,
        wire=wire,
        asked_at=job.asked_at,
        not_after=time.monotonic() + SEND_WITHIN_S,
        alone=not alike,
    )


def known_jobs(studio: Studio, engine: str, since: datetime) -> frozenset[str]:
    """Return the provider's ids of an engine's jobs that were asked for since a moment, of all takes."""
    with studio.database.read() as session:
        wanted = select(JobRow.provider_job).where(
            JobRow.engine == engine, JobRow.provider_job.is_not(None), JobRow.asked_at >= since
        )
        return frozenset(each for each in session.scalars(wanted) if each is not None)


def found_job(studio: Studio, job: Watched, ticket: Ticket, poll_after_s: float, owner: str, lease_s: float) -> Watched:
    """Write down the ticket of a job that was looked for and found, and keep it claimed.

    Raises:
        StaleLease: If another watcher has taken the job over, or its answer came after all.
    """
    fence, due = note_found(studio, job.take_id, job.fence, ticket, poll_after_s, owner[:200], lease_s)
    return replace(job, phase=JobPhase.RUNNING, fence=fence, ticket=ticket, next_poll_at=due, setbacks=0)


def _untouched(owner: str) -> Select[str]:
    """Find a watcher's jobs that nobody else is changing now, and hold them.

    Whoever changes a job may wait for a cut or a purse; waiting for him with other jobs in hand could be a deadlock.
    """
    return select(JobRow.take_id).where(JobRow.lease_owner == owner[:200]).with_for_update(skip_locked=True)


def _own(session: Session, owner: str) -> dict[str, tuple[int, bool]]:
    rows = session.execute(
        select(JobRow.take_id, JobRow.fence, JobRow.cancel_asked_at).where(JobRow.lease_owner == owner[:200])
    )
    return {take_id: (fence, cancel_asked_at is not None) for take_id, fence, cancel_asked_at in rows}


def _labels(session: Session, take_ids: Collection[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    wanted = list(take_ids)
    for start in range(0, len(wanted), 500):
        rows = session.execute(
            select(TakeRow.id, StoryboardRow.key, ShotRow.key, TakeRow.number)
            .join(ShotRow, ShotRow.id == TakeRow.shot_id)
            .join(CutRow, CutRow.id == TakeRow.cut_id)
            .join(StoryboardRow, StoryboardRow.id == CutRow.storyboard_id)
            .where(TakeRow.id.in_(wanted[start : start + 500]))
        )
        labels |= {take_id: f"{board}/{shot} take {number}" for take_id, board, shot, number in rows}
    return labels


def _watched(row: JobRow, label: str) -> Watched:
    now = row.next_poll_at
    return Watched(
        take_id=row.take_id,
        label=label,
        cut_id=row.cut_id,
        engine=row.engine,
        model=row.model,
        phase=JobPhase(row.state),
        fence=row.fence,
        asked_at=row.asked_at or now,
        deadline_at=row.deadline_at or now,
        next_poll_at=row.next_poll_at,
        cancelled=row.cancel_asked_at is not None,
        setbacks=row.setbacks,
        progress=row.progress,
        ticket=ticket_of(row) if row.provider_job is not None else None,
    )
