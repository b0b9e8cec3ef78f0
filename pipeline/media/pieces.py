"""Make the picture of each of the plan's segments: copied where that is exact, else encoded."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from pipeline.media.ffmpeg import Progress, run, source, target
from pipeline.media.join import Piece, can_copy, parameter_sets
from pipeline.media.mezzanine import MezzanineFormat, tagged, video_options
from pipeline.media.plan import Segment, SegmentKind

_TRIES_S = 120.0


@dataclass(frozen=True, slots=True)
class Pieces:
    """The film's picture, ready to be joined.

    Attributes:
        pieces: Stretches in film order, of equal parameter sets.
        copied: Frames taken over as they were.
        encoded: Frames encoded anew.
        notes: Why something was encoded that might have been copied.
    """

    pieces: tuple[Piece, ...]
    copied: int
    encoded: int
    notes: tuple[str, ...]


def make_pieces(
    segments: Sequence[Segment],
    videos: Mapping[str, Path],
    fmt: MezzanineFormat,
    folder: Path,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> Pieces:
    """Make a piece for each segment.

    Bodies are copied if they lie between IDR pictures and have the parameter sets that this encoder
    writes; transitions, and bodies that can't be copied, are encoded.

    Args:
        segments: The plan's segments.
        videos: Conformed video of each shot.
        fmt: The cut's mezzanine.
        folder: Scratch folder for what is encoded.
        workers: FFmpeg processes at a time.
        progress: Told the share done; what it raises stops the work and its processes.

    Raises:
        MediaError: If a file can't be read or encoding fails.
    """
    pieces: dict[int, Piece] = {}
    notes: list[str] = []
    for number, segment in enumerate(segments):
        if segment.kind is SegmentKind.BODY:
            piece = Piece(videos[segment.key], segment.offset, segment.frames)
            if can_copy(piece, fmt):
                pieces[number] = piece
            else:
                notes.append(f"{segment.key}: no group of pictures begins at its handles; encoded anew")
    todo = [number for number in range(len(segments)) if number not in pieces]
    _encode_all(todo, segments, videos, fmt, folder, pieces, workers, progress)
    # What this encoder writes decides; where nothing was encoded, the first body does.
    sets = parameter_sets(pieces[todo[0] if todo else 0].path)
    strange = [number for number, piece in pieces.items() if parameter_sets(piece.path) != sets]
    if strange and not todo:
        strange = list(range(len(segments)))
    if strange:
        notes += [f"{segments[number].key}: made by another encoder; encoded anew" for number in strange]
        _encode_all(strange, segments, videos, fmt, folder, pieces, workers, progress)
    encoded = sum(segments[number].frames for number in {*todo, *strange})
    frames = sum(segment.frames for segment in segments)
    ordered = tuple(pieces[number] for number in range(len(segments)))
    return Pieces(ordered, frames - encoded, encoded, tuple(dict.fromkeys(notes)))


def _encode_all(
    numbers: Sequence[int],
    segments: Sequence[Segment],
    videos: Mapping[str, Path],
    fmt: MezzanineFormat,
    folder: Path,
    pieces: dict[int, Piece],
    workers: int,
    progress: Progress | None,
) -> None:
    """Encode some segments, several at a time; fill in their pieces."""
    stop = threading.Event()

    def one(number: int) -> Piece:
        out = folder / f"piece-{number:05d}.mp4"
        encode_segment(segments[number], videos, fmt, out, progress=lambda _: _until(stop))
        return Piece(out, 0, segments[number].frames)

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        futures: dict[Future[Piece], int] = {pool.submit(one, number): number for number in numbers}
        try:
            pending = set(futures)
            while pending:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_EXCEPTION)
                for future in done:
                    pieces[futures[future]] = future.result()
                if progress:
                    progress(1.0 - len(pending) / len(futures))
        except BaseException:
            # The runs see it at their next progress report and take their processes down.
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


class _StoppedError(Exception):
    pass


def _until(stop: threading.Event) -> None:
    if stop.is_set():
        raise _StoppedError


def encode_segment(
    segment: Segment,
    videos: Mapping[str, Path],
    fmt: MezzanineFormat,
    out: Path,
    *,
    progress: Progress | None = None,
) -> None:
    """Encode one segment with the mezzanine's settings.

    Frame k of an n-frame crossfade has (k + 1) / (n + 1) of the incoming shot, so neither side shows
    alone in it; a rise begins with the bare colour and a fall ends with it.

    Raises:
        MediaError: If FFmpeg fails.
    """
    count = segment.frames
    shot = _frames(videos[segment.key], segment.offset, count, fmt)
    match segment.kind:
        case SegmentKind.BODY:
            stream = shot
        case SegmentKind.CROSSFADE:
            stream = _blend(shot, _frames(videos[segment.into], 0, count, fmt), Fraction(-1), count + 1, fmt)
        case SegmentKind.RISE:
            stream = _blend(_plain(segment.colour, count, fmt), shot, Fraction(0), count, fmt)
        case SegmentKind.FALL:
            stream = _blend(shot, _plain(segment.colour, count, fmt), Fraction(-1), count, fmt)
    run(
        ffmpeg.output(tagged(stream, fmt), target(out), an=None, **video_options(fmt, transition=True)),
        timeout_s=_TRIES_S + 2.0 * count,
        what=f"encoding the {segment.kind.value}",
        where=f"{segment.key} -> {segment.into}" if segment.into else segment.key,
        progress=progress,
        duration_s=fmt.duration_s(count),
        remedy="Conform the shots again.",
    )


def _frames(path: Path, first: int, count: int, fmt: MezzanineFormat) -> Any:
    # Half a frame early: the seek drops every frame before that time, so rounding can't lose one.
    seek = {"ss": f"{float((Fraction(first) - Fraction(1, 2)) / fmt.fps):.6f}"} if first else {}
    stream = source(path, clip=True, **seek)["v:0"]
    return stream.filter("settb", fmt.frame_s).filter("setpts", "N").filter("trim", end_frame=count)


def _plain(colour: str, count: int, fmt: MezzanineFormat) -> Any:
    stream = ffmpeg.input(f"color=c={colour}:s={fmt.width}x{fmt.height}:r={fmt.fps}", f="lavfi")
    stream = stream.filter("format", "yuv420p").filter("setsar", 1)
    return stream.filter("trim", end_frame=count).filter("settb", fmt.frame_s).filter("setpts", "N")


def _blend(before: Any, after: Any, offset_frames: Fraction, length: int, fmt: MezzanineFormat) -> Any:
    """Blend two streams of the whole segment: frame k has (k - offset) / length of the second."""
    return ffmpeg.filter(
        [before, after],
        "xfade",
        transition="fade",
        duration=f"{float(length / fmt.fps):.6f}",
        offset=f"{float(offset_frames / fmt.fps):.6f}",
    )
