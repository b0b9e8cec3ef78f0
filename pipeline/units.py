"""Units of the domain: money in integer micro-USD, rational frame rates, frame counts."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import NewType

MicroUsd = NewType("MicroUsd", int)
Frames = NewType("Frames", int)
Seconds = NewType("Seconds", float)

MICRO = 1_000_000
FREE = MicroUsd(0)

# Rates that are written as decimals but mean a ratio (SMPTE ST 12-1).
_NTSC = {
    "23.976": Fraction(24000, 1001),
    "23.98": Fraction(24000, 1001),
    "29.97": Fraction(30000, 1001),
    "59.94": Fraction(60000, 1001),
}


def usd(amount: str | float | Decimal) -> MicroUsd:
    """Return an amount in US dollars as micro-USD, rounded up to the next whole one.

    Raises:
        ValueError: If the amount is not a finite number.
    """
    try:
        value = Decimal(str(amount))
    except InvalidOperation as error:
        raise ValueError(f"not an amount of money: {amount!r}") from error
    if not value.is_finite():
        raise ValueError(f"not an amount of money: {amount!r}")
    return MicroUsd(int((value * MICRO).to_integral_value(rounding=ROUND_CEILING)))


def format_usd(amount: MicroUsd | int) -> str:
    """Return micro-USD as dollars with two to six decimals, such as ``$0.05`` or ``$0.000125``."""
    sign = "-" if amount < 0 else ""
    whole, micro = divmod(abs(amount), MICRO)
    decimals = f"{micro:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}${whole}.{decimals}"


@lru_cache(maxsize=256)
def frame_rate(value: str | float | Fraction) -> Fraction:
    """Return a frame rate as a ratio; ``29.97`` and the like become their NTSC ratio.

    Raises:
        ValueError: If the value is no rate between 1 and 240 frames per second.
    """
    if isinstance(value, Fraction):
        rate = value
    else:
        text = str(value).strip()
        try:
            rate = _NTSC.get(text) or Fraction(text).limit_denominator(1001)
        except (ValueError, ZeroDivisionError) as error:
            message = f"not a frame rate: {value!r}"
            raise ValueError(message) from error
    if not 1 <= rate <= 240:
        message = f"frame rate out of range (1 to 240): {value!r}"
        raise ValueError(message)
    return rate


def frames_of(duration_s: float, fps: Fraction) -> Frames:
    """Return the number of whole frames nearest to a duration, at least one."""
    return Frames(max(1, round(Fraction(duration_s).limit_denominator(1_000_000) * fps)))


def seconds_of(frames: int, fps: Fraction) -> Seconds:
    """Return how long a number of frames lasts, in seconds."""
    return Seconds(float(Fraction(frames) / fps))
