"""Cels: drawings of one figure as sheets, of which the next one paints only what changes.

A drawing is a list of marks, shapes filled in flat colours, back to front. They are painted
straight into the planes of a sheet, premultiplied: what anti-aliasing does to a plane that begins
as nothing is what premultiplying does. Then the silhouette gives the figure its form, by a shade on
its far side and a rim of light on the near one.

Of two drawings that follow each other most marks are the same: a mouth opens, an arm is raised. So
a new drawing begins as a copy of the most similar one of late, and only the rectangle around the
marks that differ is painted again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np

from pipeline.engines.animatic.brush import ink
from pipeline.engines.animatic.pencil import pencilled
from pipeline.engines.animatic.sheets import (
    Canvas,
    Plane,
    Sheet,
    half_of,
    picture_of,
    planes_of,
    sheet_of,
)
from pipeline.engines.animatic.words import Colour

_SHIFT = 4  # fractional bits of a mark's corners
_ONE = 1 << _SHIFT
_QUARTER = _ONE // 2  # a quarter of a pixel at half size, in its own units of 1/32
_MARGIN = 4  # transparent pixels kept around a figure: sampling continues the last one
_SOFT = 400  # figures taller than this, in pixels, are shaded at half size: it is blurred anyway
_SHADE = 0.34
_RIM = 0.42
_RECENT = 12  # drawings that a new one may begin as
_SPECKS = 24  # pixels of a silhouette that make no difference to its light
_FEW = 0.5  # share of its box that may differ then
_ROOM = 48 << 20  # bytes of sheets kept per figure


class Box(NamedTuple):
    """A rectangle of the stage in pixels, its right and bottom excluded."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.x1 <= self.x0 or self.y1 <= self.y0

    def grown(self, by: int) -> Box:
        """Return it with more on every side, its corners even."""
        return Box((self.x0 - by) & ~1, (self.y0 - by) & ~1, (self.x1 + by + 1) & ~1, (self.y1 + by + 1) & ~1)

    def within(self, other: Box) -> Box:
        """Return what both have in common."""
        return Box(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))

    def meets(self, other: tuple[int, int, int, int]) -> bool:
        """Return whether they share a pixel."""
        x0, y0, x1, y1 = other
        return self.x0 < x1 and x0 < self.x1 and self.y0 < y1 and y0 < self.y1


class Mark(NamedTuple):
    """A shape in one colour.

    Attributes:
        outlines: Closed outlines, each (n, 2), in figure heights from the feet, y up; a second one
            inside the first is a hole.
        colour: As it is lit.
    """

    outlines: tuple[Any, ...]
    colour: Colour


class _Patch(NamedTuple):
    """A mark on the stage: where its outlines are among the corners, planes' values, and its box."""

    ends: tuple[tuple[int, int], ...]
    tone: tuple[int, int, int]
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Form:
    """How a figure stands in the light.

    Attributes:
        tall: Its height in pixels.
        side: 1 if the light comes from its right, -1 from its left.
        colour: Of the light.
    """

    tall: float
    side: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class _Picture:
    """Marks on the stage.

    Attributes:
        corners: Of all outlines, (n, 2), in sixteenths of a pixel.
        patches: Back to front.
        known: Box of each patch by what makes it the same as another drawing's.
        box: Holds all of it.
    """

    corners: Any
    patches: list[_Patch]
    known: dict[bytes, tuple[int, int, int, int]]
    box: Box


@dataclass(frozen=True, slots=True)
class _Drawing:
    picture: _Picture
    sheet: Sheet


@dataclass(frozen=True, slots=True)
class Paper:
    """What a figure is drawn on with the pencil.

    Attributes:
        palette: Of the scene.
        ground: Colour under the figure's edge.
    """

    palette: tuple[Colour, ...]
    ground: Colour


