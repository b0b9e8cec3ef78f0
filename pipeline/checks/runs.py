"""Streaming helpers: the longest run of frames with a property, and quantiles, in constant memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.checks.measurements import Span


class Runs:
    """Finds the leading, the trailing and the longest inner run of frames that have a property."""

    def __init__(self) -> None:
        self.count = 0
        self.leading: Span | None = None
        self.inside: Span | None = None
        self._start: tuple[int, float] | None = None
        self._index = 0

    def see(self, time_s: float, *, has: bool) -> None:
        """Take the next frame, which begins at ``time_s``."""
        if has:
            self.count += 1
            self._start = self._start or (self._index, time_s)
        elif self._start is not None:
            self._close(time_s)
        self._index += 1

    def _close(self, end_s: float) -> None:
        if self._start is None:
            return
        first, start_s = self._start
        span = Span(start_s=start_s, end_s=end_s, frames=self._index - first)
        if first == 0:
            self.leading = span
        else:
            self.inside = longer(self.inside, span)
        self._start = None

    def trailing(self, end_s: float) -> Span | None:
        """Return the run that the clip ended in (also if it is the whole clip)."""
        if self._start is None:
            return None
        first, start_s = self._start
        return Span(start_s=start_s, end_s=end_s, frames=self._index - first)

    def longest(self, end_s: float) -> Span | None:
        """Return the longest run wherever it lies."""
        return longer(longer(self.leading, self.inside), self.trailing(end_s))


def longer(one: Span | None, other: Span | None) -> Span | None:
    """Return the span with more frames, the first of two equals."""
    if one is None or other is None:
        return one or other
    return other if other.frames > one.frames else one


class Quantiles:
    """Quantiles of positive numbers from a histogram with logarithmic bins (about 3.5 % wide)."""

    _LOW, _HIGH, _BINS = 1e-3, 1e4, 464

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(self._BINS, np.int64)
        self._scale = (self._BINS - 1) / np.log(self._HIGH / self._LOW)

    def see(self, value: float) -> None:
        """Take the next number; those outside 0.001 to 10,000 count as the nearest end."""
        clamped = min(max(value, self._LOW), self._HIGH)
        self._counts[int(np.log(clamped / self._LOW) * self._scale)] += 1

    def at(self, share: float) -> float:
        """Return the value that a share (0 to 1) of the numbers does not exceed; 0 if there are none."""
        total = int(self._counts.sum())
        if not total:
            return 0.0
        place = int(np.searchsorted(np.cumsum(self._counts), max(1, round(share * total))))
        return float(self._LOW * np.exp(place / self._scale)) if place else 0.0
