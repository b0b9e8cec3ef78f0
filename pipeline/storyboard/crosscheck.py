"""Checks across the fields of a storyboard: names that must exist, times that must fit. Pure.

Each check yields findings with the path of the field at fault. What a schema can say about a single
field is in ``schema.py``; what needs the disk is in ``images.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from pipeline.storyboard import templates, vocabulary
from pipeline.storyboard.measures import MEASURES
from pipeline.storyboard.nodes import Path
from pipeline.storyboard.schema import (
    MAX_FILM_S,
    Camera,
    Mode,
    ModelChoice,
    Quality,
    Shot,
    Storyboard,
    Transition,
    TransitionKind,
)
from pipeline.storyboard.validate import did_you_mean
from pipeline.units import frames_of

_FRAMES = ("mode", "first_frame", "last_frame", "continues", "references", "characters", "locations", "props")
_DIPS = frozenset({TransitionKind.DIP_TO_BLACK, TransitionKind.DIP_TO_WHITE})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that doesn't fit.

    Attributes:
        path: The field at fault.
        message: What is wrong.
        remedy: What to write instead.
        warning: Whether it can be rendered all the same.
        relies: Fields and sections that it relies on; not to be trusted if one of them is at fault itself.
        shots: Indexes of other shots that it relies on.
    """

    path: Path
    message: str
    remedy: str
    warning: bool = False
    relies: tuple[str, ...] = ()
    shots: tuple[int, ...] = ()


def crosscheck(storyboard: Storyboard) -> Iterator[Finding]:
    """Yield everything about a storyboard that doesn't fit together, in file order per kind."""
    yield from _unique(storyboard)
    yield from _continuations(storyboard)
    yield from _transitions(storyboard)
    yield from _length(storyboard)
    yield from _template_texts(storyboard)
    yield from _camera(storyboard.defaults.camera, ("defaults", "camera"))
    yield from _models(storyboard.defaults.models, ("defaults", "models"))
    yield from _quality(storyboard.defaults.quality, ("defaults", "quality"))
    for index, shot in enumerate(storyboard.shots):
        path: Path = ("shots", index)
        yield from _names(storyboard, shot, path)
        yield from _modes(storyboard, shot, path)
        yield from _dialogue(storyboard, shot, path)
        yield from _template(storyboard, shot, path)
        if shot.camera:
            yield from _camera(shot.camera, (*path, "camera"))
        if shot.models:
            yield from _models(shot.models, (*path, "models"))
        if shot.quality:
            yield from _quality(shot.quality, (*path, "quality"))
        if not shot.prompt.strip():
            yield Finding((*path, "prompt"), "is blank", "Say what the shot shows.")


def _unique(board: Storyboard) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, shot in enumerate(board.shots):
        if shot.id in first:
            yield Finding(
                ("shots", index, "id"),
                f"{shot.id!r} is the id of shots[{first[shot.id]}] already",
                "Give each shot an id of its own.",
            )
        first.setdefault(shot.id, index)
    named: dict[str, int] = {}
    for index, deliverable in enumerate(board.deliverables):
        # File systems that ignore case would write one file over the other.
        name = deliverable.name.casefold()
        if name in named:
            yield Finding(
                ("deliverables", index, "name"),
                f"{deliverable.name!r} is the name of deliverables[{named[name]}] already",
                "Give each deliverable a name of its own.",
            )
        named.setdefault(name, index)


def _continuations(board: Storyboard) -> Iterator[Finding]:
    shots = {shot.id: shot for shot in board.shots}
    known = tuple(shots)
    for index, shot in enumerate(board.shots):
        if shot.continues is None:
            continue
        path = ("shots", index, "continues")
        before = shots.get(shot.continues)
        if before is None:
            meant = did_you_mean(shot.continues, known) or "Name the id of another shot."
            yield Finding(path, f"{shot.continues!r} is no shot", meant, relies=("shots",))
        elif shot.continues == shot.id:
            yield Finding(path, "the shot continues itself", "Name another shot, or remove the line.")
        elif shot.enabled and not before.enabled:
            yield Finding(
                path,
                f"{shot.continues!r} is left out of the film (enabled: false)",
                "Enable it, or continue another shot.",
            )
        elif shot.first_frame:
            yield Finding(path, "first_frame says already what the shot begins with", "Keep one of the two.")
    for ring in _rings(shots):
        index = next(index for index, shot in enumerate(board.shots) if shot.id == ring[0])
        yield Finding(
            ("shots", index, "continues"),
            f"the shots continue each other in a circle: {' -> '.join([*ring, ring[0]])}",
            "Let one of them begin anew.",
        )


def _rings(shots: dict[str, Shot]) -> Iterator[list[str]]:
    done: set[str] = set()
    for start in shots:
        trail: dict[str, None] = {}
        at: str | None = start
        while at is not None and at in shots and at not in done and at not in trail:
            trail[at] = None
            at = shots[at].continues
        if at in trail and shots[at].continues != at:
            ring = list(trail)
            yield ring[ring.index(at) :]
        done.update(trail)


