"""On the open water: high swells, and the boat that figures there sit in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from pipeline.engines.animatic.backdrop import Layer, Lens, Light
from pipeline.engines.animatic.brush import blend, flat, generator, gouache, ink, line, polygon, ridge, shade
from pipeline.engines.animatic.sheets import Sheet, sheet_of
from pipeline.engines.animatic.words import Colour, Scene

_SEA: Colour = (44, 82, 102)
_FOAM: Colour = (226, 234, 236)


@dataclass(frozen=True, slots=True)
class Boat:
    """A boat in two sheets: what is behind the people in it, and the side that hides their legs.

    Attributes:
        behind: See above.
        before: See above.
        middle: Column of its middle on the stage.
        water: Row of its waterline.
        swing: How far the sea lifts it and lets it sink, in pixels.
    """

    behind: Sheet
    before: Sheet
    middle: float
    water: float
    swing: float

    def bob(self, seconds: float) -> float:
        """Return how far the sea has lifted it, in pixels downwards."""
        return self.swing * (0.75 * math.sin(1.5 * seconds) + 0.25 * math.sin(2.7 * seconds + 1))


def swing_of(lens: Lens, tall: float) -> float:
    """Return how far the sea lifts people of a height, and lets them sink, in pixels.

    It grows with them, but a face that is seen from near has to stay in the frame.
    """
    return 0.08 * min(tall, lens.frame_height)


def boat(lens: Lens, light: Light, x: float, feet: float, tall: float, colour: Colour | None) -> Boat:
    """Return a small rowing boat with a sail around people of a height, whose feet would stand at (x, feet)."""
    hull = light.lit(colour or (66, 106, 84), 0.05)
    canvas = light.lit((226, 216, 192), 0.08)
    wood = light.lit((112, 82, 58), 0.05)
    back, back_alpha = _empty(lens, canvas)
    front, front_alpha = _empty(lens, hull)
    gunwale, keel = feet - 0.3 * tall, feet + 0.06 * tall
    mast = x - 0.3 * tall
    sail = [
        (mast, gunwale - 1.45 * tall),
        (mast - 0.2 * tall, gunwale - 0.9 * tall),
        (mast - 0.78 * tall, gunwale - 0.3 * tall),
        (mast, gunwale - 0.24 * tall),
    ]
    polygon(back, sail, ink(canvas))
    polygon(back_alpha, sail, 255)
    patch = [(mast - 0.1 * tall, gunwale - 0.75 * tall), (mast - 0.27 * tall, gunwale - 0.66 * tall)]
    patch += [(mast - 0.23 * tall, gunwale - 0.5 * tall), (mast - 0.07 * tall, gunwale - 0.56 * tall)]
    polygon(back, patch, ink(shade(canvas, 0.78)))
    for target, tone in ((back, ink(wood)), (back_alpha, 255)):
        line(target, [(mast, gunwale + 0.1 * tall), (mast, gunwale - 1.5 * tall)], tone, max(2.0, 0.035 * tall))
        line(
            target,
            [(mast, gunwale - 0.22 * tall), (mast - 0.82 * tall, gunwale - 0.28 * tall)],
            tone,
            max(1.0, 0.02 * tall),
        )
        line(
            target,
            [(mast, gunwale - 1.45 * tall), (x + 1.15 * tall, gunwale - 0.14 * tall)],
            tone,
            max(1.0, 0.008 * tall),
        )
    far = [
        (x - 0.9 * tall, gunwale - 0.05 * tall),
        (x + 1.1 * tall, gunwale - 0.1 * tall),
        (x + 0.9 * tall, keel),
        (x - 0.7 * tall, keel),
    ]
    polygon(back, far, ink(shade(hull, 0.55)))
    polygon(back_alpha, far, 255)
    side = _bow(x, tall, gunwale, keel)
    polygon(front, side, ink(hull))
    polygon(front_alpha, side, 255)
    rail = side[:7]
    line(front, rail, ink(shade(wood, 1.15)), max(2.0, 0.04 * tall))
    line(front_alpha, rail, 255, max(2.0, 0.04 * tall))
    for share in (0.4, 0.72):
        plank = [(px, gunwale + (keel - gunwale) * share + (py - gunwale) * (1 - share)) for px, py in rail]
        line(front, plank, ink(shade(hull, 0.78)), max(1.0, 0.012 * tall))
    foam = ink(light.lit(_FOAM, 0.05))
    for k in range(22):
        px = x + tall * (-0.95 + 2.05 * k / 21)
        spot = np.array([(-0.1, 0.0), (0.0, -0.035), (0.1, 0.0), (0.0, 0.03)]) * tall + (px, keel - 0.02 * tall)
        polygon(front, spot, foam)
        polygon(front_alpha, spot, 235)
    return Boat(sheet_of(back, back_alpha), sheet_of(front, front_alpha), x, keel, swing_of(lens, tall))


def _empty(lens: Lens, colour: Colour) -> tuple[np.ndarray, np.ndarray]:
    return flat(lens.width, lens.height, colour), np.zeros((lens.height, lens.width), np.uint8)


def _bow(x: float, tall: float, gunwale: float, keel: float) -> list[tuple[float, float]]:
    """Return the near side of a clinker boat, its bow to the right; the first seven points are its rail."""
    rail = [(-0.95, -0.06), (-0.6, 0.0), (-0.2, 0.03), (0.2, 0.03), (0.6, 0.0), (0.95, -0.07), (1.2, -0.17)]
    points = [(x + a * tall, gunwale + b * tall) for a, b in rail]
    return [*points, (x + 0.95 * tall, keel), (x - 0.75 * tall, keel)]


def swells(scene: Scene, lens: Lens, light: Light, detail: Generator) -> list[Layer]:
    """Return waves, back to front; in a storm they are high and their crests are white."""
    rough = {"storm": 1.0, "rain": 0.6, "snow": 0.6}.get(scene.weather, 0.35)
    found: list[Layer] = []
    spans = ((0.14, 0.35, 0.5), (0.34, 0.55, 0.28), (0.86, 0.96, 0.0))
    span = lens.height - lens.horizon
    for index, (share, depth, away) in enumerate(spans):
        rng = generator(scene.geometry, 90 + index)
        colour = light.lit(blend(_SEA, (26, 48, 66), 0.4 - away * 0.5), away)
        picture, alpha = _empty(lens, colour)
        base = max(lens.horizon + share * span, lens.row(0.9) if index == 2 else 0.0)
        xs = np.arange(-6.0, lens.width + 7, 6.0)
        world = (xs - lens.width / 2) / lens.unit
        high = (0.02 + 0.075 * rough * (0.35 + share)) * lens.frame_height
        lift = high * (
            0.75 * np.abs(np.sin(world * (4.2 - 2.2 * share) + index * 1.9)) ** 1.4
            + 0.5 * ridge(rng, world * 1.7, 0.5, 4)
        )
        crest = np.stack([xs, base - lift], axis=-1)
        body = np.concatenate([crest, [[lens.width + 9, lens.height + 9], [-9, lens.height + 9]]])
        polygon(alpha, body, 255)
        top = max(0.0, (base - high * 1.4) / lens.height)
        gouache(
            picture,
            detail,
            count=340,
            length=lens.size(0.05),
            thickness=lens.size(0.009),
            jitter=8,
            window=(0, min(0.97, top), 1, 1),
        )
        foam = ink(light.lit(_FOAM, away * 0.8))
        for k in np.flatnonzero(lift > np.quantile(lift, 0.8 - 0.25 * rough))[:-1]:
            line(picture, np.add(crest[k : k + 2], (0, 1)), foam, max(1.0, lens.size(0.004 + 0.004 * rough)))
            if detail.random() < 0.22 * rough:
                streak = crest[k] + np.array([[0, 2], [-6, 10 + 0.3 * high], [3, 6]])
                polygon(picture, streak, foam)
        found.append(Layer(picture, np.asarray(cv2.blur(alpha, (3, 3)), np.uint8), depth))
    return found
