"""Cels: what is painted again looks as if all had been painted."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.control.request import Figure
from pipeline.engines.animatic import cels
from pipeline.engines.animatic.acting import Part, pose_at
from pipeline.engines.animatic.backdrop import Light
from pipeline.engines.animatic.brush import oval
from pipeline.engines.animatic.cels import Box, Cels, Form, Mark, Paper
from pipeline.engines.animatic.figures import Painter, capsule, looks_of, ribbon
from pipeline.engines.animatic.sheets import Canvas, Placement, Sheet, lay, picture_of

STAGE = Box(0, 0, 480, 270)
FEET = (240.0, 250.0)
RED = (200.0, 40.0, 40.0)
BLUE = (40.0, 60.0, 190.0)
SKY = (120.0, 160.0, 200.0)
DAY = Light(400.0, 40.0, (255.0, 240.0, 210.0), (SKY, SKY, SKY), 1.0)
ADA = Figure(id="ada", name="Ada", description="white hair, glasses, a long coat", palette=("#d6a032", "#22324f"))


def blob(x: float = 0.0, y: float = 0.5, radius: float = 0.3, colour: tuple[float, float, float] = RED) -> Mark:
    return Mark((oval((x, y), radius, radius),), colour)


def cels_of(tall: float = 220.0, **changes: Any) -> Cels:
    return Cels(FEET, STAGE, Form(tall, 1.0, (255.0, 240.0, 210.0)), **changes)


def laid(sheet: Sheet) -> Any:
    """Return a grey stage with a sheet on it."""
    canvas = Canvas.of_size(STAGE.x1, STAGE.y1)
    canvas.y[:], canvas.u[:], canvas.v[:] = 90, 128, 128
    lay(canvas, sheet, Placement(1.0, 0.0, 0.0))
    return picture_of(canvas)


def planes(sheet: Sheet) -> list[Any]:
    return [sheet.luma, sheet.cb, sheet.cr, sheet.clear, sheet.clear_half]


@pytest.mark.parametrize("tall", [340.0, 700.0])  # shaded as it is, and at half size
@pytest.mark.parametrize("verb", ["wave", "raise", "run", "turn", "idle"])
def test_a_drawing_that_begins_as_another_is_as_one_painted_from_nothing(verb: str, tall: float) -> None:
    part = Part(verb, "happy", 0.55, 0.3)
    poses = [pose_at(part, k / 12, k / 30, speaking=k % 3 > 0) for k in range(30)]
    place: Any = (looks_of(ADA), tall, (300.0, 730.0), Box(0, 0, 600, 740), DAY, 1.0)
    follows = Painter(*place)

    begun = [follows.sheet(pose, "happy") for pose in poses]

    for pose, sheet in zip(poses, begun, strict=True):
        alone = Painter(*place).sheet(pose, "happy")
        assert (sheet.x, sheet.y) == (alone.x, alone.y)
        for one, other in zip(planes(sheet), planes(alone), strict=True):
            off = cv2.absdiff(one, other)
            assert np.count_nonzero(off > 2) <= tall / 16  # around a mouth that stands out from a face
            assert np.count_nonzero(off > 24) <= 2


def test_what_moves_between_others_takes_its_light_along() -> None:
    drawn = cels_of()
    ends = [blob(x=-0.8, radius=0.1), blob(x=0.8, radius=0.1)]
    drawn.of("left", lambda: [*ends, blob(x=-0.05, radius=0.15)])

    begun = drawn.of("right", lambda: [*ends, blob(x=0.05, radius=0.15)])

    alone = cels_of().of("right", lambda: [*ends, blob(x=0.05, radius=0.15)])
    for one, other in zip(planes(begun), planes(alone), strict=True):
        assert cv2.absdiff(one, other).max() <= 2


def test_the_same_key_is_drawn_once() -> None:
    drawn = cels_of()
    asked: list[str] = []

    first = drawn.of("a", lambda: [asked.append("a") or blob()])
    again = drawn.of("a", lambda: [asked.append("a") or blob()])

    assert again is first
    assert asked == ["a"]


def test_marks_inside_a_silhouette_leave_its_edge_alone() -> None:
    drawn = cels_of()

    shut = drawn.of("shut", lambda: [blob()])
    opened = drawn.of("open", lambda: [blob(), blob(radius=0.06, colour=BLUE)])

    assert opened.clear is shut.clear
    row, column = (round(FEET[1] - 110) - shut.y) // 2, (round(FEET[0]) - shut.x) // 2
    assert int(shut.cr[row, column]) - int(opened.cr[row, column]) > 40
    assert np.array_equal(opened.luma[:10], shut.luma[:10])


def test_nothing_is_drawn_where_a_figure_is_not() -> None:
    sheet = cels_of().of("a", lambda: [blob()])

    assert sheet.clear is not None
    assert sheet.clear_half is not None
    assert (sheet.clear == 255).any()
    assert not sheet.luma[sheet.clear == 255].any()
    assert not sheet.cb[sheet.clear_half == 255].any()
    assert not sheet.cr[sheet.clear_half == 255].any()


def test_a_colour_is_itself_away_from_the_edge() -> None:
    picture = laid(cels_of().of("a", lambda: [blob()]))

    middle = picture[round(FEET[1] - 110), round(FEET[0])]
    assert np.abs(middle[::-1].astype(float) - RED).max() < 4


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("tall", [220.0, 520.0])
def test_a_figure_is_lighter_on_the_side_of_the_light(side: float, tall: float) -> None:
    drawn = Cels(FEET, STAGE, Form(tall, side, (255.0, 240.0, 210.0)))

    picture = laid(drawn.of("a", lambda: [blob(y=0.25, radius=0.2)])).astype(float)

    row, radius = round(FEET[1] - 0.25 * tall), 0.2 * tall
    left, right = (round(FEET[0] + way * (radius - 4)) for way in (-1, 1))
    lighter = picture[row, right].sum() - picture[row, left].sum()
    assert lighter * side > 20


def test_only_what_can_be_seen_is_kept() -> None:
    sheet = cels_of(2400.0).of("a", lambda: [blob(radius=0.4)])

    rows, columns = sheet.luma.shape
    assert sheet.x >= STAGE.x0
    assert sheet.y >= STAGE.y0
    assert sheet.x + columns <= STAGE.x1
    assert sheet.y + rows <= STAGE.y1


def test_a_figure_out_of_sight_is_an_empty_sheet() -> None:
    sheet = cels_of().of("a", lambda: [blob(x=30.0)])

    assert (laid(sheet) == laid(cels_of().of("b", lambda: [blob(y=-30.0)]))).all()
    assert sheet.luma.size <= 16


def test_the_oldest_drawings_go_when_there_is_no_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = cels_of()
    one = drawn.of(-1, lambda: [blob()])
    monkeypatch.setattr(cels, "_ROOM", 5 * sum(plane.nbytes for plane in planes(one)))
    asked: list[int] = []

    def draw(k: int) -> Sheet:
        return drawn.of(k, lambda: [asked.append(k) or blob(x=0.03 * k)])

    for k in [*range(8), 7, 6, 0]:
        draw(k)

    assert asked == [*range(8), 0]


def test_the_pencil_draws_other_pictures_of_the_same_shape() -> None:
    painted = laid(cels_of().of("a", lambda: [blob()]))
    pencilled = laid(cels_of(paper=Paper(((90.0, 110.0, 130.0),), RED)).of("a", lambda: [blob()]))

    off = np.abs(painted.astype(int) - pencilled.astype(int)).max(axis=2)
    radius = np.hypot(*(np.indices(off.shape)[::-1] - np.reshape((FEET[0], FEET[1] - 110), (2, 1, 1))))
    assert off[radius < 60].mean() > 20
    assert off[radius > 72].max() < 4


def test_outlines_have_the_area_of_what_they_outline() -> None:
    limb = np.asarray(capsule((10, 20), (60, 50), 8, 8), np.float32)
    stroke = np.asarray(ribbon([(0, 0), (40, 0), (80, 0)], 6), np.float32)

    long = math.hypot(50, 30)
    assert cv2.contourArea(limb) == pytest.approx(math.pi * 64 + 16 * long, rel=0.02)
    assert cv2.contourArea(stroke) == pytest.approx(80 * 6 + math.pi * 9, rel=0.03)
