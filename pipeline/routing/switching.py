"""When a shot goes from one model to the next: after rejections, refusals, failures and outages. Pure.

Each take of a shot is chosen by what became of the takes before it, so that a crash in between changes nothing. A model
that was left is not returned to; a shot tries at most as many models of a tier as the table's chain is long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from pipeline.routing.facts import Frozen
from pipeline.routing.health import HEALTHY, Breaker, Standing
from pipeline.routing.rules import Part
from pipeline.storyboard.schema import Tier


class Softening(Part):
    """How a prompt is put more mildly after a moderation refused it.

    The shot's own prompt is changed, before the storyboard's template puts it in its place.
    """

    words: dict[Annotated[str, StringConstraints(min_length=2, max_length=60)], str] = Field(default_factory=dict)
    """Word or phrase to what stands for it; whole words, whatever their case; the longest first."""
    template: Annotated[str, StringConstraints(max_length=600)] = "{prompt}"
    """Sentence around it; ``{prompt}`` is the prompt with its words replaced."""

    @model_validator(mode="after")
    def _has_the_prompt(self) -> Self:
        if self.template.count("{prompt}") != 1:
            message = "template has to hold {prompt} once"
            raise ValueError(message)
        return self

    def soften(self, prompt: str) -> tuple[str, tuple[str, ...]]:
        """Return a prompt put more mildly, and what was changed, in words; nothing if there is nothing to change."""
        changes: list[str] = []
        mild = {word.casefold(): instead for word, instead in self.words.items()}

        def replaced(found: re.Match[str]) -> str:
            instead = mild[found.group().casefold()]
            changes.append(f"{found.group()!r} became {instead!r}" if instead else f"{found.group()!r} was left out")
            return instead

        if mild:
            words = "|".join(re.escape(word) for word in sorted(mild, key=len, reverse=True))
            prompt = " ".join(re.sub(rf"(?<!\w)(?:{words})(?!\w)", replaced, prompt, flags=re.IGNORECASE).split())
        if self.template != "{prompt}":
            changes.append("the sentence of switching.soften.template stands around it")
        return self.template.replace("{prompt}", prompt), tuple(changes)


class Outage(Part):
    """What a shot does while the provider of its best model is left alone."""

    wait_s: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    """It waits for the best model if that may be tried again within so many seconds; else it falls back at once."""
    hurry_h: Annotated[float, Field(ge=0, le=720)] = 1.0
    """With fewer hours than these until the deadline it never waits while another model can serve it."""
    look_again_s: Annotated[float, Field(ge=1, le=3600)] = 15.0
    """Where all models are left alone and the best one's probe is under way, it looks again after so many seconds."""
    crowded_at: Annotated[int, Field(ge=1)] | None = None
    """A model for whose slots so many shots wait comes after those with fewer; left out, waiting changes nothing."""


class Switching(Part):
    """When a shot goes to another model."""

    rejections: Annotated[int, Field(ge=1, le=100)] | None = 2
    """After so many rejections by the gate of one model's takes the next model is tried; none means never.
    Under the strategy ``learned`` the order itself says when another model is worth its price."""
    failures: Annotated[int, Field(ge=1, le=100)] = 1
    """The same after so many jobs that a model took and could not do."""
    escalate: dict[Tier, Tier] = Field(default_factory=dict)
    """Tier to the one whose models are tried once all of its own were left; the first such model has then failed for
    what it shows, so a dearer one is worth its price."""
    refused: Annotated[tuple[Literal["rephrase", "next-model"], ...], Field(max_length=2)] = ("next-model",)
    """What is done after a moderation's refusal, in this order: the same model with milder words, another model."""
    soften: Softening = Softening()
    """How a prompt is put more mildly."""
    outage: Outage = Outage()
    """What is done while a provider is down."""

    @model_validator(mode="after")
    def _climbs(self) -> Self:
        for tier in self.escalate:
            seen, at = {tier}, self.escalate.get(tier)
            while at is not None:
                if at in seen:
                    message = f"escalate goes round in a circle at {at}"
                    raise ValueError(message)
                seen.add(at)
                at = self.escalate.get(at)
        return self


