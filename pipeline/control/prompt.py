"""The prompt of a shot for a model, compiled in one documented order.

Without a template the prompt is, each part one sentence or more, parts without words left out:

1. the camera (size, angle, move, lens), in the model's phrases;
2. the shot's own prompt;
3. the characters: name, canonical description, action, emotion;
4. the location, then the props: name and canonical description;
5. what is said, if the model's clips have sound;
6. ambience and sound, likewise;
7. the style's look.

What the shot shows stands before how it looks, because models weigh the beginning most and a prompt
that is too long loses its end first. With a template the template alone says what stands where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.control.camera import camera_cue, camera_sentence
from pipeline.control.trim import trimmed
from pipeline.errors import InputError
from pipeline.registry.model import Model
from pipeline.storyboard.schema import Appearance, Shot, Storyboard, Subject
from pipeline.storyboard.templates import fill


@dataclass(frozen=True, slots=True)
class CompiledPrompt:
    """A prompt.

    Attributes:
        text: What the model is told to show.
        negative: What the model is told not to show; empty for a model that can't be told.
        notes: What was left out, in words.
    """

    text: str
    negative: str
    notes: tuple[str, ...]


def compile_prompt(storyboard: Storyboard, shot: Shot, model: Model, *, audio: bool) -> CompiledPrompt:
    """Return the prompt of a shot for a model.

    Args:
        storyboard: The storyboard.
        shot: One of its shots.
        model: The model, for its limits and its camera phrases.
        audio: Whether the clip will have sound.

    Raises:
        InputError: If the template is unknown or uses a name that has no value.
    """
    parts = prompt_parts(storyboard, shot, model, audio=audio)
    name = shot.template if shot.template is not None else storyboard.defaults.template
    if name is None:
        text = " ".join(_sentence(part) for part in _in_order(parts) if part)
    else:
        text = _from_template(storyboard, shot, name, parts)
    notes: list[str] = []
    able = model.capabilities
    text = _bounded(text, able.max_prompt_characters, "prompt", model.id, notes)
    negative = merged_negative(storyboard, shot)
    if negative and able.negative_prompt != "yes":
        notes.append(f"{model.id} takes no negative prompt; left out: {negative}")
        negative = ""
    negative = _bounded(negative, able.max_negative_characters, "negative prompt", model.id, notes)
    return CompiledPrompt(text, negative, tuple(notes))


def prompt_parts(storyboard: Storyboard, shot: Shot, model: Model, *, audio: bool) -> Mapping[str, str]:
    """Return every part of the prompt by the name that templates use for it."""
    location = storyboard.locations.get(shot.location) if shot.location else None
    props = [(prop, storyboard.props.get(prop)) for prop in shot.props]
    said = [_spoken(storyboard, line.speaker, line.text) for line in shot.dialogue] if audio else []
    ambience = storyboard.ambience_of(shot) if audio else ""
    return {
        "prompt": shot.prompt.strip(),
        "look": storyboard.style.look.strip(),
        "location": _subject(shot.location or "", location) if location is not None else "",
        "characters": " ".join(_sentence(_figure(storyboard, who)) for who in shot.characters),
        "props": " ".join(_sentence(_subject(prop, each)) for prop, each in props if each is not None),
        "camera": camera_sentence(camera_cue(storyboard.camera_of(shot)), model.capabilities.camera),
        "scene": shot.scene.strip(),
        "title": storyboard.title.strip(),
        "shot": shot.id,
        "dialogue": " ".join(_sentence(each) for each in said),
        "sound": " ".join(
            _sentence(each)
            for each in (
                f"Background sound: {ambience}" if ambience else "",
                f"Sound: {shot.sound.strip()}" if audio and shot.sound.strip() else "",
            )
            if each
        ),
    }


def merged_negative(storyboard: Storyboard, shot: Shot) -> str:
    """Return what may not be seen: the style's, then the shot's or else the defaults', each thing once."""
    own = shot.negative_prompt if shot.negative_prompt is not None else storyboard.defaults.negative_prompt
    found: dict[str, str] = {}
    for text in (storyboard.style.negative_prompt, own):
        for thing in text.replace("\n", ",").split(","):
            cleaned = " ".join(thing.split()).rstrip(".")
            if cleaned:
                found.setdefault(cleaned.casefold(), cleaned)
    return ", ".join(found.values())


def _in_order(parts: Mapping[str, str]) -> Iterable[str]:
    order = ("camera", "prompt", "characters", "location", "props", "dialogue", "sound", "look")
    return (parts[name] for name in order)


def _from_template(storyboard: Storyboard, shot: Shot, name: str, parts: Mapping[str, str]) -> str:
    template = storyboard.templates.get(name)
    if template is None:
        raise InputError(
            f"there is no template {name!r}.",
            where=f"shot {shot.id}",
            remedy=f"Name one of: {', '.join(storyboard.templates) or 'none are defined'}.",
        )
    filled = fill(template, {**storyboard.variables, **shot.variables, **parts})
    return " ".join(filled.split())


def _bounded(text: str, limit: int | str, what: str, model: str, notes: list[str]) -> str:
    if not isinstance(limit, int) or len(text) <= limit:
        return text
    kept = trimmed(text, limit)
    notes.append(f"the {what} has {len(text)} characters, {model} takes {limit}; left out: {text[len(kept) :].strip()}")
    return kept


def _figure(storyboard: Storyboard, who: Appearance) -> str:
    subject = storyboard.characters.get(who.id)
    head = _subject(who.id, subject) if subject is not None else who.id
    name = (subject.name if subject is not None else "") or who.id
    acts = [who.action.strip().rstrip("."), f"feeling {who.emotion.strip()}" if who.emotion.strip() else ""]
    done = ", ".join(act for act in acts if act)
    return f"{_sentence(head)} {name}: {done}" if done else head


def _subject(key: str, subject: Subject | None) -> str:
    if subject is None:
        return key
    name, description = subject.name or key, subject.description.strip()
    return f"{name}: {description}" if description else name


def _spoken(storyboard: Storyboard, speaker: str, text: str) -> str:
    who = storyboard.characters.get(speaker)
    name = (who.name or speaker) if who is not None else speaker or "A narrator"
    return f'{name} says: "{text.strip()}"'


def _sentence(text: str) -> str:
    """Return text that ends like a sentence, on one line."""
    flat = " ".join(text.split())
    return flat if not flat or flat[-1] in '.!?…"' else f"{flat}."
