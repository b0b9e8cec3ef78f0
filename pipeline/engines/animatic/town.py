"""What people built, and what lies beyond: streets, skylines, quays, roads, and the ground of a moon."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.random import Generator

from pipeline.engines.animatic.backdrop import Layer, Lens, Light, unit_noise
from pipeline.engines.animatic.brush import blend, disc, flat, generator, glow, gouache, ink, line, polygon, shade
from pipeline.engines.animatic.sheets import Picture, Plane
from pipeline.engines.animatic.words import Colour, Scene

_FACADES: tuple[Colour, ...] = (
    (176, 122, 98),
    (196, 170, 134),
    (132, 128, 132),
    (150, 104, 92),
    (112, 124, 132),
    (204, 186, 158),
    (98, 104, 116),
)
_LAMP: Colour = (255, 214, 142)
_SIGNS: tuple[Colour, ...] = ((222, 84, 96), (84, 186, 196), (240, 178, 84), (176, 112, 206))


def paint(
    scene: Scene, lens: Lens, light: Light, back: Picture, detail: Generator, lamps: list[tuple[float, float, float]]
) -> list[Layer]:
    """Paint the built layers of a place; street and quay go on the back plate where they lie flat."""
    if scene.place == "space":
        _craters(back, lens, light, generator(scene.geometry, 60))
        return []
    if scene.place == "harbour":
        return [_skyline(scene, lens, light, 0.45, 0.16, 0.32), _quay(scene, lens, light, detail, lamps)]
    layers = [_skyline(scene, lens, light, 0.62, 0.62, 0.12), _skyline(scene, lens, light, 0.36, 0.46, 0.22)]
    if scene.place == "street":
        layers.append(_street(scene, lens, light, back, detail, lamps))
    else:
        layers.append(_terrace(scene, lens, light, detail))
    return layers


def _layer(lens: Lens, colour: Colour) -> tuple[Picture, Plane]:
    return flat(lens.width, lens.height, colour), np.zeros((lens.height, lens.width), np.uint8)


def _skyline(scene: Scene, lens: Lens, light: Light, distance: float, tall: float, depth: float) -> Layer:
    """A row of houses or towers against the sky, its windows lit after dark."""
    rng = generator(scene.geometry, round(distance * 100))
    base = lens.horizon + lens.size(0.012)
    if scene.place == "city":
        base = max(base, lens.row(0.74))  # the town goes on below the parapet
    picture, alpha = _layer(lens, light.lit(_FACADES[2], distance))
    every = 0.085
    first = math.floor(-lens.width / 2 / lens.unit / every) - 2
    last = math.ceil(lens.width / 2 / lens.unit / every) + 2
    key = scene.geometry + round(distance * 1000)
    for k in range(first, last + 1):
        high = tall * (0.3 + 0.9 * unit_noise(k, key) ** 1.8) * lens.unit
        x0 = lens.column((k + 0.2 * unit_noise(k, key + 1)) * every)
        x1 = x0 + every * lens.unit * (0.86 + 0.5 * unit_noise(k, key + 2))
        colour = light.lit(_FACADES[int(unit_noise(k, key + 3) * 6.99)], distance)
        y0 = base - high
        _block(picture, alpha, x0, y0, x1, base + lens.size(0.02), colour, light)
        if unit_noise(k, key + 4) > 0.7:
            mast = x0 + (x1 - x0) * 0.5
            for target, tone in ((picture, ink(shade(colour, 0.8))), (alpha, 255)):
                line(target, [(mast, y0), (mast, y0 - high * 0.16)], tone, max(1.0, lens.size(0.003)))
        _panes(picture, scene, lens, light, (x0, y0, x1, base), colour, rng, distance)
    top = max(0.0, (base - tall * 1.25 * lens.unit) / lens.height)
    bottom = min(1.0, base / lens.height)
    if bottom > top:
        gouache(
            picture,
            rng,
            count=520,
            length=lens.size(0.016),
            thickness=lens.size(0.006),
            angle=1.5,
            jitter=4,
            window=(0, top, 1, bottom),
        )
    return Layer(picture, alpha, depth)


def _block(
    picture: Picture, alpha: Plane, x0: float, y0: float, x1: float, y1: float, colour: Colour, light: Light
) -> None:
    shape = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    polygon(picture, shape, ink(colour))
    polygon(alpha, shape, 255)
    side = x1 if light.x < (x0 + x1) / 2 else x0
    inner = side + (x0 - x1) * 0.24 * (1 if side == x1 else -1)
    polygon(picture, [(side, y0), (inner, y0), (inner, y1), (side, y1)], ink(shade(colour, 0.84)))


def _panes(
    picture: Picture,
    scene: Scene,
    lens: Lens,
    light: Light,
    box: tuple[float, float, float, float],
    colour: Colour,
    rng: Generator,
    distance: float,
) -> None:
    x0, y0, x1, y1 = box
    step = lens.unit * 0.0235
    columns = max(2, int((x1 - x0) / step) - 1)
    rows = min(30, int((y1 - y0) / (step * 1.35)))
    lit = 0.42 if scene.dark else 0.1 if scene.weather in {"rain", "storm"} else 0.0
    chance = rng.random((rows + 1, columns + 1))
    for row in range(rows):
        y = y0 + step * (0.7 + 1.35 * row)
        for column in range(columns):
            x = x0 + step * 0.6 + (x1 - x0 - step * 1.2) * (column + 0.1) / columns
            if chance[row, column] < lit:
                tone = blend(_LAMP, light.haze, distance * 0.4)
            elif chance[row, column] > 0.25:
                tone = shade(colour, 0.72)
            else:
                continue
            polygon(
                picture,
                [(x, y), (x + step * 0.5, y), (x + step * 0.5, y + step * 0.72), (x, y + step * 0.72)],
                ink(tone),
            )


def _street(
    scene: Scene, lens: Lens, light: Light, back: Picture, detail: Generator, lamps: list[tuple[float, float, float]]
) -> Layer:
    """House fronts on both sides running to the vanishing point, pavement, lamps; wet if it rains."""
    rng = generator(scene.geometry, 61)
    picture, alpha = _layer(lens, light.lit(_FACADES[2], 0.2))
    vx, vy = lens.width / 2 + (0.5 - (scene.geometry >> 5 & 7) / 7) * 0.2 * lens.frame_width, lens.horizon
    road(back, scene, lens, light, vanishing=vx)
    for side in (-1, 1):
        near = 1.0
        for k in range(6):
            far = near * 0.62
            _front(picture, alpha, scene, lens, light, rng, (vx, vy, side, near, far, k))
            near = far
    for side in (-1, 1):
        for k, scale in enumerate((0.78, 0.42, 0.23)):
            x = vx + side * lens.unit * 0.62 * scale
            y = vy + lens.unit * 0.34 * scale
            tall = lens.unit * 0.62 * scale
            dark = ink(light.lit((46, 48, 52), 0.1 * k))
            for target, tone in ((picture, dark), (alpha, 255)):
                line(
                    target,
                    [(x, y), (x, y - tall), (x - side * tall * 0.16, y - tall)],
                    tone,
                    max(1.0, lens.unit * 0.014 * scale),
                )
                disc(
                    target,
                    (x - side * tall * 0.16, y - tall + 2),
                    lens.unit * 0.026 * scale,
                    tone if target is alpha else ink(_LAMP),
                    0.7,
                )
            lamps.append((x - side * tall * 0.16, y - tall, lens.unit * 0.1 * scale))
    if scene.dark or scene.weather in {"rain", "storm"}:
        for x, y, radius in lamps:
            glow(picture, (x, y), radius * 2.2, _LAMP, 0.4)
            glow(back, (x, y), radius * 2.2, _LAMP, 0.4)
    gouache(picture, detail, count=900, length=lens.size(0.011), thickness=lens.size(0.0035), angle=1.5, jitter=6)
    if scene.weather in {"rain", "storm", "snow"} or scene.dark:
        _reflections(back, scene, lens, lamps, detail)
    return Layer(picture, alpha, 0.4)


def _front(
    picture: Picture,
    alpha: Plane,
    scene: Scene,
    lens: Lens,
    light: Light,
    rng: Generator,
    spot: tuple[float, float, int, float, float, int],
) -> None:
    """Paint one house front.

    Its spot is the vanishing point (x, y), the side (-1 or 1), its near and far end (1 is at the
    frame's edge, 0 at the vanishing point), and its number from the front.
    """
    vx, vy, side, near, far, index = spot
    wide, high, low = lens.unit * 0.98 * side, lens.unit * (0.72 + 0.5 * float(rng.random())), lens.unit * 0.42

    def at(share: float, up: float) -> tuple[float, float]:
        """Place a point on the front: share 0 near to 1 far, up 0 ground to 1 roof."""
        scale = near * (far / near) ** share
        return (vx + wide * scale, vy + (low - (low + high) * up) * scale)

    reach = 1.9 if index == 0 else 1.0  # the nearest runs out of the frame
    edge = -1.2 if index == 0 else 0.0
    colour = light.lit(_FACADES[int(rng.integers(len(_FACADES)))], 0.05 + 0.1 * index)
    lit_side = (side > 0) == (light.x < vx)
    colour = shade(colour, 1.0 if lit_side else 0.82)
    shape = [at(edge, 0), at(1, 0), at(1, 1), at(edge, 1)]
    polygon(picture, shape, ink(colour))
    polygon(alpha, shape, 255)
    polygon(picture, [at(edge, 0.97), at(1, 0.97), at(1, 1.0), at(edge, 1.0)], ink(shade(colour, 0.75)))
    shop = _SIGNS[int(rng.integers(len(_SIGNS)))]
    glass = blend(_LAMP, shop, 0.15) if scene.dark or scene.weather in {"rain", "storm"} else light.lit((86, 100, 110))
    polygon(picture, [at(edge, 0.05), at(0.92, 0.05), at(0.92, 0.27), at(edge, 0.27)], ink(shade(colour, 0.6)))
    for a in np.linspace(edge + 0.1, 0.72, round(3 * reach)):
        polygon(picture, [at(a, 0.07), at(a + 0.18, 0.07), at(a + 0.18, 0.23), at(a, 0.23)], ink(shade(glass, 0.9)))
    polygon(
        picture,
        [at(edge, 0.27), at(0.95, 0.27), at(0.95, 0.325), at(edge, 0.325)],
        ink(light.lit(shop) if not scene.dark else shade(shop, 0.9)),
    )
    for row in (0.42, 0.58, 0.74, 0.88)[: 3 if high < lens.unit * 0.9 else 4]:
        for a in np.linspace(edge + 0.12, 0.8, round(4 * reach)):
            bright = scene.dark and float(rng.random()) < 0.45
            pane = _LAMP if bright else shade(colour, 0.58)
            polygon(picture, [at(a, row), at(a + 0.1, row), at(a + 0.1, row + 0.085), at(a, row + 0.085)], ink(pane))
            polygon(
                picture,
                [at(a - 0.015, row - 0.008), at(a + 0.115, row - 0.008), at(a + 0.115, row), at(a - 0.015, row)],
                ink(shade(colour, 1.1)),
            )


def _reflections(
    back: Picture, scene: Scene, lens: Lens, lamps: list[tuple[float, float, float]], rng: Generator
) -> None:
    """Streaks of light on wet ground below every lamp."""
    top = lens.horizon
    strength = 1.0 if scene.weather in {"rain", "storm"} else 0.35
    spots = [(x, radius) for x, _, radius in lamps]
    for x, radius in spots:
        for u, v, tone in rng.random((26, 3)).tolist():
            y = top + (lens.height - top) * (0.08 + 0.92 * u)
            half = radius * (0.25 + 0.5 * v) * (0.6 + u)
            row, column = int(min(lens.height - 1, y)), int(min(lens.width - 1, max(0, x)))
            base = back[row, column].astype(float)
            colour = base + (np.array(ink(_LAMP)) - base) * (0.5 * tone * strength * (1 - 0.5 * u))
            disc(back, (x + (v - 0.5) * radius, y), half, colour.tolist(), 0.12)


def _terrace(scene: Scene, lens: Lens, light: Light, detail: Generator) -> Layer:
    """The roof or embankment that a view over a city is seen from: floor, parapet, a chimney."""
    picture, alpha = _layer(lens, light.lit((108, 104, 106)))
    y = lens.row(0.8)
    floor = [(-9, y), (lens.width + 9, y), (lens.width + 9, lens.height + 9), (-9, lens.height + 9)]
    polygon(alpha, floor, 255)
    gouache(
        picture,
        detail,
        count=420,
        length=lens.size(0.05),
        thickness=lens.size(0.012),
        jitter=7,
        window=(0, max(0, y / lens.height - 0.02), 1, 1),
    )
    wall = light.lit((138, 122, 112))
    rail = lens.size(0.075)
    shape = [(-9, y - rail), (lens.width + 9, y - rail), (lens.width + 9, y), (-9, y)]
    polygon(picture, shape, ink(wall))
    polygon(alpha, shape, 255)
    gouache(
        picture,
        detail,
        count=150,
        length=lens.size(0.02),
        thickness=lens.size(0.008),
        jitter=9,
        window=(0, (y - rail) / lens.height, 1, min(1, (y - 2) / lens.height)),
    )
    cap = [
        (-9, y - rail * 1.14),
        (lens.width + 9, y - rail * 1.14),
        (lens.width + 9, y - rail * 0.9),
        (-9, y - rail * 0.9),
    ]
    polygon(picture, cap, ink(shade(wall, 1.12)))
    polygon(alpha, cap, 255)
    line(picture, [(-9, y), (lens.width + 9, y)], ink(shade(wall, 0.6)), lens.size(0.006))
    side = 1 if scene.geometry & 8 else -1
    x = lens.width / 2 + side * 0.44 * lens.frame_width
    w, h = lens.size(0.07), lens.size(0.34)
    stack = [(x - w, y), (x - w, y - h), (x + w, y - h), (x + w, y)]
    for target, tone in ((picture, ink(light.lit((150, 98, 78)))), (alpha, 255)):
        polygon(target, stack, tone)
    polygon(
        picture,
        [(x - w * 1.15, y - h), (x - w * 1.15, y - h * 1.06), (x + w * 1.15, y - h * 1.06), (x + w * 1.15, y - h)],
        ink(light.lit((120, 78, 64))),
    )
    polygon(
        alpha,
        [(x - w * 1.15, y - h), (x - w * 1.15, y - h * 1.06), (x + w * 1.15, y - h * 1.06), (x + w * 1.15, y - h)],
        255,
    )
    return Layer(picture, alpha, 0.7)


def road(back: Picture, scene: Scene, lens: Lens, light: Light, vanishing: float | None = None) -> None:
    """Paint a road to the vanishing point on the back plate."""
    vx = lens.width / 2 if vanishing is None else vanishing
    vy = lens.horizon
    wet = scene.weather in {"rain", "storm"}
    asphalt = light.lit((112, 110, 112) if not wet else (78, 82, 92))
    if scene.weather == "snow":
        asphalt = light.lit((176, 182, 190))
    far = lens.height * 2.0
    half = far * (1.15 if scene.place == "street" else 0.85)
    if scene.place == "street":
        walk = ink(light.lit((158, 152, 146) if not wet else (112, 114, 122)))
        polygon(back, [(vx, vy), (vx - half * 1.9, vy + far), (vx + half * 1.9, vy + far)], walk)
    polygon(back, [(vx, vy), (vx - half, vy + far), (vx + half, vy + far)], ink(asphalt))
    rng = generator(scene.geometry, 62)
    gouache(
        back,
        rng,
        count=700,
        length=lens.size(0.016),
        thickness=lens.size(0.004),
        jitter=4,
        window=(0, max(0.0, min(0.98, vy / lens.height + 0.02)), 1, 1),
    )
    paint_ = ink(light.lit((232, 226, 206)))
    for k in range(9):
        a, b = 0.03 * 1.75**k, 0.03 * 1.75**k * 1.36
        y0, y1 = vy + far * a * 0.6, vy + far * b * 0.6
        w0, w1 = half * a * 0.016, half * b * 0.016
        polygon(back, [(vx - w0, y0), (vx + w0, y0), (vx + w1, y1), (vx - w1, y1)], paint_)
    if scene.place == "street":
        kerb = ink(shade(asphalt, 0.72))
        for side in (-1, 1):
            line(back, [(vx, vy), (vx + side * half, vy + far)], kerb, lens.size(0.006))


def _quay(scene: Scene, lens: Lens, light: Light, detail: Generator, lamps: list[tuple[float, float, float]]) -> Layer:
    """Fishing boats at their moorings."""
    picture, alpha = _layer(lens, light.lit((96, 84, 78), 0.1))
    for k in range(4):
        share = unit_noise(k, scene.geometry + 70)
        x = lens.column(-0.75 + 0.5 * k + 0.16 * share)
        y = lens.horizon + lens.size(0.07 + 0.07 * unit_noise(k, scene.geometry + 71))
        size = lens.unit * (0.09 + 0.06 * share)
        _boat(picture, alpha, light, (x, y), size, _SIGNS[k % 4], lamps if scene.dark else None)
    gouache(picture, detail, count=240, length=lens.size(0.014), thickness=lens.size(0.005), jitter=5)
    return Layer(picture, alpha, 0.45)


def _boat(
    picture: Picture,
    alpha: Plane,
    light: Light,
    at: tuple[float, float],
    size: float,
    colour: Colour,
    lamps: list[tuple[float, float, float]] | None,
) -> None:
    x, y = at
    hull = light.lit(blend(colour, (120, 90, 76), 0.35), 0.12)
    cabin = light.lit((232, 226, 214), 0.12)
    parts: list[tuple[Any, Colour]] = [
        (
            [
                (x - size * 0.42, y - size * 0.35),
                (x - size * 0.42, y - size * 0.8),
                (x + size * 0.12, y - size * 0.8),
                (x + size * 0.12, y - size * 0.35),
            ],
            cabin,
        ),
        (
            [
                (x - size * 1.05, y - size * 0.4),
                (x - size * 0.85, y),
                (x + size * 0.8, y),
                (x + size * 1.2, y - size * 0.55),
                (x + size * 0.6, y - size * 0.38),
            ],
            hull,
        ),
        (
            [
                (x - size * 0.9, y - size * 0.1),
                (x - size * 0.85, y),
                (x + size * 0.8, y),
                (x + size * 0.88, y - size * 0.1),
            ],
            shade(hull, 0.6),
        ),
    ]
    for shape, tone in parts:
        polygon(picture, shape, ink(tone))
        polygon(alpha, shape, 255)
    window = ink(_LAMP if lamps is not None else light.lit((62, 78, 92)))
    polygon(
        picture,
        [
            (x - size * 0.32, y - size * 0.55),
            (x - size * 0.32, y - size * 0.72),
            (x + size * 0.04, y - size * 0.72),
            (x + size * 0.04, y - size * 0.55),
        ],
        window,
    )
    for target, tone in ((picture, ink(light.lit((70, 58, 52), 0.1))), (alpha, 255)):
        line(target, [(x + size * 0.2, y - size * 0.4), (x + size * 0.2, y - size * 1.7)], tone, max(1.0, size * 0.035))
        line(target, [(x + size * 0.2, y - size * 1.6), (x - size * 0.6, y - size * 0.8)], tone, max(1.0, size * 0.015))
        line(target, [(x + size * 0.2, y - size * 1.6), (x + size * 1.1, y - size * 0.5)], tone, max(1.0, size * 0.015))
    shadow = [
        (x - size * 0.85, y),
        (x + size * 0.8, y),
        (x + size * 0.6, y + size * 0.2),
        (x - size * 0.7, y + size * 0.2),
    ]
    polygon(picture, shadow, ink(shade(hull, 0.5)))
    polygon(alpha, shadow, 110)
    if lamps is not None:
        lamps.append((x, y - size * 0.6, size * 0.4))


def _craters(back: Picture, lens: Lens, light: Light, rng: Generator) -> None:
    """A planet in the sky and craters in the dust."""
    x, y = lens.width * (0.3 if light.x > lens.width / 2 else 0.7), lens.row(0.24)
    radius = lens.size(0.13)
    disc(back, (x, y), radius, ink((76, 112, 150)))
    disc(back, (x + radius * 0.16, y - radius * 0.1), radius * 0.78, ink((112, 146, 170)), 0.9)
    disc(back, (x - radius * 0.28, y + radius * 0.2), radius * 0.5, ink((92, 132, 120)), 0.5, 0.5)
    for u, v, r in rng.random((26, 3)).tolist():
        depth = v * v
        row = lens.horizon + lens.size(0.01) + depth * (lens.height - lens.horizon)
        size = lens.size(0.012 + 0.1 * depth) * (0.4 + r)
        ground = light.lit((116, 112, 114))
        disc(back, (u * lens.width, row), size, ink(shade(ground, 1.12)), 0.24)
        disc(back, (u * lens.width + size * 0.06, row + size * 0.02), size * 0.86, ink(shade(ground, 0.6)), 0.2)
