from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import MediaError
from pipeline.media.conform import conform, placeholder
from pipeline.media.ffmpeg import ffmpeg_exe
from pipeline.media.join import parameter_sets
from pipeline.media.probe import probe
from pipeline.media.stills import still
from pipeline.media.wav import open_wav
from pipeline.storyboard.schema import Framing
from tests.media.clips import cells_of, code, coded, lumas, read_cells, small, tone

NEAR = 7


def make(path: Path, *args: str) -> Path:
    """Run FFmpeg plainly: the tests' clips are not made by the code under test."""
    subprocess.run([ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *args, str(path)], check=True)
    return path


@pytest.mark.parametrize(
    ("fps", "source_fps", "frames"),
    [("24", 25, 20), ("24000/1001", 24, 21), ("30000/1001", 60, 13), ("24", 10, 17), ("60", 24, 31)],
)
def test_frames_and_samples_are_exact_and_each_frame_is_the_nearest_in_time(
    tmp_path: Path, fps: str, source_fps: int, frames: int
) -> None:
    fmt = small(fps)
    take = coded(tmp_path / "take.mp4", 3, 40, fps=source_fps, sound=tone(1.5))

    made = conform(take, frames, fmt, tmp_path / "o.mp4", tmp_path / "o.wav")

    seen = read_cells(made.video)
    assert len(seen) == frames
    assert open_wav(made.audio).samples == made.samples == round(frames * 48_000 / Fraction(fps))
    for number, cells in enumerate(seen):
        exact = number / Fraction(fps) * source_fps
        near = {int(exact), int(exact) + 1}
        shown = [n for n in near if abs(n - exact) <= Fraction(501, 1000)]
        assert any(np.abs(cells - code(3, n)).max() < NEAR for n in shown), f"frame {number}"


def test_a_variable_rate_becomes_constant_and_every_frame_keeps_its_time(tmp_path: Path) -> None:
    fmt = small(24)
    times = [Fraction(n, 24) for n in (0, 1, 2, 6, 7, 12, 13)]
    take = coded(tmp_path / "take.mkv", 2, len(times), times=times)

    made = conform(take, 14, fmt, tmp_path / "o.mp4", tmp_path / "o.wav")

    assert probe(take).picture.variable_rate
    shown = [int(np.argmin([np.abs(cells - code(2, n)).max() for n in range(7)])) for cells in read_cells(made.video)]
    # Near a gap the held frame may give way up to half a usual frame early, never late.
    assert shown[:3] == [0, 1, 2]
    assert (shown[6], shown[7], shown[12], shown[13]) == (3, 4, 5, 6)
    assert shown == sorted(shown)


