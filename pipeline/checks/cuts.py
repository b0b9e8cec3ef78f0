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
MAX_PAST = 30


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


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.mean(np.abs(one - other)))


class CutFinder:
    """Takes each frame's change from the one before and a thumbnail; names the cuts at the end."""

    def __init__(self) -> None:
        self._window: deque[_Look] = deque(maxlen=2 + LOOK_AHEAD + 1)
        self._past: deque[_Look] = deque(maxlen=MAX_PAST)
        self._changes, self._histogram_changes = Quantiles(), Quantiles()
        self._candidates: list[_Candidate] = []

    def see(
        self, time_s: float, thumb: NDArray[np.float32], change: float, histogram_change: float, *, black: bool
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
        if len(self._window) == self._window.maxlen:
            self._past.append(self._window[0])
        self._window.append(_Look(time_s, thumb, change, histogram_change, black))
        if len(self._window) == self._window.maxlen:
            self._judge(2)

    def _judge(self, place: int) -> None:
        looks = self._window
        if place < 1:
            return
        look, before, after = looks[place], looks[place - 1], looks[-1]
        if look.change < LEAST_CHANGE or look.histogram_change < LEAST_HISTOGRAM_CHANGE:
            return
        around = [other.change for number, other in enumerate(looks) if number not in (0, place)]
        if around and look.change < TIMES_NEIGHBOURS * float(np.median(around)):
            return
        if before.black or look.black or after.black:
            return
        near = COMES_BACK_SHARE * _distance(before.thumb, look.thumb)
        if _distance(before.thumb, after.thumb) < near:
            return  # a flash of up to three frames begins
        earlier = [*self._past, *(looks[number] for number in range(place - 1))]
        if any(look.time_s - past.time_s <= FLASH_S and _distance(past.thumb, after.thumb) < near for past in earlier):
            # A flash ends: the picture is the one from before it, so its begin was no cut either.
            last = self._candidates[-1] if self._candidates else None
            if last and look.time_s - last.time_s <= FLASH_S and _distance(last.before, after.thumb) < near:
                self._candidates.pop()
            return
        if len(self._candidates) < MAX_CANDIDATES:
            self._candidates.append(_Candidate(look.time_s, look.change, look.histogram_change, before.thumb))

    def finish(self) -> SceneCuts:
        """Return the cuts; the frames still waiting for their look ahead are judged by what there is."""
        full = len(self._window) == self._window.maxlen
        for place in range(3 if full else 1, len(self._window)):
            self._judge(place)
        typical, typical_histogram = self._changes.at(0.5), self._histogram_changes.at(0.5)
        times = [
            candidate.time_s
            for candidate in self._candidates
            if candidate.change >= TIMES_MEDIAN * typical
            and candidate.histogram_change >= TIMES_MEDIAN * typical_histogram
        ]
        return SceneCuts(times_s=tuple(times[:MAX_TIMES]), count=len(times))
