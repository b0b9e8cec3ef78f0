"""The manifest of a delivered cut: every take, price, seed, check and hash that the film came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.production.boards import Board
from pipeline.production.money import spent
from pipeline.production.views import shots_of
from pipeline.store.tables import CutRow, DeliverableRow, LedgerRow, ShotRow, TakeRow

MANIFEST_VERSION = 1


def manifest_of(
    session: Session,
    cut: CutRow,
    board: Board,
    films: Sequence[DeliverableRow],
    files: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    """Return the manifest as JSON values; the same cut gives the same text.

    Args:
        session: The database.
        cut: The cut.
        board: Its storyboard.
        films: Its deliverables.
        files: Each deliverable's files: kind, name, SHA-256 and size, by the deliverable's name.
    """
    takes: dict[str, list[TakeRow]] = {}
    for take in session.scalars(select(TakeRow).where(TakeRow.cut_id == cut.id).order_by(TakeRow.number)):
        takes.setdefault(take.shot_id, []).append(take)
    return {
        "manifest_version": MANIFEST_VERSION,
        "cut": cut.id,
        "edition": cut.edition,
        "stage": cut.stage,
        "storyboard": {
            "id": board.storyboard.id,
            "title": board.storyboard.title,
            "schema_version": board.storyboard.schema_version,
            "content_sha256": board.content_hash,
        },
        "submitted_at": cut.created_at.isoformat(),
        "cost_micro_usd": int(spent(session, LedgerRow.cut_id == cut.id)),
        "deliverables": [
            {"name": film.name, "facts": film.facts, "files": [dict(file) for file in files[film.name]]}
            for film in films
        ],
        "shots": [_shot(shot, takes.get(shot.id, [])) for shot in shots_of(session, cut.id)],
        "consistency": cut.consistency,
    }


def _shot(shot: ShotRow, takes: Sequence[TakeRow]) -> dict[str, Any]:
    return {
        "id": shot.key,
        "state": shot.state,
        "placeholder": shot.placeholder,
        "reason": shot.reason,
        "accepted_take": shot.accepted_take_id,
        "takes": [_take(take) for take in takes],
    }


def _take(take: TakeRow) -> dict[str, Any]:
    return {
        "id": take.id,
        "number": take.number,
        "round": take.round,
        "candidate": take.candidate,
        "attempt": take.attempt,
        "state": take.state,
        "reason": take.reason,
        "model": take.model,
        "engine": take.engine,
        "seed": take.seed,
        "take_key": take.take_key,
        "adopted_from": take.source_take_id,
        "price_micro_usd": take.price_micro_usd,
        "charged_micro_usd": take.charged_micro_usd,
        "clip_sha256": take.clip_sha256,
        "request": take.request,
        "routing": take.routing,
        "facts": take.facts,
        "verdict": take.verdict,
    }