class Cels:
    """The drawings of one figure.

    Args:
        feet: Where the figure's origin is on the stage, in pixels.
        limit: What of the stage can be seen.
        form: How it is lit.
        paper: For the pencil look; ``None`` paints.
    """

    def __init__(self, feet: tuple[float, float], limit: Box, form: Form, paper: Paper | None = None) -> None:
        self._feet = feet
        self._limit = limit.grown(0)
        self._form = form
        self._paper = paper
        self._drawn: dict[Hashable, _Drawing] = {}
        self._size = 0
        shift = max(2.0, form.tall * 0.012)
        self._step = 2 if form.tall > _SOFT else 1
        self._shade = _Lean(form.side * shift * 1.6, shift * 0.5, shift, self._step)
        self._rim = _Lean(-form.side * shift * 0.5, shift * 0.35, shift / 2, self._step)
        self._reach = (self._step * max(self._shade.reach, self._rim.reach) + 1) & ~1

    def of(self, key: Hashable, marks: Callable[[], Sequence[Mark]]) -> Sheet:
        """Return the drawing that goes by a key; ``marks`` says what is on it if it isn't kept."""
        drawing = self._drawn.pop(key, None)
        if drawing is None:
            drawing = self._new(marks())
            self._size += _bytes(drawing.sheet)
            while self._size > _ROOM and self._drawn:
                self._size -= _bytes(self._drawn.pop(next(iter(self._drawn))).sheet)
        self._drawn[key] = drawing  # the last used is last
        return drawing.sheet

    def _new(self, marks: Sequence[Mark]) -> _Drawing:
        picture = self._picture(marks)
        if self._paper is not None:
            return _Drawing(picture, self._pencil(picture, self._paper))
        found = self._nearest(picture)
        return _Drawing(picture, self._whole(picture) if found is None else self._changed(picture, *found))

    def _picture(self, marks: Sequence[Mark]) -> _Picture:
        """Return marks as they lie on the stage."""
        outlines = [outline for mark in marks for outline in mark.outlines]
        stops = list(itertools.accumulate(map(len, outlines)))
        starts = [0, *stops[:-1]]
        tall = self._form.tall * _ONE
        points = np.concatenate(outlines) * (tall, -tall) + (self._feet[0] * _ONE, self._feet[1] * _ONE)
        corners = np.floor(points + 0.5).astype(np.int32)
        low = (np.minimum.reduceat(corners, starts) >> _SHIFT) - 1
        high = (np.maximum.reduceat(corners, starts) >> _SHIFT) + 3
        boxes = np.hstack([low, high]).tolist()
        raw, pair = corners.tobytes(), corners.itemsize * 2
        patches: list[_Patch] = []
        known: dict[bytes, tuple[int, int, int, int]] = {}
        at = 0
        for mark in marks:
            last = at + len(mark.outlines)
            ends = tuple(zip(starts[at:last], stops[at:last], strict=True))
            tone, (x0, y0, x1, y1) = _tone(mark.colour), boxes[at]
            patches.append(_Patch(ends, tone, (x0, y0, x1, y1)))
            known[raw[starts[at] * pair : stops[last - 1] * pair] + bytes(tone)] = (x0, y0, x1, y1)
            at = last
        box = _around_all([patch.box for patch in patches]).grown(_MARGIN).within(self._limit)
        if box.empty:
            box = Box(self._limit.x0, self._limit.y0, self._limit.x0 + 2, self._limit.y0 + 2)
        return _Picture(corners, patches, known, box)

    def _nearest(self, picture: _Picture) -> tuple[_Drawing, Box] | None:
        """Return the drawing of late that differs least, and where it differs; ``None`` if none is near."""
        recent = list(self._drawn.values())[-_RECENT:]
        if not recent:
            return None
        mine = picture.known.keys()
        drawing = min(recent, key=lambda one: len(mine ^ one.picture.known.keys()))
        theirs = drawing.picture.known
        boxes = [picture.known.get(mark) or theirs[mark] for mark in mine ^ theirs.keys()]
        changed = _around_all(boxes).within(self._limit) if boxes else _NOWHERE
        return None if _area(changed) > _FEW * _area(picture.box) else (drawing, changed)

    def _whole(self, picture: _Picture) -> Sheet:
        """Return a drawing painted from nothing."""
        box = picture.box
        planes = _painted(picture, box.grown(self._reach))
        self._model(planes, self._reach)
        y, u, v, a, half = planes.inside(self._reach)
        return _sheet(y, u, v, cv2.bitwise_not(a), cv2.bitwise_not(half), box)

    def _changed(self, picture: _Picture, old: _Drawing, changed: Box) -> Sheet:
        """Return a drawing that begins as another, painted again where it differs."""
        sheet, box, before = old.sheet, picture.box, old.picture.box
        again = changed.grown(0).within(box)
        if box == before and again.empty:
            return sheet
        if box == before:
            inner = self._inner(picture, sheet, again)
            if inner is not None:
                return inner
        planes = [
            _moved(plane, before, box, step, beyond)
            for plane, step, beyond in zip(
                (sheet.luma, sheet.cb, sheet.cr, sheet.clear, sheet.clear_half),
                (1, 2, 2, 1, 2),
                (0, 0, 0, 255, 255),
                strict=True,
            )
        ]
        again = again.grown(self._reach).within(box)
        if not again.empty:
            fresh = _painted(picture, again.grown(self._reach))
            self._model(fresh, self._reach)
            y, u, v, a, half = fresh.inside(self._reach)
            parts = (y, u, v, cv2.bitwise_not(a), cv2.bitwise_not(half))
            for plane, part, step in zip(planes, parts, (1, 2, 2, 1, 2), strict=True):
                _cut(plane, box, again, step)[:] = part
        return _sheet(planes[0], planes[1], planes[2], planes[3], planes[4], box)

    def _inner(self, picture: _Picture, sheet: Sheet, again: Box) -> Sheet | None:
        """Return a sheet with other marks inside its silhouette, or ``None`` if that changes.

        The light on all that is not painted again stays, and so does what it hides. The corner of a
        mouth may well stand out from a face in profile.
        """
        box = picture.box
        cover = _cover(picture, again)
        clear = cv2.bitwise_not(cover)
        differing = cv2.countNonZero(cv2.compare(clear, _cut(sheet.clear, box, again, 1), cv2.CMP_NE))
        if differing > _SPECKS:
            return None
        fresh, wide = _painted(picture, again), again.grown(self._reach)
        full = cv2.bitwise_not(_around(sheet.clear, box, wide, 1))
        half = cv2.bitwise_not(_around(sheet.clear_half, box, wide, 2))
        self._light(fresh, full, half, self._reach)
        luma, cb, cr = sheet.luma.copy(), sheet.cb.copy(), sheet.cr.copy()
        for plane, part, step in ((luma, fresh.y, 1), (cb, fresh.u, 2), (cr, fresh.v, 2)):
            _cut(plane, box, again, step)[:] = part
        if differing == 0:
            return replace(sheet, luma=luma, cb=cb, cr=cr)
        through, through_half = _copy(sheet.clear), _copy(sheet.clear_half)
        _cut(through, box, again, 1)[:] = clear
        _cut(through_half, box, again, 2)[:] = cv2.bitwise_not(fresh.half)
        return replace(sheet, luma=luma, cb=cb, cr=cr, clear=through, clear_half=through_half)

    def _model(self, planes: _Planes, edge: int) -> None:
        """Add form to all but an edge of ``edge`` pixels."""
        inside = planes.inside(edge)
        self._light(inside, planes.a, planes.half, edge)

    def _light(self, planes: _Planes, full: Any, half: Any, edge: int) -> None:
        """Add form in place: shade away from the light, a rim of light towards it.

        Args:
            planes: What to shade.
            full: Cover, ``edge`` pixels larger on every side.
            half: The same at half size.
            edge: Pixels, even.
        """
        y, u, v, a, small = planes
        if self._step == 2:
            shade_half, rim_half = self._shade.of(half, edge // 2), self._rim.of(half, edge // 2)
            size = (y.shape[1], y.shape[0])
            shade = cv2.resize(shade_half, size, interpolation=cv2.INTER_LINEAR)
            rim = cv2.resize(rim_half, size, interpolation=cv2.INTER_LINEAR)
        else:
            shade, rim = self._shade.of(full, edge), self._rim.of(full, edge)
            shade_half, rim_half = half_of(shade), half_of(rim)
        luma, cb, cr = self._glint()
        cv2.subtract(y, cv2.multiply(cv2.subtract(y, _BLACK), shade, scale=_SHADE / 255), dst=y)
        cv2.add(y, cv2.multiply(rim, a, scale=luma / 255), dst=y)
        grey = cv2.multiply(small, shade_half, scale=_SHADE * 128 / 255 / 255)
        glint = cv2.multiply(rim_half, small, scale=1 / 255)
        for plane, part in ((u, cb), (v, cr)):
            cv2.subtract(plane, cv2.multiply(plane, shade_half, scale=_SHADE / 255), dst=plane)
            cv2.add(plane, grey, dst=plane)
            more = cv2.convertScaleAbs(glint, alpha=abs(part))
            (cv2.add if part > 0 else cv2.subtract)(plane, more, dst=plane)

    def _glint(self) -> tuple[float, float, float]:
        """Return what a full rim of light adds to each plane, for each step of its strength."""
        luma, cb, cr = _tone(self._form.colour)
        return _RIM * (luma - 16) / 255, _RIM * (cb - 128) / 255, _RIM * (cr - 128) / 255

    def _pencil(self, picture: _Picture, paper: Paper) -> Sheet:
        """Return a drawing as a pencil draws it."""
        box = picture.box
        planes = _painted(picture, box.grown(self._reach))
        self._model(planes, self._reach)
        y, u, v, a, half = planes.inside(self._reach)
        tone = _tone(paper.ground)
        for plane, cover, part in ((y, a, tone[0]), (u, half, tone[1]), (v, half, tone[2])):
            cv2.add(plane, cv2.convertScaleAbs(cv2.bitwise_not(cover), alpha=part / 255), dst=plane)
        drawn = pencilled(picture_of(Canvas(y, u, v)), np.ascontiguousarray(a), paper.palette, 1, tint=0.45, lift=34)
        return sheet_of(drawn, np.ascontiguousarray(a), box.x0, box.y0)


class _Planes(NamedTuple):
    """Premultiplied luma, and colour at half size, with cover at both sizes."""

    y: Any
    u: Any
    v: Any
    a: Any
    half: Any

    def inside(self, edge: int) -> _Planes:
        """Return views of all but an edge of even width in pixels."""
        if edge == 0:
            return self
        full, small = (slice(edge, -edge),) * 2, (slice(edge // 2, -(edge // 2)),) * 2
        return _Planes(self.y[full], self.u[small], self.v[small], self.a[full], self.half[small])


class _Lean:
    """The part of a silhouette that a copy of it, moved, leaves bare; blurred.

    Args:
        dx: Where the copy goes, in pixels.
        dy: The same.
        soft: Width of the blur in pixels.
        step: Pixels of the planes it works on, 1 or 2.
    """

    def __init__(self, dx: float, dy: float, soft: float, step: int) -> None:
        self._dx, self._dy = round(dx / step), round(dy / step)
        self._blur = max(3, int(soft / step) | 1)
        self.reach = max(abs(self._dx), abs(self._dy)) + self._blur // 2 + 1

    def of(self, cover: Any, edge: int) -> Any:
        """Return it for all of a plane but an edge."""
        rows, columns = cover.shape
        near = edge - self._blur // 2 - 1
        rows, columns = rows - 2 * near, columns - 2 * near
        here = cover[near : near + rows, near : near + columns]
        x, y = near - self._dx, near - self._dy
        bare = cv2.subtract(here, cover[y : y + rows, x : x + columns])
        inner = edge - near
        return cv2.blur(bare, (self._blur, self._blur))[inner : rows - inner, inner : columns - inner]


_BLACK: Any = (16, 0, 0, 0)
_NOWHERE = Box(0, 0, 0, 0)


@lru_cache(maxsize=512)
def _tone(colour: Colour) -> tuple[int, int, int]:
    """Return a colour's values in the three planes."""
    patch = np.empty((2, 2, 3), np.uint8)
    patch[:] = [round(part) for part in ink(colour)]
    luma, cb, cr = planes_of(patch)
    return int(luma[0, 0]), int(cb[0, 0]), int(cr[0, 0])


def _painted(picture: _Picture, box: Box) -> _Planes:
    """Return a rectangle of the stage, its corners even, with a picture on nothing."""
    rows, columns = box.y1 - box.y0, box.x1 - box.x0
    full, half = (rows, columns), (rows // 2, columns // 2)
    y, a = np.zeros(full, np.uint8), np.zeros(full, np.uint8)
    u, v, small = np.zeros(half, np.uint8), np.zeros(half, np.uint8), np.zeros(half, np.uint8)
    corners = picture.corners - np.array([box.x0 * _ONE, box.y0 * _ONE], np.int32)
    moved = corners - _QUARTER
    for ends, (luma, cb, cr), at in picture.patches:
        if not box.meets(at):
            continue
        outlines = [corners[first:last] for first, last in ends]
        less = [moved[first:last] for first, last in ends]
        cv2.fillPoly(y, outlines, luma, cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(a, outlines, 255, cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(u, less, cb, cv2.LINE_AA, _SHIFT + 1)
        cv2.fillPoly(v, less, cr, cv2.LINE_AA, _SHIFT + 1)
        cv2.fillPoly(small, less, 255, cv2.LINE_AA, _SHIFT + 1)
    return _Planes(y, u, v, a, small)


def _cover(picture: _Picture, box: Box) -> Any:
    """Return the cover of a picture on a rectangle of the stage."""
    cover: Any = np.zeros((box.y1 - box.y0, box.x1 - box.x0), np.uint8)
    corners = picture.corners - np.array([box.x0 * _ONE, box.y0 * _ONE], np.int32)
    for ends, _, at in picture.patches:
        if box.meets(at):
            cv2.fillPoly(cover, [corners[first:last] for first, last in ends], 255, cv2.LINE_AA, _SHIFT)
    return cover


def _around_all(boxes: Sequence[tuple[int, int, int, int]]) -> Box:
    """Return the smallest box that holds all of these."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return Box(min(left), min(top), max(right), max(bottom))


def _cut(plane: Any, at: Box, box: Box, step: int) -> Any:
    """Return a view of the part ``box`` of a plane that lies at ``at``; ``step`` 2 for one of half size."""
    return plane[
        (box.y0 - at.y0) // step : (box.y1 - at.y0) // step, (box.x0 - at.x0) // step : (box.x1 - at.x0) // step
    ]


def _around(plane: Any, at: Box, box: Box, step: int) -> Any:
    """Return the same, continued by its border's pixels where the plane ends."""
    both = box.within(at)
    cut = _cut(plane, at, both, step)
    if both == box:
        return cut
    above, below = (both.y0 - box.y0) // step, (box.y1 - both.y1) // step
    before, after = (both.x0 - box.x0) // step, (box.x1 - both.x1) // step
    return cv2.copyMakeBorder(cut, above, below, before, after, cv2.BORDER_REPLICATE)


def _moved(plane: Any, at: Box, box: Box, step: int, beyond: int) -> Any:
    """Return a copy of a plane in another rectangle, with ``beyond`` where it was not."""
    if at == box:
        return plane.copy()
    fresh = np.full(((box.y1 - box.y0) // step, (box.x1 - box.x0) // step), beyond, np.uint8)
    both = box.within(at)
    if not both.empty:
        _cut(fresh, box, both, step)[:] = _cut(plane, at, both, step)
    return fresh


def _copy(plane: Any) -> Any:
    return plane.copy()


def _sheet(luma: Any, cb: Any, cr: Any, clear: Any, clear_half: Any, box: Box) -> Sheet:
    ready = [np.ascontiguousarray(plane) for plane in (luma, cb, cr, clear, clear_half)]
    return Sheet(ready[0], ready[1], ready[2], ready[3], ready[4], box.x0, box.y0)


def _area(box: Box) -> int:
    return 0 if box.empty else (box.x1 - box.x0) * (box.y1 - box.y0)


def _bytes(sheet: Sheet) -> int:
    planes: list[Plane | None] = [sheet.luma, sheet.cb, sheet.cr, sheet.clear, sheet.clear_half]
    return sum(plane.nbytes for plane in planes if plane is not None)
