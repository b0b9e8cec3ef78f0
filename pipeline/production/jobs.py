"""Jobs at providers: every change of a job's row, of its take and of its money, each in one transaction.

The row is committed before a provider is asked (:mod:`pipeline.production.asking`), and outlives whoever asked. From
then on only the outcome ends it: what the provider says of the job, or a person's word.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.engines.base import JobState as Standing
from pipeline.engines.base import Report, Ticket
from pipeline.errors import AnothersJob, ConfigurationError, ProviderError, StaleLease, Trouble
from pipeline.ledger.charging import Ending, charge_for
from pipeline.production.advance import advance
from pipeline.production.lanes import block, unblock
from pipeline.production.money import correct, release, settle
from pipeline.production.outbox import StepMessage
from pipeline.production.phases import doubt, end_phase, move_job, move_take
from pipeline.production.rules import current_rules
from pipeline.production.states import ENDED_TAKES, CutState, JobPhase, ShotState, TakeState, require_move
from pipeline.production.studio import Studio
from pipeline.production.views import lock_cut
from pipeline.registry.model import Charges
from pipeline.store.tables import CutRow, JobRow, ShotRow, TakeRow
from pipeline.units import FREE, MicroUsd

log = logging.getLogger(__name__)

_UNANSWERED = (JobPhase.ASKING, JobPhase.UNSURE, JobPhase.HELD)

HELD_EVERY = timedelta(minutes=10)
"""A held job is asked for now and then: it may come to an end after all."""


def locked_job(session: Session, take_id: str) -> JobRow:
    """Return a job's row, locked until the transaction ends; the cut's is locked before it where both are."""
    wanted = select(JobRow).where(JobRow.take_id == take_id).with_for_update()
    return session.scalars(wanted.execution_options(populate_existing=True)).one()


def note_accepted(studio: Studio, take_id: str, ticket: Ticket, poll_after_s: float) -> None:
    """Write down a provider's id of a job, whoever holds the step by now, and whatever became of the cut.

    Raises:
        AnothersJob: If the take has another job at its provider by now: this one is to be stopped.
    """
    with studio.database.write() as session:
        cut_id = session.scalars(select(JobRow.cut_id).where(JobRow.take_id == take_id)).one()
        lock_cut(session, cut_id)
        job, take = locked_job(session, take_id), session.get_one(TakeRow, take_id)
        if job.provider_job == ticket.job:
            return  # a watcher has found it while the caller was frozen; by now it may even have ended
        if job.provider_job is not None and job.state != JobPhase.ENDED:
            raise AnothersJob(
                f"it has the job {job.provider_job} already, so {ticket.job} is one too many.", where=take_id
            )
        now = studio.clock()
        if job.state == JobPhase.ENDED:
            # Taken for never accepted, by a caller that was frozen meanwhile: nobody wants it any more.
            job.cancel_asked_at = now
        move_job(job, JobPhase.RUNNING)
        job.provider_job, job.ticket = ticket.job, _kept(ticket)
        job.accepted_at, job.setbacks, job.error = now, 0, ""
        job.next_poll_at = now + timedelta(seconds=poll_after_s)
        if take.state == TakeState.UNKNOWN:
            move_take(studio, take, TakeState.GENERATING)
        unblock(session, job.engine)


def note_found(
    studio: Studio, take_id: str, fence: int, ticket: Ticket, poll_after_s: float, owner: str, lease_s: float
) -> tuple[int, datetime]:
    """Write down the provider's id of a job that was looked for; its watcher keeps it.

    Returns:
        The new fence, and when to ask for the job next.

    Raises:
        StaleLease: If another watcher has taken the job over, or its answer came after all.
        AnothersJob: If the provider's id is that of another take's job.
    """
    with studio.database.write() as session:
        _, job, _ = _watched(session, take_id, fence)
        theirs = (JobRow.engine == job.engine, JobRow.provider_job == ticket.job, JobRow.state != JobPhase.ENDED)
        if session.scalar(select(JobRow.take_id).where(*theirs).limit(1)) is not None:
            raise AnothersJob(f"the provider's job {ticket.job} is another take's.", where=take_id)
        now = studio.clock()
        move_job(job, JobPhase.RUNNING)
        job.provider_job, job.ticket = ticket.job, _kept(ticket)
        job.accepted_at, job.setbacks, job.error = now, 0, ""
        job.next_poll_at = now + timedelta(seconds=poll_after_s)
        job.lease_owner, job.lease_expires_at = owner, now + timedelta(seconds=lease_s)
        return job.fence, job.next_poll_at


def note_unsure(studio: Studio, take_id: str, reason: str) -> None:
    """Note that nobody knows whether a provider accepted a job; it is looked for from now on."""
    with studio.database.write() as session:
        job = locked_job(session, take_id)
        if job.state != JobPhase.ASKING:
            return  # another run of the step has seen to it, or the answer came after all
        doubt(studio, job, reason)


def note_put_off(studio: Studio, session: Session, take: TakeRow, job: JobRow, error: ProviderError) -> None:
    """Note that a provider did not accept a job and may later: it waits, and so does everything else for its engine."""
    move_job(job, JobPhase.WAITING)
    move_take(studio, take, TakeState.PLANNED, str(error))
    job.error = str(error)[:4000]
    block(studio, session, job.engine, str(error), error.retry_after_s)


def note_refused(studio: Studio, take_id: str, error: ProviderError) -> list[StepMessage]:
    """Note that a provider certainly did not accept a job, whoever holds the step by now: also one that is doubted.

    Returns:
        Messages to send now.
    """
    with studio.database.write() as session:
        cut_id = session.scalars(select(JobRow.cut_id).where(JobRow.take_id == take_id)).one()
        cut = lock_cut(session, cut_id)
        job, take = locked_job(session, take_id), session.get_one(TakeRow, take_id)
        if job.state not in _UNANSWERED or job.provider_job is not None:
            return []
        ending = Ending.REFUSED_INPUT if error.trouble is Trouble.REFUSED else Ending.NOT_ACCEPTED
        _end(studio, session, take, job, ending, outcome=error.trouble, reported=None)
        # Too much at once is no attempt either: nothing was made.
        trouble = Trouble.TRANSIENT if error.trouble is Trouble.CAPACITY else error.trouble
        _fail(studio, cut, take, trouble, str(error))
        return _go_on(studio, session, cut, take)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended, as its watcher saw it.

    Attributes:
        report: What the provider said last.
        clip: Content hash of the clip, if it was collected.
        clip_bytes: Its size.
        lost: Why a result that was made, and charged, can't be had; empty if it could.
        facts: What is to be kept on the take.
    """

    report: Report
    clip: str | None = None
    clip_bytes: int = 0
    lost: str = ""
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


