"""Claims, renewals and ends of steps: who may work on what, and whose result counts.

A claim takes a lease and a fence: a number that grows with each claim. Every write of the worker names its
fence, so that one who was frozen past its lease changes nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from pipeline.errors import StaleLease
from pipeline.production.advance import advance
from pipeline.production.outbox import StepMessage
from pipeline.production.states import RESTING_CUTS, CutState, StepKind, StepState
from pipeline.production.studio import Studio
from pipeline.production.views import lock_cut
from pipeline.store.tables import ShotRow, StepRow

RETRY_AFTER_S = (2.0, 8.0, 30.0)
"""Waits after the first, second and later unexpected failures of a step."""

POSTPONED_S, POSTPONED_AT_MOST_S = 2.0, 300.0
"""Wait after the first failure of a step's surroundings, doubled with each, and the longest wait."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A step under lease."""

    step_id: str
    cut_id: str
    shot_id: str | None
    take_id: str | None
    kind: StepKind
    label: str
    payload: dict[str, Any]
    fence: int
    attempt: int
    last: bool


def claim(studio: Studio, step_id: str, owner: str) -> Claim | None:
    """Take the lease of a step.

    Returns:
        The claim; ``None`` if there is nothing to do: somebody has it, it is over, its cut is paused
        or at rest, or it waits for its time (the sweep publishes it then).
    """
    with studio.database.write() as session:
        cut_id = session.scalar(select(StepRow.cut_id).where(StepRow.id == step_id))
        if cut_id is None:
            return None
        # The cut first, as everywhere: two orders of locking would be a deadlock.
        cut = lock_cut(session, cut_id)
        row = session.scalars(select(StepRow).where(StepRow.id == step_id).with_for_update()).one()
        if row.state not in (StepState.DUE, StepState.PUBLISHED):
            return None
        now = studio.clock()
        if CutState(cut.state) in RESTING_CUTS:
            return None
        # One that was published had come due by its publisher's clock, which may be ahead of ours.
        waits = row.state == StepState.DUE and (row.not_before > now or row.waiting_for is not None)
        if cut.paused or waits:
            row.state, row.published_at = StepState.DUE, None
            return None
        row.state, row.lease_owner = StepState.RUNNING, owner[:200]
        row.lease_expires_at = now + studio.lease
        row.fence += 1
        row.attempts += 1
        row.started_at, row.progress = now, 0.0
        return Claim(
            step_id=row.id,
            cut_id=row.cut_id,
            shot_id=row.shot_id,
            take_id=row.take_id,
            kind=StepKind(row.kind),
            label=row.label,
            payload=row.payload,
            fence=row.fence,
            attempt=row.attempts,
            last=row.attempts >= row.max_attempts,
        )


def renew(studio: Studio, held: Claim, progress: float) -> bool:
    """Extend the lease and note the progress; return whether the step is still ours."""
    with studio.database.write() as session:
        result = session.execute(
            update(StepRow)
            .where(StepRow.id == held.step_id, StepRow.fence == held.fence, StepRow.state == StepState.RUNNING)
            .values(lease_expires_at=studio.clock() + studio.lease, progress=min(1.0, max(0.0, progress)))
        )
        return isinstance(result, CursorResult) and result.rowcount == 1


def held_step(session: Session, held: Claim) -> StepRow:
    """Return the step's row, if the claim still holds.

    Raises:
        StaleLease: If another worker has taken the step over, or it was cancelled.
    """
    row = session.scalars(select(StepRow).where(StepRow.id == held.step_id).with_for_update()).one()
    if row.state != StepState.RUNNING or row.fence != held.fence:
        raise StaleLease("the step was taken over or cancelled.", where=held.label)
    return row


Effect = Callable[[Session], None]
"""Writes a step's result in the transaction that ends it."""


def complete(studio: Studio, held: Claim, effect: Effect) -> list[StepMessage]:
    """End a step: its effect, its end and what follows are committed together.

    Returns:
        Messages to send now.

    Raises:
        StaleLease: If the claim no longer holds; nothing was changed.
    """
    with studio.database.write() as session:
        cut = lock_cut(session, held.cut_id)
        row = held_step(session, held)
        effect(session)
        _end(row, StepState.DONE, "", studio)
        shots = [session.get_one(ShotRow, held.shot_id)] if held.shot_id else []
        return advance(studio, session, cut, shots)


def fail(studio: Studio, held: Claim, error: str, *, for_good: bool) -> list[StepMessage]:
    """Note that a step failed: it is due again after a while, or dead when nothing is left to try.

    Raises:
        StaleLease: If the claim no longer holds; nothing was changed.
    """
    with studio.database.write() as session:
        cut = lock_cut(session, held.cut_id)
        row = held_step(session, held)
        if for_good or held.last:
            _end(row, StepState.DEAD, error, studio)
            shots = [session.get_one(ShotRow, held.shot_id)] if held.shot_id else []
            return advance(studio, session, cut, shots)
        row.state, row.lease_owner, row.lease_expires_at = StepState.DUE, None, None
        row.published_at, row.waiting_for, row.error = None, None, error[:4000]
        wait = RETRY_AFTER_S[min(held.attempt - 1, len(RETRY_AFTER_S) - 1)]
        row.not_before = studio.clock() + timedelta(seconds=wait)
        return []


def postpone(studio: Studio, held: Claim, error: str) -> None:
    """Put a step off because what it works with fails: the disk, the storage, the database.

    Such a failure says nothing of the step itself: it is no attempt and never kills it. The step waits
    longer each time, and goes on when the outage is over.

    Raises:
        StaleLease: If the claim no longer holds; nothing was changed.
    """
    with studio.database.write() as session:
        row = held_step(session, held)
        row.state, row.lease_owner, row.lease_expires_at = StepState.DUE, None, None
        row.published_at, row.waiting_for, row.error = None, None, error[:4000]
        row.attempts -= 1
        row.setbacks += 1
        wait = min(POSTPONED_S * 2 ** min(row.setbacks - 1, 16), POSTPONED_AT_MOST_S)
        row.not_before = studio.clock() + timedelta(seconds=wait)


class Parked(Exception):  # noqa: N818 - no fault
    """The step waits for a free slot of a provider; it has been put down and nothing more is to be done."""


def park(row: StepRow, model_id: str | None) -> None:
    """Put a held step down, until a slot of a model is granted to it, or until its cut goes on; no attempt is used."""
    row.state, row.lease_owner, row.lease_expires_at = StepState.DUE, None, None
    row.published_at, row.waiting_for = None, model_id
    row.attempts -= 1


def wait_until(studio: Studio, held: Claim, until: datetime, reason: str) -> None:
    """Put a held step down until a moment, because nothing can be asked for it before; no attempt is used.

    Raises:
        StaleLease: If the claim no longer holds; nothing was changed.
    """
    with studio.database.write() as session:
        row = held_step(session, held)
        park(row, None)
        row.error, row.not_before = reason[:4000], until


def give_back(studio: Studio, held: Claim) -> None:
    """Return a step that was interrupted by the worker's own shutdown, if it is still ours; it is due at once."""
    with studio.database.write() as session:
        try:
            row = held_step(session, held)
        except StaleLease:
            return
        row.state, row.lease_owner, row.lease_expires_at = StepState.DUE, None, None
        row.published_at, row.not_before = None, studio.clock()
        row.attempts -= 1


def _end(row: StepRow, state: StepState, error: str, studio: Studio) -> None:
    row.state, row.error = state, error[:4000]
    row.lease_owner, row.lease_expires_at = None, None
    row.finished_at = studio.clock()
    if state is StepState.DONE:
        row.progress = 1.0
