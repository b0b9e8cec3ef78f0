"""Painted places under the sky: sea, forest, mountains, desert, field, river, road, snow, space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from pipeline.engines.animatic import afloat, town
from pipeline.engines.animatic.backdrop import Backdrop, Layer, Lens, Light, light_for, unit_noise
from pipeline.engines.animatic.brush import (
    blend,
    disc,
    flat,
    generator,
    glow,
    gouache,
    ink,
    line,
    noise,
    oval,
    patches,
    polygon,
    ridge,
    shade,
    wash,
)
from pipeline.engines.animatic.sheets import Picture, Plane
from pipeline.engines.animatic.words import WATERS, Colour, Scene

_GROUNDS: Mapping[str, tuple[Colour, Colour]] = {
    # near, far
    "sea": ((52, 92, 112), (112, 150, 160)),
    "lighthouse": ((48, 88, 110), (112, 150, 162)),
    "harbour": ((56, 88, 100), (116, 144, 150)),
    "river": ((62, 100, 104), (128, 154, 148)),
    "forest": ((66, 82, 48), (106, 120, 84)),
    "mountains": ((92, 104, 72), (130, 140, 122)),
    "desert": ((204, 158, 104), (226, 190, 140)),
    "field": ((150, 150, 72), (180, 172, 104)),
    "garden": ((98, 128, 66), (140, 158, 96)),
    "road": ((140, 138, 84), (168, 166, 118)),
    "snowfield": ((222, 230, 238), (232, 236, 240)),
    "space": ((92, 88, 92), (132, 126, 126)),
    "street": ((120, 118, 116), (150, 148, 144)),
    "city": ((112, 112, 116), (146, 146, 148)),
}


def ground_colours(scene: Scene) -> tuple[Colour, Colour]:
    """Return the local colours of the ground, near and far."""
    near, far = _GROUNDS.get(scene.place, _GROUNDS["field"])
    if scene.weather == "snow" and scene.place not in WATERS:
        return blend(near, (228, 234, 242), 0.75), blend(far, (228, 234, 242), 0.75)
    return near, far


def sky(scene: Scene, lens: Lens, light: Light, rng: Generator, detail: Generator) -> Picture:
    """Return the sky over the whole stage, with sun or moon, stars and clouds.

    All that is soft in it is painted at half size; only stars are finer than that.
    """
    clear_night = scene.hour == "night" and scene.weather not in _VEILS
    if clear_night or scene.place == "space":
        return _sky(scene, lens, light, rng, detail)
    small = Lens(
        lens.width // 2, lens.height // 2, lens.frame_width / 2, lens.frame_height / 2, lens.horizon / 2, lens.unit / 2
    )
    picture = _sky(scene, small, replace(light, x=light.x / 2, y=light.y / 2), rng, detail)
    large = cv2.resize(picture, (lens.width, lens.height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.uint8)


_VEILS = frozenset({"rain", "storm", "fog", "snow"})


def _sky(scene: Scene, lens: Lens, light: Light, rng: Generator, detail: Generator) -> Picture:
    width, height = lens.width, lens.height
    base = max(0.15, min(0.95, lens.horizon / height))
    top, middle, low = light.sky
    picture = wash(width, height, [(0, top), (base * 0.55, middle), (base, low), (1, low)])
    reach = lens.size(1.0)
    veiled = scene.weather in _VEILS
    if (scene.hour == "night" and not veiled) or scene.place == "space":
        _stars(picture, lens, detail)
    glow(
        picture,
        (light.x, light.y),
        reach * 0.42,
        light.colour,
        (0.16 if scene.hour == "day" else 0.28) if not veiled else 0.1,
    )
    glow(
        picture,
        (light.x, light.y),
        reach * 0.13,
        light.colour,
        (0.22 if scene.hour == "day" else 0.38) if not veiled else 0.06,
    )
    if not veiled and light.y < lens.horizon + reach * 0.02:
        radius = reach * (0.036 if scene.hour != "night" else 0.03)
        disc(picture, (light.x, light.y), radius, ink(blend(light.colour, (255, 255, 255), 0.55)))
        if scene.hour == "night":
            disc(
                picture, (light.x - radius * 0.3, light.y - radius * 0.1), radius * 0.3, ink(shade(light.colour, 0.86))
            )
    if scene.place != "space":
        _clouds(picture, scene, lens, light, rng)
    return picture


def _stars(picture: Picture, lens: Lens, rng: Generator) -> None:
    for x, y, bright in rng.random((150, 3)).tolist():
        value = 110 + 120 * bright * bright
        radius = lens.size(0.0008 + 0.0016 * bright**3)
        disc(
            picture,
            (x * lens.width, y * min(lens.horizon, lens.height)),
            max(0.7, radius),
            (value, value * 0.97, value * 0.93),
        )


_CLOUDINESS: Mapping[str, float] = {
    "clear": -0.32,
    "cloud": 0.08,
    "rain": 0.4,
    "storm": 0.45,
    "snow": 0.3,
    "fog": 0.2,
}


def _clouds(picture: Picture, scene: Scene, lens: Lens, light: Light, rng: Generator) -> None:
    """Lay banks of cloud: lit towards the sun, shaded below, flattened towards the horizon."""
    width = lens.width
    bottom = int(min(lens.height, max(8, lens.horizon)))
    w, h = max(8, width // 3), max(8, bottom // 3)
    cells = lens.unit / 3 * 0.2
    density = noise(rng, w, h, max(6.0, cells), 4, 2.6) + _CLOUDINESS[scene.weather]
    rows = np.linspace(0, 1, h, dtype=np.float32)[:, None]
    density -= 0.35 * (rows**3)
    cover = np.clip(density * 2.4, 0, 1)
    cover = cover * cover * (3 - 2 * cover)
    above = np.roll(density, 3, axis=0)
    relief = np.clip((density - above) * 5 + 0.5, 0, 1)
    heavy = {"storm": 0.62, "rain": 0.8}.get(scene.weather, 1.0)
    bright = np.array(ink(shade(blend(light.sky[2], light.colour, 0.5), heavy)), np.float32)
    dark = np.array(ink(shade(blend(light.sky[0], light.sky[1], 0.6), heavy * 0.92)), np.float32)
    colour = dark + (bright - dark) * (1 - relief)[..., None]
    amount = cover * (217 if scene.weather != "clear" else 153)
    small = np.clip(np.concatenate([colour, amount[..., None]], axis=-1), 0, 255).astype(np.uint8)
    large = cv2.resize(small, (width, bottom), interpolation=cv2.INTER_LINEAR)
    share = cv2.merge([large[..., 3]] * 3)
    behind = cv2.multiply(picture[:bottom], cv2.bitwise_not(share), scale=1 / 255)
    picture[:bottom] = cv2.add(behind, cv2.multiply(np.ascontiguousarray(large[..., :3]), share, scale=1 / 255))


def masked(lens: Lens, colour: Colour) -> tuple[Picture, Plane]:
    """Return an empty layer: a picture of the colour that edges fade from, and alpha."""
    return flat(lens.width, lens.height, colour), np.zeros((lens.height, lens.width), np.uint8)


def _skyline(lens: Lens, heights: Any, base: float, step: float = 4.0) -> Any:
    """Return the polygon below a ridge: heights in pixels above ``base``, down to the stage's foot."""
    columns = np.arange(-step, lens.width + step + 1, step)
    top = np.stack([columns, base - heights], axis=-1)
    return np.concatenate([top, [[lens.width + 9, lens.height + 9], [-9, lens.height + 9]]])


