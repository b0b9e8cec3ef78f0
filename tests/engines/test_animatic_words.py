"""Reading a scene out of words, and letters onto frames."""

from __future__ import annotations

import pytest

from pipeline.control.request import CameraCue, GenerationRequest
from pipeline.engines.animatic.acting import part_for, pose_at
from pipeline.engines.animatic.overlay import MAX_LINES, wrapped
from pipeline.engines.animatic.words import Scene, scene_of
from pipeline.storyboard.schema import Mode


def scene(setting: str, action: str = "", **changes: object) -> Scene:
    fields = {
        "shot_id": "s",
        "mode": Mode.TEXT_TO_VIDEO,
        "prompt": f"{action} {setting}",
        "action": action,
        "setting": setting,
        "width": 160,
        "height": 90,
        "fps": "24/1",
        "frames": 4,
        "seed": 1,
        "camera": CameraCue(size="wide", move="static", angle="eye-level"),
    }
    return scene_of(GenerationRequest(**(fields | changes)))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("A lighthouse on a rocky coast", "lighthouse"),
        ("A small farm kitchen", "kitchen"),
        ("Rainy city street with neon signs", "street"),
        ("Dense pine forest", "forest"),
        ("Sand dunes in the desert", "desert"),
        ("Interior, modern coffee shop", "cafe"),
        ("Harbour with fishing boats", "harbour"),
        ("A mountain ridge", "mountains"),
        ("Concert hall stage", "stage"),
        ("The round glass room at the top of the lighthouse at night, rain on the panes", "lantern"),
        ("A rocky coast with a white lighthouse on the headland, pale sea", "lighthouse"),
        ("Snowy mountain lodge interior with large windows", "room"),
        ("Steep stone staircase in an old hillside neighborhood", "street"),
        ("Airport terminal with a window wall overlooking the runway", "hall"),
        ("Grand concert hall, city lights in the street outside", "stage"),
        ("", "field"),
    ],
)
def test_a_setting_is_recognised(words: str, place: str) -> None:
    assert scene(words).place == place


@pytest.mark.parametrize(
    ("action", "hour", "weather"),
    [
        ("at dawn, mist over the water", "dawn", "fog"),
        ("the storm breaks at night", "night", "storm"),
        ("golden hour, no rain, clear sky", "sunset", "clear"),
        ("snow falls at dusk", "dusk", "snow"),
        ("bright midday", "day", "cloud"),
        ("sunset after the storm", "sunset", "clear"),
        ("nighttime, light rain", "night", "rain"),
    ],
)
def test_hour_and_weather_come_from_the_words(action: str, hour: str, weather: str) -> None:
    found = scene("a meadow", action)

    assert (found.hour, found.weather) == (hour, weather)


def test_what_a_shot_says_of_the_hour_counts_more_than_its_location() -> None:
    assert scene("a coast in bright daylight", "night, the lamp is lit").hour == "night"


def test_who_climbs_in_a_lighthouse_is_on_its_stairs() -> None:
    assert scene("The round room at the top of the lighthouse", "Ada climbs to the lamp").place == "stairs"


@pytest.mark.parametrize(
    ("setting", "action", "afloat"),
    [
        ("Open sea at night in a storm", "Tom looks for the shore", True),
        ("The sea", "Tom rows his little boat", True),
        ("A beach by the sea", "Tom looks at a boat far out", False),
    ],
)
def test_on_open_water_figures_get_a_boat(setting: str, action: str, afloat: bool) -> None:
    assert scene(setting, action).afloat is afloat


def test_clothes_are_no_places() -> None:
    assert scene("a city rooftop", "she wears a green field jacket and snow boots").place == "city"


def test_geometry_belongs_to_setting_and_look_and_not_to_seed_or_action() -> None:
    base = scene("a coast", "waves")

    assert scene("a coast", "gulls", seed=9).geometry == base.geometry
    assert scene("another coast", "waves").geometry != base.geometry
    assert scene("a coast", "waves", look="noir").geometry != base.geometry


@pytest.mark.parametrize(
    "text",
    [
        "Go.",
        "The lamp has been dark for three nights and nobody in the village dares to climb the stairs any more.",
        "word " * 200,
        "x" * 400,
        "灯台の明かりが消えてから三日が経ち、村の誰も階段を上ろうとしません。" * 4,
    ],
)
def test_a_subtitle_has_at_most_two_lines_that_fit(text: str) -> None:
    from pipeline.engines.animatic.overlay import _width

    lines = wrapped(text, 500, 24)

    assert 1 <= len(lines) <= MAX_LINES
    assert all(_width(line, 24, 500) <= 500 for line in lines)


def test_a_subtitle_keeps_all_of_a_line_that_fits() -> None:
    text = "Où étiez-vous hier soir, Żaneta? Nous avons attendu."

    assert " ".join(wrapped(text, 400, 24)) == text


@pytest.mark.parametrize(
    ("action", "verb"),
    [
        ("walks to the door", "walk"),
        ("she runs", "run"),
        ("points at the sea", "point"),
        ("opens her arms", "open"),
        ("waves slowly", "wave"),
        ("waits", "idle"),
    ],
)
def test_actions_are_acted(action: str, verb: str) -> None:
    assert part_for(action, "", 1.0, 0.0).verb == verb


def test_a_mouth_moves_only_while_its_line_is_spoken() -> None:
    part = part_for("waits", "happy", 1.0, 0.0)

    assert {pose_at(part, k / 24, k / 96, speaking=False).mouth for k in range(96)} == {0.0}
    assert len({pose_at(part, k / 24, k / 96, speaking=True).mouth for k in range(96)}) > 3
