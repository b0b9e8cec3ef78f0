"""The camera's vocabulary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.storyboard import vocabulary
from pipeline.storyboard.schema import Camera


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("dolly in", "push-in"),
        ("Slow push-in", "push-in"),
        ("slow backward dolly", "pull-out"),
        ("tracking left", "truck-left"),
        ("gentle right-to-left pan", "pan-left"),
        ("pans left", "pan-left"),
        ("Locked-off camera", "static"),
        ("push_in", "push-in"),
        ("tracking shot", "follow"),
        ("WHIP PAN LEFT", "whip-pan-left"),
        ("slow circular dolly clockwise", "orbit-left"),
    ],
)
def test_a_move_said_in_other_words_is_understood(written: str, meant: str) -> None:
    assert vocabulary.canonical_move(written) == meant


@pytest.mark.parametrize(
    ("field", "written", "meant"),
    [
        ("size", "CU", "close-up"),
        ("size", "Medium-wide shot", "medium-wide"),
        ("size", "extreme long shot", "extreme-wide"),
        ("angle", "bird's-eye view", "overhead"),
        ("angle", "Low angle", "low"),
        ("angle", "top-down", "overhead"),
    ],
)
def test_sizes_and_angles_said_in_other_words_are_understood(field: str, written: str, meant: str) -> None:
    assert vocabulary.canonical(field, written) == meant


@pytest.mark.parametrize("field", ["size", "move", "angle"])
def test_every_canonical_word_stands_for_itself(field: str) -> None:
    words = vocabulary.names(field)

    assert [vocabulary.canonical(field, word) for word in words] == list(words)


@pytest.mark.parametrize("field", ["size", "move", "angle"])
def test_every_alias_is_written_the_way_words_are_folded(field: str) -> None:
    for word in vocabulary.VOCABULARY[field]:
        for alias in word.aliases:
            assert vocabulary.canonical(field, alias) == word.name, alias


def test_the_defaults_of_the_camera_are_words_of_the_vocabulary() -> None:
    camera = Camera()

    assert vocabulary.canonical_size(camera.size) == camera.size
    assert vocabulary.canonical_move(camera.move) == camera.move
    assert vocabulary.canonical_angle(camera.angle) == camera.angle


def test_a_typing_mistake_gets_a_suggestion_and_nonsense_gets_none() -> None:
    assert vocabulary.canonical_move("psuh-in") is None
    assert vocabulary.suggest("move", "psuh-in") == "push-in"
    assert vocabulary.suggest("move", "qqqqqqq") is None


@given(st.sampled_from(["size", "move", "angle"]), st.text(max_size=40))
def test_whatever_is_written_the_answer_is_a_canonical_word_or_none(field: str, word: str) -> None:
    answer = vocabulary.canonical(field, word)

    assert answer is None or answer in vocabulary.names(field)
