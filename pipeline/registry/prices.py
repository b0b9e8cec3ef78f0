"""Dated prices and what one job costs by them, in integer micro-USD.

A price holds from 00:00 UTC of its ``from`` day until 00:00 UTC of its ``until`` day. Of its ``rates``
the first whose conditions all hold counts; of its ``surcharges`` all that hold are added; then the
minimum charge; then, only for the expected price of a batch job, the batch discount. Where a fact of
the job is unknown (sound, with a model that doesn't say), the worst case takes the dearest possibility.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from pipeline.registry.words import Day, Entry, Mode, Resolution, Share, Usd
from pipeline.units import MicroUsd, usd

Unit = Literal["second", "clip", "frame", "image", "megapixel", "megapixel-second", "reference-image", "input-image"]
"""What a rate multiplies: seconds of output; clips; frames; images; megapixels (10**6 pixels) of the output
picture; those times seconds, for providers that bill video tokens; pictures of what is shown; those and
the first and last frame."""

_FRAMES_GIVEN: Final = {"image-to-video": 1, "image-to-image": 1, "first-last-frame": 2}

_MEGAPIXEL: Final = Decimal(1_000_000)
_MICRO: Final = Decimal("0.000001")


class Condition(Entry):
    """When a rate applies; conditions left out always hold."""

    resolution: tuple[Resolution, ...] | Resolution | None = None
    """Only for this resolution class or these."""
    audio: bool | None = None
    """Only with sound (true) or without (false)."""
    mode: tuple[Mode, ...] | Mode | None = None
    """Only for this mode or these."""
    max_duration_s: Annotated[float, Field(gt=0, le=600)] | None = None
    """Only for clips of at most this length."""

    def holds(self, job: Job, *, audio: bool) -> bool:
        """Return whether the condition holds for a job with or without sound."""
        return (
            _among(job.resolution, self.resolution)
            and (self.audio is None or self.audio == audio)
            and _among(job.mode, self.mode)
            and (self.max_duration_s is None or job.duration_s <= Decimal(str(self.max_duration_s)))
        )


class Rate(Condition):
    """One line of a price list."""

    unit: Unit
    """What the amount is for."""
    usd: Usd
    """Amount per unit."""
    up_to_usd: Usd | None = None
    """The most it may come to per unit where the provider bills by something nobody knows beforehand."""

    @model_validator(mode="after")
    def _worse(self) -> Self:
        if self.up_to_usd is not None and self.up_to_usd < self.usd:
            message = "up_to_usd is less than usd"
            raise ValueError(message)
        return self


class Surcharge(Rate):
    """An amount on top."""

    beyond: Annotated[int, Field(ge=0, le=1000)] = 0
    """So many units are free."""


class Price(Entry):
    """The price list of a model for a span of days."""

    from_: Annotated[Day, Field(alias="from")]
    """First day, from 00:00 UTC."""
    until: Day | None = None
    """First day on which it holds no more; open if left out."""
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)]
    """The first line whose conditions hold is the price."""
    surcharges: tuple[Surcharge, ...] = ()
    """All lines whose conditions hold are added."""
    minimum_usd: Usd | None = None
    """No job costs less."""
    whole_seconds: bool = False
    """Whether each started second is billed."""
    batch_discount: Share | None = None
    """Share taken off for batch or flex jobs; only the expected price counts on it."""
    source: Annotated[str, Field(min_length=1, max_length=500)]
    """Where the price is published."""
    verified: Day | Literal["unknown"] = "unknown"
    """Day on which a person last compared it with the source."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.until is not None and self.until <= self.from_:
            message = "until is not after from"
            raise ValueError(message)
        return self

    def covers(self, day: date) -> bool:
        """Return whether the price holds on a UTC day."""
        return self.from_ <= day and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class Job:
    """What a provider bills one job by.

    Attributes:
        mode: What it generates from.
        duration_s: Seconds of output, exact; 0 for an image.
        frames: Frames of output; 1 for an image.
        width: Pixels.
        height: Pixels.
        resolution: Resolution class.
        audio: With sound, without, or ``None`` if nobody knows.
        references: Pictures of what is shown that are sent along; the mode tells of first and last frame.
        batch: Whether it goes through the provider's batch or flex service.
    """

    mode: str
    duration_s: Decimal
    frames: int
    width: int
    height: int
    resolution: str
    audio: bool | None = False
    references: int = 0
    batch: bool = False


