"""JSON documents of cuts. Amounts are integer micro-USD, moments ISO 8601 in UTC, lengths seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.production.resolve import UnknownTake
from pipeline.production.status import CutStatus, FilmStatus, ShotStatus


def cut(status: CutStatus) -> dict[str, Any]:
    """Return the document of one cut, with its shots and films."""
    return {
        **_head(status),
        "shots": [_shot(each) for each in status.shots],
        "films": [_film(each) for each in status.films],
        "consistency": status.consistency,
        "unknown_takes": [unknown_take(each) for each in status.unknown],
    }


def unknown_take(take: UnknownTake) -> dict[str, Any]:
    """Return the document of a take whose outcome is unknown."""
    return {
        "take": take.take_id,
        "cut": take.cut_id,
        "storyboard": take.storyboard,
        "shot": take.shot,
        "number": take.number,
        "model": take.model,
        "provider_job": take.provider_job,
        "held_micro_usd": take.held_micro_usd,
        "since": _moment(take.since),
        "reason": take.reason,
        "remedy": take.remedy,
    }


def cuts(listed: Sequence[CutStatus], unknown: Sequence[UnknownTake]) -> dict[str, Any]:
    """Return the document of a list of cuts, newest first, and of takes of any cut whose outcome is unknown."""
    return {"cuts": [_head(each) for each in listed], "unknown_takes": [unknown_take(each) for each in unknown]}


def run(status: CutStatus, *, files: Sequence[Path], existed: bool, wall_s: float, exit_code: int) -> dict[str, Any]:
    """Return the document of a run.

    Args:
        status: Where the cut came to rest.
        files: What was copied out, the first film first; empty without ``-o``.
        existed: Whether the cut was there before.
        wall_s: How long the command took.
        exit_code: What it ends with.
    """
    return {
        **cut(status),
        "files": [str(each) for each in files],
        "existed": existed,
        "wall_s": round(wall_s, 3),
        "exit_code": exit_code,
    }


def _head(status: CutStatus) -> dict[str, Any]:
    return {
        "cut": status.id,
        "storyboard": status.storyboard,
        "title": status.title,
        "stage": str(status.stage),
        "state": str(status.state),
        "paused": status.paused,
        "reason": status.reason,
        "remedy": status.remedy,
        "counts": {str(state): number for state, number in status.counts.items()},
        "progress": round(status.progress, 4),
        "spent_micro_usd": status.spent_micro_usd,
        "reserved_micro_usd": status.reserved_micro_usd,
        "budget_micro_usd": status.budget_micro_usd,
        "takes_generated": status.takes,
        "takes_adopted": status.adopted,
        "created_at": _moment(status.created_at),
        "finished_at": _moment(status.finished_at),
    }


def _shot(shot: ShotStatus) -> dict[str, Any]:
    values = asdict(shot)
    values["id"] = values.pop("key")
    values["state"] = str(shot.state)
    return values


def _film(film: FilmStatus) -> dict[str, Any]:
    return {**asdict(film), "files": list(film.files)}


def _moment(when: datetime | None) -> str | None:
    return when.isoformat().replace("+00:00", "Z") if when else None
