"""Decide which frame of the film comes from where. Pure: no file is read, no clock, no chance.

A shot's transition says how it follows the shot before it:

- a *crossfade* of n frames lays the shot's first n frames over the last n of the one before, so the
  film is n frames shorter;
- a *fade* lets the shot rise from black during its first n frames; nothing overlaps;
- a *dip* of n frames lets the shot before fall to the colour in its last ``n // 2`` frames and this
  one rise from it in its first ``n - n // 2``; nothing overlaps.

At the film's two ends a dip has only the half that is there. Sound follows the same plan: a sample's
place is always computed from a frame's number, so rounding never adds up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from pipeline.storyboard.schema import TransitionKind

BLACK, WHITE = "black", "white"


@dataclass(frozen=True, slots=True)
class FilmShot:
    """One shot as the plan is asked for it.

    Attributes:
        key: Names the shot; unique in the film.
        frames: Length, at least 1.
        transition: How it follows the shot before it.
        transition_frames: Length of that transition; of no meaning for a cut.
    """

    key: str
    frames: int
    transition: TransitionKind = TransitionKind.CUT
    transition_frames: int = 0


class SegmentKind(StrEnum):
    """What happens in a stretch of the film."""

    BODY = "body"
    """One shot, as it is."""
    CROSSFADE = "crossfade"
    """One shot goes over into the next."""
    RISE = "rise"
    """One shot rises from a colour."""
    FALL = "fall"
    """One shot falls to a colour."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the film with one thing happening; segments tile the film.

    Attributes:
        kind: What happens.
        start: First frame in the film.
        frames: Length.
        key: Shot that it shows; of a crossfade, the outgoing one.
        offset: Frame of that shot with which it begins.
        into: Incoming shot of a crossfade (which begins with its frame 0), else empty.
        colour: ``black`` or ``white`` of a rise or a fall, else empty.
    """

    kind: SegmentKind
    start: int
    frames: int
    key: str
    offset: int
    into: str = ""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class PlacedShot:
    """A shot's place in the film.

    Attributes:
        key: Names the shot.
        start: Its first frame in the film (the first of the overlap, after a crossfade).
        frames: Length.
        head: Frames at its begin that belong to a transition.
        head_kind: ``CROSSFADE`` or ``RISE``; ``BODY`` after a cut.
        tail: Frames at its end that belong to a transition.
        tail_kind: ``CROSSFADE`` or ``FALL``; ``BODY`` before a cut.
    """

    key: str
    start: int
    frames: int
    head: int
    head_kind: SegmentKind
    tail: int
    tail_kind: SegmentKind

    @property
    def end(self) -> int:
        """The frame after its last one in the film."""
        return self.start + self.frames


@dataclass(frozen=True, slots=True)
class FilmPlan:
    """The whole film.

    Attributes:
        fps: Frames per second.
        sample_rate: Samples per second.
        frames: Length in frames.
        shots: Shots in order.
        segments: Stretches in order; together they are the film, without gap or overlap.
        notes: What differs from what was asked for.
    """

    fps: Fraction
    sample_rate: int
    frames: int
    shots: tuple[PlacedShot, ...]
    segments: tuple[Segment, ...]
    notes: tuple[str, ...]

    @property
    def samples(self) -> int:
        """Length in samples."""
        return self.sample_at(self.frames)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.frames / self.fps)

    def sample_at(self, frame: int) -> int:
        """Return the sample with which a frame of the film begins, the nearest to its exact time."""
        return round(frame * self.sample_rate / self.fps)

    def shot(self, key: str) -> PlacedShot:
        """Return a shot's place.

        Raises:
            KeyError: If the film has no such shot.
        """
        for shot in self.shots:
            if shot.key == key:
                return shot
        raise KeyError(key)

    def keyframes(self, key: str) -> tuple[int, ...]:
        """Return the shot's frames at which its untouched middle begins and ends.

        A mezzanine with groups of pictures beginning there can be copied into the film.
        """
        shot = self.shot(key)
        return tuple(sorted({shot.head, shot.frames - shot.tail} - {0, shot.frames}))


def plan_film(
    shots: Sequence[FilmShot],
    ending: tuple[TransitionKind, int],
    fps: Fraction,
    sample_rate: int = 48_000,
) -> FilmPlan:
    """Place every shot and every transition.

    A transition that does not fit into its shots is shortened to what does, and the notes say so.

    Args:
        shots: Shots in order, at least one.
        ending: How the film ends, and in how many frames.
        fps: Frames per second.
        sample_rate: Samples per second.

    Raises:
        ValueError: If there is no shot, a key comes twice, or a length is impossible.
    """
    _check(shots, ending, fps, sample_rate)
    joints = _fitting(shots, ending)
    notes = [note for before, after in zip(_asked(shots, ending), joints, strict=True) for note in after.note(before)]
    placed: list[PlacedShot] = []
    start = 0
    for number, shot in enumerate(shots):
        before, after = joints[number], joints[number + 1]
        if before.kind is TransitionKind.CROSSFADE:
            start -= before.head
        placed.append(
            PlacedShot(
                key=shot.key,
                start=start,
                frames=shot.frames,
                head=before.head,
                head_kind=_edge(before, before.head, SegmentKind.RISE),
                tail=after.tail,
                tail_kind=_edge(after, after.tail, SegmentKind.FALL),
            )
        )
        start += shot.frames
    return FilmPlan(
        fps=fps,
        sample_rate=sample_rate,
        frames=start,
        shots=tuple(placed),
        segments=tuple(_segments(placed, joints)),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Joint:
    """What happens between two shots, or at an end of the film.

    Attributes:
        kind: Transition.
        frames: Length of the whole transition.
        name: The joint in words.
        has_before: There is a shot before it.
        has_after: There is a shot after it.
    """

    kind: TransitionKind
    frames: int
    name: str
    has_before: bool
    has_after: bool

    @property
    def colour(self) -> str:
        return WHITE if self.kind is TransitionKind.DIP_TO_WHITE else BLACK

    @property
    def tail(self) -> int:
        """Frames it takes of the shot before."""
        if not self.has_before or self.kind is TransitionKind.CUT:
            return 0
        if self.kind is TransitionKind.CROSSFADE:
            return self.frames
        if self.kind is TransitionKind.FADE:
            return 0 if self.has_after else self.frames
        return self.frames // 2

    @property
    def head(self) -> int:
        """Frames it takes of the shot after."""
        if not self.has_after or self.kind is TransitionKind.CUT:
            return 0
        if self.kind in {TransitionKind.CROSSFADE, TransitionKind.FADE}:
            return self.frames
        return self.frames - self.frames // 2

    def with_tail(self, most: int) -> _Joint:
        """Return the longest such joint that takes at most so many frames of the shot before."""
        halves = self.kind in {TransitionKind.DIP_TO_BLACK, TransitionKind.DIP_TO_WHITE}
        return replace(self, frames=min(self.frames, 2 * most + 1 if halves else most))

    def with_head(self, most: int) -> _Joint:
        """Return the longest such joint that takes at most so many frames of the shot after."""
        halves = self.kind in {TransitionKind.DIP_TO_BLACK, TransitionKind.DIP_TO_WHITE}
        return replace(self, frames=min(self.frames, 2 * most if halves else most))

    def note(self, asked: _Joint) -> list[str]:
        """Say how it differs from what was asked for."""
        if self.frames == asked.frames:
            return []
        text = (
            f"{self.name}: the {self.kind.value} is shortened from {asked.frames} to {self.frames} frames, "
            "which is what its shots have room for"
        )
        return [text]


def _check(shots: Sequence[FilmShot], ending: tuple[TransitionKind, int], fps: Fraction, sample_rate: int) -> None:
    if not shots:
        raise ValueError("a film has at least one shot")
    if len({shot.key for shot in shots}) != len(shots):
        raise ValueError("two shots have the same key")
    if fps <= 0 or sample_rate < 1:
        raise ValueError(f"no such rate: {fps} frames and {sample_rate} samples per second")
    if ending[1] < 0:
        raise ValueError("the ending has a negative length")
    for shot in shots:
        if shot.frames < 1 or shot.transition_frames < 0:
            raise ValueError(f"shot {shot.key}: {shot.frames} frames, {shot.transition_frames} of transition")


def _asked(shots: Sequence[FilmShot], ending: tuple[TransitionKind, int]) -> list[_Joint]:
    """Return the joints before, between and after the shots, as they were asked for."""
    joints: list[_Joint] = []
    for number, shot in enumerate(shots):
        kind = shot.transition
        if number == 0 and kind is TransitionKind.CROSSFADE:
            kind = TransitionKind.CUT  # nothing to cross from
        joints.append(_Joint(kind, shot.transition_frames, f"before {shot.key}", number > 0, has_after=True))
    kind = TransitionKind.CUT if ending[0] is TransitionKind.CROSSFADE else ending[0]
    return [*joints, _Joint(kind, ending[1], "at the film's end", has_before=True, has_after=False)]


def _fitting(shots: Sequence[FilmShot], ending: tuple[TransitionKind, int]) -> list[_Joint]:
    """Shorten the joints until both of each shot's fit into it.

    One pass is enough: a joint only ever gets shorter, so what fitted before still fits. Two joints
    that want more than a shot has share it in the proportion of their wishes.
    """
    joints = [
        joint.with_tail(shots[number - 1].frames) if joint.tail else joint
        for number, joint in enumerate(_asked(shots, ending))
    ]
    joints = [joint.with_head(shots[number].frames) if joint.head else joint for number, joint in enumerate(joints)]
    for number, shot in enumerate(shots):
        before, after = joints[number], joints[number + 1]
        wanted = before.head + after.tail
        if wanted > shot.frames:
            head = shot.frames * before.head // wanted
            joints[number] = before.with_head(head)
            joints[number + 1] = after.with_tail(shot.frames - joints[number].head)
    return joints


def _edge(joint: _Joint, frames: int, otherwise: SegmentKind) -> SegmentKind:
    if not frames:
        return SegmentKind.BODY
    return SegmentKind.CROSSFADE if joint.kind is TransitionKind.CROSSFADE else otherwise


def _segments(placed: Sequence[PlacedShot], joints: Sequence[_Joint]) -> list[Segment]:
    segments: list[Segment] = []
    for number, shot in enumerate(placed):
        if shot.head_kind is SegmentKind.CROSSFADE:
            left = placed[number - 1]
            segments.append(
                Segment(
                    SegmentKind.CROSSFADE,
                    shot.start,
                    shot.head,
                    left.key,
                    left.frames - left.tail,
                    into=shot.key,
                )
            )
        elif shot.head:
            colour = joints[number].colour
            segments.append(Segment(SegmentKind.RISE, shot.start, shot.head, shot.key, 0, colour=colour))
        body = shot.frames - shot.head - shot.tail
        if body:
            segments.append(Segment(SegmentKind.BODY, shot.start + shot.head, body, shot.key, shot.head))
        if shot.tail_kind is SegmentKind.FALL:
            first = shot.frames - shot.tail
            colour = joints[number + 1].colour
            segments.append(Segment(SegmentKind.FALL, shot.start + first, shot.tail, shot.key, first, colour=colour))
    return segments
