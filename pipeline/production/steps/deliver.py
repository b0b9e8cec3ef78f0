"""Deliver: write the manifest, store every file of the cut and verify it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.production.boards import board_of
from pipeline.production.leases import Effect
from pipeline.production.manifest import manifest_of
from pipeline.production.work import Work
from pipeline.store.delivery import DeliveryFile, deliver, delivery_prefix
from pipeline.store.storage import Stored, content_type_of
from pipeline.store.tables import CutRow, DeliverableRow

_SUFFIXES = {"film": ".mp4", "srt": ".srt", "vtt": ".vtt", "sheet": ".sheet.jpg"}


def execute(work: Work) -> Effect:
    """Deliver the step's cut."""
    studio = work.studio
    with studio.database.read() as session:
        cut = session.get_one(CutRow, work.claim.cut_id)
        edition, stage = cut.edition, cut.stage
        board = board_of(session, cut.storyboard_id)
        films = session.scalars(
            select(DeliverableRow)
            .where(DeliverableRow.cut_id == cut.id, DeliverableRow.edition == edition)
            .order_by(DeliverableRow.name)
        ).all()
        stem = f"{board.storyboard.id}-{stage}"
        files = {film.name: _named(f"{stem}-{film.name}", film.files) for film in films}
        manifest = manifest_of(session, cut, board, films, files)
        prefix = delivery_prefix(board.storyboard.id, cut.id)
    path = work.scratch / "manifest.json"
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    parcel = [
        DeliveryFile(
            studio.artifacts.fetch(file["sha256"], file["suffix"]), file["name"], content_type_of(file["name"])
        )
        for each in files.values()
        for file in each
    ]
    parcel.append(DeliveryFile(path, f"{stem}.manifest.json", "application/json"))
    stored = {item.key: item for item in deliver(studio.storage, parcel, prefix, work.progress)}
    delivered = {
        name: [_delivered(file, stored[f"{prefix}/{file['name']}"]) for file in each] for name, each in files.items()
    }
    of_manifest = stored[f"{prefix}/{stem}.manifest.json"]
    entry = _delivered({"kind": "manifest", "name": f"{stem}.manifest.json"}, of_manifest)
    return _keep(work, {name: [*each, entry] for name, each in delivered.items()})


def _named(stem: str, files: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "kind": kind,
            "name": f"{stem}{_SUFFIXES[kind]}",
            "sha256": file["sha256"],
            "size": file["size"],
            "suffix": file["suffix"],
        }
        for kind, file in sorted(files.items())
    ]


def _delivered(file: dict[str, Any], stored: Stored) -> dict[str, Any]:
    return {
        "kind": file["kind"],
        "name": file["name"],
        "key": stored.key,
        "url": stored.url,
        "sha256": stored.sha256,
        "size": stored.size,
    }


def _keep(work: Work, delivered: dict[str, list[dict[str, Any]]]) -> Effect:
    def effect(session: Session) -> None:
        cut = session.get_one(CutRow, work.claim.cut_id)
        for film in session.scalars(
            select(DeliverableRow).where(DeliverableRow.cut_id == cut.id, DeliverableRow.edition == cut.edition)
        ):
            film.delivered = delivered[film.name]

    return effect
