"""What the registry says that a hosted model can do, its ``wire`` can say: nothing is quoted for and then not sent."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from pipeline.engines.catalog import SHIPPED, engine_class
from pipeline.engines.hosted import HostedEngine
from pipeline.engines.wording import Wording
from pipeline.registry.files import parse
from pipeline.registry.fit import Fit, Wanted, fit
from pipeline.registry.load import load_registry
from pipeline.registry.model import Model
from tests.engines.contract import image, request


def hosted() -> list[Model]:
    found = []
    for model in load_registry().models.values():
        if model.engine in SHIPPED and model.wire:
            engine = engine_class(model.engine)
            if issubclass(engine, HostedEngine):
                found.append(model)
    return found


def words(model: Model) -> Wording:
    engine = engine_class(model.engine)
    assert issubclass(engine, HostedEngine)
    return parse(engine.wording, model.wire, file=model.id, prefix="wire")


every_hosted_model = pytest.mark.parametrize("model", hosted(), ids=lambda model: model.id)


@every_hosted_model
def test_what_a_model_can_do_its_wire_can_say(model: Model) -> None:
    able, wire = model.capabilities, words(model)
    sent = {**dict.fromkeys(wire.fields, "always"), **wire.model_dump(exclude_none=True)}
    needed = {
        "seed": able.seed == "yes",
        "negative_prompt": able.negative_prompt == "yes",
        "guidance": able.guidance == "yes" or not isinstance(able.guidance, str),
        "audio": able.audio == "optional",
        "first_frame": able.first_frame,
        "last_frame": able.last_frame,
        "references": isinstance(able.reference_images, int) and able.reference_images > 0,
    }

    assert [name for name, wanted in needed.items() if wanted and name not in sent] == []


@every_hosted_model
def test_a_length_that_is_quoted_for_is_sent(model: Model) -> None:
    able, wire = model.capabilities, words(model)
    one = isinstance(able.durations, tuple) and len(able.durations) == 1

    assert model.kind == "image" or one or wire.duration or wire.num_frames


@every_hosted_model
def test_a_resolution_that_is_quoted_for_is_sent(model: Model) -> None:
    able, wire = model.capabilities, words(model)
    several = isinstance(able.resolutions, tuple) and len(able.resolutions) > 1

    assert not several or wire.resolution or wire.size or (wire.width and wire.height)


SHAPES = {"landscape": (1920, 1080), "portrait": (720, 1280), "small": (640, 360)}


@every_hosted_model
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shot_that_fits_can_be_put_into_words(model: Model, shape: str) -> None:
    able, wire = model.capabilities, words(model)
    pictures = {image(name).sha256: name for name in ("first", "last", "hero")}
    width, height = SHAPES[shape]
    for mode in able.modes:
        if mode in ("text-to-image", "image-to-image"):
            continue
        found = fit(able, Wanted(mode, 5.0, width, height, Fraction(24), references=1))
        if not isinstance(found, Fit):
            continue
        frames: dict[str, Any] = {} if mode == "text-to-video" else {"first_frame": image("first")}
        frames |= {"last_frame": image("last")} if mode == "first-last-frame" else {}
        rate = f"{found.rate.numerator}/{found.rate.denominator}"
        shot = request(
            mode=mode,
            width=found.width,
            height=found.height,
            frames=found.frames,
            fps=rate,
            references=(image("hero"),) * found.references,
            **frames,
        )

        assert wire.body(model.name, shot, pictures, where=model.id)[wire.prompt.split(".")[0]]