def far_ridges(picture: Picture, scene: Scene, lens: Lens, light: Light, rng: Generator) -> None:
    """Paint the far distance on the back plate: ranges, dunes, hills, headlands."""
    xs = lens.world(4.0)
    tall = {
        "mountains": 0.55,
        "snowfield": 0.3,
        "desert": 0.15,
        "forest": 0.24,
        "river": 0.26,
        "road": 0.17,
    }.get(scene.place, 0.11)
    local: Colour = {
        "mountains": (78, 92, 116),
        "desert": (190, 132, 96),
        "snowfield": (190, 204, 220),
        "forest": (70, 92, 70),
    }.get(scene.place, (96, 112, 104))
    sharp = 1.0 if scene.place in {"mountains", "snowfield"} else 0.0
    for index in range(3):
        away = 0.8 - 0.24 * index
        heights = (
            (0.55 + 0.75 * ridge(rng, xs * (0.5 + 0.25 * index + 0.55 * sharp) + 7 * index, 0.48, 5, sharp))
            * tall
            * (1 - 0.24 * index)
        )
        if scene.place in WATERS:
            heights = heights * 0.8 - 0.035
        colour = light.lit(local, away if scene.weather != "fog" else 0.6 + 0.4 * away)
        shape = _skyline(lens, np.maximum(heights, -0.02) * lens.unit, lens.horizon)
        polygon(picture, shape, ink(colour))
        if scene.place in {"mountains", "snowfield"} and index < 2:
            _snow_caps(picture, lens, shape, light, away, rng)


