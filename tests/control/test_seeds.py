import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.control.seeds import first_seed, take_seed
from tests.support.boards import board

seeds = st.integers(0, 2**31 - 1)


def test_a_seed_per_shot_follows_from_the_base_and_the_id_and_not_from_the_place() -> None:
    film = board({"id": "a"}, {"id": "b"})
    turned = board({"id": "b"}, {"id": "a"})
    other = board({"id": "a"}, seed={"base": 2})

    assert first_seed(film, film.shots[0]) == first_seed(turned, turned.shots[1])
    assert first_seed(film, film.shots[0]) != first_seed(film, film.shots[1])
    assert first_seed(film, film.shots[0]) != first_seed(other, other.shots[0])


def test_the_seed_of_a_shot_is_the_same_in_every_version_of_dailies() -> None:
    film = board({"id": "opening"}, seed={"base": 7})

    assert first_seed(film, film.shots[0]) == 2004886039
    assert take_seed(42, attempt=1, candidate=0) == 2013671171


def test_a_locked_seed_is_every_shots() -> None:
    film = board({}, {}, seed={"policy": "locked", "base": 99})

    assert [first_seed(film, shot) for shot in film.shots] == [99, 99]


def test_a_ladder_adds_one_with_each_shot_and_stays_in_range() -> None:
    film = board({}, {"enabled": False}, {}, seed={"policy": "ladder", "base": 2**31 - 2})

    assert [first_seed(film, shot) for shot in film.shots] == [2**31 - 2, 2**31 - 1, 0]


@given(seed=seeds)
def test_an_explicit_seed_is_that_of_the_first_take_exactly(seed: int) -> None:
    film = board({"seed": seed}, seed={"policy": "locked", "base": 5})

    assert take_seed(first_seed(film, film.shots[0]), attempt=0, candidate=0) == seed


@given(first=seeds)
def test_attempts_and_candidates_have_seeds_of_their_own_below_two_to_the_31(first: int) -> None:
    takes = {(a, c): take_seed(first, attempt=a, candidate=c) for a in range(5) for c in range(5)}

    assert len(set(takes.values())) == 25
    assert all(0 <= seed < 2**31 for seed in takes.values())


def test_counting_begins_at_zero() -> None:
    with pytest.raises(ValueError, match="count from 0"):
        take_seed(1, attempt=-1, candidate=0)
