from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import MediaError
from pipeline.media import mix as mixing
from pipeline.media.loudness import level, measure
from pipeline.media.mix import mix
from pipeline.media.plan import FilmPlan, FilmShot, plan_film
from pipeline.media.wav import WavWriter, header, open_wav, write_silence
from pipeline.storyboard.schema import TransitionKind as Kind
from tests.media.clips import tone

RATE = 48_000


def wav(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    """Write samples of shape (channels, samples)."""
    with WavWriter(path, rate, len(samples)) as file:
        file.write(samples.T.astype(np.float32))
    return path


def steady(plan: FilmPlan, folder: Path, values: list[float]) -> dict[str, Path]:
    """Return a constant level as each shot's sound: the mix then shows the gains."""
    return {
        shot.key: wav(folder / f"{shot.key}.wav", np.full((2, plan.sample_at(shot.frames)), value))
        for shot, value in zip(plan.shots, values, strict=True)
    }


def read(path: Path) -> np.ndarray:
    file = open_wav(path)
    return file.read(0, file.samples)


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(24000, 1001), Fraction(30000, 1001)])
def test_the_mix_is_as_long_as_the_film_to_the_sample(tmp_path: Path, fps: Fraction) -> None:
    plan = plan_film([FilmShot(f"s{i}", 7 + i, Kind.CROSSFADE, i) for i in range(9)], (Kind.FADE, 3), fps)

    written = mix(plan, steady(plan, tmp_path, [0.1] * 9), tmp_path / "mix.wav")

    assert written == open_wav(tmp_path / "mix.wav").samples == plan.samples == round(plan.frames * RATE / fps)


