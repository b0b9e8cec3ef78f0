"""Whether one model may serve one shot, and every reason why not, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pipeline.registry.fit import Fit, Misfit, Wanted, fit
from pipeline.registry.model import Model, price_of
from pipeline.registry.prices import Job, NoPrice, Quoted, exact_seconds
from pipeline.routing.facts import ShotFacts
from pipeline.routing.table import Bounds
from pipeline.units import MicroUsd, format_usd


@dataclass(frozen=True, slots=True)
class Offer:
    """What a model offers for a shot.

    Attributes:
        fit: What it would be asked for, if it can serve the shot at all.
        quoted: Price of one take, if there is one.
        reasons: Why it is refused; empty if it may serve the shot.
        notes: What differs from what the shot asks.
    """

    fit: Fit | None
    quoted: Quoted | None
    reasons: tuple[str, ...]
    notes: tuple[str, ...]


def wanted_of(facts: ShotFacts) -> Wanted:
    """Return what a shot needs of a model."""
    return Wanted(
        mode=facts.mode.value,
        duration_s=facts.duration_s,
        width=facts.width,
        height=facts.height,
        rate=facts.rate,
        audio=facts.audio,
        references=facts.references,
    )


def job_of(mode: str, asked: Fit, *, batch: bool = False) -> Job:
    """Return what the provider bills a job by."""
    return Job(
        mode=mode,
        duration_s=exact_seconds(asked.duration_s),
        frames=asked.frames,
        width=asked.width,
        height=asked.height,
        resolution=asked.resolution,
        audio=asked.audio,
        references=asked.references,
        batch=batch,
    )


def offer_of(
    model: Model,
    facts: ShotFacts,
    *,
    bounds: Bounds,
    available_engines: Mapping[str, tuple[str, ...]],
    today: date,
    money_left: MicroUsd | None,
) -> Offer:
    """Return what a model offers for a shot.

    Args:
        model: The model.
        facts: The shot.
        bounds: How far the offer may be from what the shot needs.
        available_engines: Engine to the settings that it still lacks; engines left out are unknown.
        today: The UTC day.
        money_left: What may still be spent on the shot, or ``None`` if nothing limits it.
    """
    reasons = [*_lifetime(model, today), *_engine(model, available_engines)]
    if model.kind != "video":
        return Offer(None, None, (*reasons, "it makes images, not clips"), ())
    asked = fit(model.capabilities, wanted_of(facts))
    if isinstance(asked, Misfit):
        return Offer(None, None, (*reasons, *asked.reasons), ())
    reasons += _picture(asked, facts, bounds)
    quoted = price_of(model, job_of(facts.mode.value, asked), today)
    if isinstance(quoted, NoPrice):
        return Offer(asked, None, (*reasons, quoted.reason), asked.notes)
    if money_left is not None and quoted.worst > money_left:
        reasons.append(
            f"one take may cost {format_usd(quoted.worst)}, and {format_usd(money_left)} is left for the shot"
        )
    return Offer(asked, quoted, tuple(reasons), (*asked.notes, *_warnings(model, today)))


def _lifetime(model: Model, today: date) -> list[str]:
    if model.is_retired(today):
        after = f"; use its successor {model.successor}" if model.successor else "; it names no successor"
        return [f"it was retired on {model.retires}{after}"]
    if model.released != "unknown" and today < model.released:
        return [f"it is released on {model.released}"]
    return []


def _engine(model: Model, available: Mapping[str, tuple[str, ...]]) -> list[str]:
    missing = available.get(model.engine)
    if missing is None:
        return [f"there is no engine {model.engine!r} (see: dailies doctor)"]
    if missing:
        return [f"its engine {model.engine} is not configured: set {', '.join(missing)}"]
    return []


def _picture(asked: Fit, facts: ShotFacts, bounds: Bounds) -> list[str]:
    reasons: list[str] = []
    if asked.crop.kept < bounds.least_picture_kept:
        reasons.append(
            f"its nearest picture, {asked.width}x{asked.height}, would be cropped to {asked.crop.kept:.0%} "
            f"for {facts.width}x{facts.height} (the table allows {bounds.least_picture_kept:.0%})"
        )
    upscale = facts.width / (asked.width * asked.crop.width)
    if upscale > bounds.largest_upscale * 1.01:
        reasons.append(
            f"{facts.width}x{facts.height} is too large for it: {asked.width}x{asked.height} would be "
            f"enlarged {upscale:.1f} times (the table allows {bounds.largest_upscale:g})"
        )
    return reasons


def _warnings(model: Model, today: date) -> list[str]:
    after = f"; its successor is {model.successor}" if model.successor else ""
    if model.retires_within(today, 30):
        return [f"it retires on {model.retires}{after}"]
    if model.may_retire_within(today, 30):
        return [f"its provider keeps it until {model.may_retire} at least, and names no last day{after}"]
    return []
