"""What was spent, in the terminal."""

from __future__ import annotations

import math

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.views.words import count, line
from pipeline.production.costs import CostReport, Costs
from pipeline.units import format_usd


def report(found: CostReport) -> RenderableType:
    """Return a table with a row for each group, the dearest first, and the total."""
    time = f"reserved in {found.month} (UTC)" if found.month else "of all time"
    head = line(f"Costs by {found.by}, {time}, {count(found.cuts, 'cut')}", "bold")
    if not found.rows:
        return Group(head, Text("Nothing was reserved or spent."))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column(found.by.value, overflow="fold")
    columns = ("billed", "reserved", "attempts", "billed", "accepted", "each", "multiplier", "expected", "at worst")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for group, costs in found.rows.items():
        table.add_row(line(group), *_columns(costs))
    table.add_section()
    table.add_row(Text("total", "bold"), *(Text(each, "bold") for each in _columns(found.total)))
    note = "Each: billed per accepted take. Multiplier: attempts per accepted take. Expected, at worst: as quoted."
    return Group(head, table, Text(note, "dim"))


def _columns(costs: Costs) -> tuple[str, ...]:
    multiplier, average = costs.multiplier, costs.per_accepted
    return (
        format_usd(costs.billed_micro_usd),
        format_usd(costs.reserved_micro_usd),
        str(costs.attempts),
        str(costs.billed_attempts),
        str(costs.accepted),
        "" if average is None else format_usd(math.ceil(average)),
        "" if multiplier is None else f"{float(multiplier):.2f}",
        format_usd(costs.expected_micro_usd),
        format_usd(costs.worst_micro_usd),
    )
