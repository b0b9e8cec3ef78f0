"""An imported storyboard in the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from console.views.words import Place, count, length, line
from pipeline.errors import Problem
from pipeline.storyboard.schema import Storyboard


def imported(storyboard: Storyboard, out: Path, lost: Sequence[Problem]) -> RenderableType:
    """Return what was written and what comes next."""
    shots = storyboard.enabled_shots
    seconds = sum(storyboard.duration_of(shot) for shot in shots)
    head = Text.assemble(
        ("Imported ", "bold green"),
        line(storyboard.title or storyboard.id, "bold"),
        f"  {count(len(shots), 'shot')}, about {length(seconds)}",
    )
    rows: list[RenderableType] = [head, Place("  Board", str(out))]
    if lost:
        rows.append(line(f"  {count(len(lost), 'warning')}, named above", "yellow"))
    rows.append(Place("  Make the preview with", shlex.join(["dailies", "run", str(out), "-o", f"{out.stem}.mp4"])))
    return Group(*rows)
