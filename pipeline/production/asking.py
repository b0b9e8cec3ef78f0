"""Asks a provider for a take, once: a slot and the money first, then the intent committed, then the call.

Every way in which this can break off leaves a row that says how far it came (docs/adr/0006): ``waiting`` was never
asked, ``asking`` may have been, ``running`` is in the provider's hands.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from pipeline.engines.base import Order, RemoteEngine, Ticket
from pipeline.engines.catalog import remote_engine
from pipeline.engines.http import Wire
from pipeline.errors import AnothersJob, BackendUnavailable, BudgetRefused, ProviderError, StaleLease, Trouble
from pipeline.production.boards import board_of
from pipeline.production.jobs import (
    drop_unasked,
    locked_job,
    note_accepted,
    note_put_off,
    note_refused,
    note_unsure,
)
from pipeline.production.lanes import acquire
from pipeline.production.leases import Effect, Parked, held_step, park
from pipeline.production.money import reserve
from pipeline.production.phases import doubt, move_job, move_take
from pipeline.production.planning import Planned
from pipeline.production.rules import current_rules
from pipeline.production.states import RESTING_CUTS, CutState, JobPhase, TakeState
from pipeline.production.studio import Studio
from pipeline.production.sweep import offer
from pipeline.production.views import lock_cut
from pipeline.production.work import Work
from pipeline.routing.facts import shot_facts
from pipeline.store.tables import ShotRow, TakeRow

log = logging.getLogger(__name__)

WRITE_WITHIN_S = 300.0
"""For so long the id of an accepted job is tried to be written down."""

SEND_WITHIN_S = 20.0
"""A create call that could not be sent so soon after its intent was committed is not sent at all."""


def look_for(work: Work, planned: Planned) -> Effect:
    """See to a take that was asked for by an earlier run of this step, which was lost: it is never asked for again.

    Raises:
        Parked: If that run's answer came a moment ago, and was to wait; the step waits.
    """
    with work.studio.database.write() as session:
        lock_cut(session, work.claim.cut_id)
        job = locked_job(session, planned.take_id)
        waits = job.state == JobPhase.WAITING
        if job.state == JobPhase.ASKING:
            doubt(work.studio, job, "Whoever asked for it was lost before the answer was written down.")
        elif waits:
            park(held_step(session, work.claim), job.model)
    if waits:
        raise Parked
    return _nothing


def ask(work: Work, planned: Planned) -> Effect:
    """Ask a provider for a take.

    Raises:
        Parked: If there is no free slot, or the provider accepts nothing now; the step waits.
        BudgetRefused: If the take's price would go beyond a cap.
        BackendUnavailable: If the pictures can't be had; nothing was asked.
        ConfigurationError: If the engine can't work; nothing was asked.
    """
    return asyncio.run(_ask(work, planned))


async def _ask(work: Work, planned: Planned) -> Effect:
    studio = work.studio
    images = {
        image.sha256: studio.artifacts.fetch(image.sha256, planned.suffixes[image.sha256])
        for image in planned.request.images()
    }
    async with Wire.from_settings(studio.settings) as wire:
        engine = remote_engine(planned.engine, wire, studio.settings.environment)
        try:
            order = _begin(work, planned, engine, images, time.monotonic() + SEND_WITHIN_S)
        except BudgetRefused:
            _forget(studio, planned.take_id)
            raise
        if order is None:
            return _nothing
        try:
            ticket = await engine.create(order)
        except ProviderError as error:
            return _not_created(work, planned, error)
        except Exception as error:
            # Whatever it is, the provider may have been asked.
            log.exception("%s: asking for it failed in a way nobody foresaw", work.claim.label)
            note_unsure(studio, planned.take_id, f"{type(error).__name__}: {error}")
            return _nothing
        await _created(studio, planned.take_id, ticket, engine)
    return _nothing


async def _created(studio: Studio, take_id: str, ticket: Ticket, engine: RemoteEngine) -> None:
    """Write the provider's id down, whatever it takes: without it a paid job has no owner.

    Raises:
        BackendUnavailable: If the database has not answered for minutes; the id is in the log.
    """
    give_up, wait = time.monotonic() + WRITE_WITHIN_S, 0.2
    while True:
        try:
            note_accepted(studio, take_id, ticket, engine.poll_every_s)
        except BackendUnavailable:
            log.exception("job %s of take %s: not written down yet", ticket.job, take_id)
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(wait)
            wait = min(2 * wait, 10.0)
        except AnothersJob as error:
            log.error("take %s: %s", take_id, error)  # noqa: TRY400 - the place in our code tells nothing
            if engine.abilities(ticket.wire).cancels:
                await engine.cancel(ticket)
            return
        else:
            return


def _begin(
    work: Work, planned: Planned, engine: RemoteEngine, images: dict[str, Path], not_after: float
) -> Order | None:
    """Commit that a provider is about to be asked; ``None`` if it must not be.

    Raises:
        Parked: If there is no free slot, or the cut was paused.
        BudgetRefused: If the take's price would go beyond a cap; nothing is committed.
    """
    studio, claim = work.studio, work.claim
    rules = current_rules(studio.settings)
    with studio.database.write() as session:
        cut = lock_cut(session, claim.cut_id)
        step = held_step(session, claim)
        job, take = locked_job(session, planned.take_id), session.get_one(TakeRow, planned.take_id)
        if job.state != JobPhase.WAITING or take.state != TakeState.PLANNED or CutState(cut.state) in RESTING_CUTS:
            return None
        model = rules.registry.get(planned.model_id)
        now = studio.clock()
        parked = cut.paused or not acquire(studio, session, step, model)
        if parked:
            park(step, step.waiting_for if cut.paused else model.id)
        else:
            if job.asked_at is None:
                board = board_of(session, cut.storyboard_id)
                shot = session.get_one(ShotRow, take.shot_id)
                reserve(
                    studio, session, cut, take, shot_facts(board.storyboard, board.shots[shot.key]).max_cost_micro_usd
                )
            move_job(job, JobPhase.ASKING)
            move_take(studio, take, TakeState.GENERATING)
            job.asked_at, job.next_poll_at = now, now
            job.deadline_at = now + timedelta(seconds=engine.deadline_s)
    if parked:
        raise Parked
    return Order(
        intent=planned.take_id,
        model=planned.model,
        request=planned.request,
        images=images,
        wire=model.wire,
        asked_at=now,
        not_after=not_after,
    )


def _forget(studio: Studio, take_id: str) -> None:
    """Take back a plan that there is no money for: no take, but the shot's own reason says so."""
    with studio.database.write() as session:
        take = session.get_one(TakeRow, take_id)
        lock_cut(session, take.cut_id)
        job = locked_job(session, take_id)
        if job.state == JobPhase.WAITING and job.asked_at is None:
            session.delete(job)
            session.flush()
            session.delete(take)


