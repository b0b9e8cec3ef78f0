"""The context that every controller acts in: the settings, the two streams, the clock, the signals."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, RenderableType

from console.interrupts import Interrupts
from console.views.words import line
from pipeline.clock import Clock
from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a controller works.

    Attributes:
        settings: What is configured.
        out: Standard output: the result, and nothing else.
        err: Standard error: progress, notes and warnings.
        json: Whether the result is one JSON document.
        clock: The present moment.
        interrupts: Ctrl-C and its relatives.
    """

    settings: Settings
    out: Console
    err: Console
    json: bool
    clock: Clock
    interrupts: Interrupts

    @property
    def animated(self) -> bool:
        """Whether progress can be redrawn in place."""
        return self.err.file.isatty() and self.err.is_terminal and not self.err.is_dumb_terminal

    def note(self, text: str, style: str = "") -> None:
        """Tell something beside the result, on one line of standard error."""
        self.err.print(line(text, style), soft_wrap=not self.animated)

    def show(self, view: RenderableType) -> None:
        """Draw something beside the result on standard error."""
        self.err.print(view)


class Screen(Console):
    """A console that leaves it to the session what happens when its reader has gone (Rich's own exits with 1)."""

    def on_broken_pipe(self) -> None:
        """Raise what Rich caught."""
        raise BrokenPipeError


def console_for(stream: TextIO) -> Console:
    """Return a console that draws on a stream and never fails for a character that the stream can't show.

    Markup, highlighting and emoji codes are off: what is shown comes from storyboards, not from us.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return Screen(file=stream, markup=False, highlight=False, emoji=False)


def consoles() -> tuple[Console, Console]:
    """Return the consoles of standard output and standard error."""
    return console_for(sys.stdout), console_for(sys.stderr)
