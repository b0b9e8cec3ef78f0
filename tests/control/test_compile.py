from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pipeline.control.compile import Compiled, compile_request, compile_shot
from pipeline.control.framing import aspect_template, framing_of
from pipeline.control.guidance import model_guidance
from pipeline.control.keys import spec_key, take_key
from pipeline.control.request import GenerationRequest, Image
from pipeline.errors import InputError, NoModelAvailable
from pipeline.registry.fit import Misfit
from pipeline.registry.load import load_registry
from pipeline.registry.model import Model
from pipeline.storyboard.schema import Mode, Storyboard
from tests.support.boards import board
from tests.support.registry_samples import PAID, write

PAINTED = load_registry().get("animatic/painted")
ANN = {"characters": {"ann": {"references": [{"path": "ann.png", "view": "front"}], "palette": ["#FFAA00"]}}}
IMAGES = {"ann.png": "a" * 64, "first.png": "b" * 64, "last.png": "c" * 64, "shot.png": "d" * 64}


@pytest.fixture
def acme(tmp_path: Path) -> Model:
    return load_registry(write(tmp_path, PAID)).get("acme/one")


def compiled(film: Storyboard, model: Model = PAINTED, **change: Any) -> Compiled:
    framing = framing_of(film, film.shots[0], model)
    assert not isinstance(framing, Misfit), framing
    given = {
        "model": model,
        "seed": 1,
        "size": (framing.width, framing.height),
        "rate": framing.rate,
        "images": IMAGES,
    }
    return compile_shot(film, film.shots[0], **{**given, **change})


def test_the_same_arguments_give_the_same_request_and_key() -> None:
    film = board({"duration_s": 2, "characters": [{"id": "ann"}]}, **ANN)

    one, two = compiled(film), compiled(Storyboard.model_validate_json(film.model_dump_json()))

    assert one == two
    assert GenerationRequest.model_validate_json(one.request.model_dump_json()) == one.request
    assert take_key(one.request, "m", "1") == take_key(two.request, "m", "1")


def test_the_request_has_the_frames_of_the_shot_at_an_ntsc_rate() -> None:
    film = board({"duration_s": 3}, deliverables=[{"fps": 29.97, "resolution": "640x360"}])

    request = compiled(film).request

    assert (request.fps, request.frames, request.width, request.height) == ("30000/1001", 90, 640, 360)


def test_a_model_of_fixed_lengths_and_rate_is_asked_for_its_own(acme: Model) -> None:
    film = board({"duration_s": 6}, deliverables=[{"fps": 30}])

    request = compiled(film, acme).request

    assert (request.fps, request.frames) == ("24/1", 240)


def test_an_aspect_that_the_model_lacks_is_generated_in_the_nearest_with_a_planned_crop(acme: Model) -> None:
    film = board({}, deliverables=[{"aspect_ratio": "4:3"}, {"name": "tall", "aspect_ratio": "9:16"}])

    framing = framing_of(film, film.shots[0], acme)

    assert not isinstance(framing, Misfit)
    assert (framing.width, framing.height) == (1280, 720)
    assert framing.crop.width == pytest.approx(0.75)
    assert framing.others[0][0] == "tall"
    assert framing.others[0][1].width == pytest.approx(9 / 16 * 3 / 4, abs=0.002)


def test_pictures_go_by_their_content_and_say_what_they_show() -> None:
    shot = {"characters": [{"id": "ann"}], "first_frame": "first.png", "references": [{"path": "shot.png"}]}

    request = compiled(board(shot, **ANN)).request

    assert request.mode is Mode.IMAGE_TO_VIDEO
    assert request.first_frame == Image(sha256="b" * 64, view="first frame")
    assert request.references == (
        Image(sha256="d" * 64),
        Image(sha256="a" * 64, subject="ann", view="front"),
    )


def test_a_model_gets_no_more_pictures_than_it_takes(acme: Model) -> None:
    references = [{"path": name} for name in IMAGES]

    result = compiled(board({"references": references}), acme)

    assert len(result.request.references) == 2
    assert any("the shot has 4" in note for note in result.notes)


def test_a_shot_that_continues_starts_with_the_others_last_frame() -> None:
    film = board({"continues": "s2", "first_frame": "first.png"}, {})
    before = Image(sha256="e" * 64)

    assert compiled(film, first_frame_override=before).request.first_frame == before


def test_image_to_video_without_a_frame_begins_with_its_most_telling_picture() -> None:
    film = board({"mode": "image-to-video", "characters": [{"id": "ann"}]}, **ANN)

    assert compiled(film).request.first_frame == Image(sha256="a" * 64, subject="ann", view="front")


