"""What people do to a cut under way: retry, pause, resume, cancel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from pipeline.errors import InputError, UnknownId
from pipeline.production.advance import advance, end_steps
from pipeline.production.money import release
from pipeline.production.phases import end_phase, move_take
from pipeline.production.states import (
    OPEN_STEPS,
    RESTING_CUTS,
    CutState,
    JobPhase,
    ShotState,
    StepState,
    TakeState,
    require_move,
)
from pipeline.production.studio import Studio
from pipeline.production.sweep import offer, sweep
from pipeline.production.views import lock_cut, shots_of
from pipeline.store.tables import CutRow, JobRow, ShotRow, StepRow, TakeRow

_RETRIED = (ShotState.NEEDS_ATTENTION, ShotState.CANCELLED)


def find_cut(session: Session, cut_id: str) -> CutRow:
    """Return a cut by its id, or by the beginning of its id if only one begins so.

    Raises:
        UnknownId: If there is none, or more than one.
    """
    found = session.scalars(select(CutRow).where(CutRow.id.startswith(cut_id, autoescape=True)).limit(2)).all()
    if len(found) != 1 or not cut_id:
        what = "more than one cut has an id that begins so" if found else "there is no cut with this id"
        raise UnknownId(f"{what}.", where=cut_id, remedy="`dailies status` lists them.")
    return found[0]


def retry(studio: Studio, cut_id: str, shot_keys: Sequence[str] = (), *, placeholder: bool = False) -> int:
    """Send shots back to be made anew, or let placeholders stand for those that need attention.

    Args:
        studio: Everything a use case may reach.
        cut_id: The cut.
        shot_keys: The shots; those that need attention (or were cancelled) if none is named.
            Shots that continue a named one go along. A cancelled shot goes on with the take it had.
        placeholder: Finish the cut with marked placeholders instead of new takes.

    Returns:
        Number of shots concerned.

    Raises:
        UnknownId: If there is no such cut or shot.
        InputError: If there is nothing to retry, a shot is still being made, or a placeholder is asked
            for a shot that has a take.
    """
    with studio.database.write() as session:
        cut = _locked(session, cut_id)
        shots = _chosen(shots_of(session, cut.id), shot_keys, cut, placeholder=placeholder)
        if not shots and not _is_stuck(session, cut):
            raise InputError("no shot needs a retry.", where=cut.id, remedy="Name one with --shot.")
        kept = _with_a_take_to_keep(shots)
        for shot in shots:
            end_steps(studio, session, "Its shot was retried.", StepRow.shot_id == shot.id)
            if shot.key in kept:
                _go_on(shot)
            elif placeholder:
                _place(shot)
            else:
                _send_back(shot)
        if CutState(cut.state) in RESTING_CUTS:
            require_move(CutState(cut.state), CutState.GENERATING)
            cut.edition += 1
        cut.state, cut.reason, cut.finished_at, cut.paused = CutState.GENERATING, "", None, False
        _retire_cut_steps(studio, session, cut)
        messages = advance(studio, session, cut, shots)
        count = len(shots)
    offer(studio, messages)
    return count


def _retire_cut_steps(studio: Studio, session: Session, cut: CutRow) -> None:
    """End the cut's own open steps: what they would put together is about to change."""
    own = and_(StepRow.cut_id == cut.id, StepRow.shot_id.is_(None))
    if session.scalar(select(StepRow.id).where(own, StepRow.state.in_(OPEN_STEPS)).limit(1)) is None:
        return
    end_steps(studio, session, "Put together anew after a retry.", own)
    cut.edition += 1


def _chosen(shots: Sequence[ShotRow], keys: Sequence[str], cut: CutRow, *, placeholder: bool) -> list[ShotRow]:
    if not keys:
        return [shot for shot in shots if shot.state in _RETRIED]
    by_key = {shot.key: shot for shot in shots}
    for key in keys:
        if key not in by_key:
            raise UnknownId(f"the cut has no shot {key!r}.", where=cut.id, remedy=f"It has: {', '.join(by_key)}.")
    chosen = set(keys)
    for shot in shots:  # film order is no order of dependence: go on until nothing is added
        chosen |= {each.key for each in shots if each.continues in chosen}
        del shot
    if placeholder:
        made = [key for key in keys if by_key[key].state not in _RETRIED]
        if made:
            raise InputError(
                f"shot {made[0]} does not need a placeholder: it is {by_key[made[0]].state}.",
                where=cut.id,
                remedy="Retry it without a placeholder, or name another shot.",
            )
        return [shot for shot in shots if shot.key in chosen and shot.state in _RETRIED]
    busy = [key for key in chosen if by_key[key].state in (ShotState.WAITING, ShotState.GENERATING)]
    if busy:
        raise InputError(f"shot {busy[0]} is being made.", where=cut.id, remedy="Wait for it, or cancel the cut.")
    return [shot for shot in shots if shot.key in chosen]


def _is_stuck(session: Session, cut: CutRow) -> bool:
    """Return whether the cut itself (not one of its shots) stopped."""
    waiting = session.scalar(
        select(ShotRow.id).where(ShotRow.cut_id == cut.id, ShotRow.state != ShotState.READY).limit(1)
    )
    return cut.state == CutState.NEEDS_ATTENTION and waiting is None


