"""The labelled corpus: clean clips pass, each fault is found and named, and nothing else is blamed."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.checks.gate import Severity
from pipeline.checks.measurements import Measurements
from pipeline.checks.measures import measure
from pipeline.errors import MediaError
from tests.checks.clips import ASKED, PAN, STILL, TONE, WORLD, failing, ffmpeg, make, verdict_on

CLEAN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a pan": ({}, {}),
    "a slow pan": ({"picture": f"{WORLD},crop=320:180:'40+n*0.34':60"}, {}),
    "a fast pan": ({"picture": f"{WORLD},crop=320:180:'4+n*8':60"}, {}),
    "a handheld camera": ({"picture": f"{WORLD},crop=320:180:'150+7*sin(n)':'90+5*sin(n*1.4)'"}, {}),
    "a push in": ({"picture": STILL, "filters": "zoompan=z='1+on*0.006':d=1:s=320x180:fps=24"}, {}),
    "a static shot with grain": ({"picture": STILL, "filters": "noise=alls=9:allf=t"}, {}),
    "a static shot that was asked for": ({"picture": STILL}, {"moving": False}),
    "night with grain": (
        {"filters": "curves=all='0/0 0.5/0.04 1/0.35',noise=alls=4:allf=t"},
        {},
    ),
    "fog": ({"filters": "eq=contrast=0.25:brightness=0.1"}, {}),
    "a slow fade in and out": ({"filters": "fade=in:0:16,fade=out:22:14"}, {"fades": (16, 14)}),
    "two strokes of lightning": ({"filters": "eq=brightness='if(between(n,14,15)+eq(n,18),0.5,0)':eval=frame"}, {}),
    "one flash": ({"filters": "eq=brightness='if(between(n,14,15),0.5,0)':eval=frame"}, {}),
    "brightness that rises": ({"filters": "eq=brightness='-0.15+n*0.01':eval=frame"}, {}),
    "strong compression": ({"crf": 36}, {}),
    "no sound, as asked": ({"sound": None}, {"audio": False}),
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_clip_passes(name: str, tmp_path: Path) -> None:
    how, asked = CLEAN[name]
    clip = make(tmp_path / "clean.mp4", **how)

    verdict = verdict_on(clip, ASKED.model_copy(update=asked))

    assert verdict.passed, verdict.reason


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "black": ({"filters": "drawbox=c=black:t=fill:enable='between(n,12,23)'"}, "black"),
    "black with grain": (
        {"filters": "drawbox=c=black:t=fill:enable='between(n,12,20)',noise=alls=6:allf=t"},
        "black",
    ),
    "frozen": ({"filters": "loop=loop=18:size=1:start=10,setpts=N/24/TB"}, "frozen"),
    "flicker": ({"filters": "eq=brightness='if(mod(n,2),0.03,-0.03)':eval=frame"}, "flicker"),
    "flicker in pairs": ({"filters": "eq=brightness='if(lt(mod(n,4),2),0.05,-0.05)':eval=frame"}, "flicker"),
    "a cut": ({"picture": f"testsrc2=size=320x180:rate=24[z];{PAN}[y];[y][z]overlay=enable='gte(n,17)'"}, "scene_cut"),
    "a cut within one place": (
        {"picture": f"{WORLD},crop=320:180:'if(lt(n,20),60,290)+n':'if(lt(n,20),20,170)'"},
        "scene_cut",
    ),
    "blurred": ({"filters": "gblur=sigma=3"}, "blur"),
    "too dark": ({"filters": "colorlevels=romax=0.12:gomax=0.12:bomax=0.12"}, "too_dark"),
    "too bright": ({"filters": "eq=brightness=0.5:contrast=0.2"}, "too_bright"),
    "a blank wall": ({"picture": "color=c=gray:size=320x180:rate=24"}, "contrast"),
    "silence": ({"sound": "anullsrc=r=48000:cl=stereo"}, "silent"),
    "clipped sound": ({"sound_filters": "volume=40dB"}, "clipping"),
    "no sound": ({"sound": None}, "audio_present"),
    "sound too short": ({"sound": f"{TONE}:duration=1"}, "audio_length"),
}
ALONE = set(FAULTS) - {"a blank wall", "no sound", "too bright", "too dark"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_named(name: str, tmp_path: Path) -> None:
    how, measure_name = FAULTS[name]
    clip = make(tmp_path / "faulty.mp4", **how)

    verdict = verdict_on(clip)

    assert measure_name in failing(verdict)
    if name in ALONE:
        assert failing(verdict) == [measure_name], verdict.reason


def test_a_black_section_says_where_and_how_long(tmp_path: Path) -> None:
    clip = make(tmp_path / "black.mp4", "drawbox=c=black:t=fill:enable='between(n,12,23)'")

    verdict = verdict_on(clip)

    assert verdict.reason == "the picture is black from 0.5 s to 1.0 s (12 frames; at most 2 allowed)"


def test_a_blurred_section_is_located(tmp_path: Path) -> None:
    clip = make(tmp_path / "focus.mp4", "gblur=sigma=4:enable='gte(n,30)'", frames=72)

    found = verdict_on(clip, ASKED.model_copy(update={"frames": 72})).failures[0]

    assert found.measure == "blur"
    assert found.start_s is not None
    assert found.start_s >= 0.9


def test_smooth_gradients_pass_as_graphics_only(tmp_path: Path) -> None:
    clip = make(tmp_path / "gradient.mp4", picture="gradients=size=320x180:rate=24:seed=2:speed=0.05")

    assert failing(verdict_on(clip)) == ["blur"]
    assert verdict_on(clip, content_class="graphics").passed


def test_a_cut_is_timed_to_the_frame(tmp_path: Path) -> None:
    clip = make(
        tmp_path / "cut.mp4", picture=f"testsrc2=size=320x180:rate=24[z];{PAN}[y];[y][z]overlay=enable='gte(n,17)'"
    )

    cuts = measure(clip).scene_cuts

    assert cuts is not None
    assert cuts.times_s == (pytest.approx(17 / 24, abs=1e-3),)


def test_a_clip_that_is_black_throughout_is_no_fade(tmp_path: Path) -> None:
    clip = make(tmp_path / "black.mp4", picture="color=c=black:size=320x180:rate=24")

    verdict = verdict_on(clip, ASKED.model_copy(update={"fades": (36, 36)}))

    assert "black" in failing(verdict)


def test_a_fade_that_was_not_asked_for_is_black(tmp_path: Path) -> None:
    clip = make(tmp_path / "fade.mp4", "fade=in:8:10")

    assert failing(verdict_on(clip)) == ["black"]
    assert verdict_on(clip, ASKED.model_copy(update={"fades": (10, 0)})).passed


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"width": 640, "height": 360}, ["resolution"]),
        ({"fps": "25/1", "frames": 37}, ["fps"]),
        ({"frames": 48}, ["duration", "frames"]),
    ],
)
def test_what_differs_from_what_was_asked_fails(change: dict[str, object], expected: list[str], tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.mp4")

    assert failing(verdict_on(clip, ASKED.model_copy(update=change))) == expected


def test_a_variable_frame_rate_is_found(tmp_path: Path) -> None:
    uneven = "settb=1/12000,setpts='(N+0.6*gt(mod(N,7),3))*500'"
    clip = make(tmp_path / "vfr.mp4", uneven, extra=("-fps_mode", "passthrough", "-enc_time_base", "1:12000"))

    measured, verdict = measure(clip), verdict_on(clip)

    assert measured.vfr
    assert "variable_rate" in failing(verdict)


def test_the_millisecond_times_of_webm_are_no_variable_rate(tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.mkv", extra=("-fflags", "+bitexact"))

    measured = measure(clip)

    assert not measured.vfr
    assert measured.fps == "24/1"


@pytest.mark.parametrize("pixel_format", ["yuv444p10le", "yuvj420p", "gbrp", "nv12"])
def test_every_pixel_format_gives_the_same_levels(pixel_format: str, tmp_path: Path) -> None:
    usual = make(tmp_path / "usual.mp4", frames=6)
    other = tmp_path / "other.mkv"
    codec = "ffv1" if pixel_format != "nv12" else "rawvideo"
    target = "yuv420p" if pixel_format == "yuvj420p" else pixel_format
    out_range = "pc" if pixel_format in ("yuvj420p", "gbrp") else "tv"
    ranged = f"scale=in_range=tv:out_range={out_range}:in_color_matrix=bt709:out_color_matrix=bt709"
    tags = ("-color_range", out_range) if pixel_format != "gbrp" else ()
    ffmpeg("-i", str(usual), "-vf", f"{ranged},format={target}", "-c:v", codec, *tags, "-an", str(other))

    one, two = measure(usual), measure(other)

    assert one.exposure is not None
    assert two.exposure is not None
    assert two.exposure.mean == pytest.approx(one.exposure.mean, abs=1.5)
    assert one.signature is not None
    assert two.signature is not None
    assert two.signature.lab_mean == pytest.approx(one.signature.lab_mean, abs=2)


def test_a_turned_clip_is_measured_as_it_is_shown(tmp_path: Path) -> None:
    flat = make(tmp_path / "flat.mp4", frames=6)
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", str(flat), "-c", "copy", str(turned))

    measured = measure(turned)

    assert (measured.width, measured.height) == (180, 320)


def test_a_measurement_survives_json(tmp_path: Path) -> None:
    measured = measure(make(tmp_path / "clip.mp4"))

    assert Measurements.model_validate_json(measured.model_dump_json()) == measured


def test_progress_rises_to_one(tmp_path: Path) -> None:
    clip, seen = make(tmp_path / "clip.mp4"), list[float]()

    measure(clip, seen.append)

    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 5


def test_every_measure_is_listed_with_its_value_and_threshold(tmp_path: Path) -> None:
    verdict = verdict_on(make(tmp_path / "clip.mp4"))

    assert len(verdict.findings) == 18
    assert all(f.value is not None and f.reason and f.severity is Severity.MANDATORY for f in verdict.findings)


def test_a_skipped_measure_is_listed_but_does_not_count(tmp_path: Path) -> None:
    clip = make(tmp_path / "silent.mp4", sound="anullsrc=r=48000:cl=mono")

    verdict = verdict_on(clip, ASKED.model_copy(update={"skip": ("silent",)}))

    skipped = next(finding for finding in verdict.findings if finding.measure == "silent")
    assert verdict.passed
    assert skipped.passed is False
    assert skipped.severity is Severity.SKIPPED


def _truncated(clip: Path, out: Path) -> None:
    data = clip.read_bytes()
    out.write_bytes(data[: len(data) * 2 // 3])


def _truncated_between_packets(clip: Path, out: Path) -> None:
    ffmpeg("-i", str(clip), "-c", "copy", "-movflags", "+faststart", str(out))
    out.write_bytes(out.read_bytes()[: -len(clip.read_bytes()) // 4])


def _poisoned(clip: Path, out: Path) -> None:
    data = bytearray(clip.read_bytes())
    for place in range(len(data) // 4, len(data) * 3 // 4, 61):
        data[place] ^= 0xFF
    out.write_bytes(data)


def _scratched(clip: Path, out: Path) -> None:
    """Spoil a few bytes inside the pictures: the decoder conceals it and reports no error."""
    ffmpeg("-i", str(clip), "-an", "-c", "copy", str(out))
    data = bytearray(out.read_bytes())
    for place in range(len(data) // 2, len(data) // 2 + 12):
        data[place] ^= 0xFF
    out.write_bytes(data)


def _sound_only(clip: Path, out: Path) -> None:
    ffmpeg("-i", str(clip), "-vn", "-c", "copy", str(out))


def _playlist(clip: Path, out: Path) -> None:
    shutil.copy(clip, out.with_name("local.ts"))
    out.write_text("#EXTM3U\n#EXTINF:1,\nlocal.ts\n#EXT-X-ENDLIST\n")


BROKEN: dict[str, Callable[[Path, Path], object]] = {
    "truncated": _truncated,
    "truncated behind its index": _truncated_between_packets,
    "poisoned": _poisoned,
    "scratched": _scratched,
    "sound only": _sound_only,
    "a playlist": _playlist,
    "text": lambda _clip, out: out.write_text("INT. LIGHTHOUSE - NIGHT\n" * 50),
    "empty": lambda _clip, out: out.touch(),
    "missing": lambda _clip, _out: None,
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_that_is_no_whole_video_is_a_clear_error(how: str, tmp_path: Path) -> None:
    BROKEN[how](make(tmp_path / "good.mp4", extra=("-bf", "0")), tmp_path / "take.mp4")

    with pytest.raises(MediaError) as caught:
        measure(tmp_path / "take.mp4")

    assert caught.value.where == "take.mp4"
    assert caught.value.remedy
