"""Match: compare the accepted takes of a cut with one another and keep the report."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.checks.consistency import ConsistencyReport, TakeSignature, compare
from pipeline.checks.measurements import Measurements
from pipeline.checks.thresholds import for_shot
from pipeline.production.boards import Board, board_of
from pipeline.production.leases import Effect
from pipeline.production.work import Work
from pipeline.store.tables import CutRow, ShotRow, TakeRow


def execute(work: Work) -> Effect:
    """Compare the takes of the step's cut."""
    with work.studio.database.read() as session:
        cut = session.get_one(CutRow, work.claim.cut_id)
        board = board_of(session, cut.storyboard_id)
        pairs = session.execute(
            select(ShotRow, TakeRow)
            .join(TakeRow, TakeRow.id == ShotRow.accepted_take_id)
            .where(ShotRow.cut_id == cut.id)
            .order_by(ShotRow.position)
        ).all()
    tier = pairs[0][1].routing["tier_used"] if pairs else "draft"
    thresholds = for_shot(tier, board.storyboard.content_class.value)
    signatures = [_signature(board, shot, take) for shot, take in pairs]
    report = compare([each for each in signatures if each is not None], thresholds)
    return _keep(work, report)


def _signature(board: Board, shot: ShotRow, take: TakeRow) -> TakeSignature | None:
    measured = Measurements.model_validate(take.measurements)
    if measured.signature is None:
        return None
    written = board.shots[shot.key]
    return TakeSignature(
        shot_id=shot.key,
        location=written.location or written.scene or None,
        characters=tuple(sorted({who.id for who in written.characters})),
        signature=measured.signature,
    )


def _keep(work: Work, report: ConsistencyReport) -> Effect:
    def effect(session: Session) -> None:
        cut = session.get_one(CutRow, work.claim.cut_id)
        cut.consistency = report.model_dump(mode="json")

    return effect