def _snow_caps(picture: Picture, lens: Lens, shape: Any, light: Light, away: float, rng: Generator) -> None:
    """Light the flanks towards the sun and the tops."""
    side = 1 if light.x > lens.width / 2 else -1
    snow = ink(light.lit((238, 242, 250), away * 0.8))
    crest = shape[:-2]
    for k in range(6, len(crest) - 6, 1):
        if crest[k, 1] <= crest[k - 6 : k + 7, 1].min():
            drop = lens.unit * (0.06 + 0.07 * rng.random())
            x, y = crest[k]
            polygon(
                picture,
                [
                    (x, y + 1),
                    (x + side * drop * 0.8, y + drop * 1.0),
                    (x + side * drop * 0.35, y + drop * 0.75),
                    (x + side * drop * 0.1, y + drop * 1.25),
                    (x - side * drop * 0.2, y + drop * 0.6),
                ],
                snow,
            )


def ground(picture: Picture, scene: Scene, lens: Lens, light: Light) -> None:
    """Paint the plane below the horizon on the back plate."""
    near, far = ground_colours(scene)
    top = int(max(0, min(lens.height - 4, lens.horizon)))
    rows = lens.height - top
    if scene.place in WATERS:
        # Water carries the sky: its low colour far out, its upper colour near by.
        far = blend(far, light.sky[2], 0.55)
        near = blend(near, light.sky[0], 0.35)
    low = light.lit(near)
    picture[top:] = wash(
        lens.width, rows, [(0, light.lit(far, 0.45)), (0.25, light.lit(blend(far, near, 0.5), 0.15)), (1, low)]
    )


def water_strokes(picture: Picture, lens: Lens, light: Light, rng: Generator) -> None:
    """Paint waves: flat strokes that grow towards the viewer, and the light's path."""
    top = max(0.0, lens.horizon)
    span = lens.height - top
    u, across, tone, long = rng.random((420, 4)).T
    depth = u * u
    x, y = across * lens.width, top + 2 + depth * span
    half = lens.size(1.0) * (0.012 + 0.13 * depth) * (0.4 + long)
    thick = np.maximum(0.6, lens.size(1.0) * (0.001 + 0.007 * depth))
    base = picture[np.minimum(lens.height - 1, y.astype(int)), np.minimum(lens.width - 1, x.astype(int))].astype(float)
    near = np.exp(-(((x - light.x) / (lens.size(0.07) + depth * lens.size(0.25))) ** 2)) * 0.55 * tone
    colours = base + ((tone - 0.55) * 34)[:, None] + (np.array(ink(light.colour)) - base) * near[:, None]
    around = oval((0.0, 0.0), 1.0, 1.0, 0.0, 24)
    shapes = around[None] * np.stack([half, thick], axis=-1)[:, None] + np.stack([x, y], axis=-1)[:, None]
    patches(picture, shapes, np.clip(colours, 0, 255).tolist())


