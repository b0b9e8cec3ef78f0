"""Laws of the gate and of the thresholds, held against many made-up measurements."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks.gate import Asked, Severity, judge
from pipeline.checks.measurements import (
    Blackness,
    Exposure,
    Flicker,
    Measurements,
    Motion,
    SceneCuts,
    Sharpness,
    Sound,
    Span,
    Stillness,
    Timing,
)
from pipeline.checks.readings import READERS
from pipeline.checks.reference import with_tables
from pipeline.checks.thresholds import Thresholds, for_shot, load_thresholds
from pipeline.errors import ConfigurationError, InputError
from pipeline.storyboard.schema import ContentClass, Tier

ASKED = Asked(width=1280, height=720, fps="24/1", frames=48)
GOOD = Measurements(
    width=1280,
    height=720,
    fps="24/1",
    vfr=False,
    frames=48,
    duration_s=2.0,
    pixel_format="yuv420p",
    has_audio=True,
    audio_duration_s=2.0,
    sample_rate=48000,
    channels=2,
    timing=Timing(uneven=0),
    black=Blackness(share=0),
    frozen=Stillness(),
    flicker=Flicker(amplitude=0.1, local_amplitude=0.2, start_s=0, end_s=0.75),
    blur=Sharpness(worst=0.6, norm=0.7, start_s=0, end_s=1),
    scene_cuts=SceneCuts(),
    exposure=Exposure(mean=110, deviation=50, dark_end=10, bright_end=220, clipped_dark=0, clipped_bright=0),
    motion=Motion(mean=2, peak=4, changed_share=0.1),
    audio=Sound(rms_dbfs=-20, peak_dbfs=-3, silence_share=0),
)
STANDARD = for_shot("standard", "general")

numbers = st.floats(0, 300, allow_nan=False)
spans = st.none() | st.builds(Span, start_s=st.just(0.5), end_s=st.floats(0.5, 2), frames=st.integers(1, 47))


@st.composite
def measurements(draw: st.DrawFn) -> Measurements:
    changes: dict[str, Any] = {
        "width": draw(st.sampled_from((1280, 1278, 640))),
        "frames": draw(st.integers(1, 60)),
        "duration_s": draw(st.floats(0.04, 3)),
        "fps": draw(st.sampled_from(("24/1", "24000/1001", "25/1"))),
        "audio_duration_s": draw(st.floats(0, 3)),
        "has_audio": draw(st.booleans()),
        "timing": Timing(uneven=draw(st.floats(0, 2))),
        "black": Blackness(share=0.1, leading=draw(spans), trailing=draw(spans), inside=draw(spans)),
        "frozen": Stillness(longest=draw(spans)),
        "flicker": Flicker(amplitude=draw(numbers), local_amplitude=0, start_s=0, end_s=1),
        "blur": Sharpness(worst=draw(st.floats(0, 1)), norm=0.5, start_s=0, end_s=1),
        "motion": Motion(mean=draw(numbers), peak=1, changed_share=0),
        "audio": Sound(
            rms_dbfs=-20, peak_dbfs=0, silence_share=draw(st.floats(0, 1)), clipped_share=draw(st.floats(0, 1))
        ),
    }
    return GOOD.model_copy(update={key: value for key, value in changes.items() if draw(st.booleans())})


def test_a_good_take_passes() -> None:
    assert judge(GOOD, ASKED, STANDARD).passed


@given(measurements(), st.sampled_from(sorted(STANDARD.limits)), st.floats(0, 500))
def test_loosening_a_threshold_never_fails_what_passed(measured: Measurements, name: str, by: float) -> None:
    limit = STANDARD.limits[name]
    looser = limit.threshold + (by if limit.sense == "at most" else -by)

    before = judge(measured, ASKED, STANDARD)
    after = judge(measured, ASKED.model_copy(update={"overrides": {name: looser}}), STANDARD)

    assert after.passed >= before.passed
    for one, other in zip(before.findings, after.findings, strict=True):
        assert (other.passed is True) >= (one.passed is True)


@given(measurements(), st.sampled_from(sorted(STANDARD.limits)))
def test_nothing_passes_without_a_mandatory_measure(measured: Measurements, name: str) -> None:
    blind = measured.model_copy(update={"not_measured": {name: "the sensor fell off"}})

    verdict = judge(blind, ASKED, STANDARD)

    finding = next(f for f in verdict.findings if f.measure == name)
    assert not verdict.passed
    assert finding.passed is None
    assert "the sensor fell off" in finding.reason


@pytest.mark.parametrize(
    "field", ["timing", "black", "frozen", "flicker", "blur", "scene_cuts", "exposure", "motion", "audio"]
)
def test_nothing_passes_if_a_part_of_the_measurements_is_missing(field: str) -> None:
    verdict = judge(GOOD.model_copy(update={field: None}), ASKED, STANDARD)

    assert not verdict.passed
    assert any(finding.passed is None for finding in verdict.failures)


def test_a_value_that_is_no_number_is_not_measured() -> None:
    broken = GOOD.model_copy(update={"motion": Motion(mean=float("nan"), peak=0, changed_share=0)})

    assert [f.passed for f in judge(broken, ASKED, STANDARD).failures] == [None]


def test_a_measure_that_only_the_table_knows_keeps_a_take_from_passing() -> None:
    odd = STANDARD.limits["blur"]
    newer = STANDARD.model_copy(update={"limits": {**STANDARD.limits, "smell": odd}})

    verdict = judge(GOOD, ASKED, newer)

    assert not verdict.passed
    assert verdict.failures[0].measure == "smell"


def test_no_measure_at_all_is_no_pass() -> None:
    assert not judge(GOOD, ASKED, STANDARD.model_copy(update={"limits": {}})).passed


def test_what_was_not_asked_does_not_count_and_says_so() -> None:
    mute = GOOD.model_copy(update={"has_audio": False, "audio": None, "frozen": None, "motion": None})

    verdict = judge(mute, ASKED.model_copy(update={"audio": False, "moving": False}), STANDARD)

    assert verdict.passed
    assert sum(f.severity is Severity.NOT_ASKED for f in verdict.findings) == 6


def test_an_advisory_measure_is_listed_and_fails_nothing() -> None:
    limits = {**STANDARD.limits, "blur": STANDARD.limits["blur"].model_copy(update={"advisory": True})}
    soft = GOOD.model_copy(update={"blur": Sharpness(worst=0.01, norm=0.01, start_s=0, end_s=1)})

    verdict = judge(soft, ASKED, STANDARD.model_copy(update={"limits": limits}))

    assert verdict.passed
    assert any(f.measure == "blur" and f.passed is False for f in verdict.findings)


def test_an_override_changes_the_verdict_and_its_hash() -> None:
    dip = GOOD.model_copy(update={"black": Blackness(share=0.2, inside=Span(start_s=0.5, end_s=1.0, frames=12))})

    strict = judge(dip, ASKED, STANDARD)
    loose = judge(dip, ASKED.model_copy(update={"overrides": {"black": 12}}), STANDARD)

    assert not strict.passed
    assert loose.passed
    assert strict.thresholds_hash != loose.thresholds_hash


@pytest.mark.parametrize("where", ["overrides", "skip"])
def test_an_unknown_measure_is_refused_with_the_nearest_one(where: str) -> None:
    value: Any = {"flickr": 1.0} if where == "overrides" else ("flickr",)

    with pytest.raises(InputError, match=r"Did you mean flicker\?.*audio_length, audio_present, black"):
        judge(GOOD, ASKED.model_copy(update={where: value}), STANDARD)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_threshold_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(InputError, match="no threshold"):
        judge(GOOD, ASKED.model_copy(update={"overrides": {"black": value}}), STANDARD)


def test_every_tier_and_content_class_of_the_schema_has_thresholds() -> None:
    found = {for_shot(tier, kind).hash for tier in Tier for kind in ContentClass}

    assert len(found) == len(Tier) * len(ContentClass)


def test_an_unknown_tier_is_refused() -> None:
    with pytest.raises(InputError, match="Did you mean premium"):
        for_shot("premum", "general")


def test_every_measure_of_the_table_can_be_read_and_the_other_way_round() -> None:
    assert set(load_thresholds().limits) == set(READERS)


def test_thresholds_survive_json_with_their_hash() -> None:
    assert Thresholds.model_validate_json(STANDARD.model_dump_json()).hash == STANDARD.hash


def test_a_table_that_names_an_unknown_measure_is_refused(tmp_path: Any) -> None:
    from pipeline.checks.thresholds import SHIPPED

    broken = tmp_path / "thresholds.yaml"
    broken.write_text(SHIPPED.read_text().replace("standard: {}", "standard: {blurr: 1}"))

    with pytest.raises(ConfigurationError, match="blurr"):
        load_thresholds(broken)


def test_the_page_on_checks_is_current(request: pytest.FixtureRequest) -> None:
    page = (request.config.rootpath / "docs" / "checks.md").read_text(encoding="utf-8")

    assert with_tables(page, load_thresholds()) == page
    assert all(f"`{name}`" in page for name in READERS)
