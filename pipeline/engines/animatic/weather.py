"""What moves over the whole picture: rain, snow, fog, glitter on water, lightning, grain.

Each is a texture painted once and shifted per frame; the planes are changed in place.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from pipeline.engines.animatic.brush import generator, line, noise, polygon
from pipeline.engines.animatic.sheets import Canvas, lighten_plane
from pipeline.engines.animatic.words import Scene


class Grain:
    """Paper grain that lives: a tile of lightness that is laid at another place every third frame."""

    HOLD = 3  # frames; those between cost the encoder nothing

    def __init__(self, width: int, height: int, seed: int, strength: float = 2.2) -> None:
        """Make the tile; ``strength`` is its standard deviation in 8-bit steps.

        The spots are three pixels wide: finer grain does not survive the encoder's quantiser, and a
        still picture would come out frozen.
        """
        self._offsets = generator(seed, 91).integers(0, 32, (256, 2))
        side = 256
        tooth: Any = generator(seed, 90).integers(-128, 128, (side, side), dtype=np.int8)
        wide = np.pad(tooth.astype(np.float32), 16, mode="wrap")  # so that the tile has no seam
        soft = np.asarray(cv2.GaussianBlur(wide, (0, 0), 3.0))[16:-16, 16:-16]
        self._lift = round(3 * strength)
        spread = soft * (strength / max(1e-3, float(soft.std()))) + (self._lift + 0.5)
        tile = np.clip(spread, 0, 255).astype(np.uint8)
        self._tile = np.tile(tile, (-(-(height + 32) // side), -(-(width + 32) // side)))

    def over(self, canvas: Canvas, index: int) -> None:
        """Lay the grain of a frame."""
        height, width = canvas.y.shape
        x, y = self._offsets[(index // self.HOLD) % 256]
        cv2.add(canvas.y, self._tile[y : y + height, x : x + width], dst=canvas.y)
        lighten_plane(canvas.y, -self._lift)


class Rain:
    """Streaks in two distances, falling aslant, drawn on twos.

    They are as soft as a brush draws them: painted at half size. A streak that is in another place in
    each frame is what the encoder has most work with, so there are twelve drawings a second, as
    animators draw rain, and few streaks but long ones.
    """

    _PER_S = 12

    def __init__(self, width: int, height: int, seed: int, *, heavy: bool) -> None:
        rng = generator(seed, 31)
        scale = min(width, height)
        lean = 0.28 if heavy else 0.14
        self._sheets: list[tuple[Any, float, int]] = []
        for count, long, bright, speed in ((110, 0.055, 25, 1.5), (50, 0.11, 33, 2.7)):
            tall = height + round(0.12 * height) & ~1
            streaks = rng.random((int(count * (1.7 if heavy else 1)), 3))
            length = scale * long * (0.6 + 0.8 * streaks[:, 2])
            start = streaks[:, :2] * (width, tall)
            ends = np.stack([start, start + np.stack([-lean * length, length], axis=-1)], axis=1) / 2
            tile = np.zeros((tall // 2, width // 2), np.uint8)
            for streak, k in zip(ends, streaks[:, 2].tolist(), strict=True):
                line(tile, streak, bright * (0.5 + k), scale * 0.0014)
                if streak[1, 1] + 1 > tile.shape[0]:  # the tile has no seam
                    line(tile, streak - (0, tile.shape[0]), bright * (0.5 + k), scale * 0.0014)
            large = cv2.resize(np.vstack([tile, tile]), (width, 2 * tall), interpolation=cv2.INTER_LINEAR)
            self._sheets.append((large, speed * height, tall))

    def over(self, canvas: Canvas, seconds: float) -> None:
        """Lay the rain at a time."""
        height = canvas.y.shape[0]
        drawn = math.floor(seconds * self._PER_S + 1e-6) / self._PER_S
        for tile, speed, tall in self._sheets:
            top = round(tall - (speed * drawn) % tall)
            cv2.add(canvas.y, tile[top : top + height], dst=canvas.y)


class Snow:
    """Flakes in three distances, swaying."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        rng = generator(seed, 32)
        scale = min(width, height)
        self._margin = round(0.02 * width) + 2
        self._sheets: list[tuple[Any, float, float, float]] = []
        for count, size, bright, speed in ((240, 0.0018, 60, 0.09), (110, 0.0035, 90, 0.16), (34, 0.007, 80, 0.27)):
            tall = height + round(0.1 * height)
            tile = np.zeros((tall, width + 2 * self._margin), np.uint8)
            for x, y, k in rng.random((count, 3)).tolist():
                radius = max(1, round(scale * size * (0.6 + 0.8 * k) * 8))
                for wrap in (0, -tall):
                    at = (round(x * tile.shape[1] * 8), round((y * tall + wrap) * 8))
                    cv2.circle(tile, at, radius, bright, -1, cv2.LINE_AA, 3)
            if size > 0.004:
                tile = cv2.GaussianBlur(tile, (0, 0), scale * 0.002)
            self._sheets.append((np.vstack([tile, tile]), speed * height, tall, 6.28 * float(rng.random())))

    def over(self, canvas: Canvas, seconds: float) -> None:
        """Lay the snow at a time."""
        height, width = canvas.y.shape
        for tile, speed, tall, phase in self._sheets:
            top = tall - (speed * seconds) % tall
            left = self._margin * (1 + 0.8 * math.sin(0.7 * seconds + phase))
            flakes = cv2.getRectSubPix(tile, (width, height), (left + (width - 1) / 2, top + (height - 1) / 2))
            cv2.add(canvas.y, flakes, dst=canvas.y)


