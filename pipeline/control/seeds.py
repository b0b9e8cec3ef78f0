"""Seeds: which number a take starts from, the same on every machine and in every run.

A shot's first seed follows from the storyboard's seed policy, or from the shot's own ``seed``. Retries
and candidates take seeds derived from it by a hash, so that adding a candidate moves no other take's seed.
"""

from __future__ import annotations

import hashlib
from typing import Final

from pipeline.storyboard.schema import SeedPolicy, Shot, Storyboard

SEED_BITS: Final = 31
"""Seeds are below 2**31: the largest range that every provider takes."""

_RANGE: Final = 2**SEED_BITS


def first_seed(storyboard: Storyboard, shot: Shot) -> int:
    """Return the seed of a shot's first attempt at its first candidate.

    The ladder counts all shots in film order, enabled or not, so that leaving one out moves no other's seed.
    """
    if shot.seed is not None:
        return shot.seed
    base = storyboard.seed.base
    match storyboard.seed.policy:
        case SeedPolicy.LOCKED:
            return base
        case SeedPolicy.LADDER:
            place = next(i for i, each in enumerate(storyboard.shots) if each.id == shot.id)
            return (base + place) % _RANGE
        case SeedPolicy.PER_SHOT:
            return _hashed("shot", base, shot.id)


def take_seed(first: int, *, attempt: int, candidate: int) -> int:
    """Return the seed of one take.

    Args:
        first: The shot's first seed; attempt 0 of candidate 0 has exactly this one.
        attempt: From 0, counted over all models that are tried.
        candidate: From 0.
    """
    if attempt < 0 or candidate < 0:
        message = f"attempt and candidate count from 0: {attempt}, {candidate}"
        raise ValueError(message)
    if attempt == 0 and candidate == 0:
        return first
    return _hashed("take", first, candidate, attempt)


def _hashed(*parts: object) -> int:
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % _RANGE
