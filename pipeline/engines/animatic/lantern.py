"""Inside a lighthouse: the lantern room with its lens and the night outside, and the winding stairs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import Generator

from pipeline.engines.animatic.backdrop import NEARNESS, Backdrop, Layer, Lens, Light, light_for
from pipeline.engines.animatic.brush import blend, disc, flat, generator, glow, gouache, ink, line, oval, polygon, shade
from pipeline.engines.animatic.outdoors import ground, sky, water_strokes
from pipeline.engines.animatic.sheets import Picture, Plane
from pipeline.engines.animatic.words import Colour, Scene

_GOLD: Colour = (255, 206, 122)
_BRASS: Colour = (196, 142, 66)
_IRON: Colour = (40, 44, 56)
_STONE: Colour = (142, 130, 118)


def paint(scene: Scene, lens: Lens, seed: int) -> Backdrop:
    """Paint the lantern room, or the stairs that lead to it."""
    detail = generator(scene.geometry, seed, 24)
    if scene.place == "stairs":
        return _stairs(scene, lens, detail)
    return _lantern_room(scene, lens, detail)


def _warm(x: float, y: float, bright: float) -> Light:
    return Light(x, y, _GOLD, ((46, 50, 72), (92, 76, 70), (150, 112, 74)), bright)


def _lantern_room(scene: Scene, lens: Lens, detail: Generator) -> Backdrop:
    sea = replace(scene, place="sea", weather="storm" if scene.weather == "rain" else scene.weather)
    outside = light_for(sea, lens)
    back = sky(sea, lens, outside, generator(scene.geometry, 1), detail)
    ground(back, sea, lens, outside)
    water_strokes(back, lens, outside, detail)
    gouache(back, detail, count=700, length=lens.size(0.05), thickness=lens.size(0.011), jitter=4)
    if scene.weather in {"rain", "storm"}:
        _trickles(back, lens, detail)
    near = NEARNESS.get(scene.size, 1.3)
    # A single figure stands at 0.4 of the frame, or at 0.6 where the place is mirrored.
    side = -1 if scene.geometry & 2 else 1
    offset = 0.17 if near < 1.9 else 0.2
    at = (lens.width / 2 + side * offset * lens.frame_width, lens.row(0.47))
    tall = lens.frame_height * 0.62 * min(1.5, near**0.6)
    room, room_alpha = _cage(lens, detail, at[0])
    art, art_alpha = flat(lens.width, lens.height, shade(_BRASS, 0.5)), np.zeros((lens.height, lens.width), np.uint8)
    _lens(art, art_alpha, at, tall, lens)
    lit = scene.hour in {"night", "dusk", "dawn"} or scene.weather in {"storm", "fog"}
    if lit:
        for picture, strength in ((back, 0.3), (room, 0.62), (art, 0.16)):
            glow(picture, at, tall * 0.55, _GOLD, strength)
    layers = [Layer(back, None, 0.05), Layer(room, room_alpha, 0.3), Layer(art, art_alpha, 0.5)]
    beam = (at[0], at[1], tall * 0.2) if lit else None
    return Backdrop(layers, _warm(*at, 0.86), lens.row(0.93), lamps=[(*at, tall * 0.3)], beam=beam)


def _trickles(picture: Picture, lens: Lens, rng: Generator) -> None:
    """Paint drops that run down the panes."""
    for u, v, long, lean in rng.random((110, 4)).tolist():
        x, y = u * lens.width, v * lens.height * 0.9
        reach = lens.size(0.02 + 0.09 * long)
        row, column = min(lens.height - 1, int(y)), min(lens.width - 1, int(x))
        base = picture[row, column].astype(float)
        tone = np.clip(base + 26, 0, 255).tolist()
        wiggle = [
            (x, y),
            (x + reach * 0.08 * (lean - 0.5), y + reach * 0.5),
            (x + reach * 0.1 * (lean - 0.5), y + reach),
        ]
        line(picture, wiggle, tone, max(1.0, lens.size(0.0022)))
        disc(picture, wiggle[-1], max(1.2, lens.size(0.0028)), np.clip(base + 44, 0, 255).tolist(), 1.3)


def _cage(lens: Lens, rng: Generator, lamp_x: float) -> tuple[Picture, Plane]:
    """Paint what holds the glass: roof ring, mullions and bars, parapet, rail and floor; glass stays open."""
    picture = flat(lens.width, lens.height, _IRON)
    alpha = np.zeros((lens.height, lens.width), np.uint8)
    middle, half = lens.width / 2, lens.frame_width / 2
    bend = lens.size(0.07)

    def curve(share: float, bulge: float, count: int = 33) -> Any:
        """Return a ring of the round room as seen from inside, at a share of the frame's height."""
        u = np.linspace(-1.35, 1.35, count)
        return np.stack([middle + u * half, lens.row(share) + bulge * u * u], axis=-1)

    roof, sill, floor = curve(0.075, -bend), curve(0.715, bend), curve(0.83, bend * 1.5)
    top = np.concatenate([roof, [[lens.width + 9, -9], [-9, -9]]])
    foot = np.concatenate([sill, [[lens.width + 9, lens.height + 9], [-9, lens.height + 9]]])
    for shape in (top, foot):
        polygon(alpha, shape, 255)
    polygon(picture, foot, ink((62, 52, 48)))
    boards = np.concatenate([floor, [[lens.width + 9, lens.height + 9], [-9, lens.height + 9]]])
    polygon(picture, boards, ink((74, 56, 44)))
    for k in range(-14, 15):
        x = middle + k * half * 0.13
        start = lens.row(0.83) + bend * 1.5 * ((x - middle) / half) ** 2
        line(picture, [(x, start), (middle + (x - middle) * 2.1, lens.height + 9)], ink((46, 35, 30)), lens.size(0.004))
    for k in range(-8, 9):
        x = middle + k * half * 0.2
        at = ((x - middle) / half) ** 2 * bend
        line(picture, [(x, lens.row(0.715) + at), (x, lens.row(0.83) + at * 1.5)], ink((42, 36, 36)), lens.size(0.006))
    gouache(
        picture,
        rng,
        count=520,
        length=lens.size(0.035),
        thickness=lens.size(0.008),
        jitter=6,
        window=(0, max(0.0, lens.row(0.7) / lens.height), 1, 1),
    )
    iron, edge = ink(_IRON), ink(blend(_IRON, _GOLD, 0.42))
    bars = [curve(0.29, -bend * 0.4), curve(0.5, 0.1 * bend)]
    posts = [middle + half * 1.3 * math.sin(k * 0.26) / math.sin(1.3) for k in range(-5, 6)]
    for target, tone in ((picture, iron), (alpha, 255)):
        for bar in bars:
            line(target, bar, tone, lens.size(0.009))
        for x in posts:
            line(target, [(x, -9), (x, lens.row(0.75))], tone, lens.size(0.016))
    for x in posts:  # the lamp catches the side that is turned to it
        toward = math.copysign(lens.size(0.005), lamp_x - x)
        line(picture, [(x + toward, lens.row(0.06)), (x + toward, lens.row(0.73))], edge, lens.size(0.004))
    line(picture, sill, edge, lens.size(0.008))
    line(picture, roof, edge, lens.size(0.006))
    brass = ink(shade(_BRASS, 0.95))
    for target, tone in ((picture, brass), (alpha, 255)):
        line(target, curve(0.655, bend * 0.85), tone, lens.size(0.012))
    return picture, alpha


