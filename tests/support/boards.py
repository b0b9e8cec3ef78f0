"""Small storyboards for tests that decide and compile."""

from __future__ import annotations

from typing import Any

from pipeline.storyboard.schema import Storyboard


def board(*shots: dict[str, Any], **fields: Any) -> Storyboard:
    """Return a storyboard of some shots; each gets an id and a prompt unless it has one."""
    written = [{"id": f"s{i}", "prompt": f"Picture {i}", **shot} for i, shot in enumerate(shots, start=1)]
    return Storyboard.model_validate({"schema_version": 1, "id": "film", **fields, "shots": written})
