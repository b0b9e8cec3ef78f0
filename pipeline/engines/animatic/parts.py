"""Parts: a layer's plane of transparency cut into rectangles, so that no work is done where there is nothing.

Most of a layer is either empty or hides everything behind it; only its edges have to be mixed. Where
it is empty nothing is drawn at all, and where it is solid its pixels are copied.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_TILE = 12  # pixels at half size: layers are cut along these
_MARGIN = 2  # pixels at half size that a tile knows of beyond itself: sampling reaches over
_MIXED = 3.0  # what a tile costs that is mixed with what is behind it, in tiles that are copied
_EACH = 90.0  # what a part costs by itself, in the same measure
_CLEAR, _SOLID = 255, 0


class Part(NamedTuple):
    """A rectangle of a layer, in its full-size pixels, all even; and whether it hides what is behind it."""

    x0: int
    y0: int
    x1: int
    y1: int
    solid: bool


def parts_of(clear_half: NDArray[np.uint8]) -> tuple[Part, ...]:
    """Return the parts of a layer that show anything; they don't overlap.

    Args:
        clear_half: How much shows through it at half size, 255 for everything.
    """
    rows, columns = clear_half.shape
    reach = _TILE + 2 * _MARGIN + 1
    window = np.ones((reach, reach), np.uint8)
    # The extremes of a tile and its margin are those around its middle.
    least: Any = cv2.erode(clear_half, window)
    most: Any = cv2.dilate(clear_half, window)
    middles = np.ix_(_middles(rows), _middles(columns))
    shown: Any = least[middles] < _CLEAR
    solid: Any = most[middles] == _SOLID
    side = 2 * _TILE
    return tuple(
        Part(
            side * left,
            side * top,
            min(2 * columns, side * right),
            min(2 * rows, side * bottom),
            bool(solid[top:bottom, left:right].all()),
        )
        for top, bottom, left, right in _cut(shown, solid, 0, 0)
    )


def _middles(length: int) -> NDArray[np.intp]:
    """Return the middle of each tile along a side; the last may be cut short."""
    return np.minimum(np.arange(0, length, _TILE) + _TILE // 2, length - 1)


def _cut(shown: Any, solid: Any, top: int, left: int) -> list[tuple[int, int, int, int]]:
    """Return the rectangles (top, bottom, left, right) that cost least, found by halving as long as it pays.

    Args:
        shown: Tiles that show something.
        solid: Those that hide what is behind them.
        top: Where the tiles begin.
        left: Likewise.
    """
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    if not rows.size:
        return []
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    shown, solid = shown[window], solid[window]
    top, left = top + int(rows[0]), left + int(columns[0])
    down, across = shown.shape
    whole = _EACH + shown.size * (1.0 if solid.all() else _MIXED)
    level, upright = _halves(shown, solid), _halves(shown.T, solid.T)
    if min(level.min(initial=whole), upright.min(initial=whole)) >= whole:
        return [(top, top + down, left, left + across)]
    if level.min(initial=whole) <= upright.min(initial=whole):
        k = int(level.argmin()) + 1
        return _cut(shown[:k], solid[:k], top, left) + _cut(shown[k:], solid[k:], top + k, left)
    k = int(upright.argmin()) + 1
    return _cut(shown[:, :k], solid[:, :k], top, left) + _cut(shown[:, k:], solid[:, k:], top, left + k)


def _halves(shown: Any, solid: Any) -> Any:
    """Return what the halves cost together if tiles are cut after the first row, the second, and so on."""
    return _costs(shown, solid)[:-1] + _costs(shown[::-1], solid[::-1])[-2::-1]


def _costs(shown: Any, solid: Any) -> Any:
    """Return what the first row of tiles costs, the first two, and so on, each without what is empty around it."""
    down, across = shown.shape
    any_ = shown.any(1)
    first = np.minimum.accumulate(np.where(any_, shown.argmax(1), across))
    last = np.maximum.accumulate(np.where(any_, across - shown[:, ::-1].argmax(1), 0))
    low = np.maximum.accumulate(np.where(any_, np.arange(1, down + 1), 0))
    high = int(any_.argmax())
    area = np.maximum(low - high, 0) * np.maximum(last - first, 0)
    filled = solid.sum(1).cumsum() == area
    return np.where(area > 0, _EACH + area * np.where(filled, 1.0, _MIXED), 0.0)
