"""When each line of a shot is spoken."""

from __future__ import annotations

from pipeline.control.request import Speech
from pipeline.storyboard.schema import Shot, Storyboard

LEAD_S = 0.1
"""Free time before the first and after the last line that gets its time here, at most."""


def timed_dialogue(storyboard: Storyboard, shot: Shot, duration_s: float) -> tuple[Speech, ...]:
    """Return a shot's lines with their times, in seconds from its first frame.

    Times that the storyboard gives are kept (cut off at the shot's end). A line with a start and the
    lines without one that follow it share the room until the next start, or the shot's end, by their
    length in characters.
    """
    lines = shot.dialogue
    lead = min(LEAD_S, duration_s / 20)
    result: list[Speech] = []
    place = 0
    clock = lead
    while place < len(lines):
        # A run is a timed line (or the first line) and the lines without a start that follow it.
        run_end = place + 1
        while run_end < len(lines) and lines[run_end].start_s is None:
            run_end += 1
        begin = lines[place].start_s
        begin = clock if begin is None else min(begin, duration_s)
        following = lines[run_end].start_s if run_end < len(lines) else None
        end = duration_s - lead if following is None else min(following, duration_s)
        for index in range(place, run_end):
            room = max(0.0, end - begin)
            left = sum(_weight(line.text) for line in lines[index:run_end])
            stop = lines[index].end_s
            stop = begin + room * _weight(lines[index].text) / left if stop is None else stop
            stop = min(max(stop, begin), duration_s)
            result.append(
                Speech(
                    speaker=_name(storyboard, lines[index].speaker),
                    text=lines[index].text,
                    start_s=min(round(begin, 3), duration_s),
                    end_s=min(round(stop, 3), duration_s),
                )
            )
            begin = stop
        clock = begin
        place = run_end
    return tuple(result)


def _weight(text: str) -> int:
    return max(1, len(text.strip()))


def _name(storyboard: Storyboard, speaker: str) -> str:
    who = storyboard.characters.get(speaker)
    return who.name or speaker if who is not None else speaker
