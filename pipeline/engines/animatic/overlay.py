"""Lettering: the shot's slate, name tags and subtitles, each set once and laid per frame.

Set in the fonts that OpenCV 5 carries (Latin with accents, Greek, Cyrillic, Chinese, Japanese,
Hebrew, Arabic); a character that they lack shows as ``?``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from pipeline.control.request import GenerationRequest
from pipeline.engines.animatic.sheets import Canvas, Placement, Sheet, lay, sheet_of
from pipeline.storyboard.vocabulary import canonical_move

SAFE = 0.06
"""Margin kept free on each side; text stays inside 90 % of the frame (EBU R 95 title safe), and more."""
MAX_LINES = 2


def _width(text: str, size: int, weight: int) -> int:
    _, _, width, _ = cv2.getTextSize((8, 8), text, (0, 0), cv2.FontFace("sans"), size, weight)
    return int(width)


def wrapped(text: str, room: int, size: int, weight: int = 500) -> list[str]:
    """Return text in at most two lines that fit ``room`` pixels, cut with an ellipsis if need be.

    Two lines are balanced, the upper not longer than the lower where that is possible.
    """
    words = _words(" ".join(text.split()), room, size, weight)
    if not words:
        return []
    if _width(_join(words), size, weight) <= room:
        return [_join(words)]
    splits = [
        (_join(words[:k]), _join(words[k:]))
        for k in range(1, len(words))
        if _width(_join(words[:k]), size, weight) <= room and _width(_join(words[k:]), size, weight) <= room
    ]
    if splits:
        return list(min(splits, key=lambda pair: abs(len(pair[0]) - len(pair[1]) + 1)))
    first = _fitting(words, room, size, weight)
    rest = words[len(first) :]
    second = _fitting(rest, room - _width("…", size, weight), size, weight)
    return [_join(first), f"{_join(second)}…"]


def _words(text: str, room: int, size: int, weight: int) -> list[str]:
    """Return words; those longer than a line (and scripts without spaces) are broken into pieces."""
    found: list[str] = []
    for word in text.split(" "):
        piece = ""
        for char in word:
            if piece and _width(piece + char, size, weight) > room * 0.48:
                found.append(piece + "\u200b")
                piece = ""
            piece += char
        if piece:
            found.append(piece)
    return found


def _join(words: list[str]) -> str:
    return " ".join(words).replace("\u200b ", "").replace("\u200b", "")


def _fitting(words: list[str], room: int, size: int, weight: int) -> list[str]:
    count = 1
    while count < len(words) and _width(_join(words[: count + 1]), size, weight) <= room:
        count += 1
    return words[:count]


def lettered(
    lines: list[str],
    size: int,
    *,
    weight: int = 500,
    colour: tuple[int, int, int] = (248, 248, 246),
    strength: float = 1.0,
    plate: float = 0.0,
) -> Sheet:
    """Return lines of text, centred, with a dark edge and an optional dark plate, as a sheet at (0, 0)."""
    pad = max(4, round(size * 0.5))
    leading = round(size * 1.28)
    widths = [_width(text, size, weight) for text in lines]
    width = (max(widths, default=0) + 2 * pad + 3) & ~1
    height = (leading * len(lines) + 2 * pad + 1) & ~1
    mask = np.zeros((height, width, 3), np.uint8)
    for row, (text, across) in enumerate(zip(lines, widths, strict=True)):
        at = ((width - across) // 2, pad + round(leading * row + size * 0.98))
        cv2.putText(mask, text, at, (255, 255, 255), cv2.FontFace("sans"), size, weight)
    letters = np.ascontiguousarray(mask[..., 0])
    edge: Any = cv2.dilate(letters, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(3, size // 7) | 1,) * 2))
    edge = cv2.GaussianBlur(edge, (0, 0), max(0.8, size * 0.06))
    alpha = np.maximum(letters, (edge * 0.85).astype(np.uint8))
    if plate:
        box = np.zeros_like(alpha)
        inset = pad // 3
        cv2.rectangle(box, (inset, inset), (width - inset - 1, height - inset - 1), round(255 * plate), -1)
        box = cv2.GaussianBlur(box, (0, 0), max(1.0, size * 0.12))
        alpha = np.maximum(alpha, box)
    share = letters.astype(np.float32)[..., None] / 255
    picture = (np.array(colour, np.float32) * share + np.array((16, 12, 12)) * (1 - share)).astype(np.uint8)
    alpha = (alpha * strength).astype(np.uint8)
    return sheet_of(picture, alpha)


@dataclass(frozen=True, slots=True)
class _Cue:
    first: int
    last: int
    sheet: Sheet
    x: int
    y: int


class Lettering:
    """Everything written on a shot's frames."""

    def __init__(self, request: GenerationRequest) -> None:
        width, height = request.width, request.height
        shorter = min(width, height)
        small = max(9, round(shorter * 0.026))
        move = canonical_move(request.camera.move) or request.camera.move or "static"
        slate = " · ".join(part for part in (request.shot_id, request.camera.size, move) if part)
        room = round(width * (1 - 2 * SAFE))
        line = _cut(slate, room, small)
        sheet = lettered([line], small, weight=500, strength=0.86, plate=0.42) if line else None
        self._cues: list[_Cue] = []
        if sheet is not None:
            self._cues.append(
                _Cue(0, request.frames, sheet, round(width * SAFE) - small // 2, round(height * SAFE) - small // 2)
            )
        size = max(11, round(min(height * 0.044, width * 0.05)))
        rate = float(request.rate)
        for speech in request.dialogue:
            lines = wrapped(speech.text, round(width * (1 - 2 * SAFE) - size), size)
            if not lines:
                continue
            text = lettered(lines, size, plate=0.45)
            rows, columns = text.luma.shape
            first = round(speech.start_s * rate)
            last = max(first + 1, round(speech.end_s * rate))
            self._cues.append(
                _Cue(first, last, text, (width - columns) // 2 & ~1, round(height * (1 - SAFE)) - rows & ~1)
            )

    def over(self, canvas: Canvas, index: int) -> None:
        """Lay what a frame carries."""
        for cue in self._cues:
            if cue.first <= index < cue.last:
                lay(canvas, cue.sheet, Placement(1.0, cue.x - cue.sheet.x, cue.y - cue.sheet.y))


def _cut(text: str, room: int, size: int) -> str:
    while text and _width(text, size, 400) > room:
        text = text[:-2] + "…" if len(text) > 2 else ""
    return text
