"""Painted rooms: a box in one-point perspective, its window or lamps, and the furniture of the place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from pipeline.engines.animatic.backdrop import NEARNESS, Backdrop, Layer, Lens, Light, light_for
from pipeline.engines.animatic.brush import (
    blend,
    disc,
    flat,
    generator,
    glow,
    gouache,
    ink,
    line,
    oval,
    polygon,
    shade,
    wash,
)
from pipeline.engines.animatic.sheets import Picture
from pipeline.engines.animatic.words import Colour, Scene

_Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Style:
    wall: Colour
    floor: Colour
    wood: Colour
    accent: Colour
    boards: bool = True


_STYLES: Mapping[str, _Style] = {
    "kitchen": _Style((222, 204, 172), (176, 134, 98), (146, 98, 64), (92, 128, 120), boards=False),
    "cafe": _Style((166, 122, 92), (122, 84, 60), (110, 72, 48), (64, 92, 86)),
    "studio": _Style((206, 198, 184), (156, 124, 94), (132, 96, 68), (176, 92, 62)),
    "stage": _Style((70, 40, 46), (118, 78, 56), (96, 62, 44), (150, 44, 48)),
    "library": _Style((150, 126, 98), (120, 82, 58), (98, 64, 44), (112, 52, 44)),
    "hall": _Style((204, 196, 182), (166, 152, 136), (128, 104, 82), (120, 110, 140), boards=False),
    "room": _Style((196, 178, 154), (150, 108, 78), (122, 82, 58), (96, 112, 132)),
}
_DEEP = 0.56  # width and height of the back wall against the frame's, in a wide shot


class Room:
    """One room on one stage: knows where the walls are and paints on two layers."""

    def __init__(self, scene: Scene, lens: Lens, seed: int) -> None:
        self.scene = scene
        self.lens = lens
        self.style = _STYLES[scene.place]
        self.rng = generator(scene.geometry, 21)
        self.detail = generator(scene.geometry, seed, 22)
        zoom = NEARNESS.get(scene.size, 1.3)
        deep = min(1.25, _DEEP * zoom**0.75)
        self.cx = lens.width / 2 + (self.rng.random() - 0.5) * 0.12 * lens.frame_width
        self.cy = {
            "low": lens.row(0.62),
            "worms-eye": lens.row(0.72),
            "high": lens.row(0.3),
            "overhead": lens.row(0.2),
        }.get(scene.angle, lens.row(0.46))
        half_w, tall = lens.frame_width * deep / 2, lens.frame_height * deep
        self.left, self.right = self.cx - half_w, self.cx + half_w
        self.top, self.bottom = self.cy - tall * 0.5, self.cy + tall * 0.4
        self.unit = tall  # the height of the back wall, about 2.8 m
        self.outside = light_for(scene, lens)
        lamp = scene.dark or scene.place in {"stage", "cafe"}
        warm: Colour = (255, 214, 158)
        self.window_side = -1 if scene.geometry & 4 else 1
        wx = self.cx + self.window_side * half_w * 0.5
        self.window = (wx, self.top + tall * 0.36, tall * 0.2, tall * 0.24)  # centre x, y, half width, half height
        bright = 0.74 if scene.hour in {"night", "dusk"} else 0.93
        if scene.place == "stage":
            bright = 0.62
        self.light = Light(
            x=wx if not lamp else self.cx,
            y=self.window[1] if not lamp else self.top,
            colour=warm if lamp else blend(self.outside.colour, (255, 240, 214), 0.4),
            sky=(
                blend(self.style.wall, (60, 60, 90), 0.5),
                self.style.wall,
                blend(self.style.wall, (255, 236, 204), 0.3),
            ),
            bright=bright,
        )

    def lit(self, colour: Colour, factor: float = 1.0) -> Colour:
        """Return a local colour in the room's light."""
        tint = blend((255, 255, 255), self.light.colour, 0.4)
        r, g, b = (part * glow_ / 255 * self.light.bright for part, glow_ in zip(colour, tint, strict=True))
        return shade((r, g, b), factor)

    def floor_at(self, x: float, depth: float) -> _Point:
        """Return a floor point: x from -1 (left wall) to 1, depth 0 (back wall) to 1 (near the viewer)."""
        grow = 1 + depth * 2.4
        mid = (self.left + self.right) / 2
        half = (self.right - self.left) / 2
        return (self.cx + (mid + x * half - self.cx) * grow, self.cy + (self.bottom - self.cy) * grow)

    def paint_shell(self) -> Picture:
        """Paint walls, ceiling and floor."""
        lens, style = self.lens, self.style
        picture = flat(lens.width, lens.height, self.lit(style.wall))
        far = 4.0

        def out(x: float, y: float) -> _Point:
            return (self.cx + (x - self.cx) * far, self.cy + (y - self.cy) * far)

        tl, tr, bl, br = (
            (self.left, self.top),
            (self.right, self.top),
            (self.left, self.bottom),
            (self.right, self.bottom),
        )
        polygon(picture, [tl, tr, out(*tr), out(*tl)], ink(self.lit(blend(style.wall, (246, 240, 228), 0.35), 0.86)))
        polygon(picture, [tl, bl, out(*bl), out(*tl)], ink(self.lit(style.wall, 0.8 if self.window_side < 0 else 0.68)))
        polygon(picture, [tr, br, out(*br), out(*tr)], ink(self.lit(style.wall, 0.8 if self.window_side > 0 else 0.68)))
        polygon(picture, [tl, tr, br, bl], ink(self.lit(style.wall, 0.98)))
        polygon(picture, [bl, br, out(*br), out(*bl)], ink(self.lit(style.floor, 0.92)))
        self._floor(picture, out)
        gouache(
            picture,
            self.detail,
            count=1500,
            length=lens.size(0.03),
            thickness=lens.size(0.009),
            angle=self._flow,
            jitter=2.6,
        )
        rail = self.lit(style.wood, 0.8)
        for a, b in ((bl, br), (bl, out(*bl)), (br, out(*br))):
            line(picture, [a, b], ink(rail), lens.size(0.009))
        line(picture, [tl, tr], ink(self.lit(style.wall, 0.75)), lens.size(0.004))
        for corner in (tl, tr, bl, br):
            line(picture, [corner, out(*corner)], ink(self.lit(style.wall, 0.6)), lens.size(0.003))
        line(picture, [tl, bl], ink(self.lit(style.wall, 0.66)), lens.size(0.003))
        line(picture, [tr, br], ink(self.lit(style.wall, 0.66)), lens.size(0.003))
        return picture

    def _flow(self, x: float, y: float) -> float:
        """Return the direction of strokes: along the walls to the vanishing point."""
        px, py = x * self.lens.width, y * self.lens.height
        if self.left < px < self.right and py < self.bottom:
            return 1.3
        if py > self.bottom:
            return 0.0
        return math.atan2(py - self.cy, px - self.cx)

    def _floor(self, picture: Picture, out: Any) -> None:
        style = self.style
        seam = ink(self.lit(style.floor, 0.7))
        count = 15
        for k in range(-count, count + 1):
            x = self.cx + (self.right - self.left) * k / count
            line(picture, [(x, self.bottom), out(x, self.bottom)], seam, self.lens.size(0.0025))
        if not style.boards:
            for k in range(1, 9):
                _, y = self.floor_at(0, (k / 9) ** 1.6)
                line(picture, [(-5, y), (self.lens.width + 5, y)], seam, self.lens.size(0.0025))
            return
        for _ in range(60):
            lane = self.rng.integers(-count, count)
            depth = float(self.rng.random()) ** 1.4
            x = self.cx + (self.right - self.left) * lane / count
            xa, xb = (
                self.cx + (edge - self.cx) * (1 + depth * 2.4) for edge in (x, x + (self.right - self.left) / count)
            )
            _, y = self.floor_at(0, depth)
            line(picture, [(xa, y), (xb, y)], seam, self.lens.size(0.0025))

    def box(self, picture: Picture, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """Fill an upright rectangle of the stage."""
        polygon(picture, [(x0, y0), (x1, y0), (x1, y1), (x0, y1)], ink(colour))

    def paint_window(self, picture: Picture) -> None:
        """Paint the window: the weather outside, frame, sill, curtains, and its light in the room."""
        x, y, half_w, half_h = self.window
        x0, y0, x1, y1 = int(x - half_w), int(y - half_h), int(x + half_w), int(y + half_h)
        cx0, cy0, cx1, cy1 = max(0, x0), max(0, y0), min(self.lens.width, x1), min(self.lens.height, y1)
        if cx1 - cx0 > 4 and cy1 - cy0 > 4:
            top, middle, low = self.outside.sky
            picture[cy0:cy1, cx0:cx1] = wash(
                cx1 - cx0,
                cy1 - cy0,
                [
                    (0, blend(top, middle, 0.6)),
                    (0.62, low),
                    (0.64, blend(low, (70, 84, 72), 0.35)),
                    (1, blend(low, (60, 76, 64), 0.55)),
                ],
            )
            window = (cx0 / self.lens.width, cy0 / self.lens.height, cx1 / self.lens.width, cy1 / self.lens.height)
            gouache(
                picture, self.detail, count=90, length=half_w * 0.2, thickness=half_h * 0.05, jitter=6, window=window
            )
        frame = ink(self.lit((238, 230, 214), 0.95))
        thick = max(2.0, self.unit * 0.016)
        edge = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        line(picture, edge, frame, thick)
        line(picture, [(x, y0), (x, y1)], frame, thick * 0.6)
        line(picture, [(x0, y - half_h * 0.15), (x1, y - half_h * 0.15)], frame, thick * 0.6)
        self.box(picture, x0 - thick * 1.4, y1, x1 + thick * 1.4, y1 + thick * 1.3, self.lit((232, 222, 204), 0.85))
        if self.scene.place in {"room", "kitchen"}:
            cloth = self.lit(self.style.accent, 1.05)
            for side in (-1, 1):
                edge_x = x + side * half_w
                shape = [
                    (edge_x - side * half_w * 0.36, y0 - thick * 2),
                    (edge_x + side * half_w * 0.3, y0 - thick * 2),
                    (edge_x + side * half_w * 0.34, y1 + half_h * 0.35),
                    (edge_x + side * half_w * 0.02, y1 + half_h * 0.35),
                    (edge_x - side * half_w * 0.02, y + half_h * 0.2),
                ]
                polygon(picture, shape, ink(cloth))
                for fold in (0.1, 0.2):
                    line(
                        picture,
                        [
                            (edge_x + side * half_w * fold, y0),
                            (edge_x + side * half_w * (fold + 0.04), y1 + half_h * 0.3),
                        ],
                        ink(shade(cloth, 0.8)),
                        max(1.0, thick * 0.4),
                    )
        if not self.scene.dark:
            glow(picture, (x, y), self.unit * 0.4, self.light.colour, 0.12)

    def shaft(self, picture: Picture) -> None:
        """Lay the window's light across the floor."""
        if self.scene.dark or self.scene.weather in {"rain", "storm", "fog"} or self.scene.place in {"stage", "cafe"}:
            return
        x, _, half_w, half_h = self.window
        mask = np.zeros(picture.shape[:2], np.uint8)
        side = -self.window_side
        for part in (-0.5, 0.5):
            centre = x + part * half_w
            a = (centre - half_w * 0.42, self.bottom + self.unit * 0.1)
            b = (centre + half_w * 0.42, self.bottom + self.unit * 0.1)
            c = (b[0] + side * half_h * 1.9, self.bottom + self.unit * 0.48)
            d = (a[0] + side * half_h * 2.1, self.bottom + self.unit * 0.48)
            polygon(mask, [a, b, c, d], 120)
        mask = cv2.blur(mask, (max(3, int(self.unit * 0.02)) | 1,) * 2)
        tone = ink(self.light.colour)
        cv2.add(picture, cv2.merge([cv2.convertScaleAbs(mask, alpha=0.62 * part / 255) for part in tone]), dst=picture)

    def lamp(self, picture: Picture, x: float, y: float, size: float) -> None:
        """Hang a lamp and let it glow."""
        line(picture, [(x, -5), (x, y)], ink((40, 34, 34)), max(1.0, size * 0.08))
        shape = [(x - size * 0.28, y), (x + size * 0.28, y), (x + size, y + size * 0.8), (x - size, y + size * 0.8)]
        polygon(picture, shape, ink(self.lit(self.style.accent, 0.8)))
        disc(picture, (x, y + size * 0.84), size * 0.8, ink((255, 236, 190)), 0.22)
        glow(picture, (x, y + size), size * 4.0, (255, 206, 140), 0.26 if self.scene.dark else 0.15)


def paint(scene: Scene, lens: Lens, seed: int) -> Backdrop:
    """Paint a room."""
    room = Room(scene, lens, seed)
    back = room.paint_shell()
    if scene.place != "stage":
        room.paint_window(back)
    _FURNISH[scene.place](room, back)
    room.shaft(back)
    if scene.dark and scene.place not in {"stage", "cafe"}:
        room.lamp(back, room.cx - room.window_side * room.unit * 0.2, room.top + room.unit * 0.08, room.unit * 0.07)
    layers = [Layer(back, None, 0.25)]
    near = _foreground(room)
    if near is not None:
        layers.append(near)
    return Backdrop(layers, room.light, lens.row(0.93))


def _counter(room: Room, picture: Picture, *, front: Colour, top: Colour, tall: float = 0.34, doors: int = 6) -> float:
    """Paint a counter along the back wall; return the row of its top."""
    u = room.unit
    y1 = room.bottom + u * 0.05
    y0 = room.bottom - u * tall
    x0, x1 = room.left - u * 0.02, room.right + u * 0.02
    room.box(picture, x0, y0, x1, y1, room.lit(front, 0.92))
    for k in range(doors):
        a = x0 + (x1 - x0) * k / doors
        b = x0 + (x1 - x0) * (k + 1) / doors
        pad = u * 0.012
        edge = [
            (a + pad, y0 + u * 0.07),
            (b - pad, y0 + u * 0.07),
            (b - pad, y1 - u * 0.03),
            (a + pad, y1 - u * 0.03),
            (a + pad, y0 + u * 0.07),
        ]
        line(picture, edge, ink(room.lit(front, 0.72)), max(1.0, u * 0.006))
        disc(picture, ((a + b) / 2, y0 + u * 0.1), u * 0.008, ink(room.lit((214, 180, 110))))
    window = (
        max(0, x0 / room.lens.width),
        max(0, y0 / room.lens.height),
        min(1, x1 / room.lens.width),
        min(1, y1 / room.lens.height),
    )
    gouache(picture, room.detail, count=170, length=u * 0.03, thickness=u * 0.008, angle=1.5, jitter=4, window=window)
    polygon(
        picture,
        [(x0 - u * 0.02, y0), (x1 + u * 0.02, y0), (x1 + u * 0.05, y0 + u * 0.035), (x0 - u * 0.05, y0 + u * 0.035)],
        ink(room.lit(top, 1.05)),
    )
    polygon(
        picture,
        [
            (x0 - u * 0.05, y0 + u * 0.035),
            (x1 + u * 0.05, y0 + u * 0.035),
            (x1 + u * 0.05, y0 + u * 0.055),
            (x0 - u * 0.05, y0 + u * 0.055),
        ],
        ink(room.lit(top, 0.7)),
    )
    return y0


_POTS: tuple[Colour, ...] = (
    (178, 96, 62),
    (92, 122, 112),
    (222, 208, 176),
    (150, 62, 52),
    (206, 158, 82),
    (84, 96, 118),
)


def _jars(room: Room, picture: Picture, x0: float, x1: float, y: float, tall: float) -> None:
    x = x0
    while x < x1:
        width = tall * (0.3 + 0.5 * float(room.rng.random()))
        high = tall * (0.5 + 0.5 * float(room.rng.random()))
        colour = room.lit(_POTS[int(room.rng.integers(len(_POTS)))])
        if float(room.rng.random()) < 0.82:
            room.box(picture, x, y - high, x + width, y, colour)
            room.box(picture, x, y - high, x + width * 0.25, y, shade(colour, 1.12))
            disc(picture, (x + width / 2, y - high), width / 2, ink(shade(colour, 0.82)), 0.25)
        x += width * 1.35


def _shelf(room: Room, picture: Picture, x0: float, x1: float, y: float, tall: float) -> None:
    _jars(room, picture, x0 + room.unit * 0.02, x1 - room.unit * 0.04, y, tall)
    room.box(picture, x0, y, x1, y + room.unit * 0.016, room.lit(room.style.wood, 0.85))


def _away_from_window(room: Room) -> tuple[float, float]:
    x, _, half, _ = room.window
    if room.window_side > 0:
        return room.left + room.unit * 0.05, x - half * 1.5
    return x + half * 1.5, room.right - room.unit * 0.05


def _kitchen(room: Room, picture: Picture) -> None:
    u = room.unit
    tile_top, tile_bottom = room.bottom - u * 0.58, room.bottom - u * 0.34
    room.box(picture, room.left, tile_top, room.right, tile_bottom, room.lit((206, 216, 206), 0.92))
    seam = ink(room.lit((206, 216, 206), 0.76))
    for k in range(4):
        y = tile_top + (tile_bottom - tile_top) * k / 3
        line(picture, [(room.left, y), (room.right, y)], seam, max(1.0, u * 0.003))
    for k in range(27):
        x = room.left + (room.right - room.left) * k / 26
        line(picture, [(x, tile_top), (x, tile_bottom)], seam, max(1.0, u * 0.003))
    room.paint_window(picture)
    y = _counter(room, picture, front=room.style.accent, top=(226, 208, 178))
    x0, x1 = _away_from_window(room)
    for row in (0.74, 0.92):
        _shelf(room, picture, x0, x1, room.bottom - u * row + u * 0.06, u * 0.11)
    # stove with hood and pots
    sx = x0 + (x1 - x0) * 0.42
    room.box(picture, sx - u * 0.15, y + u * 0.04, sx + u * 0.15, room.bottom + u * 0.05, room.lit((70, 68, 72)))
    room.box(picture, sx - u * 0.12, y + u * 0.12, sx + u * 0.12, room.bottom - u * 0.04, room.lit((38, 34, 38)))
    for k, size in ((-0.08, 0.055), (0.075, 0.04)):
        room.box(
            picture,
            sx + u * (k - size),
            y - u * 0.075,
            sx + u * (k + size),
            y + u * 0.005,
            room.lit((168, 94, 62) if k < 0 else (120, 124, 130)),
        )
        line(
            picture,
            [(sx + u * (k - size * 1.3), y - u * 0.055), (sx + u * (k + size * 1.3), y - u * 0.055)],
            ink(room.lit((60, 54, 54))),
            max(1.0, u * 0.008),
        )
    _jars(room, picture, room.left + u * 0.02, sx - u * 0.2, y + u * 0.004, u * 0.1)
    _jars(room, picture, sx + u * 0.2, room.right - u * 0.05, y + u * 0.004, u * 0.08)


def _cafe(room: Room, picture: Picture) -> None:
    u = room.unit
    x0, x1 = _away_from_window(room)
    for row in (0.6, 0.78):
        _shelf(room, picture, x0, x1, room.bottom - u * row, u * 0.12)
    board = (x0 + u * 0.04, room.top + u * 0.02, x0 + u * 0.5, room.top + u * 0.16)
    room.box(picture, *board, room.lit((44, 48, 48)))
    for k in range(4):
        y = board[1] + u * (0.028 + 0.03 * k)
        line(
            picture,
            [(board[0] + u * 0.03, y), (board[0] + u * (0.2 + 0.2 * float(room.rng.random())), y)],
            ink(room.lit((214, 210, 196))),
            max(1.0, u * 0.005),
        )
    y = _counter(room, picture, front=room.style.wood, top=(198, 158, 112), tall=0.38, doors=9)
    mx = (x0 + x1) / 2
    steel = room.lit((172, 176, 180))
    room.box(picture, mx - u * 0.17, y - u * 0.2, mx + u * 0.17, y, steel)
    room.box(picture, mx - u * 0.15, y - u * 0.13, mx + u * 0.15, y - u * 0.02, shade(steel, 0.5))
    room.box(picture, mx - u * 0.17, y - u * 0.2, mx + u * 0.17, y - u * 0.165, shade(steel, 1.15))
    for k in (-0.08, 0.06):
        room.box(picture, mx + u * (k - 0.02), y - u * 0.125, mx + u * (k + 0.02), y - u * 0.085, shade(steel, 0.75))
    _jars(room, picture, room.left + u * 0.02, mx - u * 0.22, y, u * 0.08)
    for k in range(3):
        x = room.left + (room.right - room.left) * (0.2 + 0.3 * k)
        room.lamp(picture, x, room.top + u * 0.12, u * 0.065)


def _studio(room: Room, picture: Picture) -> None:
    u = room.unit
    x0, x1 = _away_from_window(room)
    for k in range(4):
        w, h = u * (0.12 + 0.12 * float(room.rng.random())), u * (0.14 + 0.14 * float(room.rng.random()))
        x = x0 + (x1 - x0) * (k + 0.15) / 4
        y = room.top + u * (0.1 + 0.16 * float(room.rng.random()))
        room.box(picture, x, y, x + w, y + h, room.lit(room.style.wood, 0.8))
        inner = _POTS[int(room.rng.integers(len(_POTS)))]
        room.box(
            picture,
            x + u * 0.012,
            y + u * 0.012,
            x + w - u * 0.012,
            y + h - u * 0.012,
            room.lit(blend(inner, (236, 226, 204), 0.35)),
        )
    ex, ey = room.floor_at(-0.55 * room.window_side, 0.14)
    tall = u * 0.62
    wood = ink(room.lit(room.style.wood, 0.9))
    for foot in (-0.16, 0.16, 0.02):
        line(picture, [(ex + u * foot, ey), (ex, ey - tall)], wood, max(2.0, u * 0.014))
    room.box(picture, ex - u * 0.19, ey - tall * 0.92, ex + u * 0.19, ey - tall * 0.36, room.lit((244, 238, 222)))
    gouache(
        picture,
        room.detail,
        count=60,
        length=u * 0.05,
        thickness=u * 0.014,
        angle=-0.5,
        jitter=42,
        window=(
            (ex - u * 0.15) / room.lens.width,
            (ey - tall * 0.86) / room.lens.height,
            (ex + u * 0.15) / room.lens.width,
            (ey - tall * 0.44) / room.lens.height,
        ),
    )
    line(picture, [(ex - u * 0.2, ey - tall * 0.35), (ex + u * 0.2, ey - tall * 0.35)], wood, max(2.0, u * 0.018))
    tx, ty = room.floor_at(0.6 * room.window_side, 0.2)
    _table(room, picture, tx, ty, u * 0.5, u * 0.26)


def _table(room: Room, picture: Picture, x: float, y: float, width: float, tall: float) -> None:
    wood = room.lit(room.style.wood)
    for side in (-0.44, 0.44):
        room.box(
            picture, x + width * side - width * 0.025, y - tall, x + width * side + width * 0.025, y, shade(wood, 0.7)
        )
    polygon(
        picture,
        [
            (x - width * 0.46, y - tall * 1.12),
            (x + width * 0.46, y - tall * 1.12),
            (x + width * 0.54, y - tall * 0.96),
            (x - width * 0.54, y - tall * 0.96),
        ],
        ink(shade(wood, 1.12)),
    )
    room.box(picture, x - width * 0.54, y - tall * 0.96, x + width * 0.54, y - tall * 0.86, shade(wood, 0.82))
    _jars(room, picture, x - width * 0.36, x + width * 0.34, y - tall * 1.04, tall * 0.34)


def _stage(room: Room, picture: Picture) -> None:
    u, lens = room.unit, room.lens
    red = room.style.accent
    folds = 26
    for k in range(folds):
        a = room.left + (room.right - room.left) * k / folds
        b = room.left + (room.right - room.left) * (k + 1) / folds
        tone = 0.62 + 0.34 * math.sin(k * 2.4) ** 2
        room.box(picture, a, room.top, b + 1, room.bottom, room.lit(blend(red, (40, 20, 34), 0.3), tone))
    for side, edge in ((-1, lens.left), (1, lens.left + lens.frame_width)):
        for k in range(5):
            a = edge - side * lens.frame_width * (0.03 * k - 0.03)
            shape = [
                (a, -5),
                (a - side * lens.frame_width * 0.034, -5),
                (a - side * lens.frame_width * (0.03 + 0.01 * (4 - k)), lens.height + 5),
                (a + side * 30, lens.height + 5),
            ]
            polygon(picture, shape, ink(room.lit(red, 0.5 + 0.09 * (k % 2) + 0.05 * k)))
    cone = np.zeros(picture.shape[:2], np.uint8)
    for at, lean in ((0.34, 0.12), (0.66, -0.12)):
        x = lens.left + at * lens.frame_width
        foot = x + lean * lens.frame_width
        y = room.bottom + u * 0.32
        polygon(cone, [(x - u * 0.04, -5), (x + u * 0.04, -5), (foot + u * 0.3, y), (foot - u * 0.3, y)], 52)
        polygon(cone, oval((foot, y), u * 0.3, u * 0.07), 130)
    soft = cv2.blur(cone, (max(3, int(u * 0.05)) | 1,) * 2)
    cv2.add(
        picture, cv2.merge([cv2.convertScaleAbs(soft, alpha=part / 255) for part in ink((255, 226, 176))]), dst=picture
    )
    if "piano" in room.scene.props:
        x, y = room.floor_at(0.45, 0.18)
        black = room.lit((40, 36, 42))
        polygon(
            picture,
            [
                (x - u * 0.3, y - u * 0.3),
                (x + u * 0.22, y - u * 0.34),
                (x + u * 0.3, y - u * 0.24),
                (x + u * 0.28, y - u * 0.16),
                (x - u * 0.3, y - u * 0.16),
            ],
            ink(black),
        )
        for k in (-0.26, 0.0, 0.24):
            room.box(picture, x + u * k, y - u * 0.16, x + u * (k + 0.02), y, shade(black, 0.8))


def _library(room: Room, picture: Picture) -> None:
    u = room.unit
    x0, x1 = _away_from_window(room)
    room.box(picture, x0 - u * 0.02, room.top + u * 0.06, x1 + u * 0.02, room.bottom, room.lit(room.style.wood, 0.62))
    for row in range(5):
        y = room.top + u * (0.2 + 0.168 * row)
        x = x0
        while x < x1 - u * 0.02:
            width = u * (0.012 + 0.022 * float(room.rng.random()))
            tall = u * (0.085 + 0.05 * float(room.rng.random()))
            base = _POTS[int(room.rng.integers(len(_POTS)))]
            if float(room.rng.random()) < 0.9:
                room.box(picture, x, y - tall, x + width, y, room.lit(blend(base, (70, 48, 40), 0.35)))
            x += width * 1.08
        room.box(picture, x0 - u * 0.02, y, x1 + u * 0.02, y + u * 0.016, room.lit(room.style.wood, 0.95))
    tx, ty = room.floor_at(0.15 * room.window_side, 0.2)
    _table(room, picture, tx, ty, u * 0.62, u * 0.26)


def _hall(room: Room, picture: Picture) -> None:
    u = room.unit
    stone = room.lit((214, 206, 192))
    for depth in (0.9, 0.62, 0.38, 0.16):
        for side in (-1, 1):
            x, y = room.floor_at(side * 0.93, depth)
            grow = 1 + depth * 2.4
            w = u * 0.034 * grow
            top = room.cy + (room.top - room.cy) * grow
            room.box(picture, x - w, top, x + w, y, shade(stone, 0.92 - 0.1 * depth))
            room.box(picture, x - side * w, top, x - side * w * 0.3, y, shade(stone, 1.06))
            room.box(picture, x - w * 1.4, y - w * 0.7, x + w * 1.4, y, shade(stone, 0.78))
            room.box(picture, x - w * 1.4, top, x + w * 1.4, top + w * 0.8, shade(stone, 0.84))
    gouache(picture, room.detail, count=240, length=u * 0.05, thickness=u * 0.012, angle=1.5, jitter=4)


def _living(room: Room, picture: Picture) -> None:
    u = room.unit
    x0, x1 = _away_from_window(room)
    mid = (x0 + x1) / 2
    room.box(
        picture,
        mid - u * 0.16,
        room.top + u * 0.18,
        mid + u * 0.16,
        room.top + u * 0.42,
        room.lit(room.style.wood, 0.8),
    )
    room.box(
        picture,
        mid - u * 0.14,
        room.top + u * 0.2,
        mid + u * 0.14,
        room.top + u * 0.4,
        room.lit(blend((126, 148, 150), (230, 206, 160), 0.4)),
    )
    rug = [room.floor_at(-0.5, 0.08), room.floor_at(0.5, 0.08), room.floor_at(0.55, 0.5), room.floor_at(-0.55, 0.5)]
    polygon(picture, rug, ink(room.lit(blend(room.style.accent, (176, 84, 66), 0.55), 0.9)))
    x, y = room.floor_at(-0.42 * room.window_side, 0.1)
    sofa = room.lit(room.style.accent)
    room.box(picture, x - u * 0.34, y - u * 0.36, x + u * 0.34, y - u * 0.14, shade(sofa, 0.9))
    room.box(picture, x - u * 0.36, y - u * 0.2, x + u * 0.36, y - u * 0.03, sofa)
    for side in (-1, 1):
        room.box(
            picture,
            x + side * u * 0.37 - u * 0.05,
            y - u * 0.27,
            x + side * u * 0.37 + u * 0.05,
            y - u * 0.02,
            shade(sofa, 0.8),
        )
        disc(picture, (x + side * u * 0.2, y - u * 0.22), u * 0.07, ink(room.lit((206, 158, 82))), 0.8)
    lx, ly = room.floor_at(0.5 * room.window_side, 0.06)
    line(picture, [(lx, ly), (lx, ly - u * 0.55)], ink(room.lit((64, 52, 46))), max(2.0, u * 0.012))
    polygon(
        picture,
        [
            (lx - u * 0.06, ly - u * 0.66),
            (lx + u * 0.06, ly - u * 0.66),
            (lx + u * 0.1, ly - u * 0.52),
            (lx - u * 0.1, ly - u * 0.52),
        ],
        ink((250, 222, 164)),
    )
    glow(picture, (lx, ly - u * 0.58), u * 0.3, (255, 206, 140), 0.34 if room.scene.dark else 0.14)
    if "fire" in room.scene.props:
        fx, fy = room.floor_at(0.05, 0.0)
        room.box(picture, fx - u * 0.2, fy - u * 0.42, fx + u * 0.2, fy, room.lit((150, 132, 118)))
        room.box(picture, fx - u * 0.13, fy - u * 0.28, fx + u * 0.13, fy, (40, 26, 22))
        for k in range(6):
            disc(
                picture,
                (fx + u * 0.02 * (k - 2.5), fy - u * (0.05 + 0.012 * (k % 3))),
                u * 0.035,
                ink((255, 150 + 16 * k, 60)),
                1.5,
            )
        glow(picture, (fx, fy - u * 0.1), u * 0.3, (255, 150, 70), 0.5)


_FURNISH = {
    "kitchen": _kitchen,
    "cafe": _cafe,
    "studio": _studio,
    "stage": _stage,
    "library": _library,
    "hall": _hall,
    "room": _living,
}


def _foreground(room: Room) -> Layer | None:
    """A dark table edge or a door jamb near the viewer, to give the room depth."""
    lens, scene = room.lens, room.scene
    if scene.place == "stage" or scene.size in {"close-up", "extreme-close-up"}:
        return None
    dark = room.lit(room.style.wood, 0.36)
    picture, alpha = flat(lens.width, lens.height, dark), np.zeros((lens.height, lens.width), np.uint8)
    if scene.place in {"kitchen", "cafe", "studio"} and scene.size not in {"wide", "extreme-wide", "full"}:
        y = lens.row(0.9)
        polygon(
            alpha,
            [(-9, y), (lens.width + 9, y - lens.size(0.012)), (lens.width + 9, lens.height + 9), (-9, lens.height + 9)],
            255,
        )
        polygon(
            picture,
            [
                (-9, y),
                (lens.width + 9, y - lens.size(0.012)),
                (lens.width + 9, y + lens.size(0.02)),
                (-9, y + lens.size(0.03)),
            ],
            ink(shade(dark, 1.25)),
        )
    side = room.window_side
    edge = lens.width / 2 - side * lens.frame_width * 0.5
    leaf: Colour = room.lit((58, 76, 52), 0.7)
    for u, v, r, tone in room.rng.random((34, 4)).tolist():
        angle = -1.5 + (u - 0.5) * 2.2
        reach = lens.size(0.12 + 0.2 * v)
        x, y = edge + side * lens.size(0.03), lens.row(0.93)
        tip = (x + reach * math.cos(angle), y + reach * math.sin(angle))
        middle = ((x + tip[0]) / 2, (y + tip[1]) / 2)
        shape = oval(middle, reach / 2, lens.size(0.012 + 0.01 * r), angle, 16)
        polygon(picture, shape, ink(shade(leaf, 0.7 + 0.5 * tone)))
        polygon(alpha, shape, 255)
    pot = [
        (edge - lens.size(0.03), lens.row(0.9)),
        (edge + side * lens.size(0.1), lens.row(0.9)),
        (edge + side * lens.size(0.08), lens.height + 9.0),
        (edge - lens.size(0.02), lens.height + 9.0),
    ]
    polygon(picture, pot, ink(room.lit((150, 84, 62), 0.55)))
    polygon(alpha, pot, 255)
    return Layer(picture, np.asarray(cv2.GaussianBlur(alpha, (0, 0), max(0.7, lens.size(0.0025))), np.uint8), 1.0)
