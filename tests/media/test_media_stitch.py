from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import MediaError
from pipeline.media.captions import cues
from pipeline.media.conform import conform, placeholder
from pipeline.media.plan import FilmShot, plan_film
from pipeline.media.stitch import stitch
from pipeline.storyboard.schema import TransitionKind as Kind
from tests.media.clips import (
    BLACK,
    HEIGHT,
    WHITE,
    WIDTH,
    code,
    coded,
    conformed,
    lumas,
    read_cells,
    read_lumas,
    read_sound,
    small,
    tone,
)

NEAR = 7  # of 255: what encoding may change in the mean of a flat cell


def mixed(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    return before * (1 - share) + after * share


def plain(value: int) -> np.ndarray:
    return np.full(16, float(value))


def body(shot: int, first: int, end: int) -> list[np.ndarray]:
    return [code(shot, number) for number in range(first, end)]


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30000, 1001)])
@pytest.mark.parametrize("handles", [True, False], ids=["copied", "encoded"])
def test_every_frame_of_a_film_with_all_transitions_is_the_right_one(
    tmp_path: Path, fps: Fraction, handles: bool
) -> None:
    plan = plan_film(
        [
            FilmShot("a", 14, Kind.FADE, 4),
            FilmShot("b", 15, Kind.CROSSFADE, 5),
            FilmShot("one", 1),
            FilmShot("c", 12, Kind.DIP_TO_BLACK, 7),
            FilmShot("d", 13, Kind.DIP_TO_WHITE, 6),
            FilmShot("e", 9, Kind.CROSSFADE, 1),
        ],
        (Kind.FADE, 3),
        fps,
    )
    fmt = small(fps)

    made = stitch(plan, conformed(tmp_path, plan, fmt, handles=handles), tmp_path / "film.mp4", fmt=fmt)

    expected = [mixed(plain(BLACK), code(0, n), n / 4) for n in range(4)]
    expected += body(0, 4, 9)
    expected += [mixed(code(0, 9 + k), code(1, k), (k + 1) / 6) for k in range(5)]
    # The one-frame shot has one frame to give: the dip of 7 becomes one of 3, falling in 1, rising in 2.
    expected += body(1, 5, 15)
    one, c = plan.shot("one"), plan.shot("c")
    assert (one.head, one.tail, c.head) == (0, 1, 2)
    expected += [plain(BLACK)]
    expected += [mixed(plain(BLACK), code(3, n), n / 2) for n in range(2)]
    expected += body(3, 2, 9)
    expected += [mixed(code(3, 9 + k), plain(WHITE), (k + 1) / 3) for k in range(3)]
    expected += [mixed(plain(WHITE), code(4, n), n / 3) for n in range(3)]
    expected += body(4, 3, 12)
    expected += [mixed(code(4, 12), code(5, 0), 1 / 2)]
    expected += body(5, 1, 6)
    expected += [mixed(code(5, 6 + k), plain(BLACK), (k + 1) / 3) for k in range(3)]
    seen = read_cells(tmp_path / "film.mp4")
    assert seen.shape == (plan.frames, 16)
    difference = np.abs(seen - np.array(expected)).max(axis=1)
    assert difference.max() < NEAR, f"frame {difference.argmax()} differs by {difference.max():.0f}"
    assert made.copied_frames == (sum(s.frames for s in plan.segments if s.kind == "body") if handles else 0)


