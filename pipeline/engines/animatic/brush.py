"""Brushes: noise, washes, strokes and paper, all seeded, all in 8-bit BGR."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.engines.animatic.sheets import Picture
from pipeline.engines.animatic.words import Colour

_SHIFT = 4  # fractional bits of polygon corners
_ONE = 1 << _SHIFT


def generator(*keys: int) -> Generator:
    """Return a generator of its own for these keys."""
    return np.random.default_rng([key & 0xFFFFFFFF for key in keys])


def blend(one: Colour, other: Colour, share: float) -> Colour:
    """Return the colour ``share`` of the way from one to the other."""
    r, g, b = (a + (c - a) * share for a, c in zip(one, other, strict=True))
    return (r, g, b)


def shade(colour: Colour, factor: float) -> Colour:
    """Return a colour made darker (below 1) or lighter (above 1)."""
    if factor <= 1:
        return blend((0.0, 0.0, 0.0), colour, factor)
    return blend(colour, (255.0, 255.0, 255.0), min(1.0, factor - 1))


def ink(colour: Colour) -> tuple[float, float, float]:
    """Return a colour as OpenCV wants it, BGR within 0 to 255."""
    r, g, b = (min(255.0, max(0.0, part)) for part in colour)
    return (b, g, r)


def flat(width: int, height: int, colour: Colour) -> Picture:
    """Return a sheet of one colour."""
    row = np.empty((width, 3), np.uint8)
    row[:] = np.round(ink(colour))
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = row
    return picture


def wash(width: int, height: int, stops: Sequence[tuple[float, Colour]]) -> Picture:
    """Return a vertical gradient through colours at heights 0 (top) to 1."""
    at = np.linspace(0, 1, height)
    places = [place for place, _ in stops]
    column = np.stack([np.interp(at, places, [ink(colour)[part] for _, colour in stops]) for part in range(3)], axis=-1)
    rows = np.empty((height, width, 3), np.uint8)
    rows[:, 0] = np.round(column)
    done = 1
    while done < width:  # twice as much each time: copying whole runs takes a fraction of repeating pixels
        rows[:, done : 2 * done] = rows[:, : min(done, width - done)]
        done *= 2
    return rows


def noise(rng: Generator, width: int, height: int, cell: float, octaves: int = 3, stretch: float = 1.0) -> Any:
    """Return smooth noise of mean about 0 and range about -1..1, float32.

    Args:
        rng: Source.
        width: Pixels.
        height: Pixels.
        cell: Size of the coarsest spots in pixels, vertically.
        octaves: Each halves the size and the strength.
        stretch: How much longer spots are horizontally.
    """
    total: Any = np.zeros((height, width), np.float32)
    strength, sum_ = 1.0, 0.0
    for _ in range(octaves):
        across = max(2, math.ceil(width / (cell * stretch)) + 2)
        down = max(2, math.ceil(height / cell) + 2)
        grid = rng.uniform(-1, 1, (down, across)).astype(np.float32)
        total += strength * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        sum_ += strength
        strength *= 0.5
        cell = max(1.0, cell / 2)
    return total * (1.6 / sum_)


def ridge(rng: Generator, xs: NDArray[np.float64], rough: float = 0.5, octaves: int = 5, peaks: float = 0.0) -> Any:
    """Return a skyline's heights, about -1..1, at world places ``xs`` (in frame heights).

    The lattice belongs to the generator, not to the view: another framing sees the same ridge.
    """
    lattice = rng.uniform(-1, 1, (octaves, 128))
    total = np.zeros_like(xs)
    strength, pitch, sum_ = 1.0, 1.6, 0.0
    for row in lattice:
        at = xs * pitch + 64
        base = np.floor(at).astype(int)
        part = at - base
        smooth = part * part * (3 - 2 * part) if peaks < 0.5 else part
        left, right = row[base % 128], row[(base + 1) % 128]
        total += strength * (left + (right - left) * smooth)
        sum_ += strength
        strength *= rough
        pitch *= 2.1
    return total * (1.5 / sum_)


def polygon(target: Any, points: Any, colour: Any) -> None:
    """Fill an anti-aliased polygon with corners in fractional pixels."""
    corners = (np.asarray(points, np.float64) * _ONE + 0.5).astype(np.int32)
    cv2.fillPoly(target, [corners], colour, cv2.LINE_AA, _SHIFT)


def patches(target: Any, shapes: Any, colours: Sequence[Any]) -> None:
    """Fill many anti-aliased convex polygons, shape (n, corners, 2), each in its colour."""
    corners = np.rint(np.asarray(shapes, np.float64) * _ONE).astype(np.int32)
    for shape, colour in zip(corners, colours, strict=True):
        cv2.fillConvexPoly(target, shape, colour, cv2.LINE_AA, _SHIFT)


def line(target: Any, points: Any, colour: Any, thickness: float) -> None:
    """Draw an anti-aliased line through points in fractional pixels."""
    corners = np.rint(np.asarray(points, np.float64) * _ONE).astype(np.int32)
    cv2.polylines(
        target,
        [corners],
        isClosed=False,
        color=colour,
        thickness=max(1, round(thickness)),
        lineType=cv2.LINE_AA,
        shift=_SHIFT,
    )


def disc(
    target: Any, centre: tuple[float, float], radius: float, colour: Any, squeeze: float = 1.0, turn: float = 0.0
) -> None:
    """Fill an anti-aliased ellipse."""
    polygon(target, oval(centre, radius, radius * squeeze, turn, 12 if radius < 8 else 40), colour)


def oval(centre: tuple[float, float], across: float, down: float, turn: float = 0.0, corners: int = 40) -> Any:
    """Return the corners of an ellipse with half axes ``across`` and ``down``, turned by radians."""
    cos, sin = math.cos(turn), math.sin(turn)
    axes = np.array([[across * cos, across * sin], [-down * sin, down * cos]])
    return _circle(corners) @ axes + centre


@lru_cache(maxsize=8)
def _circle(corners: int) -> Any:
    t = np.linspace(0, math.tau, corners, endpoint=False)
    return np.stack([np.cos(t), np.sin(t)], axis=-1)


_DAB = np.array([[-1, -0.25], [-0.75, -0.8], [0.1, -1], [0.8, -0.7], [1, 0.1], [0.7, 0.8], [-0.2, 1], [-0.85, 0.6]])


def gouache(
    picture: Picture,
    rng: Generator,
    *,
    count: int,
    length: float,
    thickness: float,
    angle: float | Callable[[float, float], float] = 0.0,
    jitter: float = 7.0,
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
) -> None:
    """Paint over a picture with opaque dabs of its own colours, in place.

    Args:
        picture: BGR.
        rng: Source.
        count: Dabs.
        length: Half a dab's length in pixels, on average.
        thickness: Half its thickness.
        angle: Direction in radians, or a function of place (0..1, 0..1).
        jitter: Standard deviation of a dab's lightness.
        window: Left, top, right, bottom as shares of the picture.
    """
    height, width = picture.shape[:2]
    spread = rng.random((count, 5))
    tone = rng.normal(0, jitter, count)
    warm = rng.normal(0, jitter * 0.35, count)
    x0, y0, x1, y1 = window
    xs = (x0 + spread[:, 0] * (x1 - x0)) * (width - 1)
    ys = (y0 + spread[:, 1] * (y1 - y0)) * (height - 1)
    longs = length * (0.5 + spread[:, 2])
    wides = thickness * (0.5 + spread[:, 3])
    lean = (spread[:, 4] - 0.5) * 0.5
    if callable(angle):
        lean += np.array([angle(x / width, y / height) for x, y in zip(xs, ys, strict=True)])
    else:
        lean += angle
    cos, sin = np.cos(lean), np.sin(lean)
    shapes = _DAB[None] * np.stack([longs, wides], axis=-1)[:, None]
    px = xs[:, None] + shapes[..., 0] * cos[:, None] - shapes[..., 1] * sin[:, None]
    py = ys[:, None] + shapes[..., 0] * sin[:, None] + shapes[..., 1] * cos[:, None]
    corners = np.round(np.stack([px, py], axis=-1) * _ONE).astype(np.int32)
    sampled = picture[ys.astype(int), xs.astype(int)].astype(np.float64)
    colours = np.clip(sampled + tone[:, None] + warm[:, None] * (-1, 0, 1), 0, 255)
    # Their own colours, a few steps lighter or darker: edges so faint need no anti-aliasing, at half the time.
    for shape, colour in zip(corners, colours.tolist(), strict=True):
        cv2.fillConvexPoly(picture, shape, colour, cv2.LINE_8, _SHIFT)


def paper(rng: Generator, width: int, height: int, strength: float = 3.2) -> Any:
    """Return the tooth of the paper as signed 16-bit offsets of lightness."""
    tile = 256
    fine: Any = rng.integers(-128, 128, (tile, tile), dtype=np.int8).astype(np.int16)
    soft: Any = cv2.blur(np.tile(fine, (3, 3)), (3, 3))[tile : 2 * tile, tile : 2 * tile]
    coarse = noise(rng, tile, tile, 12, 2)
    tooth = (soft * (strength / 25) + coarse * (strength * 0.2)).astype(np.int16)
    return np.tile(tooth, (-(-height // tile), -(-width // tile)))[:height, :width]


def glow(picture: Picture, centre: tuple[float, float], radius: float, colour: Colour, strength: float) -> None:
    """Add light around a place, in place: a Gaussian of standard deviation ``radius`` pixels."""
    height, width = picture.shape[:2]
    step = 8
    across = np.exp(-((np.arange(0, width, step) + step / 2 - centre[0]) ** 2) / (2 * radius * radius))
    down = np.exp(-((np.arange(0, height, step) + step / 2 - centre[1]) ** 2) / (2 * radius * radius))
    falloff = np.outer(down, across) * strength
    light = np.clip(falloff[..., None] * ink(colour) + 0.5, 0, 255).astype(np.uint8)
    cv2.add(picture, cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR), dst=picture)
