"""The signature of a clip: colour, palette, contrast and style, from sampled frames in constant memory."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.checks.colour import yuv_to_lab
from pipeline.checks.decode import Picture
from pipeline.checks.measurements import Exposure, Sharpness, Signature, Swatch

COLOUR_SIDE = 96
STYLE_SIDE = 320
AB_BINS = 8
AB_REACH = 64.0
SWATCHES = 6
EDGE_LEVEL = 48.0
DIRECTIONS = 8
NOISE_SIDE = 192

_L_BINS, _SWATCH_AB_BINS = 6, 9
_NOISE_KERNEL: NDArray[np.float32] = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


class SignatureMeter:
    """Takes every sampled frame; black ones don't count, so that a fade leaves the look as it is."""

    def __init__(self) -> None:
        self._sum: NDArray[np.float64] = np.zeros(3)
        self._square_sum: NDArray[np.float64] = np.zeros(3)
        self._pixels = 0
        self._chroma_sum = 0.0
        self._ab: NDArray[np.float64] = np.zeros(AB_BINS * AB_BINS)
        self._swatches: NDArray[np.float64] = np.zeros((_L_BINS * _SWATCH_AB_BINS**2, 4))
        self._orientations: NDArray[np.float64] = np.zeros(DIRECTIONS)
        self._edges = self._grain = 0.0
        self._samples = 0

    def see(self, picture: Picture, luma: NDArray[np.uint8], *, black: bool) -> None:
        """Take a frame and its luma in full-range levels, at about 960 pixels across."""
        if black:
            return
        self._samples += 1
        self._see_colour(picture, luma)
        self._see_style(luma)

    def _see_colour(self, picture: Picture, luma: NDArray[np.uint8]) -> None:
        size = _fit(luma.shape, COLOUR_SIDE)
        y: Any = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
        u, v = (
            cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 2 ** (picture.depth - 8)
            for plane in picture.chroma
        )
        lab = yuv_to_lab(y, u, v, matrix=picture.matrix, full_range=picture.full_range)
        flat = lab.reshape(-1, 3).astype(np.float64)
        self._sum += flat.sum(axis=0)
        self._square_sum += (flat**2).sum(axis=0)
        self._pixels += len(flat)
        self._chroma_sum += float(np.hypot(flat[:, 1], flat[:, 2]).sum())
        a, b = (_bin(flat[:, part], -AB_REACH, AB_REACH, AB_BINS) for part in (1, 2))
        self._ab += np.bincount(a * AB_BINS + b, minlength=self._ab.size)
        light = _bin(flat[:, 0], 0, 100, _L_BINS)
        a, b = (_bin(flat[:, part], -90, 90, _SWATCH_AB_BINS) for part in (1, 2))
        place = (light * _SWATCH_AB_BINS + a) * _SWATCH_AB_BINS + b
        for part in range(3):
            self._swatches[:, part] += np.bincount(place, weights=flat[:, part], minlength=len(self._swatches))
        self._swatches[:, 3] += np.bincount(place, minlength=len(self._swatches))

    def _see_style(self, luma: NDArray[np.uint8]) -> None:
        small = cv2.resize(luma, _fit(luma.shape, STYLE_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        across, down = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
        strength, angle = cv2.cartToPolar(across, down, angleInDegrees=True)
        self._edges += float(np.mean(strength > EDGE_LEVEL))
        # Opposite gradients are one direction; bins are centred on 0, 22.5, 45, ... degrees.
        direction = np.round(angle.ravel() / (180 / DIRECTIONS)).astype(np.int64) % DIRECTIONS
        energy = np.bincount(direction, weights=strength.ravel(), minlength=DIRECTIONS)
        if energy.sum() > 0:
            self._orientations += energy / energy.sum()
        self._grain += noise_deviation(luma)

    def finish(self, exposure: Exposure, sharpness: Sharpness | None) -> Signature | None:
        """Return the signature, or ``None`` if no frame could be seen."""
        if not self._samples:
            return None
        mean = self._sum / self._pixels
        deviation = np.sqrt(np.maximum(0.0, self._square_sum / self._pixels - mean**2))
        energy = self._orientations.sum()
        return Signature(
            lab_mean=_three(mean),
            lab_deviation=_three(deviation),
            ab_histogram=tuple(_round(self._ab / self._pixels)),
            palette=self._palette(),
            contrast=exposure.bright_end - exposure.dark_end,
            saturation=round(self._chroma_sum / self._pixels, 4),
            edge_density=round(self._edges / self._samples, 6),
            orientations=tuple(_round(self._orientations / energy if energy else self._orientations)),
            grain=round(self._grain / self._samples, 4),
            sharpness=round(sharpness.norm, 4) if sharpness else 0.0,
            samples=self._samples,
        )

    def _palette(self) -> tuple[Swatch, ...]:
        # A stable sort: equal shares keep the order of their bins, whatever the machine.
        order = np.argsort(-self._swatches[:, 3], kind="stable")[:SWATCHES]
        swatches: list[Swatch] = []
        for place in order:
            lightness, a, b, count = self._swatches[place]
            if count:
                swatches.append(
                    Swatch(
                        l=round(lightness / count, 3),
                        a=round(a / count, 3),
                        b=round(b / count, 3),
                        share=round(count / self._pixels, 6),
                    )
                )
        return tuple(swatches)


def noise_deviation(luma: NDArray[np.uint8]) -> float:
    """Return the deviation of the finest noise in levels, from the middle of the picture.

    J. Immerkaer, "Fast Noise Variance Estimation", Computer Vision and Image Understanding 64 (1996);
    the median of the absolute response instead of its mean, so that edges don't count as noise.
    """
    height, width = luma.shape
    top, left = max(0, (height - NOISE_SIDE) // 2), max(0, (width - NOISE_SIDE) // 2)
    middle = luma[top : top + NOISE_SIDE, left : left + NOISE_SIDE]
    response = np.abs(cv2.filter2D(middle, cv2.CV_32F, _NOISE_KERNEL)[1:-1, 1:-1])
    # The kernel's gain is 6; 0.6745 is the median of |N(0, 1)|.
    return float(np.median(response)) / (6 * 0.6745) if response.size else 0.0


def _fit(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    height, width = shape[:2]
    scale = min(1.0, side / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _bin(values: NDArray[np.float64], low: float, high: float, bins: int) -> NDArray[np.int64]:
    return np.clip(((values - low) * (bins / (high - low))).astype(np.int64), 0, bins - 1)


def _round(values: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 6) for value in values]


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    one, two, three = (round(float(value), 4) for value in values)
    return one, two, three
