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

_NOTE = (
    "Accepted: of the takes that were generated or billed. Ratio: how many of these an accepted one took. "
    "Each: billed per accepted take. Quoted: expected, and below it at worst."
)


def report(found: CostReport) -> RenderableType:
    """Return a table with a row for each group, the dearest first, and the total."""
    time = f"reserved in {found.month} (UTC)" if found.month else "of all time"
    head = line(f"Costs by {found.by}, {time}, {count(found.cuts, 'cut')}", "bold")
    if not found.rows:
        return Group(head, Text("Nothing was reserved or spent."))
    rows = [(line(group), _columns(costs)) for group, costs in found.rows.items()]
    total = _columns(found.total)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column(found.by.value, overflow="fold", min_width=8)
    for number, name in enumerate(("billed", "reserved", "accepted", "ratio", "each", "quoted")):
        # Money is shown whole, however narrow the terminal is: the first column folds in its place.
        widest = max(len(part) for _, cells in (*rows, (None, total)) for part in cells[number].split("\n"))
        table.add_column(name, justify="right", no_wrap=True, min_width=max(widest, len(name)))
    for group, cells in rows:
        table.add_row(group, *cells)
    table.add_section()
    table.add_row(Text("total", "bold"), *(Text(each, "bold") for each in total))
    return Group(head, table, Text(_NOTE, "dim"))


def _columns(costs: Costs) -> tuple[str, ...]:
    multiplier, average = costs.multiplier, costs.per_accepted
    return (
        format_usd(costs.billed_micro_usd),
        format_usd(costs.reserved_micro_usd),
        f"{costs.accepted} of {costs.attempts}",
        "" if multiplier is None else f"{float(multiplier):.2f}",
        "" if average is None else format_usd(math.ceil(average)),
        f"{format_usd(costs.expected_micro_usd)}\n{format_usd(costs.worst_micro_usd)}",
    )