def _not_created(work: Work, planned: Planned, error: ProviderError) -> Effect:
    log.warning("%s: %s", work.claim.label, error)
    if error.trouble is Trouble.UNCERTAIN:
        note_unsure(work.studio, planned.take_id, str(error))
        return _nothing
    if error.trouble in (Trouble.TRANSIENT, Trouble.CAPACITY) and _put_off(work, planned, error):
        raise Parked
    # At once, not with the step's end: the answer is definite, also if the step was lost or its cut cancelled.
    offer(work.studio, note_refused(work.studio, planned.take_id, error))
    return _nothing


def _put_off(work: Work, planned: Planned, error: ProviderError) -> bool:
    """Let the step wait until the provider accepts something again; a cancelled cut's take ends here.

    Returns:
        Whether that was done; not if the job has been given up as unanswered meanwhile.
    """
    studio, claim = work.studio, work.claim
    with studio.database.write() as session:
        cut = lock_cut(session, claim.cut_id)
        job, take = locked_job(session, planned.take_id), session.get_one(TakeRow, planned.take_id)
        if job.state != JobPhase.ASKING:
            return False
        note_put_off(studio, session, take, job, error)
        if cut.state == CutState.CANCELLED:
            drop_unasked(studio, session, take, job)
            move_take(studio, take, TakeState.CANCELLED, "Cancelled.")
            return True
        with suppress(StaleLease):  # then another worker goes on with the step
            park(held_step(session, claim), job.model)
    return True


def _nothing(_session: Session) -> None:
    """Change nothing: deciding sees the job as it is."""