def _transitions(board: Storyboard) -> Iterator[Finding]:
    """Check that what a shot gives to the transitions at both its ends fits into it.

    A crossfade takes its whole length from both shots, a dip half from each, a fade all of it from the
    shot that it opens (or, as the ending, closes). Counted in frames at every rate that is delivered.
    """
    if board.ending.kind not in {TransitionKind.CUT, TransitionKind.FADE}:
        yield Finding(
            ("ending", "kind"),
            f"{board.ending.kind.value} needs a shot after it",
            "A film ends in a cut or a fade.",
        )
    places = [(index, shot) for index, shot in enumerate(board.shots) if shot.enabled]
    rates = {deliverable.rate for deliverable in board.deliverables}
    for order, (index, shot) in enumerate(places):
        transition = board.transition_of(shot)
        head = transition if order or transition.kind is TransitionKind.FADE else Transition()
        if order == 0 and shot.transition and shot.transition.kind not in {TransitionKind.CUT, TransitionKind.FADE}:
            yield Finding(
                ("shots", index, "transition", "kind"),
                f"no shot comes before it, so there is no {transition.kind.value}",
                "Begin the film with a cut or a fade.",
                warning=True,
            )
        last = order + 1 == len(places)
        tail = board.ending if last else board.transition_of(places[order + 1][1])
        for rate in sorted(rates):
            taken = _head(head, rate) + _tail(tail, rate, ending=last)
            frames = board.frames_of(shot, rate)
            if taken > frames:
                yield Finding(
                    ("shots", index, "duration_s"),
                    f"the shot has {frames} frames at {rate} fps, but its transitions take {taken}",
                    "Make the shot longer or its transitions shorter (shots before and after share them).",
                    relies=("duration_s", "transition", "defaults", "ending", "deliverables"),
                    shots=tuple(place for place, _ in places[max(0, order - 1) : order + 2]),
                )
                break


