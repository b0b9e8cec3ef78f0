"""Shots over pictures: the camera moves over a first frame, between two frames, or over a reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.control.request import GenerationRequest, Image
from pipeline.engines.animatic.moves import SETTLED, Parallax, Rig, View, ease, mix, rig_for
from pipeline.engines.animatic.overlay import Lettering
from pipeline.engines.animatic.pencil import pencilled
from pipeline.engines.animatic.sheets import Canvas, Picture, Placement, Sheet, lay, lay_affine, lay_sheared, sheet_of
from pipeline.engines.animatic.staging import stage_size
from pipeline.engines.animatic.weather import Grain
from pipeline.engines.animatic.words import Scene
from pipeline.errors import EngineError
from pipeline.storyboard.vocabulary import canonical_move

MAX_PIXELS = 12_000
"""Longest side of a picture that is read, in pixels."""
_LEAST = 1.025  # a still camera breathes in by this much over the clip
_SHEAR = 0.55
_LEVEL = 4e-4  # radians; a roll below it moves no corner of a frame by a third of a pixel


def read_picture(image: Image, images: Mapping[str, Path]) -> Picture:
    """Return a picture as BGR.

    Raises:
        EngineError: If it was not handed in, or is no picture that can be read.
    """
    path = images.get(image.sha256)
    what = image.subject or "the shot"
    if path is None:
        raise EngineError(f"A picture of {what} is missing.", where=image.sha256[:12], remedy="Add the file again.")
    try:
        data = np.fromfile(path, np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error) as error:
        raise EngineError(
            f"The picture can't be read: {error}", where=str(path), remedy="Use a PNG or JPEG file."
        ) from error
    if picture is None or max(picture.shape[:2]) > MAX_PIXELS:
        raise EngineError(
            "The file is no picture that can be read.",
            where=str(path),
            remedy=f"Use a PNG or JPEG file of at most {MAX_PIXELS} pixels a side.",
        )
    return np.asarray(picture, np.uint8)


def covering(picture: Picture, width: int, height: int) -> Picture:
    """Return the middle of a picture at a size, cropped to cover it, without stretching."""
    rows, columns = picture.shape[:2]
    scale = max(width / columns, height / rows)
    crop_w, crop_h = width / scale, height / scale
    # One warp, so that the crop may begin between pixels; shrink by area first against aliasing.
    if scale < 0.75:
        small = cv2.resize(
            picture, (max(2, round(columns * scale)), max(2, round(rows * scale))), interpolation=cv2.INTER_AREA
        )
        return covering(np.asarray(small, np.uint8), width, height)
    left, top = (columns - crop_w) / 2, (rows - crop_h) / 2
    if crop_w == width and left == int(left) and top == int(top):
        return np.ascontiguousarray(picture[int(top) : int(top) + height, int(left) : int(left) + width])
    matrix = np.array([[scale, 0, (0.5 - left) * scale - 0.5], [0, scale, (0.5 - top) * scale - 0.5]])
    flag = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(picture, matrix, (width, height), flags=flag, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


class PictureShot:
    """A shot over one or two pictures."""

    def __init__(self, model: str, request: GenerationRequest, scene: Scene, images: Mapping[str, Path]) -> None:
        cv2.setNumThreads(1)
        self._request = request
        self._rate = float(request.rate)
        move = canonical_move(request.camera.move) or "static"
        self._rig = rig_for(move, request.seed, request.duration_s)
        first, last = request.first_frame is not None, request.last_frame is not None
        self._path = anchored(self._rig, first=first, last=last) if first or last else None
        self._stage = self._stage_size()
        one = request.first_frame or request.last_frame or request.references[0]
        other = request.last_frame if request.first_frame and request.last_frame else None
        self._one = self._prepared(one, images, model, scene)
        self._other = self._prepared(other, images, model, scene) if other else None
        self._canvas = Canvas.of_size(request.width, request.height)
        self._spare = Canvas.of_size(request.width, request.height)
        self._grain = Grain(request.width, request.height, request.seed)
        self._lettering = Lettering(request)
        self._orbit = self._rig.parallax is Parallax.ORBIT
        self.facts: Mapping[str, Any] = {"source": "pictures", "move": move}

    def _stage_size(self) -> tuple[int, int]:
        request = self._request
        if self._path is None:
            width, height = stage_size(self._rig, request)
            if self._rig.parallax is Parallax.ORBIT:
                width += math.ceil(_SHEAR * self._rig.reach(1, 1.0).x * request.width / 2) * 2
        else:
            extent = max(self._path.start.extent, self._path.end.extent)
            width, height = request.width * extent, request.height * extent
        # The stage keeps the frame's shape, so that a picture is cropped once, the same everywhere.
        scale = max(width / request.width, height / request.height)
        return (round(scale * request.width / 2) * 2, round(scale * request.height / 2) * 2)

    def _view(self, index: int) -> View:
        """Return the view at a frame, held inside the picture."""
        request = self._request
        view = self._rig.at(index, request.frames, self._rate)
        if self._path is not None:
            t = index / max(1, request.frames - 1)
            swayed = mix(self._rig.start, self._rig.end, self._rig.share(index, request.frames))
            way = self._path.at(t)
            calm = math.sin(math.pi * t)
            view = View(way.x + (view.x - swayed.x) * calm, way.y + (view.y - swayed.y) * calm, way.extent, way.roll)
        lean = abs(math.sin(view.roll))
        width, height = self._stage
        slack_x = (width - request.width * view.extent - request.height * lean * view.extent) / 2 / request.width
        slack_y = (height - request.height * view.extent - request.width * lean * view.extent) / 2 / request.height
        if self._orbit:
            slack_x /= 1 + _SHEAR / 2
        slack_x, slack_y = max(0.0, slack_x), max(0.0, slack_y)
        return View(max(-slack_x, min(slack_x, view.x)), max(-slack_y, min(slack_y, view.y)), view.extent, view.roll)

    def _prepared(self, image: Image, images: Mapping[str, Path], model: str, scene: Scene) -> Sheet:
        picture = covering(read_picture(image, images), *self._stage)
        if model == "pencil":
            picture = pencilled(picture, None, scene.palette, scene.geometry)
        return sheet_of(picture)

    def frame(self, index: int) -> Canvas:
        """Return a frame."""
        canvas = self.clean(index)
        self._grain.over(canvas, index)
        self._lettering.over(canvas, index)
        return canvas

    def clean(self, index: int) -> Canvas:
        """Return a frame without text and grain."""
        request = self._request
        view = self._view(index)
        self._lay(self._canvas, self._one, view)
        if self._other is not None:
            # The dissolve takes the middle of the shot; both ends are their pictures and nothing else.
            share = ease((index / max(1, request.frames - 1) - 0.22) / 0.56)
            if share >= 1:
                self._lay(self._canvas, self._other, view)
            elif share > 0:
                self._lay(self._spare, self._other, view)
                for name in ("y", "u", "v"):
                    mixed = cv2.addWeighted(
                        getattr(self._canvas, name), 1 - share, getattr(self._spare, name), share, 0
                    )
                    setattr(self._canvas, name, mixed)
        return self._canvas

    def _lay(self, canvas: Canvas, sheet: Sheet, view: View) -> None:
        request = self._request
        width, height = self._stage
        scale = 1 / view.extent
        cx, cy = width / 2 + view.x * request.width, height / 2 + view.y * request.height
        if not self._orbit and abs(view.roll) < _LEVEL:
            scale = 1.0 if abs(scale - 1) < 1e-9 else scale
            lay(canvas, sheet, Placement(scale, request.width / 2 - scale * cx, request.height / 2 - scale * cy))
            return
        # Circling seen flat: what stands lower in a picture is nearer, so it slides more; a shear
        # about the middle is that parallax, and the turn of the camera undoes the slide of the far half.
        shear = -_SHEAR * view.x * request.width / height if self._orbit else 0.0
        if abs(view.roll) < _LEVEL:
            dx, dy = request.width / 2 - scale * (cx + shear * cy), request.height / 2 - scale * cy
            lay_sheared(canvas, sheet, Placement(scale, dx, dy), shear)
            return
        cos, sin = math.cos(view.roll) * scale, math.sin(view.roll) * scale
        linear = np.array([[cos, -sin + shear * scale], [sin, cos]])
        offset = np.array([request.width / 2, request.height / 2]) - linear @ (cx, cy)
        lay_affine(canvas, sheet, np.column_stack([linear, offset]))


@dataclass(frozen=True, slots=True)
class Way:
    """A way through views: from ``start`` to ``end``, or out to ``end`` and back again."""

    start: View
    end: View
    returns: bool

    def at(self, t: float) -> View:
        """Return the view at a share of the clip."""
        if self.returns:
            return mix(self.start, self.end, math.sin(math.pi * t) ** 2)
        return mix(self.start, self.end, ease(t / SETTLED))


def anchored(rig: Rig, *, first: bool, last: bool) -> Way:
    """Return the way of a camera whose first (or last) frame is a given picture, whole.

    The camera leaves from the whole picture, or arrives at it, and is nearer in between, because
    there is nothing beyond a picture's edge. Only pulling out from a first frame must begin nearer.
    """
    dx, dy = rig.end.x - rig.start.x, rig.end.y - rig.start.y
    zoom = math.log(rig.end.extent / rig.start.extent)
    roll = rig.end.roll - rig.start.roll
    nearer = max(_LEAST, 1 + 0.9 * abs(dx), 1 + 0.9 * abs(dy), math.exp(abs(zoom))) + 1.3 * abs(roll) + 2.2 * rig.sway
    room = (nearer - 1) / 2 - 1.1 * rig.sway - 0.6 * abs(roll)
    away = View(max(-room, min(room, dx)), max(-room, min(room, dy)), 1.0, roll)
    whole = View(extent=nearer)
    if first and last:
        return Way(whole, away, returns=True)
    if last or (zoom > 0.05 and not last):
        return Way(away, whole, returns=False)
    return Way(whole, away, returns=False)
