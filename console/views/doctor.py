"""What ``doctor`` found, in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.values import Finding, Level
from console.views.words import count, line, state


def findings(found: Sequence[Finding]) -> RenderableType:
    """Return a line for each finding, its remedy below it, and the sum."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for each in found:
        said = line(each.found)
        if each.remedy:
            said.append_text(line(f"\n{each.remedy}", "bold"))
        grid.add_row(state(each.level), each.subject, said)
    faults = sum(each.level is Level.FAULT for each in found)
    warnings = sum(each.level is Level.WARNING for each in found)
    if faults:
        last = Text(f"{count(faults, 'fault')}, {count(warnings, 'warning')}.", "bold red")
    elif warnings:
        last = Text(f"Everything works; {count(warnings, 'warning')}.", "yellow")
    else:
        last = Text("Everything works.", "green")
    return Group(grid, last)
