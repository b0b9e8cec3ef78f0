"""A shot, ready to be asked for any frame: painted once, moved and composed per frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2

from pipeline.control.request import GenerationRequest
from pipeline.engines.animatic import interiors, lantern, outdoors
from pipeline.engines.animatic.backdrop import Backdrop, Lens, graded, graded_planes, lens_for
from pipeline.engines.animatic.brush import generator, paper
from pipeline.engines.animatic.cast import DEPTH, Cast
from pipeline.engines.animatic.moves import Parallax, View, rig_for
from pipeline.engines.animatic.overlay import Lettering
from pipeline.engines.animatic.pencil import pencilled
from pipeline.engines.animatic.pictures import PictureShot
from pipeline.engines.animatic.sheets import (
    Canvas,
    Placement,
    Sheet,
    cropped,
    lay,
    lighten_plane,
    merged,
    planes_of,
    sheet_from,
    solid_row,
)
from pipeline.engines.animatic.staging import stage_size
from pipeline.engines.animatic.weather import Beam, Fog, Glitter, Grain, Rain, Snow, lightning
from pipeline.engines.animatic.words import Scene

_ALIKE = 0.012  # of the frame's width: layers that part by no more over a clip are drawn as one
_ALIKE_BEHIND = 0.025  # likewise, behind somebody who is seen from near
_AROUND = 20  # pixels of the stage beside the frame: there is one among them that is scaled to a whole pixel
_NEAR = frozenset({"close-up", "extreme-close-up", "medium-close-up"})
_PAINTERS = {"lantern": lantern.paint, "stairs": lantern.paint}


class Shot(Protocol):
    """Anything that can draw its frames, in order."""

    facts: Mapping[str, Any]

    def frame(self, index: int) -> Canvas:
        """Return a frame; valid until the next one is asked for."""
        ...

    def clean(self, index: int) -> Canvas:
        """Return a frame without text and grain, for a shot that continues this one."""
        ...


class PaintedShot:
    """A scene painted from words."""

    def __init__(self, model: str, request: GenerationRequest, scene: Scene) -> None:
        cv2.setNumThreads(1)
        self._request = request
        self._rate = float(request.rate)
        self._rig = rig_for(request.camera.move, request.seed, request.duration_s)
        width, height = stage_size(self._rig, request)
        self._stage = (width, height)
        lens = lens_for(scene, width, height, request.width, request.height)
        painter = _PAINTERS.get(scene.place, interiors.paint if scene.interior else outdoors.paint)
        backdrop = painter(scene, lens, request.seed)
        self._lens = lens
        self._sheets = _sheets(model, backdrop, scene, request.seed)
        # Water glitters between the back plate and what stands before it.
        behind = _ALIKE_BEHIND if request.figures and scene.size in _NEAR else _ALIKE
        self._sheets = self._together(self._sheets, behind, apart=backdrop.water is not None)
        self._cast = Cast(request, scene, lens, backdrop, pencil=model == "pencil")
        self._lettering = Lettering(request)
        self._canvas = Canvas.of_size(request.width, request.height)
        self._grain = Grain(request.width, request.height, request.seed)
        self._air = _air(scene, lens, backdrop, request)
        self._flash = lightning(scene, request.frames, self._rate, request.seed)
        self._water = backdrop.water
        zooms = self._rig.parallax is Parallax.TURN and self._rig.start.extent != self._rig.end.extent
        self._zoom = Canvas.of_size(width, height) if zooms else None
        size = (width, height) if zooms else (request.width, request.height)
        self._glitter = Glitter(*size, request.seed, 60 * backdrop.light.bright) if backdrop.water else None
        beam = backdrop.beam
        self._beam = Beam(request.width, request.height, request.seed, beam) if beam else None
        self.facts: Mapping[str, Any] = {"place": scene.place, "hour": scene.hour, "weather": scene.weather}

    def frame(self, index: int) -> Canvas:
        """Return a frame."""
        self._compose(index, tags=True)
        self._grain.over(self._canvas, index)
        self._lettering.over(self._canvas, index)
        return self._canvas

    def clean(self, index: int) -> Canvas:
        """Return a frame without text and grain."""
        self._compose(index, tags=False)
        return self._canvas

    def _compose(self, index: int, *, tags: bool) -> None:
        seconds = index / self._rate
        view = self._rig.at(index, self._request.frames, self._rate)
        if self._zoom is None:
            self._stand(self._canvas, partial(self._place, view), seconds)
        else:
            self._zoomed(self._zoom, self._place(view, DEPTH), seconds)
        if tags:
            places = {depth: self._place(view, depth) for depth in self._cast.depths}
            self._cast.name(self._canvas, seconds, places, self._place(view, DEPTH))
        if self._beam is not None:
            lamp = self._place(view, 0.5)
            self._beam.over(self._canvas, seconds, lamp.scale, lamp.dx, lamp.dy)
        for effect in self._air:
            effect.over(self._canvas, seconds)
        if index in self._flash:
            lighten_plane(self._canvas.y, self._flash[index])

    def _stand(self, canvas: Canvas, place_at: Callable[[float], Placement], seconds: float, left: int = 0) -> None:
        """Lay what stands on the stage, layers and figures, back to front.

        Args:
            canvas: The frame.
            place_at: Placement of a depth.
            seconds: Time.
            left: Column of the glitter's texture that the frame begins at.
        """
        acted = False
        placed = [place_at(depth) for _, depth in self._sheets]
        until = 1 << 20
        limits: list[int] = []
        for (sheet, _), place in zip(reversed(self._sheets), reversed(placed), strict=True):
            limits.append(until)
            until = min(until, solid_row(canvas, sheet, place))
        limits.reverse()
        for (sheet, depth), place, limit in zip(self._sheets, placed, limits, strict=True):
            if depth > DEPTH and not acted:
                acted = True
                self._act(canvas, place_at, seconds)
            lay(canvas, sheet, place, limit)
            if sheet.clear is None and self._glitter is not None and self._water is not None:
                top = round(self._water[0] * place.scale + place.dy)
                self._glitter.over(canvas, max(0, top), seconds, left)
        if not acted:
            self._act(canvas, place_at, seconds)

    def _zoomed(self, stage: Canvas, place: Placement, seconds: float) -> None:
        """Lay all on what the camera sees of the stage, then scale that: a zoom knows no depths."""
        width, height = self._stage
        x0 = max(0, math.floor(-place.dx / place.scale) - _AROUND) & ~1
        y0 = max(0, math.floor(-place.dy / place.scale) - _AROUND) & ~1
        x1 = min(width, (math.ceil((self._request.width - place.dx) / place.scale) + 4) & ~1)
        y1 = min(height, (math.ceil((self._request.height - place.dy) / place.scale) + 4) & ~1)
        across, down = x1 - x0, y1 - y0
        seen = Canvas(stage.y[:down, :across], stage.u[: down // 2, : across // 2], stage.v[: down // 2, : across // 2])
        as_it_is = Placement(1.0, float(-x0), float(-y0))
        self._stand(seen, lambda _: as_it_is, seconds, x0)
        lay(self._canvas, Sheet(seen.y, seen.u, seen.v, None, None, x0, y0), place)

    def _together(self, sheets: list[tuple[Sheet, float]], most: float, *, apart: bool) -> list[tuple[Sheet, float]]:
        """Return the sheets with those as one that the camera moves nearly alike.

        Args:
            sheets: Back to front, with their depths.
            most: Share of the frame's width by which layers may part and yet be drawn as one.
            apart: Whether the first has to stay by itself.
        """
        groups: list[list[tuple[Sheet, float]]] = []
        for index, (sheet, depth) in enumerate(sheets):
            low = groups[-1][0][1] if groups else 0.0
            alike = groups and (low > DEPTH) == (depth > DEPTH) and self._parting(low, depth) <= most
            if alike and not (apart and index == 1):
                groups[-1].append((sheet, depth))
            else:
                groups.append([(sheet, depth)])
        return [(merged([sheet for sheet, _ in group]), (group[0][1] + group[-1][1]) / 2) for group in groups]

    def _parting(self, low: float, high: float) -> float:
        """Return by how much of the frame's width layers of two depths part at its edges, over the clip."""
        request = self._request
        ends = [self._rig.at(index, request.frames, self._rate) for index in (0, request.frames // 2, request.frames)]
        felt = [(self._rig.felt(view, low), self._rig.felt(view, high)) for view in ends]
        return max(abs(a.x - b.x) + abs(a.y - b.y) + abs(a.extent - b.extent) / 2 for a, b in felt)

    def _act(self, canvas: Canvas, place_at: Callable[[float], Placement], seconds: float) -> None:
        self._cast.over(canvas, seconds, {depth: place_at(depth) for depth in self._cast.depths}, place_at(DEPTH))

    def _place(self, view: View, depth: float) -> Placement:
        felt = self._rig.felt(view, depth)
        scale = 1 / felt.extent
        if abs(scale - 1) < 1e-9:
            scale = 1.0
        width, height = self._stage
        return Placement(
            scale,
            self._request.width / 2 - scale * (width / 2 + felt.x * self._request.width),
            self._request.height / 2 - scale * (height / 2 + felt.y * self._request.height),
        )


def _sheets(model: str, backdrop: Backdrop, scene: Scene, seed: int) -> list[tuple[Sheet, float]]:
    found: list[tuple[Sheet, float]] = []
    height, width = backdrop.layers[0].picture.shape[:2]
    tooth = paper(generator(scene.geometry, seed, 50), width, height)
    for layer in backdrop.layers:
        x, y, picture, alpha = cropped(layer.picture, layer.alpha)
        if model == "pencil":
            drawn = pencilled(graded(picture, scene.palette), alpha, scene.palette, scene.geometry)
            planes = planes_of(drawn)
        else:
            planes = graded_planes(planes_of(picture), scene.palette)
        rows, columns = picture.shape[:2]
        luma: Any = cv2.add(planes[0], tooth[:rows, :columns], dtype=cv2.CV_8U)
        found.append((sheet_from((luma, planes[1], planes[2]), alpha, x, y), layer.depth))
    return found


def _air(scene: Scene, lens: Lens, backdrop: Backdrop, request: GenerationRequest) -> list[Any]:
    if scene.interior:
        return []
    width, height, seed = request.width, request.height, request.seed
    found: list[Any] = []
    if scene.weather == "fog" or (scene.hour == "dawn" and scene.weather == "clear"):
        haze = backdrop.light.haze
        luma = 16 + 0.86 * (0.2126 * haze[0] + 0.7152 * haze[1] + 0.0722 * haze[2])
        found.append(
            Fog(width, height, seed, (lens.horizon - lens.top) / height, luma, 0.62 if scene.weather == "fog" else 0.3)
        )
    if scene.weather in {"rain", "storm"}:
        found.append(Rain(width, height, seed, heavy=scene.weather == "storm"))
    if scene.weather == "snow":
        found.append(Snow(width, height, seed))
    return found


def shot_of(model: str, request: GenerationRequest, scene: Scene, images: Mapping[str, Path]) -> Shot:
    """Return the shot of a request: over its pictures if it has any, else painted."""
    if request.images():
        return PictureShot(model, request, scene, images)
    return PaintedShot(model, request, scene)
