from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.control.camera import ANGLE_PHRASES, MOVE_PHRASES, SIZE_PHRASES, camera_cue, camera_sentence
from pipeline.control.prompt import compile_prompt, merged_negative
from pipeline.control.trim import trimmed
from pipeline.errors import InputError
from pipeline.registry.capabilities import CameraControl
from pipeline.registry.load import load_registry
from pipeline.registry.model import Model
from pipeline.storyboard import vocabulary
from pipeline.storyboard.schema import Camera
from tests.support.boards import board
from tests.support.registry_samples import PAID, write

PAINTED = load_registry().get("animatic/painted")
FULL = {
    "style": {"look": "Watercolour on rough paper", "negative_prompt": "text, logos"},
    "characters": {"ann": {"name": "Ann", "description": "A keeper in a yellow coat."}},
    "locations": {"coast": {"name": "The coast", "description": "black rocks"}},
    "props": {"lamp": {"description": "a brass lamp"}},
    "defaults": {"ambience": "wind"},
}
SHOT = {
    "prompt": "A lighthouse at dawn",
    "location": "coast",
    "props": ["lamp"],
    "characters": [{"id": "ann", "action": "lights the lamp.", "emotion": "calm"}],
    "camera": {"size": "WS", "move": "slow dolly in", "angle": "low angle", "lens": "35mm"},
    "dialogue": [{"speaker": "ann", "text": "Here it comes!"}, {"text": "And it came."}],
    "sound": "a gull",
}


@pytest.fixture
def acme(tmp_path: Path) -> Model:
    return load_registry(write(tmp_path, PAID)).get("acme/one")


def test_the_prompt_has_its_parts_in_the_documented_order() -> None:
    film = board(SHOT, **FULL)

    prompt = compile_prompt(film, film.shots[0], PAINTED, audio=True)

    assert prompt.text == (
        "Wide shot, low angle, the camera pushes in, 35mm lens. "
        "A lighthouse at dawn. "
        "Ann: A keeper in a yellow coat. Ann: lights the lamp, feeling calm. "
        "The coast: black rocks. "
        "lamp: a brass lamp. "
        'Ann says: "Here it comes!" A narrator says: "And it came." '
        "Background sound: wind. Sound: a gull. "
        "Watercolour on rough paper."
    )


def test_a_model_without_sound_is_told_nothing_of_it() -> None:
    film = board(SHOT, **FULL)

    text = compile_prompt(film, film.shots[0], PAINTED, audio=False).text

    assert "Here it comes" not in text
    assert "wind" not in text
    assert "gull" not in text


def test_a_template_says_what_stands_where_and_shot_variables_win() -> None:
    film = board(
        {**SHOT, "template": "poster", "variables": {"mood": "grim"}},
        **FULL,
        templates={"poster": {"text": "{look} | {mood} | {prompt}\n{characters} {year}"}},
        variables={"mood": "merry", "year": "1912"},
    )

    prompt = compile_prompt(film, film.shots[0], PAINTED, audio=True)

    assert prompt.text == (
        "Watercolour on rough paper | grim | A lighthouse at dawn "
        "Ann: A keeper in a yellow coat. Ann: lights the lamp, feeling calm. 1912"
    )


def test_an_unknown_template_or_variable_is_one_clear_error() -> None:
    film = board({"template": "none"}, {"template": "t"}, templates={"t": {"text": "{colour}"}})

    with pytest.raises(InputError, match="Name one of: t"):
        compile_prompt(film, film.shots[0], PAINTED, audio=True)
    with pytest.raises(InputError, match="colour"):
        compile_prompt(film, film.shots[1], PAINTED, audio=True)


def test_negative_prompts_merge_each_thing_once() -> None:
    film = board(
        {"negative_prompt": "Logos, blur ,\n crowds."},
        {},
        {"negative_prompt": ""},
        style={"negative_prompt": "text, logos"},
        defaults={"negative_prompt": "cars"},
    )

    assert merged_negative(film, film.shots[0]) == "text, logos, blur, crowds"
    assert merged_negative(film, film.shots[1]) == "text, logos, cars"
    assert merged_negative(film, film.shots[2]) == "text, logos"


def test_a_model_that_takes_no_negative_prompt_gets_none_and_that_is_said(acme: Model) -> None:
    film = board(SHOT, **FULL)

    painted = compile_prompt(film, film.shots[0], PAINTED, audio=True)
    paid = compile_prompt(film, film.shots[0], acme, audio=True)

    assert painted.negative == ""
    assert "left out: text, logos" in painted.notes[0]
    assert paid.negative == "text, logos"


def test_a_prompt_that_is_too_long_ends_with_a_sentence_and_what_is_left_out_is_said(acme: Model) -> None:
    film = board(SHOT, **FULL)

    prompt = compile_prompt(film, film.shots[0], acme, audio=True)

    assert len(prompt.text) <= 120
    assert prompt.text.endswith("Ann: A keeper in a yellow coat.")
    assert "acme/one takes 120; left out: Ann: lights the lamp" in prompt.notes[0]


@given(text=st.text(alphabet="ab .!?\n", max_size=80), limit=st.integers(1, 60))
def test_trimming_keeps_a_beginning_within_the_limit(text: str, limit: int) -> None:
    kept = trimmed(text, limit)

    assert text.startswith(kept)
    assert len(kept) <= limit
    assert kept == text or len(text) > limit


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [
        ("One. Two. Three.", 9, "One. Two."),
        ("One. Two. Three.", 12, "One. Two."),
        ("One. Two. Three.", 16, "One. Two. Three."),
        ('He said "go." Then left.', 15, 'He said "go."'),
        ("A sentence of many words", 10, "A sentence"),
        ("A sentence of many words", 12, "A sentence"),
        ("Unbreakable", 4, "Unbr"),
        ("A. Then a very long sentence without any end", 30, "A. Then a very long sentence"),
        ("It costs 3.50 dollars today", 20, "It costs 3.50"),
    ],
)
def test_trimming_ends_at_a_sentence_else_a_word(text: str, limit: int, kept: str) -> None:
    assert trimmed(text, limit) == kept


def test_every_word_of_the_vocabulary_has_a_phrase() -> None:
    for field, phrases in (("size", SIZE_PHRASES), ("move", MOVE_PHRASES), ("angle", ANGLE_PHRASES)):
        assert set(phrases) == set(vocabulary.names(field))


def test_a_models_own_phrases_and_parameters_win() -> None:
    control = CameraControl(
        phrases={"wide": "WIDE!"}, parameters={"push-in": {"camera_control": "zoom", "strength": 5}}
    )
    cue = camera_cue(Camera(size="wide", move="push in"))

    assert camera_sentence(cue, control) == "WIDE!"
    assert camera_sentence(cue, CameraControl()) == "Wide shot, the camera pushes in"


def test_words_outside_the_vocabulary_pass_on() -> None:
    cue = camera_cue(Camera(size="medium", move="spirals like a leaf", angle="eye-level"))

    assert cue.move == "spirals like a leaf"
    assert camera_sentence(cue, CameraControl()) == "Medium shot, spirals like a leaf"
