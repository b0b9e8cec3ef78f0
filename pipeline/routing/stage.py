"""The stage of a cut: what it is made for decides how much it may cost."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """What a cut is made for."""

    PREVIEW = "preview"
    """To look at, from the draft tier, before anything is spent."""
    FINAL = "final"
    """To deliver, from each shot's own tier."""
