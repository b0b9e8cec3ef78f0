"""The "pencil" look: the same scene as graphite and ink wash on paper, toned by the palette.

Works on a painted layer, so both models share every shape: tone becomes paper, wash and hatching,
edges become lines.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from pipeline.engines.animatic.brush import generator
from pipeline.engines.animatic.sheets import Picture, Plane
from pipeline.engines.animatic.words import Colour

PAPER: Colour = (242, 236, 222)
GRAPHITE: Colour = (46, 44, 50)
_TILE = 256


@lru_cache(maxsize=4)
def _hatching(seed: int) -> Any:
    """Return a tile of pencil strokes, 0 (stroke) to 255 (paper), that repeats without a seam."""
    rng = generator(seed, 80)
    raw = rng.integers(0, 256, (_TILE, _TILE), dtype=np.uint8).astype(np.float32)
    length = 31
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, (4, length - 5), (length - 5, 4), 1.0, 1, cv2.LINE_AA)
    kernel = cv2.GaussianBlur(kernel, (0, 0), 0.9)
    kernel /= kernel.sum()
    wide = np.tile(raw, (3, 3))
    soft = cv2.filter2D(wide, -1, kernel)[_TILE : 2 * _TILE, _TILE : 2 * _TILE]
    spread = (soft - soft.mean()) / max(1e-6, float(soft.std()))
    return np.clip(128 + 44 * spread, 0, 255).astype(np.uint8)


def pencilled(
    picture: Picture, alpha: Plane | None, palette: tuple[Colour, ...], seed: int, tint: float = 0.3, lift: int = 0
) -> Picture:
    """Return a painted layer as a drawing.

    Args:
        picture: BGR.
        alpha: Its cover; its edge gets an outline.
        palette: Main colours; the first tones the wash.
        seed: Seed of the hatching.
        lift: How much lighter the tones are drawn; people are, to be found.
        tint: How much of the picture's own colour stays in the wash.
    """
    height, width = picture.shape[:2]
    luma: Any = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    smooth = cv2.blur(luma, (5, 5))
    # Difference of box blurs as an edge detector: dark side of each edge becomes a line.
    edge = cv2.subtract(cv2.blur(smooth, (7, 7)), smooth)
    lines = cv2.convertScaleAbs(edge, alpha=9.0)
    np.minimum(lines, 190, out=lines)
    if alpha is not None:
        border = cv2.subtract(alpha, cv2.erode(alpha, np.ones((3, 3), np.uint8)))
        lines = cv2.max(lines, cv2.convertScaleAbs(border, alpha=0.85))
    tile = _hatching(seed & 3)
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    strokes = np.tile(tile, (rows, columns))[:height, :width]
    # Hatching appears where the tone is darker than the stroke: more strokes in darker places.
    tone = cv2.convertScaleAbs(smooth, alpha=0.66, beta=92 + lift)
    shade = cv2.convertScaleAbs(
        cv2.subtract(cv2.bitwise_not(tone), cv2.convertScaleAbs(strokes, alpha=0.72)), alpha=1.25
    )
    grey = cv2.subtract(cv2.subtract(tone, shade), lines)
    table = _toning(palette)
    drawn: Any = cv2.LUT(cv2.merge([grey, grey, grey]), table)
    wash: Any = cv2.addWeighted(picture, 0.62, np.full_like(picture, 96), 1.0, 0)
    return np.asarray(cv2.addWeighted(drawn, 1 - tint, cv2.min(wash, drawn), tint, 0), np.uint8)


def _toning(palette: tuple[Colour, ...]) -> Any:
    """Return a table (1, 256, 3), BGR: graphite through a muted tone of the palette to paper."""
    middle = palette[0] if palette else (148, 142, 140)
    level = 0.299 * middle[0] + 0.587 * middle[1] + 0.114 * middle[2]
    muted = tuple(142 + 0.4 * (part - level) for part in middle)
    stops = [0.0, 44.0, 142.0, 255.0]
    colours = np.array([(30, 29, 34), GRAPHITE, muted, PAPER])
    levels = np.arange(256)
    table = np.stack([np.interp(levels, stops, colours[:, part]) for part in (2, 1, 0)], axis=-1)
    return np.ascontiguousarray(table[None].astype(np.uint8))
