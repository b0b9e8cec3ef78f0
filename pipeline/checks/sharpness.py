"""Sharpness: how steep the steepest edges are, whatever the contrast of the picture.

In tiles, the largest step between two neighbouring pixels is divided by the tile's whole range of
levels. A step edge gives 1; an edge blurred by a Gaussian of deviation s gives 1 / (s sqrt(2 pi)), its
profile's slope. Two levels are taken off each step first: they may be noise or compression. The
steepest tenth of the tiles speaks for the frame, so that shallow focus, sky and fog around a sharp
subject are no blur.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.checks.measurements import Sharpness
from pipeline.checks.runs import Quantiles

TILES_ACROSS = 16
LEAST_TILE = 24
LEAST_RANGE = 12
NOISE_STEP = 2
STEEPEST = 90.0
WINDOW = 5


def edge_steepness(luma: NDArray[np.uint8]) -> float | None:
    """Return how steep the frame's steepest edges are, 0 to 1; ``None`` if no tile has an edge.

    Args:
        luma: ``(height, width)`` levels, at about 960 pixels across.
    """
    height, width = luma.shape
    side = min(max(LEAST_TILE, width // TILES_ACROSS), height - 1, width - 1)
    if side < 2:
        return None
    rows, columns = (height - 1) // side, (width - 1) // side
    here = luma[: rows * side, : columns * side]
    across = cv2.absdiff(here, luma[: rows * side, 1 : columns * side + 1])
    down = cv2.absdiff(here, luma[1 : rows * side + 1, : columns * side])
    step = _tile_max(np.maximum(across, down), side)
    span = _tile_max(here, side) - (255 - _tile_max(~here, side))
    seen = span >= LEAST_RANGE
    if not seen.any():
        return None
    return float(np.percentile(np.maximum(0, step[seen] - NOISE_STEP) / span[seen], STEEPEST))


def _tile_max(picture: NDArray[Any], side: int) -> NDArray[np.float32]:
    rows, columns = picture.shape[0] // side, picture.shape[1] // side
    by_row = picture.reshape(rows, side, columns * side).max(axis=1)
    return by_row.reshape(rows, columns, side).max(axis=2).astype(np.float32)


class SharpnessMeter:
    """Takes the steepness of sampled frames; keeps the worst stretch and the clip's own norm."""

    def __init__(self) -> None:
        self._window: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self._all = Quantiles()
        self._seen = 0
        self._edgeless: tuple[float, float] | None = None
        self._worst: tuple[float, float, float] | None = None

    def see(self, time_s: float, steepness: float | None) -> None:
        """Take the next sampled frame that is not black; ``None`` where it had no edge.

        Such frames don't count beside others (the first ones of a fade have none), but a clip of nothing
        else has edges of 0.
        """
        if steepness is None:
            self._edgeless = self._edgeless or (time_s, time_s)
            self._edgeless = (self._edgeless[0], time_s)
            return
        self._seen += 1
        self._all.see(steepness)
        self._window.append((time_s, steepness))
        if len(self._window) == WINDOW:
            self._weigh()

    def _weigh(self) -> None:
        middle = float(np.median([value for _, value in self._window]))
        if self._worst is None or middle < self._worst[0]:
            self._worst = (middle, self._window[0][0], self._window[-1][0])

    def finish(self) -> Sharpness | None:
        """Return the result, or ``None`` if there was no frame to judge."""
        if not self._seen:
            if self._edgeless is None:
                return None
            return Sharpness(worst=0.0, norm=0.0, start_s=self._edgeless[0], end_s=self._edgeless[1])
        if self._worst is None:
            self._weigh()
        worst, start_s, end_s = self._worst or (0.0, 0.0, 0.0)
        return Sharpness(worst=worst, norm=self._all.at(0.5), start_s=start_s, end_s=end_s)
