from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.registry.capabilities import Capabilities
from pipeline.registry.fit import Fit, Misfit, Wanted, fit
from pipeline.registry.words import nearest_class
from pipeline.storyboard.schema import Mode

WANTED = Wanted("text-to-video", 5.0, 1280, 720, Fraction(24))
BASE = {
    "modes": ["text-to-video"],
    "durations": [5, 10],
    "resolutions": ["480p", "720p", "1080p"],
    "aspect_ratios": ["16:9", "9:16", "1:1"],
}


def able(**change: object) -> Capabilities:
    return Capabilities.model_validate({**BASE, **change})


def fitted(wanted: Wanted = WANTED, **change: object) -> Fit:
    result = fit(able(**change), wanted)
    assert isinstance(result, Fit), result
    return result


def test_the_registry_and_the_storyboard_have_the_same_video_modes() -> None:
    for mode in Mode:
        assert able(modes=[mode.value]).modes == (mode.value,)


def test_a_model_that_suits_is_asked_for_exactly_what_is_wanted() -> None:
    asked = fitted()

    assert (asked.width, asked.height, asked.resolution, asked.frames) == (1280, 720, "720p", 120)
    assert asked.crop.kept == 1
    assert asked.duration_s == 5


@pytest.mark.parametrize(
    ("durations", "wanted_s", "asked_s"),
    [
        ([5, 10], 5.2, 10),
        ([10, 5], 1, 5),
        ({"min_s": 4, "max_s": 8, "step_s": 2}, 4.1, 6),
        ({"min_s": 4, "max_s": 8, "step_s": 2}, 8, 8),
        ({"min_s": 2, "max_s": 10}, 3.5, 3.5),
        ({"min_s": 2, "max_s": 10}, 0.5, 2),
        ([5, 10], 10.1, None),
        ({"min_s": 3, "max_s": 8, "step_s": 2}, 7.5, None),
    ],
)
def test_the_shortest_clip_that_covers_the_shot_is_asked_for(
    durations: object, wanted_s: float, asked_s: float | None
) -> None:
    result = fit(able(durations=durations), replace(WANTED, duration_s=wanted_s))

    assert (float(result.duration_s) if isinstance(result, Fit) else None) == asked_s


def test_eight_seconds_at_an_ntsc_rate_fit_a_clip_of_eight_seconds() -> None:
    asked = fitted(replace(WANTED, duration_s=8, rate=Fraction(24000, 1001)), durations=[4, 6, 8])

    assert (asked.duration_s, asked.frames) == (8, 192)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modes": ["image-to-video"]}, "it can't do text-to-video"),
        ({"durations": "unknown"}, "clip lengths are unknown"),
        ({"resolutions": "unknown"}, "resolutions are unknown"),
        ({"aspect_ratios": "unknown"}, "aspect ratios are unknown"),
        ({"durations": [2]}, "5 s is too long for it (2 s)"),
    ],
)
def test_what_a_model_lacks_or_nobody_knows_is_said(change: dict, words: str) -> None:
    result = fit(able(**change), WANTED)

    assert isinstance(result, Misfit)
    assert words in result.reasons[0]


def test_every_reason_is_given_at_once() -> None:
    result = fit(able(modes=["image-to-video"], durations=[2], resolutions="unknown"), WANTED)

    assert isinstance(result, Misfit)
    assert len(result.reasons) == 3


def test_a_ratio_that_the_model_lacks_is_cropped_out_of_the_nearest() -> None:
    asked = fitted(replace(WANTED, width=720, height=900))

    assert (asked.width, asked.height) == (1080, 1080)
    assert asked.crop.width == pytest.approx(0.8)
    assert "80% is kept" in asked.notes[0]


def test_exact_sizes_are_chosen_by_what_is_lost_then_by_what_covers() -> None:
    sizes = ["1280x720", "720x1280", "960x960", "1920x1080"]

    assert fitted(sizes=sizes).width == 1280
    assert fitted(replace(WANTED, width=1080, height=1920), sizes=sizes).height == 1280
    assert fitted(replace(WANTED, width=1920, height=1080), sizes=sizes).width == 1920


def test_sound_follows_what_the_model_does() -> None:
    silent = replace(WANTED, audio=False)

    assert fitted(audio="optional").audio is True
    assert fitted(silent, audio="optional").audio is False
    assert fitted(silent, audio="yes").audio is True
    assert fitted(audio="no").audio is False
    assert fitted(audio="unknown").audio is None


def test_pictures_beyond_what_the_model_takes_stay_behind_and_that_is_said() -> None:
    asked = fitted(replace(WANTED, references=5), reference_images=2)

    assert asked.references == 2
    assert any("2 reference pictures; the shot has 5" in note for note in asked.notes)


