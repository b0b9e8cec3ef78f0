"""Submitted storyboards, read once a process: their rows never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from pipeline.store.tables import StoryboardRow
from pipeline.storyboard.schema import Shot, Storyboard


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that the storyboard names, as it was when submitted."""

    sha256: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Board:
    """A submitted storyboard.

    Attributes:
        id: Database id.
        content_hash: Hash of its text and pictures.
        source: File that it was read from.
        storyboard: Its text.
        pictures: Its pictures by the path written in it.
        shots: Its shots by id.
    """

    id: str
    content_hash: str
    source: str
    storyboard: Storyboard
    pictures: Mapping[str, Picture]
    shots: Mapping[str, Shot] = field(repr=False)


_boards: dict[str, Board] = {}
_KEPT = 32


def board_of(session: Session, storyboard_id: str) -> Board:
    """Return a submitted storyboard."""
    board = _boards.get(storyboard_id)
    if board is None:
        board = _read(session.get_one(StoryboardRow, storyboard_id))
        while len(_boards) >= _KEPT:
            _boards.pop(next(iter(_boards)))
        _boards[storyboard_id] = board
    return board


def _read(row: StoryboardRow) -> Board:
    storyboard = Storyboard.model_validate(row.body)
    return Board(
        id=row.id,
        content_hash=row.content_hash,
        source=row.source,
        storyboard=storyboard,
        pictures={path: Picture(**picture) for path, picture in row.images.items()},
        shots={shot.id: shot for shot in storyboard.shots},
    )
