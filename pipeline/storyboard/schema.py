"""The storyboard, schema version 1: everything a person may write, and its limits.

JSON Schema is generated from these models into ``docs/storyboard.schema.json``. A storyboard never
holds results. Field descriptions are what editors show as completion.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from pipeline.units import Frames, frame_rate, frames_of

SCHEMA_VERSION = 1
MAX_SHOTS = 2000
MAX_SHOT_S = 120.0
SILENCE = frozenset({"none", "silence", "silent"})
"""Words for ``ambience`` that ask for no sound."""
MAX_FILM_S = 4 * 3600.0
MAX_PARAMETER_DEPTH = 6
MAX_PARAMETER_VALUES = 500
MAX_EXACT_INTEGER = 10**15  # JSON readers use doubles; the same bound as in nodes.py

# Control characters, line and paragraph separators, lone surrogates, non-characters: invisible in an
# editor, and refused or rewritten by captions, YAML and databases.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_RATE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,17})?|[0-9]{1,6}/[0-9]{1,6}")


def _printable(text: str) -> str:
    found = _UNPRINTABLE.search(text)
    if found:
        message = f"has the control character U+{ord(found[0]):04X} at position {found.start() + 1}"
        raise ValueError(message)
    return text


def _one_line(text: str) -> str:
    if "\n" in text:
        message = "has a line break, but must be one line"
        raise ValueError(message)
    return text


Printable = AfterValidator(_printable)
OneLine = AfterValidator(_one_line)

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Text = Annotated[str, StringConstraints(max_length=8000), Printable]
Line = Annotated[str, StringConstraints(max_length=300), Printable, OneLine]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
RelativePath = Annotated[str, StringConstraints(min_length=1, max_length=500), Printable, OneLine]
PositiveUsd = Annotated[float, Field(ge=0, le=1_000_000)]


class Part(BaseModel):
    """Base of every part: unknown fields are errors, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class ContentClass(StrEnum):
    """What kind of picture a storyboard asks for; routing starts from it."""

    GENERAL = "general"
    NARRATIVE = "narrative"
    DIALOGUE = "dialogue"
    PRODUCT = "product"
    LANDSCAPE = "landscape"
    ACTION = "action"
    ANIMATION = "animation"
    GRAPHICS = "graphics"


class Tier(StrEnum):
    """Routing category of a shot."""

    DRAFT = "draft"
    SPEED = "speed"
    STANDARD = "standard"
    PREMIUM = "premium"
    CHARACTER = "character"


class Mode(StrEnum):
    """What a shot is generated from."""

    TEXT_TO_VIDEO = "text-to-video"
    IMAGE_TO_VIDEO = "image-to-video"
    FIRST_LAST_FRAME = "first-last-frame"


class TransitionKind(StrEnum):
    """How a shot begins, seen from the shot before it."""

    CUT = "cut"
    CROSSFADE = "crossfade"
    FADE = "fade"
    DIP_TO_BLACK = "dip-to-black"
    DIP_TO_WHITE = "dip-to-white"


class Framing(StrEnum):
    """How a take is brought to another aspect ratio."""

    CROP = "crop"
    PAD = "pad"


class SeedPolicy(StrEnum):
    """How seeds are chosen.

    ``per-shot`` derives one from the storyboard's seed and the shot's id, ``locked`` uses the
    storyboard's seed for every shot, ``ladder`` adds one to it with each shot.
    Retries and candidates always take a new seed derived from the first.
    """

    PER_SHOT = "per-shot"
    LOCKED = "locked"
    LADDER = "ladder"


class Captions(Part):
    """Which captions a deliverable carries."""

    sidecar_srt: bool = True
    """Write an SRT file beside the film."""
    sidecar_vtt: bool = True
    """Write a WebVTT file beside the film."""
    track: bool = True
    """Carry the captions as a subtitle track inside the film."""
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")] = "eng"
    """ISO 639-2 code of the captions' language."""