def test_hard_cuts_of_takes_at_other_rates_show_the_frame_of_that_time(tmp_path: Path) -> None:
    fmt = small()
    rates = [Fraction(25), Fraction(24), Fraction(30000, 1001), Fraction(60), Fraction(24000, 1001)]
    plan = plan_film([FilmShot(f"s{i}", 11) for i in range(5)], (Kind.CUT, 0), fmt.fps)
    clips = {}
    for number, rate in enumerate(rates):
        take = coded(tmp_path / f"{number}-take.mp4", number, 40, fps=rate)
        clips[f"s{number}"] = conform(take, 11, fmt, tmp_path / f"{number}.mp4", tmp_path / f"{number}.wav")

    made = stitch(plan, clips, tmp_path / "film.mp4", fmt=fmt)

    seen = read_cells(tmp_path / "film.mp4")
    assert made.encoded_frames == 0
    for number, rate in enumerate(rates):
        for frame in range(11):
            exact = frame / fmt.fps * rate
            candidates = {int(exact), int(exact) + 1, round(exact)}
            shown = [n for n in candidates if np.abs(seen[number * 11 + frame] - code(number, n)).max() < NEAR]
            assert shown, f"shot {number}, frame {frame}"
            assert abs(shown[0] - exact) <= Fraction(1, 2) + Fraction(1, 1000)


