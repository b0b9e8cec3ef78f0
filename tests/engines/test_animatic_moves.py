"""The animatic engine's camera: smooth, eased, and never beyond the picture's edge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.control.request import CameraCue, GenerationRequest, Image
from pipeline.engines.animatic.moves import View, ease, mix, rig_for
from pipeline.engines.animatic.pictures import PictureShot
from pipeline.engines.animatic.sheets import Canvas, Placement, lay, lay_affine, sheet_of
from pipeline.engines.animatic.staging import stage_size
from pipeline.engines.animatic.weather import Grain
from pipeline.engines.animatic.words import scene_of
from pipeline.storyboard.schema import Mode
from pipeline.storyboard.vocabulary import names

MOVES = names("move")
PICTURE = Image(sha256="c" * 64)


def request_for(move: str, **changes: Any) -> GenerationRequest:
    fields: dict[str, Any] = {
        "shot_id": "",
        "mode": Mode.IMAGE_TO_VIDEO,
        "prompt": "x",
        "action": "x",
        "width": 320,
        "height": 180,
        "fps": "24/1",
        "frames": 36,
        "seed": 5,
        "camera": CameraCue(size="wide", move=move, angle="eye-level"),
    }
    return GenerationRequest(**(fields | changes))


def shift_between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Measure a shift: whole pixels by phase correlation, the rest by least squares on gradients.

    Phase correlation alone is up to 0.2 pixels off below one pixel (its peak is a centroid of few
    samples); Lucas and Kanade's estimate is good to a few hundredths there.
    """
    first, second = (cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 2.5) for picture in (one, other))
    window = cv2.createHanningWindow(one.shape[::-1], cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(one.astype(np.float32), other.astype(np.float32), window)
    whole = np.array([round(dx), round(dy)])
    edge = 12
    rows, columns = first.shape
    start_x, start_y = edge + whole
    middle = first[edge : rows - edge, edge : columns - edge]
    moved = second[start_y : start_y + middle.shape[0], start_x : start_x + middle.shape[1]]
    slope_y, slope_x = np.gradient((middle + moved) / 2)
    slopes = np.stack([slope_x.ravel(), slope_y.ravel()], axis=1)
    rest, *_ = np.linalg.lstsq(slopes, (middle - moved).ravel(), rcond=None)
    return whole + rest


@pytest.mark.parametrize("move", ["pan-left", "pan-right", "tilt-up", "tilt-down", "truck-right"])
def test_the_picture_moves_by_the_eased_curve_to_a_fraction_of_a_pixel(tmp_path: Path, move: str) -> None:
    file = tmp_path / "picture.png"
    cells = np.random.default_rng(2).integers(0, 255, (135, 240, 3), dtype=np.uint8)
    cv2.imwrite(str(file), cv2.resize(cells, (960, 540), interpolation=cv2.INTER_CUBIC))
    request = request_for(move, references=(PICTURE,), width=640, height=360, frames=36)
    shot = PictureShot("painted", request, scene_of(request), {PICTURE.sha256: file})
    shot._grain = Grain(request.width, request.height, 1, 0.0)  # it moves by itself, and is no camera

    pictures = [shot.frame(index).y.copy()[30:] for index in range(request.frames)]

    rig = rig_for(move, request.seed, request.duration_s)
    views = [rig.at(index, request.frames, 24.0) for index in range(request.frames)]
    for k in range(1, request.frames):
        moved = shift_between(pictures[k - 1], pictures[k])
        meant = np.array(
            [(views[k - 1].x - views[k].x) * request.width, (views[k - 1].y - views[k].y) * request.height]
        )
        assert np.abs(moved - meant).max() < 0.06


@pytest.mark.parametrize("scale", [1.0, 0.93, 1.07])
def test_a_sheet_lands_where_it_is_placed_whichever_way_it_is_laid(scale: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (30, 50, 3), dtype=np.uint8)
    sheet = sheet_of(np.asarray(cv2.resize(noise, (400, 240), interpolation=cv2.INTER_CUBIC), np.uint8))
    place = Placement(scale, -30.37, -21.81)
    quick, exact = Canvas.of_size(320, 180), Canvas.of_size(320, 180)

    lay(quick, sheet, place)
    lay_affine(exact, sheet, np.array([[scale, 0, place.dx], [0, scale, place.dy]]))

    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(quick.y[inner].astype(int) - exact.y[inner].astype(int)).mean() < 2.5
    for name in ("u", "v"):  # colour lies on whole pixels of its own
        assert np.abs(shift_between(getattr(quick, name)[inner], getattr(exact, name)[inner])).max() < 0.6
    assert np.abs(shift_between(quick.y[inner], exact.y[inner])).max() < 0.03


@pytest.mark.parametrize("share", ["references", "first_frame", "last_frame", "both"])
@pytest.mark.parametrize("move", [*MOVES, "a word that nobody knows"])
def test_no_move_shows_what_lies_beyond_the_picture(tmp_path: Path, move: str, share: str) -> None:
    file = tmp_path / "picture.png"
    cv2.imwrite(str(file), np.full((90, 160, 3), 127, np.uint8))
    given_: dict[str, Any] = {
        "references": {"references": (PICTURE,)},
        "first_frame": {"first_frame": PICTURE},
        "last_frame": {"last_frame": PICTURE},
        "both": {"first_frame": PICTURE, "last_frame": PICTURE},
    }[share]
    request = request_for(move, width=160, height=90, frames=24, **given_)
    shot = PictureShot("painted", request, scene_of(request), {PICTURE.sha256: file})
    width, height = shot._stage

    for index in range(request.frames):
        view = shot._view(index)
        cos, sin = abs(np.cos(view.roll)), abs(np.sin(view.roll))
        half_w = view.extent * (160 * cos + 90 * sin) / 2
        half_h = view.extent * (90 * cos + 160 * sin) / 2
        shear = 0.55 * abs(view.x) * 160 / height * half_h if "orbit" in move else 0.0
        assert abs(view.x) * 160 + half_w + shear <= width / 2 + 1.0
        assert abs(view.y) * 90 + half_h <= height / 2 + 1.0


@pytest.mark.parametrize("move", MOVES)
def test_a_stage_is_large_enough_for_every_layer_of_its_move(move: str) -> None:
    request = request_for(move)
    rig = rig_for(move, request.seed, request.duration_s)
    width, height = stage_size(rig, request)

    for index in range(request.frames):
        for depth in (0.0, 0.3, 0.75, 1.0):
            view = rig.felt(rig.at(index, request.frames, 24.0), depth)
            cos, sin = abs(np.cos(view.roll)), abs(np.sin(view.roll))
            assert abs(view.x) * 320 + view.extent * (320 * cos + 180 * sin) / 2 <= width / 2
            assert abs(view.y) * 180 + view.extent * (180 * cos + 320 * sin) / 2 <= height / 2


@given(st.floats(0, 1), st.floats(0, 1))
def test_easing_starts_and_ends_at_rest_and_never_turns_back(one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert ease(low) <= ease(high)
    assert ease(0.0) == 0.0
    assert ease(1.0) == 1.0
    assert ease(0.01) < 1e-4
    assert ease(low) + ease(1 - low) == pytest.approx(1.0)


@given(st.floats(0, 1))
def test_a_mixed_view_lies_between_its_ends(share: float) -> None:
    one, other = View(-0.1, 0.2, 1.2, 0.0), View(0.1, -0.2, 1.0, 0.1)

    between = mix(one, other, share)

    assert -0.1 <= between.x <= 0.1
    assert 1.0 - 1e-9 <= between.extent <= 1.2 + 1e-9


@given(st.sampled_from(MOVES), st.integers(0, 2**31), st.integers(24, 144))
def test_a_camera_never_jumps(move: str, seed: int, frames: int) -> None:
    rig = rig_for(move, seed, frames / 24)
    views = [rig.at(index, frames, 24.0) for index in range(frames)]

    # A whip pan may be fast; a jerk, a change of pace from one frame to the next, may not be.
    limit = 0.05 if "whip" in move else 0.004
    pace = np.diff([(view.x, view.y, view.extent, view.roll) for view in views], axis=0)
    assert np.abs(np.diff(pace, axis=0)).max() < limit


def test_handheld_differs_by_seed_and_stays_small() -> None:
    one, other = rig_for("handheld", 1, 4.0), rig_for("handheld", 2, 4.0)
    ways = [np.array([(view.x, view.y) for view in (rig.at(k, 96, 24.0) for k in range(96))]) for rig in (one, other)]

    assert np.abs(ways[0] - ways[1]).max() > 0.002
    assert 0.002 < np.abs(ways[0]).max() < 0.01
