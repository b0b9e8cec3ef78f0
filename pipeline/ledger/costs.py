"""What a take is expected to cost and what an accepted one truly cost (design, section 6)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from pipeline.units import FREE, MicroUsd


def expected_attempts(acceptance: Fraction, max_attempts: int) -> Fraction:
    """Return how many takes are generated on average until one is accepted or the cap is reached.

    Each take is accepted with the same probability ``p``, so the number is a geometric one cut off at
    ``n``: ``(1 - (1 - p)**n) / p``, and ``n`` where nothing is ever accepted.

    Args:
        acceptance: Probability that a take is accepted, 0 to 1.
        max_attempts: Most takes, at least 1.

    Raises:
        ValueError: If either is out of its range.
    """
    if not 0 <= acceptance <= 1 or max_attempts < 1:
        message = f"acceptance is 0 to 1, attempts at least 1: {acceptance}, {max_attempts}"
        raise ValueError(message)
    if acceptance == 0:
        return Fraction(max_attempts)
    return (1 - (1 - acceptance) ** max_attempts) / acceptance


def expected_cost(price: MicroUsd, *, acceptance: Fraction, max_attempts: int, candidates: int = 1) -> MicroUsd:
    """Return price x expected attempts x candidates, rounded up to the micro-USD."""
    return MicroUsd(math.ceil(price * expected_attempts(acceptance, max_attempts) * candidates))


def worst_cost(price: MicroUsd, *, max_attempts: int, candidates: int = 1) -> MicroUsd:
    """Return what all takes of a shot may cost at most: price x attempts x candidates."""
    return MicroUsd(price * max_attempts * candidates)


@dataclass(frozen=True, slots=True)
class TrueCost:
    """What the accepted takes of something truly cost.

    Attributes:
        billed: What the provider billed for all attempts.
        checks: Checks and judge.
        refinement: Upscaling, repair and the like.
        delay: Hours of delay times what an hour costs the campaign.
    """

    billed: MicroUsd = FREE
    checks: MicroUsd = FREE
    refinement: MicroUsd = FREE
    delay: MicroUsd = FREE

    @property
    def total(self) -> MicroUsd:
        """The sum."""
        return MicroUsd(self.billed + self.checks + self.refinement + self.delay)


def true_cost(
    billed: Iterable[MicroUsd],
    *,
    checks: Iterable[MicroUsd] = (),
    refinement: Iterable[MicroUsd] = (),
    delay_s: int = 0,
    delay_cost_per_hour: MicroUsd = FREE,
) -> TrueCost:
    """Return the true cost of an accepted take.

    Args:
        billed: What each attempt was billed; attempts that were not billed are 0 or left out.
        checks: What each check or judgement cost.
        refinement: What each refinement cost.
        delay_s: Seconds from when it was wanted until it was accepted.
        delay_cost_per_hour: What an hour of delay costs the campaign.
    """
    return TrueCost(
        billed=MicroUsd(sum(billed)),
        checks=MicroUsd(sum(checks)),
        refinement=MicroUsd(sum(refinement)),
        delay=MicroUsd(math.ceil(Fraction(max(0, delay_s) * delay_cost_per_hour, 3600))),
    )


def regeneration_multiplier(attempts: int, accepted: int) -> Fraction | None:
    """Return attempts per accepted take, or ``None`` while none is accepted."""
    return Fraction(attempts, accepted) if accepted > 0 else None
