"""The camera's vocabulary: the words for size, move and angle that every part of Dailies understands.

People write the same thing in many ways ("slow dolly in", "Pushes in", "push_in"). A word is folded
(case, punctuation, spelling of verbs, adverbs of speed) and looked up among the canonical words and
their aliases. A word that isn't found is no error: it is passed on to the model as it is.

The terms follow common usage on set: a *pan* or *tilt* turns the camera in place, a *truck* or *crane*
carries it sideways or up, a *push-in* carries it forward, a *zoom* changes the focal length only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Word:
    """A canonical word.

    Attributes:
        name: The word itself, lower case, with hyphens.
        meaning: What it means, for documentation and editors.
        aliases: Other ways to say it, folded (see ``fold``).
    """

    name: str
    meaning: str
    aliases: tuple[str, ...] = ()


SIZES: tuple[Word, ...] = (
    Word(
        "extreme-wide",
        "The place; people are specks.",
        ("ews", "els", "xws", "extreme-long", "very-wide", "establishing", "wide-establishing", "panorama"),
    ),
    Word("wide", "The place and the people in it.", ("ws", "ls", "long", "wide-angle", "master")),
    Word("full", "A person from head to foot.", ("fs", "full-body", "full-figure", "full-length")),
    Word(
        "medium-wide",
        "A person from the knees up.",
        ("mws", "mls", "medium-long", "american", "cowboy", "three-quarter", "wide-medium", "medium-full"),
    ),
    Word("medium", "A person from the waist up.", ("ms", "mid", "waist", "waist-up", "half-body")),
    Word(
        "medium-close-up",
        "A person from the chest up.",
        ("mcu", "medium-close", "close-medium", "close-to-medium", "chest", "chest-up", "bust", "portrait"),
    ),
    Word("close-up", "A face, or a thing that fills the frame.", ("cu", "close", "closeup", "tight", "face")),
    Word(
        "extreme-close-up",
        "A detail: an eye, a hand, a texture.",
        (
            "ecu",
            "xcu",
            "extreme-close",
            "extreme-closeup",
            "big-close-up",
            "bcu",
            "macro",
            "macro-close-up",
            "detail",
            "insert",
        ),
    ),
    Word("two-shot", "Two people in one frame.", ("two", "2", "2-shot", "medium-two", "double")),
    Word(
        "over-the-shoulder",
        "Past the shoulder of one person to what that person sees.",
        ("ots", "os", "over-shoulder", "over-the-shoulder-medium"),
    ),
)

MOVES: tuple[Word, ...] = (
    Word(
        "static",
        "The camera does not move.",
        (
            "none",
            "still",
            "fixed",
            "locked",
            "locked-off",
            "lock-off",
            "tripod",
            "tripod-stable",
            "hold",
            "no-move",
            "stationary",
            "stable",
            "rack-focus",
        ),
    ),
    Word("pan-left", "Turns to the left in place.", ("pan-right-to-left", "right-to-left-pan", "left-pan")),
    Word(
        "pan-right",
        "Turns to the right in place; a pan without a side.",
        ("pan", "pan-left-to-right", "left-to-right-pan", "right-pan"),
    ),
    Word("tilt-up", "Turns upwards in place.", ("tilt", "tilt-upward", "up-tilt")),
    Word("tilt-down", "Turns downwards in place.", ("tilt-downward", "down-tilt")),
    Word(
        "push-in",
        "Moves forward, towards the subject.",
        (
            "push",
            "push-forward",
            "dolly",
            "dolly-in",
            "dolly-forward",
            "forward-dolly",
            "track-in",
            "track-forward",
            "move-in",
            "move-forward",
            "forward",
            "creep-in",
            "slide-in",
        ),
    ),
    Word(
        "pull-out",
        "Moves backward, away from the subject.",
        (
            "pull",
            "pull-back",
            "pull-away",
            "dolly-out",
            "dolly-back",
            "dolly-backward",
            "backward-dolly",
            "track-out",
            "track-back",
            "track-backward",
            "push-out",
            "move-back",
            "move-out",
            "backward",
            "retreat",
        ),
    ),
    Word("zoom-in", "A longer focal length, from the same place.", ("zoom", "crash-zoom", "punch-in")),
    Word("zoom-out", "A shorter focal length, from the same place.", ("zoom-back",)),
    Word(
        "truck-left",
        "Moves to the left, sideways.",
        ("track-left", "dolly-left", "slide-left", "move-left", "drift-left", "left", "lateral-left"),
    ),
    Word(
        "truck-right",
        "Moves to the right, sideways; a lateral move without a side.",
        (
            "truck",
            "track-right",
            "dolly-right",
            "slide-right",
            "slide",
            "slider",
            "lateral",
            "lateral-slide",
            "lateral-slider",
            "lateral-dolly",
            "lateral-drift",
            "lateral-track",
            "drift",
            "drift-right",
            "move-right",
            "right",
            "lateral-right",
        ),
    ),
    Word(
        "crane-up",
        "Rises.",
        ("crane", "boom-up", "jib-up", "pedestal-up", "ped-up", "rise", "lift", "ascend", "move-up", "up"),
    ),
    Word(
        "crane-down",
        "Sinks.",
        ("boom-down", "jib-down", "pedestal-down", "ped-down", "descend", "lower", "move-down", "down"),
    ),
    Word(
        "orbit-left",
        "Circles the subject clockwise seen from above: the camera goes to its left.",
        ("arc-left", "circle-left", "orbit-clockwise", "circular-dolly-clockwise", "clockwise"),
    ),
    Word(
        "orbit-right",
        "Circles the subject the other way: the camera goes to its right; an orbit without a side.",
        (
            "orbit",
            "arc",
            "circle",
            "arc-right",
            "circle-right",
            "orbit-counterclockwise",
            "counterclockwise",
            "circular-dolly",
            "arc-shot",
            "360",
        ),
    ),
    Word(
        "handheld",
        "Carried by hand: small restless movements.",
        ("hand-held", "handheld-feel", "handheld-style", "handheld-sway", "handheld-micro-shake", "shaky"),
    ),
    Word(
        "follow",
        "Goes with the subject and keeps it in frame.",
        (
            "track",
            "track-follow",
            "follow-track",
            "chase",
            "lead",
            "steadicam",
            "steadicam-style",
            "steadicam-style-track",
            "gimbal",
        ),
    ),
    Word("whip-pan-left", "A pan to the left, too fast to see.", ("whip-left", "swish-pan-left")),
    Word("whip-pan-right", "The same to the right.", ("whip-pan", "whip", "swish-pan", "whip-right")),
    Word("roll", "Turns about its own axis; the horizon tips.", ("rotate", "spin", "roll-left", "roll-right")),
)

ANGLES: tuple[Word, ...] = (
    Word(
        "eye-level",
        "Level with the eyes.",
        ("eye", "eyelevel", "neutral", "normal", "straight-on", "front", "frontal", "front-facing", "level"),
    ),
    Word("low", "From below, looking up.", ("low-angle", "from-below", "looking-up", "upward")),
    Word("high", "From above, looking down.", ("high-angle", "from-above", "looking-down", "downward")),
    Word(
        "overhead",
        "Straight down.",
        (
            "top-down",
            "top-down-overhead",
            "top",
            "birds-eye",
            "bird-eye",
            "birds-eye-view",
            "aerial",
            "drone",
        ),
    ),
    Word("worms-eye", "From the ground, steeply up.", ("worm-eye", "ground", "ground-level", "worms-eye-view")),
    Word("dutch", "Tilted horizon.", ("dutch-tilt", "dutch-tilted", "canted", "oblique", "tilted")),
    Word("profile", "From the side.", ("side", "side-on", "side-profile", "lateral")),
    Word("three-quarter", "Between front and side.", ("three-quarters", "3-4", "corner")),
    Word("rear", "From behind.", ("back", "behind", "from-behind", "rear-three-quarter")),
    Word(
        "over-the-shoulder",
        "Past somebody's shoulder.",
        ("ots", "over-shoulder"),
    ),
    Word("point-of-view", "Through somebody's eyes.", ("pov", "subjective", "first-person")),
)

# How strong a move is doesn't change which move it is.
_MANNER = frozenset(
    {"a", "an", "the", "with", "camera", "shot", "view", "framing", "very", "small", "short"}
    | {
        "slow",
        "slowly",
        "gentle",
        "gently",
        "subtle",
        "subtly",
        "slight",
        "slightly",
        "soft",
        "softly",
        "light",
    }
    | {"smooth", "smoothly", "steady", "steadily", "controlled", "fast", "quick", "quickly"}
)
_VERBS = MappingProxyType(
    {
        "pans": "pan",
        "panning": "pan",
        "tilts": "tilt",
        "tilting": "tilt",
        "pushes": "push",
        "pushing": "push",
        "pulls": "pull",
        "pulling": "pull",
        "dollies": "dolly",
        "dollying": "dolly",
        "tracks": "track",
        "tracking": "track",
        "trucks": "truck",
        "trucking": "truck",
        "zooms": "zoom",
        "zooming": "zoom",
        "cranes": "crane",
        "craning": "crane",
        "rises": "rise",
        "rising": "rise",
        "descends": "descend",
        "descending": "descend",
        "orbits": "orbit",
        "orbiting": "orbit",
        "arcs": "arc",
        "arcing": "arc",
        "circles": "circle",
        "circling": "circle",
        "slides": "slide",
        "sliding": "slide",
        "drifts": "drift",
        "drifting": "drift",
        "follows": "follow",
        "following": "follow",
        "retreats": "retreat",
        "retreating": "retreat",
        "rolls": "roll",
        "rolling": "roll",
        "rotates": "rotate",
        "rotating": "rotate",
        "holds": "hold",
        "moves": "move",
        "forwards": "forward",
        "backwards": "backward",
        "upwards": "up",
        "downwards": "down",
    }
)
_SEPARATORS = re.compile(r"[^a-z0-9]+")


def fold(word: str) -> str:
    """Return a word as aliases are written: lower case, hyphens, base form of verbs."""
    parts = _SEPARATORS.sub(" ", word.lower().replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", ""))
    return "-".join(_VERBS.get(part, part) for part in parts.split())


def _without_manner(folded: str) -> str:
    return "-".join(part for part in folded.split("-") if part not in _MANNER)


def _index(words: Iterable[Word]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for word in words:
        for alias in (word.name, *word.aliases):
            known = found.setdefault(alias, word.name)
            if known != word.name:
                raise ValueError(f"{alias!r} stands for both {known!r} and {word.name!r}")
    return MappingProxyType(found)


_INDEX: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"size": _index(SIZES), "move": _index(MOVES), "angle": _index(ANGLES)}
)
VOCABULARY: Mapping[str, tuple[Word, ...]] = MappingProxyType({"size": SIZES, "move": MOVES, "angle": ANGLES})
"""Field of ``camera`` to its words."""


def canonical(field: str, word: str) -> str | None:
    """Return the canonical form of a camera word.

    Args:
        field: ``size``, ``move`` or ``angle``.
        word: What a person wrote.

    Returns:
        A name of ``VOCABULARY[field]``, or ``None`` if the word isn't known.
    """
    index = _INDEX[field]
    folded = fold(word)
    return index.get(folded) or index.get(_without_manner(folded))


def canonical_size(word: str) -> str | None:
    """Return the canonical shot size, or ``None`` if the word isn't known."""
    return canonical("size", word)


def canonical_move(word: str) -> str | None:
    """Return the canonical camera move, or ``None`` if the word isn't known."""
    return canonical("move", word)


def canonical_angle(word: str) -> str | None:
    """Return the canonical camera angle, or ``None`` if the word isn't known."""
    return canonical("angle", word)


def suggest(field: str, word: str) -> str | None:
    """Return the canonical word that was probably meant by an unknown one, or ``None``."""
    index = _INDEX[field]
    folded = _without_manner(fold(word)) or fold(word)
    near = get_close_matches(folded, index, n=1, cutoff=0.7)
    return index[near[0]] if near else None


def names(field: str) -> tuple[str, ...]:
    """Return the canonical words of a field of ``camera``, in order from wide to near."""
    return tuple(word.name for word in VOCABULARY[field])
