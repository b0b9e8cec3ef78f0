"""Small words of every view: texts made safe, states, lengths, moments."""

from __future__ import annotations

import re
from datetime import datetime

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

# A file's name or a provider's message may hold what moves the cursor or renames the window.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

STATE_STYLES = {
    "waiting": "dim",
    "generating": "cyan",
    "accepted": "blue",
    "ready": "green",
    "matching": "cyan",
    "stitching": "cyan",
    "delivering": "cyan",
    "delivered": "bold green",
    "needs_attention": "bold yellow",
    "cancelled": "dim",
    "ok": "green",
    "warning": "yellow",
    "fault": "bold red",
}
"""How a state looks; the word itself is always there too."""


def safe(text: str) -> str:
    """Return a text in which control characters are written out."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def line(text: str, style: str = "") -> Text:
    """Return a text of foreign origin as something that can be drawn."""
    return Text(safe(text), style=style, overflow="fold")


class Place:
    """A file's place after a label, never folded, so that it can be copied from the terminal in one piece.

    Args:
        label: What lies there.
        where: Path or URL.
        style: How it looks.
    """

    def __init__(self, label: str, where: str, style: str = "") -> None:
        self._label = label
        self._where = safe(where)
        self._style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the label, the place and the end of the line."""
        del options
        yield Segment(f"{self._label}  ", console.get_style("dim"))
        yield Segment(self._where, console.get_style(self._style or "none"))
        yield Segment.line()


def state(word: str) -> Text:
    """Return a state as it is shown."""
    return Text(word.replace("_", " "), style=STATE_STYLES.get(word, ""))


def length(seconds: float) -> str:
    """Return a film's length, such as ``8.5 s`` or ``2 min 05 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def size(count: int) -> str:
    """Return a number of bytes for people."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def moment(when: datetime) -> str:
    """Return a moment in UTC."""
    return when.strftime("%Y-%m-%d %H:%M:%S UTC")


def count(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 shot`` or ``3 shots``."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or f'{noun}s'}"
