"""The engine contract: what every adapter offers, whoever's model it speaks to.

This machine's own engines render (:class:`LocalEngine`). Engines that create a job at a provider
and collect it later get their contract with the first of them; nothing here assumes either kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pipeline.control.request import GenerationRequest

Progress = Callable[[float], None]
"""Called with the share done, 0 to 1; may raise to stop the work."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A clip that an engine made.

    Attributes:
        path: The clip, complete and closed.
        facts: What the engine wants kept on the take (its version, what it could not honour).
        last_frame: The clip's last frame without burnt-in text, a PNG of the clip's size, if it was asked
            for and the engine can give one.
    """

    path: Path
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    last_frame: Path | None = None


class Engine(ABC):
    """One provider's API, or a renderer on this machine."""

    name: ClassVar[str]
    """The name that registry entries use."""
    version: ClassVar[str]
    """Raised whenever the same request would give another picture; part of a take's key."""

    @classmethod
    def missing_settings(cls, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Return the settings that must be configured before the engine can work; none by default."""
        del environment
        return ()


class LocalEngine(Engine):
    """Renders on the worker itself: free, repeatable, deterministic by seed."""

    @abstractmethod
    def render(
        self,
        model: str,
        request: GenerationRequest,
        images: Mapping[str, Path],
        out: Path,
        progress: Progress,
        *,
        last_frame: bool = False,
    ) -> Rendered:
        """Render one take.

        Args:
            model: Name of the model, as the registry has it after the engine's name.
            request: What to render.
            images: Local file of each picture in ``request.images()``, by content hash.
            out: File to write (MP4); its folder exists.
            progress: Told how far the work is.
            last_frame: Whether a clean last frame is wanted, for a shot that continues this one.

        Raises:
            EngineError: If it can't be rendered; says why.
        """