@pytest.mark.parametrize(
    ("size", "name"),
    [((1280, 720), "720p"), ((1112, 834), "720p"), ((960, 960), "720p"), ((854, 480), "480p"), ((3840, 2160), "4k")],
)
def test_a_size_belongs_to_the_class_of_its_area(size: tuple[int, int], name: str) -> None:
    assert nearest_class(*size) == name


@given(
    duration_s=st.floats(0.2, 120),
    rate=st.sampled_from([Fraction(24), Fraction(24000, 1001), Fraction(25), Fraction(30), Fraction(60)]),
    low=st.integers(1, 10),
    span=st.integers(0, 110),
    step=st.none() | st.integers(1, 5),
    width=st.integers(64, 2048),
    height=st.integers(64, 2048),
)
def test_what_is_asked_always_covers_the_shot_and_is_something_the_model_offers(
    duration_s: float, rate: Fraction, low: int, span: int, step: int | None, width: int, height: int
) -> None:
    capabilities = able(
        durations={"min_s": low, "max_s": low + span, "step_s": step}, resolutions="any", aspect_ratios="any"
    )
    wanted = Wanted("text-to-video", duration_s, width * 2, height * 2, rate)

    result = fit(capabilities, wanted)

    if isinstance(result, Misfit):
        # A grid may end below max_s, so only lengths past the last grid point are refused.
        last = low + (span if step is None else span // step * step)
        assert duration_s > last - 1 / rate
        return
    assert low <= result.duration_s <= low + span
    assert step is None or (result.duration_s - low) % step == 0
    assert result.frames >= round(Fraction(str(duration_s)) * rate)
    assert result.width % 2 == result.height % 2 == 0
    assert result.width * result.crop.width >= wanted.width - 2


def test_a_class_with_lengths_of_its_own_is_left_for_one_that_makes_the_shot_long_enough() -> None:
    change = {"durations": [6, 10], "durations_at": {"1080p": [6]}, "resolutions": ["720p", "1080p"]}
    large = replace(WANTED, width=1920, height=1080)

    short = fitted(replace(large, duration_s=6.0), **change)
    long = fitted(replace(large, duration_s=9.0), **change)

    assert (short.resolution, short.duration_s) == ("1080p", 6)
    assert (long.resolution, long.duration_s) == ("720p", 10)
    assert "at 1080p it makes no clip of 9 s, so 720p is asked for" in long.notes


def test_a_shot_that_is_too_long_at_every_class_is_refused_with_all_lengths() -> None:
    change = {"durations": [6, 10], "durations_at": {"1080p": [6]}, "resolutions": ["720p", "1080p"]}

    result = fit(able(**change), replace(WANTED, duration_s=11.0))

    assert isinstance(result, Misfit)
    assert result.reasons == ("11 s is too long for it (6, 10 s; 6 s at 1080p)",)


def test_sizes_may_differ_by_mode() -> None:
    change = {
        "modes": ["text-to-video", "image-to-video"],
        "sizes": ["1280x720"],
        "sizes_in": {"image-to-video": ["1280x720", "960x960"]},
    }
    square = replace(WANTED, width=960, height=960)

    from_text, from_picture = fitted(square, **change), fitted(replace(square, mode="image-to-video"), **change)

    assert (from_text.width, from_text.height) == (1280, 720)
    assert (from_picture.width, from_picture.height) == (960, 960)


def test_references_are_sent_only_in_the_modes_that_take_them() -> None:
    change = {
        "modes": ["text-to-video", "image-to-video"],
        "reference_images": 4,
        "reference_modes": ["text-to-video"],
    }
    shot = replace(WANTED, references=2)

    from_text, from_picture = fitted(shot, **change), fitted(replace(shot, mode="image-to-video"), **change)

    assert from_text.references == 2
    assert from_picture.references == 0
    assert "it takes no reference pictures in image-to-video; the shot has 2" in from_picture.notes


def test_a_model_that_works_from_references_refuses_a_shot_without_any() -> None:
    change = {"reference_images": 9, "min_reference_images": 1}

    without = fit(able(**change), WANTED)

    assert isinstance(without, Misfit)
    assert without.reasons == ("it works from 1 reference picture or more; the shot has none",)
    assert fitted(replace(WANTED, references=3), **change).references == 3


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"durations_at": {"4k": [5]}}, "durations_at names a resolution"),
        ({"durations_at": {"720p": []}}, "is empty"),
        ({"sizes_in": {"text-to-video": ["1280x720"]}}, "sizes has to be given"),
        ({"reference_modes": ["image-to-video"]}, "names a mode that modes does not"),
        ({"reference_images": 2, "min_reference_images": 3}, "needs more reference pictures"),
    ],
)
def test_what_contradicts_itself_is_refused(change: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        able(**change)
