"""What painters hand on: layers by depth, the light, and where a figure may stand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from pipeline.engines.animatic.brush import blend, shade
from pipeline.engines.animatic.sheets import Picture, Plane, half_of, planes_of
from pipeline.engines.animatic.words import Colour, Scene

HORIZON: Mapping[str, float] = {
    "low": 0.74,
    "worms-eye": 0.84,
    "high": 0.3,
    "overhead": 0.1,
    "dutch": 0.6,
    "rear": 0.54,
}
"""Height of the horizon by camera angle, as a share of the frame; 0.57 at eye level."""
NEARNESS: Mapping[str, float] = {
    "extreme-wide": 0.72,
    "wide": 0.95,
    "full": 1.1,
    "medium-wide": 1.3,
    "medium": 1.5,
    "medium-close-up": 1.9,
    "close-up": 2.3,
    "extreme-close-up": 2.8,
    "two-shot": 1.4,
    "over-the-shoulder": 1.7,
}
"""How large the place is drawn, by shot size."""

_SKIES: Mapping[str, tuple[Colour, Colour, Colour]] = {
    "dawn": ((96, 122, 160), (222, 170, 152), (255, 224, 178)),
    "day": ((84, 138, 186), (146, 188, 212), (226, 234, 226)),
    "sunset": ((78, 78, 124), (222, 122, 88), (255, 204, 122)),
    "dusk": ((38, 50, 88), (98, 90, 134), (222, 148, 122)),
    "night": ((20, 29, 56), (34, 50, 84), (70, 90, 122)),
}
_GREYS: Mapping[str, tuple[Colour, float]] = {
    "cloud": ((182, 190, 196), 0.35),
    "rain": ((126, 136, 146), 0.68),
    "storm": ((72, 82, 96), 0.78),
    "snow": ((204, 211, 220), 0.62),
    "fog": ((206, 210, 208), 0.7),
}
_BRIGHT: Mapping[str, float] = {"dawn": 0.92, "day": 1.0, "sunset": 0.88, "dusk": 0.55, "night": 0.36}
_SUNS: Mapping[str, tuple[Colour, float]] = {
    # colour, height above the horizon in frame heights
    "dawn": ((255, 226, 176), 0.07),
    "day": ((255, 248, 226), 0.44),
    "sunset": ((255, 196, 112), 0.05),
    "dusk": ((255, 170, 120), -0.04),
    "night": ((226, 234, 248), 0.38),
}


@dataclass(slots=True)
class Layer:
    """One painted layer.

    Attributes:
        picture: BGR, the stage's size.
        alpha: Same size, or ``None`` if it covers the stage.
        depth: 0 infinitely far, 1 nearest.
        drift: Own movement in pixels per second (clouds).
    """

    picture: Picture
    alpha: Plane | None
    depth: float
    drift: float = 0.0


@dataclass(frozen=True, slots=True)
class Lens:
    """How the world is seen on the stage.

    Attributes:
        width: Stage in pixels, even.
        height: Stage in pixels, even.
        frame_width: Frame in pixels.
        frame_height: Frame in pixels.
        horizon: Row of the horizon on the stage.
        unit: Pixels per world unit (a frame height in a wide shot) at the middle distance.
    """

    width: int
    height: int
    frame_width: float
    frame_height: float
    horizon: float
    unit: float

    @property
    def left(self) -> float:
        """Column of the stage where the composed frame begins."""
        return (self.width - self.frame_width) / 2

    @property
    def top(self) -> float:
        """Row of the stage where the composed frame begins."""
        return (self.height - self.frame_height) / 2

    def world(self, step: float = 1.0) -> Any:
        """Return the world places of the stage's columns, every ``step`` pixels."""
        columns = np.arange(-step, self.width + step + 1, step)
        return (columns - self.width / 2) / self.unit

    def column(self, world: float) -> float:
        """Return the column of a world place."""
        return self.width / 2 + world * self.unit

    def row(self, share: float) -> float:
        """Return the row at a share of the composed frame's height."""
        return self.top + share * self.frame_height

    def size(self, share: float) -> float:
        """Return a length given as a share of the frame's shorter side, in pixels."""
        return share * min(self.frame_width, self.frame_height)


@dataclass(frozen=True, slots=True)
class Light:
    """The light of a scene: its source on the stage and what it does to colours."""

    x: float
    y: float
    colour: Colour
    sky: tuple[Colour, Colour, Colour]
    bright: float

    @property
    def haze(self) -> Colour:
        """Colour that distance takes on."""
        return self.sky[2]

    def lit(self, local: Colour, distance: float = 0.0) -> Colour:
        """Return a local colour in this light, veiled by distance (0 near to 1 far)."""
        tint = blend((255, 255, 255), self.colour, 0.35)
        r, g, b = (part * glow / 255 * self.bright for part, glow in zip(local, tint, strict=True))
        cool = blend((r, g, b), self.sky[0], 0.12)
        return blend(cool, self.haze, distance)


