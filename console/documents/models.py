"""JSON document of the models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from console.values import ListedModel
from pipeline.production.rules import Rules


def models(listed: Sequence[ListedModel], rules: Rules, today: date) -> dict[str, Any]:
    """Return the document; each model's entry is the registry's own."""
    return {
        "day": today.isoformat(),
        "registry_hash": rules.registry.hash,
        "table_version": rules.table.version,
        "table_hash": rules.table.hash,
        "models": [
            {
                "id": each.model.id,
                "usable": not each.why_not,
                "why_not": list(each.why_not),
                "tiers": list(each.tiers),
                "prices_today": list(each.rates),
                "entry": each.model.model_dump(mode="json", by_alias=True),
            }
            for each in listed
        ],
    }
