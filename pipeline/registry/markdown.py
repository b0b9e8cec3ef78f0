"""Small helpers for pages of docs/ that are generated from data."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [_row(head), "|" + " --- |" * len(head), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def fields(kind: type[BaseModel]) -> str:
    """Return a Markdown table of a model's fields, from their docstrings."""
    rows = [
        (f"`{field.alias or name}`", "yes" if field.is_required() else "", field.description or "")
        for name, field in kind.model_fields.items()
    ]
    return table(("field", "required", "meaning"), rows)


def main(page: str, text: str, arguments: Sequence[str]) -> int:
    """Write a page, or with ``--check`` say whether it is current.

    Args:
        page: Name of the file in docs/.
        text: What it has to say.
        arguments: Command line arguments after the module's name.

    Returns:
        0 if the page is current or was written, 1 if ``--check`` found it out of date, 2 for other
        arguments.
    """
    path = DOCS / page
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m <module> [--check]\n")
        return 2
    if not arguments:
        path.write_text(text, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"docs/{page} is out of date; write it anew with the same command without --check\n")
    return 1
