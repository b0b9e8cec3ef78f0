"""Scratch sound: the place's quiet noise, the weather, and a murmur where somebody speaks.

Synthesised from seeded noise by shaping its spectrum. 48 kHz stereo; the ambience sits at about
-27 dBFS RMS, so that a later loudness pass has nothing to clip. It is made at half that rate and
doubled at the end: there is nothing in it above 10 kHz, nor does the encoder keep more.
"""

from __future__ import annotations

import math
from functools import lru_cache
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
_RATE = SAMPLE_RATE // 2
_LOOP = 1 << 16  # samples of noise that are made before it repeats: 2.7 s


def scratch(request: GenerationRequest, scene: Scene) -> Sound:
    """Return the scratch sound of a request, exactly as long as its picture."""
    total = max(1, round(request.duration_s * SAMPLE_RATE))
    samples = total // 2 + 1
    rng = generator(scene.geometry, request.seed, 77)
    bed = _bed(request, scene, samples, rng)
    bed *= AMBIENCE_RMS / max(1e-6, math.sqrt(float(np.vdot(bed, bed)) / bed.size))
    for speech in request.dialogue:
        _murmur(bed, speech.start_s, speech.end_s, number_of(speech.speaker), rng)
    peak = float(max(bed.max(), -bed.min()))
    if peak > CEILING:
        bed = np.tanh(bed / CEILING) * CEILING
    sound = _doubled(bed)[:, :total]
    fade = min(total // 2, round(FADE_S * SAMPLE_RATE))
    if fade:
        ramp = np.linspace(0.05, 1, fade, dtype=np.float32)
        sound[:, :fade] *= ramp
        sound[:, -fade:] *= ramp[::-1]
    return sound


def _doubled(bed: Any) -> Sound:
    """Return a sound at twice its rate, by straight lines between its samples, one of them less than twice as many."""
    out = np.empty((2, 2 * bed.shape[1] - 1), np.float32)
    out[:, ::2] = bed
    np.add(bed[:, 1:], bed[:, :-1], out=out[:, 1::2])
    out[:, 1::2] *= 0.5
    return out


class _Noise:
    """Stereo noise in bands, half of it common to both sides; all bands are cut out of one white noise."""

    def __init__(self, rng: Generator, samples: int) -> None:
        self._samples = samples
        self._size = min(_LOOP, 1 << max(4, (samples - 1).bit_length()))
        # Two spectra give both sides: what they share and what they don't.
        white = rng.standard_normal((2, self._size // 2 + 1, 2), dtype=np.float32).view(np.complex64)[..., 0]
        self._white = np.stack([white[0] + 0.6 * white[1], white[0] - 0.6 * white[1]])
        self._steady: Any = None

    def add(self, share: float, low: float, high: float) -> None:
        """Add a band that stays as loud as it is, at a share of unit RMS."""
        gain = share * _gain(self._size, low, high)
        self._steady = gain if self._steady is None else self._steady + gain

    def band(self, low: float, high: float) -> Any:
        """Return a band by itself, at unit RMS."""
        return self._heard(_gain(self._size, low, high))

    def steady(self) -> Any:
        """Return the sum of the bands that were added."""
        return self._heard(self._steady)

    def _heard(self, gain: Any) -> Any:
        noise = np.fft.irfft(self._white * gain, self._size, axis=1)
        if self._samples > self._size:
            noise = np.tile(noise, (1, -(-self._samples // self._size)))  # periodic, as it comes from an FFT: no seam
        return noise[:, : self._samples]


@lru_cache(maxsize=64)
def _gain(size: int, low: float, high: float) -> Any:
    """Return the gain of each frequency of a band with soft edges; white noise comes out at unit RMS."""
    frequencies = np.fft.rfftfreq(size, 1 / _RATE).astype(np.float32)
    frequencies[0] = 1.0
    below, above = low / frequencies, frequencies / high
    below *= below
    gain = 1 / ((1 + below * below) * (1 + above * above * above))
    gain[0] = gain[-1] = 0.0
    # Each sample is the sum of 2 * size / 2 terms of variance 2 * 1.36, over size.
    return gain * np.float32(size / math.sqrt(2 * 2 * 1.36 * max(1e-12, float(np.vdot(gain, gain)))))


def _bed(request: GenerationRequest, scene: Scene, samples: int, rng: Generator) -> Any:
    words = (request.ambience, request.sound, request.action)
    noise = _Noise(rng, samples)
    # The air of a room or a place, so that it is never digital silence.
    noise.add(0.12, 60, 900)
    bed: Any = np.zeros((2, samples), np.float32)
    _air(bed, noise, scene, words, rng)
    _waters(bed, noise, scene, words, rng)
    _people_and_beasts(bed, noise, scene, words, rng)
    bed += noise.steady()
    return bed


def _waters(bed: Any, noise: _Noise, scene: Scene, words: tuple[str, ...], rng: Generator) -> None:
    samples = bed.shape[1]
    if (scene.place in WATERS and scene.place != "river") or says("waves|surf|sea", *words):
        swell = _swell(rng, samples, 0.11, 0.5)
        bed += 0.9 * swell * noise.band(120, 2400)
        bed += 0.25 * swell * swell * noise.band(1500, 7000)
    if scene.place == "river" or says("stream|waterfall|water", *words):
        noise.add(0.5, 400, 5000)
    if scene.weather in {"rain", "storm"} or says("rain", *words):
        noise.add(0.75 * (0.5 if scene.interior else 1.0), 1200, 11000)
        _drops(bed, rng, 0.35)


def _air(bed: Any, noise: _Noise, scene: Scene, words: tuple[str, ...], rng: Generator) -> None:
    samples = bed.shape[1]
    windy = scene.weather in {"storm", "snow"} or scene.place in {"mountains", "desert", "snowfield"}
    if windy or says("wind|gust|gale", *words):
        bed += 0.8 * _swell(rng, samples, 0.23, 0.7) * noise.band(180, 700)
    if scene.weather == "storm":
        bed += _thunder(rng, samples) * noise.band(30, 160)
    if scene.place == "space":
        noise.add(0.8, 35, 90)
    if "fire" in scene.props or says("fire|crackl(e|ing)", *words):
        _drops(bed, rng, 0.5, 9.0, 900.0)
        noise.add(0.3, 80, 500)


def _people_and_beasts(bed: Any, noise: _Noise, scene: Scene, words: tuple[str, ...], rng: Generator) -> None:
    samples = bed.shape[1]
    if scene.place in {"city", "street", "road"} or says("traffic|city|street", *words):
        noise.add(0.8, 40, 260)
        bed += 0.2 * _swell(rng, samples, 0.3, 0.8) * noise.band(300, 1500)
    if scene.place in {"forest", "field", "garden"} and scene.weather in {"clear", "cloud", "fog"}:
        bed += 0.12 * (_crickets(rng, samples) if scene.dark else _birds(rng, samples))
        bed += 0.3 * _swell(rng, samples, 0.2, 0.5) * noise.band(500, 3500)
    if scene.place in {"kitchen", "cafe"} or says("sizzl(e|ing)|simmer(ing)?|frying", *words):
        noise.add(0.25, 90, 180)
        bed += 0.2 * _swell(rng, samples, 0.5, 0.6) * noise.band(3000, 9000)
    crowded = scene.place in {"cafe", "stage", "hall"} or "people" in scene.props
    if crowded or says("crowd|chatter|applause|audience", *words):
        bed += 0.4 * _swell(rng, samples, 0.9, 0.5) * noise.band(220, 1100)


def _times(samples: int) -> Any:
    return np.arange(samples, dtype=np.float32) / _RATE


def _swell(rng: Generator, samples: int, hertz: float, depth: float) -> Any:
    """Return a slow rise and fall between ``1 - depth`` and 1."""
    t = np.arange(0, samples + 240, 240, dtype=np.float32) / _RATE
    phase = rng.random(2) * math.tau
    slow = 0.5 + 0.3 * np.sin(math.tau * hertz * t + phase[0]) + 0.2 * np.sin(math.tau * hertz * 1.7 * t + phase[1])
    coarse = 1 - depth + depth * slow
    return np.interp(_times(samples), t, coarse).astype(np.float32)


def _ping(bed: Any, at: int, tone: Any, pan: float) -> None:
    room = min(tone.size, bed.shape[1] - at)
    if room > 0:
        bed[0, at : at + room] += tone[:room] * (1 - pan)
        bed[1, at : at + room] += tone[:room] * pan


def _drops(bed: Any, rng: Generator, share: float, per_s: float = 26.0, hertz: float = 2600.0) -> None:
    samples = bed.shape[1]
    t = _times(round(0.02 * _RATE))
    decay = share * np.exp(-t * 320)
    for at, pan, pitch in rng.random((int(per_s * samples / _RATE) + 1, 3)).tolist():
        tone = np.sin(math.tau * hertz * (0.6 + pitch) * t) * decay * (0.5 + pitch)
        _ping(bed, int(at * samples), tone.astype(np.float32), pan)


def _birds(rng: Generator, samples: int) -> Any:
    bed = np.zeros((2, samples), np.float32)
    t = _times(round(0.14 * _RATE))
    for at, pan, pitch in rng.random((int(1.4 * samples / _RATE) + 1, 3)).tolist():
        base = 2600 + 1800 * pitch
        tone = np.sin(math.tau * (base * t + 900 * np.sin(math.tau * 11 * t) / 70)) * np.sin(np.pi * t / 0.14) ** 2
        for k in range(1 + int(pitch * 3)):
            _ping(bed, int(at * samples) + k * round(0.17 * _RATE), (2.2 * tone).astype(np.float32), pan)
    return bed


def _crickets(rng: Generator, samples: int) -> Any:
    t = _times(samples)
    pitch = 4100 + 300 * float(rng.random())
    gate = np.clip(np.sin(math.tau * 17 * t), 0, 1) * (np.sin(math.tau * 1.3 * t + 1) > -0.3)
    tone = np.sin(math.tau * pitch * t) * gate
    return np.stack([tone, np.roll(tone, 200)]).astype(np.float32)


def _thunder(rng: Generator, samples: int) -> Any:
    """Return how loud a roll of thunder is."""
    t = _times(samples)
    at = float(rng.uniform(0.25, 0.6)) * samples / _RATE
    since = np.maximum(t - at, 0)
    return 2.2 * np.exp(-1.3 * since) * np.minimum(1, 12 * since)


def _murmur(bed: Any, start_s: float, end_s: float, voice: int, rng: Generator) -> None:
    """Add a wordless voice: a pulse train through two formants, in syllables."""
    samples = bed.shape[1]
    first = min(samples, max(0, round(start_s * _RATE)))
    last = min(samples, max(first, round(end_s * _RATE)))
    count = last - first
    if count < 240:
        return
    t = _times(count)
    pitch = 105 + voice % 110
    syllables = np.interp(
        t, np.arange(0, t[-1] + 0.25, 0.11), rng.uniform(0.25, 1.0, len(np.arange(0, t[-1] + 0.25, 0.11)))
    )
    gate = syllables * np.minimum(1, np.minimum(t, t[-1] - t) / 0.05)
    glide = pitch * (1 + 0.06 * np.sin(math.tau * 0.7 * t) - 0.08 * t / t[-1])
    phase = np.cumsum(glide) * (math.tau / _RATE)
    tone = np.zeros(count)
    for harmonic in range(1, 12):
        hertz = pitch * harmonic
        formant = math.exp(-(((hertz - 480) / 260) ** 2)) + 0.45 * math.exp(-(((hertz - 1250) / 320) ** 2)) + 0.05
        tone += formant * np.sin(harmonic * phase)
    tone *= gate
    tone *= MURMUR_RMS / max(1e-6, float(np.sqrt(np.mean(tone * tone))))
    bed[:, first:last] += tone.astype(np.float32)
