"""Conform one shot to one of the cut's formats: its accepted take, or a marked placeholder."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.errors import StaleLease
from pipeline.media.conform import Conformed, conform, placeholder
from pipeline.media.mezzanine import MezzanineFormat
from pipeline.production.boards import board_of
from pipeline.production.film import film_plan
from pipeline.production.formats import formats_of
from pipeline.production.leases import Effect
from pipeline.production.work import Work
from pipeline.store.tables import CutRow, MezzanineRow, ShotRow, TakeRow


def execute(work: Work) -> Effect:
    """Conform what the step names to the format it names."""
    studio, claim = work.studio, work.claim
    format_key, source = str(claim.payload["format"]), str(claim.payload["source"])
    with studio.database.read() as session:
        cut = session.get_one(CutRow, claim.cut_id)
        shot = session.get_one(ShotRow, claim.shot_id)
        board = board_of(session, cut.storyboard_id)
        take = session.get(TakeRow, claim.take_id) if claim.take_id else None
        fmt = next(each for each in formats_of(board.storyboard, cut.stage).values() if each.key == format_key)
        plan = film_plan(board, fmt)
        frames, keyframes = plan.shot(shot.key).frames, plan.keyframes(shot.key)
        made = _earlier(work, session, source, format_key, frames, keyframes)
    if made is not None:
        return _keep(work, source, format_key, made)
    if shot.source != source:
        raise StaleLease("the shot has another take by now.", where=claim.label)
    if take is None:
        conformed = _placeholder(work, shot, frames, fmt)
    else:
        conformed = conform(
            studio.artifacts.fetch(source, ".mp4"),
            frames,
            fmt,
            work.scratch / "mezzanine.mp4",
            work.scratch / "mezzanine.wav",
            work.progress,
            keyframes=keyframes,
        )
    row = {
        "video_sha256": studio.artifacts.add(conformed.video, suffix=".mp4").sha256,
        "audio_sha256": studio.artifacts.add(conformed.audio, suffix=".wav").sha256,
        "facts": {
            "frames": conformed.frames,
            "keyframes": list(keyframes),
            "samples": conformed.samples,
            "held": conformed.held,
            "trimmed": conformed.trimmed,
            "silent": conformed.silent,
            "notes": list(conformed.notes),
        },
    }
    return _keep(work, source, format_key, row)


def _placeholder(work: Work, shot: ShotRow, frames: int, fmt: MezzanineFormat) -> Conformed:
    video, audio = work.scratch / "placeholder.mp4", work.scratch / "placeholder.wav"
    lines = (f"SHOT {shot.key}: placeholder", shot.reason or "No accepted take.")
    placeholder(lines, frames, fmt, video, audio)
    return Conformed(video, audio, frames, fmt.samples(frames), silent=True, notes=("a placeholder",))


def _earlier(
    work: Work, session: Session, source: str, format_key: str, frames: int, keyframes: tuple[int, ...]
) -> dict[str, Any] | None:
    """Return what an earlier cut made of the same clip: same format, length and places to copy from."""
    rows = session.scalars(
        select(MezzanineRow).where(MezzanineRow.source == source, MezzanineRow.format == format_key).limit(20)
    )
    has = work.studio.artifacts.has
    for row in rows:
        alike = row.facts["frames"] == frames and tuple(row.facts["keyframes"]) == keyframes
        if alike and has(row.video_sha256, ".mp4") and has(row.audio_sha256, ".wav"):
            return {"video_sha256": row.video_sha256, "audio_sha256": row.audio_sha256, "facts": row.facts}
    return None


def _keep(work: Work, source: str, format_key: str, values: dict[str, Any]) -> Effect:
    def effect(session: Session) -> None:
        session.add(
            MezzanineRow(
                id=work.studio.new_id(),
                shot_id=work.claim.shot_id,
                source=source,
                format=format_key,
                **values,
            )
        )

    return effect
