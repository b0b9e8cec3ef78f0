"""Flicker: oscillation of brightness from frame to frame, as the second difference of luma means.

An alternation of +-A around a steady level has second differences of 4A; so a quarter of them is the
amplitude. Their 55th percentile over three quarters of a second is taken, so that a cut, a flash or a lightning
stroke (two to four large values) does not count, and a slow change (second difference near 0) neither.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.checks.measurements import Flicker

WINDOW_S = 0.75
LEAST_WINDOW = 8
PERCENTILE = 55.0
LOCAL_PERCENTILE = 75.0
GRID = 4
WEIGH_EVERY = 4


class FlickerMeter:
    """Takes each frame's mean luma, of the whole and of a 4x4 grid of areas."""

    def __init__(self) -> None:
        self._means: deque[NDArray[np.float32]] = deque(maxlen=3)
        self._times: deque[float] = deque(maxlen=3)
        self._window: deque[tuple[float, NDArray[Any]]] = deque()
        self._worst: tuple[float, float, float] | None = None
        self._worst_local = 0.0
        self._seen = 0

    def see(self, time_s: float, areas: NDArray[np.float32]) -> None:
        """Take the next frame's means of the 16 areas, in levels."""
        self._seen += 1
        self._means.append(np.append(areas.ravel(), areas.mean()))
        self._times.append(time_s)
        if len(self._means) < 3:
            return
        one, two, three = self._means
        self._window.append((self._times[0], np.abs(one - 2 * two + three) / 4))
        while len(self._window) > LEAST_WINDOW and self._window[0][0] < time_s - WINDOW_S:
            self._window.popleft()
        # Windows overlap by far more than this step; weighing each would cost as much as the rest.
        full = time_s - self._window[0][0] >= WINDOW_S * 0.9
        if full and len(self._window) >= LEAST_WINDOW and self._seen % WEIGH_EVERY == 0:
            self._weigh()

    def _weigh(self) -> None:
        values = np.percentile(np.stack([value for _, value in self._window]), PERCENTILE, axis=0, method="lower")
        amplitude = float(values[-1])
        if self._worst is None or amplitude > self._worst[0]:
            self._worst = (amplitude, self._window[0][0], self._times[-1])
        self._worst_local = max(self._worst_local, float(np.percentile(values[:-1], LOCAL_PERCENTILE)))

    def finish(self) -> Flicker | None:
        """Return the worst stretch, or ``None`` if there are too few frames to tell."""
        if len(self._window) >= (LEAST_WINDOW if self._worst else 3):
            self._weigh()
        if self._worst is None:
            return None
        amplitude, start_s, end_s = self._worst
        return Flicker(amplitude=amplitude, local_amplitude=self._worst_local, start_s=start_s, end_s=end_s)