def tree(
    picture: Picture, alpha: Plane, foot: tuple[float, float], tall: float, colour: Colour, rng: Generator, kind: str
) -> None:
    """Draw one tree: ``pine``, ``round`` or ``bare``."""
    x, y = foot
    trunk = ink(shade(blend(colour, (70, 52, 40), 0.6), 0.7))
    width = tall * (0.02 if kind == "pine" else 0.035)
    for target, tone in ((picture, trunk), (alpha, 255)):
        polygon(
            target,
            [(x - width, y), (x - width * 0.4, y - tall * 0.8), (x + width * 0.4, y - tall * 0.8), (x + width, y)],
            tone,
        )
    if kind == "pine":
        for level in range(7):
            share = level / 6
            centre = y - tall * (0.16 + 0.84 * share * 0.92)
            half = tall * 0.2 * (1 - share * 0.86) * (0.85 + 0.3 * rng.random())
            drop = tall * 0.13
            tone = ink(shade(colour, 0.82 + 0.3 * share))
            points = [
                (x, centre - drop),
                (x + half * 0.55, centre),
                (x + half, centre + drop * 0.55),
                (x + half * 0.3, centre + drop * 0.3),
                (x - half * 0.35, centre + drop * 0.45),
                (x - half, centre + drop * 0.5),
                (x - half * 0.5, centre),
            ]
            polygon(picture, points, tone)
            polygon(alpha, points, 255)
        return
    crown = 7 if kind == "bare" else 15
    for dx, dy, r, tone in rng.random((crown, 4)).tolist():
        if kind == "bare":
            start = (x, y - tall * (0.35 + 0.35 * dy))
            end = (x + (dx - 0.5) * tall * 0.7, start[1] - tall * (0.12 + 0.25 * r))
            line(picture, [start, end], trunk, max(1.0, width * 0.7))
            line(alpha, [start, end], 255, max(1.0, width * 0.7))
            continue
        centre = (x + (dx - 0.5) * tall * 0.52, y - tall * (0.52 + 0.4 * dy))
        radius = tall * (0.1 + 0.09 * r)
        disc(picture, centre, radius, ink(shade(colour, 0.75 + 0.4 * dy + 0.2 * (tone - 0.5))), 0.8)
        disc(alpha, centre, radius, 255, 0.8)


