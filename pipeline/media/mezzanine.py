"""The mezzanine: the one form that every clip of a cut is brought to before it is stitched.

All clips and all transitions of a cut are encoded with the same settings, so their parameter sets
are equal byte by byte and groups of pictures can be copied into the film. That holds with x264's
``stitchable=1`` as long as preset, size and rate are the same; quality (crf), length and number of
threads may differ.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.storyboard.schema import Framing

ENCODER_VERSION = 1
"""Raised whenever :func:`video_options` changes, so that older mezzanines are made anew."""

REORDER_FRAMES = 2
"""Frames by which decoding runs ahead of showing: two B-frames, one of them a reference."""

_TICKS_PER_SECOND_AT_LEAST = 10_000
_KEYFRAME_EVERY_S = 2
_TRANSITION_CRF_STEP = 3  # transitions are encoded twice; a finer quantiser keeps what is there


@dataclass(frozen=True, slots=True)
class MezzanineFormat:
    """Size, rate and quality of a cut's mezzanine.

    Attributes:
        width: Pixels, even.
        height: Pixels, even.
        fps: Frames per second; given as a ratio or as text such as ``24000/1001``.
        framing: How clips of another aspect ratio are fitted.
        crf: x264's constant rate factor, 0 to 51.
        preset: x264's preset.
        sample_rate: Samples per second of the sound.
        channels: 1 or 2.
    """

    width: int
    height: int
    fps: Fraction
    framing: Framing = Framing.CROP
    crf: int = 18
    preset: str = "medium"
    sample_rate: int = 48_000
    channels: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "fps", Fraction(self.fps))
        object.__setattr__(self, "framing", Framing(self.framing))
        if self.width < 2 or self.height < 2 or self.width % 2 or self.height % 2:
            raise ValueError(f"both sides must be even: {self.width}x{self.height}")
        if self.fps <= 0 or self.channels not in {1, 2} or not 0 <= self.crf <= 51:
            raise ValueError(f"no such format: {self!r}")

    @property
    def key(self) -> str:
        """Short name of the format: equal formats, and only they, have equal keys."""
        parts = (
            *(ENCODER_VERSION, self.width, self.height, self.fps, self.framing.value),
            *(self.crf, self.preset, self.sample_rate, self.channels),
        )
        return hashlib.sha256("|".join(str(part) for part in parts).encode()).hexdigest()[:12]

    @property
    def tick(self) -> int:
        """Length of a frame in units of ``1 / timescale`` seconds."""
        return self.fps.denominator * (1 if self.fps.numerator >= _TICKS_PER_SECOND_AT_LEAST else 1000)

    @property
    def timescale(self) -> int:
        """Units per second in which frames are timed; every frame begins on a whole one."""
        return int(self.tick * self.fps)

    @property
    def frame_s(self) -> str:
        """Length of a frame in seconds, as the ratio that FFmpeg's filters read."""
        return f"{self.fps.denominator}/{self.fps.numerator}"

    def samples(self, frames: int) -> int:
        """Return how many samples a number of frames lasts."""
        return round(frames * self.sample_rate / self.fps)

    def duration_s(self, frames: int) -> float:
        """Return how many seconds a number of frames lasts."""
        return float(frames / self.fps)


@dataclass(frozen=True, slots=True)
class Conformed:
    """A take in the cut's mezzanine.

    Attributes:
        video: H.264 in MP4, exactly ``frames`` frames.
        audio: Float WAV, exactly ``samples`` samples.
        frames: Length in frames.
        samples: Length in samples per channel.
        held: Frames for which the last picture was held, because the take was short.
        trimmed: Frames that the take had more than the shot.
        silent: Whether the take had no sound, so that the WAV is silence.
        notes: What was changed that a person may want to know.
    """

    video: Path
    audio: Path
    frames: int
    samples: int
    held: int = 0
    trimmed: int = 0
    silent: bool = False
    notes: tuple[str, ...] = ()


def preview_format(width: int, height: int, fps: Fraction | str, framing: Framing = Framing.CROP) -> MezzanineFormat:
    """Return the format of a preview cut: fast to make, good enough to judge."""
    return MezzanineFormat(width, height, Fraction(fps), framing, crf=21, preset="superfast")


def video_options(fmt: MezzanineFormat, *, threads: int = 1, transition: bool = False) -> dict[str, Any]:
    """Return FFmpeg's output options for one stretch of picture.

    Closed groups of pictures that begin with an IDR, a fixed number of B-frames, colour tags in the
    stream and in the container, one time base for all.

    Args:
        fmt: The format.
        threads: Encoder threads.
        transition: The stretch is made from mezzanines, so it is quantised more finely.
    """
    interval = max(1, round(_KEYFRAME_EVERY_S * fmt.fps))
    x264 = {
        "open-gop": 0,
        "stitchable": 1,
        "keyint": interval,
        "min-keyint": 1,
        "bframes": 2,
        "b-adapt": 1,
        "b-pyramid": "normal",
    }
    return {
        "c:v": "libx264",
        "preset": fmt.preset,
        "crf": max(0, fmt.crf - _TRANSITION_CRF_STEP) if transition else fmt.crf,
        "profile:v": "high",
        "pix_fmt": "yuv420p",
        "x264-params": ":".join(f"{name}={value}" for name, value in x264.items()),
        "forced-idr": 1,
        "threads:v": threads,
        "color_range": "tv",
        "color_primaries": "bt709",
        "color_trc": "bt709",
        "colorspace": "bt709",
        "fps_mode": "passthrough",
        "video_track_timescale": fmt.timescale,
        "map_metadata": -1,
        "f": "mp4",
    }


def tagged(stream: Any, fmt: MezzanineFormat) -> Any:
    """Return an ffmpeg-python stream with numbered frames, square pixels and colour tags."""
    return (
        stream.filter("settb", fmt.frame_s)
        .filter("setpts", "N")
        .filter("setsar", 1)
        .filter("format", "yuv420p")
        .filter("setparams", range="tv", color_primaries="bt709", color_trc="bt709", colorspace="bt709")
    )
