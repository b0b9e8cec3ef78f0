"""The consistency check names the take that stands out, and only that one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.checks.colour import ciede2000
from pipeline.checks.consistency import TakeSignature, compare
from pipeline.checks.measurements import Signature, Swatch
from pipeline.checks.measures import measure
from pipeline.checks.thresholds import for_shot
from tests.checks.clips import WORLD, make

THRESHOLDS = for_shot("standard", "general")


def signature(number: int = 0, **changes: Any) -> Signature:
    """Return a plausible signature that varies a little with the number."""
    wobble = [0.0, 0.8, -0.6, 0.4, -0.9, 0.3][number % 6]
    base = Signature(
        lab_mean=(45 + wobble, 6 - wobble, 14 + wobble / 2),
        lab_deviation=(20, 6, 9),
        ab_histogram=tuple([1 / 64] * 64),
        palette=(
            Swatch(l=30 + wobble, a=4, b=8, share=0.6),
            Swatch(l=70, a=8 - wobble, b=22, share=0.4),
        ),
        contrast=160 + 3 * wobble,
        saturation=18 + wobble,
        edge_density=0.12 + wobble / 100,
        orientations=(0.2, 0.1, 0.1, 0.1, 0.2, 0.1, 0.1, 0.1),
        grain=1.2 + wobble / 10,
        sharpness=0.6 + wobble / 50,
        samples=8,
    )
    return base.model_copy(update=changes)


def take(number: int, *, location: str | None = "pier", variant: str = "", **changes: Any) -> TakeSignature:
    return TakeSignature(
        shot_id=f"s{number}", location=location, variant=variant, signature=signature(number, **changes)
    )


def test_takes_that_look_alike_pass_and_are_ranked() -> None:
    report = compare([take(number) for number in range(5)], THRESHOLDS)

    assert report.passed
    assert {ranked.shot_id for ranked in report.ranking} == {"s0", "s1", "s2", "s3", "s4"}


@pytest.mark.parametrize("takes", [0, 1])
def test_a_cut_with_nothing_to_compare_does_not_pass_and_says_why(takes: int) -> None:
    report = compare([take(number) for number in range(takes)], THRESHOLDS, unseen={"dark": "every frame is black"})

    assert report.passed is None
    assert report.not_compared["dark"] == "every frame is black"
    assert len(report.not_compared) == takes + 1


@pytest.mark.parametrize(
    ("metric", "changes"),
    [
        ("colour", {"lab_mean": (45.0, 6.0, -14.0)}),
        ("palette", {"palette": (Swatch(l=50, a=-50, b=30, share=1.0),)}),
        ("contrast", {"contrast": 60.0}),
        ("saturation", {"saturation": 55.0}),
        ("edges", {"edge_density": 0.4}),
        ("orientation", {"orientations": (0.0, 0.0, 0.9, 0.1, 0.0, 0.0, 0.0, 0.0)}),
        ("grain", {"grain": 6.0}),
        ("sharpness", {"sharpness": 0.1}),
    ],
)
def test_the_outlier_is_named_with_its_failing_metric(metric: str, changes: dict[str, Any]) -> None:
    takes = [take(0), take(1), take(2), take(3, **changes), take(4)]

    report = compare(takes, THRESHOLDS)

    worst = report.deviations[0]
    assert report.outliers == ("s3",)
    assert {deviation.metric for deviation in report.deviations} == {metric}
    assert report.ranking[0].shot_id == "s3"
    assert worst.distance > worst.limit
    assert "s3 stands out of location pier (5 takes)" in worst.reason


def test_two_takes_can_only_be_found_to_differ() -> None:
    report = compare([take(0), take(1, lab_mean=(20.0, 30.0, -30.0))], THRESHOLDS)

    assert not report.passed
    assert report.outliers == ()
    assert "too few to say which" in report.deviations[0].reason


def test_an_intended_change_of_light_does_not_count() -> None:
    night: dict[str, Any] = {"lab_mean": (28.0, 2.0, -4.0)}
    mixed = [take(0), take(1), take(2), take(3, **night), take(4)]
    told = [*mixed[:3], take(3, variant="night", **night), mixed[4]]

    assert compare(mixed, THRESHOLDS).outliers == ("s3",)
    assert compare(told, THRESHOLDS).passed


def test_a_character_is_followed_from_place_to_place() -> None:
    def with_keeper(number: int, **changes: Any) -> TakeSignature:
        found = take(number, location=f"place{number}", **changes)
        return found.model_copy(update={"characters": ("keeper",)})

    report = compare([with_keeper(n) for n in range(4)] + [with_keeper(4, saturation=60.0)], THRESHOLDS)

    assert report.outliers == ("s4",)
    assert report.deviations[0].group == "character keeper"


def test_a_group_that_is_all_over_the_place_does_not_excuse_its_extremes() -> None:
    takes = [take(number, lab_mean=(10.0 + 16 * number, 6.0, 14.0)) for number in range(6)]

    assert set(compare(takes, THRESHOLDS).outliers) >= {"s0", "s5"}


def test_a_single_take_says_that_it_was_not_compared() -> None:
    report = compare([take(0)], THRESHOLDS)

    assert report.ranking == ()
    assert list(report.not_compared) == ["s0"]


def test_the_order_of_a_pair_does_not_matter() -> None:
    pair = [take(0), take(1, lab_mean=(20.0, 30.0, -30.0))]

    assert compare(pair[::-1], THRESHOLDS) == compare(pair, THRESHOLDS)


@settings(max_examples=40)
@given(st.permutations(range(6)), st.floats(0, 60), st.integers(0, 5))
def test_the_order_of_the_takes_does_not_matter(order: list[int], shift: float, odd: int) -> None:
    takes = [take(n, lab_mean=(45.0 - (shift if n == odd else n), 6.0, 14.0)) for n in range(6)]

    assert compare([takes[n] for n in order], THRESHOLDS) == compare(takes, THRESHOLDS)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [  # pairs 1, 7, 14, 17, 20, 24, 30 and 33 of Sharma, Wu and Dalal's table of test data
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, -0.0010, 2.4900), (50.0, 0.0011, -2.4900), 4.7461),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((50.0, 2.5, 0.0), (58.0, 24.0, 15.0), 19.4535),
        ((50.0, 2.5, 0.0), (50.0, 3.2592, 0.3350), 1.0),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ],
)
def test_ciede2000_agrees_with_the_published_data(
    one: tuple[float, ...], other: tuple[float, ...], expected: float
) -> None:
    assert float(ciede2000(np.array(one), np.array(other))) == pytest.approx(expected, abs=1e-4)


def test_real_clips_of_one_place_agree_and_the_tinted_one_stands_out(tmp_path: Path) -> None:
    def filmed(number: int, filters: str = "") -> TakeSignature:
        picture = f"{WORLD},crop=320:180:'{120 + 8 * number}+n':{80 + 5 * number}"
        clip = make(tmp_path / f"{number}.mp4", filters, picture=picture, frames=12, sound=None)
        found = measure(clip).signature
        assert found is not None
        return TakeSignature(shot_id=f"s{number}", location="fractal", signature=found)

    alike = [filmed(number) for number in range(4)]
    tinted = filmed(4, "colorbalance=rs=0.5:rm=0.5:rh=0.4:bs=-0.5:bm=-0.5")

    assert compare(alike, THRESHOLDS).passed
    assert compare([*alike, tinted], THRESHOLDS).outliers == ("s4",)
