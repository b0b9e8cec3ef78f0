"""Circuit breakers: whether a model's provider delivers at present, told from its last outcomes alone. Pure.

A breaker is not kept anywhere: it follows from the outcomes, which are rows (:mod:`pipeline.production.health`), so
that all workers see the same one and none is lost with a process. Only outages count as ill: a provider's own failure,
a timeout, an answer that never came. What a moderation refuses and what our gate rejects says nothing of that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from pipeline.routing.facts import Frozen
from pipeline.routing.rules import Part


class Breaker(StrEnum):
    """Where a circuit breaker stands."""

    CLOSED = "closed"
    """It delivers, as far as anybody knows."""
    OPEN = "open"
    """It is left alone until a moment."""
    HALF_OPEN = "half-open"
    """One job at a time finds out whether it delivers again."""


class BreakerRule(Part):
    """When a model is left alone, and for how long."""

    last: Annotated[int, Field(ge=1, le=200)] = 10
    """So many of its last outcomes are looked at."""
    failures: Annotated[int, Field(ge=1, le=200)] = 5
    """At least so many of them are outages,"""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """and at least this share: then it is left alone."""
    memory_h: Annotated[float, Field(gt=0, le=168)] = 24.0
    """Outcomes older than so many hours say nothing."""
    cool_down_s: Annotated[float, Field(gt=0, le=86_400)] = 30.0
    """Left alone for so many seconds, twice as long after each failed probe,"""
    cool_down_at_most_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """and at most for so long."""
    jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    """A cool-down is longer by up to this share, other for each model and outage, so that probes don't meet."""
    setbacks: Annotated[int, Field(ge=1, le=20)] = 3
    """So many create calls in a row that an engine did not accept mean that all its models are to be left alone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one job ended, as far as it tells of its provider's health.

    Attributes:
        at: When.
        good: Whether the provider delivered; ``False`` for an outage. What tells nothing is no outcome.
        reason: What it said.
    """

    at: datetime
    good: bool
    reason: str = ""


class Standing(Frozen):
    """How a model's provider does at present.

    Attributes:
        breaker: Where its breaker stands.
        until: When it may be probed; ``None`` unless the breaker is open.
        reason: Why the breaker does not stand closed.
        outages: Outages among the last outcomes.
        outcomes: Number of outcomes that were looked at.
        in_flight: Its jobs that are asked or run.
        waiting: Shots that wait for a slot of it.
    """

    breaker: Breaker = Breaker.CLOSED
    until: datetime | None = None
    reason: str = ""
    outages: int = 0
    outcomes: int = 0
    in_flight: int = 0
    waiting: int = 0

    @property
    def usable(self) -> bool:
        """Whether a job may be asked for now: healthy, or half-open with nothing in flight."""
        return self.breaker is Breaker.CLOSED or (self.breaker is Breaker.HALF_OPEN and self.in_flight == 0)

    def __str__(self) -> str:
        """Return it in words."""
        match self.breaker:
            case Breaker.CLOSED:
                return f"healthy ({self.outages} outages in its last {self.outcomes} outcomes)"
            case Breaker.OPEN:
                until = f" until {self.until:%H:%M:%S} UTC" if self.until else ""
                return f"left alone{until}: {self.reason}"
            case Breaker.HALF_OPEN:
                under_way = "under way" if self.in_flight else "due"
                return f"a probe is {under_way} after: {self.reason}"


HEALTHY = Standing()
"""How a model does of which nothing is known."""


def standing_of(
    model: str,
    outcomes: Sequence[Outcome],
    rule: BreakerRule,
    now: datetime,
    *,
    in_flight: int = 0,
    waiting: int = 0,
) -> Standing:
    """Return how a model's provider does, by replaying its last outcomes.

    Args:
        model: Its id; makes its cool-downs differ from others'.
        outcomes: In any order.
        rule: When a breaker opens.
        now: The present moment.
        in_flight: Its jobs that are asked or run.
        waiting: Shots that wait for a slot of it.
    """
    since = now - timedelta(hours=rule.memory_h)
    recent = sorted((each for each in outcomes if since < each.at <= now), key=lambda each: (each.at, each.good))
    seen: list[Outcome] = []
    until: datetime | None = None
    trips, reason = 0, ""
    for each in recent:
        if until is not None and each.at < until:
            continue  # asked for before it was left alone: no probe
        if until is not None and each.good:
            seen, until, trips = [], None, 0
        seen = [*seen, each][-rule.last :]
        bad = sum(not one.good for one in seen)
        probe_failed = until is not None and not each.good
        if probe_failed or (not each.good and bad >= rule.failures and bad >= rule.share * len(seen)):
            trips += 1
            until = each.at + cool_down(model, each.at, trips, rule)
            reason = each.reason or "its last jobs failed"
    breaker = Breaker.CLOSED if until is None else Breaker.OPEN if now < until else Breaker.HALF_OPEN
    return Standing(
        breaker=breaker,
        until=until if breaker is Breaker.OPEN else None,
        reason="" if breaker is Breaker.CLOSED else reason,
        outages=sum(not one.good for one in seen),
        outcomes=len(seen),
        in_flight=in_flight,
        waiting=waiting,
    )


def cool_down(model: str, at: datetime, trips: int, rule: BreakerRule) -> timedelta:
    """Return for how long a model is left alone after so many trips in a row, jitter included.

    The jitter comes from the model and the moment, so that everybody works out the same.
    """
    plain = min(rule.cool_down_s * 2.0 ** min(trips - 1, 30), rule.cool_down_at_most_s)
    drawn = hashlib.sha256(f"{model} {at.isoformat()}".encode()).digest()
    share = int.from_bytes(drawn[:4], "big") / 2**32
    return timedelta(seconds=plain * (1 + rule.jitter * share))


def with_lane(
    standing: Standing,
    rule: BreakerRule,
    now: datetime,
    *,
    until: datetime | None,
    setbacks: int,
    asking: int,
    reason: str,
) -> Standing:
    """Return a model's standing with what its engine's lane says of create calls that were not accepted.

    Args:
        standing: By the model's own outcomes.
        rule: How many setbacks count.
        now: The present moment.
        until: Until when the engine is to be left alone.
        setbacks: Create calls in a row that it did not accept.
        asking: Create calls that are under way: while it is not known to accept again, one at a time is enough.
        reason: What it said.
    """
    if setbacks < rule.setbacks or standing.breaker is Breaker.OPEN:
        return standing
    said = reason or f"it did not accept {setbacks} create calls in a row"
    if until is not None and now < until:
        return standing.model_copy(update={"breaker": Breaker.OPEN, "until": until, "reason": said})
    if standing.breaker is Breaker.CLOSED:
        return standing.model_copy(update={"breaker": Breaker.HALF_OPEN, "reason": said, "in_flight": asking})
    return standing