class Fog:
    """Banks that drift through the picture, thickest around the horizon."""

    def __init__(self, width: int, height: int, seed: int, horizon: float, luma: float, strength: float) -> None:
        rng = generator(seed, 33)
        self._width = width
        w, h = width // 4 + 8, height // 4
        banks = np.clip(0.55 + 0.5 * noise(rng, w * 2, h, h * 0.3, 3, 3.5), 0, 1)
        rows = (np.arange(h) / h)[:, None]
        where = np.exp(-(((rows - horizon) / 0.24) ** 2))
        alpha = (255 * strength * banks * where).astype(np.uint8)
        large: Any = cv2.resize(alpha, (width * 2, height), interpolation=cv2.INTER_LINEAR)
        self._clear: Any = cv2.bitwise_not(large)
        self._colour: Any = cv2.convertScaleAbs(large, alpha=int(luma) / 255)
        self._speed = 0.02 * width
        thick = np.flatnonzero(large.max(axis=1) > 2)  # where there is less, nobody sees it
        self._rows = (int(thick[0]), int(thick[-1]) + 1) if thick.size else (0, 0)

    def over(self, canvas: Canvas, seconds: float) -> None:
        """Lay the fog at a time."""
        width = canvas.y.shape[1]
        # Banks are so soft that whole pixels do: nobody sees half a pixel of fog.
        left = min(width, round(self._speed * seconds))
        top, bottom = self._rows
        if top == bottom:
            return
        window = (slice(top, bottom), slice(left, left + width))
        area = canvas.y[top:bottom]
        cv2.add(cv2.multiply(area, self._clear[window], scale=1 / 255), self._colour[window], dst=area)


class Glitter:
    """Sparks on water: two textures that slide over each other; where both are bright, light flashes."""

    def __init__(self, width: int, height: int, seed: int, strength: float) -> None:
        rng = generator(seed, 34)
        self._margin = max(4, width // 20)
        self._tiles: list[Any] = []
        for stretch in (6.0, 9.0):
            across, down = (width + 2 * self._margin) // 2, max(4, height) // 2
            field = noise(rng, across, down, max(2.0, down * 0.014), 2, stretch)
            small = np.clip(field * strength * 1.6, 0, 255).astype(np.uint8)
            size = (width + 2 * self._margin, max(4, height))
            self._tiles.append(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))

    def over(self, canvas: Canvas, top: int, seconds: float, left: int = 0) -> None:
        """Lay the sparks from a row of the frame downwards; the frame begins at a column of the texture."""
        height, width = canvas.y.shape
        rows = min(height - top, self._tiles[0].shape[0])
        if rows < 4 or top < 0:
            return
        sway = [round(self._margin * (1 + 0.9 * math.sin(0.9 * seconds + k * 2.4) * (1 - 2 * k))) for k in (0, 1)]
        one, two = (
            tile[:rows, left + slid : left + slid + width] for tile, slid in zip(self._tiles, sway, strict=True)
        )
        area = canvas.y[top : top + rows]
        cv2.add(area, cv2.min(one, two), dst=area)


