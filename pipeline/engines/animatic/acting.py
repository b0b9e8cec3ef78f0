"""Acting: what a figure does at a moment, from the words of its action. Pure.

Poses are drawn on twos like hand-drawn animation (a new drawing every second frame of 24), and
gestures in eight drawings, so that a pose is painted once and used again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.engines.animatic.moves import ease
from pipeline.engines.animatic.words import says

STEPS = 12  # drawings in a walk cycle
GESTURE = 8  # drawings in a gesture

_VERBS: Mapping[str, str] = {
    "run": "runs?|running|jog(s|ging)?|sprint(s|ing)?|rush(es|ing)?|chas(e|es|ing)|flee(s|ing)?",
    "walk": (
        "walk(s|ing)?|strid(e|es|ing)|steps?|stepping|stroll(s|ing)?|approach(es|ing)?"
        "|wander(s|ing)?|march(es|ing)?|cross(es|ing)?|enters?|leaves|hurr(y|ies)"
    ),
    "climb": "climb(s|ing)?|ascend(s|ing)?|scrambl(e|es|ing)",
    "sit": "sits?|sitting|seated|perch(es|ed)?",
    "kneel": "kneel(s|ing)?|crouch(es|ing)?|squat(s|ting)?",
    "point": "point(s|ing)?|gestur(e|es|ing)",
    "wave": "wav(e|es|ing) (at|to|his|her|their|a|goodbye|hello|slowly|back|farewell)|beckon(s|ing)?|greets?|salutes?",
    "open": (
        "(opens?|opening|spreads?|stretch(es|ing)?( out)?) (both |the |his |her |their )?arms|embrac(e|es|ing)|hugs?"
    ),
    "raise": (
        "rais(e|es|ing)|lift(s|ing)?|hold(s|ing)? up|reach(es|ing)?|celebrat(e|es|ing)"
        "|throws?|opens? (the|a|his|her|their)|lights the|shields?"
    ),
    "dance": "danc(e|es|ing)|twirl(s|ing)?|leap(s|ing)?|pirouettes?|pose[sd]?|spin(s|ning)?",
    "work": (
        "paint(s|ing)?|writ(e|es|ing)|draw(s|ing)?|stir(s|ring)?|pour(s|ing)?"
        "|cook(s|ing)?|cut(s|ting)?|chop(s|ping)?|wip(e|es|ing)|typ(e|es|ing)"
        "|play(s|ing)?|plant(s|ing)?|dig(s|ging)?|sews?|adjust(s|ing)?"
        "|places?|plac(ing)|prun(e|es|ing)|knead(s|ing)?|tun(e|es|ing)"
        "|strok(es|ing)|brush(es|ing)?|films?|holds?|holding"
    ),
    "turn": "turn(s|ing)?|spins? around|looks? back",
    "look": "looks?|looking|gaz(e|es|ing)|star(e|es|ing)|watch(es|ing)?|listens?|peers?|glanc(e|es|ing)",
}
_EMOTIONS: Mapping[str, str] = {
    "happy": (
        "happy|happiness|joy(ful|ous)?|smil(e|es|ing)|laugh(s|ing|ter)?"
        "|cheerful|delight(ed)?|amused|proud|relie(f|ved)|warm|content(ed)?"
        "|grateful|hopeful|excited|tender|playful"
    ),
    "sad": (
        "sad(ness)?|grie(f|ving)|cry(ing)?|tear(s|ful)?|melanchol(y|ic)"
        "|lonely|sorrow(ful)?|tired|weary|exhausted|disappointed|wistful"
    ),
    "angry": "ang(er|ry)|furious|rage|hostile|defiant|stern|annoyed|frustrated",
    "afraid": "afraid|fear(ful)?|scared|terrified|nervous|anxious|worried|uneasy|tense|panic",
    "surprised": "surpris(e|ed)|astonish(ed|ment)|shock(ed)?|amazed|awe|startled|wonder",
    "determined": "determin(ed|ation)|focus(ed)?|resolute|intent|concentrat(ed|ing|ion)|serious|calm resolve",
}


@dataclass(frozen=True, slots=True)
class Pose:
    """A drawing of a figure. Angles in radians from hanging straight down, forward positive.

    Attributes:
        facing: 1 faces right, -1 left, 0 the viewer.
        near: Shoulder and elbow of the arm nearest to the viewer.
        far: The same of the other.
        front: Hip and knee of the leg in front.
        back: The same of the other.
        lean: Of the trunk.
        nod: Of the head; positive looks down.
        drop: How far the hips sink, in figure heights.
        mouth: 0 closed to 1 open.
        blink: Whether the eyes are shut.
    """

    facing: float = 1.0
    near: tuple[float, float] = (0.08, 0.12)
    far: tuple[float, float] = (-0.06, 0.1)
    front: tuple[float, float] = (0.06, 0.03)
    back: tuple[float, float] = (-0.08, 0.03)
    lean: float = 0.0
    nod: float = 0.0
    drop: float = 0.0
    mouth: float = 0.0
    blink: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What a figure has to act.

    Attributes:
        verb: A key of the verbs, or ``idle``.
        emotion: A key of the emotions, or ``neutral``.
        facing: Where it looks.
        offset: Seeded offset of its breathing, in seconds.
    """

    verb: str
    emotion: str
    facing: float
    offset: float


