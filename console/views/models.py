"""The models in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.values import ListedModel
from console.views.words import line
from pipeline.production.rules import Rules


def models(listed: Sequence[ListedModel], rules: Rules, today: date) -> RenderableType:
    """Return the list of models with today's prices."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("model", overflow="fold")
    table.add_column("tiers", overflow="fold")
    table.add_column("price today", overflow="fold")
    table.add_column("usable", overflow="fold", ratio=1)
    for each in listed:
        usable = line("; ".join(each.why_not), "yellow") if each.why_not else Text("yes", "green")
        prices = line("\n".join(each.rates)) if each.rates else Text("none", "yellow")
        table.add_row(line(each.model.id, "bold"), ", ".join(each.tiers), prices, usable)
    foot = (
        f"Prices of {today} (UTC). Registry {rules.registry.hash[:12]}, "
        f"routing table {rules.table.version} ({rules.table.hash[:12]})."
    )
    return Group(table, line(foot, "dim"))
