"""Reads the values that are more than words: money and moments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import typer

from pipeline.units import MicroUsd, usd

_MOST_USD: Final = 1_000_000_000


def money(text: str) -> MicroUsd:
    """Return an amount in US dollars.

    Raises:
        BadParameter: If it is none, or negative.
    """
    try:
        amount = usd(text.strip().removeprefix("$"))
    except ValueError:
        amount = None
    if amount is None or not 0 <= amount <= usd(_MOST_USD):
        message = f"{text!r} is no amount of US dollars. Write it as 12 or 12.50."
        raise typer.BadParameter(message)
    return amount


def moment(text: str) -> datetime:
    """Return a moment, aware, in UTC; without an offset it is this machine's local time.

    Raises:
        BadParameter: If it is none.
    """
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        message = f"{text!r} is no ISO time. Write it as 2026-11-21T22:00, or with an offset, 2026-11-21T22:00+01:00."
        raise typer.BadParameter(message) from None
