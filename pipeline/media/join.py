"""Join stretches of picture packet by packet: copied, numbered anew, nothing decoded.

Copying is right only between IDR pictures, and only if all stretches have the same parameter sets;
both are checked, never assumed. Frames get their time from their number in the film, so no rounding
and no container's edit list can move them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from pipeline.errors import MediaError
from pipeline.media.ffmpeg import Progress
from pipeline.media.mezzanine import REORDER_FRAMES, MezzanineFormat
from pipeline.media.probe import open_clip, unreadable


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one file's picture.

    Attributes:
        path: MP4 with H.264, timed as the mezzanine is.
        first: Frame with which it begins.
        frames: Length.
    """

    path: Path
    first: int
    frames: int


def parameter_sets(path: Path) -> bytes:
    """Return the stream's parameter sets (the avcC record).

    Raises:
        MediaError: If the file can't be read.
    """
    with open_clip(path) as container:
        return bytes(_video(container, path).codec_context.extradata or b"")


def can_copy(piece: Piece, fmt: MezzanineFormat) -> bool:
    """Return whether a piece begins with an IDR and nothing in it depends on what lies outside."""
    try:
        for _ in _packets(piece, fmt):
            pass
    except MediaError:
        return False
    return True


def join(pieces: Sequence[Piece], fmt: MezzanineFormat, out: Path, *, progress: Progress | None = None) -> None:
    """Write the pieces one after the other as one stream.

    Args:
        pieces: Pieces in film order.
        fmt: The mezzanine they all have.
        out: MP4 to write.
        progress: Told the share done; what it raises stops the work.

    Raises:
        MediaError: If a piece can't be copied, or their parameter sets differ.
    """
    sets = parameter_sets(pieces[0].path)
    base = Fraction(1, fmt.timescale)
    with av.open(
        f"file:{out.absolute()}", "w", format="mp4", options={"video_track_timescale": str(fmt.timescale)}
    ) as film:
        with open_clip(pieces[0].path) as first:
            stream = film.add_stream_from_template(_video(first, pieces[0].path))
        stream.time_base = base
        start = 0
        for number, piece in enumerate(pieces):
            if parameter_sets(piece.path) != sets:
                raise _refused(piece, "its parameter sets differ from the first piece's")
            for order, (frame, packet) in enumerate(_packets(piece, fmt)):
                shown, decoded = start + frame, start + order - REORDER_FRAMES
                if decoded > shown:
                    raise _refused(piece, "it is reordered more deeply than the mezzanine allows")
                packet.time_base = base
                packet.pts, packet.dts = shown * fmt.tick, decoded * fmt.tick
                packet.duration = fmt.tick
                packet.stream = stream
                film.mux(packet)
            start += piece.frames
            if progress:
                progress((number + 1) / len(pieces))


def _packets(piece: Piece, fmt: MezzanineFormat) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """Yield the piece's packets in decoding order with their frame's number within the piece.

    Raises:
        MediaError: If the packets are not exactly the piece's frames, from an IDR on.
    """
    seen: set[int] = set()
    last = piece.first + piece.frames
    with open_clip(piece.path) as container:
        stream = _video(container, piece.path)
        if piece.first:
            _seek(container, stream, piece.first, fmt)
        for packet in container.demux(stream):
            if packet.size == 0 or packet.pts is None:
                continue
            frame = round(packet.pts * packet.time_base * fmt.fps)
            if packet.is_keyframe and frame >= last:
                break
            if frame < piece.first and not seen:
                continue
            if not seen and not (packet.is_keyframe and frame == piece.first):
                raise _refused(piece, f"frame {piece.first} begins no group of pictures")
            if not piece.first <= frame < last:
                raise _refused(piece, f"frame {frame} lies outside, yet in the same group of pictures")
            seen.add(frame)
            yield frame - piece.first, packet
    if len(seen) != piece.frames:
        raise _refused(piece, f"it holds {len(seen)} of {piece.frames} frames")


def _seek(container: InputContainer, stream: VideoStream, frame: int, fmt: MezzanineFormat) -> None:
    base = stream.time_base
    if base:
        container.seek(round(frame / fmt.fps / base), stream=stream, backward=True)


def _video(container: InputContainer, path: Path) -> VideoStream:
    if not container.streams.video:
        raise unreadable(path, ValueError("it holds no picture"))
    return container.streams.video[0]


def _refused(piece: Piece, reason: str) -> MediaError:
    return MediaError(
        f"Frames {piece.first} to {piece.first + piece.frames} can't be copied: {reason}.",
        where=str(piece.path),
        remedy="Encode them instead.",
    )