def test_flash_and_click_stay_together_at_begin_middle_and_end(tmp_path: Path) -> None:
    fmt = small()
    frames, flash = 60, 30
    wave = np.zeros((2, 48_000 * frames // 24))
    wave[:, flash * 2000 : flash * 2000 + 96] = 0.9
    pictures = [np.full((HEIGHT, WIDTH), 220 if n == flash else 30, np.uint8) for n in range(frames)]
    plan = plan_film([FilmShot(f"s{i}", frames, Kind.CROSSFADE, 5) for i in range(8)], (Kind.CUT, 0), fmt.fps)
    take = lumas(tmp_path / "take.mp4", pictures, sound=wave)
    clip = conform(take, frames, fmt, tmp_path / "c.mp4", tmp_path / "c.wav", keyframes=(5, 55))

    stitch(plan, {shot.key: clip for shot in plan.shots}, tmp_path / "film.mp4", fmt=fmt)

    light = [luma.mean() for luma in read_lumas(tmp_path / "film.mp4")]
    flashes = [n for n, value in enumerate(light) if value > 120]
    sound = np.abs(read_sound(tmp_path / "film.mp4")).max(axis=1)
    loud = np.flatnonzero(sound > sound.max() / 2)
    clicks = [int(group[0]) for group in np.split(loud, np.flatnonzero(np.diff(loud) > 4000) + 1)]
    assert flashes == [shot.start + flash for shot in plan.shots]
    assert len(clicks) == len(flashes)
    offsets = [click - n * 2000 for n, click in zip(flashes, clicks, strict=True)]
    assert max(map(abs, offsets)) < 100, offsets  # 2 ms; a frame is 2000 samples


def test_the_film_carries_title_tags_and_captions(tmp_path: Path) -> None:
    fmt = small()
    plan = plan_film([FilmShot("a", 30)], (Kind.CUT, 0), fmt.fps)
    said = cues(plan, {"a": [("", "One < two & --> three", 0.1, 0.9)]})
    out = tmp_path / "film.mp4"

    stitch(plan, conformed(tmp_path, plan, fmt), out, fmt=fmt, title="A: 'b' = \\c", captions=said, language="deu")

    with av.open(str(out)) as film:
        video, subtitle = film.streams.video[0], film.streams.subtitles[0]
        assert film.metadata["title"] == "A: 'b' = \\c"
        assert subtitle.language == "deu"
        assert (video.codec_context.colorspace, video.codec_context.color_range) == (1, 1)
        texts = [p for p in film.demux(subtitle) if p.size > 2]
        assert len(texts) == 1
        assert b"One <" in bytes(texts[0])
    atoms = [m.group().decode() for m in re.finditer(rb"moov|mdat", out.read_bytes())]
    assert atoms[0] == "moov"  # fast start


def test_mezzanines_of_another_encoder_are_encoded_anew_and_said_so(tmp_path: Path) -> None:
    fmt = small()
    film = [FilmShot("a", 12), FilmShot("b", 12), FilmShot("c", 12, Kind.CROSSFADE, 3)]
    plan = plan_film(film, (Kind.CUT, 0), fmt.fps)
    clips = conformed(tmp_path, plan, fmt)
    take = coded(tmp_path / "take-b.mp4", 1, 12)
    other = small(preset="medium")
    clips["b"] = conform(take, 12, other, tmp_path / "b.mp4", tmp_path / "b.wav", keyframes=plan.keyframes("b"))

    made = stitch(plan, clips, tmp_path / "film.mp4", fmt=fmt)

    assert "b: made by another encoder; encoded anew" in made.notes
    assert made.encoded_frames == 3 + 9
    expected = body(0, 0, 12) + body(1, 0, 9)
    assert np.abs(read_cells(tmp_path / "film.mp4")[:21] - np.array(expected)).max() < NEAR


def test_a_film_of_a_hundred_shots_is_whole(tmp_path: Path) -> None:
    fmt = small()
    plan = plan_film([FilmShot(f"s{i}", 3) for i in range(100)], (Kind.CUT, 0), fmt.fps)
    take = coded(tmp_path / "take.mp4", 1, 3)
    clip = conform(take, 3, fmt, tmp_path / "c.mp4", tmp_path / "c.wav")

    made = stitch(plan, {shot.key: clip for shot in plan.shots}, tmp_path / "film.mp4", fmt=fmt)

    assert made.frames == 300
    assert np.abs(read_cells(tmp_path / "film.mp4") - np.array(body(1, 0, 3) * 100)).max() < NEAR


def test_a_missing_or_damaged_clip_is_one_clear_error_and_leaves_no_film(tmp_path: Path) -> None:
    fmt = small()
    plan = plan_film([FilmShot("a", 12), FilmShot("b", 12, Kind.CROSSFADE, 4)], (Kind.CUT, 0), fmt.fps)
    clips = conformed(tmp_path, plan, fmt)
    out = tmp_path / "out" / "film.mp4"
    out.parent.mkdir()

    with pytest.raises(MediaError) as missing:
        stitch(plan, {"a": clips["a"]}, out, fmt=fmt)
    clips["b"].video.write_bytes(b"not a film" * 100)
    with pytest.raises(MediaError) as damaged:
        stitch(plan, clips, out, fmt=fmt)

    assert missing.value.where == "b"
    assert missing.value.remedy
    assert damaged.value.log_tail
    assert list(out.parent.iterdir()) == []


def test_a_stopped_stitch_leaves_neither_film_nor_scratch(tmp_path: Path) -> None:
    fmt = small()
    plan = plan_film([FilmShot("a", 12), FilmShot("b", 12, Kind.CROSSFADE, 4)], (Kind.CUT, 0), fmt.fps)
    clips = conformed(tmp_path, plan, fmt)
    out = tmp_path / "out" / "film.mp4"
    out.parent.mkdir()

    def stop(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stitch(plan, clips, out, fmt=fmt, progress=stop)

    assert list(out.parent.iterdir()) == []


def test_progress_rises_to_the_end(tmp_path: Path) -> None:
    fmt = small()
    plan = plan_film([FilmShot("a", 12), FilmShot("b", 12, Kind.CROSSFADE, 4)], (Kind.CUT, 0), fmt.fps)
    shares: list[float] = []

    stitch(
        plan,
        conformed(tmp_path, plan, fmt, sound=tone(0.5)),
        tmp_path / "film.mp4",
        fmt=fmt,
        progress=shares.append,
    )

    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_placeholder_stands_in_for_a_shot_without_a_take(tmp_path: Path) -> None:
    fmt = small()
    plan = plan_film([FilmShot("a", 10), FilmShot("b", 10, Kind.CROSSFADE, 4)], (Kind.CUT, 0), fmt.fps)
    clips = conformed(tmp_path, plan, fmt)
    clips["b"] = placeholder(["SHOT b", "no take"], 10, fmt, tmp_path / "p.mp4", tmp_path / "p.wav")

    made = stitch(plan, clips, tmp_path / "film.mp4", fmt=fmt)

    assert made.frames == 16
    assert np.abs(read_cells(tmp_path / "film.mp4")[:6] - np.array(body(0, 0, 6))).max() < NEAR
