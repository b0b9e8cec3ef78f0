"""Stitch one deliverable: the film, its captions and its contact sheet, kept as artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.errors import DailiesError
from pipeline.media.captions import to_srt, to_vtt
from pipeline.media.conform import Conformed
from pipeline.media.mezzanine import MezzanineFormat
from pipeline.media.plan import FilmPlan
from pipeline.media.sheet import SheetEntry, Status, contact_sheet
from pipeline.media.stitch import Stitched, stitch
from pipeline.production.boards import Board, board_of
from pipeline.production.film import film_captions, film_plan
from pipeline.production.formats import format_of
from pipeline.production.leases import Effect
from pipeline.production.work import Work
from pipeline.store.tables import CutRow, DeliverableRow, MezzanineRow, ShotRow, TakeRow
from pipeline.storyboard.schema import Deliverable

_FILM_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class _Piece:
    """A shot's mezzanine as the database has it."""

    key: str
    video_sha256: str
    audio_sha256: str
    facts: Mapping[str, Any]
    placeholder: bool
    model: str


def execute(work: Work) -> Effect:
    """Stitch the deliverable that the step names."""
    name = str(work.claim.payload["deliverable"])
    with work.studio.database.read() as session:
        cut = session.get_one(CutRow, work.claim.cut_id)
        stage, edition = cut.stage, cut.edition
        board = board_of(session, cut.storyboard_id)
        deliverable = next(each for each in board.storyboard.deliverables if each.name == name)
        fmt = format_of(deliverable, stage)
        pieces = _pieces(session, cut, fmt)
    plan = film_plan(board, fmt)
    clips = {piece.key: _fetch(work, piece) for piece in pieces}
    cues = film_captions(board, plan)
    film = stitch(
        plan,
        clips,
        work.scratch / "film.mp4",
        fmt=fmt,
        title=board.storyboard.title or board.storyboard.id,
        progress=lambda share: work.progress(share * _FILM_SHARE),
        loudness_lufs=deliverable.loudness_lufs,
        true_peak_dbtp=deliverable.true_peak_dbtp,
        captions=cues if deliverable.captions.track else (),
        language=deliverable.captions.language,
    )
    made = {"film": film.path}
    if deliverable.captions.sidecar_srt and cues:
        made["srt"] = _write(work.scratch / "film.srt", to_srt(cues))
    if deliverable.captions.sidecar_vtt and cues:
        made["vtt"] = _write(work.scratch / "film.vtt", to_vtt(cues))
    made["sheet"] = _sheet(work, board, plan, pieces, clips, deliverable, stage)
    files = {kind: _keep(work, path) for kind, path in made.items()}
    return _stitched(work, name, edition, files, _facts(film, deliverable, fmt))


def _pieces(session: Session, cut: CutRow, fmt: MezzanineFormat) -> list[_Piece]:
    rows = session.execute(
        select(ShotRow, MezzanineRow, TakeRow)
        .join(MezzanineRow, (MezzanineRow.shot_id == ShotRow.id) & (MezzanineRow.source == ShotRow.source))
        .outerjoin(TakeRow, TakeRow.id == ShotRow.accepted_take_id)
        .where(ShotRow.cut_id == cut.id, MezzanineRow.format == fmt.key)
        .order_by(ShotRow.position)
    ).all()
    return [
        _Piece(
            key=shot.key,
            video_sha256=mezzanine.video_sha256,
            audio_sha256=mezzanine.audio_sha256,
            facts=mezzanine.facts,
            placeholder=shot.placeholder,
            model=take.model if take else "",
        )
        for shot, mezzanine, take in rows
    ]


def _fetch(work: Work, piece: _Piece) -> Conformed:
    return Conformed(
        video=work.studio.artifacts.fetch(piece.video_sha256, ".mp4"),
        audio=work.studio.artifacts.fetch(piece.audio_sha256, ".wav"),
        frames=piece.facts["frames"],
        samples=piece.facts["samples"],
    )


def _sheet(
    work: Work,
    board: Board,
    plan: FilmPlan,
    pieces: list[_Piece],
    clips: Mapping[str, Conformed],
    deliverable: Deliverable,
    stage: str,
) -> Path:
    entries = [
        SheetEntry(
            key=piece.key,
            clip=clips[piece.key].video,
            caption=(_timecode(plan, piece.key), piece.model or "placeholder"),
            status=Status.PLACEHOLDER if piece.placeholder else Status.ACCEPTED,
        )
        for piece in pieces
    ]
    out = work.scratch / "sheet.jpg"
    title = f"{board.storyboard.title or board.storyboard.id} · {stage} · {deliverable.aspect_ratio}"
    contact_sheet(entries, out, title=title)
    return out


def _timecode(plan: FilmPlan, key: str) -> str:
    """Return where a shot begins, as minutes, seconds and frames."""
    nominal = max(1, round(plan.fps))
    seconds, frame = divmod(plan.shot(key).start, nominal)
    return f"{seconds // 60:02d}:{seconds % 60:02d}:{frame:02d}"


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _keep(work: Work, path: Path) -> dict[str, Any]:
    artifact = work.studio.artifacts.add(path)
    return {"sha256": artifact.sha256, "size": artifact.size, "suffix": artifact.suffix}


def _facts(film: Stitched, deliverable: Deliverable, fmt: MezzanineFormat) -> dict[str, Any]:
    return {
        "frames": film.frames,
        "duration_s": film.duration_s,
        "width": fmt.width,
        "height": fmt.height,
        "fps": str(fmt.fps),
        "aspect_ratio": deliverable.aspect_ratio,
        "copied_frames": film.copied_frames,
        "encoded_frames": film.encoded_frames,
        "loudness_lufs": film.sound.after.integrated_lufs,
        "true_peak_dbtp": film.sound.after.true_peak_dbtp,
        "gain_db": film.sound.gain_db,
        "limited": film.sound.limited,
        "notes": list(film.notes),
    }


def _stitched(work: Work, name: str, edition: int, files: dict[str, Any], facts: dict[str, Any]) -> Effect:
    def effect(session: Session) -> None:
        cut = session.get_one(CutRow, work.claim.cut_id)
        if cut.edition != edition:  # retried meanwhile; the step was ended, so this can't be reached
            raise DailiesError("the cut is being put together anew.", where=work.claim.label)
        session.add(
            DeliverableRow(
                id=work.studio.new_id(),
                cut_id=cut.id,
                edition=edition,
                name=name,
                files=files,
                facts=facts,
            )
        )

    return effect
