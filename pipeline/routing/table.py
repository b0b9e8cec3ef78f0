"""The routing table as a value: content class -> tier -> ranked models, and the rules around it."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from pipeline.registry.files import content_hash
from pipeline.routing.health import BreakerRule
from pipeline.routing.learned import Learning
from pipeline.routing.rules import Part, Rule
from pipeline.routing.stage import Stage
from pipeline.routing.switching import Switching
from pipeline.storyboard.schema import ContentClass, Tier

Ranked = Annotated[tuple[Annotated[str, StringConstraints(min_length=3)], ...], Field(max_length=100)]
"""Model ids, best first."""


class StageRule(Part):
    """What a stage changes."""

    tier: Tier | None = None
    """Every shot uses this tier; its own if left out."""


class Bounds(Part):
    """How far a model's offer may be from what a shot needs."""

    least_picture_kept: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of the generated picture that has to remain when another aspect ratio is cropped out of it."""
    largest_upscale: Annotated[float, Field(ge=1, le=8)] = 2.0
    """How much larger than generated the deliverable may be."""


class RoutingTable(Part):
    """The table."""

    format: Literal[1]
    """Version of this file format."""
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
    """Raised by its author with each change; every take keeps it beside the table's hash."""
    chain_length: Annotated[int, Field(ge=1, le=10)] = 3
    """Most models that one shot may try: the first choice and its fallbacks."""
    stages: dict[Stage, StageRule] = Field(default_factory=dict)
    """What each stage changes."""
    bounds: Bounds = Bounds()
    """How far a model's offer may be from what a shot needs."""
    acceptance: dict[Tier, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    """Probability that a take is accepted, assumed for quotes; half for a tier left out."""
    default: dict[Tier, Ranked] = Field(default_factory=dict)
    """Ranked models per tier, for content classes that don't name their own."""
    classes: dict[ContentClass, dict[Tier, Ranked]] = Field(default_factory=dict)
    """Ranked models of one content class; tiers left out are the default's."""
    rules: Annotated[tuple[Rule, ...], Field(max_length=200)] = ()
    """Rules over the rankings, in the order in which they apply."""
    switching: Switching = Switching()
    """When a shot goes from one model to the next."""
    breaker: BreakerRule = BreakerRule()
    """When a model is left alone because its provider does not deliver."""
    strategy: Literal["table", "learned"] = "table"
    """Order of the models that remain: the table's own, or the least expected true cost per accepted take."""
    learned: Learning = Learning()
    """How learned routing weighs what it has seen."""
    notes: Annotated[str, StringConstraints(max_length=4000)] = ""
    """For people."""

    @field_validator("rules")
    @classmethod
    def _names_differ(cls, value: tuple[Rule, ...]) -> tuple[Rule, ...]:
        names = [rule.name for rule in value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            message = f"two rules are named {twice}"
            raise ValueError(message)
        return value

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the content."""
        return content_hash(self.model_dump(mode="json", exclude={"notes"}))

    @cached_property
    def switching_used(self) -> Switching:
        """When a shot goes to another model; a learned order counts rejections itself, with the attempts left."""
        return self.switching if self.strategy == "table" else self.switching.model_copy(update={"rejections": None})

    def tier_used(self, asked: Tier, stage: Stage) -> Tier:
        """Return the tier that a stage uses for a shot."""
        rule = self.stages.get(stage)
        return rule.tier if rule is not None and rule.tier is not None else asked

    def forces_tier(self, stage: Stage) -> bool:
        """Return whether a stage uses one tier for every shot."""
        rule = self.stages.get(stage)
        return rule is not None and rule.tier is not None

    def ranked(self, content_class: ContentClass, tier: Tier) -> tuple[str, ...]:
        """Return the models of a tier for a content class, best first, each once."""
        own = self.classes.get(content_class, {}).get(tier)
        chosen = own if own is not None else self.default.get(tier, ())
        return tuple(dict.fromkeys(chosen))
