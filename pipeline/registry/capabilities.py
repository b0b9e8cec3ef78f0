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
    durations_at: dict[Resolution, DurationRange | tuple[Seconds, ...]] = Field(default_factory=dict)
    """Resolution class to the clip lengths it offers there, where they differ from ``durations``."""
    resolutions: tuple[Resolution, ...] | Literal["any", "unknown"] = "unknown"
    """Resolution classes it offers."""
    sizes: tuple[PixelSize, ...] = ()
    """Exact pixel sizes, for models that accept only these; takes precedence over ``resolutions``."""
    sizes_in: dict[Mode, tuple[PixelSize, ...]] = Field(default_factory=dict)
    """Mode to the exact pixel sizes it accepts there, where they differ from ``sizes``."""
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
    min_reference_images: Annotated[int, Field(ge=0, le=100)] = 0
    """How many of them it can't do without."""
    reference_modes: tuple[Mode, ...] | None = None
    """The modes in which it takes them; all of its modes if left out."""
    max_prompt_characters: Annotated[int, Field(ge=50, le=200_000)] | Literal["unknown"] = "unknown"
    """Longest prompt it takes."""
    max_negative_characters: Annotated[int, Field(ge=50, le=200_000)] | Literal["unknown"] = "unknown"
    """Longest negative prompt it takes."""
    camera: CameraControl = Field(default_factory=CameraControl)
    """How it takes the camera's words."""

    @model_validator(mode="after")
    def _within(self) -> Self:
        listed = self.resolutions if isinstance(self.resolutions, tuple) else ()
        if not set(self.durations_at) <= set(listed):
            message = "durations_at names a resolution that resolutions does not"
            raise ValueError(message)
        if () in (*self.durations_at.values(), *self.sizes_in.values()):
            message = "a list of durations_at or sizes_in is empty"
            raise ValueError(message)
        if self.sizes_in and not self.sizes:
            message = "sizes_in says where sizes differ, so sizes has to be given"
            raise ValueError(message)
        if self.min_reference_images and (
            self.reference_images == "unknown" or self.reference_images < self.min_reference_images
        ):
            message = "it needs more reference pictures (min_reference_images) than it takes (reference_images)"
            raise ValueError(message)
        if not {*(self.reference_modes or ()), *self.sizes_in} <= set(self.modes):
            message = "reference_modes or sizes_in names a mode that modes does not"
            raise ValueError(message)
        return self

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

    def lengths_at(self, resolution: str) -> DurationRange | tuple[float, ...] | Literal["unknown"]:
        """Return the clip lengths offered at a resolution class."""
        there = self.durations_at.get(resolution)
        return self.durations if there is None else there

    def references_in(self, mode: str) -> int | Literal["unknown"]:
        """Return how many pictures of what is shown it takes in a mode."""
        if self.reference_modes is None or mode in self.reference_modes:
            return self.reference_images
        return 0

    def sizes_for(self, mode: str) -> tuple[str, ...]:
        """Return the exact pixel sizes that it accepts in a mode; none if it accepts any of its resolutions."""
        return next((sizes for name, sizes in self.sizes_in.items() if name == mode), self.sizes)

    @property
    def last_frame(self) -> bool:
        """Whether a clip can end with a given picture."""
        return "first-last-frame" in self.modes
