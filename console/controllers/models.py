"""``models``: what the registry knows, what it costs today, what should be looked at, what providers publish."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from console import requests
from console.answer import Answer
from console.controllers.naming import tiers_by_model
from console.desk import Desk
from console.documents import models as documents
from console.values import ListedModel, Refreshed
from console.views import models as views
from pipeline.engines.catalog import available
from pipeline.engines.http import Wire
from pipeline.engines.prices import listed_engines, missing_key, price_source, read_prices
from pipeline.errors import ConfigurationError, ProviderError
from pipeline.production.rules import Rules, current_rules
from pipeline.registry.document import rate_words, surcharge_words
from pipeline.registry.load import Registry, load_registry
from pipeline.registry.model import Model
from pipeline.registry.prices import price_on
from pipeline.registry.refresh import Outcome, Published, compare, overlay_text
from pipeline.registry.review import review

_WRITTEN = (Outcome.CHANGED, Outcome.FIRST, Outcome.CONFIRMED)


def models(request: requests.Models, desk: Desk) -> Answer:
    """List the models.

    Raises:
        ConfigurationError: If a registry or routing file is wrong.
    """
    del request
    rules = current_rules(desk.settings)
    today = desk.clock().date()
    missing = available(desk.settings.environment, {each.engine for each in rules.registry.models.values()})
    tiers = tiers_by_model(rules.table)
    listed = [_listed(each, tiers.get(each.id, ()), missing, today) for each in rules.registry.models.values()]
    return Answer(
        lambda: documents.models(listed, rules, today),
        lambda: views.models(listed, missing, rules, today),
    )


def review_models(request: requests.ReviewModels, desk: Desk) -> Answer:
    """List what should be looked at.

    Raises:
        ConfigurationError: If a registry or routing file is wrong.
    """
    del request
    rules = current_rules(desk.settings)
    today = desk.clock().date()
    remarks = review(rules.registry, today, shipped=load_registry())
    return Answer(
        lambda: documents.review(remarks, rules, today),
        lambda: views.review(remarks, rules, today),
    )


def refresh_models(request: requests.RefreshModels, desk: Desk) -> Answer:
    """Compare prices with those that providers publish, and write them if that was asked for.

    Raises:
        ConfigurationError: If a provider publishes none, its key is missing, or the file to write is no overlay.
        ProviderError: If no list can be had.
    """
    rules: Rules = current_rules(desk.settings)
    today = desk.clock().date()
    environment = desk.settings.environment
    engines = request.engines or tuple(each for each in listed_engines() if not missing_key(each, environment))
    skipped = () if request.engines else tuple(each for each in listed_engines() if each not in engines)
    for engine in skipped:
        desk.note(f"{engine} tells its prices only to its customers; set {missing_key(engine, environment)}.", "yellow")
    published = asyncio.run(_read(desk, engines, rules.registry, today))
    found = [
        Refreshed(engine, source, compare(_of(rules.registry, engine), said, today, source))
        for engine, said in published.items()
        for source in (price_source(engine, environment),)
    ]
    if request.write is not None:
        _write(request.write, found)
    return Answer(
        lambda: documents.refresh(found, request.write, today),
        lambda: views.refresh(found, request.write, today),
    )


async def _read(desk: Desk, engines: Sequence[str], registry: Registry, today: date) -> dict[str, list[Published]]:
    async with Wire.from_settings(desk.settings) as wire:
        lists: dict[str, list[Published]] = {}
        failures: list[ProviderError] = []
        for engine in dict.fromkeys(engines):
            asked = [each for each in _of(registry, engine) if not each.is_retired(today)]
            try:
                lists[engine] = await read_prices(engine, asked, wire, desk.settings.environment)
            except ProviderError as error:
                failures.append(error)
                desk.note(f"{engine}: {error}", "yellow")
    if failures and not lists:
        raise failures[0]
    return lists


def _of(registry: Registry, engine: str) -> list[Model]:
    return [each for each in registry.models.values() if each.engine == engine]


def _write(path: Path, found: Sequence[Refreshed]) -> None:
    """Write the published prices into an overlay, whole or not at all."""
    changes = [each for one in found for each in one.comparisons if each.outcome in _WRITTEN]
    beside = path.with_name(f".{path.name}.new")
    try:
        existing = path.read_text(encoding="utf-8") if path.exists() else ""
        beside.write_text(overlay_text(existing, changes, str(path)), encoding="utf-8")
        beside.replace(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"it can't be written: {error}.", where=str(path), remedy="Name a file in a folder that exists."
        ) from error


def _listed(model: Model, tiers: tuple[str, ...], missing: Mapping[str, tuple[str, ...]], today: date) -> ListedModel:
    price = price_on(model.prices, today)
    rates: tuple[str, ...] = ()
    if price is not None:
        extras = (f"plus {surcharge_words(each)}" for each in price.surcharges)
        rates = (*(rate_words(each) for each in price.rates), *extras)
    return ListedModel(model, tiers, rates, tuple(_why_not(model, tiers, missing, today, priced=price is not None)))


def _why_not(
    model: Model, tiers: tuple[str, ...], missing: Mapping[str, tuple[str, ...]], today: date, *, priced: bool
) -> list[str]:
    said: list[str] = []
    if model.is_retired(today):
        said.append(f"retired on {model.retires}" + (f", use {model.successor}" if model.successor else ""))
    if not isinstance(model.released, str) and model.released > today:
        said.append(f"not released before {model.released}")
    if model.engine not in missing:
        said.append(f"no engine {model.engine} is installed")
    else:
        said += [f"needs {each}" for each in missing[model.engine]]
    if not priced:
        said.append("has no price for today")
    if not tiers:
        said.append("the routing table does not name it")
    return said
