"""The models in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from console.values import ListedModel, Refreshed
from console.views.words import count, line
from pipeline.production.rules import Rules
from pipeline.registry.prices import Price, Rate, price_on
from pipeline.registry.refresh import Outcome
from pipeline.registry.review import Matter, Remark

_NOT_NAMED: Final = "the routing table does not name it"
_SAID_ELSEWHERE: Final = ("needs ", "no engine ", "has no price")
_SHORT: Final = Decimal("0.0001")
"""Amounts are told so exactly here; docs/models.md and --json have every digit."""


def models(
    listed: Sequence[ListedModel], missing: Mapping[str, tuple[str, ...]], rules: Rules, today: date
) -> RenderableType:
    """Return the list of models with today's prices, engine by engine; the retired ones come last."""
    parts: list[RenderableType] = []
    for engine in dict.fromkeys(each.model.engine for each in listed):
        of_engine = [each for each in listed if each.model.engine == engine and not each.model.is_retired(today)]
        if of_engine:
            parts += [_heading(engine, of_engine, missing), _table(of_engine, today)]
    gone = [each.model for each in listed if each.model.is_retired(today)]
    if gone:
        table = _plain()
        for each in sorted(gone, key=lambda model: (str(model.retires), model.id)):
            table.add_row(line(each.id, "dim"), str(each.retires), f"use {each.successor}" if each.successor else "")
        parts += [line("Retired; refused by name", "bold"), Padding(table, (0, 0, 1, 2))]
    foot = (
        f"{count(len(listed), 'model')}. Prices of {today} (UTC). Registry {rules.registry.hash[:12]}, "
        f"routing table {rules.table.version} ({rules.table.hash[:12]})."
    )
    return Group(*parts, line(foot, "dim"))


def _heading(engine: str, listed: Sequence[ListedModel], missing: Mapping[str, tuple[str, ...]]) -> RenderableType:
    """Return the engine with what holds for all its models."""
    said = Text(engine, "bold")
    if engine not in missing:
        said.append("  no such engine is installed", "yellow")
    elif missing[engine]:
        said.append(f"  needs {', '.join(missing[engine])}", "yellow")
    if not any(each.tiers for each in listed):
        said.append("  the routing table names none of these", "dim")
    return said


def _table(listed: Sequence[ListedModel], today: date) -> RenderableType:
    table = _plain()
    in_use = any(each.tiers for each in listed)
    for each in listed:
        own = [why for why in each.why_not if not (why == _NOT_NAMED or why.startswith(_SAID_ELSEWHERE))]
        usable = line("; ".join(own), "yellow") if own else Text("usable" if not each.why_not else "", "green")
        tiers = ", ".join(each.tiers) or ("not in the routing table" if in_use else "")
        notes = Text("; ").join(part for part in (usable, Text(tiers)) if part.plain)
        price = price_on(each.model.prices, today)
        told = line(_price(price)) if price is not None else Text("no price", "yellow")
        table.add_row(line(each.model.id), told, notes)
    return Padding(table, (0, 0, 1, 2))


def _price(price: Price) -> str:
    """Return a price list in a few words."""
    said = [_rate(each) for each in price.rates]
    said += [f"+ {_rate(each)}" + (f" after {each.beyond}" if each.beyond else "") for each in price.surcharges]
    if price.minimum_usd is not None:
        said.append(f"at least ${price.minimum_usd.normalize():f}")
    return ", ".join(said)


def _rate(rate: Rate) -> str:
    conditions = [*_words(rate.resolution), *_words(rate.mode)]
    if rate.max_duration_s is not None:
        conditions.append(f"to {rate.max_duration_s:g} s")
    if rate.audio is not None:
        conditions.append("sound" if rate.audio else "silent")
    most = "" if rate.up_to_usd is None else f" to {_dollars(rate.up_to_usd)}"
    amount = f"${_dollars(rate.usd)}{most}/{'s' if rate.unit == 'second' else rate.unit}"
    return f"{' '.join(conditions)} {amount}".strip()


def _words(value: tuple[str, ...] | str | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else value


def _dollars(amount: Decimal) -> str:
    return f"{amount.quantize(_SHORT).normalize():f}"


def review(remarks: Sequence[Remark], rules: Rules, today: date) -> RenderableType:
    """Return what should be looked at, by matter."""
    parts: list[RenderableType] = []
    for matter in Matter:
        of_matter = [each for each in remarks if each.matter == matter]
        if of_matter:
            table = _plain()
            for each in of_matter:
                table.add_row(line(each.subject), line(each.said, "dim"))
            title = f"{str(matter).capitalize()} ({len(of_matter)})"
            parts += [line(title, "bold"), Padding(table, (0, 0, 1, 2))]
    if not remarks:
        parts.append(line("Nothing needs to be looked at.", "green"))
    foot = f"{count(len(rules.registry.models), 'model')} on {today} (UTC). Registry {rules.registry.hash[:12]}."
    return Group(*parts, line(foot, "dim"))


def refresh(found: Sequence[Refreshed], written: Path | None, today: date) -> RenderableType:
    """Return the differences between the registry's prices and those that are published."""
    parts: list[RenderableType] = []
    for one in found:
        parts.append(line(f"{one.engine}, compared with {one.source}", "bold"))
        for each in one.comparisons:
            if each.outcome in {Outcome.CHANGED, Outcome.FIRST}:
                lines = [line(f"{each.model}: {each.outcome}")]
                lines += [line(f"- {said}", "red") for said in each.before]
                lines += [line(f"+ {said}", "green") for said in each.after]
                parts.append(Padding(Group(*lines), (0, 0, 0, 2)))
            elif each.outcome is Outcome.UNCLEAR:
                parts.append(Padding(line(f"{each.model}: {each.why}", "yellow"), (0, 0, 0, 2)))
        for outcome in (Outcome.CONFIRMED, Outcome.UNLISTED, Outcome.NEW):
            names = [each.model for each in one.comparisons if each.outcome is outcome]
            if names:
                said = f"{str(outcome).capitalize()} ({len(names)}): {', '.join(names)}"
                parts.append(Padding(line(said, "dim"), (0, 0, 0, 2)))
    if not found:
        parts.append(line("No provider could be asked.", "yellow"))
    if written is not None:
        parts.append(line(f"Written to {written}; DAILIES_REGISTRY={written} lays it over the registry.", "green"))
    else:
        parts.append(line(f"Prices of {today} (UTC). Nothing is written without --write FILE.", "dim"))
    return Group(*parts)


def _plain() -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True, show_header=False, show_edge=False)
    table.add_column(overflow="fold", ratio=3)
    table.add_column(overflow="fold", ratio=4)
    table.add_column(overflow="fold", ratio=3)
    return table