def _tree_line(
    scene: Scene, lens: Lens, light: Light, rng: Generator, *, distance: float, base: float, tall: float, every: float
) -> Layer:
    """A row of trees with undergrowth at their feet."""
    green: Colour = (58, 84, 56) if scene.place != "garden" else (86, 116, 62)
    if scene.weather == "snow":
        green = blend(green, (220, 228, 236), 0.35)
    picture, alpha = masked(lens, light.lit(green, distance))
    first = math.floor((0 - lens.width / 2) / lens.unit / every) - 1
    last = math.ceil(lens.width / 2 / lens.unit / every) + 1
    kind = "pine" if scene.place in {"forest", "mountains", "snowfield", "river"} else "round"
    for k in sorted(range(first, last + 1), key=lambda k: unit_noise(k, scene.geometry + 5)):
        jitter = unit_noise(k, scene.geometry)
        if tall < lens.unit * 0.3 and unit_noise(k // 3, scene.geometry + 2) < 0.35:
            continue  # groves, not a fence
        size = tall * (0.5 + 0.75 * unit_noise(k, scene.geometry + 1) ** 1.3)
        x = lens.column((k + jitter * 0.9) * every)
        colour = light.lit(shade(green, 0.8 + 0.4 * jitter), distance)
        tree(picture, alpha, (x, base + (jitter - 0.4) * tall * 0.08), size, colour, rng, kind)
    xs = lens.world(4.0)
    brush_tall = (0.35 + 0.5 * ridge(rng, xs * 5, 0.6, 4)) * tall * 0.1
    under = _skyline(lens, brush_tall, base)
    under[-2:, 1] = base + lens.size(0.022)
    columns = under[:-2][::-1]
    skirt = np.stack(
        [columns[:, 0], np.full(len(columns), base) + lens.size(0.012) + 2 * ridge(rng, columns[:, 0] / lens.unit * 8)],
        axis=-1,
    )
    under = np.concatenate([under[:-2], skirt])
    polygon(picture, under, ink(light.lit(shade(green, 0.82), distance)))
    polygon(alpha, under, 255)
    top = max(0.0, (base - tall * 1.2) / lens.height)
    bottom = min(1.0, (base + lens.size(0.03)) / lens.height)
    if bottom > top:
        gouache(
            picture,
            rng,
            count=700,
            length=max(3.0, tall * 0.05),
            thickness=max(1.2, tall * 0.014),
            angle=0.5,
            jitter=7,
            window=(0, top, 1, bottom),
        )
    return Layer(picture, alpha, 0.3)


def lighthouse(
    picture: Picture, alpha: Plane, light: Light, foot: tuple[float, float], tall: float
) -> tuple[float, float, float]:
    """Draw a lighthouse and return its lamp (x, y, radius)."""
    x, y = foot
    side = 1 if light.x > x else -1
    body, band = light.lit((240, 234, 222), 0.12), light.lit((186, 62, 52), 0.12)
    low, high = tall * 0.105, tall * 0.066
    rows = np.linspace(0, 1, 6)
    for k in range(5):
        a, b = rows[k], rows[k + 1]
        wa, wb = low + (high - low) * a, low + (high - low) * b
        ya, yb = y - tall * 0.74 * a, y - tall * 0.74 * b
        colour = body if k % 2 == 0 else band
        for target, tone in ((picture, ink(colour)), (alpha, 255)):
            polygon(target, [(x - wa, ya), (x - wb, yb - 1), (x + wb, yb - 1), (x + wa, ya)], tone)
        shaded = ink(shade(blend(colour, light.sky[0], 0.25), 0.72))
        polygon(
            picture,
            [(x - side * wa, ya), (x - side * wb, yb - 1), (x - side * wb * 0.1, yb - 1), (x - side * wa * 0.1, ya)],
            shaded,
        )
    gallery = y - tall * 0.75
    dark = ink(light.lit((58, 54, 58), 0.1))
    roof = ink(light.lit((150, 52, 46), 0.08))
    lamp = (x, gallery - tall * 0.075)
    for target, tones in ((picture, (dark, ink((255, 226, 150)), dark, roof)), (alpha, (255, 255, 255, 255))):
        polygon(
            target,
            [
                (x - high * 1.45, gallery),
                (x - high * 1.45, gallery - tall * 0.02),
                (x + high * 1.45, gallery - tall * 0.02),
                (x + high * 1.45, gallery),
            ],
            tones[0],
        )
        polygon(
            target,
            [
                (x - high * 0.72, gallery - tall * 0.02),
                (x - high * 0.72, gallery - tall * 0.125),
                (x + high * 0.72, gallery - tall * 0.125),
                (x + high * 0.72, gallery - tall * 0.02),
            ],
            tones[1],
        )
        for bar in (-0.72, 0.0, 0.72):
            line(
                target,
                [(x + high * bar, gallery - tall * 0.02), (x + high * bar, gallery - tall * 0.125)],
                tones[2],
                max(1.0, tall * 0.006),
            )
        polygon(
            target,
            [
                (x - high * 0.95, gallery - tall * 0.125),
                (x, gallery - tall * 0.21),
                (x + high * 0.95, gallery - tall * 0.125),
            ],
            tones[3],
        )
    for at in (0.2, 0.42, 0.6):
        window = tall * 0.014
        polygon(
            picture,
            [
                (x - window, y - tall * at),
                (x - window, y - tall * (at + 0.04)),
                (x + window, y - tall * (at + 0.04)),
                (x + window, y - tall * at),
            ],
            dark,
        )
    return (lamp[0], lamp[1], tall * 0.1)


def _headland(scene: Scene, lens: Lens, light: Light, rng: Generator) -> tuple[Layer, list[tuple[float, float, float]]]:
    """A cliff that carries the lighthouse, or rocks in the surf."""
    rock = light.lit((112, 98, 88), 0.16)
    picture, alpha = masked(lens, rock)
    side = -1 if light.x > lens.width / 2 else 1
    world = side * 0.42
    xs = lens.world(4.0)
    tall = 0.17 if scene.place == "lighthouse" else 0.1
    bump = 1 / (1 + np.exp(-(side * (xs - world) + 0.28) * 9))
    heights = (bump * (tall + 0.035 * ridge(rng, xs * 2.2)) - 0.05) * lens.unit
    base = lens.horizon + lens.size(0.03)
    shape = _skyline(lens, heights, base)
    keep = shape[:-2, 1] < base + lens.size(0.03)
    if not keep.any():
        return Layer(picture, alpha, 0.4), []
    columns = np.flatnonzero(keep)
    top = shape[columns[0] : columns[-1] + 1]
    foot = base + lens.size(0.05)
    body = np.concatenate([top, [[top[-1, 0], foot], [top[0, 0], foot]]])
    polygon(picture, body, ink(rock))
    polygon(alpha, body, 255)
    gouache(
        picture,
        rng,
        count=380,
        length=lens.size(0.03),
        thickness=lens.size(0.009),
        angle=1.25,
        jitter=16,
        window=(
            max(0, top[0, 0] / lens.width),
            max(0, (base - lens.unit * 0.25) / lens.height),
            min(1, top[-1, 0] / lens.width),
            min(1, foot / lens.height),
        ),
    )
    grass = ink(light.lit((124, 132, 76), 0.12))
    crest = np.concatenate([top, np.add(top, (0, lens.size(0.018)))[::-1] + rng.normal(0, lens.size(0.003), top.shape)])
    polygon(picture, crest, grass)
    foam = ink(light.lit((236, 240, 240), 0.05))
    for k in range(14):
        x = top[0, 0] + (top[-1, 0] - top[0, 0]) * k / 13
        disc(picture, (x, foot - lens.size(0.004)), lens.size(0.03), foam, 0.14)
        disc(alpha, (x, foot - lens.size(0.004)), lens.size(0.03), 235, 0.14)
    lamps: list[tuple[float, float, float]] = []
    if scene.place == "lighthouse":
        x = lens.column(world + side * 0.12)
        y = float(np.interp(x, top[:, 0], top[:, 1])) + lens.size(0.012)
        lamps.append(lighthouse(picture, alpha, light, (x, y), lens.unit * 0.46))
        hut = lens.unit * 0.07
        hx = x - side * lens.unit * 0.12
        _house(picture, alpha, light, (hx, y + lens.size(0.004)), hut, 0.12)
    return Layer(picture, alpha, 0.42), lamps


def _house(picture: Picture, alpha: Plane, light: Light, foot: tuple[float, float], size: float, away: float) -> None:
    x, y = foot
    wall, roof = ink(light.lit((226, 216, 200), away)), ink(light.lit((132, 74, 60), away))
    for target, (a, b) in ((picture, (wall, roof)), (alpha, (255, 255))):
        polygon(target, [(x - size, y), (x - size, y - size * 0.8), (x + size, y - size * 0.8), (x + size, y)], a)
        polygon(
            target,
            [
                (x - size * 1.15, y - size * 0.78),
                (x - size * 0.8, y - size * 1.4),
                (x + size * 0.8, y - size * 1.4),
                (x + size * 1.15, y - size * 0.78),
            ],
            b,
        )
    pane = ink((255, 214, 140)) if light.bright < 0.75 else ink(light.lit((70, 80, 92), away))
    for at in (-0.45, 0.4):
        polygon(
            picture,
            [
                (x + size * (at - 0.14), y - size * 0.3),
                (x + size * (at - 0.14), y - size * 0.58),
                (x + size * (at + 0.14), y - size * 0.58),
                (x + size * (at + 0.14), y - size * 0.3),
            ],
            pane,
        )


def near_ground(scene: Scene, lens: Lens, light: Light, rng: Generator, detail: Generator) -> Layer:
    """The ground that figures stand on: a low mound of the place's own stuff, with tufts and stones."""
    xs = lens.world(4.0)
    base = lens.row(0.9)
    local, _ = ground_colours(scene)
    if scene.place in {"sea", "lighthouse"}:
        local = (168, 148, 116) if scene.place == "sea" else (118, 116, 80)
    elif scene.place == "harbour":
        local = (124, 112, 100)
    elif scene.place == "river":
        local = (112, 120, 76)
    if scene.weather == "snow":
        local = blend(local, (228, 234, 242), 0.7)
    flatness = 0.012 if scene.place in {"harbour", "road"} else 0.05
    heights = (0.06 + flatness * ridge(rng, xs * 0.9 + 3, 0.4, 3)) * lens.frame_height
    shape = _skyline(lens, heights, base)
    picture, alpha = masked(lens, light.lit(shade(local, 0.92)))
    polygon(alpha, shape, 255)
    top = max(0.0, (base - lens.frame_height * 0.14) / lens.height)
    gouache(
        picture,
        detail,
        count=520,
        length=lens.size(0.06),
        thickness=lens.size(0.012),
        angle=0.05,
        jitter=9,
        window=(0, top, 1, 1),
    )
    if (
        scene.place in {"field", "garden", "lighthouse", "river", "forest", "mountains", "road"}
        and scene.weather != "snow"
    ):
        _grass(picture, alpha, shape, lens, light, local, detail)
    elif scene.place in {"sea", "desert", "snowfield", "space", "mountains"}:
        _stones(picture, alpha, shape, lens, light, local, detail)
    return Layer(picture, alpha, 0.75)


def _grass(picture: Picture, alpha: Plane, shape: Any, lens: Lens, light: Light, local: Colour, rng: Generator) -> None:
    crest = shape[:-2]
    tones = [ink(light.lit(shade(blend(local, (196, 178, 92), k / 46), 0.65 + 0.6 * k / 23))) for k in range(24)]
    u, v, lean, tone, long = rng.random((520, 5)).T
    foot = crest[(u * (len(crest) - 1)).astype(int)]
    x, y = foot[:, 0], foot[:, 1] + v * v * lens.frame_height * 0.2
    blade = lens.size(1.0) * (0.016 + 0.03 * long) * (1 + 1.2 * v)
    corners = [(x - blade * 0.05, y), (x + (lean - 0.4) * blade * 0.9, y - blade), (x + blade * 0.06, y + 1)]
    shapes = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
    patches(picture, shapes, [tones[int(k)] for k in tone * 24])
    patches(alpha, shapes, [255] * len(shapes))


def _stones(
    picture: Picture, alpha: Plane, shape: Any, lens: Lens, light: Light, local: Colour, rng: Generator
) -> None:
    crest = shape[:-2]
    for u, v, tone, size in rng.random((46, 4)).tolist():
        k = int(u * (len(crest) - 1))
        x, y = crest[k]
        y += v * lens.frame_height * 0.16
        radius = lens.size(0.004 + 0.016 * size**3)
        colour = light.lit(shade(blend(local, (110, 104, 100), 0.4), 0.7 + 0.35 * tone))
        disc(picture, (x, y), radius * 1.5, ink(shade(colour, 0.72)), 0.5)
        disc(picture, (x - radius * 0.1, y - radius * 0.2), radius * 1.35, ink(colour), 0.5)
        disc(alpha, (x, y), radius * 1.5, 255, 0.5)


def framing(scene: Scene, lens: Lens, light: Light, rng: Generator) -> Layer | None:
    """Something dark and near at the edge of the frame, as artists put there to give depth."""
    if (
        scene.size in {"close-up", "extreme-close-up", "medium-close-up"}
        or scene.afloat
        or scene.place
        in {
            "space",
            "desert",
            "snowfield",
            "city",
            "street",
        }
    ):
        return None
    side = 1 if light.x < lens.width / 2 else -1
    edge = lens.width / 2 + side * lens.frame_width * 0.5
    dark = light.lit((44, 54, 42))
    shadow = shade(dark, 0.6)
    picture, alpha = masked(lens, shadow)
    if scene.place in {"forest", "mountains", "river"}:
        x = edge - side * lens.size(0.03)
        w = lens.size(0.07)
        for target, tone in ((picture, ink(shade((62, 50, 42), 0.35 + 0.4 * light.bright))), (alpha, 255)):
            polygon(
                target,
                [
                    (x - w, lens.height + 5),
                    (x - w * 0.55, lens.height * 0.4),
                    (x - w * 0.6, -5),
                    (x + w * 0.6, -5),
                    (x + w * 0.7, lens.height * 0.5),
                    (x + w * 1.3, lens.height + 5),
                ],
                tone,
            )
        gouache(
            picture,
            rng,
            count=160,
            length=lens.size(0.05),
            thickness=lens.size(0.008),
            angle=1.5,
            jitter=9,
            window=(max(0, (x - w) / lens.width), 0, min(1, (x + w) / lens.width), 1),
        )
    for u, v, r, tone in rng.random((90, 4)).tolist():
        reach = lens.size(0.36) * (1 - v) ** 1.6
        x = edge - side * (u * reach * 1.5 - lens.size(0.06))
        y = lens.top - lens.size(0.08) + v * lens.frame_height * 0.34
        size = lens.size(0.012 + 0.026 * r)
        colour = ink(blend(shadow, dark, tone))
        turn = side * (0.5 + u) + tone
        disc(picture, (x, y), size, colour, 0.42, turn)
        disc(alpha, (x, y), size, 255, 0.42, turn)
    alpha = cv2.GaussianBlur(alpha, (0, 0), max(0.6, lens.size(0.0022)))
    return Layer(picture, np.asarray(alpha, np.uint8), 1.0)


def paint(scene: Scene, lens: Lens, seed: int) -> Backdrop:  # noqa: C901 - one case per kind of place
    """Paint a place out of doors; the take's seed changes strokes, not shapes."""
    rng = generator(scene.geometry, 1)
    detail = generator(scene.geometry, seed, 2)
    light = light_for(scene, lens)
    back = sky(scene, lens, light, rng, detail)
    layers: list[Layer] = []
    lamps: list[tuple[float, float, float]] = []
    if scene.place not in {"city", "street", "space"} and not scene.afloat:
        far_ridges(back, scene, lens, light, generator(scene.geometry, 3))
    ground(back, scene, lens, light)
    split = min(0.98, max(0.02, lens.horizon / lens.height))
    crest = max(0.01, split - 0.3)
    gouache(
        back,
        detail,
        count=600,
        length=lens.size(0.055),
        thickness=lens.size(0.011),
        jitter=3.2,
        window=(0, 0, 1, crest),
    )
    gouache(
        back,
        detail,
        count=650,
        length=lens.size(0.022),
        thickness=lens.size(0.007),
        angle=0.35,
        jitter=3.4,
        window=(0, crest, 1, split),
    )
    gouache(
        back, detail, count=600, length=lens.size(0.05), thickness=lens.size(0.01), jitter=3.4, window=(0, split, 1, 1)
    )
    water = None
    if scene.place in WATERS:
        water_strokes(back, lens, light, detail)
        water = (lens.horizon + 2, float(lens.height))
    if scene.place == "road":
        town.road(back, scene, lens, light)
    layers.append(Layer(back, None, 0.0))
    if scene.afloat:
        layers.extend(afloat.swells(scene, lens, light, detail))
    elif scene.place in {"lighthouse", "sea"}:
        layer, lamps = _headland(scene, lens, light, generator(scene.geometry, 4))
        layers.append(layer)
    elif scene.place in {"forest", "mountains", "field", "garden", "river", "road", "snowfield"}:
        thick = scene.place == "forest"
        base = lens.horizon + lens.size(0.03)
        line_of_trees = _tree_line(
            scene,
            lens,
            light,
            generator(scene.geometry, 5),
            distance=0.5,
            base=base,
            tall=lens.unit * (0.5 if thick else 0.13),
            every=0.055 if thick else 0.06,
        )
        layers.append(line_of_trees)
        if thick:
            nearer = _tree_line(
                scene,
                lens,
                light,
                generator(scene.geometry, 6),
                distance=0.18,
                base=lens.horizon + lens.size(0.12),
                tall=lens.unit * 0.85,
                every=0.26,
            )
            nearer.depth = 0.5
            layers.append(nearer)
    elif scene.place in {"city", "street", "harbour", "space"}:
        layers.extend(town.paint(scene, lens, light, back, detail, lamps))
    if scene.place not in {"city", "street"} and not scene.afloat:
        layers.append(near_ground(scene, lens, light, generator(scene.geometry, 7), detail))
    front = framing(scene, lens, light, generator(scene.geometry, 8))
    if front is not None:
        layers.append(front)
    return Backdrop(layers, light, lens.row(0.93), water, lamps)
