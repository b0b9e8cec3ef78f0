"""A storyboard, its price and its routes in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from console.views.words import count, length, line
from pipeline.routing.decision import Candidate, RouteDecision
from pipeline.routing.quote import Quote, ShotQuote
from pipeline.storyboard.load import LoadedStoryboard
from pipeline.storyboard.schema import Storyboard, TransitionKind
from pipeline.units import format_usd


def board(loaded: LoadedStoryboard) -> RenderableType:
    """Return what ``validate`` says of a storyboard without problems."""
    storyboard = loaded.storyboard
    shots = storyboard.enabled_shots
    head = Text.assemble(
        ("Valid ", "bold green"),
        line(storyboard.title or storyboard.id, "bold"),
        f"  {count(len(shots), 'shot')}, about {length(_film_s(storyboard))}",
    )
    rows: list[RenderableType] = [head]
    rows += [
        line(f"  {each.name}: {each.size[0]}x{each.size[1]}, {float(each.rate):g} fps", "dim")
        for each in storyboard.deliverables
    ]
    if loaded.warnings:
        rows.append(line(f"  {count(len(loaded.warnings), 'warning')}, named above", "yellow"))
    return Group(*rows)


def _film_s(storyboard: Storyboard) -> float:
    """Return how long the film lasts, in seconds: what crossfades overlap is seen once."""
    first, *others = storyboard.enabled_shots
    seconds = storyboard.duration_of(first)
    for shot in others:
        transition = storyboard.transition_of(shot)
        overlap = transition.duration_s if transition.kind is TransitionKind.CROSSFADE else 0.0
        seconds += storyboard.duration_of(shot) - overlap
    return seconds


def quote(price: Quote) -> RenderableType:
    """Return a price: shot by shot, the sums, and what limits them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("shot", overflow="fold")
    table.add_column("tier", no_wrap=True)
    table.add_column("model", overflow="fold")
    table.add_column("takes", justify="right")
    table.add_column("expected", justify="right", no_wrap=True)
    table.add_column("at worst", justify="right", no_wrap=True)
    for shot in price.shots:
        table.add_row(*_quote_row(shot))
    table.add_section()
    table.add_row(
        count(len(price.shots), "shot"),
        "",
        "",
        "",
        Text(format_usd(price.expected_micro_usd), "bold"),
        Text(format_usd(price.worst_micro_usd), "bold"),
    )
    rows: list[RenderableType] = [
        line(f"{price.storyboard_id}, {price.stage} cut, prices of {price.day} (UTC)", "bold"),
        table,
    ]
    rows += [line(f"Limit {each.name}: {format_usd(each.amount_micro_usd)}") for each in price.limits]
    rows += [line(each, "yellow") for each in price.warnings]
    if price.refusal:
        rows.append(line(f"Refused: {price.refusal}", "bold red"))
    return Group(*rows)


def _quote_row(shot: ShotQuote) -> tuple[RenderableType, ...]:
    takes = f"{shot.candidates} x {shot.max_attempts}" if shot.candidates > 1 else f"up to {shot.max_attempts}"
    return (
        line(shot.shot_id),
        str(shot.tier),
        line(shot.model) if shot.model else Text("none", "bold red"),
        takes,
        "" if shot.expected_micro_usd is None else format_usd(shot.expected_micro_usd),
        "" if shot.worst_micro_usd is None else format_usd(shot.worst_micro_usd) + (" (cap)" if shot.capped else ""),
    )


def routes(decisions: Sequence[RouteDecision]) -> RenderableType:
    """Return the routes; shots in a row that are decided alike are told once."""
    rows: list[RenderableType] = []
    groups: list[tuple[RouteDecision, list[str]]] = []
    for each in decisions:
        if groups and _alike(groups[-1][0], each):
            groups[-1][1].append(each.shot_id)
        else:
            groups.append((each, [each.shot_id]))
    for decision, shots in groups:
        rows += _route(decision, shots)
    first = decisions[0]
    table, registry = first.table_hash[:12], first.registry_hash[:12]
    rows.append(line(f"Routing table {first.table_version} ({table}), registry {registry}, day {first.day}", "dim"))
    return Group(*rows)


def _alike(one: RouteDecision, other: RouteDecision) -> bool:
    return one.model_copy(update={"shot_id": other.shot_id}) == other


def _route(decision: RouteDecision, shots: Sequence[str]) -> list[RenderableType]:
    head = Text.assemble(
        line(", ".join(shots), "bold"),
        f"  tier {decision.tier_used}, ",
        line(decision.model, "green") if decision.model else Text("no model", "bold red"),
    )
    rows: list[RenderableType] = [head]
    rows += [Padding(line(note, "dim"), (0, 0, 0, 2)) for note in decision.notes]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right")
    grid.add_column(overflow="fold")
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    for each in decision.candidates:
        grid.add_row(f"{each.rank}.", line(each.model), Text(each.role, _ROLE_STYLES[each.role]), _why(each))
    if decision.candidates:
        rows.append(Padding(grid, (0, 0, 0, 2)))
    else:
        rows.append(line("  The routing table names no model for this tier.", "yellow"))
    return rows


_ROLE_STYLES = {"first": "green", "fallback": "cyan", "reserve": "dim", "refused": "red"}


def _why(candidate: Candidate) -> Text:
    said = line(candidate.reason)
    if candidate.expected_micro_usd is not None:
        said.append(f"; a take {format_usd(candidate.expected_micro_usd)}")
    if candidate.health and not candidate.health.startswith("healthy"):
        said.append_text(line(f"; {candidate.health}", "yellow"))
    for note in candidate.notes:
        said.append_text(line(f"; {note}", "dim"))
    return said
