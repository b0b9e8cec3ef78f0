"""Rules of the routing table: a condition on a shot and its circumstances, and what follows from it. Pure.

All rules that hold apply, in the order in which they stand. Of those that change the tier the first counts, and it is
settled before the others are asked, so that their ``tier`` is the one that is used. A condition on something that
nobody knows (the money left of a storyboard that is only being quoted) does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from pipeline.registry.model import Model
from pipeline.registry.words import Usd
from pipeline.routing.facts import ShotFacts
from pipeline.routing.motion import Motion
from pipeline.routing.stage import Stage
from pipeline.storyboard import vocabulary
from pipeline.storyboard.schema import ContentClass, Mode, Tier
from pipeline.units import MicroUsd

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=160, pattern=r"^[A-Za-z0-9*?._/:-]+$")]
"""A model's id, or a pattern of ids: ``fal/*``."""

Ability = Literal["audio", "seed", "guidance", "negative-prompt", "references", "first-frame", "last-frame", "camera"]
"""Something that a model can do for certain; what is unknown counts as not."""

Orientation = Literal["landscape", "portrait", "square"]
Aspect = Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?:[1-9][0-9]?|landscape|portrait|square)$")]


class Part(BaseModel):
    """Base of the table's parts: immutable, unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Span(Part):
    """A span of numbers, both ends included."""

    min: Annotated[float, Field(ge=0)] | None = None
    """At least this."""
    max: Annotated[float, Field(ge=0)] | None = None
    """At most this."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is None and self.max is None:
            message = "give min, max or both"
            raise ValueError(message)
        if self.min is not None and self.max is not None and self.min > self.max:
            message = "min is greater than max"
            raise ValueError(message)
        return self

    def holds(self, value: float | None) -> bool:
        """Return whether a value is known and lies within."""
        return value is not None and (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What surrounds a shot; ``None`` where nobody knows.

    Attributes:
        stage: What the cut is made for.
        budget_left: What the shot's own caps, its cut's and its campaign's leave, the tightest counts.
        credits_left: What is left of the account's month.
        hours_left: Hours until the deadline.
    """

    stage: Stage
    budget_left: MicroUsd | None = None
    credits_left: MicroUsd | None = None
    hours_left: float | None = None

    @property
    def money_left(self) -> MicroUsd | None:
        """What may still be spent in all."""
        known = [each for each in (self.budget_left, self.credits_left) if each is not None]
        return min(known, default=None)


def hours_until(deadline: datetime | None, now: datetime) -> float | None:
    """Return the hours until a deadline, negative once it is over."""
    return None if deadline is None else (deadline - now).total_seconds() / 3600


class When(Part):
    """When a rule applies: every field that is given has to hold; without any it always applies."""

    stage: tuple[Stage, ...] | None = None
    """What the cut is made for."""
    tier: tuple[Tier, ...] | None = None
    """Tier of the shot: for a rule that changes it the one that is asked, else the one that is used."""
    content_class: tuple[ContentClass, ...] | None = None
    """Content class of the storyboard."""
    mode: tuple[Mode, ...] | None = None
    """What the shot is generated from."""
    audio: bool | None = None
    """Whether sound is wanted."""
    dialogue: Span | None = None
    """How many lines are spoken."""
    characters: Span | None = None
    """How many characters are in it."""
    references: Span | None = None
    """How many pictures of what it shows there are."""
    motion: tuple[Motion, ...] | None = None
    """What moves most: nothing, the camera, or what it shows (words of action in the prompt)."""
    camera_move: tuple[str, ...] | None = None
    """The camera's move, in the vocabulary's words."""
    duration_s: Span | None = None
    """Length in seconds."""
    aspect: tuple[Aspect, ...] | None = None
    """Ratio of the first deliverable, such as 9:16, or landscape, portrait, square."""
    budget_left_usd: Span | None = None
    """What the caps of shot, cut and campaign leave, in US dollars."""
    credits_left_usd: Span | None = None
    """What is left of the account's month, in US dollars."""
    hours_left: Span | None = None
    """Hours until the deadline; 0 once it is over."""

    @field_validator("camera_move")
    @classmethod
    def _moves(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for move in value or ():
            if vocabulary.canonical_move(move) != move:
                known = vocabulary.canonical_move(move)
                hint = f"did you mean {known}?" if known else "see the vocabulary in docs/storyboard.md"
                message = f"{move!r} is no move of the camera; {hint}"
                raise ValueError(message)
        return value

    @field_validator("*")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if value == ():
            message = "the list is empty, so the rule could never apply; leave the field out"
            raise ValueError(message)
        return value

    def holds(self, facts: ShotFacts, tier: Tier, around: Circumstances) -> bool:
        """Return whether the condition holds for a shot of a tier."""
        hours = None if around.hours_left is None else max(0.0, around.hours_left)
        lists = (
            (self.stage, around.stage),
            (self.tier, tier),
            (self.content_class, facts.content_class),
            (self.mode, facts.mode),
            (self.motion, facts.motion),
            (self.camera_move, facts.camera_move),
        )
        spans = (
            (self.dialogue, facts.dialogue_lines),
            (self.characters, len(facts.characters)),
            (self.references, facts.references),
            (self.duration_s, facts.duration_s),
            (self.budget_left_usd, _dollars(around.budget_left)),
            (self.credits_left_usd, _dollars(around.credits_left)),
            (self.hours_left, hours),
        )
        return (
            all(wanted is None or value in wanted for wanted, value in lists)
            and (self.audio is None or self.audio == facts.audio)
            and all(span is None or span.holds(value) for span, value in spans)
            and (self.aspect is None or any(_has_aspect(facts, each) for each in self.aspect))
        )


class Which(Part):
    """Models: those whose id matches any of ``models`` (if given) and that can do all of ``can`` (if given)."""

    models: Annotated[tuple[Pattern, ...], Field(max_length=100)] = ()
    """Ids, or patterns of ids such as ``fal/*``."""
    can: tuple[Ability, ...] = ()
    """What they can do for certain."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.models and not self.can:
            message = "name models, abilities (can) or both"
            raise ValueError(message)
        return self

    def place(self, model_id: str, model: Model | None) -> int | None:
        """Return a model's place among those meant, from 0, by the first pattern that it matches; ``None`` if not."""
        if self.can and (model is None or not all(_able(model, each) for each in self.can)):
            return None
        if not self.models:
            return 0
        matches = (place for place, pattern in enumerate(self.models) if fnmatchcase(model_id, pattern))
        return next(matches, None)

    def __str__(self) -> str:
        """Return them in words."""
        said = [", ".join(self.models)] if self.models else []
        said += [f"models with {' and '.join(self.can)}"] if self.can else []
        return " that are ".join(said) if len(said) > 1 else said[0]


class Then(Part):
    """What follows from a rule; at least one field is given."""

    tier: Tier | None = None
    """The shot uses this tier. Where the stage uses one tier for every shot nothing changes it."""
    prefer: Which | None = None
    """These come first, in the order in which they are named."""
    avoid: Which | None = None
    """These come last."""
    require: Which | None = None
    """Only these may serve the shot."""
    exclude: Which | None = None
    """These may not serve the shot."""
    max_usd_per_second: Usd | None = None
    """One take may cost at most so much per second of the shot, at worst; written in quotes."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            message = "say what follows: tier, prefer, avoid, require, exclude or max_usd_per_second"
            raise ValueError(message)
        return self


class Rule(Part):
    """One rule."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    """Its name, which explanations use."""
    why: Annotated[str, StringConstraints(max_length=300)] = ""
    """Why there is such a rule, for people."""
    when: When = When()
    """When it applies."""
    then: Then
    """What follows."""


def tier_by(rules: tuple[Rule, ...], facts: ShotFacts, tier: Tier, around: Circumstances) -> tuple[Tier, Rule | None]:
    """Return the tier of a shot by the first rule that changes it, and that rule."""
    for rule in rules:
        if rule.then.tier is not None and rule.then.tier != tier and rule.when.holds(facts, tier, around):
            return rule.then.tier, rule
    return tier, None


@dataclass(frozen=True, slots=True)
class Ruled:
    """What the rules make of a ranking.

    Attributes:
        order: The models, best first.
        refused: Model to why rules refuse it.
        moved: Model to which rules moved it, in words.
        caps: What one take may cost at most by which rule, in micro-USD.
        applied: Every rule that holds.
    """

    order: tuple[str, ...]
    refused: dict[str, tuple[str, ...]]
    moved: dict[str, tuple[str, ...]]
    caps: tuple[tuple[MicroUsd, str], ...]
    applied: tuple[Rule, ...]


def ruled(
    rules: tuple[Rule, ...],
    ranked: tuple[tuple[str, Model | None], ...],
    facts: ShotFacts,
    tier: Tier,
    around: Circumstances,
) -> Ruled:
    """Return what the rules that hold make of a ranking.

    Args:
        rules: The table's rules.
        ranked: Models as the table ranks them, best first; ``None`` for one that the registry does not have.
        facts: The shot.
        tier: The tier that is used.
        around: What surrounds it.
    """
    applied = tuple(rule for rule in rules if _is_about_models(rule) and rule.when.holds(facts, tier, around))
    order = [model_id for model_id, _ in ranked]
    known = dict(ranked)
    refused: dict[str, tuple[str, ...]] = {}
    moved: dict[str, tuple[str, ...]] = {}
    caps: list[tuple[MicroUsd, str]] = []
    for rule in applied:
        then = rule.then
        for model_id, model in known.items():
            why = _refusal(rule, model_id, model)
            if why:
                refused[model_id] = (*refused.get(model_id, ()), why)
        # What is avoided goes to the end first, so that a rule which also prefers it has the last word.
        for which, ahead in ((then.avoid, False), (then.prefer, True)):
            if which is None:
                continue
            changed = _reordered(order, known, which, ahead=ahead)
            for model_id in order:
                step = changed.index(model_id) - order.index(model_id)
                if step and (which.place(model_id, known[model_id]) is not None):
                    said = f"rule {rule.name} {'prefers' if ahead else 'avoids'} it"
                    moved[model_id] = (*moved.get(model_id, ()), said)
            order = changed
        if then.max_usd_per_second is not None:
            # In whole micro-USD, rounded down: a cap is a promise.
            most = Fraction(then.max_usd_per_second) * 1_000_000 * Fraction(str(facts.duration_s))
            caps.append((MicroUsd(int(most)), rule.name))
    return Ruled(tuple(order), refused, moved, tuple(caps), applied)


def _is_about_models(rule: Rule) -> bool:
    return bool(rule.then.model_fields_set - {"tier"})


def _refusal(rule: Rule, model_id: str, model: Model | None) -> str:
    require, exclude = rule.then.require, rule.then.exclude
    if require is not None and require.place(model_id, model) is None:
        return f"rule {rule.name} requires {require}"
    if exclude is not None and exclude.place(model_id, model) is not None:
        return f"rule {rule.name} excludes it"
    return ""


def _reordered(order: list[str], known: dict[str, Model | None], which: Which, *, ahead: bool) -> list[str]:
    """Return an order in which the models meant stand ahead of the others, or behind; else as they stood."""
    places = {model_id: which.place(model_id, known[model_id]) for model_id in order}
    meant = sorted((each for each in order if places[each] is not None), key=lambda each: places[each] or 0)
    others = [each for each in order if places[each] is None]
    return [*meant, *others] if ahead else [*others, *[each for each in order if places[each] is not None]]


def _able(model: Model, ability: Ability) -> bool:
    able = model.capabilities
    known: dict[Ability, bool] = {
        "audio": able.audio in {"yes", "optional"},
        "seed": able.seed == "yes",
        "guidance": able.guidance not in {"no", "unknown"},
        "negative-prompt": able.negative_prompt == "yes",
        "references": isinstance(able.reference_images, int) and able.reference_images > 0,
        "first-frame": able.first_frame,
        "last-frame": able.last_frame,
        "camera": bool(able.camera.parameters),
    }
    return known[ability]


_NEAR: Final = Fraction(2, 100)
"""Ratios so near are the same: 1366x768 is 16:9."""


def _has_aspect(facts: ShotFacts, wanted: str) -> bool:
    have = Fraction(facts.width, facts.height)
    match wanted:
        case "landscape":
            return have > 1
        case "portrait":
            return have < 1
        case "square":
            return have == 1
        case _:
            across, down = wanted.split(":")
            want = Fraction(int(across), int(down))
            return abs(have / want - 1) <= _NEAR


def _dollars(amount: MicroUsd | None) -> float | None:
    return None if amount is None else amount / 1_000_000
