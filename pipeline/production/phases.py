"""Moves of a job's and a take's row: the only places that change where they stand."""

from __future__ import annotations

from pipeline.production.states import JobPhase, TakeState, require_move
from pipeline.production.studio import Studio
from pipeline.store.tables import JobRow, TakeRow


def move_job(job: JobRow, to: JobPhase) -> None:
    """Bring a job into another phase; whoever watched it has to claim it anew.

    Raises:
        IllegalTransition: If the table does not have the move.
    """
    require_move(JobPhase(job.state), to)
    job.state = to
    job.lease_owner, job.lease_expires_at = None, None
    job.fence += 1


def end_phase(studio: Studio, job: JobRow, outcome: str) -> None:
    """Write down how a job ended; its money is the caller's to settle in the same transaction."""
    move_job(job, JobPhase.ENDED)
    job.outcome, job.ended_at, job.progress = outcome[:24], studio.clock(), 1.0


def doubt(studio: Studio, job: JobRow, reason: str) -> None:
    """Make a job whose caller is gone one that is looked for."""
    move_job(job, JobPhase.UNSURE)
    job.error, job.next_poll_at = reason[:4000], studio.clock()


def move_take(studio: Studio, take: TakeRow, to: TakeState, reason: str = "") -> None:
    """Bring a take into another state.

    Raises:
        IllegalTransition: If the table does not have the move.
    """
    require_move(TakeState(take.state), to)
    take.state, take.reason = to, reason[:4000]
    take.finished_at = None if to in (TakeState.PLANNED, TakeState.GENERATING) else studio.clock()
