"""Staging: where the figures of a shot stand, how large they are, and laying them on its frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.control.request import Figure, GenerationRequest
from pipeline.engines.animatic.acting import Part, breath, part_for, pose_at, travel
from pipeline.engines.animatic.afloat import Boat, boat, swing_of
from pipeline.engines.animatic.backdrop import Backdrop, Lens
from pipeline.engines.animatic.brush import generator
from pipeline.engines.animatic.cels import Box
from pipeline.engines.animatic.figures import EYES_Y, Painter, looks_of, shadow_sheet
from pipeline.engines.animatic.overlay import SAFE, lettered
from pipeline.engines.animatic.sheets import Canvas, Placement, Sheet, lay
from pipeline.engines.animatic.words import Scene, says

DEPTH = 0.75
"""Depth at which figures stand: the pivot of an orbit."""

_TALL: Mapping[str, float] = {
    # height of a figure in frame heights
    "extreme-wide": 0.15,
    "wide": 0.36,
    "full": 0.74,
    "medium-wide": 1.12,
    "medium": 1.62,
    "two-shot": 1.42,
    "over-the-shoulder": 1.9,
    "medium-close-up": 2.35,
    "close-up": 3.3,
    "extreme-close-up": 5.2,
}
_FEET: Mapping[str, float] = {"extreme-wide": 0.86, "wide": 0.9, "full": 0.93}
_EYES: Mapping[str, float] = {
    "medium-wide": 0.3,
    "medium": 0.36,
    "two-shot": 0.36,
    "over-the-shoulder": 0.38,
    "medium-close-up": 0.4,
    "close-up": 0.44,
}
_HANDS = "hands?|fingers?|palms?|wrists?|tool|brush|watch|key|letter|cup|knife|boots?|shoes?|feet"
_MARKS: Mapping[int, tuple[float, ...]] = {
    1: (0.4,),
    2: (0.32, 0.68),
    3: (0.22, 0.5, 0.78),
    4: (0.16, 0.39, 0.61, 0.84),
}


@dataclass(slots=True)
class _Actor:
    part: Part
    painter: Painter
    x: float
    feet: float
    tall: float
    depth: float
    name: str
    shadow: Sheet | None
    tag: Sheet | None
    tag_at: tuple[float, float]
    spans: tuple[tuple[float, float], ...]


class Cast:
    """The figures of a shot."""

    def __init__(
        self, request: GenerationRequest, scene: Scene, lens: Lens, backdrop: Backdrop, *, pencil: bool
    ) -> None:
        self._pencil = pencil
        self._duration_s = request.duration_s
        self._lens = lens
        count = len(request.figures)
        marks = _MARKS.get(count) or tuple(0.12 + 0.76 * k / max(1, count - 1) for k in range(count))
        mirrored = bool(scene.geometry & 2) and count == 1
        self._actors = [
            self._actor(request, scene, backdrop, figure, k, 1 - marks[k] if mirrored else marks[k])
            for k, figure in enumerate(request.figures)
        ]
        self._actors.sort(key=lambda actor: actor.depth)
        self._boat: Boat | None = None
        if scene.afloat and self._actors:
            seats = self._actors
            self._boat = boat(
                lens,
                backdrop.light,
                sum(actor.x for actor in seats) / len(seats),
                max(actor.feet for actor in seats),
                max(actor.tall for actor in seats) * (1 + 0.3 * (len(seats) - 1)),
                None,
            )

    def _actor(
        self, request: GenerationRequest, scene: Scene, backdrop: Backdrop, figure: Figure, k: int, mark: float
    ) -> _Actor:
        lens, count = self._lens, len(request.figures)
        size = scene.size
        rng = generator(request.seed, scene.geometry, k)
        action = figure.action or (request.action if count == 1 else "")
        hands = size == "extreme-close-up" and says(_HANDS, figure.action or request.action)
        over = size == "over-the-shoulder" and count > 1 and k == 0
        facing = 1.0 if mark < 0.5 else -1.0
        part = part_for(action, figure.emotion, facing, float(rng.uniform(0, 4)))
        if scene.afloat and size not in _EYES and size != "extreme-close-up":
            part = Part("sit", part.emotion, part.facing, part.offset)
        near = size in _EYES or size == "extreme-close-up"
        if near and part.verb not in {"walk", "run"}:
            part = Part(part.verb, part.emotion, facing * (0.85 if count > 1 else 0.55), part.offset)
        frame_w, frame_h = lens.frame_width, lens.frame_height
        reference = min(frame_h, frame_w * 1.5)
        tall = _TALL.get(size, 1.6) * reference * (0.94 + 0.1 * float(generator(scene.geometry, k + 40).random()))
        if count > 2 and near:
            tall *= max(0.55, 1.25 - 0.13 * count)
        if hands:
            tall, part = 3.4 * reference, Part("work", part.emotion, part.facing, part.offset)
        if over:
            tall, mark = tall * 1.45, 0.1
        if near and count == 1:
            mark = 0.5 + (mark - 0.5) * (0.75 if frame_w > frame_h else 0.25) * (
                0.55 if size in {"close-up", "extreme-close-up"} else 1
            )
        x = lens.left + mark * frame_w
        feet = self._feet(size, tall, near=near, hands=hands, over=over)
        if not near:
            feet += (0.5 - float(rng.random())) * 0.012 * frame_h
        painter = Painter(
            looks_of(figure),
            tall,
            (x, feet),
            self._limit(tall, swing_of(lens, tall) if scene.afloat else 0.0),
            backdrop.light,
            1.0 if backdrop.light.x > x else -1.0,
            rear=over or scene.angle == "rear",
            pencil=self._pencil,
            palette=scene.palette,
        )
        tag, tag_at = self._tag(figure.name, x, feet, tall)
        shadow = None
        if feet < lens.height - 4 and not scene.afloat:
            shadow = shadow_sheet(tall * 0.36, tall * 0.05, 0.5, x, feet)
        spans = tuple(
            (line.start_s, line.end_s) for line in request.dialogue if line.speaker in {figure.id, figure.name}
        )
        return _Actor(
            part,
            painter,
            x,
            feet,
            tall,
            DEPTH + 0.02 * k if not over else 0.97,
            figure.name,
            shadow,
            None if over else tag,
            tag_at,
            spans,
        )

    def _feet(self, size: str, tall: float, *, near: bool, hands: bool, over: bool) -> float:
        lens = self._lens
        if hands:
            return lens.row(0.52) + 0.6 * tall
        if near:
            eyes = 0.3 if over else _EYES.get(size, 0.47)
            return lens.row(eyes) + EYES_Y * tall
        return lens.row(_FEET.get(size, 0.93))

    def _limit(self, tall: float, lifted: float) -> Box:
        """Return what of the stage a figure is drawn on; one that is all in the frame may walk into it.

        Args:
            tall: Its height in pixels.
            lifted: By how many pixels the sea may show more of it at the foot of the stage.
        """
        lens = self._lens
        across = round(0.03 * lens.width if tall > lens.frame_height else tall)
        down = round(0.02 * lens.height)
        return Box(-across, -down, lens.width + across, lens.height + down + math.ceil(lifted))

    def _tag(self, name: str, x: float, feet: float, tall: float) -> tuple[Sheet | None, tuple[float, float]]:
        lens = self._lens
        if not name:
            return None, (0.0, 0.0)
        size = max(9, round(min(lens.frame_width, lens.frame_height) * 0.0195))
        sheet = lettered([name[:32]], size, weight=400, strength=0.6)
        rows, columns = sheet.luma.shape
        above = feet - 1.05 * tall - rows
        row = above if above > lens.row(0.11) else lens.row(0.76)
        left, right = lens.left + SAFE * lens.frame_width, lens.left + (1 - SAFE) * lens.frame_width - columns
        return sheet, (min(max(x - columns / 2, left), right), row)

    def over(self, canvas: Canvas, seconds: float, place: Mapping[float, Placement], fallback: Placement) -> None:
        """Lay the figures on a frame; ``place`` is the camera's, by depth."""
        lift = self._lift(seconds)
        if self._boat is not None:
            lay(canvas, self._boat.behind, _moved(fallback, 0.0, lift))
        share = seconds / max(1e-6, self._duration_s)
        for actor in self._actors:
            camera = _moved(place.get(actor.depth, fallback), 0.0, lift)
            gone = self._gone(actor, seconds)
            if actor.shadow is not None:
                lay(canvas, actor.shadow, _moved(camera, gone, 0.0))
            speaking = any(start <= seconds < end for start, end in actor.spans)
            pose = pose_at(actor.part, seconds, share, speaking=speaking)
            sheet = actor.painter.sheet(pose, actor.part.emotion)
            lay(canvas, sheet, _moved(camera, gone, -0.0022 * actor.tall * breath(actor.part, seconds)))
        if self._boat is not None:
            lay(canvas, self._boat.before, _moved(fallback, 0.0, lift))

    def name(self, canvas: Canvas, seconds: float, place: Mapping[float, Placement], fallback: Placement) -> None:
        """Lay the name tags, which go along with the figures but are not scaled."""
        lift = self._lift(seconds)
        for actor in self._actors:
            if actor.tag is not None:
                camera = _moved(place.get(actor.depth, fallback), self._gone(actor, seconds), lift)
                x = camera.scale * actor.tag_at[0] + camera.dx
                y = camera.scale * actor.tag_at[1] + camera.dy
                lay(canvas, actor.tag, Placement(1.0, x - actor.tag.x, y - actor.tag.y))

    def _lift(self, seconds: float) -> float:
        """Return by how many pixels of the stage the sea has moved everybody down."""
        return 0.0 if self._boat is None else self._boat.bob(seconds)

    def _gone(self, actor: _Actor, seconds: float) -> float:
        """Return how many pixels of the stage a figure has walked."""
        return travel(actor.part, seconds, self._duration_s) * actor.tall

    @property
    def depths(self) -> tuple[float, ...]:
        """Depths that the figures stand at."""
        return tuple(actor.depth for actor in self._actors)


def _moved(place: Placement, dx: float, dy: float) -> Placement:
    return Placement(place.scale, place.dx + place.scale * dx, place.dy + place.scale * dy)