class Deliverable(Part):
    """One encoded file of the film."""

    name: Identifier = "main"
    """Part of the file's name; unique in the storyboard."""
    aspect_ratio: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]?:[1-9][0-9]?$")] = "16:9"
    """Width to height, such as 16:9, 9:16, 1:1, 4:5 or 21:9."""
    resolution: Annotated[str, StringConstraints(pattern=r"^([0-9]{3,4}p|[0-9]{2,4}x[0-9]{2,4})$")] = "720p"
    """Length of the shorter side (720p) or the exact size (1280x720)."""
    fps: str | float | int = 24
    """Frames per second; 23.976, 29.97 and 59.94 mean the NTSC ratios, 30000/1001 is accepted."""
    framing: Framing = Framing.CROP
    """How takes of another aspect ratio are fitted."""
    loudness_lufs: Annotated[float, Field(ge=-40, le=-5)] = -16.0
    """Integrated loudness target (EBU R 128 / ITU-R BS.1770)."""
    true_peak_dbtp: Annotated[float, Field(ge=-9, le=0)] = -1.0
    """Highest true peak allowed."""
    captions: Captions = Captions()
    """Captions made from the shots' dialogue."""

    @field_validator("fps")
    @classmethod
    def _known_rate(cls, value: str | float) -> str | float:
        # Checked before it is computed with: "1e999999999" is a ratio of a billion digits.
        if not _RATE.fullmatch(str(value)):
            message = f"not a frame rate: {str(value)[:20]!r}"
            raise ValueError(message)
        frame_rate(value)
        return int(value) if isinstance(value, float) and value.is_integer() else value

    @model_validator(mode="after")
    def _sane_size(self) -> Self:
        width, height = self.size
        if not (64 <= width <= 4096 and 64 <= height <= 4096):
            message = f"the picture would be {width}x{height}; each side must be 64 to 4096 pixels"
            raise ValueError(message)
        return self

    @property
    def rate(self) -> Fraction:
        """Frames per second as a ratio."""
        return frame_rate(self.fps)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, both even."""
        if "x" in self.resolution:
            width, height = (int(side) for side in self.resolution.split("x"))
            return width - width % 2, height - height % 2
        short = int(self.resolution[:-1])
        across, down = (int(side) for side in self.aspect_ratio.split(":"))
        if across >= down:
            return _even(short * across / down), _even(short)
        return _even(short), _even(short * down / across)


def _even(value: float) -> int:
    return max(2, round(value / 2) * 2)


class Reference(Part):
    """A picture that shows what a thing looks like."""

    path: RelativePath
    """Image file (PNG, JPEG or WebP) inside the storyboard's folder."""
    view: Line = ""
    """What it shows, such as front, profile, full body."""


class Style(Part):
    """The look that all shots share."""

    look: Text = ""
    """How the film looks, in words; part of every prompt."""
    palette: Annotated[tuple[Colour, ...], Field(max_length=12)] = ()
    """Main colours, most important first."""
    references: Annotated[tuple[Reference, ...], Field(max_length=8)] = ()
    """Pictures of the look."""
    negative_prompt: Text = ""
    """What no shot may show."""


class Subject(Part):
    """A character, a location or a prop: said once here, the same in every shot."""

    name: Line = ""
    """Name as dialogue and captions show it; the id if left out."""
    description: Text = ""
    """Canonical description; part of the prompt of each shot that shows it."""
    palette: Annotated[tuple[Colour, ...], Field(max_length=6)] = ()
    """Main colours."""
    references: Annotated[tuple[Reference, ...], Field(max_length=8)] = ()
    """Pictures of it."""


class Camera(Part):
    """How the camera sees the shot. Words outside the vocabulary pass on to the model, with a warning."""

    size: Line = "medium"
    """Shot size: extreme-wide, wide, full, medium-wide, medium, medium-close-up, close-up, ..."""
    move: Line = "static"
    """Move: static, pan-left, pan-right, tilt-up, tilt-down, push-in, pull-out, orbit-left, ..."""
    angle: Line = "eye-level"
    """Angle: eye-level, low, high, overhead, dutch, ..."""
    lens: Line = ""
    """Lens, such as 35mm or anamorphic."""


class Transition(Part):
    """How a shot follows the one before it."""

    kind: TransitionKind = TransitionKind.CUT
    """cut; crossfade (the two shots overlap); fade (up from black; as ending: down to black);
    dip-to-black or dip-to-white (down in the shot before, up in this one)."""
    duration_s: Annotated[float, Field(ge=0, le=10)] = 0.5
    """Length of the whole transition in seconds; of no meaning for a cut."""


class Appearance(Part):
    """A character in one shot."""

    id: Identifier
    """Id under ``characters``."""
    action: Text = ""
    """What the character does."""
    emotion: Line = ""
    """What the character feels."""


class DialogueLine(Part):
    """One line that is spoken."""

    speaker: Line = ""
    """Id of a character, or any name; empty for a narrator."""
    text: Annotated[str, StringConstraints(min_length=1, max_length=1000), Printable]
    """The words."""
    start_s: Annotated[float, Field(ge=0, le=MAX_SHOT_S)] | None = None
    """Seconds after the shot's begin; lines share the shot evenly by length if left out."""
    end_s: Annotated[float, Field(ge=0, le=MAX_SHOT_S)] | None = None
    """Seconds after the shot's begin at which the line is over."""


