"""What a controller returns: an exit code, a document for scripts and a view for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from pipeline.errors import EXIT_DELIVERED


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a command; only what is shown gets made.

    Attributes:
        document: Makes the JSON document.
        view: Makes what a person sees.
        exit_code: What the process ends with.
    """

    document: Callable[[], dict[str, Any]]
    view: Callable[[], RenderableType]
    exit_code: int = EXIT_DELIVERED
