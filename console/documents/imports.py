"""JSON document of an imported storyboard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from console.documents.failures import problem
from pipeline.errors import Problem
from pipeline.storyboard.schema import Storyboard


def imported(storyboard: Storyboard, out: Path, lost: Sequence[Problem]) -> dict[str, Any]:
    """Return the document of an import; ``warnings`` names what could not be taken over."""
    return {
        "file": str(out),
        "storyboard": storyboard.id,
        "title": storyboard.title,
        "shots": len(storyboard.shots),
        "warnings": [problem(each) for each in lost],
    }