def test_a_short_take_holds_its_last_frame_and_a_long_one_is_cut_and_both_say_so(tmp_path: Path) -> None:
    fmt = small()
    take = coded(tmp_path / "take.mp4", 1, 10)

    long = conform(take, 16, fmt, tmp_path / "l.mp4", tmp_path / "l.wav")
    short = conform(take, 7, fmt, tmp_path / "s.mp4", tmp_path / "s.wav")

    assert (long.held, long.trimmed, short.held, short.trimmed) == (6, 0, 0, 3)
    assert np.abs(read_cells(long.video)[9:] - code(1, 9)).max() < NEAR
    assert np.abs(read_cells(short.video)[-1] - code(1, 6)).max() < NEAR
    assert any("held" in note for note in long.notes)


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (44_100, 1), (22_050, 2)])
def test_sound_keeps_its_place_and_its_level_at_any_rate_and_layout(tmp_path: Path, rate: int, channels: int) -> None:
    fmt = small()
    wave = np.zeros((channels, rate))
    wave[:, rate // 2 :] = tone(0.5, rate=rate, channels=channels, peak=0.5)
    take = coded(tmp_path / "take.mkv", 0, 24, sound=wave, sample_rate=rate)

    made = conform(take, 24, fmt, tmp_path / "o.mp4", tmp_path / "o.wav")

    heard = open_wav(made.audio).read(0, 48_000)
    assert heard.shape == (48_000, 2)
    assert abs(int(np.flatnonzero(np.abs(heard[:, 0]) > 0.05)[0]) - 24_000) < 48
    assert np.abs(heard).max() == pytest.approx(0.5, abs=0.02)
    assert np.allclose(heard[:, 0], heard[:, 1], atol=1e-3)


@pytest.mark.parametrize("late_s", [0.25, -0.25])
def test_sound_that_starts_at_another_time_than_the_picture_keeps_its_place(tmp_path: Path, late_s: float) -> None:
    fmt = small()
    wave = np.zeros((2, 48_000))
    wave[:, 14_400:19_200] = 0.5
    picture_s = max(0.0, -late_s)
    times = [Fraction(n, 24) + Fraction(picture_s) for n in range(24)]
    take = coded(tmp_path / "take.mkv", 0, 24, times=times, sound=wave, sound_at_s=max(0.0, late_s))

    made = conform(take, 24, fmt, tmp_path / "o.mp4", tmp_path / "o.wav")

    heard = np.abs(open_wav(made.audio).read(0, 48_000)).max(axis=1)
    assert abs(int(np.flatnonzero(heard > 0.25)[0]) - (14_400 + round(late_s * 48_000))) < 100


def test_a_take_without_sound_gets_exactly_as_much_silence(tmp_path: Path) -> None:
    fmt = small("30000/1001")

    made = conform(coded(tmp_path / "t.mp4", 0, 9, fps=fmt.fps), 9, fmt, tmp_path / "o.mp4", tmp_path / "o.wav")

    wav = open_wav(made.audio)
    assert made.silent
    assert (wav.samples, wav.channels, wav.sample_rate) == (14_414, 2, 48_000)
    assert not wav.read(0, wav.samples).any()


def test_every_mezzanine_of_a_cut_has_the_same_parameter_sets_and_tags(tmp_path: Path) -> None:
    fmt = small()
    first = coded(tmp_path / "a.mp4", 0, 9)
    second = coded(tmp_path / "b.mp4", 5, 40, fps=30, size=(64, 48))

    one = conform(first, 9, fmt, tmp_path / "1.mp4", tmp_path / "1.wav")
    two = conform(second, 30, fmt, tmp_path / "2.mp4", tmp_path / "2.wav", threads=2, keyframes=(3, 9))
    three = placeholder(["x"], 30, fmt, tmp_path / "3.mp4", tmp_path / "3.wav")

    assert len({parameter_sets(made.video) for made in (one, two, three)}) == 1
    facts = probe(two.video).picture
    assert (facts.matrix, facts.primaries, facts.transfer, facts.full_range) == (1, 1, 1, False)
    assert (facts.pixel_format, facts.pixel_aspect, facts.variable_rate) == ("yuv420p", 1, False)


def test_odd_sizes_crop_and_pad_keep_the_middle_and_the_shape(tmp_path: Path) -> None:
    picture = np.full((91, 61), 60, np.uint8)
    picture[35:56, 20:41] = 220
    take = lumas(tmp_path / "t.mp4", [picture] * 5)

    crop = conform(take, 5, small(), tmp_path / "c.mp4", tmp_path / "c.wav")
    pad = conform(take, 5, small(framing=Framing.PAD), tmp_path / "p.mp4", tmp_path / "p.wav")

    cropped = np.asarray(still(crop.video, 2).convert("L"), float)
    padded = np.asarray(still(pad.video, 2).convert("L"), float)
    assert cropped.shape == padded.shape == (96, 160)
    for seen, scale in ((cropped, 160 / 61), (padded, 96 / 91)):
        rows, columns = np.nonzero(seen > 150)
        assert np.ptp(rows) + 1 == pytest.approx(21 * scale, abs=3)
        assert np.ptp(columns) + 1 == pytest.approx(21 * scale, abs=3)
        assert (rows.mean(), columns.mean()) == pytest.approx((47.5, 79.5), abs=1.5)
    assert padded[:, :30].max() < 5


def test_a_rotated_take_stands_upright_and_stills_agree(tmp_path: Path) -> None:
    flat = coded(tmp_path / "t.mp4", 9, 5)
    turned = make(tmp_path / "r.mp4", "-display_rotation", "90", "-i", str(flat), "-c", "copy")

    made = conform(turned, 5, small(width=96, height=160), tmp_path / "o.mp4", tmp_path / "o.wav")

    expected = np.rot90(cells_of(np.asarray(still(flat, 2).convert("L"), float)).reshape(4, 4))
    assert probe(turned).picture.display_size == (96, 160)
    for picture in (still(turned, 2), still(made.video, 2)):
        assert picture.size == (96, 160)
        seen = cells_of(np.asarray(picture.convert("L"), float)).reshape(4, 4)
        assert np.abs(seen - expected).max() < 8


CHART = [(200, 30, 30), (30, 180, 40), (40, 50, 200), (220, 200, 40), (128, 128, 128), (250, 250, 250), (8, 8, 8)]


@pytest.mark.parametrize(
    ("matrix", "limits", "pixels", "tags"),
    [
        ("bt709", "limited", "yuv420p", ["-colorspace", "bt709", "-color_range", "tv"]),
        ("bt709", "full", "yuv420p", ["-colorspace", "bt709", "-color_range", "pc"]),
        ("smpte170m", "limited", "yuv420p", ["-colorspace", "smpte170m", "-color_range", "tv"]),
        ("smpte170m", "full", "yuv420p10le", ["-colorspace", "smpte170m", "-color_range", "pc"]),
        ("smpte170m", "limited", "yuv420p", []),
    ],
)
def test_a_colour_chart_survives_whatever_matrix_and_range_the_take_has(
    tmp_path: Path, matrix: str, limits: str, pixels: str, tags: list[str]
) -> None:
    chart = np.zeros((96, 16 * len(CHART), 3), np.uint8)
    for number, colour in enumerate(CHART):
        chart[:, number * 16 : number * 16 + 16] = colour
    Image.fromarray(chart).save(tmp_path / "chart.png")
    scale = f"scale=out_color_matrix={matrix}:out_range={limits},format={pixels}"
    take = make(
        tmp_path / "t.mp4",
        *("-loop", "1", "-framerate", "24", "-i", str(tmp_path / "chart.png"), "-frames:v", "3", "-vf", scale),
        *("-c:v", "libx264", "-crf", "4", *tags),
    )

    made = conform(take, 3, small(width=112, height=96, crf=10), tmp_path / "o.mp4", tmp_path / "o.wav")

    for picture in (still(take, 1), still(made.video, 1)):
        seen = np.asarray(picture, float)[48, 8::16]
        assert np.abs(seen - np.array(CHART)).max() <= 5, seen


def test_pixels_that_are_not_square_are_made_square(tmp_path: Path) -> None:
    take = make(tmp_path / "t.mp4", "-f", "lavfi", "-i", "testsrc=s=90x96:r=24:d=0.2,setsar=16/9")

    made = conform(take, 4, small(), tmp_path / "o.mp4", tmp_path / "o.wav")

    assert probe(take).picture.display_size == (160, 96)
    assert made.notes == ("1 frames longer than the shot; cut off", "no sound in the take; silence")


def test_rubbish_and_broken_clips_are_one_clear_error_and_leave_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    whole = coded(tmp_path / "whole.mp4", 0, 24).read_bytes()
    broken = {
        "empty.mp4": b"",
        "text.mp4": b"not a film at all\n" * 50,
        "cut.mp4": whole[: len(whole) // 2],
        "scrambled.mp4": whole[:200] + bytes(len(whole) // 2) + whole[200 + len(whole) // 2 :],
    }

    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MediaError) as failed:
            conform(tmp_path / name, 24, small(), out / "o.mp4", out / "o.wav")
        assert name in failed.value.where
        assert failed.value.remedy
        assert failed.value.log_tail
    with pytest.raises(MediaError):
        conform(tmp_path / "missing.mp4", 24, small(), out / "o.mp4", out / "o.wav")
    assert list(out.iterdir()) == []


def test_a_clip_with_sound_alone_has_no_picture_to_conform(tmp_path: Path) -> None:
    take = make(tmp_path / "t.wav", "-f", "lavfi", "-i", "sine=d=0.2")

    with pytest.raises(MediaError, match="no picture"):
        conform(take, 5, small(), tmp_path / "o.mp4", tmp_path / "o.wav")


def test_formats_have_equal_keys_only_if_they_are_equal() -> None:
    keys = {small(24).key, small("24000/1001").key, small(24, crf=10).key, small(24, framing=Framing.PAD).key}

    assert len(keys) == 4
    assert small("24/1").key == small(24).key


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_becomes_standard_range_with_neutral_greys_in_order(tmp_path: Path, transfer: str) -> None:
    ramp = "geq=lum='64+876*floor(X/20)/7':cb=512:cr=512"
    take = make(
        tmp_path / "t.mp4",
        *("-f", "lavfi", "-i", f"nullsrc=s=160x96:r=24:d=0.2,format=yuv420p10le,{ramp}"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "4", "-color_range", "tv"),
        *("-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc"),
    )

    made = conform(take, 4, small(), tmp_path / "o.mp4", tmp_path / "o.wav")

    seen = np.asarray(still(made.video, 1), float)[48, 10::20]
    assert np.ptp(seen, axis=1).max() <= 4
    steps = np.diff(seen.mean(axis=1))
    assert steps.min() >= -2
    assert seen[0].max() < 12
    assert seen[-1].min() > 180
