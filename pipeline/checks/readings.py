"""From measurements to one number per measure, with a sentence for each outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Protocol

from pipeline.checks.measurements import Measurements, Span


class AskedFor(Protocol):
    """What readers need to know of a request (:class:`pipeline.checks.gate.Asked`)."""

    @property
    def width(self) -> int: ...  # noqa: D102 - a pixel count, as its name says
    @property
    def height(self) -> int: ...  # noqa: D102
    @property
    def fps(self) -> str: ...  # noqa: D102
    @property
    def frames(self) -> int: ...  # noqa: D102
    @property
    def fades(self) -> tuple[int, int]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Reading:
    """One measure's number.

    Attributes:
        value: The number, ``None`` if it was not measured.
        good: Sentence if it is within the threshold.
        bad: Sentence if it is not.
        start_s: Begin of the place it was found at.
        end_s: End of it.
        missing: Why there is no number.
    """

    value: float | None = None
    good: str = ""
    bad: str = ""
    start_s: float | None = None
    end_s: float | None = None
    missing: str = ""


Reader = Callable[[Measurements, AskedFor, float], Reading]


def _resolution(m: Measurements, asked: AskedFor, _: float) -> Reading:
    off = max(abs(m.width - asked.width), abs(m.height - asked.height))
    return Reading(
        off,
        good=f"{m.width}x{m.height} as asked" if not off else f"{m.width}x{m.height} is near enough",
        bad=f"the picture is {m.width}x{m.height}; {asked.width}x{asked.height} was asked",
    )


def _fps(m: Measurements, asked: AskedFor, threshold: float) -> Reading:
    rate = m.rate
    if rate is None:
        return Reading(missing="the file does not say when its frames are shown")
    wanted = Fraction(asked.fps)
    return Reading(
        abs(float(rate / wanted) - 1) * 100,
        good=f"{float(rate):.6g} frames per second as asked",
        bad=f"the clip has {float(rate):.6g} frames per second; {float(wanted):.6g} were asked "
        f"(at most {threshold:g} % off is allowed)",
    )


def _duration(m: Measurements, asked: AskedFor, threshold: float) -> Reading:
    wanted = float(asked.frames / Fraction(asked.fps))
    return Reading(
        abs(m.duration_s - wanted),
        good=f"lasts {m.duration_s:.2f} s as asked",
        bad=f"the clip lasts {m.duration_s:.2f} s; {wanted:.2f} s were asked (at most {threshold:g} s off is allowed)",
    )


def _frames(m: Measurements, asked: AskedFor, threshold: float) -> Reading:
    return Reading(
        abs(m.frames - asked.frames),
        good=f"{m.frames} frames; {asked.frames} were asked",
        bad=f"the clip has {m.frames} frames; {asked.frames} were asked (at most {threshold:g} off allowed)",
    )


def _variable_rate(m: Measurements, _asked: AskedFor, threshold: float) -> Reading:
    if m.timing is None:
        return Reading(missing="the file does not say when its frames are shown")
    t = m.timing
    return Reading(
        t.uneven,
        good="frames follow each other evenly",
        bad=f"frames don't follow each other evenly: one is {t.uneven:.0%} of a frame early or late at "
        f"{t.start_s:.2f} s (at most {threshold:.0%} is allowed)",
        start_s=t.start_s,
        end_s=t.end_s,
    )


def _black(m: Measurements, asked: AskedFor, threshold: float) -> Reading:
    black = m.black
    if black is None:
        return Reading(missing="the picture was not looked at")
    lead, trail = asked.fades
    if black.leading is not None and black.leading.frames >= m.frames:
        lead = trail = 0  # a clip that is black from end to end is no fade
    runs: list[tuple[int, Span]] = []
    if black.leading:
        runs.append((max(0, black.leading.frames - lead), black.leading))
    if black.trailing:
        runs.append((max(0, black.trailing.frames - trail), black.trailing))
    if black.inside:
        runs.append((black.inside.frames, black.inside))
    if not runs:
        return Reading(0, good="no frame is black", bad=f"no frame is black; {threshold:g} allowed")
    count, span = max(runs, key=lambda run: run[0])
    where = f"from {span.start_s:.1f} s to {span.end_s:.1f} s"
    beyond = f"{count} frames" if count == span.frames else f"{count} frames beyond the fade"
    return Reading(
        count,
        good=f"black {where}, {span.frames} frames, as allowed",
        bad=f"the picture is black {where} ({beyond}; at most {threshold:g} allowed)",
        start_s=span.start_s,
        end_s=span.end_s,
    )


def _frozen(m: Measurements, _asked: AskedFor, threshold: float) -> Reading:
    if m.frozen is None:
        return Reading(missing="one frame alone shows no motion")
    span = m.frozen.longest
    if span is None:
        return Reading(0, good="the picture never stands still", bad="the picture never stands still")
    length = span.end_s - span.start_s
    return Reading(
        length,
        good=f"stands still for {length:.2f} s at most",
        bad=f"the picture is frozen from {span.start_s:.1f} s to {span.end_s:.1f} s "
        f"({length:.2f} s; at most {threshold:g} s allowed)",
        start_s=span.start_s,
        end_s=span.end_s,
    )


def _motion(m: Measurements, _asked: AskedFor, threshold: float) -> Reading:
    if m.motion is None:
        return Reading(missing="one frame alone shows no motion")
    return Reading(
        m.motion.mean,
        good=f"moves: {m.motion.mean:.2f} levels change from frame to frame",
        bad=f"nothing moves although motion was asked: {m.motion.mean:.3f} levels change from frame to frame "
        f"(at least {threshold:g})",
    )


def _flicker(m: Measurements, _asked: AskedFor, threshold: float) -> Reading:
    flicker = m.flicker
    if flicker is None:
        return Reading(missing="too few frames to see flicker in")
    return Reading(
        flicker.amplitude,
        good=f"brightness is steady (oscillates by {flicker.amplitude:.2f} levels at most)",
        bad=f"the picture flickers from {flicker.start_s:.1f} s to {flicker.end_s:.1f} s "
        f"(brightness oscillates by {flicker.amplitude:.1f} levels; at most {threshold:g} allowed)",
        start_s=flicker.start_s,
        end_s=flicker.end_s,
    )


def _blur(m: Measurements, _asked: AskedFor, threshold: float) -> Reading:
    blur = m.blur
    if blur is None:
        return Reading(missing="there was no frame to judge sharpness by")
    return Reading(
        blur.worst,
        good=f"sharp enough (edges of {blur.worst:.2f} at their softest)",
        bad=f"the picture is blurred from {blur.start_s:.1f} s to {blur.end_s:.1f} s "
        f"(edges of {blur.worst:.2f}, where 1 is a hard step; at least {threshold:g})",
        start_s=blur.start_s,
        end_s=blur.end_s,
    )


def _scene_cut(m: Measurements, _asked: AskedFor, threshold: float) -> Reading:
    cuts = m.scene_cuts
    if cuts is None:
        return Reading(missing="the picture was not looked at")
    if not cuts.count:
        return Reading(0, good="one picture throughout", bad="one picture throughout")
    times = ", ".join(f"{time:.2f} s" for time in cuts.times_s[:5]) + (" ..." if cuts.count > 5 else "")
    return Reading(
        cuts.count,
        good=f"cuts at {times}, as allowed",
        bad=f"the shot cuts to another picture at {times} ({cuts.count} cuts; at most {threshold:g} allowed)",
        start_s=cuts.times_s[0],
        end_s=cuts.times_s[-1],
    )


def _too_dark(m: Measurements, _asked: AskedFor, threshold: float) -> Reading:
    if m.exposure is None:
        return Reading(missing="the picture was not looked at")
    value = m.exposure.bright_end
    return Reading(
        value,
        good=f"has light in it (bright end at {value:.0f} of 255)",
        bad=f"the picture is too dark: 99 % of it lies below {value:.0f} of 255 (at least {threshold:g})",
    )


def _too_bright(m: Measurements, _asked: AskedFor, threshold: float) -> Reading:
    if m.exposure is None:
        return Reading(missing="the picture was not looked at")
    value = m.exposure.dark_end
    return Reading(
        value,
        good=f"has shade in it (dark end at {value:.0f} of 255)",
        bad=f"the picture is too bright: 99 % of it lies above {value:.0f} of 255 (at most {threshold:g})",
    )


def _contrast(m: Measurements, _asked: AskedFor, threshold: float) -> Reading:
    if m.exposure is None:
        return Reading(missing="the picture was not looked at")
    value = m.exposure.bright_end - m.exposure.dark_end
    return Reading(
        value,
        good=f"brightness spans {value:.0f} levels",
        bad=f"there is hardly a picture: brightness spans {value:.0f} levels (at least {threshold:g})",
    )


def _audio_present(m: Measurements, _asked: AskedFor, _: float) -> Reading:
    return Reading(float(m.has_audio), good="has sound", bad="the clip has no sound, although sound was asked for")


def _silent(m: Measurements, _asked: AskedFor, threshold: float) -> Reading:
    if m.audio is None:
        return Reading(missing="there is no sound")
    sound, span = m.audio, m.audio.longest_silence
    return Reading(
        sound.silence_share,
        good=f"can be heard ({sound.rms_dbfs:.0f} dBFS)",
        bad=f"the sound is silent for {sound.silence_share:.0%} of its time (at most {threshold:.0%})",
        start_s=span.start_s if span else None,
        end_s=span.end_s if span else None,
    )


def _clipping(m: Measurements, _asked: AskedFor, threshold: float) -> Reading:
    if m.audio is None:
        return Reading(missing="there is no sound")
    sound, span = m.audio, m.audio.clipped
    share = sound.clipped_share * 100
    return Reading(
        share,
        good=f"not clipped (peak {sound.peak_dbfs:.1f} dBFS)",
        bad=f"the sound is clipped: {share:.1f} % of it lies at full scale (at most {threshold:g} % allowed)",
        start_s=span.start_s if span else None,
        end_s=span.end_s if span else None,
    )


def _audio_length(m: Measurements, _asked: AskedFor, threshold: float) -> Reading:
    if not m.has_audio:
        return Reading(missing="there is no sound")
    return Reading(
        abs(m.audio_duration_s - m.duration_s),
        good=f"as long as the picture ({m.audio_duration_s:.2f} s)",
        bad=f"the sound lasts {m.audio_duration_s:.2f} s, the picture {m.duration_s:.2f} s "
        f"(at most {threshold:g} s apart is allowed)",
    )


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "resolution": _resolution,
        "fps": _fps,
        "duration": _duration,
        "frames": _frames,
        "variable_rate": _variable_rate,
        "black": _black,
        "frozen": _frozen,
        "motion": _motion,
        "flicker": _flicker,
        "blur": _blur,
        "scene_cut": _scene_cut,
        "too_dark": _too_dark,
        "too_bright": _too_bright,
        "contrast": _contrast,
        "audio_present": _audio_present,
        "silent": _silent,
        "clipping": _clipping,
        "audio_length": _audio_length,
    }
)