def end_job(studio: Studio, take_id: str, fence: int, outcome: Outcome) -> list[StepMessage]:
    """Settle a job by what its provider says of it, and let its shot go on.

    Returns:
        Messages to send now.

    Raises:
        StaleLease: If another watcher has taken the job over; nothing was changed.
    """
    with studio.database.write() as session:
        cut, job, take = _watched(session, take_id, fence)
        report = outcome.report
        if report.state is Standing.SUCCEEDED:
            _end(studio, session, take, job, Ending.SUCCEEDED, outcome="succeeded", reported=report.charged)
            if outcome.clip is None:
                _fail(studio, cut, take, Trouble.FAILED, outcome.lost)
            else:
                take.clip_sha256, take.clip_bytes = outcome.clip, outcome.clip_bytes
                take.facts = {**take.facts, **report.facts, **outcome.facts}
                if take.state not in (TakeState.FAILED, TakeState.CANCELLED):  # of a job that came back from the dead
                    move_take(studio, take, TakeState.GENERATED)
        else:
            trouble = report.trouble or Trouble.FAILED
            endings = _endings(job, report, trouble)
            _end(studio, session, take, job, *endings, outcome=str(report.state), reported=report.charged)
            _fail(studio, cut, take, trouble, report.reason or f"its job was {report.state} at the provider.")
        return _go_on(studio, session, cut, take)


def not_accepted(studio: Studio, take_id: str, fence: int) -> list[StepMessage]:
    """Note that a job whose create call was not answered was certainly never accepted: it cost nothing.

    Raises:
        StaleLease: If another watcher has taken the job over, or its answer came after all.
    """
    with studio.database.write() as session:
        cut, job, take = _watched(session, take_id, fence)
        _end(studio, session, take, job, Ending.NOT_ACCEPTED, outcome="not_accepted", reported=None)
        _fail(studio, cut, take, Trouble.TRANSIENT, f"The provider never accepted it ({job.error}).")
        return _go_on(studio, session, cut, take)


def hold_job(studio: Studio, take_id: str, fence: int, reason: str) -> list[StepMessage]:
    """Hold a job of which nobody can find out by himself whether it was charged: its reservation stays.

    Raises:
        StaleLease: If another watcher has taken the job over, or its answer came after all.
    """
    with studio.database.write() as session:
        cut, job, take = _watched(session, take_id, fence)
        if take.state in ENDED_TAKES:
            # It came back from the dead, and has vanished again: what it may have cost counts as spent.
            _end(studio, session, take, job, Ending.UNTOLD, outcome="untold", reported=None)
            return _go_on(studio, session, cut, take)
        move_job(job, JobPhase.HELD)
        job.error, job.next_poll_at = reason[:4000], studio.clock() + HELD_EVERY
        if take.state == TakeState.GENERATING:
            move_take(studio, take, TakeState.UNKNOWN, reason)
        return _go_on(studio, session, cut, take)