def _lens(picture: Picture, alpha: Plane, at: tuple[float, float], tall: float, lens: Lens) -> None:
    """Draw the lens: a beehive of glass rings in a brass frame on its pedestal, a flame of light within."""
    x, y = at
    wide = tall * 0.3
    base = y + tall * 0.5

    def across(share: float) -> float:
        """Return half the width of the beehive at a height from -1 (foot) to 1 (crown)."""
        return wide * math.sqrt(max(0.0, 1 - 0.86 * share * share))

    pedestal = [
        (x - wide * 0.6, base - tall * 0.02),
        (x + wide * 0.6, base - tall * 0.02),
        (x + wide * 0.42, base + tall * 0.12),
        (x + wide * 0.7, lens.row(0.9)),
        (x - wide * 0.7, lens.row(0.9)),
        (x - wide * 0.42, base + tall * 0.12),
    ]
    steps = 17
    body = [(x - across(s), y - s * tall * 0.5) for s in np.linspace(-1, 1, steps)]
    body += [(x + across(s), y - s * tall * 0.5) for s in np.linspace(1, -1, steps)]
    for target, tones in ((picture, (ink(shade(_BRASS, 0.46)), ink((214, 152, 74)))), (alpha, (255, 255))):
        polygon(target, pedestal, tones[0])
        polygon(target, body, tones[1])
    line(picture, [pedestal[1], pedestal[2], pedestal[3]], ink(_BRASS), lens.size(0.006))
    line(picture, [pedestal[0], pedestal[5], pedestal[4]], ink(shade(_BRASS, 0.8)), lens.size(0.006))
    for k in range(steps - 1):
        s0 = -1 + 2 * k / (steps - 1)
        s1 = s0 + 1.5 / (steps - 1)
        warm = math.exp(-((s0 / 0.5) ** 2))
        glass = blend((176, 122, 62), (255, 240, 196), 0.25 + 0.75 * warm)
        ring = [
            (x - across(s0) * 0.95, y - s0 * tall * 0.5),
            (x + across(s0) * 0.95, y - s0 * tall * 0.5),
            (x + across(s1) * 0.9, y - s1 * tall * 0.5),
            (x - across(s1) * 0.9, y - s1 * tall * 0.5),
        ]
        polygon(picture, ring, ink(glass))
        line(picture, [ring[0], ring[1]], ink(shade(glass, 0.72)), max(1.0, tall * 0.006))
    for share, tone in ((0.62, (255, 226, 152)), (0.42, (255, 240, 196)), (0.22, (255, 252, 236))):
        polygon(picture, oval((x, y), wide * share, wide * share * 1.15), ink(tone))
    for rib in (-1.0, -0.5, 0.5, 1.0):
        way = [(x + rib * across(s) * 0.98, y - s * tall * 0.5) for s in np.linspace(-1, 1, 15)]
        line(picture, way, ink(shade(_BRASS, 0.72 if abs(rib) > 0.9 else 0.62)), max(2.0, tall * 0.012))
        line(alpha, way, 255, max(2.0, tall * 0.012))
    crown = y - tall * 0.5
    for target, tone in ((picture, ink(shade(_BRASS, 0.7))), (alpha, 255)):
        polygon(target, oval((x, crown), across(1) * 1.15, tall * 0.022), tone)
        polygon(target, oval((x, base), across(1) * 1.25, tall * 0.028), tone)
        line(target, [(x, crown), (x, crown - tall * 0.1)], tone, max(2.0, tall * 0.012))