def test_a_crossfade_keeps_the_power_of_unlike_sounds(tmp_path: Path) -> None:
    plan = plan_film([FilmShot("a", 24), FilmShot("b", 24, Kind.CROSSFADE, 12)], (Kind.CUT, 0), Fraction(24))
    rng = np.random.default_rng(1)
    noise = {k: wav(tmp_path / f"{k}.wav", rng.normal(0, 0.1, (2, RATE))) for k in "ab"}

    mix(plan, noise, tmp_path / "mix.wav")

    sound = read(tmp_path / "mix.wav")
    power = [np.sqrt((block**2).mean()) for block in np.array_split(sound[RATE // 10 : -RATE // 10], 12)]
    assert power == pytest.approx([0.1] * 12, rel=0.06)


def test_gains_follow_the_plan(tmp_path: Path) -> None:
    plan = plan_film(
        [FilmShot("a", 24, Kind.FADE, 6), FilmShot("b", 24, Kind.DIP_TO_BLACK, 12), FilmShot("c", 24)],
        (Kind.FADE, 6),
        Fraction(24),
    )

    mix(plan, steady(plan, tmp_path, [0.5, 0.5, 0.25]), tmp_path / "mix.wav")

    sound = read(tmp_path / "mix.wav")[:, 0]
    at = {frame: sound[plan.sample_at(frame)] for frame in (0, 3, 12, 21, 24, 27, 40, 69)}
    half = np.sin(np.pi / 4)
    assert abs(at[0]) < 1e-3
    assert abs(at[24]) < 1e-3
    assert abs(sound[-1]) < 1e-3
    assert (at[3], at[21], at[27]) == pytest.approx((0.5 * half,) * 3, abs=0.01)
    assert (at[12], at[40]) == (0.5, 0.5)
    assert at[69] == pytest.approx(0.25 * half, abs=0.01)


def test_a_cut_has_no_step_that_clicks_and_no_gap_that_is_heard(tmp_path: Path) -> None:
    plan = plan_film([FilmShot("a", 24), FilmShot("b", 24)], (Kind.CUT, 0), Fraction(24))

    mix(plan, steady(plan, tmp_path, [0.8, -0.8]), tmp_path / "mix.wav")

    sound = read(tmp_path / "mix.wav")[:, 0]
    assert np.abs(np.diff(sound)).max() < 0.05
    assert np.flatnonzero(np.abs(sound[1000:-1000]) < 0.4).size < 0.003 * RATE


def test_blocks_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_film([FilmShot(f"s{i}", 20, Kind.CROSSFADE, 7) for i in range(4)], (Kind.FADE, 5), Fraction(25))
    sounds = steady(plan, tmp_path, [0.1, 0.4, 0.2, 0.3])
    mix(plan, sounds, tmp_path / "whole.wav")
    monkeypatch.setattr(mixing, "BLOCK_S", Fraction(1, 10))
    monkeypatch.setattr(mixing, "BLOCK_S", 1)

    mix(plan, sounds, tmp_path / "pieces.wav")

    assert np.array_equal(read(tmp_path / "whole.wav"), read(tmp_path / "pieces.wav"))


def test_sound_of_the_wrong_length_or_none_is_refused(tmp_path: Path) -> None:
    plan = plan_film([FilmShot("a", 24)], (Kind.CUT, 0), Fraction(24))
    short = wav(tmp_path / "short.wav", np.zeros((2, 47_000)))
    junk = tmp_path / "junk.wav"
    junk.write_bytes(b"RIFF....WAVEjunk")

    for sounds in ({"a": short}, {}, {"a": junk}, {"a": tmp_path / "missing.wav"}):
        with pytest.raises(MediaError) as failed:
            mix(plan, sounds, tmp_path / "mix.wav")
        assert failed.value.remedy
    assert not (tmp_path / "mix.wav").exists()


def test_a_tone_measures_what_the_recommendation_says(tmp_path: Path) -> None:
    """EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS measures -23 LUFS."""
    path = wav(tmp_path / "t.wav", tone(3, hertz=1000, peak=10 ** (-23 / 20)))

    measured = measure(path)

    assert measured.integrated_lufs == pytest.approx(-23.0, abs=0.15)
    assert measured.true_peak_dbtp == pytest.approx(-23.0, abs=0.2)


@pytest.mark.parametrize("target", [-16.0, -23.0])
def test_one_gain_reaches_the_target_where_the_peak_allows(tmp_path: Path, target: float) -> None:
    path = wav(tmp_path / "t.wav", tone(3, peak=0.05))

    made = level(path, tmp_path / "o.wav", target_lufs=target, true_peak_dbtp=-1.0)

    assert made.after.integrated_lufs == pytest.approx(target, abs=0.2)
    assert not made.limited
    assert np.allclose(read(tmp_path / "o.wav"), read(path) * 10 ** (made.gain_db / 20), atol=1e-4)


def test_the_limiter_holds_the_true_peak_without_moving_the_sound(tmp_path: Path) -> None:
    wave = tone(3, peak=0.05)
    wave[:, RATE : RATE + 40] = 0.9
    path = wav(tmp_path / "t.wav", wave)

    made = level(path, tmp_path / "o.wav", target_lufs=-14.0, true_peak_dbtp=-1.0)

    result = read(tmp_path / "o.wav")
    assert made.limited
    assert made.after.true_peak_dbtp is not None
    assert made.after.true_peak_dbtp <= -1.0
    assert len(result) == wave.shape[1]
    before, after = wave[0, :40_000], result[:40_000, 0]
    shifts = [np.dot(before[100:-100], after[100 + lag : len(after) - 100 + lag]) for lag in range(-50, 51)]
    assert int(np.argmax(shifts)) - 50 == 0
    assert abs(int(np.argmax(np.abs(result[:, 0]))) - RATE) < 60


@pytest.mark.parametrize("seconds", [2.0, 0.2])
def test_silence_is_left_alone_and_said_so(tmp_path: Path, seconds: float) -> None:
    write_silence(tmp_path / "s.wav", round(seconds * RATE), RATE, 2)

    made = level(tmp_path / "s.wav", tmp_path / "o.wav", target_lufs=-16.0, true_peak_dbtp=-1.0)

    assert made.gain_db == 0.0
    assert "left as it is" in made.note
    assert not read(tmp_path / "o.wav").any()


def test_faint_noise_is_not_raised_without_limit_and_said_so(tmp_path: Path) -> None:
    path = wav(tmp_path / "t.wav", tone(3, peak=0.001))

    made = level(path, tmp_path / "o.wav", target_lufs=-16.0, true_peak_dbtp=-1.0)

    assert made.gain_db == 30.0
    assert "would be needed" in made.note


def test_wav_files_read_as_written_and_beyond_their_ends_as_silence(tmp_path: Path) -> None:
    wave = np.random.default_rng(2).uniform(-1, 1, (2, 1000)).astype(np.float32)
    path = wav(tmp_path / "w.wav", wave)

    file = open_wav(path)

    assert (file.samples, file.channels, file.sample_rate) == (1000, 2, RATE)
    assert np.array_equal(file.read(0, 1000), wave.T)
    edge = file.read(-10, 1020)
    assert not edge[:10].any()
    assert not edge[1010:].any()
    with av.open(str(path)) as container:
        decoded = np.concatenate([f.to_ndarray().reshape(-1, 2) for f in container.decode(audio=0)])
    assert np.array_equal(decoded, wave.T)


def test_a_wav_file_beyond_four_gigabytes_is_rf64(tmp_path: Path) -> None:
    path, samples = tmp_path / "long.wav", 600_000_000
    with path.open("wb") as file:
        file.write(header(RATE, 2, samples))
        file.truncate(file.tell() + samples * 8)  # sparse: takes no room

    read_back = open_wav(path)
    with av.open(str(path)) as container:
        seconds = float(container.streams.audio[0].duration * container.streams.audio[0].time_base)

    assert read_back.samples == samples
    assert seconds == pytest.approx(samples / RATE, abs=0.01)