@dataclass(slots=True)
class Backdrop:
    """A painted place.

    Attributes:
        layers: Back to front.
        light: Its light.
        ground: Row where a figure's feet stand, on the stage.
        water: First and last row of open water that glitters, on the stage, or ``None``.
        lamps: Places (x, y, radius) that glow, for reflections and flicker.
        beam: The lamp (x, y, radius) whose beam turns, if one does.
    """

    layers: list[Layer]
    light: Light
    ground: float
    water: tuple[float, float] | None = None
    lamps: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])
    beam: tuple[float, float, float] | None = None


def lens_for(scene: Scene, width: int, height: int, frame_width: int, frame_height: int) -> Lens:
    """Return the lens of a scene on a stage."""
    share = HORIZON.get(scene.angle, 0.57)
    top = (height - frame_height) / 2
    unit = frame_height * NEARNESS.get(scene.size, 1.3) * min(1.0, 0.6 + 0.4 * frame_width / frame_height)
    return Lens(width, height, frame_width, frame_height, top + share * frame_height, unit)


def light_for(scene: Scene, lens: Lens) -> Light:
    """Return the light of a scene out of doors; the place decides on which side the sun is."""
    side = 1 if scene.geometry & 1 else -1
    offset = 0.14 + (scene.geometry >> 3 & 15) / 15 * 0.18
    colour, high = _SUNS[scene.hour]
    grey, share = _GREYS.get(scene.weather, ((0, 0, 0), 0.0))
    bright = _BRIGHT[scene.hour]
    top, middle, low = _SKIES[scene.hour]
    dim = shade(grey, 0.28 + 0.72 * bright)
    sky = (blend(top, dim, share), blend(middle, dim, share), blend(low, dim, share * 0.8))
    if scene.weather == "storm":
        bright *= 0.72
    return Light(
        x=lens.width / 2 + side * offset * lens.frame_width,
        y=lens.horizon - high * lens.frame_height * min(1.0, lens.horizon / (0.5 * lens.height)),
        colour=blend(colour, dim, share * 0.7),
        sky=sky,
        bright=0.3 + 0.7 * bright,
    )


_GRADED = 0.28  # how far a picture is drawn towards the palette


def graded(picture: Picture, palette: tuple[Colour, ...], share: float = _GRADED) -> Picture:
    """Return a picture drawn towards the palette: its lightness kept, its hues on the palette's ramp."""
    if not palette or share <= 0:
        return picture
    ramp = ramp_of(palette)
    luma: Any = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    toned: Any = cv2.LUT(cv2.merge([luma, luma, luma]), ramp)
    return np.asarray(cv2.addWeighted(picture, 1 - share, toned, share, 0), np.uint8)


def graded_planes(
    planes: tuple[Plane, Plane, Plane], palette: tuple[Colour, ...], share: float = _GRADED
) -> tuple[Plane, Plane, Plane]:
    """Return the same of planes as ``planes_of`` makes them: a table for each, all by the luma."""
    if not palette or share <= 0:
        return planes
    luma, cb, cr = planes
    # The ramp as 128 rows and 512 columns of equal colours, so that chroma at half size has one for each level.
    ramp = ramp_of(palette).repeat(2, axis=1).repeat(2, axis=0)
    level, blue, red = (plane[0].astype(np.float64) for plane in planes_of(ramp))
    levels = np.arange(256)
    at = np.clip((levels - 16) * (255 / 219), 0, 255)
    table = (1 - share) * levels + share * np.interp(at, levels, level[::2])
    small = half_of(luma)
    tinted: list[Any] = [cv2.LUT(luma, np.round(table).astype(np.uint8))]
    for plane, tone in ((cb, blue), (cr, red)):
        hue = cv2.LUT(small, np.round(np.interp(at, levels, tone)).astype(np.uint8))
        tinted.append(cv2.addWeighted(plane, 1 - share, hue, share, 0))
    return tinted[0], tinted[1], tinted[2]


def ramp_of(palette: tuple[Colour, ...]) -> Any:
    """Return a table (1, 256, 3), BGR: the palette's hue at each lightness, sorted dark to light."""

    def luma(colour: Colour) -> float:
        return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]

    ordered = sorted(palette, key=luma)
    levels = np.arange(256, dtype=np.float64)
    if len(ordered) == 1:
        chroma = np.repeat(np.array([ordered[0]]) - luma(ordered[0]), 256, axis=0)
    else:
        at = np.array([luma(colour) for colour in ordered]) + np.arange(len(ordered)) * 1e-3
        parts = np.array(ordered) - at[:, None]
        chroma = np.stack([np.interp(levels, at, parts[:, k]) for k in range(3)], axis=-1)
    room = np.sin(np.pi * np.clip(levels / 255, 0.0, 1.0)) ** 0.6
    table = np.clip(levels[:, None] + chroma * room[:, None], 0, 255)
    return np.ascontiguousarray(table[None, :, ::-1].astype(np.uint8))


def unit_noise(index: int, key: int) -> float:
    """Return a number in 0..1 for an index: a lattice that needs no generator."""
    return math.modf(abs(math.sin(index * 127.1 + (key % 9973) * 0.317) * 43758.5453))[0]
