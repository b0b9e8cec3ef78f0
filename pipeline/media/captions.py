"""Captions from dialogue: cues in the film's time, as SRT and WebVTT. Pure.

Two lines of about 42 characters at most and no shorter than five sixths of a second, as broadcasters'
guides to timed text ask for.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.media.plan import FilmPlan, PlacedShot, SegmentKind

LINE_LETTERS = 42
LINES = 2
MIN_DURATION_S = 5 / 6
_MS = 1000

Speech = tuple[str, str, float, float]
"""Speaker's id or name (empty for a narrator), words, begin and end in seconds within the shot."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption.

    Attributes:
        begin_ms: Milliseconds from the film's begin.
        end_ms: Milliseconds at which it goes.
        lines: One or two lines of text.
    """

    begin_ms: int
    end_ms: int
    lines: tuple[str, ...]


def cues(
    plan: FilmPlan,
    dialogue_by_shot: Mapping[str, Sequence[Speech]],
    speaker_names: Mapping[str, str] | None = None,
) -> list[Cue]:
    """Return the film's captions in order, none overlapping another.

    Long lines become several cues, each for its share of the time. A line that starts in a shot's
    part of a crossfade starts with the crossfade; a line never goes on after its shot, except that a
    short one may use the silence that follows it.

    Args:
        plan: The film.
        dialogue_by_shot: What is said in each shot.
        speaker_names: Names to show instead of ids. A name is shown where the speaker changes.
    """
    names = speaker_names or {}
    film_ms = round(plan.frames / plan.fps * _MS)
    found: list[Cue] = []
    previous = ""
    for shot in plan.shots:
        for speaker, text, start_s, end_s in sorted(dialogue_by_shot.get(shot.key, ()), key=_begin):
            words = " ".join(text.split())
            if not words:
                continue
            if speaker and speaker != previous:
                words = f"{names.get(speaker, speaker)}: {words}"
            previous = speaker
            begin, end = _placed(plan, shot, start_s, end_s)
            found += _shared(words, begin, end)
    return _apart(found, film_ms)


def _begin(line: Speech) -> float:
    return line[2]


def _placed(plan: FilmPlan, shot: PlacedShot, start_s: float, end_s: float) -> tuple[int, int]:
    begin = shot.start / plan.fps
    end = shot.end / plan.fps
    if shot.tail_kind is SegmentKind.CROSSFADE:
        end = (shot.end - shot.tail / 2) / plan.fps  # half-way over, the next shot has the word
    first = min(max(float(begin) + start_s, float(begin)), float(end))
    last = min(max(float(begin) + end_s, first), float(end))
    return round(first * _MS), round(last * _MS)


def _shared(words: str, begin: int, end: int) -> list[Cue]:
    """Break words into cues of two lines, each with time in proportion to its letters."""
    lines = textwrap.wrap(words, LINE_LETTERS, break_on_hyphens=False)
    pages = [tuple(lines[first : first + LINES]) for first in range(0, len(lines), LINES)]
    letters = [sum(map(len, page)) for page in pages]
    whole = sum(letters)
    result: list[Cue] = []
    done = 0
    for page, count in zip(pages, letters, strict=True):
        first = begin + (end - begin) * done // whole
        done += count
        result.append(Cue(first, begin + (end - begin) * done // whole, _balanced(page)))
    return result


def _balanced(page: tuple[str, ...]) -> tuple[str, ...]:
    """Return two lines of near equal length instead of a full and a short one."""
    if len(page) == 1:
        return page
    words = " ".join(page)
    for width in range(len(words) // 2, LINE_LETTERS):
        lines = textwrap.wrap(words, width, break_on_hyphens=False, break_long_words=False)
        if len(lines) <= LINES and all(len(line) <= LINE_LETTERS for line in lines):
            return tuple(lines)
    return page


def _apart(found: Sequence[Cue], film_ms: int) -> list[Cue]:
    """Order cues, lengthen short ones into the silence after them, and let none overlap."""
    ordered = sorted(found, key=lambda cue: (cue.begin_ms, cue.end_ms))
    result: list[Cue] = []
    for number, cue in enumerate(ordered):
        begin = max(cue.begin_ms, result[-1].end_ms if result else 0)
        limit = ordered[number + 1].begin_ms if number + 1 < len(ordered) else film_ms
        end = max(cue.end_ms, begin + round(MIN_DURATION_S * _MS))
        # Never into the next cue, unless there would be nothing left of this one.
        end = min(end, max(limit, begin + 1), film_ms)
        if end > begin:
            result.append(Cue(begin, end, cue.lines))
    return result


def to_srt(captions: Sequence[Cue]) -> str:
    """Return SubRip text. ``<`` and ``{`` begin tags for players, so they get a word joiner after them."""
    blocks = [
        f"{number}\n{_stamp(cue.begin_ms, ',')} --> {_stamp(cue.end_ms, ',')}\n"
        + "\n".join(_for_srt(line) for line in cue.lines)
        + "\n"
        for number, cue in enumerate(captions, 1)
    ]
    return "\n".join(blocks)


def to_vtt(captions: Sequence[Cue]) -> str:
    """Return WebVTT text (W3C), with ``&``, ``<`` and ``>`` escaped, which also breaks any ``-->``."""
    blocks = [
        f"{_stamp(cue.begin_ms, '.')} --> {_stamp(cue.end_ms, '.')}\n"
        + "\n".join(_for_vtt(line) for line in cue.lines)
        + "\n"
        for cue in captions
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _for_srt(line: str) -> str:
    return line.replace("-->", "->").replace("<", "<\u2060").replace("{", "{\u2060")


def _for_vtt(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _stamp(milliseconds: int, point: str) -> str:
    seconds, thousandths = divmod(milliseconds, _MS)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second:02d}{point}{thousandths:03d}"
