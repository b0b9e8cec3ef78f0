from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.registry.load import load_registry
from pipeline.registry.model import Model, price_of
from pipeline.registry.prices import Job, NoPrice, Price, Quoted, exact_seconds, price_job
from tests.support.registry_samples import PAID, write

LAST_CHEAP_DAY = date(2026, 11, 20)
FIRST_DEAR_DAY = date(2026, 11, 21)
FIVE_SECONDS = Job("text-to-video", Decimal(5), 120, 1280, 720, "720p")


@pytest.fixture
def acme(tmp_path: Path) -> Model:
    return load_registry(write(tmp_path, PAID)).get("acme/one")


def price(*, rates: str | list[dict], **fields: object) -> tuple[Price, ...]:
    return (Price.model_validate({"from": date(2026, 1, 1), "source": "x", "rates": rates, **fields}),)


def test_a_price_changes_at_midnight_utc_of_its_from_day(acme: Model) -> None:
    before = price_of(acme, replace(FIVE_SECONDS, audio=True), LAST_CHEAP_DAY)
    after = price_of(acme, replace(FIVE_SECONDS, audio=True), FIRST_DEAR_DAY)

    assert before == Quoted(500_000, 500_000, date(2026, 1, 1))
    assert after == Quoted(667_285, 667_285, FIRST_DEAR_DAY)


@pytest.mark.parametrize(
    ("change", "micro_usd"),
    [
        ({}, 617_285),  # 5 x 0.123457
        ({"resolution": "1080p"}, 1_000_000),  # the first line whose conditions hold
        ({"audio": True}, 667_285),  # + 5 x 0.01
        ({"references": 1}, 617_285),  # one picture is free
        ({"references": 3}, 697_285),  # + 2 x 0.04
        ({"duration_s": Decimal(4)}, 500_000),  # 0.493828, below the minimum
    ],
)
def test_rates_surcharges_and_minimum_add_up_to_the_micro_usd(acme: Model, change: dict, micro_usd: int) -> None:
    quoted = price_of(acme, replace(FIVE_SECONDS, **change), FIRST_DEAR_DAY)

    assert quoted == Quoted(micro_usd, micro_usd, FIRST_DEAR_DAY)


def test_a_batch_discount_lowers_what_is_expected_but_never_what_is_reserved(acme: Model) -> None:
    quoted = price_of(acme, replace(FIVE_SECONDS, duration_s=Decimal(10), batch=True), FIRST_DEAR_DAY)

    assert quoted == Quoted(617_285, 1_234_570, FIRST_DEAR_DAY)


def test_sound_that_nobody_knows_about_is_reserved_at_the_dearer_price(acme: Model) -> None:
    quoted = price_of(acme, replace(FIVE_SECONDS, audio=None), FIRST_DEAR_DAY)

    assert isinstance(quoted, Quoted)
    assert quoted.worst == 667_285


def test_sound_that_nobody_knows_about_needs_a_price_with_and_one_without_it() -> None:
    prices = price(rates=[{"unit": "second", "usd": "0.1", "audio": False}])

    refused = price_job(prices, replace(FIVE_SECONDS, audio=None), FIRST_DEAR_DAY)

    assert refused == NoPrice("its price list has no line for text-to-video at 720p of 5 s")


def test_a_day_without_a_price_is_refused_in_words(acme: Model) -> None:
    assert price_of(acme, FIVE_SECONDS, date(2025, 12, 31)) == NoPrice("it has no price for 2025-12-31")


def test_a_model_without_any_price_is_refused_in_words() -> None:
    assert price_job((), FIVE_SECONDS, FIRST_DEAR_DAY) == NoPrice("the registry has no price for it")


def test_a_resolution_that_the_price_list_does_not_name_is_refused() -> None:
    prices = price(rates=[{"unit": "second", "usd": "0.1", "resolution": ["480p", "720p"]}])

    refused = price_job(prices, replace(FIVE_SECONDS, resolution="4k"), FIRST_DEAR_DAY)

    assert refused == NoPrice("its price list has no line for text-to-video at 4k of 5 s without sound")


@pytest.mark.parametrize(
    ("rate", "micro_usd"),
    [
        ({"unit": "second", "usd": "0.1"}, 500_000),
        ({"unit": "clip", "usd": "0.7"}, 700_000),
        ({"unit": "frame", "usd": "0.002"}, 240_000),
        ({"unit": "image", "usd": "0.04"}, 40_000),
        ({"unit": "megapixel", "usd": "0.03"}, 27_648),
        ({"unit": "second", "usd": "0.0000001"}, 1),  # half a micro-USD costs a whole one
    ],
)
def test_every_unit_is_priced_exactly_and_rounded_up(rate: dict, micro_usd: int) -> None:
    quoted = price_job(price(rates=[rate]), FIVE_SECONDS, FIRST_DEAR_DAY)

    assert isinstance(quoted, Quoted)
    assert quoted.worst == micro_usd


def test_clips_priced_by_length_take_the_line_of_their_length() -> None:
    prices = price(
        rates=[
            {"unit": "clip", "usd": "0.35", "max_duration_s": 5},
            {"unit": "clip", "usd": "0.70", "max_duration_s": 10},
        ]
    )

    costs = [price_job(prices, replace(FIVE_SECONDS, duration_s=Decimal(s)), FIRST_DEAR_DAY) for s in (5, 6, 11)]

    assert [c.worst if isinstance(c, Quoted) else None for c in costs] == [350_000, 700_000, None]


def test_a_price_that_varies_reserves_the_most_it_may_come_to() -> None:
    prices = price(rates=[{"unit": "clip", "usd": "0.10", "up_to_usd": "0.45"}])

    assert price_job(prices, FIVE_SECONDS, FIRST_DEAR_DAY) == Quoted(100_000, 450_000, date(2026, 1, 1))


def test_started_seconds_are_billed_whole_where_the_provider_does_so() -> None:
    prices = price(rates=[{"unit": "second", "usd": "0.1"}], whole_seconds=True)

    quoted = price_job(prices, replace(FIVE_SECONDS, duration_s=Decimal("4.04")), FIRST_DEAR_DAY)

    assert isinstance(quoted, Quoted)
    assert quoted.worst == 500_000


@given(
    usd=st.decimals(0, 10, places=6),
    extra=st.decimals(0, 2, places=6),
    seconds=st.fractions(Fraction(1, 24), 60),
    references=st.integers(0, 9),
    audio=st.sampled_from([True, False, None]),
    batch=st.booleans(),
    discount=st.decimals(0, 1, places=2),
)
def test_the_worst_case_is_never_below_the_expected_one_nor_below_the_exact_price(
    usd: Decimal,
    extra: Decimal,
    seconds: Fraction,
    references: int,
    audio: bool | None,
    batch: bool,
    discount: Decimal,
) -> None:
    prices = price(
        rates=[{"unit": "second", "usd": str(usd)}],
        surcharges=[
            {"unit": "second", "usd": str(extra), "audio": True},
            {"unit": "reference-image", "usd": "0.04", "beyond": 2},
        ],
        batch_discount=str(discount),
    )
    job = replace(FIVE_SECONDS, duration_s=exact_seconds(seconds), references=references, audio=audio, batch=batch)

    quoted = price_job(prices, job, FIRST_DEAR_DAY)

    exact = Fraction(usd) * seconds + Fraction(4, 100) * max(0, references - 2)
    exact += Fraction(extra) * seconds if audio is not False else 0
    assert isinstance(quoted, Quoted)
    assert quoted.expected <= quoted.worst
    assert 0 <= Fraction(quoted.worst, 1_000_000) - exact <= Fraction(15, 1_000_000)
