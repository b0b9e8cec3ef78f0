"""A cut under way: redrawn in place on a terminal, as lines of what changed elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from console.views.words import count, length, line, state
from pipeline.production.states import CutState, ShotState
from pipeline.production.status import CutStatus, ShotStatus
from pipeline.units import format_usd

_ORDER = (
    ShotState.NEEDS_ATTENTION,
    ShotState.GENERATING,
    ShotState.ACCEPTED,
    ShotState.WAITING,
    ShotState.READY,
    ShotState.CANCELLED,
)
_AROUND = 6
"""Lines of the terminal that are not the table's."""
_BASE = {
    ShotState.WAITING: 0.0,
    ShotState.GENERATING: 0.05,
    ShotState.ACCEPTED: 0.75,
    ShotState.READY: 1.0,
    ShotState.NEEDS_ATTENTION: 0.0,
    ShotState.CANCELLED: 0.0,
}
_DOING = {"generate": (0.05, 0.5), "in flight": (0.05, 0.5), "check": (0.55, 0.2), "conform": (0.75, 0.25)}
_SAID = {
    CutState.GENERATING: "generating shots",
    CutState.MATCHING: "comparing the takes with one another",
    CutState.STITCHING: "putting the film together",
    CutState.DELIVERING: "storing and verifying the files",
    CutState.DELIVERED: "delivered",
    CutState.NEEDS_ATTENTION: "needs attention",
    CutState.CANCELLED: "cancelled",
}


class Ticker:
    """Shows a cut's progress on a terminal, and nothing anywhere else.

    Args:
        console: Where to.
        animated: Whether it can be redrawn in place.
    """

    def __init__(self, console: Console, *, animated: bool) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, auto_refresh=False) if animated else None

    def __enter__(self) -> Self:
        """Begin."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the picture away, and give the cursor back."""
        if self._live is not None:
            self._live.stop()

    def show(self, cut: CutStatus, elapsed_s: float) -> None:
        """Draw where the cut stands."""
        if self._live is not None:
            rows = max(3, self._console.height - _AROUND)
            self._live.update(picture(cut, elapsed_s, rows), refresh=True)


def picture(cut: CutStatus, elapsed_s: float, rows: int) -> RenderableType:
    """Return a cut's progress, at most so many lines of shots; the rest is counted."""
    shown = _chosen(cut.shots, rows)
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="ellipsis", no_wrap=True, max_width=28)
    table.add_column(no_wrap=True, width=15)
    table.add_column(overflow="ellipsis", no_wrap=True, max_width=28)
    table.add_column(no_wrap=True, width=7)
    table.add_column(width=18)
    for shot in shown:
        table.add_row(*_row(shot))
    parts: list[RenderableType] = [_head(cut, elapsed_s), table]
    if len(shown) < len(cut.shots):
        parts.append(Text(f"and {count(len(cut.shots) - len(shown), 'shot')} more: {_counts(cut)}", "dim"))
    foot = Table.grid(padding=(0, 2))
    percent = Text(f"{cut.progress:4.0%}")
    foot.add_row(ProgressBar(total=1.0, completed=cut.progress, width=40), percent, Text(_SAID[cut.state], "bold"))
    parts.append(foot)
    return Group(*parts)


def changes(before: CutStatus | None, now: CutStatus) -> list[str]:
    """Return what changed between two looks, a line each."""
    known = {shot.key: shot for shot in before.shots} if before else {}
    said: list[str] = []
    for shot in now.shots:
        past = known.get(shot.key)
        if past is None or (past.state, len(past.takes)) != (shot.state, len(shot.takes)):
            said.append(_said_of(shot))
    if before is None or before.state != now.state:
        said.append(f"cut {now.id}: {_SAID[now.state]}")
    if now.paused and not (before and before.paused):
        said.append(f"cut {now.id}: paused; go on with: dailies resume {now.id}")
    return said


def _said_of(shot: ShotStatus) -> str:
    parts = [f"shot {shot.key}: {_word(shot)}"]
    if shot.state is ShotState.GENERATING and shot.takes:
        parts.append(f"take {shot.takes[-1].number}, {shot.takes[-1].model}")
    if shot.state is ShotState.NEEDS_ATTENTION:
        parts.append(shot.reason)
    return ", ".join(part for part in parts if part)


def _word(shot: ShotStatus) -> str:
    word = shot.state.replace("_", " ")
    if shot.placeholder:
        return f"{word} (placeholder)"
    return word


def _head(cut: CutStatus, elapsed_s: float) -> Text:
    head = Text(no_wrap=True, overflow="ellipsis")
    head.append_text(line(cut.title or cut.storyboard, "bold"))
    head.append(f"  {cut.stage} cut {cut.id}  {length(elapsed_s)}  {format_usd(cut.spent_micro_usd)}", "dim")
    if cut.paused:
        head.append("  paused", "bold yellow")
    return head


def _chosen(shots: tuple[ShotStatus, ...], rows: int) -> list[ShotStatus]:
    """Return the shots that most is to be said of, in film order."""
    if len(shots) <= rows:
        return list(shots)
    urgent = sorted(range(len(shots)), key=lambda index: (_ORDER.index(shots[index].state), index))
    return [shots[index] for index in sorted(urgent[:rows])]


def _counts(cut: CutStatus) -> str:
    return ", ".join(f"{cut.counts[word]} {word.replace('_', ' ')}" for word in _ORDER if cut.counts.get(word))


def _row(shot: ShotStatus) -> tuple[RenderableType, ...]:
    take = shot.takes[-1] if shot.takes else None
    model = line(take.model, "dim") if take else Text("")
    adopted = take is not None and take.adopted_from is not None
    number = "" if take is None else "adopted" if adopted else f"take {take.number}"
    word = state(shot.state)
    if shot.state is ShotState.GENERATING and shot.doing == "check":
        word = Text("checking", "cyan")
    elif shot.doing == "in flight":
        word = Text("in flight", "cyan")
    elif shot.doing == "conform":
        word = Text("conforming", "blue")
    elif shot.state is ShotState.GENERATING and not shot.doing:
        word = Text("queued", "dim")
    return line(shot.key), word, model, Text(number, "dim"), ProgressBar(total=1.0, completed=_share(shot), width=18)


def _share(shot: ShotStatus) -> float:
    start, span = _DOING.get(shot.doing, (_BASE[shot.state], 0.0))
    return start + span * shot.progress
