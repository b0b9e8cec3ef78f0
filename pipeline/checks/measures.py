"""Measure a clip: one decode that feeds every measure."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2

from pipeline.checks.decode import StreamFacts, decode
from pipeline.checks.measurements import ColourTags, Measurements, Timing
from pipeline.checks.picture import PictureMeter
from pipeline.checks.sound import SoundMeter

VFR_FROM = 0.5
_WHOLE_RATES = (8, 10, 12, 15, 16, 24, 25, 30, 48, 50, 60, 100, 120)
STANDARD_RATES = tuple(Fraction(rate * 1000, part) for rate in _WHOLE_RATES for part in (1000, 1001))


def measure(clip: Path, progress: Callable[[float], None] | None = None, *, threads: int = 1) -> Measurements:
    """Decode a clip once and measure everything the gate and the consistency check need.

    Memory stays the same at any length. What could not be measured is named in ``not_measured``.

    Args:
        clip: Local video file.
        progress: Told the share done, 0 to 1; may raise to stop the work.
        threads: Decoder threads; one per clip suits a worker slot per core.

    Raises:
        MediaError: If the file is missing, not a video, truncated or damaged.
    """
    picture, sound = PictureMeter(), SoundMeter()
    cv2_threads = cv2.getNumThreads()
    cv2.setNumThreads(threads)  # on pictures this small, OpenCV's own threads mostly wait for each other
    try:
        facts = decode(clip, on_picture=picture.see, on_sound=sound.see, progress=progress, threads=threads)
    finally:
        cv2.setNumThreads(cv2_threads)
    return _gather(facts, picture, sound)


def _gather(facts: StreamFacts, picture: PictureMeter, sound: SoundMeter) -> Measurements:
    end_s = facts.last_s + facts.interval_s
    not_measured: dict[str, str] = {}
    timing = Timing(uneven=facts.uneven, start_s=facts.uneven_at_s, end_s=facts.uneven_until_s)
    fps = _rate(facts)
    if not fps:
        for name in ("fps", "duration", "variable_rate", "audio_length"):
            not_measured[name] = "the file does not say when its frames are shown"
    stillness, motion, flicker = picture.stillness(end_s), picture.motion(), picture.flicker.finish()
    if stillness is None:
        not_measured["frozen"] = not_measured["motion"] = "one frame alone shows no motion"
    if flicker is None:
        not_measured["flicker"] = f"{facts.frames} frames are too few to see flicker in"
    exposure, blur = picture.exposure(), picture.sharpness.finish()
    if blur is None:
        not_measured["blur"] = "every sampled frame is black"
    heard = sound.finish()
    if heard is None:
        for name in ("silent", "clipping", "audio_length"):
            not_measured[name] = "there is no sound"
    signature = picture.signature.finish(exposure, blur)
    if signature is None:
        not_measured["signature"] = "every sampled frame is black"
    return Measurements(
        width=facts.width,
        height=facts.height,
        rotation=facts.rotation,
        sample_aspect=f"{facts.sample_aspect.numerator}/{facts.sample_aspect.denominator}",
        fps=fps,
        vfr=facts.uneven > VFR_FROM,
        frames=facts.frames,
        duration_s=end_s,
        pixel_format=facts.pixel_format,
        colour=ColourTags(
            full_range=facts.full_range,
            matrix=facts.matrix,
            primaries=facts.primaries,
            transfer=facts.transfer,
        ),
        has_audio=facts.has_audio,
        audio_duration_s=facts.audio_samples / facts.sample_rate if facts.sample_rate else 0.0,
        sample_rate=facts.sample_rate,
        channels=facts.channels,
        timing=timing if fps else None,
        black=picture.blackness(end_s),
        frozen=stillness,
        flicker=flicker,
        blur=blur,
        scene_cuts=picture.cuts.finish(),
        exposure=exposure,
        motion=motion,
        audio=heard,
        signature=signature,
        not_measured=not_measured,
    )


def _rate(facts: StreamFacts) -> str:
    """Return the mean rate as ``num/den``: the nearest standard one if the times' rounding allows it."""
    if not facts.timed or facts.interval_s <= 0:
        return ""
    mean = 1 / facts.interval_s
    nearest = min(STANDARD_RATES, key=lambda rate: abs(mean / float(rate) - 1))
    # The first and the last time are rounded to a tick each; a tenth of a permille is float noise.
    slack = 1e-4 + facts.tick_s / max(facts.last_s, facts.interval_s)
    ratio = nearest if abs(mean / float(nearest) - 1) <= slack else Fraction(mean).limit_denominator(1001)
    return f"{ratio.numerator}/{ratio.denominator}"
