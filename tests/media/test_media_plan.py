from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.plan import FilmShot, SegmentKind, plan_film
from pipeline.storyboard.schema import TransitionKind as Kind

RATES = st.sampled_from([Fraction(24), Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60)])
ENDINGS = st.tuples(st.sampled_from(Kind), st.integers(0, 60))


@st.composite
def films(draw: st.DrawFn) -> list[FilmShot]:
    count = draw(st.integers(1, 12))
    return [
        FilmShot(f"s{i}", draw(st.integers(1, 60)), draw(st.sampled_from(Kind)), draw(st.integers(0, 80)))
        for i in range(count)
    ]


def shots(count: int, frames: int, kind: Kind = Kind.CUT, length: int = 0) -> list[FilmShot]:
    return [FilmShot(f"s{i}", frames, kind, length) for i in range(count)]


def test_twelve_shots_of_five_seconds_with_half_second_crossfades_are_1308_frames() -> None:
    plan = plan_film(shots(12, 120, Kind.CROSSFADE, 12), (Kind.CUT, 0), Fraction(24))

    assert plan.frames == 1308
    assert plan.samples == 1308 * 2000
    assert plan.notes == ()


def test_cuts_lay_shots_end_to_end() -> None:
    plan = plan_film(shots(3, 10), (Kind.CUT, 0), Fraction(24))

    assert [shot.start for shot in plan.shots] == [0, 10, 20]
    assert [segment.kind for segment in plan.segments] == [SegmentKind.BODY] * 3


def test_a_dip_takes_the_first_half_from_the_shot_before_and_the_rest_from_the_next() -> None:
    film = [FilmShot("a", 20), FilmShot("b", 20, Kind.DIP_TO_WHITE, 7)]

    plan = plan_film(film, (Kind.FADE, 5), Fraction(24))

    kinds = [(s.kind.value, s.start, s.frames, s.colour) for s in plan.segments]
    assert kinds == [
        ("body", 0, 17, ""),
        ("fall", 17, 3, "white"),
        ("rise", 20, 4, "white"),
        ("body", 24, 11, ""),
        ("fall", 35, 5, "black"),
    ]
    assert plan.frames == 40


def test_a_fade_rises_from_black_and_the_first_shot_has_nothing_to_cross_from() -> None:
    rising = plan_film([FilmShot("a", 20, Kind.FADE, 6)], (Kind.CUT, 0), Fraction(24))
    crossing = plan_film([FilmShot("a", 20, Kind.CROSSFADE, 6)], (Kind.CUT, 0), Fraction(24))

    assert [(s.kind, s.frames) for s in rising.segments] == [(SegmentKind.RISE, 6), (SegmentKind.BODY, 14)]
    assert [(s.kind, s.frames) for s in crossing.segments] == [(SegmentKind.BODY, 20)]


def test_transitions_that_do_not_fit_are_shortened_and_said_so() -> None:
    film = [FilmShot("a", 30), FilmShot("b", 6, Kind.CROSSFADE, 20), FilmShot("c", 30, Kind.CROSSFADE, 20)]

    plan = plan_film(film, (Kind.CUT, 0), Fraction(24))

    middle = plan.shot("b")
    assert (middle.head, middle.tail) == (3, 3)
    assert plan.frames == 60
    assert len(plan.notes) == 2
    assert "from 20 to 3 frames" in plan.notes[0]


def test_keyframes_are_where_the_untouched_middle_begins_and_ends() -> None:
    plan = plan_film(shots(3, 40, Kind.CROSSFADE, 8), (Kind.CUT, 0), Fraction(24))

    assert plan.keyframes("s0") == (32,)
    assert plan.keyframes("s1") == (8, 32)


@given(films(), ENDINGS, RATES)
def test_segments_tile_the_film_and_stay_inside_their_shots(
    film: list[FilmShot], ending: tuple[Kind, int], fps: Fraction
) -> None:
    plan = plan_film(film, ending, fps)

    at = 0
    for segment in plan.segments:
        assert segment.start == at
        assert segment.frames > 0
        assert segment.start - segment.offset == plan.shot(segment.key).start
        assert segment.offset + segment.frames <= plan.shot(segment.key).frames
        at += segment.frames
    assert at == plan.frames


@given(films(), ENDINGS, RATES)
def test_the_film_is_the_sum_of_its_shots_less_the_overlaps(
    film: list[FilmShot], ending: tuple[Kind, int], fps: Fraction
) -> None:
    plan = plan_film(film, ending, fps)

    overlaps = sum(s.frames for s in plan.segments if s.kind is SegmentKind.CROSSFADE)
    assert plan.frames == sum(shot.frames for shot in film) - overlaps
    assert all(p.head + p.tail <= p.frames for p in plan.shots)
    asked = sum(s.transition_frames for s in film[1:] if s.transition is Kind.CROSSFADE)
    assert overlaps <= asked
    assert overlaps == asked or plan.notes


@given(films(), ENDINGS, RATES, st.sampled_from([44_100, 48_000]))
def test_every_frame_of_every_shot_is_shown_once_alone_or_in_its_transition(
    film: list[FilmShot], ending: tuple[Kind, int], fps: Fraction, rate: int
) -> None:
    plan = plan_film(film, ending, fps, rate)

    shown: dict[str, list[int]] = {shot.key: [] for shot in film}
    for segment in plan.segments:
        shown[segment.key] += range(segment.offset, segment.offset + segment.frames)
        if segment.into:
            shown[segment.into] += range(segment.frames)
    assert all(sorted(shown[shot.key]) == list(range(shot.frames)) for shot in film)


@given(films(), RATES, st.sampled_from([44_100, 48_000]))
def test_samples_are_never_more_than_half_a_sample_from_their_frames_time(
    film: list[FilmShot], fps: Fraction, rate: int
) -> None:
    plan = plan_film(film, (Kind.CUT, 0), fps, rate)

    places = [plan.sample_at(frame) for frame in range(plan.frames + 1)]
    assert all(abs(place - frame * rate / fps) <= Fraction(1, 2) for frame, place in enumerate(places))
    assert all(later > earlier for earlier, later in pairwise(places))


@pytest.mark.parametrize(
    "film", [[], [FilmShot("a", 0)], [FilmShot("a", 5), FilmShot("a", 5)], [FilmShot("a", 5, Kind.FADE, -1)]]
)
def test_impossible_films_are_refused(film: list[FilmShot]) -> None:
    with pytest.raises(ValueError, match=r"shot|key"):
        plan_film(film, (Kind.CUT, 0), Fraction(24))
