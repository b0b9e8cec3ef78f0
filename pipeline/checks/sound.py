"""The sound's measures, fed in blocks of samples as they are decoded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.checks.measurements import Sound, Span
from pipeline.checks.runs import Runs, longer

WINDOW_S = 0.05
SILENT_DBFS = -60.0
CLIPPED_LEVEL = 0.99
CLIPPED_RUN = 4
FLOOR_DBFS = -120.0


class SoundMeter:
    """Level, silence and clipping of a track, one second at a time."""

    def __init__(self) -> None:
        self._waiting: list[NDArray[np.float32]] = []
        self._waiting_samples = 0
        self._rate = 0
        self._samples = self._done = 0
        self._square_sum = self._sum = self._peak = 0.0
        self._channels = 1
        self._silence = Runs()
        self._windows = 0
        self._runs = self._clipped = 0
        self._worst: Span | None = None

    def see(self, block: NDArray[np.float32], rate: int) -> None:
        """Take samples ``(channels, n)`` of -1 to 1."""
        self._rate, self._channels = rate, block.shape[0]
        self._waiting.append(block)
        self._waiting_samples += block.shape[1]
        if self._waiting_samples >= rate:
            self._weigh(last=False)

    def _weigh(self, *, last: bool) -> None:
        samples = np.concatenate(self._waiting, axis=1) if len(self._waiting) > 1 else self._waiting[0]
        window = max(1, round(self._rate * WINDOW_S))
        usable = samples.shape[1] if last else samples.shape[1] // window * window
        block, rest = samples[:, :usable], samples[:, usable:]
        self._waiting, self._waiting_samples = [rest], rest.shape[1]
        if not usable:
            return
        squares = np.square(block, dtype=np.float64).mean(axis=0)
        self._square_sum += float(squares.sum())
        self._sum += float(block.mean(axis=0, dtype=np.float64).sum())
        self._peak = max(self._peak, float(np.abs(block).max()))
        for first in range(0, usable, window):
            level = _dbfs(float(np.sqrt(squares[first : first + window].mean())))
            self._silence.see((self._done + first) / self._rate, has=level < SILENT_DBFS)
            self._windows += 1
        self._count_clipped(block, usable)
        self._done += usable

    def _count_clipped(self, block: NDArray[np.float32], usable: int) -> None:
        loud = np.abs(block) >= CLIPPED_LEVEL
        if not loud.any():
            return
        clipped = 0
        for channel in loud:
            edges = np.flatnonzero(np.diff(np.concatenate(([False], channel, [False])).astype(np.int8)))
            lengths = edges[1::2] - edges[::2]
            long = lengths >= CLIPPED_RUN
            self._runs += int(long.sum())
            clipped += int(lengths[long].sum())
        self._clipped += clipped
        if clipped:
            span = Span(start_s=self._done / self._rate, end_s=(self._done + usable) / self._rate, frames=clipped)
            self._worst = longer(self._worst, span)

    def finish(self) -> Sound | None:
        """Return the result, or ``None`` if there was no sample."""
        if self._waiting_samples:
            self._weigh(last=True)
        if not self._done:
            return None
        return Sound(
            rms_dbfs=_dbfs((self._square_sum / self._done) ** 0.5),
            peak_dbfs=_dbfs(self._peak),
            silence_share=self._silence.count / max(1, self._windows),
            longest_silence=self._silence.longest(self._done / self._rate),
            clipped_share=self._clipped / (self._done * self._channels),
            clipped_runs=self._runs,
            clipped=self._worst,
            offset=self._sum / self._done,
        )


def _dbfs(level: float) -> float:
    return max(FLOOR_DBFS, 20 * float(np.log10(level))) if level > 0 else FLOOR_DBFS
