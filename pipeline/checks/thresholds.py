"""Thresholds as data: defaults, what a tier and a content class change, and a hash that names the result."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from ruamel.yaml import YAML, YAMLError

from pipeline.checks.measurements import Frozen
from pipeline.errors import ConfigurationError, InputError

SHIPPED = Path(__file__).with_name("thresholds.yaml")


class Limit(Frozen):
    """What is asked of one measure.

    Attributes:
        threshold: The number a value is held against.
        sense: Whether the value may be at most or at least the threshold.
        unit: Unit of both.
        means: What is measured, in words.
        advisory: Listed, but never fails a take.
    """

    threshold: float
    sense: Literal["at most", "at least"]
    unit: str
    means: str
    advisory: bool = False

    def allows(self, value: float) -> bool:
        """Return whether a value is within the threshold; NaN never is."""
        return value <= self.threshold if self.sense == "at most" else value >= self.threshold


class MetricLimit(Frozen):
    """How far a take may be from its group in one metric of the consistency check."""

    limit: float
    floor: float
    unit: str
    means: str


class ConsistencyLimits(Frozen):
    """Limits of the consistency check; ``thresholds.yaml`` says what each is for."""

    least_group: int
    z_limit: float
    cut_factor: float
    metrics: dict[str, MetricLimit]


class Thresholds(Frozen):
    """What the checks ask of a take of one tier and content class.

    Attributes:
        version: Of the file they came from.
        tier: Tier.
        content_class: Content class.
        limits: By measure, in the order of reports.
        consistency: Of the check across takes.
    """

    version: int
    tier: str = ""
    content_class: str = ""
    limits: dict[str, Limit]
    consistency: ConsistencyLimits

    @property
    def hash(self) -> str:
        """Content hash (64 hex digits); equal thresholds have equal hashes."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def with_overrides(self, overrides: Mapping[str, float], skip: Iterable[str] = ()) -> Thresholds:
        """Return these thresholds with a storyboard's own laid over them.

        Raises:
            InputError: If a name in ``overrides`` or ``skip`` is no measure, or a threshold no number.
        """
        for name in (*overrides, *skip):
            require_known(name, self.limits)
        for name, value in overrides.items():
            if not math.isfinite(value):
                raise InputError(
                    f"{value!r} is no threshold.",
                    where=f"quality.thresholds.{name}",
                    remedy="Write a number.",
                )
        if not overrides:
            return self
        limits = {
            name: limit.model_copy(update={"threshold": float(overrides[name])}) if name in overrides else limit
            for name, limit in self.limits.items()
        }
        return self.model_copy(update={"limits": limits})


class ThresholdTable(Frozen):
    """The whole file: defaults and what each tier and content class changes."""

    version: int
    limits: dict[str, Limit]
    tiers: dict[str, dict[str, float]]
    content_classes: dict[str, dict[str, float]]
    consistency: ConsistencyLimits

    def for_shot(self, tier: str, content_class: str) -> Thresholds:
        """Return the thresholds of a tier and a content class (the class has the last word).

        Raises:
            InputError: If the table has no such tier or content class.
        """
        require_known(tier, self.tiers, kind="tier")
        require_known(content_class, self.content_classes, kind="content class")
        base = Thresholds(
            version=self.version,
            tier=str(tier),
            content_class=str(content_class),
            limits=self.limits,
            consistency=self.consistency,
        )
        return base.with_overrides({**self.tiers[tier], **self.content_classes[content_class]})

    @property
    def hash(self) -> str:
        """Content hash of the whole table."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def require_known(name: str, known: Iterable[str], *, kind: str = "measure") -> None:
    """Refuse a name that is not among the known ones.

    Raises:
        InputError: Naming the known ones and the nearest of them.
    """
    names = sorted(known)
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise InputError(
        f"There is no {kind} named {name!r}.", where="quality", remedy=f"{hint}Known are: {', '.join(names)}."
    )


@cache
def load_thresholds(path: Path = SHIPPED) -> ThresholdTable:
    """Read a table of thresholds; the shipped one if no other is named.

    Raises:
        ConfigurationError: If the file can't be read or understood.
    """
    try:
        raw: Any = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        table = ThresholdTable(
            version=raw["version"],
            limits={name: _limit(entry) for name, entry in raw["measures"].items()},
            tiers=raw["tiers"],
            content_classes=raw["content_classes"],
            consistency=raw["consistency"],
        )
        for layer in (*table.tiers.values(), *table.content_classes.values()):
            for name in layer:
                require_known(name, table.limits)
    except (OSError, YAMLError, ValidationError, InputError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"The table of thresholds can't be used: {error}",
            where=path.name,
            remedy="Correct the file; docs/checks.md shows its form.",
        ) from error
    return table


def for_shot(tier: str, content_class: str) -> Thresholds:
    """Return the shipped thresholds of a tier and a content class.

    Raises:
        InputError: If there is no such tier or content class.
    """
    return load_thresholds().for_shot(tier, content_class)


def _limit(entry: Mapping[str, Any]) -> Limit:
    rest = {key: value for key, value in entry.items() if key not in ("at_most", "at_least")}
    if "at_most" in entry:
        return Limit(threshold=entry["at_most"], sense="at most", **rest)
    return Limit(threshold=entry["at_least"], sense="at least", **rest)
