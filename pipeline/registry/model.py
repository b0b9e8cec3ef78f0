"""A model of the registry: what it is, what it can do, what it costs, and until when it exists."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pipeline.registry.capabilities import Capabilities
from pipeline.registry.prices import Job, NoPrice, Price, Quoted, price_job
from pipeline.registry.words import Day, EngineName, Entry, Known, ModelId

Ending = Literal["failed", "refused_input", "refused_output", "cancelled"]
"""How a take can come to nothing at a provider."""


class Charges(Entry):
    """Which takes that came to nothing the provider bills all the same. Unknown counts as billed."""

    failed: Known = "unknown"
    """The provider's own failure."""
    refused_input: Known = "unknown"
    """Refused by moderation before generation."""
    refused_output: Known = "unknown"
    """Refused by moderation after generation."""
    cancelled: Known = "unknown"
    """Cancelled by us while running."""
    source: str = ""
    """Where the provider says so."""

    def bills(self, ending: Ending) -> bool:
        """Return whether a take that ended so is to be counted as billed; unknown counts as billed."""
        said: Known = getattr(self, ending)
        return said != "no"


class Limits(Entry):
    """What an account may ask of the provider, for a model or for all models of an engine together."""

    concurrent: Annotated[int, Field(ge=1, le=100_000)] | Literal["unknown"] | None = "unknown"
    """Jobs in flight; none means no limit."""
    per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | Literal["unknown"] | None = "unknown"
    """Jobs created per minute; none means no limit."""


class Model(Entry):
    """One entry of the registry."""

    id: ModelId
    """Engine and model, such as ``animatic/painted``."""
    engine: EngineName
    """The adapter that speaks to it; the part of the id before the first slash."""
    provider: Annotated[str, Field(min_length=1, max_length=80)]
    """Who runs it."""
    title: Annotated[str, Field(max_length=120)] = ""
    """Name for people; the id if left out."""
    kind: Literal["video", "image"]
    """What it makes."""
    capabilities: Capabilities
    """What it can do."""
    prices: tuple[Price, ...] = ()
    """Its prices by day; none means that it is refused."""
    charges: Charges = Field(default_factory=Charges)
    """What it bills when a take comes to nothing."""
    limits: Limits = Field(default_factory=Limits)
    """What the provider allows for this model; ``account`` of a file says what it allows for all together."""
    wire: dict[str, Any] = Field(default_factory=dict)
    """What the model's server understands, in the engine's own words: see [engines.md](engines.md)."""
    released: Day | Literal["unknown"] = "unknown"
    """First day on which it was offered."""
    retires: Day | None = None
    """First day, from 00:00 UTC, on which it is gone."""
    may_retire: Day | None = None
    """Where the provider names no last day but says how long it stays at least: the first day after that."""
    successor: str = ""
    """Id of the model that the provider or we name in its place."""
    source: Annotated[str, Field(max_length=500)] = ""
    """Where the capabilities are published."""
    verified: Day | Literal["unknown"] = "unknown"
    """Day on which a person last compared them with the source."""
    notes: Annotated[str, Field(max_length=2000)] = ""
    """For people."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.retires is not None and self.may_retire is not None:
            message = "retires says when it is gone, so may_retire has nothing to say"
            raise ValueError(message)
        if self.id.split("/", 1)[0] != self.engine:
            message = f"the id {self.id} does not begin with its engine's name, {self.engine}"
            raise ValueError(message)
        images = {"text-to-image", "image-to-image"}
        if any((mode in images) != (self.kind == "image") for mode in self.capabilities.modes):
            message = f"capabilities.modes don't suit the kind {self.kind}"
            raise ValueError(message)
        spans = sorted(self.prices, key=lambda price: price.from_)
        for earlier, later in pairwise(spans):
            if earlier.until is None or earlier.until > later.from_:
                message = (
                    f"two prices hold on {later.from_.isoformat()}: give the one from "
                    f"{earlier.from_.isoformat()} an until of {later.from_.isoformat()} or before"
                )
                raise ValueError(message)
        return self

    @property
    def name(self) -> str:
        """The model's name as its engine knows it: the id without the engine."""
        return self.id.split("/", 1)[1]

    def is_retired(self, today: date) -> bool:
        """Return whether the model is gone on a UTC day."""
        return self.retires is not None and today >= self.retires

    def retires_within(self, today: date, days: int) -> bool:
        """Return whether the model still exists on a UTC day and will be gone so many days later."""
        return self.retires is not None and 0 < (self.retires - today).days <= days

    def may_retire_within(self, today: date, days: int) -> bool:
        """Return whether the provider may take the model away within so many days, without having named a day."""
        return self.may_retire is not None and (self.may_retire - today).days <= days


def price_of(model: Model, job: Job, on: date) -> Quoted | NoPrice:
    """Return what one job costs with a model on a UTC day, expected and at worst, or why not."""
    return price_job(model.prices, job, on)
