"""JSON document of ``doctor``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from console.values import Finding


def findings(found: Sequence[Finding], exit_code: int) -> dict[str, Any]:
    """Return the document: each finding, and what the command ends with."""
    return {"findings": [{**asdict(each), "level": str(each.level)} for each in found], "exit_code": exit_code}
