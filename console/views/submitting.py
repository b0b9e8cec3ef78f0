"""What was enqueued and what was done to a cut, in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.views.words import count, line
from pipeline.production.resolve import Resolved
from pipeline.production.status import CutStatus
from pipeline.production.submit import Receipt
from pipeline.units import format_usd

_DONE = {
    "retry": "{shots} sent on",
    "placeholder": "placeholders stand in for {shots}",
    "pause": "paused: what runs finishes, nothing more starts",
    "resume": "goes on",
    "cancel": "cancelled: accepted takes are kept",
}


def receipts(given: Sequence[Receipt], waiting: str) -> RenderableType:
    """Return a line for each cut; ids first, for people who copy them."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    for _ in range(4):
        table.add_column(overflow="fold")
    for each in given:
        price = each.quoted.quote
        where = f", campaign {each.campaign}" if each.campaign else ""
        said = f"was submitted before, {each.state.replace('_', ' ')}" if each.existed else "new"
        money = f"{format_usd(price.expected_micro_usd)}, at worst {format_usd(price.worst_micro_usd)}"
        table.add_row(
            each.cut_id, line(each.storyboard), f"{each.stage}, {count(each.shots, 'shot')}", money, line(said + where)
        )
    rows: list[RenderableType] = [table]
    if waiting:
        rows.append(_waiting(waiting))
    rows.append(Text(f"Follow with: dailies watch {given[0].cut_id}", "dim"))
    return Group(*rows)


def resolved(word: Resolved) -> RenderableType:
    """Return what became of a take that a person settled, and what to do next."""
    take = word.take
    held = format_usd(take.held_micro_usd)
    became = f"{held} counts as spent" if word.charged_micro_usd else f"{held} is free again"
    head = Text.assemble(
        (take.take_id, "bold"), "  ", line(f"{take.storyboard}/{take.shot}, take {take.number}: {became}")
    )
    return Group(head, line(f"Make the shot anew with: {word.retry}", "dim")) if word.retry else head


def steered(cut: CutStatus, done: str, shots: int, waiting: str) -> RenderableType:
    """Return what was done to a cut."""
    said = _DONE[done].format(shots=count(shots, "shot"))
    head = Text.assemble((cut.id, "bold"), "  ", line(cut.title or cut.storyboard), f"  {said}")
    lines: list[RenderableType] = [head]
    if cut.in_flight and done in ("cancel", "pause"):
        lines.append(_in_flight(cut.in_flight, done))
    if waiting:
        lines.append(_waiting(waiting))
    return Group(*lines)


def _in_flight(takes: int, done: str) -> Text:
    many = count(takes, "take")
    if done == "pause":
        return line(f"{many} in flight at providers: they finish and are collected.", "dim")
    return line(
        f"{many} could not be stopped at the provider yet and may be charged: the watcher (`dailies up`, "
        "`dailies watcher`) collects or settles them; `dailies status` tells.",
        "yellow",
    )


def _waiting(why: str) -> Text:
    return line(f"It waits in the database: {why}", "yellow")