class Result(StrEnum):
    """What became of a take, as far as the next one's choice depends on it."""

    REJECTED = "rejected"
    """By the gate."""
    REFUSED = "refused"
    """By a moderation."""
    FAILED = "failed"
    """Its model took it and could not do it."""
    USELESS = "useless"
    """Its model will never do it: it can't, it is gone, or there is no account."""
    OUTAGE = "outage"
    """Its provider could not be reached; that says nothing of the model."""


@dataclass(frozen=True, slots=True)
class Tried:
    """An earlier take of the same shot, candidate and round.

    Attributes:
        model: Its model.
        tier: The tier whose chain it was chosen from.
        result: What became of it.
        reason: Why, in words.
        softened: Whether its prompt had been put more mildly.
    """

    model: str
    tier: Tier
    result: Result
    reason: str = ""
    softened: bool = False


class Left(Frozen):
    """A model that is not tried any more.

    Attributes:
        model: Its id.
        why: Why it was left.
        useless: Whether nothing could come of asking it again.
    """

    model: str
    why: str
    useless: bool = False


class Choice(Frozen):
    """The model of one take.

    Attributes:
        model: Its id.
        position: Which model of the shot's chain it is, from 1: how many were left before it, and it.
        why: Why it is this one, in words.
        left: Models that were tried and left, in the order in which they were tried.
        passed_over: Models ahead of it in the chain that are left alone at present, and why.
        softened: Whether the prompt is put more mildly.
    """

    model: str
    position: int
    why: str
    left: tuple[Left, ...] = ()
    passed_over: tuple[Left, ...] = ()
    softened: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """No model can be asked now; the shot waits.

    Attributes:
        until: When to look again.
        reason: Why, in words.
    """

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No model of the tier is left.

    Attributes:
        left: Why each was left.
    """

    left: tuple[Left, ...]


def left_by(history: Sequence[Tried], rule: Switching) -> tuple[Left, ...]:
    """Return the models that a shot's earlier takes were enough of, in the order in which they were tried."""
    found: list[Left] = []
    for model in dict.fromkeys(each.model for each in history):
        own = [each for each in history if each.model == model]
        why, useless = _why_left(own, rule)
        if why:
            found.append(Left(model=model, why=why, useless=useless))
    return tuple(found)


def _why_left(own: Sequence[Tried], rule: Switching) -> tuple[str, bool]:
    by = {result: [each for each in own if each.result is result] for result in Result}
    last = own[-1]
    if by[Result.USELESS]:
        return by[Result.USELESS][-1].reason or "it can't do it", True
    refusals = by[Result.REFUSED]
    if refusals and not (_may_rephrase(rule) and not any(each.softened for each in refusals)):
        return refusals[-1].reason or "it refused the content", True
    if rule.rejections is not None and len(by[Result.REJECTED]) >= rule.rejections:
        return f"{_times(len(by[Result.REJECTED]))} rejected, at last: {last.reason or 'no reason is known'}", False
    if len(by[Result.FAILED]) >= rule.failures:
        return f"{_times(len(by[Result.FAILED]))} failed, at last: {by[Result.FAILED][-1].reason}", False
    return "", False


