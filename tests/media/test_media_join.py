from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import MediaError
from pipeline.media.conform import conform
from pipeline.media.join import Piece, can_copy, join
from pipeline.media.verify import verify_film
from tests.media.clips import code, coded, read_cells, small, tone


def made(folder: Path, shot: int, *, keyframes: tuple[int, ...] = (), preset: str = "superfast") -> Path:
    take = coded(folder / f"take-{shot}.mp4", shot, 20)
    out = folder / f"{shot}.mp4"
    return conform(take, 20, small(preset=preset), out, folder / f"{shot}.wav", keyframes=keyframes).video


def test_a_piece_is_copied_only_from_idr_to_idr(tmp_path: Path) -> None:
    clip, fmt = made(tmp_path, 1, keyframes=(5, 13)), small()

    assert can_copy(Piece(clip, 0, 20), fmt)
    assert can_copy(Piece(clip, 5, 8), fmt)
    assert can_copy(Piece(clip, 5, 15), fmt)
    assert not can_copy(Piece(clip, 4, 9), fmt)
    assert not can_copy(Piece(clip, 5, 7), fmt)
    assert not can_copy(Piece(clip, 0, 21), fmt)


def test_joined_frames_have_the_times_of_their_numbers(tmp_path: Path) -> None:
    fmt = small()
    clips = [made(tmp_path, shot, keyframes=(5, 13)) for shot in (1, 2)]

    join([Piece(clips[0], 5, 8), Piece(clips[1], 0, 13), Piece(clips[0], 13, 7)], fmt, tmp_path / "f.mp4")

    expected = (
        [code(1, n) for n in range(5, 13)] + [code(2, n) for n in range(13)] + [code(1, n) for n in range(13, 20)]
    )
    assert np.abs(read_cells(tmp_path / "f.mp4") - np.array(expected)).max() < 7
    with av.open(str(tmp_path / "f.mp4")) as film:
        packets = [(p.pts, p.dts) for p in film.demux(video=0) if p.size]
    assert sorted(pts for pts, _ in packets) == [n * fmt.tick for n in range(28)]
    assert [dts for _, dts in packets] == [(n - 2) * fmt.tick for n in range(28)]


def test_pieces_of_different_encoders_are_not_joined(tmp_path: Path) -> None:
    one, other = made(tmp_path, 1), made(tmp_path, 2, preset="medium")

    with pytest.raises(MediaError, match="parameter sets"):
        join([Piece(one, 0, 20), Piece(other, 0, 20)], small(), tmp_path / "f.mp4")


def test_a_film_that_differs_from_its_plan_is_found_out(tmp_path: Path) -> None:
    fmt = small()
    even = coded(tmp_path / "even.mp4", 1, 20, sound=tone(20 / 24))
    times = [n * (1 / fmt.fps) for n in [*range(10), *range(11, 21)]]
    gap = coded(tmp_path / "gap.mp4", 1, 20, times=times)
    whole = even.read_bytes()
    middle = whole.index(b"mdat") + (len(whole) - whole.index(b"mdat")) // 8
    (tmp_path / "damaged.mp4").write_bytes(whole[:middle] + bytes(200) + whole[middle + 200 :])

    verify_film(even, 20, 40_000, fmt)
    for path, frames, samples, form, difference in (
        (even, 21, 40_000, fmt, "20 frames instead of 21"),
        (even, 20, 30_000, fmt, "samples instead of 30000"),
        (even, 20, 0, fmt, "sound that was not asked for"),
        (even, 20, 40_000, replace(fmt, width=80), "size"),
        (gap, 20, 40_000, fmt, "sound is missing"),
        (gap, 20, 0, fmt, "frame 10 is shown at"),
        (tmp_path / "damaged.mp4", 20, 40_000, fmt, "damaged|can be read|not what was planned"),
    ):
        with pytest.raises(MediaError, match=difference):
            verify_film(path, frames, samples, form)
