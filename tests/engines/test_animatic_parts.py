"""Cutting layers into parts: nothing that shows is lost, and nothing is drawn twice."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engines.animatic.parts import Part, parts_of
from pipeline.engines.animatic.sheets import Canvas, Placement, Sheet, lay, merged, sheet_of

SIZE = (420, 640)


def alpha_of(seed: int) -> np.ndarray:
    """Return soft blots, anywhere, most of them solid, some faint, and large empty places between."""
    rng = np.random.default_rng(seed)
    alpha = np.zeros(SIZE, np.uint8)
    for x, y, radius, faint in rng.random((int(rng.integers(1, 7)), 4)):
        cover = 255 if faint < 0.6 else int(20 + 200 * (1 - faint))
        cv2.circle(alpha, (int(x * SIZE[1]), int(y * SIZE[0])), int(8 + 150 * radius), cover, -1, cv2.LINE_AA)
    return np.asarray(cv2.blur(alpha, (3, 3)), np.uint8)


def sheet_for(seed: int) -> Sheet:
    small = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    return sheet_of(np.asarray(cv2.resize(small, SIZE[::-1]), np.uint8), alpha_of(seed))


def grey_canvas() -> Canvas:
    canvas = Canvas.of_size(480, 300)
    for plane in (canvas.y, canvas.u, canvas.v):
        plane[:] = 90
    return canvas


def whole(sheet: Sheet) -> Sheet:
    """Return a sheet that is drawn in one piece."""
    rows, columns = sheet.luma.shape
    part = Part(0, 0, columns, rows, solid=False)
    return Sheet(sheet.luma, sheet.cb, sheet.cr, sheet.clear, sheet.clear_half, sheet.x, sheet.y, sheet.solid, [part])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_pixel_that_shows_is_in_one_part_and_a_solid_part_hides_all(seed: int) -> None:
    clear = cv2.bitwise_not(cv2.resize(alpha_of(seed), (SIZE[1] // 2, SIZE[0] // 2), interpolation=cv2.INTER_AREA))

    parts = parts_of(np.asarray(clear, np.uint8))

    drawn = np.zeros(clear.shape, int)
    for part in parts:
        window = (slice(part.y0 // 2, part.y1 // 2), slice(part.x0 // 2, part.x1 // 2))
        drawn[window] += 1
        assert not part.solid or not clear[window].any()
        assert not any(edge % 2 for edge in part[:4])
    assert drawn.max(initial=0) <= 1
    assert (clear[drawn == 0] == 255).all()


def test_an_empty_layer_has_no_parts_and_a_solid_one_is_one() -> None:
    assert parts_of(np.full((90, 130), 255, np.uint8)) == ()
    assert parts_of(np.zeros((90, 130), np.uint8)) == (Part(0, 0, 260, 180, solid=True),)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-150, 30), st.floats(-110, 30))
def test_a_sheet_in_parts_is_the_sheet_in_one_piece(seed: int, dx: float, dy: float) -> None:
    sheet, place = sheet_for(seed), Placement(1.0, dx, dy)
    parted, one = grey_canvas(), grey_canvas()

    lay(parted, sheet, place)
    lay(one, whole(sheet), place)

    assert np.abs(parted.y.astype(int) - one.y).max() <= 1  # a solid pixel is copied, not multiplied by 255 / 255
    assert np.abs(parted.u.astype(int) - one.u).mean() < 0.5


@pytest.mark.parametrize("scale", [0.84, 0.937, 1.09])
@pytest.mark.parametrize("seed", range(4))
def test_a_scaled_sheet_in_parts_shows_no_seam(seed: int, scale: float) -> None:
    sheet, place = sheet_for(seed), Placement(scale, -40.3, -20.7)
    parted, one = grey_canvas(), grey_canvas()

    lay(parted, sheet, place)
    lay(one, whole(sheet), place)

    # Both are the same place sampled; they differ by where a fraction of a pixel is interpolated, not more.
    off = np.abs(cv2.blur(parted.y, (3, 3)).astype(int) - cv2.blur(one.y, (3, 3)))
    assert off.max() <= 24
    assert off.mean() < 0.5


@pytest.mark.parametrize("opaque", [True, False])
def test_sheets_merged_are_the_sheets_laid_one_after_the_other(*, opaque: bool) -> None:
    ground = np.full((*SIZE, 3), (40, 120, 200), np.uint8)
    sheets = [sheet_of(ground)] if opaque else [sheet_for(5)]
    sheets += [sheet_for(6), sheet_for(7)]
    place = Placement(1.0, -60.0, -40.0)
    apart, together = grey_canvas(), grey_canvas()

    for sheet in sheets:
        lay(apart, sheet, place)
    lay(together, merged(sheets), place)

    for name in ("y", "u", "v"):
        assert np.abs(getattr(apart, name).astype(int) - getattr(together, name)).max() <= 3
