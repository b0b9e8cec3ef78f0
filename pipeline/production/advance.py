"""Carries out what was decided, inside the transaction of the state change that caused it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from pipeline.production.boards import Board, board_of
from pipeline.production.decide import (
    Action,
    ChooseTake,
    DoubtTake,
    FailTake,
    MoveCut,
    MoveShot,
    OpenStep,
    decide_cut,
    decide_shot,
)
from pipeline.production.money import release
from pipeline.production.opening import step_values
from pipeline.production.outbox import StepMessage
from pipeline.production.phases import doubt, end_phase
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
from pipeline.production.views import cut_view, format_keys, shot_view
from pipeline.store.tables import CutRow, JobRow, ShotRow, StepRow, TakeRow


class Advance:
    """Brings one cut as far as what is known allows.

    Args:
        studio: Clock and ids.
        session: The transaction; the cut's row must be locked in it.
        cut: The cut.
    """

    def __init__(self, studio: Studio, session: Session, cut: CutRow) -> None:
        self._studio = studio
        self._session = session
        self._cut = cut
        self._board: Board = board_of(session, cut.storyboard_id)
        self._formats = format_keys(self._board.storyboard, cut.stage)
        self._opened: list[StepRow] = []

    def shots(self, shots: Iterable[ShotRow]) -> None:
        """Advance shots, and the shots that continue them when they come to rest."""
        queue = list(shots)
        while queue:
            shot = queue.pop()
            before = shot.state
            while actions := decide_shot(shot_view(self._session, shot, self._formats)):
                for action in actions:
                    self._apply(action)
                self._session.flush()
                if not any(isinstance(action, MoveShot | ChooseTake | FailTake | DoubtTake) for action in actions):
                    break
            if shot.state != before:
                queue.extend(self._continuing(shot))

    def cut(self) -> None:
        """Advance the cut itself."""
        while actions := decide_cut(cut_view(self._session, self._cut, self._board.storyboard)):
            for action in actions:
                self._apply(action)
            self._session.flush()
            if not any(isinstance(action, MoveCut) for action in actions):
                break

    def messages(self) -> list[StepMessage]:
        """Return the messages to send after the commit; their steps count as published from it on."""
        return [StepMessage.of(row) for row in self._opened if row.state == StepState.PUBLISHED]

    def _continuing(self, shot: ShotRow) -> list[ShotRow]:
        return list(
            self._session.scalars(
                select(ShotRow).where(
                    ShotRow.cut_id == shot.cut_id,
                    ShotRow.continues == shot.key,
                    ShotRow.state == ShotState.WAITING,
                )
            )
        )

    def _apply(self, action: Action) -> None:
        match action:
            case OpenStep():
                self._open(action)
            case MoveShot():
                shot = self._shot(action.shot_id)
                require_move(ShotState(shot.state), action.to)
                shot.state, shot.reason = action.to, action.reason[:4000]
            case ChooseTake():
                shot = self._shot(action.shot_id)
                take = self._session.get_one(TakeRow, action.take_id)
                shot.accepted_take_id, shot.source, shot.placeholder = take.id, take.clip_sha256, False
            case FailTake():
                take = self._session.get_one(TakeRow, action.take_id)
                require_move(TakeState(take.state), action.to)
                take.state, take.reason = action.to, action.reason[:4000]
                take.finished_at = self._studio.clock()
                if action.to is TakeState.FAILED:
                    release(self._studio, self._session, take)
                    job = self._session.get(JobRow, take.id)
                    if job is not None:  # it was never asked for
                        end_phase(self._studio, job, "dropped")
            case DoubtTake():
                wanted = select(JobRow).where(JobRow.take_id == action.take_id).with_for_update()
                job = self._session.scalars(wanted.execution_options(populate_existing=True)).one()
                if job.state == JobPhase.ASKING:
                    doubt(self._studio, job, action.reason)
            case MoveCut():
                self._move_cut(action)

    def _move_cut(self, action: MoveCut) -> None:
        require_move(CutState(self._cut.state), action.to)
        self._cut.state, self._cut.reason = action.to, action.reason[:4000]
        self._cut.finished_at = self._studio.clock() if action.to in RESTING_CUTS else None
        if action.to in RESTING_CUTS:
            # For example another format of a shot that could not be conformed: nobody would ever end it.
            end_steps(self._studio, self._session, "The cut came to rest.", StepRow.cut_id == self._cut.id)

    def _shot(self, shot_id: str) -> ShotRow:
        return self._session.get_one(ShotRow, shot_id)

    def _open(self, action: OpenStep) -> None:
        shot = self._shot(action.shot_id) if action.shot_id else None
        values = step_values(
            action,
            step_id=self._studio.new_id(),
            cut_id=self._cut.id,
            board=self._board.storyboard.id,
            shot=shot.key if shot else None,
            tier=shot.tier if shot else "upkeep",
            priority=self._cut.priority,
            now=self._studio.clock(),
            not_before=self._cut.not_before,
            paused=self._cut.paused,
        )
        row = StepRow(**values)
        self._session.add(row)
        self._opened.append(row)


def end_steps(studio: Studio, session: Session, why: str, where: ColumnElement[bool]) -> None:
    """End the open steps that match, whoever works on them: their fence keeps late results out."""
    session.execute(
        update(StepRow)
        .where(where, StepRow.state.in_(OPEN_STEPS))
        .values(
            state=StepState.DEAD,
            error=why,
            lease_owner=None,
            lease_expires_at=None,
            finished_at=studio.clock(),
            fence=StepRow.fence + 1,
        )
    )


def advance(studio: Studio, session: Session, cut: CutRow, shots: Iterable[ShotRow] = ()) -> list[StepMessage]:
    """Advance some shots of a cut and the cut; return the messages to send after the commit."""
    session.flush()
    course = Advance(studio, session, cut)
    course.shots(shots)
    course.cut()
    return course.messages()