def _with_a_take_to_keep(shots: Sequence[ShotRow]) -> frozenset[str]:
    """Return the cancelled shots whose accepted take still fits what they continue: it was paid for once."""
    chosen = {shot.key: shot for shot in shots}
    kept = {shot.key: shot for shot in shots if shot.state == ShotState.CANCELLED and shot.accepted_take_id is not None}
    while remade := [shot.key for shot in kept.values() if shot.continues in chosen and shot.continues not in kept]:
        for key in remade:
            del kept[key]
    return frozenset(kept)


def _go_on(shot: ShotRow) -> None:
    """Go on with the accepted take; its steps are of a new round, for those of the last one were ended."""
    require_move(ShotState(shot.state), ShotState.ACCEPTED)
    shot.state, shot.reason = ShotState.ACCEPTED, ""
    shot.round += 1


def _send_back(shot: ShotRow) -> None:
    require_move(ShotState(shot.state), ShotState.WAITING)
    shot.state, shot.reason = ShotState.WAITING, ""
    shot.accepted_take_id, shot.source, shot.placeholder = None, None, False
    shot.round += 1


def _place(shot: ShotRow) -> None:
    require_move(ShotState(shot.state), ShotState.ACCEPTED)
    shot.source = hashlib.sha256(f"placeholder {shot.id} {shot.round} {shot.reason}".encode()).hexdigest()
    shot.placeholder, shot.accepted_take_id = True, None
    shot.state = ShotState.ACCEPTED
    shot.round += 1


def _locked(session: Session, cut_id: str) -> CutRow:
    """Return a cut by its id or the begin of it, its row locked until the transaction ends."""
    return lock_cut(session, find_cut(session, cut_id).id)


def pause(studio: Studio, cut_id: str) -> None:
    """Let what runs finish and start nothing more.

    Raises:
        UnknownId: If there is no such cut.
        InputError: If the cut is over.
    """
    with studio.database.write() as session:
        cut = _locked(session, cut_id)
        _require_running(cut)
        cut.paused = True
        # Their messages find a paused cut; nothing is sent again for them until it is resumed.
        session.execute(
            update(StepRow)
            .where(StepRow.cut_id == cut.id, StepRow.state == StepState.PUBLISHED)
            .values(state=StepState.DUE, published_at=None)
        )


def resume(studio: Studio, cut_id: str) -> None:
    """Go on with a paused cut.

    Raises:
        UnknownId: If there is no such cut.
        InputError: If the cut is over.
    """
    with studio.database.write() as session:
        cut = _locked(session, cut_id)
        _require_running(cut)
        cut.paused = False
    sweep(studio)


def cancel(studio: Studio, cut_id: str) -> None:
    """Stop a cut: nothing more starts, what runs is dropped, also at providers. Accepted takes are kept for later.

    Raises:
        UnknownId: If there is no such cut.
        InputError: If the cut is over.
    """
    with studio.database.write() as session:
        cut = _locked(session, cut_id)
        if cut.state != CutState.NEEDS_ATTENTION:
            _require_running(cut)
        now = studio.clock()
        end_steps(studio, session, "Cancelled.", StepRow.cut_id == cut.id)
        unfinished = (TakeState.PLANNED, TakeState.GENERATING, TakeState.GENERATED)
        wanted = select(TakeRow).where(TakeRow.cut_id == cut.id, TakeRow.state.in_(unfinished)).order_by(TakeRow.id)
        for take in session.scalars(wanted).all():
            if not _stop_job(studio, session, take):
                if take.state != TakeState.GENERATED:
                    release(studio, session, take)
                move_take(studio, take, TakeState.CANCELLED, "Cancelled.")
        for shot in shots_of(session, cut.id):
            if shot.state == ShotState.CANCELLED:
                continue
            require_move(ShotState(shot.state), ShotState.CANCELLED)
            shot.state, shot.reason = ShotState.CANCELLED, "Cancelled."
        cut.state, cut.reason, cut.finished_at, cut.paused = CutState.CANCELLED, "Cancelled.", now, False


def _stop_job(studio: Studio, session: Session, take: TakeRow) -> bool:
    """Have a take's job stopped at its provider; return whether it has one that was asked for.

    Such a take stays as it is until its provider has said what became of it: until then it may be charged.
    """
    job = session.scalars(select(JobRow).where(JobRow.take_id == take.id).with_for_update()).one_or_none()
    if job is None or job.state == JobPhase.ENDED:
        return False
    if job.state == JobPhase.WAITING:
        end_phase(studio, job, "dropped")
        return False
    job.cancel_asked_at = job.cancel_asked_at or studio.clock()
    return True


def _require_running(cut: CutRow) -> None:
    if CutState(cut.state) in RESTING_CUTS:
        raise InputError(
            f"the cut is {cut.state.replace('_', ' ')}: nothing runs.",
            where=cut.id,
            remedy="`dailies retry` makes it go on."
            if cut.state != CutState.DELIVERED
            else "`dailies retry` with --shot makes a shot anew.",
        )
