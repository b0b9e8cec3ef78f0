"""How a hosted model's request is worded: the registry's ``wire`` of a model, for every engine that sends JSON.

Providers name the same things differently, and so do the models of one provider. So no code tests a model's name: what
stands in ``wire`` is sent, in the words that stand there, and nothing else. An engine derives its own wording from
:class:`Wording` with its provider's usual names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Final, Literal, Self, cast

from pydantic import Field, model_validator

from pipeline.control.request import GenerationRequest, Image
from pipeline.errors import ProviderError, Trouble
from pipeline.registry.words import Entry, Mode, Ratio, Resolution, nearest_class, short_side

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}(\.[A-Za-z_][A-Za-z0-9_-]{0,63}){0,4}$")]
"""A field's name at the provider; with dots it lies in objects (``parameters.size``)."""

_NO_FRAME: Final = Fraction(1, 1000)
"""So small a part of a frame counts as none."""
_RATIOS: Final = ("21:9", "2:1", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16", "1:2", "9:21")
_CLASSES: Final = ("360p", "480p", "540p", "720p", "768p", "1080p", "1440p", "4k", "8k")
_NEAR: Final = math.log(1.05)
"""A picture's proportions may differ so much from those that are told: sides are even, and providers round to 16."""
_SAME_CLASS: Final = math.log(1.6)
"""A picture's area may differ so much from its class's at 16:9 (21:9 has 1.31 times as much, 1:1 0.56)."""


class Length(Entry):
    """How a length is told."""

    name: Name
    """The field."""
    form: Literal["integer", "number", "text", "seconds"] = "integer"
    """As ``5``, ``5.0``, ``"5"`` or ``"5s"``; only ``number`` and ``text`` can tell parts of a second."""
    values: tuple[Annotated[float, Field(gt=0, le=600)], ...] = ()
    """The only lengths that the model takes, in seconds; the shortest that is enough is sent. Any if left out."""


class Frames(Entry):
    """How a count of frames is told."""

    name: Name
    """The field."""
    multiple_of: Annotated[int, Field(ge=1, le=1000)] = 1
    """Counts are multiples of this,"""
    plus: Annotated[int, Field(ge=0, le=1000)] = 0
    """and this many more (Wan makes multiples of 4, plus 1)."""


class Classes(Entry):
    """How a resolution class is told."""

    name: Name
    """The field."""
    words: dict[Resolution, str] = Field(default_factory=dict)
    """Class -> the model's word for it, or a list of classes that it offers by these names; any if left out."""


class Ratios(Entry):
    """How an aspect ratio is told."""

    name: Name
    """The field."""
    words: dict[Ratio, str] = Field(default_factory=dict)
    """Ratio -> the model's word for it, or a list of ratios that it offers by these names; any if left out."""


class Pixels(Entry):
    """How a size in pixels is told."""

    name: Name
    """The field."""
    separator: Annotated[str, Field(max_length=3)] = "x"
    """What stands between width and height."""


class Guidance(Entry):
    """How guidance is told."""

    name: Name
    """The field."""
    low: float
    """Its value at guidance 0."""
    high: float
    """Its value at guidance 1."""


class Wording(Entry):
    """Fields of ``wire`` that all engines for hosted models share. A field that is left out is not sent.

    Every field that names one of the provider's takes ``yes`` for the provider's usual name.
    """

    usual: ClassVar[Mapping[str, str]] = {}
    """The provider's usual names, by field."""
    own: ClassVar[frozenset[str]] = frozenset({"model"})
    """Names that the engine itself sends beside the words."""
    between: ClassVar[str] = "x"
    """What usually stands between width and height."""

    model: Annotated[str, Field(max_length=200)] = ""
    """The model's name at the provider, if it is not that of the registry."""
    prompt: Name = "prompt"
    """The prompt."""
    duration: Length | None = None
    """Length in seconds."""
    num_frames: Frames | None = None
    """Length in frames."""
    fps: Name | None = None
    """Frames per second."""
    resolution: Classes | None = None
    """Resolution class, such as ``720p``."""
    aspect_ratio: Ratios | None = None
    """Aspect ratio, such as ``16:9``."""
    size: Pixels | None = None
    """Size in pixels, such as ``1280x720``."""
    width: Name | None = None
    """Width in pixels."""
    height: Name | None = None
    """Height in pixels."""
    seed: Name | None = None
    """Seed."""
    negative_prompt: Name | None = None
    """What may not be seen."""
    guidance: Guidance | None = None
    """How closely the prompt is followed."""
    audio: Name | None = None
    """Whether sound is wanted, true or false."""
    first_frame: Name | None = None
    """Picture that the clip begins with."""
    last_frame: Name | None = None
    """Picture that it ends with."""
    references: Name | None = None
    """Pictures of what is in it, a list."""
    leave_out: dict[Mode, tuple[Name, ...]] = Field(default_factory=dict)
    """Mode -> fields that are not sent in it (many models take no aspect ratio with a first frame)."""
    fields: dict[Name, Any] = Field(default_factory=dict)
    """Further fields that are always sent, as JSON values."""

    @model_validator(mode="before")
    @classmethod
    def _by_usual_names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        said = dict(cast("dict[str, Any]", value))
        for field in (*_PARTS, *_PLAIN):
            told, usual = said.get(field), cls.usual.get(field, field)
            if told is False or told == "no":
                told = None
            elif told is True or told == "yes":
                told = usual
            elif isinstance(told, dict):
                told = {"name": usual, **cast("dict[str, Any]", told)}
                if isinstance(words := told.get("words"), (list, tuple)):
                    told["words"] = {word: word for word in cast("list[str]", words)}
            if isinstance(told, str) and field in _PARTS:
                told = {"name": told}
            if isinstance(told, dict) and field == "size":
                told = {"separator": cls.between, **cast("dict[str, Any]", told)}
            if field in said:
                said[field] = told
        return said

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        names = [self.prompt, *self._names(), *self.fields]
        for name in names:
            if names.count(name) > 1:
                message = f"the field {name} is sent twice"
                raise ValueError(message)
        return self

    def body(
        self, model: str, request: GenerationRequest, pictures: Mapping[str, Any], *, where: str = ""
    ) -> dict[str, Any]:
        """Return the JSON body of a create call.

        Args:
            model: The model's name in the registry.
            request: What to generate.
            pictures: What is sent for each picture of the request, by content hash.
            where: Engine and model, for errors.

        Raises:
            ProviderError: ``INVALID`` if the model's words can't say it.
        """
        try:
            said = {**self.fields, **self._words(request), **self.placed(request, pictures)}
            for name in self.leave_out.get(cast("Mode", str(request.mode)), ()):
                said.pop(name, None)
            return _nested(said | self._parameters(model, request))
        except Unsayable as error:
            raise ProviderError(
                f"{error}.",
                trouble=Trouble.INVALID,
                where=where or model,
                remedy="Correct the model's capabilities and wire in the registry overlay.",
            ) from None

    def placed(self, request: GenerationRequest, pictures: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that hold pictures; for an engine whose provider wants them in another shape.

        Raises:
            Unsayable: If the model takes no such picture.
        """
        said: dict[str, Any] = {}
        for image, name, what in (
            (request.first_frame, self.first_frame, "first_frame"),
            (request.last_frame, self.last_frame, "last_frame"),
        ):
            if image is not None:
                said[_told(name, what)] = pictures[image.sha256]
        if request.references:
            name = _told(self.references, "references")
            said[name] = [pictures[image.sha256] for image in request.references]
        return said

    def _words(self, request: GenerationRequest) -> dict[str, Any]:
        said: dict[str, Any] = {self.prompt: request.prompt, **self._shape(request)}
        if self.seed:
            said[self.seed] = request.seed
        if self.negative_prompt and request.negative_prompt:
            said[self.negative_prompt] = request.negative_prompt
        if self.guidance is not None and request.guidance is not None:
            scale = self.guidance
            said[scale.name] = float(f"{scale.low + (scale.high - scale.low) * request.guidance:.4g}")
        if self.audio:
            said[self.audio] = request.audio
        return said

    def _shape(self, request: GenerationRequest) -> dict[str, Any]:
        said: dict[str, Any] = {}
        if self.duration is not None:
            said[self.duration.name] = length_told(self.duration, request)
        if self.num_frames is not None:
            grid = self.num_frames
            steps = max(0, math.ceil((request.frames - grid.plus) / grid.multiple_of))
            said[grid.name] = steps * grid.multiple_of + grid.plus
        if self.fps:
            said[self.fps] = _number(request.rate)
        if self.resolution is not None:
            said[self.resolution.name] = class_told(self.resolution.words, request.width, request.height)
        if self.aspect_ratio is not None:
            said[self.aspect_ratio.name] = ratio_told(self.aspect_ratio.words, request.width, request.height)
        if self.size is not None:
            said[self.size.name] = f"{request.width}{self.size.separator}{request.height}"
        said |= {name: side for name, side in ((self.width, request.width), (self.height, request.height)) if name}
        return said

    def _parameters(self, model: str, request: GenerationRequest) -> dict[str, Any]:
        """Return the shot's own fields; what the shot itself says can't be changed, because it was quoted for."""
        taken = {self.prompt, *self._names(), *self.usual.values(), *self.own}
        for name in request.parameters:
            if any(name == each or name.startswith(f"{each}.") or each.startswith(f"{name}.") for each in taken):
                raise Unsayable(f"{model}: the parameter {name} is set by the shot itself; leave it out")
        return {name: value for name, value in request.parameters.items() if value is not None}

    def _names(self) -> list[str]:
        parts = (getattr(self, field) for field in (*_PARTS, *_PLAIN))
        return [part if isinstance(part, str) else part.name for part in parts if part is not None]


_PARTS: Final = ("duration", "num_frames", "resolution", "aspect_ratio", "size", "guidance")
_PLAIN: Final = (
    "fps", "width", "height", "seed", "negative_prompt", "audio", "first_frame", "last_frame", "references",
)  # fmt: skip


class Unsayable(Exception):  # noqa: N818 - becomes a ProviderError in Wording.body
    """A request that the model's words can't say."""


def seconds_told(request: GenerationRequest) -> str:
    """Return a request's length in seconds, in as few decimals as possible.

    Of all lengths that come to the request's count of frames (:func:`pipeline.registry.fit.fit` rounds up), the one
    with the fewest decimals: 96 frames at 24000/1001 are "4", not "4.004". Only whole seconds may round to a frame
    less, because only they are lengths that a model offers.
    """
    longest, shortest = (request.frames + _NO_FRAME) / request.rate, _shortest(request)
    nearly = (request.frames - Fraction(1, 2)) / request.rate
    for decimals in range(3):
        rounded = Fraction(math.floor(longest * 10**decimals), 10**decimals)
        if rounded > (nearly if decimals else shortest):
            return f"{float(rounded):.{decimals}f}"
    return f"{math.floor(longest * 1000) / 1000:.3f}"


def length_told(length: Length, request: GenerationRequest) -> int | float | str:
    """Return a request's length as a model is told it.

    Raises:
        Unsayable: If the model offers no such length.
    """
    exact = Fraction(seconds_told(request))
    if length.values:
        enough = [Fraction(str(each)) for each in length.values if Fraction(str(each)) > _shortest(request)]
        if not enough:
            raise Unsayable(f"{float(exact):g} s is longer than anything wire.duration lists")
        exact = min(enough)
    if exact.denominator != 1 and length.form in {"integer", "seconds"}:
        raise Unsayable(f"{float(exact):g} s is no whole number of seconds")
    match length.form:
        case "integer":
            return int(exact)
        case "number":
            return float(exact)
        case "text":
            return f"{float(exact):g}"
        case "seconds":
            return f"{int(exact)}s"


def class_told(words: Mapping[str, str], width: int, height: int) -> str:
    """Return a picture's resolution class in a model's word.

    A class names the shorter side at any ratio (:func:`pipeline.registry.fit.fit`), or the area.

    Raises:
        Unsayable: If the model offers nothing near.
    """
    classes = tuple(words) or _CLASSES
    label = next((each for each in classes if short_side(each) == min(width, height)), "")
    if not label:
        label = nearest_class(width, height, classes)
        if abs(math.log(width * height / (short_side(label) ** 2 * 16 / 9))) > _SAME_CLASS:
            raise Unsayable(f"{width}x{height} is near nothing that wire.resolution lists")
    return words.get(label, label)


def ratio_told(words: Mapping[str, str], width: int, height: int) -> str:
    """Return a picture's aspect ratio in a model's word.

    Raises:
        Unsayable: If the model offers nothing near.
    """
    wanted = math.log(width / height)
    away = {ratio: abs(math.log(Fraction(ratio.replace(":", "/"))) - wanted) for ratio in words or _RATIOS}
    best = min(away, key=away.__getitem__)
    if away[best] > _NEAR:
        raise Unsayable(f"{width}x{height} is near nothing that wire.aspect_ratio lists")
    return words.get(best, best)


def images_of(request: GenerationRequest) -> tuple[Image, ...]:
    """Return the pictures of a request, each once."""
    return tuple({image.sha256: image for image in request.images()}.values())


def _shortest(request: GenerationRequest) -> Fraction:
    return (request.frames - 1 + _NO_FRAME) / request.rate


def _told(name: str | None, what: str) -> str:
    if name is None:
        raise Unsayable(f"its wire says nothing of {what}, so such a picture can't be sent")
    return name


def _number(rate: Fraction) -> int | float:
    return rate.numerator if rate.denominator == 1 else round(float(rate), 3)


def _nested(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted names as objects in objects."""
    body: dict[str, Any] = {}
    for name, value in said.items():
        *folders, last = name.split(".")
        place = body
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return body
