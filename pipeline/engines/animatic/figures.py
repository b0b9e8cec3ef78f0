"""Figures: how a person is drawn, in their own palette, at any size, in any pose.

A figure is one unit tall; its feet are at (0, 0), y points up. A pose becomes a list of shapes;
painting them is the business of :mod:`pipeline.engines.animatic.cels`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from pipeline.control.request import Figure
from pipeline.engines.animatic import brush
from pipeline.engines.animatic.acting import Pose
from pipeline.engines.animatic.backdrop import Light
from pipeline.engines.animatic.brush import oval, polygon
from pipeline.engines.animatic.cels import Box, Cels, Form, Mark, Paper
from pipeline.engines.animatic.sheets import Sheet, sheet_of
from pipeline.engines.animatic.words import Colour, number_of, rgb, says

# Every drawing of a figure asks for the same few colours.
blend = lru_cache(maxsize=1024)(brush.blend)
shade = lru_cache(maxsize=1024)(brush.shade)

HEAD_Y = 0.918
EYES_Y = 0.922
_THIGHS = 0.62  # no leg is drawn above this, in figure heights from the feet
_Point = tuple[float, float]

_SKINS: tuple[tuple[str, Colour], ...] = (
    ("dark skin|deep brown skin|black skin|ebony", (104, 68, 50)),
    ("(warm )?brown skin|brown skinned|tan(ned)? skin|olive skin|medium skin", (164, 112, 82)),
    ("pale|fair skin|light skin|freckle[sd]?", (238, 204, 182)),
)
_HAIRS: tuple[tuple[str, Colour], ...] = (
    ("(gr[ea]y|silver|white)( \\w+)? (hair|beard|bun)|elderly|old (man|woman)", (186, 182, 180)),
    ("(blond[e]?|golden|fair)( \\w+)? hair|blonde?", (208, 170, 104)),
    ("(red|auburn|ginger|copper)( \\w+)? hair|redhead", (158, 78, 46)),
    ("(black|dark|raven)( \\w+)* hair|black hair", (44, 36, 38)),
    ("(brown|chestnut|brunette)( \\w+)* hair", (92, 62, 44)),
)
_CLOTHES: tuple[Colour, ...] = (
    (196, 84, 66),
    (64, 108, 132),
    (212, 160, 76),
    (98, 122, 84),
    (134, 88, 122),
    (78, 88, 106),
)


@dataclass(frozen=True, slots=True)
class Looks:
    """How a person looks: colours and what they wear."""

    coat: Colour
    lower: Colour
    accent: Colour
    skin: Colour
    hair: Colour
    long_hair: bool
    bun: bool
    hat: bool
    glasses: bool
    beard: bool
    skirt: bool
    long_coat: bool
    scarf: bool


def looks_of(figure: Figure) -> Looks:
    """Return the looks that a figure's palette and description give."""
    text = f"{figure.description} {figure.name}"
    key = number_of(figure.id)
    spare = _CLOTHES[key % len(_CLOTHES)]
    palette = [rgb(code) for code in figure.palette]
    coat = palette[0] if palette else spare
    lower = palette[1] if len(palette) > 1 else shade(blend(coat, (60, 64, 78), 0.7), 0.75)
    accent = palette[2] if len(palette) > 2 else shade(blend(coat, (240, 200, 140), 0.5), 1.1)
    skin = next(
        (colour for words, colour in _SKINS if says(words, text)),
        ((222, 178, 150), (196, 146, 114), (150, 104, 78))[key % 3],
    )
    hair = next(
        (colour for words, colour in _HAIRS if says(words, text)),
        ((62, 46, 40), (96, 66, 46), (44, 38, 42))[key // 3 % 3],
    )
    man = says("man|boy|he|his|him|male|gentleman|father|son|grandson|king|actor|grandfather|brother", text)
    woman = not man and says("woman|girl|she|her|female|lady|mother|daughter|queen|actress|grandmother", text)
    return Looks(
        coat,
        lower,
        accent,
        skin,
        hair,
        long_hair=says("long( \\w+)? hair|ponytail|braids?|braided", text)
        or (woman and not says("short|bun|cropped|shaved|knot|curls", text)),
        bun=says("bun|topknot|hair in a knot", text),
        hat=says("hat|beanie|cap|helmet|hood|toque|beret", text),
        glasses=says("(eye)?glasses|spectacles", text),
        beard=says("beard(ed)?|moustache|mustache|goatee", text),
        skirt=says("dress|skirt|gown|robe|kimono|apron", text),
        long_coat=says("coat|cloak|cape|robe|trench|oilskin|lab coat", text),
        scarf=says("scarf|shawl|bandana|tie", text) or len(palette) > 2,
    )


class Painter:
    """Draws one figure at one size at its place on the stage.

    Args:
        looks: How the person looks.
        tall: Height of the whole figure in pixels.
        feet: Where (0, 0) is on the stage, in pixels.
        limit: What of the stage can be seen.
        light: Light of the scene.
        side: 1 if the light comes from the right of the figure, -1 from the left.
        rear: Whether it is seen from behind.
        pencil: Whether it is drawn with the pencil.
        palette: Of the scene, for the pencil.
    """

    def __init__(
        self,
        looks: Looks,
        tall: float,
        feet: _Point,
        limit: Box,
        light: Light,
        side: float,
        *,
        rear: bool = False,
        pencil: bool = False,
        palette: tuple[Colour, ...] = (),
    ) -> None:
        self._looks = looks
        self._pixel = 1 / tall
        self._light = light
        self._detail = tall > 330  # the face is near enough to be drawn
        self._rear = rear
        self._legs = feet[1] - _THIGHS * tall < limit.y1  # in a close-up they are far below the frame
        self._colours: dict[Colour, Colour] = {}
        self._marks: list[Mark] = []
        paper = Paper(palette, self._lit(looks.coat)) if pencil else None
        self._cels = Cels(feet, limit, Form(tall, side, light.colour), paper)

    def sheet(self, pose: Pose, emotion: str) -> Sheet:
        """Return the figure in a pose, where it stands."""
        return self._cels.of((pose, emotion), lambda: self.marks(pose, emotion))

    def marks(self, pose: Pose, emotion: str) -> list[Mark]:
        """Return the shapes that a pose is drawn with, back to front."""
        self._marks = []
        self._body(pose, emotion)
        return self._marks

    def _lit(self, colour: Colour) -> Colour:
        """Light a local colour, less than the scenery: people have to be found."""
        found = self._colours.get(colour)
        if found is None:
            share = 0.55 if self._light.bright > 0.6 else 0.7
            found = self._colours[colour] = blend(colour, self._light.lit(colour), share)
        return found

    # Shapes. Points are in figure units; x is mirrored by ``facing`` where they are made.

    def _fill(self, points: Any, colour: Colour) -> None:
        self._marks.append(Mark((points,), colour))

    def _stroke(self, points: Sequence[_Point], colour: Colour, thickness: float) -> None:
        # Anti-aliasing widens a filled shape by about half a pixel on either side.
        self._fill(ribbon(points, max(thickness - 0.7 * self._pixel, 0.4 * self._pixel)), colour)

    def _ring(self, outside: Any, inside: Any, colour: Colour) -> None:
        self._marks.append(Mark((outside, inside), colour))

    def _oval(self, centre: _Point, across: float, down: float, colour: Colour, turn: float = 0.0) -> None:
        self._fill(oval(centre, across, down, turn, 28), colour)

    def _limb(self, a: _Point, b: _Point, ra: float, rb: float, colour: Colour) -> None:
        self._fill(capsule(a, b, ra, rb), colour)

    def _body(self, pose: Pose, emotion: str) -> None:
        looks, f = self._looks, pose.facing
        way = 1.0 if f >= 0 else -1.0
        coat, lower, skin = self._lit(looks.coat), self._lit(looks.lower), self._lit(looks.skin)
        hips = (0.0, 0.5 - pose.drop)
        tip = (math.sin(pose.lean) * way, math.cos(pose.lean))

        def up(x: float, y: float) -> _Point:
            """Place a point of the upright trunk (x across, y above the feet) as the trunk leans."""
            above = y - 0.5
            return (hips[0] + x * tip[1] + above * tip[0], hips[1] + above * tip[1] - x * tip[0])

        broad = 0.118 - 0.022 * abs(f)
        shoulder_far, shoulder_near = up(0.78 * broad * way, 0.782), up(-0.78 * broad * way, 0.782)
        self._arm(shoulder_far, pose.far, way, shade(coat, 0.74), shade(skin, 0.82), pose.lean)
        if self._legs:
            self._leg((hips[0] + 0.03 * way, hips[1]), pose.back, way, shade(lower, 0.78), pose.drop)
            self._leg((hips[0] - 0.03 * way, hips[1]), pose.front, way, lower, pose.drop)
        self._trunk(up, broad, way, coat, pose)
        self._head(up, pose, emotion, way)
        self._arm(shoulder_near, pose.near, way, shade(coat, 0.93), skin, pose.lean)

    def _arm(
        self, shoulder: _Point, angles: tuple[float, float], way: float, coat: Colour, skin: Colour, lean: float
    ) -> None:
        one = angles[0] + lean * 0.4
        two = one + angles[1]
        elbow = (shoulder[0] + 0.15 * math.sin(one) * way, shoulder[1] - 0.15 * math.cos(one))
        wrist = (elbow[0] + 0.13 * math.sin(two) * way, elbow[1] - 0.13 * math.cos(two))
        hand = (wrist[0] + 0.026 * math.sin(two) * way, wrist[1] - 0.026 * math.cos(two))
        self._limb(wrist, hand, 0.016, 0.019, skin)
        self._limb(shoulder, elbow, 0.032, 0.027, coat)
        self._limb(elbow, wrist, 0.027, 0.021, coat)

    def _leg(self, hip: _Point, angles: tuple[float, float], way: float, colour: Colour, drop: float) -> None:
        one = angles[0]
        two = one - angles[1]
        knee = (hip[0] + 0.25 * math.sin(one) * way, hip[1] - 0.25 * math.cos(one))
        ankle = (knee[0] + 0.23 * math.sin(two) * way, knee[1] - 0.23 * math.cos(two))
        if drop < 0.1:  # a standing foot never sinks into the ground
            ankle = (ankle[0], max(ankle[1], 0.022))
        shoe = shade(blend(colour, (40, 34, 34), 0.65), 0.8)
        self._limb(
            (ankle[0] - 0.008 * way, ankle[1] - 0.004), (ankle[0] + 0.052 * way, ankle[1] - 0.01), 0.019, 0.014, shoe
        )
        self._limb(hip, knee, 0.055, 0.036, colour)
        self._limb(knee, ankle, 0.036, 0.024, colour)

    def _trunk(self, up: Any, broad: float, way: float, coat: Colour, pose: Pose) -> None:
        looks = self._looks
        hem = 0.24 if looks.long_coat else 0.3 if looks.skirt else 0.44
        if pose.drop > 0.1:
            hem = max(hem, 0.42)
        flare = 0.135 if looks.skirt else 0.112 if looks.long_coat else 0.094
        edge = [
            (-0.032, 0.85),
            (-broad * 0.6, 0.822),
            (-broad * 0.92, 0.796),
            (-broad * 1.0, 0.76),
            (-broad * 0.9, 0.68),
            (-0.074, 0.6),
            (-0.084, 0.52),
            (-flare, hem),
            (-flare * 0.3, hem - 0.012),
            (flare * 0.4, hem - 0.006),
            (flare, hem + 0.006),
            (0.084, 0.52),
            (0.074, 0.6),
            (broad * 0.9, 0.68),
            (broad, 0.76),
            (broad * 0.92, 0.796),
            (broad * 0.6, 0.822),
            (0.032, 0.85),
        ]
        self._fill([up(x, y) for x, y in edge], coat)
        if self._rear:
            self._stroke([up(0, 0.8), up(0.004, hem + 0.02)], shade(coat, 0.8), 0.004)
            return
        open_at = 0.018 * way
        shirt = self._lit(blend(looks.accent, (244, 236, 222), 0.45))
        self._fill([up(open_at - 0.034, 0.84), up(open_at - 0.004, 0.72), up(open_at + 0.034, 0.84)], shirt)
        lapel = shade(coat, 0.8)
        self._fill([up(open_at - 0.036, 0.845), up(open_at - 0.056, 0.79), up(open_at - 0.004, 0.7)], lapel)
        self._fill([up(open_at + 0.036, 0.845), up(open_at + 0.056, 0.79), up(open_at - 0.002, 0.7)], shade(coat, 0.88))
        self._stroke([up(open_at - 0.003, 0.7), up(open_at + 0.002, hem + 0.01)], lapel, 0.004)
        for y in (0.66, 0.6, 0.54):
            if y > hem + 0.05 and self._detail:
                self._oval(up(open_at + 0.013, y), 0.0048, 0.0048, shade(coat, 0.6))
        if looks.skirt:
            self._stroke([up(-0.076, 0.595), up(0.076, 0.595)], shade(coat, 0.74), 0.012)

    def _head(self, up: Any, pose: Pose, emotion: str, way: float) -> None:
        looks, f = self._looks, pose.facing
        skin, hair = self._lit(looks.skin), self._lit(looks.hair)
        nod = pose.nod
        cx, cy = up(0.012 * f + 0.05 * nod * way, HEAD_Y - 0.014 * max(0.0, nod))
        base = up(0.0, 0.825)
        if looks.long_hair:
            self._fill(oval((cx - 0.012 * f, cy - 0.03), 0.06, 0.098, 0, 28), shade(hair, 0.86))
        self._limb(base, (cx - 0.006 * f, cy - 0.045), 0.03, 0.027, shade(skin, 0.8))
        if looks.scarf:
            scarf = self._lit(looks.accent)
            self._limb(up(-0.042, 0.838), up(0.042, 0.842), 0.021, 0.021, scarf)
            self._fill(
                [up(0.012 * way, 0.84), up(0.05 * way, 0.83), up(0.044 * way, 0.72), up(0.012 * way, 0.71)],
                shade(scarf, 0.85),
            )
        if looks.bun:
            self._oval((cx - 0.05 * f, cy + 0.026), 0.026, 0.026, hair)
        face = [
            (-0.05, 0.03),
            (-0.051, -0.008),
            (-0.044, -0.04),
            (-0.022, -0.066),
            (0.004, -0.073),
            (0.026, -0.066),
            (0.045, -0.038),
            (0.05, -0.006),
            (0.048, 0.034),
            (0.026, 0.062),
            (-0.024, 0.062),
        ]
        turn = 0.007 * f

        def on(x: float, y: float) -> _Point:
            """Place a point of the face, turned and nodded."""
            lean = 0.35 * nod * way
            return (cx + x * math.cos(lean) + y * math.sin(lean), cy - x * math.sin(lean) + y * math.cos(lean) - 0.004)

        ear = -0.05 * (f if abs(f) > 0.3 else 1)
        self._oval(on(ear, -0.006), 0.011, 0.017, shade(skin, 0.88))
        self._fill([on(x + turn * 0.5, y) for x, y in face], skin)
        if self._rear:
            self._oval(on(0, 0.004), 0.056, 0.066, hair)
        else:
            self._hair(on, hair, f)
            if self._detail:
                self._face(on, pose, emotion, skin)
            else:
                self._oval(on(0.018 * f - 0.014, 0.002), 0.005, 0.006, shade(skin, 0.32))
                self._oval(on(0.018 * f + 0.018, 0.002), 0.005, 0.006, shade(skin, 0.32))
        if looks.hat:
            hat = self._lit(blend(looks.accent, looks.lower, 0.4))
            self._fill(
                [
                    on(-0.056, 0.024),
                    on(-0.052, 0.06),
                    on(-0.024, 0.084),
                    on(0.026, 0.084),
                    on(0.054, 0.058),
                    on(0.057, 0.024),
                ],
                hat,
            )
            self._limb(on(-0.056, 0.028), on(0.058, 0.028), 0.011, 0.011, shade(hat, 0.78))

    def _hair(self, on: Any, hair: Colour, f: float) -> None:
        back = -1 if f >= 0 else 1
        side = 0.03 if abs(f) > 0.3 else 0.0
        shape = [
            (-0.055, -0.012),
            (-0.06, 0.03),
            (-0.046, 0.066),
            (-0.012, 0.083),
            (0.026, 0.079),
            (0.052, 0.056),
            (0.057, 0.014),
            (0.05, 0.0),
            (0.046, 0.034),
            (0.02, 0.05),
            (-0.014, 0.044),
            (-0.036, 0.036),
            (-0.045, 0.008),
        ]
        self._fill([on(x * (1 if back < 0 else -1) - side * 0.1, y) for x, y in shape], hair)
        if abs(f) > 0.3:
            self._fill(
                [
                    on(back * x, y)
                    for x, y in ((0.058, 0.05), (0.064, 0.0), (0.054, -0.04), (0.038, -0.012), (0.03, 0.04))
                ],
                hair,
            )
        gleam = shade(hair, 1.16)
        self._stroke([on(-0.03, 0.064), on(0.0, 0.073), on(0.03, 0.066)], gleam, 0.005)

    def _face(self, on: Any, pose: Pose, emotion: str, skin: Colour) -> None:
        looks, f = self._looks, pose.facing
        dark = shade(blend(looks.hair, skin, 0.12), 0.55)
        middle = 0.017 * f
        inner, outer = _BROWS.get(emotion, (0.0, 0.0))
        wide = {"surprised": 1.3, "afraid": 1.22, "angry": 0.82, "determined": 0.86, "happy": 0.84, "sad": 0.84}.get(
            emotion, 1.0
        )
        cheek = blend(skin, (214, 96, 84), 0.24)
        for sign in (-1, 1):
            self._oval(on(middle + sign * 0.03, -0.024), 0.012, 0.009, cheek)
        for sign in (-1, 1):
            narrow = 1 - 0.22 * max(0.0, sign * f)
            ex = middle + sign * 0.0215 * narrow
            if pose.blink:
                self._stroke([on(ex - 0.009, 0.0), on(ex, -0.003), on(ex + 0.009, 0.0)], dark, 0.0028)
            else:
                self._oval(on(ex, 0.0), 0.0098 * narrow, 0.0068 * wide, self._lit((246, 240, 232)))
                self._oval(on(ex + 0.0026 * f, -0.0002), 0.0052, min(0.0058, 0.0064 * wide), self._lit((66, 48, 40)))
                self._oval(on(ex + 0.0026 * f + 0.0018, 0.002), 0.0014, 0.0014, (250, 248, 240))
                self._stroke(
                    [on(ex - 0.0105 * narrow, 0.002), on(ex - 0.002, 0.0072 * wide), on(ex + 0.0105 * narrow, 0.002)],
                    dark,
                    0.0026,
                )
            low, high = (0.0165 + inner, 0.0175 + outer)
            self._stroke(
                [
                    on(ex - sign * 0.011, low),
                    on(ex + sign * 0.002, (low + high) / 2 + 0.003),
                    on(ex + sign * 0.013, high),
                ],
                dark,
                0.004,
            )
        shadow = shade(skin, 0.72)
        nose = middle * 1.35
        self._stroke(
            [on(nose + 0.002 * f, -0.002), on(nose + 0.007 * (f or 0.4), -0.024), on(nose - 0.003, -0.027)],
            shadow,
            0.0028,
        )
        if looks.beard:
            beard = self._lit(shade(looks.hair, 1.0))
            self._fill(
                [
                    on(middle * 0.4 + x, y)
                    for x, y in (
                        (-0.046, -0.018),
                        (-0.04, -0.052),
                        (-0.018, -0.074),
                        (0.006, -0.08),
                        (0.028, -0.072),
                        (0.044, -0.05),
                        (0.048, -0.016),
                        (0.03, -0.032),
                        (0.0, -0.034),
                        (-0.026, -0.032),
                    )
                ],
                beard,
            )
        self._mouth(on, middle * 1.1, pose.mouth, emotion, skin)
        if looks.glasses:
            for sign in (-1, 1):
                outside, inside = (
                    [on(x, y) for x, y in oval((middle + sign * 0.0215, 0.0), 0.0155 + edge, 0.0125 + edge, 0, 24)]
                    for edge in (0.0013, -0.0013)
                )
                self._ring(outside, inside, (40, 36, 36))
            self._stroke([on(middle - 0.006, 0.002), on(middle + 0.006, 0.002)], (40, 36, 36), 0.0026)

    def _mouth(self, on: Any, middle: float, opened: float, emotion: str, skin: Colour) -> None:
        lips = shade(blend(skin, (150, 52, 54), 0.55), 0.8)
        curve = {"happy": 0.008, "sad": -0.006, "angry": -0.005, "afraid": -0.004, "determined": -0.001}.get(
            emotion, 0.001
        )
        if emotion == "surprised" and opened == 0:
            opened = 0.5
        y = -0.044
        if opened > 0.1:
            self._oval(on(middle, y), 0.014 - 0.003 * opened, 0.003 + 0.0085 * opened, shade(lips, 0.5))
            self._stroke(
                [on(middle - 0.008, y + 0.002 + 0.006 * opened), on(middle + 0.008, y + 0.002 + 0.006 * opened)],
                self._lit((236, 226, 214)),
                0.003,
            )
            return
        half = 0.0175 if emotion == "happy" else 0.0145
        self._stroke(
            [
                on(middle - half, y + curve),
                on(middle - half * 0.4, y - curve * 0.3),
                on(middle + half * 0.4, y - curve * 0.3),
                on(middle + half, y + curve),
            ],
            lips,
            0.0036,
        )
        self._stroke([on(middle - 0.006, y - 0.0095), on(middle + 0.006, y - 0.0095)], shade(skin, 0.8), 0.0024)


def ribbon(points: Sequence[_Point], thickness: float) -> list[_Point]:
    """Return the outline of a line of even thickness through points, its ends round."""
    half = thickness / 2
    turns = [math.atan2(b[1] - a[1], b[0] - a[0]) for a, b in itertools.pairwise(points)]
    left: list[_Point] = []
    right: list[_Point] = []
    for k, (x, y) in enumerate(points):
        before, after = turns[max(0, k - 1)], turns[min(k, len(turns) - 1)]
        bend = (after - before + math.pi) % math.tau - math.pi
        middle = before + bend / 2 + math.pi / 2
        far = half / max(0.5, math.cos(bend / 2))
        left.append((x + far * math.cos(middle), y + far * math.sin(middle)))
        right.append((x - far * math.cos(middle), y - far * math.sin(middle)))
    tip = [_on_circle(points[-1], half, turns[-1] + angle) for angle in _CAP]
    tail = [_on_circle(points[0], half, turns[0] + math.pi + angle) for angle in _CAP]
    return [*left, *tip, *reversed(right), *tail]


def capsule(a: _Point, b: _Point, ra: float, rb: float) -> Any:
    """Return the outline of two half circles, turned away from each other, and all that lies between them."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    long = math.hypot(dx, dy) or 1e-6
    ux, uy = dx / long, dy / long
    outline = _ENDS @ np.array([[ux, uy], [-uy, ux]])
    tip, tail = outline[:_ROUND], outline[_ROUND:]
    tip *= rb
    tip += b
    tail *= ra
    tail += a
    return outline


def _on_circle(centre: _Point, radius: float, angle: float) -> _Point:
    return (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))


_CAP = (math.pi / 4, 0.0, -math.pi / 4)
_ROUND = 13
_TURN = np.concatenate([np.linspace(0.5, -0.5, _ROUND), np.linspace(-0.5, -1.5, _ROUND)]) * math.pi
_ENDS = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=-1)

_BROWS = {
    # how the inner and outer ends of the brows move, in figure heights
    "happy": (0.002, 0.0015),
    "sad": (0.006, -0.003),
    "angry": (-0.006, 0.004),
    "afraid": (0.007, 0.0),
    "surprised": (0.008, 0.008),
    "determined": (-0.004, 0.0015),
}


def shadow_sheet(width: float, height: float, strength: float, x: float, y: float) -> Sheet:
    """Return a soft shadow on the ground, an ellipse centred at (x, y) of the stage."""
    w, h = max(8, int(width) & ~1), max(4, int(height) & ~1)
    full_w, full_h = w * 2, h * 2 + 4
    alpha = np.zeros((full_h & ~1, full_w & ~1), np.uint8)
    polygon(alpha, oval((full_w / 2, full_h / 2), w / 2, h / 2), strength * 255)
    alpha = np.asarray(cv2.blur(alpha, (max(3, w // 4) | 1, max(3, h // 3) | 1)), np.uint8)
    picture = np.full((*alpha.shape, 3), (34, 24, 22), np.uint8)
    return sheet_of(picture, alpha, round(x - full_w / 2) & ~1, round(y - full_h / 2) & ~1)
