"""Check one take: one decode, every measure, the gate's verdict; keep the last frame if a shot continues it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.orm import Session

from pipeline.checks.gate import Asked, Verdict, judge
from pipeline.checks.measurements import Measurements
from pipeline.checks.measures import measure
from pipeline.control.request import GenerationRequest
from pipeline.errors import MediaError
from pipeline.media.stills import frame_at
from pipeline.production.boards import Board, board_of
from pipeline.production.leases import Effect
from pipeline.production.planning import gate_of
from pipeline.production.states import TakeState, require_move
from pipeline.production.work import Work
from pipeline.store.tables import CutRow, ShotRow, TakeRow
from pipeline.storyboard.schema import Shot


def execute(work: Work) -> Effect:
    """Measure and judge the take that the step is for."""
    studio, claim = work.studio, work.claim
    with studio.database.read() as session:
        take = session.get_one(TakeRow, claim.take_id)
        shot = session.get_one(ShotRow, claim.shot_id)
        cut = session.get_one(CutRow, claim.cut_id)
        board = board_of(session, cut.storyboard_id)
        written = board.shots[shot.key]
        thresholds, _ = gate_of(board, written, take.routing["tier_used"])
        asked = _asked(board, written, GenerationRequest.model_validate(take.request))
        clip_sha256, last_frame = take.clip_sha256 or "", take.last_frame_sha256
        wanted = shot.continued and last_frame is None  # an engine may have handed in a clean one
    clip = studio.artifacts.fetch(clip_sha256, ".mp4")
    try:
        measured = measure(clip, work.progress)
    except MediaError as error:
        return _unreadable(work, f"The clip can't be read: {error.what}")
    verdict = judge(measured, asked, thresholds)
    if wanted and verdict.passed:
        last_frame = _last_frame(work, clip)
    return _judged(work, measured, verdict, last_frame)


def _asked(board: Board, written: Shot, request: GenerationRequest) -> Asked:
    quality = board.storyboard.quality_of(written)
    return Asked(
        width=request.width,
        height=request.height,
        fps=request.fps,
        frames=request.frames,
        audio=request.audio,
        moving=request.camera.move != "static",
        skip=quality.skip,
        overrides=quality.thresholds,
    )


def _last_frame(work: Work, clip: Path) -> str:
    out = work.scratch / "last.png"
    frame_at(clip, "last", out)
    return work.studio.artifacts.add(out).sha256


def _unreadable(work: Work, reason: str) -> Effect:
    def effect(session: Session) -> None:
        take = session.get_one(TakeRow, work.claim.take_id)
        require_move(TakeState(take.state), TakeState.REJECTED)
        take.state, take.reason = TakeState.REJECTED, reason[:4000]

    return effect


def _judged(work: Work, measured: Measurements, verdict: Verdict, last_frame: str | None) -> Effect:
    def effect(session: Session) -> None:
        take = session.get_one(TakeRow, work.claim.take_id)
        state = TakeState.ACCEPTED if verdict.passed else TakeState.REJECTED
        require_move(TakeState(take.state), state)
        take.state = state
        take.reason = " ".join(finding.reason for finding in verdict.failures)[:4000]
        take.measurements = measured.model_dump(mode="json")
        take.verdict = verdict.model_dump(mode="json")
        take.last_frame_sha256 = last_frame

    return effect
