import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.control.dialogue import timed_dialogue
from tests.support.boards import board


def times(lines: list[dict], duration_s: float = 10.0) -> list[tuple[float, float]]:
    film = board({"dialogue": lines, "duration_s": duration_s})
    return [(s.start_s, s.end_s) for s in timed_dialogue(film, film.shots[0], duration_s)]


def test_lines_without_times_share_the_shot_by_their_length() -> None:
    assert times([{"text": "abc"}, {"text": "abcdefghi"}], 8.2) == [(0.1, 2.1), (2.1, 8.1)]


def test_times_that_are_given_are_kept() -> None:
    lines = [{"text": "a", "start_s": 1, "end_s": 2}, {"text": "b", "start_s": 4, "end_s": 5.5}]

    assert times(lines) == [(1, 2), (4, 5.5)]


def test_a_line_without_an_end_lasts_until_the_next_begins() -> None:
    assert times([{"text": "a", "start_s": 1}, {"text": "b", "start_s": 4}]) == [(1, 4), (4, 9.9)]


def test_lines_without_times_share_the_room_beside_a_timed_one() -> None:
    lines = [{"text": "aa"}, {"text": "aa"}, {"text": "x", "start_s": 5, "end_s": 6}, {"text": "zz"}]

    assert times(lines) == [(0.1, 2.55), (2.55, 5), (5, 6), (6, 9.9)]


def test_a_speaker_is_named_as_the_storyboard_names_the_character() -> None:
    film = board(
        {"dialogue": [{"speaker": "ann", "text": "a"}, {"speaker": "Radio", "text": "b"}]},
        characters={"ann": {"name": "Ann"}},
    )

    assert [s.speaker for s in timed_dialogue(film, film.shots[0], 4)] == ["Ann", "Radio"]


moments = st.none() | st.floats(0, 30)


@pytest.mark.parametrize("duration_s", [0.2, 4.0])
@given(lines=st.lists(st.tuples(st.text("ab ", min_size=1, max_size=9), moments, moments), min_size=1, max_size=6))
def test_every_line_lies_within_the_shot_and_ends_after_it_begins(
    duration_s: float, lines: list[tuple[str, float | None, float | None]]
) -> None:
    spoken = times([{"text": t, "start_s": a, "end_s": b} for t, a, b in lines], duration_s)

    assert len(spoken) == len(lines)
    for start, end in spoken:
        assert 0 <= start <= end <= duration_s
