"""Cuts to another picture inside a clip, told apart from flashes, pans and fast motion.

A cut changes the picture's histogram and its pixels far more than the frames around it do, and the
picture doesn't come back. A flash does come back; a pan's neighbours change as much; a change from
or to black belongs to the measure of black.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.checks.measurements import SceneCuts
from pipeline.checks.runs import Quantiles

LOOK_AHEAD = 3
LEAST_CHANGE = 8.0
LEAST_HISTOGRAM_CHANGE = 0.12
TIMES_NEIGHBOURS = 3.0
TIMES_MEDIAN = 4.0
COMES_BACK_SHARE = 0.5
FLASH_S = 0.5
MAX_CANDIDATES = 4096
MAX_TIMES = 64


@dataclass(slots=True)
class _Look:
    time_s: float
    thumb: NDArray[np.float32]
    change: float
    histogram_change: float
    black: bool


@dataclass(frozen=True, slots=True)
class _Candidate:
    time_s: float
    change: float
    histogram_change: float
    before: NDArray[np.float32]
    after: NDArray[np.float32]


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.mean(np.abs(one - other)))


class CutFinder:
    """Takes each frame's change from the one before and a thumbnail; names the cuts at the end."""

    def __init__(self) -> None:
        self._window: deque[_Look] = deque(maxlen=2 + LOOK_AHEAD + 1)
        self._changes, self._histogram_changes = Quantiles(), Quantiles()
        self._candidates: list[_Candidate] = []

    def see(
        self,
        time_s: float,
        thumb: NDArray[np.float32],
        change: float,
        histogram_change: float,
        *,
        black: bool,
    ) -> None:
        """Take the next frame.

        Args:
            time_s: When it begins.
            thumb: Small picture in levels, at least a few hundred values.
            change: Mean absolute difference to the frame before, in levels.
            histogram_change: Half the sum of absolute differences of the normalised histograms, 0 to 1.
            black: Whether nothing can be seen in it.
        """
        self._changes.see(change)
        self._histogram_changes.see(histogram_change)
        self._window.append(_Look(time_s, thumb, change, histogram_change, black))
        if len(self._window) == self._window.maxlen:
            self._judge(2)

    def _judge(self, place: int) -> None:
        looks = self._window
        look, before = looks[place], looks[place - 1]
        if look.change < LEAST_CHANGE or look.histogram_change < LEAST_HISTOGRAM_CHANGE:
            return
        around = [other.change for number, other in enumerate(looks) if number != place and number > 0]
        if around and look.change < TIMES_NEIGHBOURS * float(np.median(around)):
            return
        after = looks[-1]
        if before.black or look.black or after.black:
            return
        if _distance(before.thumb, after.thumb) < COMES_BACK_SHARE * _distance(before.thumb, look.thumb):
            return
        if len(self._candidates) < MAX_CANDIDATES:
            self._candidates.append(
                _Candidate(look.time_s, look.change, look.histogram_change, before.thumb, after.thumb)
            )

    def finish(self) -> SceneCuts:
        """Return the cuts; the frames still waiting for their look ahead are judged by what there is."""
        waiting = min(LOOK_AHEAD, len(self._window) - 1)
        for place in range(len(self._window) - waiting, len(self._window)):
            self._judge(place)
        typical, typical_histogram = self._changes.at(0.5), self._histogram_changes.at(0.5)
        cuts: list[_Candidate] = []
        for candidate in self._candidates:
            if (
                candidate.change < TIMES_MEDIAN * typical
                or candidate.histogram_change < TIMES_MEDIAN * typical_histogram
            ):
                continue
            if cuts and candidate.time_s - cuts[-1].time_s <= FLASH_S:
                away = _distance(cuts[-1].before, cuts[-1].after)
                if _distance(cuts[-1].before, candidate.after) < COMES_BACK_SHARE * away:
                    cuts.pop()  # a flash of several frames: there and back
                    continue
            cuts.append(candidate)
        return SceneCuts(times_s=tuple(cut.time_s for cut in cuts[:MAX_TIMES]), count=len(cuts))
