"""The picture's measures, fed one frame at a time: a small luma for all, more on every sixth frame."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.checks.cuts import CutFinder
from pipeline.checks.decode import Picture
from pipeline.checks.flicker import GRID, FlickerMeter
from pipeline.checks.measurements import Blackness, Exposure, Motion, Span, Stillness
from pipeline.checks.runs import Runs
from pipeline.checks.sharpness import SharpnessMeter, edge_steepness
from pipeline.checks.signature import SignatureMeter

WORKING_PIXELS = 480 * 270
SHARPNESS_PIXELS = 960 * 540
SAMPLE_EVERY = 6

BINS = 64
BLACK_LEVEL = 20  # about 33 of limited range, just above FFmpeg blackdetect's default
BLACK_SHARE = 0.98
GLIMPSE_LEVEL = 64
GLIMPSE_SHARE = 0.0005
CHANGED_LEVEL = 12
STILL_CHANGE = 0.3
STILL_SHARE = 0.0005
REPEATED_CHANGE = 0.1

_LIMITED_TO_FULL: NDArray[np.uint8] = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)


class PictureMeter:
    """Every measure of the picture that needs its pixels."""

    def __init__(self) -> None:
        self.cuts = CutFinder()
        self.flicker = FlickerMeter()
        self.sharpness = SharpnessMeter()
        self.signature = SignatureMeter()
        self._black, self._still = Runs(), Runs()
        self._before: NDArray[np.uint8] | None = None
        self._anchor: NDArray[np.uint8] | None = None
        self._histogram_before: NDArray[np.float64] | None = None
        self._levels: NDArray[np.float64] = np.zeros(256)
        self._frames = self._repeated = 0
        self._change_sum = self._changed_sum = self._change_peak = 0.0

    def see(self, picture: Picture) -> None:
        """Take the next frame."""
        small = shrink(picture, WORKING_PIXELS)
        fine: NDArray[np.float64] = cv2.calcHist([small], [0], None, [256], [0, 256]).ravel().astype(np.float64)
        self._levels += fine / small.size
        histogram = fine.reshape(BINS, -1).sum(axis=1) / small.size
        black = _is_black(fine / small.size)
        thumb = cv2.resize(small, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
        areas: Any = cv2.resize(thumb, (GRID, GRID), interpolation=cv2.INTER_AREA)
        change = self._compare(picture.time_s, small, black=black)
        moved = 0.0
        if self._histogram_before is not None:
            moved = float(np.abs(histogram - self._histogram_before).sum() / 2)
        self.cuts.see(picture.time_s, thumb, change, moved, black=black)
        self.flicker.see(picture.time_s, areas)
        self._black.see(picture.time_s, has=black)
        if picture.index % SAMPLE_EVERY == 0:
            large = shrink(picture, SHARPNESS_PIXELS)
            if not black:
                self.sharpness.see(picture.time_s, edge_steepness(large))
            self.signature.see(picture, large, black=black)
        self._before, self._histogram_before = small, histogram
        self._frames += 1

    def _compare(self, time_s: float, small: NDArray[np.uint8], *, black: bool) -> float:
        """Measure the change to the frame before; follow runs in which nothing changes."""
        if self._before is None:
            self._anchor = small
            self._still.see(time_s, has=False)
            return 0.0
        change, changed = difference(small, self._before)
        self._change_sum += change
        self._changed_sum += changed
        self._change_peak = max(self._change_peak, change)
        self._repeated += change < REPEATED_CHANGE and changed < STILL_SHARE and not black
        still = change < STILL_CHANGE and changed < STILL_SHARE and not black
        if still and self._anchor is not None and self._anchor is not self._before:
            # Against the run's first frame: a slow move differs from it sooner or later, a freeze never.
            change_since, changed_since = difference(small, self._anchor)
            still = change_since < STILL_CHANGE and changed_since < STILL_SHARE
        if not still:
            self._anchor = small
        self._still.see(time_s, has=still)
        return change

    def blackness(self, end_s: float) -> Blackness:
        """Return where nothing can be seen."""
        whole = self._black.count == self._frames
        trailing = self._black.trailing(end_s)
        return Blackness(
            share=self._black.count / max(1, self._frames),
            leading=trailing if whole else self._black.leading,
            trailing=trailing,
            inside=self._black.inside,
        )

    def stillness(self, end_s: float) -> Stillness | None:
        """Return where nothing changes, or ``None`` for a single frame."""
        if self._frames < 2:
            return None
        longest: Span | None = self._still.longest(end_s)
        return Stillness(longest=longest, repeated_share=self._repeated / (self._frames - 1))

    def motion(self) -> Motion | None:
        """Return how much changes from frame to frame, or ``None`` for a single frame."""
        if self._frames < 2:
            return None
        steps = self._frames - 1
        return Motion(mean=self._change_sum / steps, peak=self._change_peak, changed_share=self._changed_sum / steps)

    def exposure(self) -> Exposure:
        """Return the brightness over the clip."""
        shares = self._levels / max(1, self._frames)
        levels = np.arange(256)
        mean = float(shares @ levels)
        running = np.cumsum(shares)
        return Exposure(
            mean=mean,
            deviation=float(np.sqrt(max(0.0, shares @ (levels - mean) ** 2))),
            dark_end=float(np.searchsorted(running, 0.01)),
            bright_end=float(min(255, np.searchsorted(running, 0.99))),
            clipped_dark=float(shares[:4].sum()),
            clipped_bright=float(shares[252:].sum()),
        )


def _is_black(shares: NDArray[np.float64]) -> bool:
    dark = float(shares[:BLACK_LEVEL].sum())
    return dark >= BLACK_SHARE and float(shares[GLIMPSE_LEVEL:].sum()) < GLIMPSE_SHARE


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the mean absolute difference in levels and the share of pixels that differ by more than 12."""
    delta = cv2.absdiff(one, other)
    mean = float(cv2.mean(delta)[0])
    _, mask = cv2.threshold(delta, CHANGED_LEVEL, 1, cv2.THRESH_BINARY)
    return mean, cv2.countNonZero(mask) / delta.size


def shrink(picture: Picture, pixels: int) -> NDArray[np.uint8]:
    """Return luma in full-range 8-bit levels, averaged over whole squares of pixels to about a size.

    Up to factor - 1 rows and columns at the edge are left out. Halving twice is ten times faster in OpenCV than
    quartering once, and differs by rounding only.
    """
    luma = picture.luma
    height, width = luma.shape
    factor = max(1, round((width * height / pixels) ** 0.5))
    factor = min(factor, width, height)
    size = (width // factor, height // factor)
    small: Any = luma[: size[1] * factor, : size[0] * factor]
    rest = factor
    while rest > 1:
        rest = rest // 2 if rest % 2 == 0 else 1
        small = cv2.resize(small, (size[0] * rest, size[1] * rest), interpolation=cv2.INTER_AREA)
    if picture.depth > 8:
        small = (small >> (picture.depth - 8)).astype(np.uint8)
    if not picture.full_range:
        return np.asarray(cv2.LUT(small, _LIMITED_TO_FULL), np.uint8)
    return small if factor > 1 or picture.depth > 8 else small.copy()
