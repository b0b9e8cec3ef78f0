"""Storyboards of ViMax (https://github.com/HKUDS/ViMax): scenes of shots, told in prose.

A shot has ``first_frame`` (what the opening picture shows) and ``video_prompt`` (camera and action).
Everything said is kept in the prompt; camera, place and the one character that recurs in a
"Type A" board are read from the prose besides, so that consistency checks and drawing have names to
hold on to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import Problem, StoryboardError
from pipeline.storyboard import nodes, prose
from pipeline.storyboard.nodes import Data, Node
from pipeline.storyboard.prose_camera import camera_in
from pipeline.storyboard.schema import Appearance, ContentClass, Shot, Storyboard, Subject

_IDENTIFIER_BREAK = re.compile(r"[^a-z0-9]+")
_ROLE = re.compile(r"^An? (?P<role>[a-z][a-z ]*?) [a-z]+ing\b")
_KNOWN_FIELDS = frozenset({"shot_id", "first_frame", "video_prompt"})


@dataclass(frozen=True, slots=True)
class _Told:
    """A shot as it is told.

    Attributes:
        id: Id in the new storyboard.
        scene: Scene number as text.
        opening: ``first_frame``.
        action: ``video_prompt``.
    """

    id: str
    scene: str
    opening: str
    action: str


def is_vimax(data: Data) -> bool:
    """Return whether data has the shape of a ViMax board."""
    if not isinstance(data, dict) or "schema_version" in data:
        return False
    scenes = data.get("scenes")
    return isinstance(scenes, list) and any(isinstance(scene, dict) and "shots" in scene for scene in scenes)


def read_vimax(root: Node, data: Data, path: Path) -> tuple[Storyboard, tuple[Problem, ...]]:
    """Turn a ViMax board into a storyboard.

    Args:
        root: The file's nodes, for places in messages.
        data: Their plain value, for which ``is_vimax`` holds.
        path: The file as the person named it.

    Raises:
        StoryboardError: If shots lack what they need; all faults are named.
    """
    reader = _Reader(root, path)
    board: dict[str, Any] = data if isinstance(data, dict) else {}
    told = list(reader.shots(board["scenes"]))
    if not told and not reader.errors:
        reader.fault(("scenes",), "no scene has a shot", "Add a shot to a scene.")
    if reader.errors:
        raise StoryboardError(tuple(reader.errors))
    metadata = board.get("metadata")
    about: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
    overview = _string(board.get("story_overview"))
    theme = _string(about.get("theme_description"))
    lead = _lead(told, theme)
    if lead is None:
        reader.warn((), "no character that recurs could be made out", "Write characters: by hand.")
    locations, places = _locations(told)
    storyboard = Storyboard(
        schema_version=1,
        id=slug(_string(about.get("theme_key")) or path.stem),
        title=(theme or overview)[:300].replace("\n", " "),
        content_class=ContentClass.NARRATIVE,
        characters=dict([lead]) if lead else {},
        locations=locations,
        shots=tuple(_shot(shot, places.get(shot.id), lead) for shot in told),
        notes=overview[:7000],
    )
    return storyboard, tuple(reader.warnings)


def slug(text: str, words: int = 8) -> str:
    """Return an identifier made from a text's first words."""
    bare = text.lower().replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", "")
    parts = [part for part in _IDENTIFIER_BREAK.split(bare) if part]
    return "-".join(parts[:words])[:60].strip("-") or "board"


