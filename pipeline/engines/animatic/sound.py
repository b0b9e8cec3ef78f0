"""Scratch sound: the place's quiet noise, the weather, and a murmur where somebody speaks.

Synthesised from seeded noise by shaping its spectrum. 48 kHz stereo; the ambience sits at about
-27 dBFS RMS, so that a later loudness pass has nothing to clip.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.control.request import GenerationRequest
from pipeline.engines.animatic.brush import generator
from pipeline.engines.animatic.encode import SAMPLE_RATE
from pipeline.engines.animatic.words import WATERS, Scene, number_of, says

Sound = NDArray[np.float32]
"""Shape (2, samples), -1 to 1."""

AMBIENCE_RMS = 10 ** (-27.5 / 20)
MURMUR_RMS = 10 ** (-26 / 20)
CEILING = 0.5  # -6 dBFS
FADE_S = 0.005
_LOOP = 1 << 17  # samples of noise that are made before it repeats: 2.7 s


def scratch(request: GenerationRequest, scene: Scene) -> Sound:
    """Return the scratch sound of a request, exactly as long as its picture."""
    samples = max(1, round(request.duration_s * SAMPLE_RATE))
    rng = generator(scene.geometry, request.seed, 77)
    bed = _bed(request, scene, samples, rng)
    bed *= AMBIENCE_RMS / max(1e-6, float(np.sqrt(np.mean(bed * bed))))
    for speech in request.dialogue:
        _murmur(bed, speech.start_s, speech.end_s, number_of(speech.speaker), rng)
    peak = float(np.abs(bed).max())
    if peak > CEILING:
        bed = np.tanh(bed / CEILING) * CEILING
    fade = min(samples // 2, round(FADE_S * SAMPLE_RATE))
    if fade:
        ramp = np.linspace(0.05, 1, fade, dtype=np.float32)
        bed[:, :fade] *= ramp
        bed[:, -fade:] *= ramp[::-1]
    return np.ascontiguousarray(bed, np.float32)


def _bed(request: GenerationRequest, scene: Scene, samples: int, rng: Generator) -> Any:
    words = (request.ambience, request.sound, request.action)
    # The air of a room or a place, so that it is never digital silence.
    bed = 0.12 * _coloured(rng, samples, 60, 900)
    bed += _air(scene, words, samples, rng)
    bed += _waters(scene, words, samples, rng)
    bed += _people_and_beasts(scene, words, samples, rng)
    return bed


def _waters(scene: Scene, words: tuple[str, ...], samples: int, rng: Generator) -> Any:
    bed: Any = np.zeros((2, samples), np.float32)
    if (scene.place in WATERS and scene.place != "river") or says("waves|surf|sea", *words):
        swell = _swell(rng, samples, 0.11, 0.5)
        bed += 0.9 * swell * _coloured(rng, samples, 120, 2400)
        bed += 0.25 * swell**2 * _coloured(rng, samples, 1500, 7000)
    if scene.place == "river" or says("stream|waterfall|water", *words):
        bed += 0.5 * _coloured(rng, samples, 400, 5000)
    if scene.weather in {"rain", "storm"} or says("rain", *words):
        bed += 0.75 * _coloured(rng, samples, 1200, 11000) * (0.5 if scene.interior else 1.0)
        bed += 0.35 * _drops(rng, samples)
    return bed


def _air(scene: Scene, words: tuple[str, ...], samples: int, rng: Generator) -> Any:
    bed: Any = np.zeros((2, samples), np.float32)
    windy = scene.weather in {"storm", "snow"} or scene.place in {"mountains", "desert", "snowfield"}
    if windy or says("wind|gust|gale", *words):
        bed += 0.8 * _swell(rng, samples, 0.23, 0.7) * _coloured(rng, samples, 180, 700)
    if scene.weather == "storm":
        bed += _thunder(rng, samples)
    if scene.place == "space":
        bed += 0.8 * _coloured(rng, samples, 35, 90)
    if "fire" in scene.props or says("fire|crackl(e|ing)", *words):
        bed += 0.5 * _drops(rng, samples, 9.0, 900.0) + 0.3 * _coloured(rng, samples, 80, 500)
    return bed


def _people_and_beasts(scene: Scene, words: tuple[str, ...], samples: int, rng: Generator) -> Any:
    bed: Any = np.zeros((2, samples), np.float32)
    if scene.place in {"city", "street", "road"} or says("traffic|city|street", *words):
        bed += 0.8 * _coloured(rng, samples, 40, 260)
        bed += 0.2 * _swell(rng, samples, 0.3, 0.8) * _coloured(rng, samples, 300, 1500)
    if scene.place in {"forest", "field", "garden"} and scene.weather in {"clear", "cloud", "fog"}:
        bed += 0.12 * (_crickets(rng, samples) if scene.dark else _birds(rng, samples))
        bed += 0.3 * _swell(rng, samples, 0.2, 0.5) * _coloured(rng, samples, 500, 3500)
    if scene.place in {"kitchen", "cafe"} or says("sizzl(e|ing)|simmer(ing)?|frying", *words):
        bed += 0.25 * _coloured(rng, samples, 90, 180)
        bed += 0.2 * _swell(rng, samples, 0.5, 0.6) * _coloured(rng, samples, 3000, 9000)
    crowded = scene.place in {"cafe", "stage", "hall"} or "people" in scene.props
    if crowded or says("crowd|chatter|applause|audience", *words):
        bed += 0.4 * _swell(rng, samples, 0.9, 0.5) * _coloured(rng, samples, 220, 1100)
    return bed


def _coloured(rng: Generator, samples: int, low: float, high: float) -> Any:
    """Return stereo noise of unit RMS in a band with soft edges, half of it common to both sides."""
    size = min(_LOOP, 1 << (samples - 1).bit_length())
    frequencies = np.fft.rfftfreq(size, 1 / SAMPLE_RATE).astype(np.float32)
    frequencies[0] = 1.0
    gain = 1 / (1 + (low / frequencies) ** 4) / (1 + (frequencies / high) ** 3)
    gain[0] = 0.0
    # Two spectra give both sides: what they share and what they don't.
    white = rng.standard_normal((2, size // 2 + 1, 2), dtype=np.float32).view(np.complex64)[..., 0]
    noise = np.fft.irfft(white * gain, size, axis=1).astype(np.float32)
    stereo = np.stack([noise[0] + 0.6 * noise[1], noise[0] - 0.6 * noise[1]])
    stereo /= max(1e-9, float(np.sqrt(np.mean(stereo * stereo))))
    if samples > size:
        stereo = np.tile(stereo, (1, -(-samples // size)))  # noise made by FFT is periodic: no seam
    return stereo[:, :samples]


def _times(samples: int) -> Any:
    return np.arange(samples, dtype=np.float32) / SAMPLE_RATE


def _swell(rng: Generator, samples: int, hertz: float, depth: float) -> Any:
    """Return a slow rise and fall between ``1 - depth`` and 1."""
    t = np.arange(0, samples + 480, 480, dtype=np.float32) / SAMPLE_RATE
    phase = rng.random(2) * math.tau
    slow = 0.5 + 0.3 * np.sin(math.tau * hertz * t + phase[0]) + 0.2 * np.sin(math.tau * hertz * 1.7 * t + phase[1])
    coarse = 1 - depth + depth * slow
    return np.interp(_times(samples), t, coarse).astype(np.float32)


def _ping(bed: Any, at: int, tone: Any, pan: float) -> None:
    room = min(tone.size, bed.shape[1] - at)
    if room > 0:
        bed[0, at : at + room] += tone[:room] * (1 - pan)
        bed[1, at : at + room] += tone[:room] * pan


def _drops(rng: Generator, samples: int, per_s: float = 26.0, hertz: float = 2600.0) -> Any:
    bed = np.zeros((2, samples), np.float32)
    t = _times(round(0.02 * SAMPLE_RATE))
    for at, pan, pitch in rng.random((int(per_s * samples / SAMPLE_RATE) + 1, 3)).tolist():
        tone = np.sin(math.tau * hertz * (0.6 + pitch) * t) * np.exp(-t * 320) * (0.5 + pitch)
        _ping(bed, int(at * samples), tone.astype(np.float32), pan)
    return bed


def _birds(rng: Generator, samples: int) -> Any:
    bed = np.zeros((2, samples), np.float32)
    t = _times(round(0.14 * SAMPLE_RATE))
    for at, pan, pitch in rng.random((int(1.4 * samples / SAMPLE_RATE) + 1, 3)).tolist():
        base = 2600 + 1800 * pitch
        tone = np.sin(math.tau * (base * t + 900 * np.sin(math.tau * 11 * t) / 70)) * np.sin(np.pi * t / 0.14) ** 2
        for k in range(1 + int(pitch * 3)):
            _ping(bed, int(at * samples) + k * round(0.17 * SAMPLE_RATE), (2.2 * tone).astype(np.float32), pan)
    return bed


def _crickets(rng: Generator, samples: int) -> Any:
    t = _times(samples)
    pitch = 4100 + 300 * float(rng.random())
    gate = np.clip(np.sin(math.tau * 17 * t), 0, 1) * (np.sin(math.tau * 1.3 * t + 1) > -0.3)
    tone = np.sin(math.tau * pitch * t) * gate
    return np.stack([tone, np.roll(tone, 400)]).astype(np.float32)


def _thunder(rng: Generator, samples: int) -> Any:
    t = _times(samples)
    at = float(rng.uniform(0.25, 0.6)) * samples / SAMPLE_RATE
    envelope = np.where(t > at, np.exp(-(t - at) * 1.3) * np.minimum(1, (t - at) * 12), 0)
    return 2.2 * envelope.astype(np.float32) * _coloured(rng, samples, 30, 160)


def _murmur(bed: Any, start_s: float, end_s: float, voice: int, rng: Generator) -> None:
    """Add a wordless voice: a pulse train through two formants, in syllables."""
    samples = bed.shape[1]
    first = min(samples, max(0, round(start_s * SAMPLE_RATE)))
    last = min(samples, max(first, round(end_s * SAMPLE_RATE)))
    count = last - first
    if count < 480:
        return
    t = _times(count)
    pitch = 105 + voice % 110
    syllables = np.interp(
        t, np.arange(0, t[-1] + 0.25, 0.11), rng.uniform(0.25, 1.0, len(np.arange(0, t[-1] + 0.25, 0.11)))
    )
    gate = syllables * np.minimum(1, np.minimum(t, t[-1] - t) / 0.05)
    glide = pitch * (1 + 0.06 * np.sin(math.tau * 0.7 * t) - 0.08 * t / t[-1])
    phase = np.cumsum(glide) * (math.tau / SAMPLE_RATE)
    tone = np.zeros(count)
    for harmonic in range(1, 12):
        hertz = pitch * harmonic
        formant = math.exp(-(((hertz - 480) / 260) ** 2)) + 0.45 * math.exp(-(((hertz - 1250) / 320) ** 2)) + 0.05
        tone += formant * np.sin(harmonic * phase)
    tone *= gate
    tone *= MURMUR_RMS / max(1e-6, float(np.sqrt(np.mean(tone * tone))))
    bed[:, first:last] += tone.astype(np.float32)
