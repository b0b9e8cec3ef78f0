"""What a server of the OpenAI video format understands: the registry's ``wire`` of an ``openai_compatible`` model.

Servers of this format differ in everything but its core, and none says what it takes. So nothing is tried or found out:
what stands here is sent, and nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from pipeline.control.request import GenerationRequest
from pipeline.engines.base import JobState
from pipeline.engines.wording import seconds_told
from pipeline.errors import ProviderError, Trouble
from pipeline.registry.files import parse
from pipeline.registry.words import Entry

SET_BY_THE_SHOT: Final = frozenset(
    {"model", "prompt", "seconds", "size", "width", "height", "num_frames", "fps", "n", "input_reference"}
)
"""Fields that a storyboard's own parameters can't set: the price was quoted for what the shot says."""

_NO_FRAME: Final = Fraction(1, 1000)
"""So small a part of a frame counts as none."""

Field_ = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.\[\]-]{0,63}$")]


class Scale(Entry):
    """The server's guidance scale."""

    low: float
    """Its value at guidance 0."""
    high: float
    """Its value at guidance 1."""


class FrameGrid(Entry):
    """Frame counts that the model can make."""

    multiple_of: Annotated[int, Field(ge=1, le=1000)] = 1
    """Counts are multiples of this,"""
    plus: Annotated[int, Field(ge=0, le=1000)] = 0
    """and this many more (Wan makes multiples of 4, plus 1)."""

    def at_least(self, frames: int) -> int:
        """Return the smallest count that is no smaller."""
        return max(0, math.ceil((frames - self.plus) / self.multiple_of)) * self.multiple_of + self.plus


class VideosWire(Entry):
    """Fields of ``wire`` for the engine ``openai_compatible``."""

    model: Annotated[str, Field(max_length=200)] = ""
    """The model's name at the server, if it is not that of the registry."""
    size: Literal["size", "width_height", "none"] = "size"
    """How the picture's size is sent: as ``size`` (1280x720), as ``width`` and ``height``, or not at all."""
    seconds: (
        bool | Annotated[tuple[Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3})?$")], ...], Field(min_length=1)]
    ) = True
    """Whether ``seconds`` is sent; a list names the only values that the server takes."""
    num_frames: bool | FrameGrid = False
    """Whether ``num_frames`` is sent, and which counts the model can make."""
    fps: bool = False
    """Whether ``fps`` is sent."""
    seed: bool = False
    """Whether ``seed`` is sent."""
    negative_prompt: bool = False
    """Whether ``negative_prompt`` is sent."""
    guidance_scale: Scale | None = None
    """The scale of ``guidance_scale``; not sent if left out."""
    generate_sound: bool = False
    """Whether ``generate_sound`` is sent."""
    input_reference: bool = False
    """Whether the first frame is sent as ``input_reference``."""
    fields: dict[Field_, str | int | float | bool] = Field(default_factory=dict)
    """Further fields that are always sent, such as ``num_inference_steps``."""
    reference: Field_ | Literal[""] = ""
    """A field that the server keeps and tells again with the job: our own reference of the take is sent in it."""
    result: Literal["content", "url"] = "content"
    """Where the clip is: at ``/videos/{id}/content``, or at the ``url`` of the finished job."""
    states: dict[str, Literal["queued", "running", "succeeded", "failed", "cancelled"]] = Field(default_factory=dict)
    """The server's own words for a job's state, besides those of the format."""
    cancel: Literal["none", "post", "delete"] = "none"
    """How a job is stopped: not at all, ``POST /videos/{id}/cancel``, or ``DELETE /videos/{id}``."""
    reconcile: Literal["none", "idempotency", "list"] = "none"
    """How a job is found whose create call was not answered: not at all; by asking again with the same
    ``Idempotency-Key``, if the server is known to honour it; or in the list of jobs."""
    list_lag_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """How long a new job may be missing from the list of jobs, in seconds."""

    def state(self, word: str) -> JobState | None:
        """Return what the server's word for a job's state means, if anybody knows."""
        said = self.states.get(word)
        return JobState(said) if said else _STATES.get(word)


_STATES: Final[Mapping[str, JobState]] = {
    "queued": JobState.QUEUED,
    "in_progress": JobState.RUNNING,
    "completed": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
    "canceled": JobState.CANCELLED,
}


def videos_wire(wire: Mapping[str, Any], model: str) -> VideosWire:
    """Return a model's ``wire``.

    Raises:
        ConfigurationError: Names every wrong field, and the model.
    """
    return parse(VideosWire, wire, file=f"registry, model {model}", prefix="wire")


def form_fields(wire: VideosWire, model: str, request: GenerationRequest, intent: str) -> dict[str, str]:
    """Return the text fields of a create call.

    Args:
        wire: What the server understands.
        model: The model's name in the registry.
        request: What to generate.
        intent: Our own reference.

    Raises:
        ProviderError: ``INVALID`` if the request can't be put into words that the server understands.
    """
    chosen = {"model": wire.model or model, "prompt": request.prompt, **_shape(wire, model, request)}
    if wire.seed:
        chosen["seed"] = str(request.seed)
    if wire.negative_prompt and request.negative_prompt:
        chosen["negative_prompt"] = request.negative_prompt
    if wire.guidance_scale is not None and request.guidance is not None:
        scale = wire.guidance_scale
        chosen["guidance_scale"] = f"{scale.low + (scale.high - scale.low) * request.guidance:.4g}"
    if wire.generate_sound:
        chosen["generate_sound"] = _text(request.audio)
    for name, value in request.parameters.items():
        if name in SET_BY_THE_SHOT or name == wire.reference:
            raise _invalid(model, f"parameters.openai_compatible.{name} is set by the shot itself; leave it out.")
        if value is not None:
            chosen[name] = _text(value)
    fixed = {name: _text(value) for name, value in wire.fields.items()}
    reference = {wire.reference: intent} if wire.reference else {}
    return {**fixed, **chosen, **reference}


def _shape(wire: VideosWire, model: str, request: GenerationRequest) -> dict[str, str]:
    shape: dict[str, str] = {}
    if wire.size == "size":
        shape["size"] = f"{request.width}x{request.height}"
    elif wire.size == "width_height":
        shape |= {"width": str(request.width), "height": str(request.height)}
    if wire.seconds is not False:
        shape["seconds"] = seconds_of(wire, model, request)
    if wire.num_frames is not False:
        grid = wire.num_frames if isinstance(wire.num_frames, FrameGrid) else FrameGrid()
        shape["num_frames"] = str(grid.at_least(request.frames))
    if wire.fps:
        rate = request.rate
        shape["fps"] = str(rate.numerator) if rate.denominator == 1 else f"{float(rate):.3f}"
    return shape


def seconds_of(wire: VideosWire, model: str, request: GenerationRequest) -> str:
    """Return the length as the server is told it.

    See :func:`pipeline.engines.wording.seconds_told`.

    Raises:
        ProviderError: ``INVALID`` if the server does not offer such a length.
    """
    if isinstance(wire.seconds, tuple):
        shortest = (request.frames - 1 + _NO_FRAME) / request.rate
        enough = [each for each in wire.seconds if Fraction(each) > shortest]
        if not enough:
            raise _invalid(model, f"{request.duration_s:.4g} s is longer than anything its wire.seconds lists.")
        return min(enough, key=Fraction)
    return seconds_told(request)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def _invalid(model: str, what: str) -> ProviderError:
    return ProviderError(f"{model}: {what}", trouble=Trouble.INVALID, where="openai_compatible")
