"""``models``: what the registry knows, what it costs today, and what is missing to use it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from console import requests
from console.answer import Answer
from console.desk import Desk
from console.documents import models as documents
from console.values import ListedModel
from console.views import models as views
from pipeline.engines.catalog import available
from pipeline.production.rules import Rules, current_rules
from pipeline.registry.document import rate_words, surcharge_words
from pipeline.registry.model import Model
from pipeline.registry.prices import price_on


def models(request: requests.Models, desk: Desk) -> Answer:
    """List the models.

    Raises:
        ConfigurationError: If a registry or routing file is wrong.
    """
    del request
    rules = current_rules(desk.settings)
    today = desk.clock().date()
    missing = available(desk.settings.environment, {each.engine for each in rules.registry.models.values()})
    listed = [_listed(each, rules, missing, today) for each in rules.registry.models.values()]
    return Answer(
        lambda: documents.models(listed, rules, today),
        lambda: views.models(listed, rules, today),
    )


def _listed(model: Model, rules: Rules, missing: Mapping[str, tuple[str, ...]], today: date) -> ListedModel:
    rows = (rules.table.default, *rules.table.classes.values())
    tiers = tuple(dict.fromkeys(str(tier) for row in rows for tier, ranked in row.items() if model.id in ranked))
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