class ModelChoice(Part):
    """Which models a shot may use."""

    pin: Line = ""
    """Only this model."""
    allow: Annotated[tuple[Line, ...], Field(max_length=50)] = ()
    """Only these models, if any is named."""
    deny: Annotated[tuple[Line, ...], Field(max_length=50)] = ()
    """Never these models."""


class Quality(Part):
    """Thresholds of the gate that differ from the tier's; measures not named keep theirs."""

    thresholds: Annotated[dict[Line, Annotated[float, Field(ge=-1e9, le=1e9)]], Field(max_length=100)] = {}
    """Measure name to threshold, as ``docs/checks.md`` lists them."""
    skip: Annotated[tuple[Line, ...], Field(max_length=40)] = ()
    """Measures that don't count for this shot (for example ``black`` in a night scene)."""


class SeedChoice(Part):
    """How seeds are chosen."""

    policy: SeedPolicy = SeedPolicy.PER_SHOT
    """per-shot, locked or ladder."""
    base: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    """The number that all seeds are derived from."""


class Budget(Part):
    """Money and attempt caps of the storyboard."""

    limit_usd: PositiveUsd | None = None
    """The whole storyboard may not cost more."""
    max_cost_per_shot_usd: PositiveUsd | None = None
    """No shot may cost more, all its attempts together."""
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """Takes generated per shot and candidate before it needs attention."""


class Defaults(Part):
    """What shots have that do not say otherwise."""

    duration_s: Annotated[float, Field(ge=0.2, le=MAX_SHOT_S)] = 4.0
    """Length in seconds."""
    tier: Tier = Tier.STANDARD
    """Routing category."""
    mode: Mode | None = None
    """What shots are generated from; worked out from the frames given if left out."""
    camera: Camera = Camera()
    """How the camera sees them."""
    transition: Transition = Transition()
    """How they follow each other."""
    negative_prompt: Text = ""
    """What they may not show."""
    guidance: Annotated[float, Field(ge=0, le=1)] | None = None
    """How closely models follow the prompt, 0 to 1 on every model."""
    candidates: Annotated[int, Field(ge=1, le=8)] = 1
    """Accepted takes to choose from."""
    template: Identifier | None = None
    """Prompt template."""
    models: ModelChoice = ModelChoice()
    """Which models they may use."""
    quality: Quality = Quality()
    """Thresholds that differ from the tier's."""
    ambience: Text = ""
    """Background sound."""


