"""When to ask again: what the provider says, and exponential backoff with full jitter where it says nothing."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_S: Final = 86_400.0
"""No provider is left alone for longer than a day, whatever it says."""

_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{0,9})?")


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return for how many seconds a provider asks to be left alone, 0 to a day; ``None`` if it does not say.

    Reads ``retry-after-ms`` and ``Retry-After`` (seconds, or an HTTP date as of RFC 9110, section 10.2.3).

    Args:
        headers: Of the answer, names in lower case.
        now: The present moment.
    """
    exact = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(exact):
        return min(LONGEST_S, float(exact) / 1000)
    said = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(said):
        return min(LONGEST_S, float(said))
    if not said:
        return None
    try:
        moment = parsedate_to_datetime(said)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        wait = (moment - now).total_seconds()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return min(LONGEST_S, max(0.0, wait))


def backoff(attempt: int, chance: random.Random, *, base_s: float = 0.5, most_s: float = 8.0) -> float:
    """Return how long to wait before another attempt: anything up to a bound that doubles (full jitter).

    Full jitter spreads clients that failed together best, see "Exponential Backoff And Jitter" (AWS Architecture
    Blog, 2015).

    Args:
        attempt: How many have failed, 1 or more.
        chance: Where the jitter comes from.
        base_s: Bound after the first failure, seconds.
        most_s: Highest bound, seconds.
    """
    return chance.uniform(0.0, min(most_s, base_s * 2.0 ** min(attempt - 1, 32)))
