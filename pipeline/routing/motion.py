"""How much moves in a shot: nothing, the camera, or what it shows. Told from the camera's move and the words."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Motion(StrEnum):
    """What moves most in a shot."""

    STILL = "still"
    """Neither the camera nor, by its words, what it shows."""
    CAMERA = "camera"
    """The camera."""
    ACTION = "action"
    """People or things, fast: the prompt has a word of action in it."""


_VERBS: Final = (
    *("battle", "bounce", "brawl", "burst", "charge", "chase", "clash", "climb", "collapse", "collide", "crash"),
    *("dance", "dash", "dive", "dodge", "duel", "erupt", "explode", "fall", "fight", "flip", "gallop", "hurl", "jog"),
    *("jump", "kick", "leap", "lunge", "plunge", "pounce", "punch", "race", "roll", "rush", "shatter", "shoot"),
    *("skate", "skid", "slam", "slide", "smash", "splash", "sprint", "stumble", "surf", "swing", "throw", "tumble"),
    *("whirl", "wrestle"),
)
_OTHERS: Final = (
    *("explosion", "jogging", "parkour", "run", "running", "runs", "somersault", "spin", "spinning", "spins"),
    *("stampede", "swim", "swimming", "swims", "flipping", "skidding", "slamming"),
)


def _forms(verb: str) -> tuple[str, ...]:
    """Return a regular verb as it stands in descriptions of what is seen: plain, with s, with ing."""
    third = f"{verb}es" if verb.endswith(("sh", "ch", "ss", "x")) else f"{verb}s"
    return verb, third, f"{verb.removesuffix('e')}ing"


ACTION_WORDS: Final = frozenset((*(form for verb in _VERBS for form in _forms(verb)), *_OTHERS))
"""English words of fast motion, as they stand in prompts; another language's words are simply not found."""

_WORD = re.compile(r"[a-z][a-z-]*")


def motion_of(move: str, *texts: str) -> Motion:
    """Return what moves most in a shot.

    Args:
        move: The camera's move, a word of the vocabulary where it is known.
        texts: The shot's prompt and what its characters do.
    """
    if any(word in ACTION_WORDS for text in texts for word in _WORD.findall(text.lower())):
        return Motion.ACTION
    return Motion.STILL if move == "static" else Motion.CAMERA
