"""How an error looks: what, where, remedy. Never a traceback."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from console.views.words import line
from pipeline.errors import BudgetRefused, DailiesError, MediaError, Problem, StoryboardError


def failure(error: DailiesError) -> RenderableType:
    """Return what a person sees of an error."""
    if isinstance(error, StoryboardError):
        head = Text.assemble(("Error ", "bold red"), line(error.what))
        return Group(head, *(problem(each) for each in error.problems))
    word = "Refused " if isinstance(error, BudgetRefused) else "Error "
    rows: list[RenderableType] = [Text.assemble((word, "bold red"), line(_sentence(error.what)))]
    if error.where:
        rows.append(_row("Where", error.where))
    if isinstance(error, MediaError) and error.log_tail:
        rows.append(_row("Log", error.log_tail))
    if error.remedy:
        rows.append(_row("Remedy", error.remedy))
    return Group(*rows)


def problem(fault: Problem, style: str = "red") -> RenderableType:
    """Return one fault of a file: its place, in the form editors and terminals make a link of, and what to do."""
    place = f"{fault.file}:{fault.line}:{fault.column}" if fault.line else fault.file
    head = Text.assemble(line(place, "bold"), "  ", line(fault.field, style))
    said = line(fault.message)
    if fault.remedy:
        said.append(" ")
        said.append_text(line(fault.remedy, "dim"))
    return Group(head, Padding(said, (0, 0, 0, 4)))


def _row(name: str, text: str) -> RenderableType:

    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=6, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row(name, line(text))
    return grid


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
