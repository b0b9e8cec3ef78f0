"""Reads a shot or a cut from the database into the values that deciding takes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pipeline.production.decide import CutView, ShotView, TakeView
from pipeline.production.formats import formats_of
from pipeline.production.states import UNCOUNTED, CutState, JobPhase, ShotState, StepState, TakeState
from pipeline.store.tables import CutRow, DeliverableRow, JobRow, MezzanineRow, ShotRow, StepRow, TakeRow
from pipeline.storyboard.schema import Storyboard

_MAKING = (ShotState.WAITING, ShotState.GENERATING)


def shot_view(session: Session, shot: ShotRow, formats: tuple[str, ...]) -> ShotView:
    """Return one shot as deciding sees it."""
    takes = session.execute(
        select(TakeRow, JobRow.state)
        .outerjoin(JobRow, JobRow.take_id == TakeRow.id)
        .where(TakeRow.shot_id == shot.id, TakeRow.round == shot.round)
        .order_by(TakeRow.number)
    ).all()
    steps = session.execute(select(StepRow.key, StepRow.state, StepRow.error).where(StepRow.shot_id == shot.id)).all()
    conformed = session.scalars(
        select(MezzanineRow.format).where(MezzanineRow.shot_id == shot.id, MezzanineRow.source == (shot.source or ""))
    ).all()
    waits, abandoned = _predecessor(session, shot)
    return ShotView(
        id=shot.id,
        key=shot.key,
        state=ShotState(shot.state),
        round=shot.round,
        candidates=shot.candidates,
        max_attempts=shot.max_attempts,
        waits_for=waits,
        abandoned=abandoned,
        takes=tuple(_take_view(take, job) for take, job in takes),
        accepted=shot.accepted_take_id,
        source=shot.source,
        formats=formats,
        conformed=frozenset(conformed),
        placeholder=shot.placeholder,
        steps={key: StepState(state) for key, state, _ in steps},
        errors={key: error for key, state, error in steps if state == StepState.DEAD},
    )


def _take_view(take: TakeRow, job: str | None) -> TakeView:
    return TakeView(
        id=take.id,
        candidate=take.candidate,
        attempt=take.attempt,
        state=TakeState(take.state),
        clip=take.clip_sha256,
        reason=take.reason,
        counts=take.trouble not in UNCOUNTED,
        job=JobPhase(job) if job is not None else None,
    )


def _predecessor(session: Session, shot: ShotRow) -> tuple[bool, bool]:
    """Return whether the shot waits for the one it continues, and whether it waits in vain."""
    if shot.continues is None:
        return False, False
    before = session.scalars(select(ShotRow).where(ShotRow.cut_id == shot.cut_id, ShotRow.key == shot.continues)).one()
    if before.accepted_take_id is not None:
        return False, False
    return True, ShotState(before.state) not in _MAKING


def cut_view(session: Session, cut: CutRow, storyboard: Storyboard) -> CutView:
    """Return one cut as deciding sees it."""
    counts = session.execute(
        select(ShotRow.state, func.count()).where(ShotRow.cut_id == cut.id).group_by(ShotRow.state)
    ).all()
    steps = session.execute(
        select(StepRow.key, StepRow.state, StepRow.error).where(StepRow.cut_id == cut.id, StepRow.shot_id.is_(None))
    ).all()
    stitched = session.scalars(
        select(DeliverableRow.name).where(DeliverableRow.cut_id == cut.id, DeliverableRow.edition == cut.edition)
    ).all()
    return CutView(
        id=cut.id,
        state=CutState(cut.state),
        edition=cut.edition,
        shots={ShotState(state): count for state, count in counts},
        deliverables=tuple(deliverable.name for deliverable in storyboard.deliverables),
        stitched=frozenset(stitched),
        steps={key: StepState(state) for key, state, _ in steps},
        errors={key: error for key, state, error in steps if state == StepState.DEAD},
    )


def format_keys(storyboard: Storyboard, stage: str) -> tuple[str, ...]:
    """Return the keys of the formats that each shot has to be conformed to."""
    return tuple(dict.fromkeys(format_.key for format_ in formats_of(storyboard, stage).values()))


def lock_cut(session: Session, cut_id: str) -> CutRow:
    """Return a cut with its row locked until the transaction ends: one advances it at a time.

    Its values are those after the wait, also where the session had read it before. Rows that refer to the cut
    may be written meanwhile: nobody changes its key.
    """
    wanted = select(CutRow).where(CutRow.id == cut_id).with_for_update(key_share=True)
    return session.scalars(wanted.execution_options(populate_existing=True)).one()


def shots_of(session: Session, cut_id: str) -> Sequence[ShotRow]:
    """Return a cut's shots in film order."""
    return session.scalars(select(ShotRow).where(ShotRow.cut_id == cut_id).order_by(ShotRow.position)).all()
