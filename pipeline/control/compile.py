"""From a shot to the request that an engine gets: everything looked up, nothing left to choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pipeline.control.camera import camera_cue
from pipeline.control.dialogue import timed_dialogue
from pipeline.control.framing import fit_shot
from pipeline.control.guidance import takes_guidance
from pipeline.control.prompt import compile_prompt
from pipeline.control.request import Figure, GenerationRequest, Image
from pipeline.errors import InputError, NoModelAvailable
from pipeline.registry.fit import Misfit
from pipeline.registry.model import Model
from pipeline.storyboard.schema import Appearance, Mode, Shot, Storyboard
from pipeline.units import frames_of


@dataclass(frozen=True, slots=True)
class Compiled:
    """A request with what had to be left out.

    Attributes:
        request: What the engine gets.
        notes: What the model can't honour, in words; kept on the take.
    """

    request: GenerationRequest
    notes: tuple[str, ...]


def compile_request(
    storyboard: Storyboard,
    shot: Shot,
    *,
    model: Model,
    seed: int,
    size: tuple[int, int],
    rate: Fraction,
    images: Mapping[str, str],
    first_frame_override: Image | None = None,
) -> GenerationRequest:
    """Return the request for one take; see :func:`compile_shot`, which also says what was left out."""
    return compile_shot(
        storyboard,
        shot,
        model=model,
        seed=seed,
        size=size,
        rate=rate,
        images=images,
        first_frame_override=first_frame_override,
    ).request


def compile_shot(
    storyboard: Storyboard,
    shot: Shot,
    *,
    model: Model,
    seed: int,
    size: tuple[int, int],
    rate: Fraction,
    images: Mapping[str, str],
    first_frame_override: Image | None = None,
) -> Compiled:
    """Compile the request for one take. Deterministic: the same arguments give the same request.

    Args:
        storyboard: The storyboard.
        shot: One of its shots.
        model: The model that the take is for.
        seed: Seed of the take (:mod:`pipeline.control.seeds`).
        size: Pixels to generate, from the shot's framing (:func:`pipeline.control.framing.framing_of`).
        rate: Frames per second to generate, likewise.
        images: Path as the storyboard writes it -> SHA-256 of the file, for every picture it names.
        first_frame_override: Picture that the shot starts with whatever it says itself: the last
            frame of the shot that it continues.

    Raises:
        InputError: If a picture is missing from ``images``, or the prompt template can't be filled.
        NoModelAvailable: If the model can't serve the shot at all; routing would have refused it.
    """
    asked = fit_shot(storyboard, shot, model)
    if isinstance(asked, Misfit):
        raise NoModelAvailable(
            f"{model.id} can't serve the shot: {'; '.join(asked.reasons)}.",
            where=f"shot {shot.id}",
            remedy="Let routing choose the model.",
        )
    audio = asked.audio is not False and storyboard.wants_sound(shot)
    prompt = compile_prompt(storyboard, shot, model, audio=audio)
    guidance = storyboard.guidance_of(shot)
    notes = [*asked.notes, *prompt.notes]
    able = model.capabilities
    if guidance is not None and not takes_guidance(able):
        notes.append(f"{model.id} has no guidance scale")
        guidance = None
    if able.seed != "yes":
        notes.append(f"{model.id} takes no seed; the same request may give another picture")
    first, last = _frames(storyboard, shot, images, first_frame_override)
    references = tuple(
        Image(sha256=_hash_of(images, picture.path, shot), subject=subject, view=picture.view)
        for subject, picture in storyboard.references_of(shot)
    )[: asked.references]
    location = storyboard.locations.get(shot.location) if shot.location else None
    request = GenerationRequest(
        shot_id=shot.id,
        mode=storyboard.mode_of(shot),
        prompt=prompt.text,
        action=shot.prompt,
        negative_prompt=prompt.negative,
        width=size[0],
        height=size[1],
        fps=f"{rate.numerator}/{rate.denominator}",
        frames=asked.frames if rate == asked.rate else frames_of(float(asked.duration_s), rate),
        seed=seed,
        guidance=guidance,
        look=storyboard.style.look,
        palette=_palette(storyboard, shot),
        setting=(location.description or location.name or shot.location or "") if location else shot.scene,
        camera=camera_cue(storyboard.camera_of(shot)),
        figures=tuple(_figure(storyboard, who) for who in shot.characters),
        dialogue=timed_dialogue(storyboard, shot, storyboard.duration_of(shot)),
        ambience=storyboard.ambience_of(shot),
        sound=shot.sound,
        audio=audio,
        first_frame=first,
        last_frame=last,
        references=references,
        parameters=_parameters(storyboard, shot, model),
    )
    return Compiled(request, tuple(notes))


def _frames(
    storyboard: Storyboard, shot: Shot, images: Mapping[str, str], override: Image | None
) -> tuple[Image | None, Image | None]:
    """Return the first and last frame, as far as the shot's mode uses them."""
    mode = storyboard.mode_of(shot)
    if mode is Mode.TEXT_TO_VIDEO:
        return None, None
    first = override
    if first is None and shot.first_frame:
        first = Image(sha256=_hash_of(images, shot.first_frame, shot), view="first frame")
    if first is None:
        # Image-to-video without a frame of its own begins with the most telling picture it has.
        subject, picture = next(iter(storyboard.references_of(shot)), ("", None))
        if picture is not None:
            first = Image(sha256=_hash_of(images, picture.path, shot), subject=subject, view=picture.view)
    last = None
    if shot.last_frame and mode is Mode.FIRST_LAST_FRAME:
        last = Image(sha256=_hash_of(images, shot.last_frame, shot), view="last frame")
    return first, last


def _hash_of(images: Mapping[str, str], path: str, shot: Shot) -> str:
    try:
        return images[path]
    except KeyError:
        raise InputError(
            f"the picture {path} was not read.",
            where=f"shot {shot.id}",
            remedy="Check that the file lies in the storyboard's folder.",
        ) from None


def _palette(storyboard: Storyboard, shot: Shot) -> tuple[str, ...]:
    """Return the location's colours, then the style's, each once."""
    location = storyboard.locations.get(shot.location) if shot.location else None
    colours = (*(location.palette if location else ()), *storyboard.style.palette)
    return tuple(dict.fromkeys(colour.lower() for colour in colours))


def _figure(storyboard: Storyboard, who: Appearance) -> Figure:
    subject = storyboard.characters.get(who.id)
    return Figure(
        id=who.id,
        name=(subject.name if subject else "") or who.id,
        description=subject.description if subject else "",
        palette=subject.palette if subject else (),
        action=who.action,
        emotion=who.emotion,
    )


def _parameters(storyboard: Storyboard, shot: Shot, model: Model) -> dict[str, Any]:
    """Return the engine's own fields: the camera's, then what the shot says, which wins."""
    move = camera_cue(storyboard.camera_of(shot)).move
    return {**model.capabilities.camera.parameters.get(move, {}), **shot.parameters.get(model.engine, {})}
