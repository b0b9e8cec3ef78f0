"""Learned routing: the model with the least expected true cost per accepted take, uncertainty included. Pure.

How often a model's takes are accepted for a content class is not known; it is a Beta posterior over the verdicts so
far, in which older verdicts count less (models and prompts drift). Thompson sampling draws one acceptance per model
from it and acts as if it were true: a model that is hardly known is tried in proportion to its chance of being the
best one, and no more. See W. R. Thompson, Biometrika 25 (1933), 285-294; for discounting, V. Raj and S. Kalyani,
"Taming non-stationary bandits", arXiv:1707.09727; for draws narrower than the posterior, O. Chapelle and L. Li, "An
empirical evaluation of Thompson sampling", NIPS 2011, section 3.

Given acceptances, the order of a shot's attempts follows from its last one backwards. With ``k`` attempts left a shot
costs ``V(k) = min over models of price + (1 - acceptance) * V(k - 1)``, and ``V(0)`` is what a shot without an accepted
take costs (a person's time, a hole in the film). So the last attempts go to what is sure, the first to what is cheap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Protocol

from pydantic import Field

from pipeline.registry.words import Usd
from pipeline.routing.rules import Part
from pipeline.units import MicroUsd, usd


class Learning(Part):
    """How learned routing weighs what it has seen; only used with ``strategy: learned``."""

    prior_takes: Annotated[float, Field(gt=0, le=100)] = 4.0
    """The acceptance that the table assumes for the tier counts like so many verdicts."""
    half_life_takes: Annotated[float, Field(ge=1, le=100_000)] = 50.0
    """A verdict counts half once so many newer ones of its model and class are there."""
    half_life_days: Annotated[float, Field(ge=0.1, le=3650)] = 45.0
    """It counts half again after so many days."""
    sharpness: Annotated[float, Field(ge=1, le=100)] = 12.0
    """How much narrower than the posterior the draws are: 1 explores as Thompson sampling does, which pays only where
    very many shots follow; a campaign has hundreds."""
    failed_shot_usd: Usd = Decimal(5)
    """What a shot without an accepted take costs, in US dollars, in quotes."""
    attempt_usd: Usd = Decimal(0)
    """What each attempt costs besides its price (checks, judging, delay), in US dollars, in quotes."""


class Chance(Protocol):
    """A random source, as :class:`random.Random` is one; handed in, for this module draws from none of its own."""

    def betavariate(self, alpha: float, beta: float) -> float:
        """Return a draw from a Beta distribution."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """One verdict of the gate (or a person) on a take. Outages and refusals are none.

    Attributes:
        at: When.
        accepted: Whether the take was accepted.
    """

    at: datetime
    accepted: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a model's acceptance for a content class: verdicts, older ones counting less."""

    accepted: float = 0.0
    rejected: float = 0.0

    @property
    def weight(self) -> float:
        """How many verdicts it is worth."""
        return self.accepted + self.rejected


@dataclass(frozen=True, slots=True)
class Option:
    """A model that may serve a shot.

    Attributes:
        model: Its id.
        price: What one take of it most likely costs.
        evidence: What is known of its acceptance.
    """

    model: str
    price: MicroUsd
    evidence: Evidence = Evidence()


@dataclass(frozen=True, slots=True)
class Valued:
    """What learned routing makes of an option.

    Attributes:
        model: Its id.
        acceptance: The acceptance that was drawn, or the posterior's mean.
        cost: Expected true cost of the shot if it is tried next, in micro-USD.
        why: The same in words.
    """

    model: str
    acceptance: float
    cost: float
    why: str


def discounted(seen: Iterable[Seen], rule: Learning, now: datetime) -> Evidence:
    """Return what verdicts are worth today.

    Args:
        seen: Verdicts on one model's takes of one content class, in any order.
        rule: Half-lives.
        now: The present moment.
    """
    accepted = rejected = 0.0
    newest_first = sorted(seen, key=lambda each: each.at, reverse=True)
    for newer, each in enumerate(newest_first):
        days = max(0.0, (now - each.at).total_seconds() / 86_400)
        weight = 0.5 ** (newer / rule.half_life_takes + days / rule.half_life_days)
        if each.accepted:
            accepted += weight
        else:
            rejected += weight
    return Evidence(accepted, rejected)


def posterior(evidence: Evidence, assumed: float, rule: Learning) -> tuple[float, float]:
    """Return the Beta distribution of an acceptance: its parameters alpha and beta.

    Args:
        evidence: What was seen.
        assumed: The acceptance that the table assumes.
        rule: How much the assumption weighs.
    """
    # An assumption of 1 or 0 would never be given up.
    mean = min(max(assumed, 0.02), 0.98)
    return evidence.accepted + rule.prior_takes * mean, evidence.rejected + rule.prior_takes * (1 - mean)


def valued(
    options: Iterable[Option], assumed: float, attempts_left: int, rule: Learning, chance: Chance | None
) -> list[Valued]:
    """Return options by their expected true cost, the least first.

    Args:
        options: Models that may serve the shot; of two that cost the same the earlier stays ahead.
        assumed: The acceptance that the table assumes for the tier.
        attempts_left: How many takes the shot may still have, at least 1.
        rule: Prices and weights.
        chance: Where to draw from; ``None`` takes the posteriors' means, which is what a quote does.
    """
    listed = list(options)
    drawn: dict[str, float] = {}
    for each in listed:
        alpha, beta = posterior(each.evidence, assumed, rule)
        sharp = rule.sharpness
        mean = alpha / (alpha + beta)
        drawn[each.model] = mean if chance is None else chance.betavariate(alpha * sharp, beta * sharp)
    prices = {each.model: each.price + usd(rule.attempt_usd) for each in listed}
    after = float(usd(rule.failed_shot_usd))
    for _ in range(attempts_left - 1):
        after = min((prices[model] + (1 - p) * after for model, p in drawn.items()), default=after)
    costs = {model: prices[model] + (1 - p) * after for model, p in drawn.items()}
    return [
        Valued(each.model, drawn[each.model], costs[each.model], _why(each, drawn[each.model], costs[each.model]))
        for each in sorted(listed, key=lambda each: costs[each.model])
    ]


def evidence_of(known: Mapping[str, Evidence], model: str) -> Evidence:
    """Return what is known of a model, which may be nothing."""
    return known.get(model, Evidence())


def _why(option: Option, acceptance: float, cost: float) -> str:
    return (
        f"learned: acceptance taken as {acceptance:.0%} (by {option.evidence.weight:.1f} verdicts' worth), "
        f"so the shot is expected to cost ${cost / 1_000_000:.3f}"
    )
