"""Bring the film's sound to its loudness target: measure, one gain, a limiter only if the peak asks.

Loudness is integrated loudness by ITU-R BS.1770-5 / EBU R 128, measured by FFmpeg's ebur128; peaks
are true peaks by the same recommendation. One static gain keeps the mix as it was made; loudnorm,
which would change it while it runs, is not used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from pipeline.errors import MediaError
from pipeline.media.ffmpeg import Progress, run, source, target, written
from pipeline.media.wav import open_wav

SILENCE_LUFS = -70.0
"""The absolute gate of BS.1770: what is not above it is not measured."""

GAIN_LIMIT_DB = 30.0
"""A film quieter than this below its target holds only noise; raising it further helps nobody."""

_LIMITER_ROUNDS = 3
_OVERSAMPLED_HZ = 192_000  # the limiter sees peaks between the samples at four times the rate
_TRIES_S = 120.0


@dataclass(frozen=True, slots=True)
class Loudness:
    """What was measured.

    Attributes:
        integrated_lufs: Integrated loudness; ``None`` if nothing lies above the gate.
        true_peak_dbtp: Highest true peak; ``None`` for digital silence.
    """

    integrated_lufs: float | None
    true_peak_dbtp: float | None


@dataclass(frozen=True, slots=True)
class Levelled:
    """What was done.

    Attributes:
        before: The mix.
        after: The result.
        gain_db: Gain applied.
        limited: Whether the limiter had to act.
        note: What a person should know, empty if the target was simply met.
    """

    before: Loudness
    after: Loudness
    gain_db: float
    limited: bool
    note: str = ""


def measure(path: Path, *, timeout_s: float = 0.0) -> Loudness:
    """Measure a file's first sound stream.

    Raises:
        MediaError: If FFmpeg fails or gives no figures.
    """
    stream = source(path)["a:0"].filter("ebur128", peak="true", framelog="quiet")
    ran = run(
        ffmpeg.output(stream, "-", f="null"),
        timeout_s=timeout_s or _timeout(path),
        what="measuring the loudness",
        where=str(path),
        loglevel="info",
    )
    summary = "\n".join(ran.log).rpartition("Summary:")[2]
    integrated = _figure(r"\bI:\s+(\S+) LUFS", summary, path)
    peak = _figure(r"\bPeak:\s+(\S+) dBFS", summary, path)
    measured = integrated if integrated is not None and integrated > SILENCE_LUFS else None
    return Loudness(measured, peak)


def level(
    mixed: Path,
    out: Path,
    *,
    target_lufs: float,
    true_peak_dbtp: float,
    progress: Progress | None = None,
) -> Levelled:
    """Write the mix at its loudness target.

    Args:
        mixed: Float WAV.
        out: Float WAV to write, of the same length to the sample.
        target_lufs: Integrated loudness to reach.
        true_peak_dbtp: True peak not to exceed.
        progress: Told the share done.

    Raises:
        MediaError: If FFmpeg fails.
    """
    before = measure(mixed)
    wav = open_wav(mixed)
    if before.integrated_lufs is None or before.true_peak_dbtp is None:
        _apply(mixed, out, 0.0, None, progress)
        quiet = "silent" if before.true_peak_dbtp is None else "too quiet or too short to be measured"
        return Levelled(before, before, 0.0, limited=False, note=f"the sound is {quiet}; left as it is")
    asked = target_lufs - before.integrated_lufs
    gain = min(asked, GAIN_LIMIT_DB)
    notes = [f"{asked:.1f} dB of gain would be needed; {gain:.1f} dB given"] if gain < asked else []
    peak = before.true_peak_dbtp + gain
    if peak <= true_peak_dbtp:
        _apply(mixed, out, gain, None, progress)
        return Levelled(before, measure(out), gain, limited=False, note="; ".join(notes))
    ceiling = true_peak_dbtp
    after = before
    for _ in range(_LIMITER_ROUNDS):
        _apply(mixed, out, gain, ceiling, progress)
        after = measure(out, timeout_s=_timeout(mixed))
        over = (after.true_peak_dbtp or true_peak_dbtp) - true_peak_dbtp
        if over <= 0:
            break
        ceiling -= over + 0.1
    if open_wav(out).samples != wav.samples:
        raise MediaError("Limiting changed the length of the sound.", where=str(mixed))
    if after.integrated_lufs is not None and abs(after.integrated_lufs - target_lufs) > 1.0:
        notes.append(f"peaks limited to {true_peak_dbtp:g} dBTP keep it from {target_lufs:g} LUFS")
    return Levelled(before, after, gain, limited=True, note="; ".join(notes))


def _apply(mixed: Path, out: Path, gain_db: float, ceiling_db: float | None, progress: Progress | None) -> None:
    wav = open_wav(mixed)
    stream: Any = source(mixed)["a:0"].filter("volume", f"{gain_db:.4f}dB", precision="float")
    if ceiling_db is not None:
        stream = (
            stream.filter("aresample", _OVERSAMPLED_HZ)
            # level=0: no make-up gain; latency=1: its look-ahead delays nothing.
            .filter("alimiter", limit=10 ** (ceiling_db / 20), attack=5, release=80, level=0, latency=1)
            .filter("aresample", wav.sample_rate)
        )
    stream = stream.filter("apad").filter("atrim", end_sample=wav.samples)
    with written(out) as part:
        run(
            ffmpeg.output(stream, target(part), **{"c:a": "pcm_f32le", "f": "wav", "rf64": "auto"}),
            timeout_s=_timeout(mixed),
            what="levelling the sound",
            where=str(mixed),
            progress=progress,
            duration_s=wav.samples / wav.sample_rate,
        )


def _timeout(path: Path) -> float:
    return _TRIES_S + path.stat().st_size / 1e6


def _figure(pattern: str, summary: str, path: Path) -> float | None:
    found = re.findall(pattern, summary)
    if not found:
        raise MediaError("The loudness could not be measured.", where=str(path), log_tail=summary[-1000:])
    text = found[-1]
    return None if "inf" in text or "nan" in text else float(text)
