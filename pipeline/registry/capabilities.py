"""What a model can do, as data. No code anywhere asks for a provider's or a model's name."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.registry.words import Audio, Entry, Known, Mode, PixelSize, Ratio, Resolution
from pipeline.units import frame_rate

Seconds = Annotated[float, Field(gt=0, le=600)]
Phrase = Annotated[str, StringConstraints(max_length=200)]


class DurationRange(Entry):
    """Clip lengths from ``min_s`` to ``max_s``, on a grid of ``step_s`` from ``min_s`` if it is given."""

    min_s: Annotated[float, Field(ge=0, le=600)] = 0.0
    """Shortest clip in seconds."""
    max_s: Seconds
    """Longest clip in seconds."""
    step_s: Seconds | None = None
    """Grid of lengths above the shortest, in seconds; any length if left out."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_s > self.max_s:
            message = "min_s is greater than max_s"
            raise ValueError(message)
        return self


class GuidanceScale(Entry):
    """Where 0 and 1 of the storyboard's guidance lie on the model's own scale."""

    low: float
    """The model's value at guidance 0."""
    high: float
    """The model's value at guidance 1."""
    default: float | None = None
    """The value the model uses by itself, if known."""
    parameter: str = ""
    """Name of the model's own parameter, for people; the engine knows it too."""


class CameraControl(Entry):
    """How the model takes the camera's words: phrases in the prompt, or parameters of its own."""

    phrases: dict[str, Phrase] = Field(default_factory=dict)
    """Word of the vocabulary to the phrase this model follows best; other words use the common one."""
    parameters: dict[str, dict[str, str | float | int | bool]] = Field(default_factory=dict)
    """Move of the vocabulary to the engine's own fields; such a move is left out of the prompt."""


class Capabilities(Entry):
    """What a model can do. A fact that nobody has verified is ``unknown`` and is never relied on."""

    modes: Annotated[tuple[Mode, ...], Field(min_length=1)]
    """What it generates from; image-to-video takes a first frame, first-last-frame both."""
    durations: DurationRange | tuple[Seconds, ...] | Literal["unknown"] = "unknown"
    """Clip lengths in seconds: a range or a list."""
    resolutions: tuple[Resolution, ...] | Literal["any", "unknown"] = "unknown"
    """Resolution classes it offers."""
    sizes: tuple[PixelSize, ...] = ()
    """Exact pixel sizes, for models that accept only these; takes precedence over ``resolutions``."""
    aspect_ratios: tuple[Ratio, ...] | Literal["any", "unknown"] = "unknown"
    """Aspect ratios it offers; of no meaning where ``sizes`` is given."""
    fps: tuple[str | float | int, ...] | Literal["any", "unknown"] = "unknown"
    """Frame rates it delivers; unknown is harmless, because every take is conformed."""
    audio: Audio = "unknown"
    """Whether its clips have sound."""
    seed: Known = "unknown"
    """Whether it takes a seed."""
    guidance: GuidanceScale | Known = "unknown"
    """Its guidance scale; ``yes`` means a scale from 0 to 1."""
    negative_prompt: Known = "unknown"
    """Whether it takes a negative prompt of its own."""
    reference_images: Annotated[int, Field(ge=0, le=100)] | Literal["unknown"] = "unknown"
    """How many pictures of what is shown it takes, besides first and last frame."""
    max_prompt_characters: Annotated[int, Field(ge=50, le=200_000)] | Literal["unknown"] = "unknown"
    """Longest prompt it takes."""
    max_negative_characters: Annotated[int, Field(ge=50, le=200_000)] | Literal["unknown"] = "unknown"
    """Longest negative prompt it takes."""
    camera: CameraControl = CameraControl()
    """How it takes the camera's words."""

    @field_validator("durations", "resolutions", "aspect_ratios", "fps")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if value == ():
            message = "the list is empty; write unknown if it is not known"
            raise ValueError(message)
        return value

    @field_validator("fps")
    @classmethod
    def _rates(cls, value: tuple[str | float | int, ...] | str) -> tuple[str | float | int, ...] | str:
        if not isinstance(value, str):
            for rate in value:
                frame_rate(rate)
        return value

    @property
    def first_frame(self) -> bool:
        """Whether a clip can start with a given picture."""
        return "image-to-video" in self.modes or "first-last-frame" in self.modes

    @property
    def last_frame(self) -> bool:
        """Whether a clip can end with a given picture."""
        return "first-last-frame" in self.modes