class Template(Part):
    """A prompt template; ``{name}`` stands for a variable or for one of the shot's own words."""

    version: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Raised by its author whenever the text changes."""
    text: Annotated[str, StringConstraints(min_length=1, max_length=8000), Printable]
    """The prompt, with ``{prompt}``, ``{look}``, ``{location}``, ``{characters}`` and variables."""


class Shot(Part):
    """One shot."""

    id: Identifier
    """Stable id that survives reordering."""
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=8000), Printable]
    """What the shot shows."""
    scene: Line = ""
    """Scene that the shot belongs to."""
    location: Identifier | None = None
    """Id under ``locations``."""
    props: Annotated[tuple[Identifier, ...], Field(max_length=20)] = ()
    """Ids under ``props``."""
    negative_prompt: Text | None = None
    """What the shot may not show."""
    duration_s: Annotated[float, Field(ge=0.2, le=MAX_SHOT_S)] | None = None
    """Length in seconds."""
    camera: Camera | None = None
    """How the camera sees it."""
    characters: Annotated[tuple[Appearance, ...], Field(max_length=12)] = ()
    """Who is in it."""
    dialogue: Annotated[tuple[DialogueLine, ...], Field(max_length=40)] = ()
    """What is said."""
    ambience: Text | None = None
    """Background sound."""
    sound: Text = ""
    """Sounds of what happens."""
    transition: Transition | None = None
    """How it follows the shot before it."""
    continues: Identifier | None = None
    """Id of the shot whose last frame this one starts from."""
    mode: Mode | None = None
    """What it is generated from; worked out from the frames given if left out."""
    first_frame: RelativePath | None = None
    """Image file that the shot starts with."""
    last_frame: RelativePath | None = None
    """Image file that the shot ends with."""
    references: Annotated[tuple[Reference, ...], Field(max_length=8)] = ()
    """Pictures of what it shows."""
    tier: Tier | None = None
    """Routing category."""
    models: ModelChoice | None = None
    """Which models it may use."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Locks the seed of the first attempt."""
    guidance: Annotated[float, Field(ge=0, le=1)] | None = None
    """How closely the model follows the prompt, 0 to 1 on every model."""
    candidates: Annotated[int, Field(ge=1, le=8)] | None = None
    """Accepted takes to choose from."""
    max_attempts: Annotated[int, Field(ge=1, le=20)] | None = None
    """Takes generated before the shot needs attention."""
    max_cost_usd: PositiveUsd | None = None
    """All attempts together may not cost more."""
    quality: Quality | None = None
    """Thresholds that differ from the tier's."""
    template: Identifier | None = None
    """Prompt template."""
    variables: Annotated[dict[Identifier, Text], Field(max_length=50)] = {}
    """Values for the prompt template's variables."""
    parameters: Annotated[dict[Line, dict[str, Any]], Field(max_length=20)] = {}
    """Parameters passed on as they are: engine name to its fields."""
    enabled: bool = True
    """False leaves the shot out of the film."""
    notes: Text = ""
    """For people; no part of the prompt."""

    @field_validator("parameters")
    @classmethod
    def _plain_values(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        _check_plain(value)
        return value


def _check_plain(value: object) -> None:
    """Refuse parameters that are not small, finite, plain values, as JSON knows them."""
    waiting: list[tuple[object, int]] = [(value, 0)]
    seen = 0
    while waiting:
        item, depth = waiting.pop()
        seen += 1
        if seen > MAX_PARAMETER_VALUES or depth > MAX_PARAMETER_DEPTH:
            message = f"more than {MAX_PARAMETER_VALUES} values, or nested deeper than {MAX_PARAMETER_DEPTH}"
            raise ValueError(message)
        if isinstance(item, dict):
            entries = cast("dict[object, object]", item)
            if not all(isinstance(key, str) and len(_printable(key)) <= 300 for key in entries):
                message = "a name that is no text, or longer than 300 characters"
                raise ValueError(message)
            waiting.extend((part, depth + 1) for part in entries.values())
        elif isinstance(item, list):
            waiting.extend((part, depth + 1) for part in cast("list[object]", item))
        else:
            _check_plain_scalar(item)


def _check_plain_scalar(value: object) -> None:
    message = ""
    if isinstance(value, str):
        message = "a text longer than 8000 characters" if len(_printable(value)) > 8000 else ""
    elif isinstance(value, float):
        message = "" if math.isfinite(value) else f"not a finite number: {value}"
    elif isinstance(value, int):
        message = "" if abs(value) < MAX_EXACT_INTEGER else f"not a number that every provider reads exactly: {value}"
    elif value is not None:
        message = f"not a plain value: {type(value).__name__}"
    if message:
        raise ValueError(message)


class Storyboard(Part):
    """A film, as a person writes it down."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        title="Dailies storyboard",
    )

    schema_version: Literal[1]
    """Version of this schema."""
    id: Identifier
    """Stable id; names the film's files."""
    title: Line = ""
    """Title."""
    content_class: ContentClass = ContentClass.GENERAL
    """What kind of picture it asks for."""
    deliverables: Annotated[tuple[Deliverable, ...], Field(min_length=1, max_length=12)] = (Deliverable(),)
    """Files to deliver; takes are generated for the first one's aspect ratio."""
    style: Style = Style()
    """The look that all shots share."""
    characters: Annotated[dict[Identifier, Subject], Field(max_length=500)] = {}
    """Who appears, by id."""
    locations: Annotated[dict[Identifier, Subject], Field(max_length=500)] = {}
    """Where it happens, by id."""
    props: Annotated[dict[Identifier, Subject], Field(max_length=500)] = {}
    """Things that recur, by id."""
    defaults: Defaults = Defaults()
    """What shots have that do not say otherwise."""
    seed: SeedChoice = SeedChoice()
    """How seeds are chosen."""
    budget: Budget = Budget()
    """Caps on money and attempts."""
    templates: Annotated[dict[Identifier, Template], Field(max_length=100)] = {}
    """Prompt templates, by name."""
    variables: Annotated[dict[Identifier, Text], Field(max_length=200)] = {}
    """Values for all prompt templates."""
    ending: Transition = Transition()
    """How the film ends: cut, or fade (down to black)."""
    shots: Annotated[tuple[Shot, ...], Field(min_length=1, max_length=MAX_SHOTS)]
    """The shots in film order."""
    notes: Text = ""
    """For people."""

    @property
    def enabled_shots(self) -> tuple[Shot, ...]:
        """Shots that are part of the film, in order."""
        return tuple(shot for shot in self.shots if shot.enabled)

    def duration_of(self, shot: Shot) -> float:
        """Return the shot's length in seconds."""
        return shot.duration_s if shot.duration_s is not None else self.defaults.duration_s

    def frames_of(self, shot: Shot, rate: Fraction) -> Frames:
        """Return the shot's length in frames at a rate."""
        return frames_of(self.duration_of(shot), rate)

    def camera_of(self, shot: Shot) -> Camera:
        """Return the shot's camera."""
        return shot.camera if shot.camera is not None else self.defaults.camera

    def transition_of(self, shot: Shot) -> Transition:
        """Return how the shot follows the one before it."""
        return shot.transition if shot.transition is not None else self.defaults.transition

    def tier_of(self, shot: Shot) -> Tier:
        """Return the shot's routing category."""
        return shot.tier if shot.tier is not None else self.defaults.tier

    def mode_of(self, shot: Shot) -> Mode:
        """Return what the shot is generated from, worked out from its frames unless said."""
        said = shot.mode if shot.mode is not None else self.defaults.mode
        if said is not None:
            return said
        if shot.first_frame or shot.continues:
            return Mode.FIRST_LAST_FRAME if shot.last_frame else Mode.IMAGE_TO_VIDEO
        return Mode.TEXT_TO_VIDEO

    def models_of(self, shot: Shot) -> ModelChoice:
        """Return which models the shot may use."""
        return shot.models if shot.models is not None else self.defaults.models

    def guidance_of(self, shot: Shot) -> float | None:
        """Return how closely the model follows the prompt, 0 to 1, if said."""
        return shot.guidance if shot.guidance is not None else self.defaults.guidance

    def candidates_of(self, shot: Shot) -> int:
        """Return how many accepted takes there are to choose from."""
        return shot.candidates if shot.candidates is not None else self.defaults.candidates

    def max_attempts_of(self, shot: Shot) -> int:
        """Return how many takes are generated per candidate before the shot needs attention."""
        return shot.max_attempts if shot.max_attempts is not None else self.budget.max_attempts

    def max_cost_of(self, shot: Shot) -> float | None:
        """Return what all attempts of the shot together may cost, in US dollars, if capped."""
        caps = (shot.max_cost_usd, self.budget.max_cost_per_shot_usd)
        return min((cap for cap in caps if cap is not None), default=None)

    def quality_of(self, shot: Shot) -> Quality:
        """Return which of the gate's thresholds differ from the tier's."""
        return shot.quality if shot.quality is not None else self.defaults.quality

    def ambience_of(self, shot: Shot) -> str:
        """Return the background sound, empty if none is named or silence is asked for."""
        said = (shot.ambience if shot.ambience is not None else self.defaults.ambience).strip()
        return "" if said.lower() in SILENCE else said

    def wants_sound(self, shot: Shot) -> bool:
        """Return whether the shot's clip should have sound: always, unless its ambience is ``silence``."""
        said = (shot.ambience if shot.ambience is not None else self.defaults.ambience).strip()
        return said.lower() not in SILENCE or bool(shot.dialogue) or bool(shot.sound.strip())

    def references_of(self, shot: Shot) -> tuple[tuple[str, Reference], ...]:
        """Return the pictures of what the shot shows, each with its subject's id, most telling first.

        The shot's own come first, then its characters', its location's, its props', then the style's;
        a picture named twice counts once.
        """
        found: dict[str, tuple[str, Reference]] = {}
        shown = [(who.id, self.characters.get(who.id)) for who in shot.characters]
        if shot.location is not None:
            shown.append((shot.location, self.locations.get(shot.location)))
        shown += [(prop, self.props.get(prop)) for prop in shot.props]
        pictures = [("", reference) for reference in shot.references]
        pictures += [(name, r) for name, subject in shown if subject is not None for r in subject.references]
        pictures += [("", reference) for reference in self.style.references]
        for name, reference in pictures:
            found.setdefault(reference.path, (name, reference))
        return tuple(found.values())

    def image_paths(self) -> tuple[str, ...]:
        """Return every image file that the storyboard names, each once, in order."""
        paths: dict[str, None] = {}
        subjects = (*self.characters.values(), *self.locations.values(), *self.props.values())
        for reference in (*self.style.references, *(r for s in subjects for r in s.references)):
            paths[reference.path] = None
        for shot in self.shots:
            for reference in shot.references:
                paths[reference.path] = None
            for path in (shot.first_frame, shot.last_frame):
                if path:
                    paths[path] = None
        return tuple(paths)