@dataclass(frozen=True, slots=True)
class Quoted:
    """Price of one job.

    Attributes:
        expected: What it most likely costs.
        worst: What it may cost at most; this is what is reserved.
        since: First day of the price that was used.
    """

    expected: MicroUsd
    worst: MicroUsd
    since: date


@dataclass(frozen=True, slots=True)
class NoPrice:
    """There is no price for the job on that day.

    Attributes:
        reason: Why, in words.
    """

    reason: str


def price_on(prices: tuple[Price, ...], day: date) -> Price | None:
    """Return the price that holds on a UTC day, if any."""
    return next((price for price in prices if price.covers(day)), None)


def price_job(prices: tuple[Price, ...], job: Job, on: date) -> Quoted | NoPrice:
    """Return what a job costs on a UTC day, or why that can't be said."""
    if not prices:
        return NoPrice("the registry has no price for it")
    price = price_on(prices, on)
    if price is None:
        return NoPrice(f"it has no price for {on.isoformat()}")
    possible = (False, True) if job.audio is None else (job.audio,)
    amounts = [_amounts(price, job, audio=audio) for audio in possible]
    known = [amount for amount in amounts if amount is not None]
    if len(known) < len(amounts):
        sound = "" if job.audio is None else (" with sound" if job.audio else " without sound")
        length = f" of {job.duration_s.normalize():f} s" if job.duration_s else ""
        return NoPrice(f"its price list has no line for {job.mode} at {job.resolution}{length}{sound}")
    return Quoted(max(e for e, _ in known), max(w for _, w in known), price.from_)


def _amounts(price: Price, job: Job, *, audio: bool) -> tuple[MicroUsd, MicroUsd] | None:
    rate = next((rate for rate in price.rates if rate.holds(job, audio=audio)), None)
    if rate is None:
        return None
    expected, worst = _times(rate, _quantity(rate.unit, price, job))
    for extra in price.surcharges:
        if extra.holds(job, audio=audio):
            more, most = _times(extra, max(Decimal(0), _quantity(extra.unit, price, job) - extra.beyond))
            expected, worst = expected + more, worst + most
    floor = price.minimum_usd or Decimal(0)
    expected, worst = max(expected, floor), max(worst, floor)
    if job.batch and price.batch_discount is not None:
        expected *= 1 - price.batch_discount
    return usd(expected), usd(worst)


def _times(rate: Rate, quantity: Decimal) -> tuple[Decimal, Decimal]:
    return rate.usd * quantity, (rate.usd if rate.up_to_usd is None else rate.up_to_usd) * quantity


def _quantity(unit: Unit, price: Price, job: Job) -> Decimal:
    match unit:
        case "second":
            whole = job.duration_s.to_integral_value(rounding=ROUND_CEILING)
            return whole if price.whole_seconds else job.duration_s
        case "clip" | "image":
            return Decimal(1)
        case "frame":
            return Decimal(job.frames)
        case "megapixel" | "megapixel-second":
            area = Decimal(job.width * job.height) / _MEGAPIXEL
            return area * job.duration_s if unit == "megapixel-second" else area
        case "reference-image":
            return Decimal(job.references)
        case "input-image":
            return Decimal(job.references + _FRAMES_GIVEN.get(job.mode, 0))


def exact_seconds(length: Fraction) -> Decimal:
    """Return a length as a decimal, rounded up to the microsecond where it has no end."""
    return (Decimal(length.numerator) / Decimal(length.denominator)).quantize(_MICRO, rounding=ROUND_CEILING)


def _among(value: str, wanted: tuple[str, ...] | str | None) -> bool:
    if wanted is None:
        return True
    return value == wanted if isinstance(wanted, str) else value in wanted