def _stairs(scene: Scene, lens: Lens, detail: Generator) -> Backdrop:
    """A round tower from within: courses of stone, steps that wind up around a pillar, a lamp on the wall."""
    side = 1 if scene.geometry & 2 else -1
    wall = flat(lens.width, lens.height, shade(_STONE, 0.5))
    middle, half = lens.width / 2, lens.frame_width / 2
    rng = generator(scene.geometry, 25)
    courses = 13
    for row in range(courses + 3):
        shift = float(rng.random())
        for k in range(-1, 15):
            u0, u1 = ((k + shift + part) / 6.5 - 1.08 for part in (0.0, 1.0))
            tone = 0.4 + 0.13 * float(rng.random()) + 0.1 * (1 - min(1.0, abs(u0)))

            def at(u: float, share: float) -> tuple[float, float]:
                squeezed = math.sin(max(-1.5, min(1.5, u * 1.15))) / math.sin(1.15)
                return (
                    middle + squeezed * half * 1.25,
                    lens.row((share - 1) / courses * 1.08) + lens.size(0.07) * u * u,
                )

            gap = 0.055
            block = [at(u0 + 0.008, row + gap), at(u1 - 0.008, row + gap), at(u1 - 0.008, row + 1 - gap)]
            polygon(wall, [*block, at(u0 + 0.008, row + 1 - gap)], ink(shade(_STONE, tone)))
    gouache(wall, detail, count=1100, length=lens.size(0.03), thickness=lens.size(0.009), jitter=7)
    lamp = (middle - side * half * 0.5, lens.row(0.27))
    _wall_lamp(wall, lamp, lens)
    steps, cover = flat(lens.width, lens.height, shade(_STONE, 0.3)), np.zeros((lens.height, lens.width), np.uint8)
    pillar = middle + side * half * 0.66
    for k in range(9, -1, -1):  # far steps first: each turn is higher, narrower and nearer to the pillar
        turn = k * 0.2
        rise = lens.row(0.9) - lens.frame_height * (0.092 * k)
        outer = pillar - side * lens.frame_width * (0.95 * math.cos(turn) + 0.1)
        thick = lens.frame_height * (0.088 - 0.003 * k)
        deep = lens.frame_height * (0.055 - 0.003 * k)
        tread = [(pillar, rise - deep), (outer, rise - deep * 0.4), (outer - side * deep * 1.2, rise), (pillar, rise)]
        front = [
            (pillar, rise),
            (outer - side * deep * 1.2, rise),
            (outer - side * deep * 1.2, rise + thick),
            (pillar, rise + thick),
        ]
        warm = 0.92 - 0.055 * k
        for shape, tone in ((front, 0.44), (tread, 0.74)):
            polygon(steps, shape, ink(shade(blend(_STONE, _GOLD, 0.14), tone * warm)))
            polygon(cover, shape, 255)
    floor = [
        (-9, lens.row(0.97)),
        (lens.width + 9, lens.row(0.97)),
        (lens.width + 9, lens.height + 9),
        (-9, lens.height + 9),
    ]
    polygon(steps, floor, ink(shade(_STONE, 0.4)))
    polygon(cover, floor, 255)
    wide = lens.size(0.11)
    shaft = [
        (pillar - wide, -9),
        (pillar + wide, -9),
        (pillar + wide, lens.height + 9),
        (pillar - wide, lens.height + 9),
    ]
    polygon(steps, shaft, ink(shade(_STONE, 0.5)))
    polygon(cover, shaft, 255)
    near = pillar - side * wide * 0.45
    polygon(
        steps,
        [(pillar - side * wide, -9), (near, -9), (near, lens.height + 9), (pillar - side * wide, lens.height + 9)],
        ink(shade(blend(_STONE, _GOLD, 0.3), 0.74)),
    )
    gouache(steps, detail, count=600, length=lens.size(0.03), thickness=lens.size(0.007), jitter=6)
    rail = [
        (
            pillar - side * lens.frame_width * (0.95 * math.cos(k * 0.2) + 0.08),
            lens.row(0.6) - lens.frame_height * 0.092 * k,
        )
        for k in range(10)
    ]
    for target, tone in ((steps, ink(_BRASS)), (cover, 255)):
        line(target, rail, tone, lens.size(0.014))
    for picture in (wall, steps):
        glow(picture, lamp, lens.size(0.42), _GOLD, 0.36)
    light = _warm(*lamp, 0.8)
    return Backdrop(
        [Layer(wall, None, 0.2), Layer(steps, cover, 0.5)], light, lens.row(0.93), lamps=[(*lamp, lens.size(0.1))]
    )


def _wall_lamp(picture: Picture, at: tuple[float, float], lens: Lens) -> None:
    x, y = at
    size = lens.size(0.03)
    line(picture, [(x, y - size * 2.6), (x, y - size)], ink(shade(_BRASS, 0.7)), max(2.0, size * 0.2))
    polygon(picture, oval((x, y), size, size * 1.3), ink((255, 238, 190)))
    polygon(picture, oval((x, y + size * 0.2), size * 0.5, size * 0.8), ink((255, 250, 232)))
    for edge in (-1.3, 1.3):
        disc(picture, (x, y + edge * size), size * 0.8, ink(shade(_BRASS, 0.8)), 0.3)
