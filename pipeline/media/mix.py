"""The film's sound: one continuous track, mixed as float samples from the shots' WAV files.

One track, because sound encoded shot by shot carries encoder padding to every joint and drifts away
from the picture. Memory is bounded by a block, whatever the film's length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import MediaError
from pipeline.media.ffmpeg import Progress, written
from pipeline.media.plan import FilmPlan, PlacedShot, SegmentKind
from pipeline.media.wav import Samples, WavFile, WavWriter, open_wav

BLOCK_S = 10
"""Seconds mixed at a time."""

DECLICK_S = 0.002
"""Fade on either side of a cut: too short to be heard, long enough that the step makes no click."""

_ROUNDING = 2  # samples by which a clip may differ from its place: both are rounded from frames


@dataclass(frozen=True, slots=True)
class _Voice:
    """A shot's sound in its place.

    Attributes:
        wav: Its samples.
        begin: First sample in the film.
        end: Sample after the last one.
        head: Samples over which it comes in.
        tail: Samples over which it goes out.
    """

    wav: WavFile
    begin: int
    end: int
    head: int
    tail: int

    def read(self, begin: int, end: int) -> Samples:
        """Return its part of the film's samples ``begin`` to ``end``, faded."""
        block = self.wav.read(begin - self.begin, end - begin)
        return block * self.gain(begin, end)[:, None]

    def gain(self, begin: int, end: int) -> npt.NDArray[np.float32]:
        """Return the gain of the film's samples ``begin`` to ``end``.

        Quarter sines: where two of them overlap, their squares add up to one, so two unlike sounds
        keep their common power (the equal-power crossfade).
        """
        place = np.arange(begin, end, dtype=np.float64) + 0.5
        gain = np.ones(end - begin)
        if self.head:
            gain *= np.sin(np.pi / 2 * np.clip((place - self.begin) / self.head, 0.0, 1.0))
        if self.tail:
            gain *= np.sin(np.pi / 2 * np.clip((self.end - place) / self.tail, 0.0, 1.0))
        return gain.astype(np.float32)


def mix(plan: FilmPlan, sounds: Mapping[str, Path], out: Path, *, progress: Progress | None = None) -> int:
    """Mix the shots' sounds as the plan says; return the number of samples written.

    Args:
        plan: The film.
        sounds: WAV file of each shot, as conformed.
        out: Float WAV to write: exactly ``plan.samples`` samples.
        progress: Told the share done; what it raises stops the work.

    Raises:
        MediaError: If a WAV file is missing, damaged, or not as long as its shot.
    """
    voices = [_voice(plan, shot, sounds) for shot in plan.shots]
    channels = max(voice.wav.channels for voice in voices)
    block = BLOCK_S * plan.sample_rate
    with written(out) as part, WavWriter(part, plan.sample_rate, channels) as wav:
        sounding = 0
        for begin in range(0, plan.samples, block):
            end = min(begin + block, plan.samples)
            mixed = np.zeros((end - begin, channels), np.float32)
            while sounding < len(voices) and voices[sounding].end <= begin:
                sounding += 1
            for voice in voices[sounding:]:
                if voice.begin >= end:
                    break
                first, last = max(begin, voice.begin), min(end, voice.end)
                if first < last:
                    mixed[first - begin : last - begin] += voice.read(first, last)
            wav.write(mixed)
            if progress:
                progress(end / plan.samples)
        return wav.samples


def _voice(plan: FilmPlan, shot: PlacedShot, sounds: Mapping[str, Path]) -> _Voice:
    path = sounds.get(shot.key)
    if path is None:
        raise MediaError("A shot of the film has no sound file.", where=shot.key, remedy="Conform the shot again.")
    wav = open_wav(path)
    begin, end = plan.sample_at(shot.start), plan.sample_at(shot.end)
    if wav.sample_rate != plan.sample_rate or abs(wav.samples - (end - begin)) > _ROUNDING:
        raise MediaError(
            f"The shot's sound has {wav.samples} samples at {wav.sample_rate} Hz; "
            f"its place in the film has {end - begin} at {plan.sample_rate} Hz.",
            where=str(path),
            remedy="Conform the shot again.",
        )
    declick = round(DECLICK_S * plan.sample_rate)
    head = plan.sample_at(shot.start + shot.head) - begin
    tail = end - plan.sample_at(shot.end - shot.tail)
    if shot.head_kind is SegmentKind.BODY:
        head = min(declick, (end - begin) // 4)
    if shot.tail_kind is SegmentKind.BODY:
        tail = min(declick, (end - begin) // 4)
    return _Voice(wav, begin, end, head, tail)