def part_for(action: str, emotion: str, facing: float, offset: float) -> Part:
    """Return the part that the words of a figure ask for."""
    verb = next((name for name, words in _VERBS.items() if says(words, action)), "idle")
    felt = next((name for name, words in _EMOTIONS.items() if says(words, emotion)), "")
    if not felt:
        felt = next((name for name, words in _EMOTIONS.items() if says(words, action)), "neutral")
    return Part(verb, felt, facing, offset)


def pose_at(part: Part, seconds: float, share: float, *, speaking: bool) -> Pose:
    """Return the drawing at a time; ``share`` is the place in the shot, 0 to 1."""
    clock = math.floor((seconds + part.offset) * 12) / 12
    pose = replace(_deed(part, clock, share), facing=_facing(part, share))
    sunk = {"sad": 0.16, "afraid": 0.06, "happy": -0.05, "determined": -0.02}.get(part.emotion, 0.0)
    pose = replace(pose, nod=pose.nod + sunk, lean=pose.lean + sunk * 0.3)
    mouth = 0.0
    if speaking:
        mouth = (0.2, 0.75, 0.45, 1.0, 0.3, 0.6)[math.floor(clock * 8) % 6]
    blink = (math.floor(clock * 12) + round(part.offset * 12)) % 41 in (0, 1)
    return replace(pose, mouth=mouth, blink=blink)


def travel(part: Part, seconds: float, duration_s: float) -> float:
    """Return how far the figure has gone, in its own heights, from the middle of its way."""
    pace = {"walk": 0.32, "run": 0.75, "climb": 0.14}.get(part.verb, 0.0)
    sway = 0.006 * math.sin(math.tau * 0.21 * (seconds + part.offset)) if pace == 0 else 0.0
    return part.facing * pace * (seconds - duration_s / 2) + sway


def breath(part: Part, seconds: float) -> float:
    """Return the swell of breathing, about -1 to 1."""
    hertz = 0.55 if part.verb in {"run", "climb"} or part.emotion == "afraid" else 0.3
    return math.sin(math.tau * hertz * (seconds + part.offset))


def _facing(part: Part, share: float) -> float:
    if part.verb != "turn":
        return part.facing
    step = math.floor(ease((share - 0.25) / 0.4) * 4) / 4
    return round(part.facing * (1 - 2 * step), 2)


def _deed(part: Part, clock: float, share: float) -> Pose:  # noqa: C901, PLR0911 - one case per verb
    rise = math.floor(ease((share - 0.12) / 0.5) * GESTURE) / GESTURE
    beat = math.floor(clock * 12) % STEPS / STEPS * math.tau
    wag = math.sin(beat)
    match part.verb:
        case "walk" | "run":
            return _stride(clock, running=part.verb == "run")
        case "climb":
            step = math.sin(math.floor(clock * 8) % STEPS / STEPS * math.tau)
            return Pose(
                near=(1.9 + 0.5 * step, 0.5),
                far=(1.9 - 0.5 * step, 0.5),
                front=(0.7 + 0.5 * step, 1.1),
                back=(0.1 - 0.4 * step, 0.5),
                lean=0.25,
            )
        case "sit":
            return Pose(near=(0.5, 0.9), far=(0.45, 0.85), front=(1.45, 1.45), back=(1.3, 1.35), drop=0.22, lean=0.05)
        case "kneel":
            return Pose(
                near=(0.6, 0.7 + 0.15 * wag),
                far=(0.5, 0.6),
                front=(1.35, 1.5),
                back=(0.1, 1.6),
                drop=0.24,
                lean=0.3,
                nod=0.2,
            )
        case "point":
            return Pose(far=(0.1 + 1.4 * rise, 0.12), lean=0.06 * rise)
        case "wave":
            return Pose(far=(0.1 + 1.15 * rise, (1.5 + 0.35 * wag) * rise))
        case "raise":
            return Pose(
                far=(0.1 + 0.9 * rise, 1.75 * rise), near=(0.08 + 0.3 * rise, 0.12 + 0.5 * rise), nod=-0.2 * rise
            )
        case "open":
            return Pose(near=(-0.75 * rise, -0.35 * rise), far=(0.1 + 1.1 * rise, 0.4 * rise), lean=0.05 * rise)
        case "dance":
            return Pose(
                near=(1.3 + 0.7 * wag, 0.5),
                far=(-1.2 + 0.6 * wag, 0.4),
                front=(0.25 + 0.3 * wag, 0.3),
                back=(-0.3, 0.2),
                lean=0.12 * wag,
            )
        case "work":
            return Pose(near=(0.75, 0.85 + 0.14 * wag), far=(0.6, 0.7), lean=0.08, nod=0.14)
        case "look":
            return Pose(nod=-0.1 * rise)
        case _:
            return Pose()


def _stride(clock: float, *, running: bool) -> Pose:
    drawings = 12 if not running else 17
    phase = math.floor(clock * drawings) % STEPS / STEPS * math.tau
    swing = math.sin(phase)
    reach = 0.72 if running else 0.42
    lift = 1.25 if running else 0.55
    arms = 0.85 if running else 0.4
    bend = 1.2 if running else 0.25
    return Pose(
        near=(-arms * swing, bend),
        far=(arms * swing, bend),
        front=(reach * swing, 0.1 + lift * max(0.0, math.cos(phase))),
        back=(-reach * swing, 0.1 + lift * max(0.0, -math.cos(phase))),
        lean=0.2 if running else 0.05,
        drop=0.012 * abs(swing),
    )
