"""A hosted model's words: what a registry's ``wire`` says is what is sent, and nothing else."""

from __future__ import annotations

import math
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.wording import (
    Length,
    Unsayable,
    Wording,
    class_told,
    length_told,
    ratio_told,
    seconds_told,
)
from pipeline.errors import ConfigurationError, ProviderError, Trouble
from pipeline.registry.capabilities import Capabilities
from pipeline.registry.files import parse
from pipeline.registry.fit import Fit, Wanted, fit
from tests.engines.contract import image, request


class AcmeWire(Wording):
    usual = MappingProxyType({"duration": "secs", "size": "ratio", "seed": "rng", "first_frame": "start"})
    between = ":"


def body(wire: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return parse(AcmeWire, wire, file="test").body("m", request(**changes), {image("first").sha256: "THE PICTURE"})


# Names


def test_what_the_wire_does_not_name_is_not_sent() -> None:
    assert body({}, negative_prompt="rain", guidance=0.5) == {"prompt": "a red kite"}


@pytest.mark.parametrize("yes", ["yes", True])
def test_yes_stands_for_the_providers_usual_name_and_no_for_nothing(yes: Any) -> None:
    assert body({"seed": yes, "duration": yes, "size": yes, "audio": "no", "fps": False}) == {
        "prompt": "a red kite",
        "rng": 7,
        "secs": 5,
        "ratio": "1280:720",
    }


def test_a_part_may_be_named_shaped_or_both() -> None:
    assert body({"duration": "length"})["length"] == 5
    assert body({"duration": {"form": "seconds"}})["secs"] == "5s"
    assert body({"duration": {"name": "length", "form": "text"}})["length"] == "5"


def test_names_with_dots_lie_in_objects() -> None:
    wire = {"prompt": "input.prompt", "seed": "parameters.seed", "fields": {"parameters.watermark": False, "n": 1}}

    assert body(wire) == {
        "input": {"prompt": "a red kite"},
        "parameters": {"seed": 7, "watermark": False},
        "n": 1,
    }


def test_in_some_modes_some_fields_are_left_out() -> None:
    wire = {"size": "yes", "first_frame": "yes", "leave_out": {"image-to-video": ["ratio"]}}

    assert "ratio" in body(wire)
    assert body(wire, mode="image-to-video", first_frame=image("first")) == {
        "prompt": "a red kite",
        "start": "THE PICTURE",
    }


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        ({"seed": "a b"}, "wire.seed"),
        ({"seed": "n", "fields": {"n": 1}}, "the field n is sent twice"),
        ({"resolution": {"name": "r", "words": {"large": "L"}}}, "wire.resolution.words"),
        ({"duration": {"name": "d", "values": [0]}}, "wire.duration.values"),
        ({"sede": "yes"}, "did you mean seed?"),
    ],
)
def test_a_wire_that_can_not_be_understood_names_its_field(wire: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(AcmeWire, wire, file="f", prefix="wire")

    assert said in caught.value.what


@pytest.mark.parametrize("name", ["prompt", "secs", "rng", "model", "parameters", "parameters.size", "start"])
def test_a_shots_own_parameters_can_not_change_what_was_quoted_for(name: str) -> None:
    wire = {"size": "parameters.size", "duration": "yes"}

    with pytest.raises(ProviderError, match="set by the shot itself") as caught:
        body(wire, parameters={name: 60})

    assert caught.value.trouble is Trouble.INVALID


def test_a_shots_own_parameters_are_sent_but_those_of_none() -> None:
    wire = {"size": "parameters.size"}

    sent = body(wire, parameters={"parameters.watermark": False, "lora": {"name": "x"}, "shift": None})

    assert sent["parameters"] == {"size": "1280:720", "watermark": False}
    assert sent["lora"] == {"name": "x"}
    assert "shift" not in sent


@pytest.mark.parametrize("what", ["first_frame", "last_frame"])
def test_a_picture_without_a_name_can_not_be_sent(what: str) -> None:
    with pytest.raises(ProviderError, match=what):
        parse(Wording, {}, file="f").body("m", request(**{what: image("first")}), {image("first").sha256: "x"})


def test_guidance_lies_on_the_models_own_scale() -> None:
    assert body({"guidance": {"name": "g", "low": 1, "high": 8}}, guidance=0.5)["g"] == 4.5


# Lengths


@given(frames=st.integers(1, 2000), rate=st.sampled_from(["24/1", "24000/1001", "25/1", "30000/1001", "16/1"]))
def test_the_length_that_is_told_comes_to_the_frames_of_the_request(frames: int, rate: str) -> None:
    seconds = Fraction(seconds_told(request(frames=frames, fps=rate)))

    assert math.ceil(seconds * Fraction(rate) - Fraction(1, 1000)) == frames  # as the registry's fit counts


@given(seconds=st.integers(1, 60), rate=st.sampled_from(["24/1", "24000/1001", "25/1", "30000/1001"]))
def test_whole_seconds_that_the_registry_fits_are_told_as_whole_seconds(seconds: int, rate: str) -> None:
    able = Capabilities(
        modes=("text-to-video",), durations=(float(seconds),), resolutions=("720p",), aspect_ratios=("16:9",), fps="any"
    )
    wanted = Wanted("text-to-video", seconds - 0.5, 1280, 720, Fraction(rate))
    found = fit(able, wanted)
    assert isinstance(found, Fit)

    told = length_told(Length(name="d"), request(frames=found.frames, fps=rate))

    assert told == seconds


def test_of_listed_lengths_the_shortest_that_is_enough_is_told_and_none_can_not_be_said() -> None:
    length = Length(name="d", values=(4, 12, 8))

    assert length_told(length, request(frames=96, fps="24000/1001")) == 4
    assert length_told(length, request(frames=121)) == 8
    with pytest.raises(Unsayable, match="longer than anything"):
        length_told(length, request(frames=400))


def test_parts_of_a_second_are_never_rounded_away() -> None:
    half = request(frames=132)

    assert length_told(Length(name="d", form="number"), half) == 5.5
    assert length_told(Length(name="d", form="text"), half) == "5.5"
    for form in ("integer", "seconds"):
        with pytest.raises(Unsayable, match="no whole number"):
            length_told(Length(name="d", form=form), half)  # type: ignore[arg-type]


# Shapes: whatever the registry fits is told as what the registry called it


RESOLUTIONS = ["360p", "480p", "540p", "720p", "768p", "1080p", "2k", "4k"]
RATIOS = ["21:9", "16:9", "4:3", "1:1", "3:4", "9:16", "3:2", "2:3"]


@given(resolution=st.sampled_from(RESOLUTIONS), ratio=st.sampled_from(RATIOS))
def test_what_the_registry_fits_is_told_by_the_class_and_ratio_that_it_was_priced_by(
    resolution: str, ratio: str
) -> None:
    able = Capabilities(
        modes=("text-to-video",), durations=(5.0,), resolutions=(resolution,), aspect_ratios=(ratio,), fps="any"
    )
    found = fit(able, Wanted("text-to-video", 5.0, 1280, 720, Fraction(24)))
    assert isinstance(found, Fit)

    assert class_told(dict.fromkeys(RESOLUTIONS, "") | {resolution: "X"}, found.width, found.height) == "X"
    assert ratio_told({}, found.width, found.height) == ratio
    assert ratio_told(dict.fromkeys(RATIOS, "") | {ratio: "Y"}, found.width, found.height) == "Y"


def test_exact_sizes_near_a_class_or_ratio_are_told_by_it() -> None:
    assert class_told({}, 1366, 768) == "768p"
    assert class_told({"720p": "720P", "1080p": "1080P"}, 1280, 704) == "720P"
    assert class_told({"480p": "S", "720p": "M"}, 1104, 832) == "M"
    assert ratio_told({}, 1366, 768) == "16:9"
    assert ratio_told({"16:9": "landscape", "9:16": "portrait"}, 720, 1280) == "portrait"


def test_a_shape_that_is_not_offered_can_not_be_said() -> None:
    with pytest.raises(Unsayable, match="resolution"):
        class_told({"1080p": "1080p"}, 640, 360)
    with pytest.raises(Unsayable, match="aspect_ratio"):
        ratio_told({"16:9": "16:9", "1:1": "1:1"}, 960, 720)
