"""What an engine is asked for: one shot, compiled, with nothing left to look up."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from pydantic import BaseModel, ConfigDict

from pipeline.storyboard.schema import Mode


class Frozen(BaseModel):
    """Base of the request's parts: immutable, no unknown fields, JSON in and out."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Image(Frozen):
    """A picture, named by its content.

    Attributes:
        sha256: Content hash; the file is handed to the engine beside the request.
        subject: Id of the character, location or prop it shows; empty for the shot or the style.
        view: What it shows of it.
    """

    sha256: str
    subject: str = ""
    view: str = ""


class CameraCue(Frozen):
    """Camera of the shot, in words of the vocabulary where possible."""

    size: str
    move: str
    angle: str
    lens: str = ""


class Figure(Frozen):
    """A character in the shot."""

    id: str
    name: str
    description: str = ""
    palette: tuple[str, ...] = ()
    action: str = ""
    emotion: str = ""


class Speech(Frozen):
    """A spoken line with its place in the shot, in seconds from its first frame."""

    speaker: str
    text: str
    start_s: float
    end_s: float


class GenerationRequest(Frozen):
    """One generation of one shot.

    Attributes:
        shot_id: Id of the shot in its storyboard.
        mode: What it is generated from.
        prompt: Compiled prompt: style, shot, characters, location, in the documented order.
        action: The shot's own prompt, before compilation.
        negative_prompt: What may not be seen.
        width: Pixels, even.
        height: Pixels, even.
        fps: Frames per second as ``num/den``.
        frames: Length in frames; ``frames / fps`` seconds.
        seed: Seed of this take.
        guidance: 0 to 1, or ``None`` for the model's own default.
        look: The storyboard's look, in words.
        palette: Main colours as ``#rrggbb``, most important first.
        setting: Description of the location, or of the scene where none is named.
        camera: Camera.
        figures: Characters.
        dialogue: Spoken lines.
        ambience: Background sound, in words.
        sound: Sounds of what happens, in words.
        audio: Whether sound is wanted.
        first_frame: Picture that the shot starts with.
        last_frame: Picture that the shot ends with.
        references: Pictures of what is in it.
        parameters: The engine's own fields, passed on as they are.
    """

    shot_id: str
    mode: Mode
    prompt: str
    action: str
    negative_prompt: str = ""
    width: int
    height: int
    fps: str
    frames: int
    seed: int
    guidance: float | None = None
    look: str = ""
    palette: tuple[str, ...] = ()
    setting: str = ""
    camera: CameraCue
    figures: tuple[Figure, ...] = ()
    dialogue: tuple[Speech, ...] = ()
    ambience: str = ""
    sound: str = ""
    audio: bool = True
    first_frame: Image | None = None
    last_frame: Image | None = None
    references: tuple[Image, ...] = ()
    parameters: dict[str, Any] = {}

    @property
    def rate(self) -> Fraction:
        """Frames per second as a ratio."""
        return Fraction(self.fps)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.frames / self.rate)

    def images(self) -> tuple[Image, ...]:
        """Return every picture the request names."""
        framed = tuple(image for image in (self.first_frame, self.last_frame) if image)
        return framed + self.references