def _may_rephrase(rule: Switching) -> bool:
    return "rephrase" in rule.refused


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def choose(
    chain: Sequence[str],
    history: Sequence[Tried],
    rule: Switching,
    standings: Mapping[str, Standing],
    now: datetime,
    *,
    longest: int,
    tier: Tier,
    hours_left: float | None = None,
    insist: bool = False,
) -> Choice | Wait | Exhausted:
    """Return the model of a shot's next take, or why there is none.

    Args:
        chain: Models that may serve it now, best first, whatever their health.
        history: What became of its earlier takes, oldest first.
        rule: When to switch.
        standings: How each model's provider does; healthy if left out.
        now: The present moment.
        longest: Most models of one tier that a shot may try.
        tier: The tier of the chain.
        hours_left: Hours until the deadline, if there is one.
        insist: Stay with the last model that was tried and is not useless, though it was left: attempts remain, and
            there is nothing else.
    """
    left = left_by(history, rule)
    if insist:
        stays = next((each.model for each in reversed(history) if each.model in chain and _insisted(each, left)), None)
        left = tuple(each for each in left if each.model != stays)
        chain = [stays] if stays is not None else []
    gone = {each.model for each in left}
    here = tuple(dict.fromkeys(each.model for each in history if each.tier == tier))
    room = longest - len(here)
    open_to = [each for each in chain if each not in gone]
    fresh = [each for each in open_to if each not in here][: max(0, room)]
    options = [each for each in open_to if each in here or each in fresh]
    options = _refusal_first(options, history, rule)
    if not options:
        return Exhausted(left)
    usable = [each for each in options if standings.get(each, HEALTHY).usable]
    # A shot that has waited for an engine in vain is not the one to probe it, while another can serve the shot.
    in_vain = {_engine(each.model) for each in history if each.result is Result.OUTAGE}
    ready = [
        each
        for each in usable
        if _engine(each) not in in_vain or standings.get(each, HEALTHY).breaker is Breaker.CLOSED
    ]
    usable = ready or usable
    best = options[0]
    standing = standings.get(best, HEALTHY)
    hurried = hours_left is not None and hours_left < rule.outage.hurry_h
    if not usable:
        return _all_left_alone(options, standings, rule, now)
    soon = standing.until is not None and standing.until - now <= timedelta(seconds=rule.outage.wait_s)
    patient = not hurried and _engine(best) not in in_vain
    if best not in usable and soon and patient and standing.until is not None:
        return Wait(standing.until, f"{best} is the best for it and is {standing}")
    model = usable[0]
    passed = tuple(Left(model=each, why=str(standings.get(each, HEALTHY))) for each in options[: options.index(model)])
    softened = _is_to_soften(model, history, rule)
    return Choice(
        model=model,
        position=len({*here, model} if model not in here else here[: here.index(model) + 1]),
        why=_why(model, history, left, passed, standings.get(model, HEALTHY), softened=softened),
        left=left,
        passed_over=passed,
        softened=softened,
    )


def _engine(model: str) -> str:
    return model.split("/", 1)[0]


def _insisted(tried: Tried, left: Sequence[Left]) -> bool:
    return not any(each.model == tried.model and each.useless for each in left)


def _refusal_first(options: list[str], history: Sequence[Tried], rule: Switching) -> list[str]:
    """Let a model that refused wait behind the others, if another model is to be asked before milder words are."""
    if not _may_rephrase(rule) or rule.refused[0] == "rephrase":
        return options
    refusing = {each.model for each in history if each.result is Result.REFUSED}
    return [each for each in options if each not in refusing] + [each for each in options if each in refusing]


def _is_to_soften(model: str, history: Sequence[Tried], rule: Switching) -> bool:
    return _may_rephrase(rule) and any(each.model == model and each.result is Result.REFUSED for each in history)


def _all_left_alone(options: Sequence[str], standings: Mapping[str, Standing], rule: Switching, now: datetime) -> Wait:
    best = options[0]
    standing = standings[best]
    until = standing.until
    if until is None or until <= now:
        until = now + timedelta(seconds=rule.outage.look_again_s)
    others = "; ".join(f"{each} is {standings[each]}" for each in options[1:])
    why = f"no model can be asked now, so the best one is waited for: {best} is {standing}"
    return Wait(until, f"{why}; {others}" if others else why)


def _why(
    model: str,
    history: Sequence[Tried],
    left: Sequence[Left],
    passed: Sequence[Left],
    standing: Standing,
    *,
    softened: bool,
) -> str:
    said: list[str] = []
    if left:
        said.append("after " + "; ".join(f"{each.model} was left ({each.why})" for each in left))
    if passed:
        said.append("past " + "; ".join(f"{each.model}, {each.why}" for each in passed))
    if any(each.model == model for each in history):
        said.append("tried again, with milder words" if softened else "tried again")
    if standing.breaker is Breaker.HALF_OPEN:
        said.append("as the probe whether it delivers again")
    return ", ".join(said) or "the best of those that may serve the shot"
