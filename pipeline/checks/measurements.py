"""What one pass over a clip measured: plain values, JSON in and out, no verdicts.

Luma is in full-range 8-bit levels (0 black, 255 white) whatever the file's own range. Times are
seconds after the clip's first frame.
"""

from __future__ import annotations

from fractions import Fraction

from pydantic import BaseModel, ConfigDict

MEASURES_VERSION = 1
"""Raised whenever the same file would give other values; kept on every measurement."""


class Frozen(BaseModel):
    """Base of the parts: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(Frozen):
    """A stretch of the clip, from its first frame's begin to its last frame's end."""

    start_s: float
    end_s: float
    frames: int


class ColourTags(Frozen):
    """Colour tags as the file has them (ITU-T H.273 code points; 2 means unspecified)."""

    full_range: bool = False
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2


class Timing(Frozen):
    """How even the frames' times are.

    Attributes:
        uneven: Largest difference of a frame interval from the mean interval, less one tick of
            the time base, as a share of the mean interval.
        start_s: Begin of the most uneven interval.
        end_s: Its end.
    """

    uneven: float
    start_s: float = 0.0
    end_s: float = 0.0


class Blackness(Frozen):
    """Frames in which nothing can be seen.

    Attributes:
        share: Share of all frames that are black, 0 to 1.
        leading: Run at the clip's begin.
        trailing: Run at its end.
        inside: Longest run that touches neither end.
    """

    share: float
    leading: Span | None = None
    trailing: Span | None = None
    inside: Span | None = None


class Stillness(Frozen):
    """Frames that repeat the picture before them (black ones are counted as black, not here).

    Attributes:
        longest: Longest run without change.
        repeated_share: Share of frames equal to the one before, 0 to 1.
    """

    longest: Span | None = None
    repeated_share: float = 0.0


class Flicker(Frozen):
    """Frame-to-frame oscillation of the brightness.

    Attributes:
        amplitude: Of the whole picture's mean, in levels, in the worst three quarters of a second.
        local_amplitude: The same for the worst quarter of a 4x4 grid of areas.
        start_s: Begin of that stretch.
        end_s: Its end.
    """

    amplitude: float
    local_amplitude: float
    start_s: float
    end_s: float


class Sharpness(Frozen):
    """Steepness of the steepest edges: 1 is a step from one pixel to the next, 0 no edge at all.

    Attributes:
        worst: Median over the worst second.
        norm: Median over the clip, against which its own stretches can be compared.
        start_s: Begin of the worst second.
        end_s: Its end.
    """

    worst: float
    norm: float
    start_s: float
    end_s: float


class SceneCuts(Frozen):
    """Cuts to another picture inside the clip.

    Attributes:
        times_s: Time of each cut's first frame; at most 64 of them.
        count: How many there are.
    """

    times_s: tuple[float, ...] = ()
    count: int = 0


class Exposure(Frozen):
    """Brightness over the whole clip, in levels.

    Attributes:
        mean: Mean luma.
        deviation: Standard deviation of all its pixels.
        dark_end: 1st percentile.
        bright_end: 99th percentile.
        clipped_dark: Share of pixels below 4, 0 to 1.
        clipped_bright: Share of pixels above 251, 0 to 1.
    """

    mean: float
    deviation: float
    dark_end: float
    bright_end: float
    clipped_dark: float
    clipped_bright: float


class Motion(Frozen):
    """Change from each frame to the next.

    Attributes:
        mean: Mean absolute difference in levels, averaged over the clip.
        peak: The largest of these differences.
        changed_share: Share of pixels that changed by more than 12 levels, averaged.
    """

    mean: float
    peak: float
    changed_share: float


class Sound(Frozen):
    """The audio track.

    Attributes:
        rms_dbfs: Level of the whole track; -120 stands for nothing at all.
        peak_dbfs: Highest sample.
        silence_share: Share of 50 ms windows below -60 dBFS, 0 to 1.
        longest_silence: Longest stretch of such windows (``frames`` counts windows).
        clipped_share: Share of samples inside clipped runs, 0 to 1.
        clipped_runs: Number of such runs (4 or more samples in a row at 0.99 of full scale or more).
        clipped: Worst second (``frames`` counts clipped samples).
        offset: Mean of all samples (DC), -1 to 1.
    """

    rms_dbfs: float
    peak_dbfs: float
    silence_share: float
    longest_silence: Span | None = None
    clipped_share: float = 0.0
    clipped_runs: int = 0
    clipped: Span | None = None
    offset: float = 0.0


class Swatch(Frozen):
    """One of the clip's main colours (CIE Lab, D65) and the share of the picture it covers."""

    l: float  # noqa: E741 - its name in CIE Lab
    a: float
    b: float
    share: float


class Signature(Frozen):
    """How a clip looks, sampled over its length; what the consistency check compares.

    Attributes:
        lab_mean: Mean CIE Lab colour.
        lab_deviation: Standard deviation of each Lab component.
        ab_histogram: 8x8 shares over a and b from -64 to 64, row by row in a.
        palette: Main colours, largest share first.
        contrast: 99th less 1st percentile of luma, in levels.
        saturation: Mean chroma (CIE Lab C*).
        edge_density: Share of pixels on an edge, 0 to 1.
        orientations: Shares of gradient energy in 8 directions of 22.5 degrees, from horizontal.
        grain: Standard deviation of the finest noise, in levels (Immerkaer's estimate).
        sharpness: As :class:`Sharpness.norm`, 0 where no edge could be judged.
        samples: Number of frames it was taken from.
    """

    lab_mean: tuple[float, float, float]
    lab_deviation: tuple[float, float, float]
    ab_histogram: tuple[float, ...]
    palette: tuple[Swatch, ...]
    contrast: float
    saturation: float
    edge_density: float
    orientations: tuple[float, ...]
    grain: float
    sharpness: float
    samples: int


class Measurements(Frozen):
    """Everything measured on one clip.

    Attributes:
        version: :data:`MEASURES_VERSION` that it was measured with.
        width: Pixels as shown, after rotation.
        height: Pixels as shown, after rotation.
        rotation: Clockwise turn in degrees that the file asks players for.
        sample_aspect: Shape of a pixel as ``num/den``; ``1/1`` is square.
        fps: Mean frame rate as ``num/den``; empty if it can't be told.
        vfr: Whether frame intervals differ by more than half an interval.
        frames: Decoded frames.
        duration_s: From the first frame's begin to the last one's end.
        pixel_format: FFmpeg's name of it.
        colour: Colour tags.
        has_audio: Whether there is an audio track with at least one sample.
        audio_duration_s: Length of the decoded audio.
        sample_rate: Samples per second.
        channels: Channels of audio.
        not_measured: Name of each measure that could not be made, and why.
    """

    version: int = MEASURES_VERSION
    width: int
    height: int
    rotation: int = 0
    sample_aspect: str = "1/1"
    fps: str
    vfr: bool
    frames: int
    duration_s: float
    pixel_format: str
    colour: ColourTags = ColourTags()
    has_audio: bool
    audio_duration_s: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    timing: Timing | None = None
    black: Blackness | None = None
    frozen: Stillness | None = None
    flicker: Flicker | None = None
    blur: Sharpness | None = None
    scene_cuts: SceneCuts | None = None
    exposure: Exposure | None = None
    motion: Motion | None = None
    audio: Sound | None = None
    signature: Signature | None = None
    not_measured: dict[str, str] = {}

    @property
    def rate(self) -> Fraction | None:
        """Frames per second as a ratio, if it can be told."""
        return Fraction(self.fps) if self.fps else None
