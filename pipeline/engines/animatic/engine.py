"""The animatic engine: a request in, a drawn clip out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pipeline.control.request import GenerationRequest
from pipeline.engines.animatic.encode import ClipWriter, still_of, write_still
from pipeline.engines.animatic.shot import shot_of
from pipeline.engines.animatic.sound import scratch
from pipeline.engines.animatic.words import scene_of
from pipeline.engines.base import LocalEngine, Progress, Rendered
from pipeline.errors import EngineError

MODELS = ("painted", "pencil")
REPORT_EVERY = 6  # frames


class AnimaticEngine(LocalEngine):
    """Draws a shot from its card: free, fast, the same for the same request."""

    name: ClassVar[str] = "animatic"
    version: ClassVar[str] = "4"

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
        """Render one take; see the base class."""
        _check(model, request)
        progress(0.0)
        scene = scene_of(request)
        shot = shot_of(model, request, scene, images)
        sound = scratch(request, scene) if request.audio else None
        with ClipWriter(out, request.width, request.height, request.rate, sound) as clip:
            for index in range(request.frames):
                clip.write(shot.frame(index))
                if index % REPORT_EVERY == 0:
                    progress(index / request.frames)
            if last_frame:
                write_still(shot.clean(request.frames - 1), still_of(out))
        progress(1.0)
        facts = {"engine": self.name, "version": self.version, **shot.facts}
        return Rendered(out, facts, still_of(out) if last_frame else None)


def _check(model: str, request: GenerationRequest) -> None:
    if model not in MODELS:
        raise EngineError(
            f"The animatic engine has no model {model!r}.",
            where=request.shot_id,
            remedy=f"Use one of: {', '.join(MODELS)}.",
        )
    if request.width % 2 or request.height % 2 or min(request.width, request.height) < 16:
        raise EngineError(
            f"A frame of {request.width}x{request.height} pixels can't be drawn.",
            where=request.shot_id,
            remedy="Ask for an even width and height of at least 16 pixels.",
        )
    if request.frames < 1:
        raise EngineError("A clip needs at least one frame.", where=request.shot_id, remedy="Ask for a longer shot.")
