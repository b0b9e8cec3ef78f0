"""Cuts in the terminal: the list, one cut in full, and what became of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.views.words import Place, count, length, line, moment, size, state
from pipeline.production.resolve import UnknownTake
from pipeline.production.states import CutState, ShotState
from pipeline.production.status import CutStatus, FilmStatus, ShotStatus
from pipeline.units import format_usd


def listing(cuts: Sequence[CutStatus], unknown: Sequence[UnknownTake]) -> RenderableType:
    """Return the list of cuts, newest first, and below it takes of any cut whose outcome is unknown."""
    if not cuts:
        return Text("No cuts yet. Make one with: dailies run FILE -o OUT.mp4")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("cut", no_wrap=True)
    table.add_column("storyboard", overflow="fold")
    table.add_column("stage", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("ready", justify="right", no_wrap=True)
    table.add_column("spent", justify="right", no_wrap=True)
    table.add_column("submitted (UTC)", no_wrap=True)
    for cut in cuts:
        word = Text("paused", "yellow") if cut.paused else state(cut.state)
        done, total = cut.counts.get(ShotState.READY, 0), sum(cut.counts.values())
        table.add_row(
            cut.id,
            line(cut.storyboard),
            cut.stage,
            word,
            f"{done}/{total}",
            format_usd(cut.spent_micro_usd),
            cut.created_at.strftime("%m-%d %H:%M"),
        )
    return Group(table, *_unknown(unknown))


def whole(cut: CutStatus) -> RenderableType:
    """Return everything about one cut."""
    grid = _grid()
    grid.add_row("Cut", Text.assemble(f"{cut.id}  {cut.stage}  ", state(cut.state), "  paused" if cut.paused else ""))
    if cut.reason:
        grid.add_row("Reason", line(cut.reason, "yellow"))
    if cut.remedy:
        grid.add_row("Next", line(cut.remedy, "bold"))
    budget = "" if cut.budget_micro_usd is None else f" of {format_usd(cut.budget_micro_usd)}"
    reserved = f", {format_usd(cut.reserved_micro_usd)} reserved" if cut.reserved_micro_usd else ""
    grid.add_row("Cost", f"{format_usd(cut.spent_micro_usd)}{budget}{reserved}")
    grid.add_row("Submitted", moment(cut.created_at))
    if cut.finished_at:
        took = (cut.finished_at - cut.created_at).total_seconds()
        grid.add_row("Finished", f"{moment(cut.finished_at)}, after {length(took)}")
    grid.add_row("Look", _look(cut.consistency))
    rows: list[RenderableType] = [line(cut.title or cut.storyboard, "bold"), grid, _shots(cut.shots)]
    rows += _unknown(cut.unknown)
    rows += [_places(film) for film in cut.films]
    return Group(*rows)


def delivered(cut: CutStatus, *, files: Sequence[Path], again: bool, wall_s: float) -> RenderableType:
    """Return what a person is told when the film is there.

    Args:
        cut: The delivered cut.
        files: What was copied out, the first film first; empty if nothing was.
        again: Whether it had been delivered before this command.
        wall_s: How long the command took.
    """
    grid = _grid()
    places = _copied(files) if files else [_place(file) for film in cut.films for file in film.files]
    if cut.films:
        sound = cut.films[0].loudness_lufs
        loud = "" if sound is None else f", {sound:.1f} LUFS"
        grid.add_row("Length", f"{length(cut.films[0].duration_s)} ({cut.films[0].frames} frames{loud})")
    grid.add_row("Shots", _made(cut))
    grid.add_row("Look", _look(cut.consistency))
    grid.add_row("Cost", format_usd(cut.spent_micro_usd))
    if again and cut.finished_at:
        took = (cut.finished_at - cut.created_at).total_seconds()
        grid.add_row("Time", f"{length(wall_s)}; delivered before, {moment(cut.finished_at)}, in {length(took)}")
    else:
        grid.add_row("Time", length(wall_s))
    word = "Delivered before " if again else "Delivered "
    head = Text.assemble((word, "bold green"), line(cut.title or cut.storyboard, "bold"), f"  {cut.stage} cut {cut.id}")
    return Group(head, *places, grid)


def stuck(cut: CutStatus) -> RenderableType:
    """Return why a cut stands still, and the commands that help."""
    word = "Cancelled " if cut.state is CutState.CANCELLED else "Needs attention "
    rows: list[RenderableType] = [
        Text.assemble((word, "bold yellow"), line(cut.title or cut.storyboard, "bold"), f"  {cut.stage} cut {cut.id}"),
    ]
    if cut.reason:
        rows.append(line(f"  {cut.reason}"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(overflow="fold", style="bold")
    grid.add_column(overflow="fold")
    troubled = [shot for shot in cut.shots if shot.state is ShotState.NEEDS_ATTENTION]
    for shot in troubled:
        grid.add_row(line(f"  {shot.key}"), line(shot.reason))
    rows.append(grid)
    helps = Table.grid(padding=(0, 2))
    helps.add_column(no_wrap=True)
    helps.add_column(style="dim")
    helps.add_row(f"  dailies retry {cut.id}", "make them anew")
    if troubled:
        helps.add_row(f"  dailies retry {cut.id} --shot {troubled[0].key}", "make this one anew")
        helps.add_row(f"  dailies retry {cut.id} --placeholder", "finish with marked placeholders")
    helps.add_row(f"  dailies status {cut.id}", "every take and why it was refused")
    rows.append(helps)
    return Group(*rows)


def _unknown(takes: Sequence[UnknownTake]) -> list[RenderableType]:
    """Return what people have to find out at a provider: each take, what it holds and the command that settles it."""
    if not takes:
        return []
    held = format_usd(sum(each.held_micro_usd for each in takes))
    one = len(takes) == 1
    rows: list[RenderableType] = [
        line(
            f"The outcome of {count(len(takes), 'take')} is unknown; {'it holds' if one else 'they hold'} {held}:",
            "yellow",
        )
    ]
    for take in takes:
        job = f", job {take.provider_job}" if take.provider_job else ""
        what = f"{take.storyboard}/{take.shot} take {take.number}, {take.model}{job}"
        held = f"{format_usd(take.held_micro_usd)} since {moment(take.since)}"
        rows.append(line(f"  {what}: {held}. {take.reason}"))
        rows.append(line(f"    {take.remedy}", "bold"))
    return rows


def _made(cut: CutStatus) -> str:
    total = sum(cut.counts.values())
    parts = [f"{count(cut.takes, 'take')} generated"]
    if cut.adopted:
        parts.append(f"{cut.adopted} adopted from earlier cuts")
    stand_ins = sum(shot.placeholder for shot in cut.shots)
    if stand_ins:
        parts.append(count(stand_ins, "placeholder"))
    return f"{total}: {', '.join(parts)}"


def _look(report: dict[str, Any] | None) -> Text:
    """Return the consistency check in a sentence; one that did not compare everything says so."""
    if report is None:
        return Text("not compared", "dim")
    deviations: list[dict[str, Any]] = report.get("deviations", [])
    left_out = len(report.get("not_compared", {}))
    compared = len(report.get("ranking", []))
    tail = f" ({count(left_out, 'shot')} not compared)" if left_out else ""
    if deviations:
        names = list(dict.fromkeys(_who(each) for each in deviations))
        reason = str(deviations[0].get("reason", ""))
        return line(f"{count(len(names), 'outlier')}: {', '.join(names)}. {reason}{tail}", "yellow")
    if not compared:
        reasons = list(dict.fromkeys(str(each) for each in report.get("not_compared", {}).values()))
        return line(f"not compared: {'; '.join(reasons)}" if reasons else "not compared: there is nothing to", "dim")
    return Text(f"{count(compared, 'shot')} compared, none stands out{tail}")


def _who(deviation: dict[str, Any]) -> str:
    other = deviation.get("other_shot_id")
    return f"{deviation['shot_id']} against {other}" if other else str(deviation["shot_id"])


def _shots(shots: Sequence[ShotStatus]) -> RenderableType:
    """Return the takes in a table, and below it why those that were refused were."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("shot", overflow="fold")
    table.add_column("state", no_wrap=True)
    table.add_column("take", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("model", overflow="fold")
    table.add_column("seed", justify="right", no_wrap=True)
    table.add_column("price", justify="right", no_wrap=True)
    reasons = Table.grid(padding=(0, 2))
    reasons.add_column(no_wrap=True)
    reasons.add_column(overflow="fold")
    for shot in shots:
        name, word = line(shot.key), Text("placeholder", "yellow") if shot.placeholder else state(shot.state)
        if not shot.takes:
            table.add_row(name, word)
        for index, take in enumerate(shot.takes):
            verdict = "adopted" if take.adopted_from and take.state == "accepted" else take.state
            facts = (str(take.number), verdict, line(take.model), str(take.seed), format_usd(take.charged_micro_usd))
            table.add_row(*((name, word) if index == 0 else ("", "")), *facts)
            if take.reason:
                reasons.add_row(line(f"{shot.key}, take {take.number}"), line(take.reason, "dim"))
        if shot.reason:
            reasons.add_row(line(shot.key), line(shot.reason, "yellow"))
    return Group(table, reasons) if reasons.row_count else table


def _places(film: FilmStatus) -> RenderableType:
    head = Text.assemble(line(film.name, "bold"), f"  {length(film.duration_s)}, {film.frames} frames")
    return Group(head, *(_place(file) for file in film.files))


def _copied(files: Sequence[Path]) -> list[RenderableType]:
    beside = ", ".join(each.name for each in files[1:])
    rows: list[RenderableType] = [Place("Film      ", str(files[0]), "bold")]
    if beside:
        grid = _grid()
        grid.add_row("Beside it ", line(beside))
        rows.append(grid)
    return rows


def _place(file: dict[str, Any]) -> Place:
    label = f"{str(file['kind']).capitalize():<10}"
    return Place(label, f"{file['url']}  {size(int(file['size']))}")


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, min_width=10)
    grid.add_column(overflow="fold")
    return grid
