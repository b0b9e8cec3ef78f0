"""What a shot's description in prose says about the camera. Pure.

Made for boards that were written as sentences ("Low-angle wide shot, 24mm lens, slow push-in. The chef
..."). It reads what is plainly said: what isn't found stays at its default.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.storyboard.prose import sentences
from pipeline.storyboard.schema import Camera

# In order: the more particular before the more general, which it contains.
_SIZES = (
    (r"extreme[ -]close[ -]?ups?|macro close[ -]?up|macro shot", "extreme-close-up"),
    (r"medium[ -]close[ -]?up|close[ -](?:to[ -])?medium|tight medium", "medium-close-up"),
    (r"close[ -]?ups?|close(?:[ -]framed)? shot|tight shot|tight portrait", "close-up"),
    (r"extreme[ -]wide|establishing", "extreme-wide"),
    (r"medium[ -]wide|wide[ -]medium|medium[ -]long", "medium-wide"),
    (r"full[ -]body|full shot", "full"),
    (r"wide", "wide"),
    (r"medium", "medium"),
)
_ANGLES = (
    (r"eye[ -]level", "eye-level"),
    (r"low[ -]angle|(?:knee|ground)[ -](?:level|height)", "low"),
    (r"high[ -]angle", "high"),
    (r"overhead|top[ -]down", "overhead"),
    (r"dutch", "dutch"),
    (r"over[ -]the[ -]shoulder", "over-the-shoulder"),
    (r"rear|from behind", "rear"),
    (r"side[ -]profile|side[ -]on|in profile", "profile"),
    (r"three[ -]quarter", "three-quarter"),
    (r"point[ -]of[ -]view|pov", "point-of-view"),
)
_MOVES = (
    (
        (
            r"locked[ -]off|static|tripod[ -]stable|holds? (?:steady|still|on)|"
            r"(?:remains|stays|is) (?:static|steady|still)"
        ),
        "static",
    ),
    (
        (
            r"push(?:es)?[ -](?:\w+ )?in\b|dolly[ -]in|dollies (?:\w+ )?(?:in|forward)|forward dolly|push[ -]in|"
            r"push close|moves? (?:\w+ )?(?:in|closer|forward)\b|glides? (?:\w+ )?(?:in|closer|forward)\b"
        ),
        "push-in",
    ),
    (
        (
            r"pull(?:s)?[ -](?:\w+ )?(?:back|out|away)|backward dolly|dolly[ -](?:out|back)|"
            r"dollies (?:\w+ )?(?:back|backward|out)|retreats|moves? (?:\w+ )?(?:back|backward)\b"
        ),
        "pull-out",
    ),
    (r"zooms?(?: \w+)? out", "zoom-out"),
    (r"zooms?(?: \w+)? in", "zoom-in"),
    (r"right[ -]to[ -]left pan|pans?\b(?: \w+){0,3} left\b(?! to)", "pan-left"),
    (r"left[ -]to[ -]right pan|\bpans?\b|\bpanning\b", "pan-right"),
    (r"tilt[ -]down|tilts?\b(?: \w+){0,2} down", "tilt-down"),
    (r"tilt[ -]up|\btilts?\b", "tilt-up"),
    (
        r"crane[ -]down|crane-like descending|cranes?\b(?: \w+){0,2} down|descends|descending|lowers (?:\w+ )?from",
        "crane-down",
    ),
    (r"crane[ -]up|cranes?\b(?: \w+){0,2} up|\brises\b|booms? up", "crane-up"),
    (r"clockwise|(?:orbits?|arcs?|circles?)\b(?: \w+){0,4} left\b(?! to)", "orbit-left"),
    (r"\borbits?\b|\barcs?\b|\bcircles\b|circular", "orbit-right"),
    (r"(?:slides?|dolly|drifts?|trucks?|lateral\w*(?: \w+)?)\b(?: \w+){0,3} left\b(?! to)", "truck-left"),
    (r"\blateral(?:ly)?\b|\bslides?\b|\bslider\b|\bdrifts?\b|\btrucks?\b", "truck-right"),
    (r"tracking|\btracks\b|\bfollows\b|following|steadicam|moves (?:parallel|with)", "follow"),
    (r"hand-?held", "handheld"),
    (r"rotates", "roll"),
)
_LENS = re.compile(r"\b(\d{2,3})\s?mm\b")


def _table(rows: Sequence[tuple[str, str]]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), word) for pattern, word in rows)


_SIZE_TABLE, _ANGLE_TABLE, _MOVE_TABLE = _table(_SIZES), _table(_ANGLES), _table(_MOVES)


def camera_in(text: str) -> Camera:
    """Return the camera that a shot's prose asks for; the defaults for what it leaves open."""
    parts = sentences(text)
    head = parts[0] if parts else ""
    # A later sentence speaks of the camera only from that word on: "she slides ...; the camera tilts".
    clauses = [head]
    for part in parts[1:]:
        at = part.lower().find("camera")
        if at >= 0:
            clauses.append(part[at:])
    lens = _LENS.search(text)
    moves = (_earliest(_MOVE_TABLE, clause) for clause in clauses)
    return Camera(
        size=_first(_SIZE_TABLE, head) or "medium",
        angle=_earliest(_ANGLE_TABLE, head) or "eye-level",
        move=next(filter(None, moves), "static"),
        lens=f"{lens[1]}mm" if lens else "",
    )


def _first(table: Sequence[tuple[re.Pattern[str], str]], text: str) -> str | None:
    """Return the word of the first row that is found anywhere in a text."""
    return next((word for pattern, word in table if pattern.search(text)), None)


def _earliest(table: Sequence[tuple[re.Pattern[str], str]], text: str) -> str | None:
    """Return the word of the row that is found nearest to the text's begin; the earlier row wins a tie."""
    found = [(match.start(), row, word) for row, (pattern, word) in enumerate(table) if (match := pattern.search(text))]
    return min(found)[2] if found else None
