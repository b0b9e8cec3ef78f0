"""Which models the routing table names, and for which tiers."""

from __future__ import annotations

from pipeline.routing.table import RoutingTable


def tiers_by_model(table: RoutingTable) -> dict[str, tuple[str, ...]]:
    """Return model id -> the tiers for which the table names it, in the table's order."""
    named: dict[str, dict[str, None]] = {}
    for row in (table.default, *table.classes.values()):
        for tier, ranked in row.items():
            for model in ranked:
                named.setdefault(model, {})[str(tier)] = None
    return {model: tuple(tiers) for model, tiers in named.items()}