def settle_by_word(studio: Studio, session: Session, take: TakeRow, job: JobRow, *, charged: bool) -> None:
    """Settle a held job by a person's word: all that was reserved, or nothing."""
    end_phase(studio, job, "charged" if charged else "not_charged")
    if charged:
        settle(studio, session, take, MicroUsd(take.price_micro_usd))
    else:
        release(studio, session, take)
    move_take(
        studio, take, TakeState.FAILED, f"A person says that it was {'' if charged else 'not '}charged. {job.error}"
    )


def drop_unasked(studio: Studio, session: Session, take: TakeRow, job: JobRow) -> None:
    """End a job that no provider has accepted: nothing was spent."""
    _end(studio, session, take, job, Ending.NOT_ACCEPTED, outcome="dropped", reported=None)


def _kept(ticket: Ticket) -> dict[str, Any]:
    return {"model": ticket.model, "wire": dict(ticket.wire), "data": dict(ticket.data)}


def ticket_of(job: JobRow) -> Ticket:
    """Return a running job's ticket, as it was written down."""
    if job.provider_job is None:
        raise ValueError(f"job {job.take_id} is not known to its provider")
    return Ticket(job.provider_job, job.ticket["model"], job.ticket["wire"], job.ticket["data"])


def _watched(session: Session, take_id: str, fence: int) -> tuple[CutRow, JobRow, TakeRow]:
    cut_id = session.scalars(select(JobRow.cut_id).where(JobRow.take_id == take_id)).one()
    cut = lock_cut(session, cut_id)
    job = locked_job(session, take_id)
    if job.fence != fence:
        raise StaleLease("the job was taken over, or its answer came.", where=take_id)
    return cut, job, session.get_one(TakeRow, take_id)


def _endings(job: JobRow, report: Report, trouble: Trouble) -> tuple[Ending, ...]:
    """Return how a job may have ended: of one that was to be stopped, a failure may be what stopping came to."""
    if report.state is Standing.CANCELLED:
        return (Ending.CANCELLED,)
    failed = Ending.REFUSED_OUTPUT if trouble is Trouble.REFUSED else Ending.FAILED
    return (failed, Ending.CANCELLED) if job.cancel_asked_at is not None else (failed,)


def _end(
    studio: Studio,
    session: Session,
    take: TakeRow,
    job: JobRow,
    *endings: Ending,
    outcome: str,
    reported: MicroUsd | None,
) -> None:
    end_phase(studio, job, outcome)
    rule = _rule(studio, job)
    reserved = MicroUsd(take.price_micro_usd)
    # Where it is not certain which rule holds, the dearer one does: a ledger below the bill would spend too much.
    charged = max(charge_for(ending, reserved=reserved, reported=reported, rule=rule) for ending in endings)
    if take.state in ENDED_TAKES:
        correct(studio, session, take, charged)  # a job that came back from the dead: its money was settled before
    elif charged == FREE:
        release(studio, session, take)
    else:
        settle(studio, session, take, charged)


def _rule(studio: Studio, job: JobRow) -> Charges:
    """Return by what rule a model bills takes that came to nothing; unknown, so billed, while nobody can say."""
    try:
        model = current_rules(studio.settings).registry.find(job.model)
    except ConfigurationError as error:
        log.warning("%s: settled without its rule: %s", job.take_id, error)
        return Charges()
    return model.charges if model is not None else Charges()


def _fail(studio: Studio, cut: CutRow, take: TakeRow, trouble: Trouble, reason: str) -> None:
    if take.state in (TakeState.FAILED, TakeState.CANCELLED):
        return
    if cut.state == CutState.CANCELLED:
        move_take(studio, take, TakeState.CANCELLED, "Cancelled.")
        return
    move_take(studio, take, TakeState.FAILED, reason)
    take.trouble = trouble


def _go_on(studio: Studio, session: Session, cut: CutRow, take: TakeRow) -> list[StepMessage]:
    """Let the shot go on with what is known now; one that was given up meanwhile comes back to life."""
    shot = session.get_one(ShotRow, take.shot_id)
    stands_still = shot.state == ShotState.NEEDS_ATTENTION and take.round == shot.round
    if stands_still and take.state == TakeState.GENERATED and cut.state != CutState.CANCELLED:
        require_move(ShotState.NEEDS_ATTENTION, ShotState.GENERATING)
        shot.state, shot.reason = ShotState.GENERATING, ""
        if cut.state == CutState.NEEDS_ATTENTION:
            require_move(CutState.NEEDS_ATTENTION, CutState.GENERATING)
            cut.state, cut.reason, cut.finished_at = CutState.GENERATING, "", None
            cut.edition += 1
    elif stands_still and take.state == TakeState.FAILED and take.id in shot.reason:
        # It told a person to find out what has been found out now.
        shot.reason = f"Take {take.number} came to nothing after all: {take.reason} Retry the shot."[:4000]
    wanted = take.round == shot.round and shot.state == ShotState.GENERATING
    if take.state == TakeState.GENERATED and not wanted:
        move_take(studio, take, TakeState.CANCELLED, "It was made, and charged, when nothing waited for it any more.")
    return advance(studio, session, cut, [shot])
