"""JSON document of the models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from console.values import ListedModel, Refreshed
from pipeline.production.rules import Rules
from pipeline.registry.review import Matter, Remark


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


def review(remarks: Sequence[Remark], rules: Rules, today: date) -> dict[str, Any]:
    """Return what should be looked at."""
    return {
        "day": today.isoformat(),
        "registry_hash": rules.registry.hash,
        "counts": {str(matter): sum(each.matter == matter for each in remarks) for matter in Matter},
        "remarks": [{"matter": str(each.matter), "subject": each.subject, "said": each.said} for each in remarks],
    }


def refresh(found: Sequence[Refreshed], written: Path | None, today: date) -> dict[str, Any]:
    """Return how prices compare with those that are published."""
    return {
        "day": today.isoformat(),
        "written": str(written) if written is not None else None,
        "engines": [
            {
                "engine": one.engine,
                "source": one.source,
                "models": [
                    {
                        "id": each.model,
                        "outcome": str(each.outcome),
                        "before": list(each.before),
                        "after": list(each.after),
                        "why": each.why,
                    }
                    for each in one.comparisons
                ],
            }
            for one in found
        ],
    }
