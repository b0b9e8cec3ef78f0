"""Weather over a picture: what falls is drawn twelve times a second and has no seam."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from pipeline.engines.animatic.sheets import Canvas
from pipeline.engines.animatic.weather import Beam, Rain

SIZE = (320, 180)


def over_grey(effect: Any, *args: float) -> np.ndarray:
    canvas = Canvas.of_size(*SIZE)
    canvas.y[:] = 90
    effect.over(canvas, *args)
    return canvas.y


def test_rain_stands_for_two_frames_of_24_and_then_falls() -> None:
    rain = Rain(*SIZE, 3, heavy=True)

    frames = [over_grey(rain, index / 24) for index in range(48)]

    same = [bool(np.array_equal(a, b)) for a, b in itertools.pairwise(frames)]
    assert same == [index % 2 == 0 for index in range(47)]


def test_it_rains_as_much_at_any_time_and_nothing_gets_darker() -> None:
    rain = Rain(*SIZE, 3, heavy=True)

    frames = np.stack([over_grey(rain, index / 12) for index in range(36)]).astype(int) - 90

    wet = (frames > 4).mean(axis=(1, 2))
    assert frames.min() >= 0
    assert wet.min() > 0.01
    assert wet.max() < 3 * wet.min()


def test_a_beam_is_drawn_again_at_once_when_the_camera_carries_its_lamp() -> None:
    beam = Beam(*SIZE, 3, (160.0, 90.0, 20.0))

    stood, still = over_grey(beam, 1.0, 1.0, 0.0, 0.0), over_grey(beam, 1.0 + 1 / 24, 1.0, 0.0, 0.0)
    carried = over_grey(beam, 1.0 + 1 / 24, 1.0, 0.0, 30.0)

    assert np.array_equal(stood, still)
    assert not np.array_equal(still, carried)
    assert np.array_equal(carried, over_grey(Beam(*SIZE, 3, (160.0, 90.0, 20.0)), 1.0, 1.0, 0.0, 30.0))
