"""What routing knows of a shot: its needs as plain values, taken from the storyboard once."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pipeline.routing.motion import Motion, motion_of
from pipeline.storyboard import vocabulary
from pipeline.storyboard.schema import ContentClass, Mode, Shot, Storyboard, Tier
from pipeline.units import MicroUsd, usd


class Frozen(BaseModel):
    """Base of routing's values: immutable, no unknown fields, JSON in and out."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ShotFacts(Frozen):
    """One shot, as far as the choice of a model depends on it.

    Attributes:
        shot_id: Id of the shot in its storyboard.
        content_class: What kind of picture the storyboard asks for.
        tier: The tier that the storyboard asks for.
        mode: What it is generated from.
        duration_s: Length in seconds.
        width: Pixels of the cut's mezzanine (the first deliverable's size).
        height: Pixels of the cut's mezzanine.
        fps: Frames per second of the cut, as ``num/den``.
        audio: Whether sound is wanted.
        dialogue_lines: How many lines are spoken.
        characters: Ids of the characters in it.
        references: How many pictures of what it shows there are.
        camera_size: Shot size, a word of the vocabulary where it is known.
        camera_move: Move, likewise.
        camera_angle: Angle, likewise.
        motion: What moves most in it.
        continues: Id of the shot that it continues, or nothing.
        pin: Only this model.
        allow: Only these models, if any is named.
        deny: Never these models.
        candidates: Accepted takes to choose from.
        max_attempts: Takes per candidate before it needs attention.
        max_cost_micro_usd: What all its attempts together may cost, or ``None``.
    """

    shot_id: str
    content_class: ContentClass
    tier: Tier
    mode: Mode
    duration_s: float
    width: int
    height: int
    fps: str
    audio: bool = True
    dialogue_lines: int = 0
    characters: tuple[str, ...] = ()
    references: int = 0
    camera_size: str = "medium"
    camera_move: str = "static"
    camera_angle: str = "eye-level"
    motion: Motion = Motion.STILL
    continues: str | None = None
    pin: str = ""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    candidates: Annotated[int, Field(ge=1)] = 1
    max_attempts: Annotated[int, Field(ge=1)] = 3
    max_cost_micro_usd: MicroUsd | None = None

    @property
    def rate(self) -> Fraction:
        """Frames per second as a ratio."""
        return Fraction(self.fps)


def shot_facts(storyboard: Storyboard, shot: Shot) -> ShotFacts:
    """Return what routing knows of a shot."""
    main = storyboard.deliverables[0]
    width, height = main.size
    camera = storyboard.camera_of(shot)
    models = storyboard.models_of(shot)
    cap = storyboard.max_cost_of(shot)
    move = vocabulary.canonical_move(camera.move) or camera.move
    return ShotFacts(
        shot_id=shot.id,
        content_class=storyboard.content_class,
        tier=storyboard.tier_of(shot),
        mode=storyboard.mode_of(shot),
        duration_s=storyboard.duration_of(shot),
        width=width,
        height=height,
        fps=f"{main.rate.numerator}/{main.rate.denominator}",
        audio=storyboard.wants_sound(shot),
        dialogue_lines=len(shot.dialogue),
        characters=tuple(who.id for who in shot.characters),
        references=len(storyboard.references_of(shot)),
        camera_size=vocabulary.canonical_size(camera.size) or camera.size,
        camera_move=move,
        camera_angle=vocabulary.canonical_angle(camera.angle) or camera.angle,
        motion=motion_of(move, shot.prompt, *(who.action for who in shot.characters)),
        continues=shot.continues,
        pin=models.pin,
        allow=models.allow,
        deny=models.deny,
        candidates=storyboard.candidates_of(shot),
        max_attempts=storyboard.max_attempts_of(shot),
        max_cost_micro_usd=None if cap is None else usd(cap),
    )
