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
        found = session.execute(
            select(ShotRow, TakeRow)
            .outerjoin(TakeRow, TakeRow.id == ShotRow.accepted_take_id)
            .where(ShotRow.cut_id == cut.id)
            .order_by(ShotRow.position)
        ).all()
    pairs: list[tuple[ShotRow, TakeRow | None]] = [(shot, take) for shot, take in found]
    tier = next((take.routing["tier_used"] for _, take in pairs if take is not None), "draft")
    thresholds = for_shot(tier, board.storyboard.content_class.value)
    signatures: list[TakeSignature] = []
    unseen: dict[str, str] = {}
    for shot, take in pairs:
        signature = _signature(board, shot, take) if take is not None else None
        if signature is not None:
            signatures.append(signature)
        else:
            unseen[shot.key] = _why_unseen(take)
    return _keep(work, compare(signatures, thresholds, unseen=unseen))


def _why_unseen(take: TakeRow | None) -> str:
    if take is None:
        return "a placeholder stands for it"
    not_measured: dict[str, str] = (take.measurements or {}).get("not_measured", {})
    return not_measured.get("signature", "its look was not measured")


def _signature(board: Board, shot: ShotRow, take: TakeRow) -> TakeSignature | None:
    measured = Measurements.model_validate(take.measurements)
    if measured.signature is None:
        return None
    written = board.shots[shot.key]
    return TakeSignature(
        shot_id=shot.key,
        location=written.location or written.scene or None,
        characters=tuple(sorted({who.id for who in written.characters})),
        # A place may look otherwise in another scene: it is another time of day, or what happened there shows.
        variant=written.scene if written.location else "",
        signature=measured.signature,
    )


def _keep(work: Work, report: ConsistencyReport) -> Effect:
    def effect(session: Session) -> None:
        cut = session.get_one(CutRow, work.claim.cut_id)
        cut.consistency = report.model_dump(mode="json")

    return effect