class Beam:
    """The beam of a lamp that turns: a soft wedge of light on either side, swept through the picture.

    Drawn on twos, if the camera doesn't carry the lamp along: it turns too slowly to show that.
    """

    _SMALL = 4
    _PER_S = 12
    _NEAR = 1.0  # pixels that the lamp may have moved since it was drawn

    def __init__(self, width: int, height: int, seed: int, at: tuple[float, float, float]) -> None:
        self._size = (width, height)
        self._at = at
        self._start = float(generator(seed, 36).uniform(0.0, 1.0))
        self._drawn = (-1, 0.0, 0.0)
        self._top = 0
        self._light: Any = None

    def over(self, canvas: Canvas, seconds: float, scale: float, dx: float, dy: float) -> None:
        """Lay the light at a time, with the camera's placement of the lamp's depth."""
        x, y = scale * self._at[0] + dx, scale * self._at[1] + dy
        drawing = math.floor(seconds * self._PER_S + 1e-6)
        known, old_x, old_y = self._drawn
        if known != drawing or math.hypot(x - old_x, y - old_y) > self._NEAR:
            self._drawn = (drawing, x, y)
            self._draw(drawing / self._PER_S, x / self._SMALL, y / self._SMALL, scale * self._at[2] / self._SMALL)
        if self._light is not None:
            area = canvas.y[self._top : self._top + self._light.shape[0]]
            cv2.add(area, self._light, dst=area)

    def _draw(self, seconds: float, x: float, y: float, radius: float) -> None:
        """Draw the light of a lamp at (x, y), all in pixels of a small picture, and keep the rows it is in."""
        width, height = (side // self._SMALL for side in self._size)
        turn = 0.55 * seconds + self._start
        cos, sin = math.cos(turn), math.sin(turn)
        mask = np.zeros((height, width), np.uint8)
        for side in (-1, 1):
            # As it turns past the viewer the beam widens and pales, and its end goes up on one side, down on the other.
            reach = side * width * 1.2
            spread = radius * 0.5 + (0.08 + 0.22 * sin * sin) * abs(reach)
            tilt = side * sin * cos * 0.5 * height
            strength = 46 * cos * cos + 4
            wedge = [
                (x, y - radius * 0.4),
                (x + reach, y - spread + tilt),
                (x + reach, y + spread * 0.7 + tilt),
                (x, y + radius * 0.4),
            ]
            polygon(mask, wedge, strength)
        across = max(3, width // 40) | 1
        soft = cv2.blur(mask, (across, across))
        _, top, _, down = cv2.boundingRect(soft)
        self._light = None
        if not down:
            return
        # Where the wedge is not, no row has to be enlarged; one more on either side keeps its edge as it is.
        first, last = max(0, top - 1), min(height, top + down + 1)
        small = self._SMALL
        rows = (last - first) * small if last < height else self._size[1] - first * small
        self._top = first * small
        self._light = cv2.resize(soft[first:last], (self._size[0], rows), interpolation=cv2.INTER_LINEAR)


def lightning(scene: Scene, frames: int, rate: float, seed: int) -> dict[int, int]:
    """Return the extra lightness by frame: one strike with its after-glow, in storms only."""
    if scene.weather != "storm" or scene.interior or frames / rate < 1.5:
        return {}
    at = int(frames * float(generator(seed, 35).uniform(0.3, 0.6)))
    tail = max(3, round(rate * 0.4))
    return {at + k: round(46 * math.exp(-3.2 * k / tail)) for k in range(tail) if at + k < frames}
