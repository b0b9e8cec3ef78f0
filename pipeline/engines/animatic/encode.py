"""Writing a clip: planes and sound in, an H.264/AAC MP4 out, whole or not at all.

The clip grows in ``<name>.part.mp4`` beside its place and is renamed when it is closed; whatever
goes wrong before that leaves nothing behind. One thread, constant frame rate, BT.709 limited range.
"""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pipeline.engines.animatic.sheets import Canvas, picture_of
from pipeline.errors import EngineError

SAMPLE_RATE = 48_000
CHUNK = 1024  # samples of one AAC frame

# "superfast" without what costs more than the drawing does: look-ahead, B frames, CABAC, sub-pixel
# refinement. What differs from the frame before by less than a quantiser's step is left as it was, or
# many blocks would follow the grain. A constant quantiser, because constant quality measures every
# frame beforehand; colours have a finer one, or washes would tint in blocks. Colour is tagged in the
# bit stream as well as in the container.
_X264 = (
    "threads=1:lookahead-threads=1:rc-lookahead=0:sync-lookahead=0:mbtree=0:bframes=0:weightp=0"
    ":aq-mode=0:8x8dct=0:partitions=none:subme=0:me=dia:no-chroma-me=1:no-psy=1:ref=1:trellis=0:scenecut=0:cabac=0"
    ":deadzone-inter=26"
    ":chroma-qp-offset=-5"
    ":colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv"
)
# Scratch sound is noise in bands: stereo and prediction tools find nothing in it, nor is there much
# above the cut-off (in hertz).
_AAC: dict[str, object] = {
    "aac_coder": "fast",
    "aac_ms": "0",
    "aac_is": "0",
    "aac_pns": "0",
    "aac_tns": "0",
    "cutoff": "9000",
}
PRESET = "superfast"
QP = "30"
# Stored, not deflated: the tooth of the paper halves it at best, in the time that four frames take to
# draw, and it is read once, when the next shot is drawn.
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 0, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE)
_BT709 = 1
_LIMITED = 1


def part_of(out: Path) -> Path:
    """Return the file that a clip grows in."""
    return out.with_suffix(".part.mp4")


def still_of(out: Path) -> Path:
    """Return the file for the clean last frame of a clip."""
    return out.with_suffix(".last.png")


def write_still(canvas: Canvas, out: Path) -> None:
    """Write a frame as an RGB picture.

    Raises:
        EngineError: If it can't be written.
    """
    try:
        cv2.imencode(".png", picture_of(canvas), _PNG)[1].tofile(out)
    except OSError as error:
        out.unlink(missing_ok=True)
        raise EngineError(
            f"The last frame can't be written: {error}", where=str(out), remedy="Check the folder and disk."
        ) from error


class ClipWriter:
    """A clip being written; use it in a ``with`` block.

    Args:
        out: The finished clip.
        width: Pixels, even.
        height: Pixels, even.
        rate: Frames per second.
        sound: Float samples, shape (2, n), 48 kHz, within -1 to 1; ``None`` for no audio stream.
    """

    def __init__(self, out: Path, width: int, height: int, rate: Fraction, sound: NDArray[np.float32] | None) -> None:
        self._out = out
        self._part = part_of(out)
        self._rate = rate
        self._size = (width, height)
        self._frames = 0
        # One frame for all: x264 copies what it is given, and new memory costs as much as the copy.
        self._frame = av.VideoFrame(width, height, "yuv420p")
        self._planes = _planes_of(self._frame)
        self._sound = sound
        self._sent = 0

    def __enter__(self) -> Self:
        """Open the file."""
        try:
            self._file = av.open(
                str(self._part), "w", format="mp4", options={"movflags": "+faststart", "brand": "mp42"}
            )
            self._video = self._video_stream()
            self._audio = self._audio_stream() if self._sound is not None else None
            self._file.start_encoding()  # else a folder that is gone is found out at the first frame
        except (OSError, av.error.FFmpegError, ValueError) as error:
            self._discard()
            raise EngineError(
                f"The clip can't be written: {error}", where=str(self._out), remedy="Check the folder and disk."
            ) from error
        return self

    def _video_stream(self) -> VideoStream:
        stream = self._file.add_stream("libx264", rate=self._rate)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        stream.time_base = 1 / self._rate
        context = stream.codec_context
        context.thread_count = 1
        context.time_base = 1 / self._rate
        context.gop_size = max(1, round(2 * self._rate))
        context.color_range = _LIMITED
        context.color_primaries = _BT709
        context.color_trc = _BT709
        context.colorspace = _BT709
        stream.options = {"preset": PRESET, "qp": QP, "x264-params": _X264}
        return stream

    def _audio_stream(self) -> AudioStream:
        stream = self._file.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        stream.codec_context.bit_rate = 128_000
        stream.codec_context.thread_count = 1
        stream.options = _AAC
        return stream

    def write(self, canvas: Canvas) -> None:
        """Append one frame."""
        frame = self._frame
        for target, picture in zip(self._planes, (canvas.y, canvas.u, canvas.v), strict=True):
            target[:] = picture
        frame.pts = self._frames
        frame.time_base = 1 / self._rate
        self._file.mux(self._video.encode(frame))
        self._frames += 1
        self._send_sound(int(self._frames / self._rate * SAMPLE_RATE))

    def _send_sound(self, until: int) -> None:
        if self._audio is None or self._sound is None:
            return
        total = self._sound.shape[1]
        while self._sent < total and self._sent < until:
            chunk = np.ascontiguousarray(self._sound[:, self._sent : self._sent + CHUNK])
            frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="stereo")
            frame.sample_rate = SAMPLE_RATE
            frame.pts = self._sent
            frame.time_base = Fraction(1, SAMPLE_RATE)
            self._file.mux(self._audio.encode(frame))
            self._sent += chunk.shape[1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the clip, or leave nothing if it failed."""
        if kind is not None:
            self._discard()
            return
        try:
            if self._sound is not None:
                self._send_sound(self._sound.shape[1])
            self._file.mux(self._video.encode(None))
            if self._audio is not None:
                self._file.mux(self._audio.encode(None))
            self._file.close()
            self._part.replace(self._out)
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        opened = getattr(self, "_file", None)
        if opened is not None:
            # What it says while being thrown away is of no interest.
            with suppress(OSError, av.error.FFmpegError):
                opened.close()
        self._part.unlink(missing_ok=True)
        still_of(self._out).unlink(missing_ok=True)


def _planes_of(frame: av.VideoFrame) -> list[NDArray[np.uint8]]:
    """Return the planes of a frame as arrays that share its memory."""
    found: list[NDArray[np.uint8]] = []
    for plane in frame.planes:
        memory: Any = plane
        rows = np.frombuffer(memory, np.uint8).reshape(-1, plane.line_size)
        found.append(rows[: plane.height, : plane.width])
    return found
