"""What routing decided for a shot, and why: kept on the take, shown to people, as JSON."""

from __future__ import annotations

from typing import Literal

from pipeline.routing.facts import Frozen
from pipeline.routing.stage import Stage
from pipeline.routing.switching import Choice
from pipeline.storyboard.schema import ContentClass, Tier
from pipeline.units import FREE, MicroUsd

Role = Literal["first", "fallback", "reserve", "refused"]
"""``first`` is tried first; ``fallback`` after it; ``reserve`` fits but lies beyond the chain's length."""


class Planned(Frozen):
    """What a model would be asked for.

    Attributes:
        width: Pixels to generate.
        height: Pixels to generate.
        resolution: Resolution class that the price is for.
        fps: Frames per second as ``num/den``.
        frames: Frames to generate.
        duration_s: Length to generate and pay for.
        audio: With sound, without, or ``None`` if nobody knows what the model does.
        references: Pictures sent along.
        picture_kept: Share of the picture that is kept by the planned crop.
    """

    width: int
    height: int
    resolution: str
    fps: str
    frames: int
    duration_s: float
    audio: bool | None
    references: int
    picture_kept: float


class Candidate(Frozen):
    """One model that was considered.

    Attributes:
        model: Its id.
        rank: Its place in the ranking, from 1, after rules and the strategy.
        eligible: Whether it may serve the shot.
        role: Its part in the decision.
        reason: Why it is refused, or what its part is, in words.
        notes: What differs from what the shot asks, in words.
        planned: What it would be asked for.
        expected_micro_usd: What one take most likely costs.
        worst_micro_usd: What one take may cost at most.
        table_rank: Its place in the table's own ranking, from 1; 0 if the table does not rank it.
        health: How its provider does at present; empty if nobody asked.
    """

    model: str
    rank: int
    eligible: bool
    role: Role
    reason: str
    notes: tuple[str, ...] = ()
    planned: Planned | None = None
    expected_micro_usd: MicroUsd | None = None
    worst_micro_usd: MicroUsd | None = None
    table_rank: int = 0
    health: str = ""


class RouteDecision(Frozen):
    """The route of one shot.

    Attributes:
        shot_id: The shot.
        stage: The stage it is for.
        content_class: The storyboard's content class.
        tier_asked: The tier that the storyboard asks for.
        tier_used: The tier that it gets.
        chain: Models to try, in order; empty if none may serve the shot.
        candidates: Every model that was considered, in rank order.
        notes: Why the tier or the choice of models differs from what the storyboard says.
        table_version: Version of the routing table.
        table_hash: Hash of the routing table.
        registry_hash: Hash of the registry.
        day: The UTC day whose prices were used.
        expected_micro_usd: What one take of the first model most likely costs.
        worst_micro_usd: What one take of the first model may cost at most.
        chain_worst_micro_usd: What one take of the dearest model of the chain may cost at most.
        strategy: How the models were put in order.
        rules: Names of the table's rules that held.
        choice: The model of one take, its place in the chain and why the earlier ones were left; only on a take.
    """

    shot_id: str
    stage: Stage
    content_class: ContentClass
    tier_asked: Tier
    tier_used: Tier
    chain: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()
    table_version: str
    table_hash: str
    registry_hash: str
    day: str
    expected_micro_usd: MicroUsd = FREE
    worst_micro_usd: MicroUsd = FREE
    chain_worst_micro_usd: MicroUsd = FREE
    strategy: Literal["table", "learned"] = "table"
    rules: tuple[str, ...] = ()
    choice: Choice | None = None

    @property
    def model(self) -> str | None:
        """The model that is tried first, or ``None`` if no model may serve the shot."""
        return self.chain[0] if self.chain else None

    def candidate(self, model: str) -> Candidate | None:
        """Return a model that was considered."""
        return next((each for each in self.candidates if each.model == model), None)