def test_text_to_video_starts_with_no_picture() -> None:
    film = board({"mode": "text-to-video", "first_frame": "first.png"})

    assert compiled(film).request.first_frame is None


def test_first_and_last_frame_both_arrive() -> None:
    request = compiled(board({"first_frame": "first.png", "last_frame": "last.png"})).request

    assert request.mode is Mode.FIRST_LAST_FRAME
    assert request.first_frame is not None
    assert request.last_frame == Image(sha256="c" * 64, view="last frame")


def test_a_picture_that_was_not_read_is_one_clear_error() -> None:
    with pytest.raises(InputError, match=r"shot s1: the picture gone\.png"):
        compiled(board({"first_frame": "gone.png"}))


def test_a_model_that_can_not_serve_the_shot_is_refused_in_words(acme: Model) -> None:
    film = board({"duration_s": 60})

    with pytest.raises(NoModelAvailable, match="60 s is too long"):
        compile_request(film, film.shots[0], model=acme, seed=1, size=(2, 2), rate=Fraction(24), images={})


def test_what_a_model_can_not_honour_is_said(acme: Model) -> None:
    notes = compiled(board({"guidance": 0.5}), acme).notes
    painted = compiled(board({"guidance": 0.5}))

    assert "acme/one takes no seed; the same request may give another picture" in notes
    assert "animatic/painted has no guidance scale" in painted.notes
    assert painted.request.guidance is None


def test_guidance_keeps_its_one_scale_in_the_request_and_is_calibrated_per_model(acme: Model) -> None:
    assert compiled(board({"guidance": 0.5}), acme).request.guidance == 0.5
    assert model_guidance(acme.capabilities, 0.0) == 1
    assert model_guidance(acme.capabilities, 0.5) == 5.5
    assert model_guidance(acme.capabilities, 1.0) == 10
    assert model_guidance(acme.capabilities, None) is None
    assert model_guidance(PAINTED.capabilities, 0.5) is None


def test_silence_is_asked_for_in_words_and_dialogue_breaks_it() -> None:
    silent = compiled(board({"ambience": "Silence"})).request
    spoken = compiled(board({"ambience": "silence", "dialogue": [{"text": "a"}]})).request
    usual = compiled(board({}, defaults={"ambience": "rain"})).request

    assert (silent.audio, silent.ambience) == (False, "")
    assert (spoken.audio, spoken.ambience) == (True, "")
    assert (usual.audio, usual.ambience) == (True, "rain")


def test_parameters_of_the_engine_alone_are_passed_on() -> None:
    shot = {"parameters": {"animatic": {"grain": 2}, "acme": {"x": 1}}}

    assert compiled(board(shot)).request.parameters == {"grain": 2}


def test_the_palette_is_the_locations_then_the_styles_each_colour_once() -> None:
    film = board(
        {"location": "sea"},
        style={"palette": ["#112233", "#445566"]},
        locations={"sea": {"palette": ["#445566", "#AABBCC"], "description": "grey water"}},
    )

    request = compiled(film).request

    assert request.palette == ("#445566", "#aabbcc", "#112233")
    assert request.setting == "grey water"


def test_keys_tell_apart_what_changes_the_picture_and_nothing_else() -> None:
    film = board({"prompt": "A"})
    base = compiled(film).request
    reseeded = compiled(film, seed=2).request
    noted = compiled(board({"prompt": "A", "notes": "for people", "max_attempts": 9})).request
    reworded = compiled(board({"prompt": "B"})).request

    def spec(request: GenerationRequest, model: str = "m", version: str = "1", first_seed: int = 1) -> str:
        return spec_key(request, model, version, first_seed=first_seed)

    assert spec(base) == spec(reseeded) == spec(noted)
    assert take_key(base, "m", "1") == take_key(noted, "m", "1")
    assert take_key(base, "m", "1") != take_key(reseeded, "m", "1")
    different = {
        spec(base),
        spec(reworded),
        spec(base, model="n"),
        spec(base, version="2"),
        spec(base, first_seed=2),
        take_key(base, "m", "1"),
    }
    assert len(different) == 6
    assert all(len(key) == 64 for key in different)


@pytest.mark.parametrize(
    ("size", "name"), [((1280, 720), "16:9"), ((1080, 1920), "9:16"), ((720, 720), "1:1"), ((1024, 440), "21:9")]
)
def test_a_picture_has_the_safe_areas_of_the_nearest_aspect(size: tuple[int, int], name: str) -> None:
    template = aspect_template(*size)

    left, top, right, bottom = template.title.pixels(*size)
    assert template.name == name
    assert 0 < left < right < size[0]
    assert 0 < top < bottom < size[1]
    outer = template.action.pixels(*size)
    assert outer[0] <= left
    assert outer[3] >= bottom
