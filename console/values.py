"""Plain values that controllers hand to views and documents, where the pipeline has none of its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.registry.model import Model
from pipeline.registry.refresh import Comparison


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    """As it should be."""
    WARNING = "warning"
    """Works, but a person should know."""
    FAULT = "fault"
    """Something can't work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What ``doctor`` found of one thing.

    Attributes:
        subject: What was looked at.
        level: How bad it is.
        found: What was found.
        remedy: What to do; empty if nothing.
    """

    subject: str
    level: Level
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as it stands today.

    Attributes:
        model: Its entry.
        tiers: Tiers for which the routing table names it.
        rates: Today's prices in words; none means that it is refused.
        why_not: Why it can't be used today; empty if it can.
    """

    model: Model
    tiers: tuple[str, ...]
    rates: tuple[str, ...]
    why_not: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """An engine's prices, compared with those that are published.

    Attributes:
        engine: The engine.
        source: Where they are published.
        comparisons: Each model, the changed ones first.
    """

    engine: str
    source: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Door:
    """A page on this machine, and who may enter.

    Attributes:
        url: Where it is.
        user: Name.
        password: Made for this run.
    """

    url: str
    user: str
    password: str