class _Reader:
    """Takes the told shots out of a board, and collects what is wrong."""

    def __init__(self, root: Node, path: Path) -> None:
        self._root = root
        self._path = path
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []

    def shots(self, scenes: Any) -> Iterator[_Told]:
        seen: set[str] = set()
        for number, scene in enumerate(scenes):
            field: nodes.Path = ("scenes", number)
            shots = scene.get("shots") if isinstance(scene, dict) else None
            if not isinstance(shots, list):
                self.fault(field, "the scene has no list of shots", "Add shots: [...].")
                continue
            said = scene.get("scene_num")
            name = str(said) if isinstance(said, int | str) and str(said).isalnum() else str(number + 1)
            for index, shot in enumerate(shots):
                place = (*field, "shots", index)
                if not isinstance(shot, dict):
                    self.fault(place, "the shot is no mapping", "Give it first_frame and video_prompt.")
                    continue
                identifier = f"s{name[:8]}-{index + 1:02d}"
                while identifier in seen:
                    identifier += "b"
                seen.add(identifier)
                for key in shot.keys() - _KNOWN_FIELDS:
                    self.warn((*place, key), "the field is not known and was left out", "Carry it over by hand.")
                opening, action = (self._prose(shot, place, key) for key in ("first_frame", "video_prompt"))
                yield _Told(identifier, name, opening, action)

    def fault(self, field: nodes.Path, message: str, remedy: str) -> None:
        self.errors.append(self._problem(field, message, remedy))

    def warn(self, field: nodes.Path, message: str, remedy: str) -> None:
        self.warnings.append(self._problem(field, message, remedy))

    def _prose(self, shot: dict[str, Any], place: nodes.Path, key: str) -> str:
        text = shot.get(key)
        if not isinstance(text, str) or not text.strip():
            self.fault((*place, key), "the description is missing", "Describe it in a sentence or more.")
            return ""
        if len(text) > 3500:
            self.fault((*place, key), f"the description has {len(text)} characters", "Use 3500 at most.")
        return " ".join(text.split())

    def _problem(self, field: nodes.Path, message: str, remedy: str) -> Problem:
        node = nodes.find(self._root, field)[0]
        return Problem(str(self._path), node.line, node.column, nodes.dotted(field), f"{message}.", remedy)


def _string(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _shot(told: _Told, location: str | None, lead: tuple[str, Subject] | None) -> Shot:
    action = prose.first_action(told.action)
    return Shot(
        id=told.id,
        scene=f"Scene {told.scene}",
        prompt=f"{told.action}\n\nOpening picture: {told.opening}",
        location=location,
        camera=camera_in(told.action),
        characters=(Appearance(id=lead[0], action=action),) if lead else (),
    )


def _lead(told: list[_Told], theme: str) -> tuple[str, Subject] | None:
    """Return the character that a board is about: its id and canonical description."""
    description = next(filter(None, (prose.person_in(shot.opening) for shot in told[:3])), "")
    if not description:
        return None
    role = _ROLE.match(theme)
    name = prose.recurring_name([shot.action for shot in told])
    identifier = slug(name or (role["role"] if role else "lead"), words=3)
    subject = Subject(
        name=name or (role["role"].capitalize() if role else ""),
        description=description[:2000],
        palette=prose.colours_in(description),
    )
    return identifier, subject


def _locations(told: list[_Told]) -> tuple[dict[str, Subject], dict[str, str]]:
    """Return the places by id, and each shot's place; a shot that names none stays where the last was."""
    locations: dict[str, Subject] = {}
    places: dict[str, str] = {}
    current: str | None = None
    for shot in told:
        place = prose.place_in(shot.opening)
        if place is not None:
            name = slug(place.name, words=8)
            current = _known(name, locations) or name
            locations.setdefault(
                current,
                Subject(
                    name=place.name[:1].upper() + place.name[1:],
                    description=place.description[:2000],
                    palette=prose.colours_in(place.description),
                ),
            )
        if current is not None:
            places[shot.id] = current
    return locations, places


def _known(name: str, locations: dict[str, Subject]) -> str | None:
    """Return the place that a shorter or longer name stands for: the ``track`` is the ``urban-track``."""
    words = set(name.split("-"))
    for known in locations:
        others = set(known.split("-"))
        if known.split("-")[-1] == name.rsplit("-", maxsplit=1)[-1] and (words <= others or others <= words):
            return known
    return None