def _head(transition: Transition, rate: Fraction) -> int:
    if transition.kind is TransitionKind.CUT or not transition.duration_s:
        return 0
    frames = frames_of(transition.duration_s, rate)
    return -(-frames // 2) if transition.kind in _DIPS else frames


def _tail(transition: Transition, rate: Fraction, *, ending: bool) -> int:
    if transition.kind is TransitionKind.FADE and not ending:
        return 0
    return _head(transition, rate)


def _length(board: Storyboard) -> Iterator[Finding]:
    if not board.enabled_shots:
        yield Finding(("shots",), "no shot is enabled", "Remove enabled: false from at least one.")
    total = sum(board.duration_of(shot) for shot in board.enabled_shots)
    if total > MAX_FILM_S:
        yield Finding(
            ("shots",),
            f"the film would last {total / 3600:.1f} hours",
            f"Split it: {MAX_FILM_S / 3600:g} hours are the most.",
        )


def _names(board: Storyboard, shot: Shot, path: Path) -> Iterator[Finding]:
    wanted: list[tuple[str, Path, str]] = [
        ("characters", (*path, "characters", index, "id"), one.id) for index, one in enumerate(shot.characters)
    ]
    if shot.location is not None:
        wanted.append(("locations", (*path, "location"), shot.location))
    wanted.extend(("props", (*path, "props", index), prop) for index, prop in enumerate(shot.props))
    for section, place, name in wanted:
        known = getattr(board, section)
        if name not in known:
            remedy = did_you_mean(name, known) or f"Describe it under {section}:."
            yield Finding(place, f"{name!r} is not among the {section}", remedy, relies=(section,))
    seen: set[str] = set()
    for index, one in enumerate(shot.characters):
        if one.id in seen:
            place = (*path, "characters", index, "id")
            yield Finding(place, f"{one.id!r} is in the shot already", "Say all of it in one entry.")
        seen.add(one.id)


def _modes(board: Storyboard, shot: Shot, path: Path) -> Iterator[Finding]:
    mode = board.mode_of(shot)
    place = (*path, "mode") if shot.mode is not None else ("defaults", "mode")
    begins = shot.first_frame is not None or shot.continues is not None
    if shot.mode is None and board.defaults.mode is None and shot.last_frame and not begins:
        yield Finding(
            (*path, "last_frame"),
            "a last frame alone is not enough",
            "Add first_frame or continues.",
            relies=_FRAMES,
        )
    if mode is Mode.FIRST_LAST_FRAME and not (begins and shot.last_frame):
        missing = (
            "last_frame" if begins else "first_frame (or continues)" + ("" if shot.last_frame else " and last_frame")
        )
        yield Finding(place, f"first-last-frame needs {missing} in shot {shot.id!r}", "Add it, or choose another mode.")
    elif mode is Mode.IMAGE_TO_VIDEO and not begins and not _pictures(board, shot):
        yield Finding(
            place,
            f"image-to-video has no picture to begin with in shot {shot.id!r}",
            "Add first_frame, continues or references, or choose text-to-video.",
            relies=_FRAMES,
        )
    elif mode is Mode.IMAGE_TO_VIDEO and shot.last_frame:
        yield Finding((*path, "last_frame"), "image-to-video does not use it", "Choose first-last-frame.", warning=True)
    elif mode is Mode.TEXT_TO_VIDEO and (shot.mode or board.defaults.mode) and (begins or shot.last_frame):
        yield Finding(place, "text-to-video uses no frames", "Remove the mode, or the frames.", warning=True)


def _pictures(board: Storyboard, shot: Shot) -> bool:
    subjects = [board.characters.get(one.id) for one in shot.characters]
    subjects += [board.props.get(prop) for prop in shot.props]
    subjects.append(board.locations.get(shot.location) if shot.location else None)
    return bool(shot.references) or any(subject and subject.references for subject in subjects)


def _dialogue(board: Storyboard, shot: Shot, path: Path) -> Iterator[Finding]:
    length = board.duration_of(shot)
    for index, line in enumerate(shot.dialogue):
        place = (*path, "dialogue", index)
        if line.start_s is not None and line.start_s >= length:
            yield Finding(
                (*place, "start_s"),
                f"begins after the shot's end ({length:g} s)",
                "Begin earlier, or make the shot longer.",
                relies=("duration_s", "defaults"),
            )
        if line.end_s is not None and line.end_s > length:
            yield Finding(
                (*place, "end_s"),
                f"is after the shot's end ({length:g} s)",
                "End earlier, or make the shot longer.",
                relies=("duration_s", "defaults"),
            )
        if line.end_s is not None and line.end_s <= (line.start_s or 0):
            yield Finding((*place, "end_s"), "the line ends before it begins", "Write a later time.")


def _template_texts(board: Storyboard) -> Iterator[Finding]:
    used: set[str] = set()
    for name, template in board.templates.items():
        try:
            used.update(templates.names_in(template))
        except templates.TemplateError as error:
            yield Finding(("templates", name, "text"), error.what, error.remedy)
    for name in board.variables:
        yield from _variable(name, ("variables", name), used, "templates")
    if board.defaults.template is not None and board.defaults.template not in board.templates:
        yield _no_template(board, board.defaults.template, ("defaults", "template"))


def _template(board: Storyboard, shot: Shot, path: Path) -> Iterator[Finding]:
    name = shot.template or board.defaults.template
    used: set[str] = set()
    if name is not None and name in board.templates:
        try:
            wanted = templates.names_in(board.templates[name])
        except templates.TemplateError:
            return
        used = set(wanted)
        known = dict.fromkeys((*templates.SHOT_WORDS, *board.variables, *shot.variables))
        for missing in (word for word in wanted if word not in known):
            place = (*path, "template") if shot.template else path
            remedy = templates.hint(missing, known) or f"Add {missing} to variables: of the shot or the storyboard."
            yield Finding(
                place,
                f"template {name!r} needs the variable {missing!r}",
                remedy,
                relies=("variables", "templates"),
            )
    elif shot.template is not None:
        yield _no_template(board, shot.template, (*path, "template"))
    for variable in shot.variables:
        yield from _variable(variable, (*path, "variables", variable), used, "templates")


def _variable(name: str, path: Path, used: set[str], section: str) -> Iterator[Finding]:
    if name in templates.SHOT_WORDS:
        yield Finding(path, f"{name!r} is a word that every shot fills by itself", "Choose another name.")
    elif name not in used:
        yield Finding(
            path,
            f"no template uses {{{name}}}",
            "Remove it, or use it in the template.",
            warning=True,
            relies=(section,),
        )


def _no_template(board: Storyboard, name: str, path: Path) -> Finding:
    remedy = did_you_mean(name, board.templates) or "Write it under templates:."
    return Finding(path, f"{name!r} is not among the templates", remedy, relies=("templates",))


def _camera(camera: Camera, path: Path) -> Iterator[Finding]:
    for field in vocabulary.VOCABULARY:
        word: str = getattr(camera, field)
        if vocabulary.canonical(field, word) is None:
            near = vocabulary.suggest(field, word)
            remedy = f"Did you mean {near!r}?" if near else f"Known are {', '.join(vocabulary.names(field))}."
            message = f"{word!r} is not in the camera's vocabulary; it is passed on as it is"
            yield Finding((*path, field), message, remedy, warning=True)


def _models(models: ModelChoice, path: Path) -> Iterator[Finding]:
    if models.pin and models.pin in models.deny:
        yield Finding((*path, "pin"), f"{models.pin!r} is pinned and denied", "Keep one of the two.")
    if models.pin and models.allow and models.pin not in models.allow:
        yield Finding((*path, "pin"), f"{models.pin!r} is not among the allowed models", "Allow it, or remove allow.")
    for index, name in enumerate(models.allow):
        if name in models.deny:
            yield Finding((*path, "allow", index), f"{name!r} is allowed and denied", "Keep one of the two.")


def _quality(quality: Quality, path: Path) -> Iterator[Finding]:
    named: list[tuple[Path, str]] = [((*path, "thresholds", name), name) for name in quality.thresholds]
    named += [((*path, "skip", index), name) for index, name in enumerate(quality.skip)]
    for field, name in named:
        if name not in MEASURES:
            meant = did_you_mean(name, MEASURES) or f"Known are {', '.join(sorted(MEASURES))}."
            yield Finding(field, f"{name!r} is no measure", meant)
