"""One pass over a clip: every frame of picture and sound is decoded once and handed to the measures.

The luma plane is handed on as the decoder left it (no conversion to RGB: that alone would cost as
much as decoding); only local files in known containers are opened, because FFmpeg would otherwise
follow addresses inside playlists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.error import FFmpegError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from pipeline.errors import MediaError

MAX_PIXELS = 8192 * 8192
_FORMATS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,mxf,nut,ogg,flv,gif,apng"
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_REMEDY = "Generate the take again, or replace the file with a complete video."
_PLANAR_8_BIT = frozenset(("yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p", "yuva420p"))
_PLANAR_DEEP = {"yuv420p10le": 10, "yuv422p10le": 10, "yuv444p10le": 10, "yuv420p12le": 12}

Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded frame.

    Attributes:
        index: 0 for the first frame.
        time_s: Seconds after the first frame.
        luma: Y plane, ``(height, width)`` of uint8 or uint16; a view that is only valid now.
        chroma: U and V planes, each at its own subsampled size.
        depth: Bits per sample.
        full_range: Whether luma spans 0 to 255 instead of 16 to 235 (at 8 bits).
        matrix: H.273 matrix coefficients; 2 if the file doesn't say.
    """

    index: int
    time_s: float
    luma: NDArray[Any]
    chroma: tuple[NDArray[Any], NDArray[Any]]
    depth: int
    full_range: bool
    matrix: int


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What the container and the streams say, and what decoding them showed."""

    width: int
    height: int
    rotation: int
    sample_aspect: Fraction
    pixel_format: str
    full_range: bool
    matrix: int
    primaries: int
    transfer: int
    frames: int
    last_s: float
    interval_s: float
    tick_s: float
    uneven: float
    uneven_at_s: float
    uneven_until_s: float
    timed: bool
    has_audio: bool
    sample_rate: int
    channels: int
    audio_samples: int


class _Clock:
    """Streaming statistics of the frames' presentation times."""

    def __init__(self, tick_s: float) -> None:
        self.tick_s = tick_s
        self.frames = 0
        self.timed = True
        self.first = self.last = 0.0
        self.last_duration = 0.0
        self.shortest = (float("inf"), 0.0)
        self.longest = (0.0, 0.0)

    def see(self, frame: VideoFrame) -> float:
        """Take a frame's time; return seconds after the first frame."""
        time = float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base else None
        if time is None:
            self.timed = False
            time = self.last
        if self.frames == 0:
            self.first = time
        else:
            step = time - self.last
            start = self.last - self.first
            self.shortest = min(self.shortest, (step, start))
            if step > self.longest[0]:
                self.longest = (step, start)
        self.last = time
        self.last_duration = float((frame.duration or 0) * (frame.time_base or 0))
        self.frames += 1
        return time - self.first

    def unevenness(self) -> tuple[float, float, float, float]:
        """Return the mean interval, the worst deviation as a share of it, and its begin and end."""
        if self.frames < 2:
            return self.last_duration, 0.0, 0.0, 0.0
        mean = (self.last - self.first) / (self.frames - 1)
        if mean <= 0:
            return 0.0, 1.0, 0.0, self.last - self.first
        over, under = self.longest[0] - mean, mean - self.shortest[0]
        step, start = self.longest if over >= under else self.shortest
        return mean, max(0.0, max(over, under) - self.tick_s) / mean, start, start + max(0.0, step)


def decode(
    clip: Path,
    *,
    on_picture: Callable[[Picture], None],
    on_sound: Callable[[NDArray[np.float32], int], None],
    progress: Callable[[float], None] | None = None,
    threads: int = 1,
) -> StreamFacts:
    """Decode a clip from end to end, once.

    Args:
        clip: Local video file.
        on_picture: Called with each frame, in order of presentation.
        on_sound: Called with samples ``(channels, n)`` of -1 to 1 and their rate.
        progress: Told the share done, 0 to 1, about 20 times.
        threads: Decoder threads. One per clip and one clip per core checks most clips per minute.

    Raises:
        MediaError: If the file is missing, not a video, truncated or damaged.
    """
    try:
        if not clip.is_file():
            raise MediaError("There is no such file to check.", where=clip.name, remedy=_REMEDY)
        if clip.stat().st_size == 0:
            raise MediaError("The file is empty (0 bytes).", where=clip.name, remedy=_REMEDY)
        options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
        with av.open(str(clip), options=options) as container:
            pump = _Pump(clip, container, on_picture, on_sound)
            pump.video.codec_context.thread_count = threads
            pump.video.codec_context.thread_type = "NONE" if threads == 1 else "AUTO"
            pump.run(container, progress)
            return _facts(clip, pump)
    except (FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(
            "The file can't be decoded as video: it is truncated, damaged or no video at all.",
            where=clip.name,
            remedy=_REMEDY,
            log_tail=str(reason),
        ) from error


def _facts(clip: Path, pump: _Pump) -> StreamFacts:
    """Check that the clip was decoded whole; return what was seen on the way."""
    first, clock, video = pump.first, pump.clock, pump.video
    if first is None:
        raise MediaError("The file's video track has no frames.", where=clip.name, remedy=_REMEDY)
    if video.frames and pump.packets < video.frames:
        raise MediaError(
            f"The file is truncated: it announces {video.frames} frames and holds {pump.packets}.",
            where=clip.name,
            remedy=_REMEDY,
        )
    context = video.codec_context
    interval, uneven, at_s, until_s = clock.unevenness()
    turned = first.rotation % 180 != 0
    return StreamFacts(
        width=first.height if turned else first.width,
        height=first.width if turned else first.height,
        rotation=int(first.rotation),
        sample_aspect=video.sample_aspect_ratio or Fraction(1),
        pixel_format=first.format.name,
        full_range=_is_full_range(first),
        matrix=int(first.colorspace),
        primaries=int(context.color_primaries),
        transfer=int(context.color_trc),
        frames=clock.frames,
        last_s=clock.last - clock.first,
        interval_s=interval,
        tick_s=clock.tick_s,
        uneven=uneven,
        uneven_at_s=at_s,
        uneven_until_s=until_s,
        timed=clock.timed,
        has_audio=pump.samples > 0,
        sample_rate=pump.rate,
        channels=pump.channels,
        audio_samples=pump.samples,
    )


class _Pump:
    """Carries packets from the container to the measures and counts what passes."""

    def __init__(
        self,
        clip: Path,
        container: Any,
        on_picture: Callable[[Picture], None],
        on_sound: Callable[[NDArray[np.float32], int], None],
    ) -> None:
        if not container.streams.video:
            raise MediaError("The file has no video track.", where=clip.name, remedy=_REMEDY)
        self.clip, self.on_picture, self.on_sound = clip, on_picture, on_sound
        self.video = container.streams.video[0]
        self.audio = container.streams.audio[0] if container.streams.audio else None
        if not 0 < self.video.width * self.video.height <= MAX_PIXELS:
            raise MediaError(
                f"The picture's size, {self.video.width}x{self.video.height}, can't be checked.",
                where=clip.name,
                remedy="Deliver at most 8192x8192 pixels.",
            )
        self.expected = self.video.frames or _frames_expected(container, self.video)
        self.clock = _Clock(float(self.video.time_base or 0))
        self.first: VideoFrame | None = None
        self.packets = self.samples = self.rate = self.channels = 0

    def run(self, container: Any, progress: Callable[[float], None] | None) -> None:
        step = max(1, self.expected // 20)
        streams = [stream for stream in (self.video, self.audio) if stream is not None]
        for packet in container.demux(streams):
            self.packets += packet.stream.type == "video" and packet.size > 0
            for frame in packet.decode():
                if isinstance(frame, AudioFrame):
                    self._hear(frame)
                    continue
                self._look(frame)
                if progress and self.expected and self.clock.frames % step == 0:
                    progress(min(1.0, self.clock.frames / self.expected))
        if progress:
            progress(1.0)

    def _look(self, frame: VideoFrame) -> None:
        self.first = self.first or frame
        _refuse_damage(self.clip, frame, self.first, self.clock.frames)
        time_s = self.clock.see(frame)
        self.on_picture(_picture(frame, self.clock.frames - 1, time_s))

    def _hear(self, frame: AudioFrame) -> None:
        block = _samples(frame)
        if self.channels and (block.shape[0], frame.sample_rate) != (self.channels, self.rate):
            raise MediaError(
                "The sound's sample rate or channels change inside the file.",
                where=self.clip.name,
                remedy=_REMEDY,
            )
        self.rate, self.channels = frame.sample_rate, block.shape[0]
        self.samples += block.shape[1]
        self.on_sound(block, self.rate)


def _frames_expected(container: Any, video: Any) -> int:
    """Estimate the number of frames where the container does not announce it."""
    if video.duration and video.time_base:
        length = float(video.duration * video.time_base)
    else:
        length = float(container.duration or 0) / 1_000_000
    return round(length * float(video.average_rate or 0))


def _refuse_damage(clip: Path, frame: VideoFrame, first: VideoFrame, index: int) -> None:
    if frame.is_corrupt:
        raise MediaError(f"The file is damaged: frame {index} can't be decoded whole.", where=clip.name, remedy=_REMEDY)
    if (frame.width, frame.height, frame.format.name) != (first.width, first.height, first.format.name):
        raise MediaError(
            f"The picture changes from {first.width}x{first.height} to {frame.width}x{frame.height} at frame {index}.",
            where=clip.name,
            remedy=_REMEDY,
        )


def _is_full_range(frame: VideoFrame) -> bool:
    return int(frame.color_range) == _FULL_RANGE or frame.format.name.startswith("yuvj")


def _picture(frame: VideoFrame, index: int, time_s: float) -> Picture:
    full_range, matrix = _is_full_range(frame), int(frame.colorspace)
    depth = _PLANAR_DEEP.get(frame.format.name, 8)
    if depth == 8 and frame.format.name not in _PLANAR_8_BIT:
        # RGB, palettes, semi-planar and rarer layouts: converted, which is slower but right.
        is_rgb = frame.format.is_rgb or frame.format.name == "pal8"
        frame = frame.reformat(format="yuv444p", dst_color_range=1, dst_colorspace=1 if is_rgb else None)
        full_range, matrix = False, 1 if is_rgb else matrix
    luma, u, v = (_view(plane, 1 if depth == 8 else 2) for plane in frame.planes[:3])
    return Picture(index, time_s, luma, (u, v), depth, full_range, matrix)


def _view(plane: Any, sample_bytes: int) -> NDArray[Any]:
    """Return a plane as an array without copying; the decoder pads its lines."""
    kind = np.uint8 if sample_bytes == 1 else np.uint16
    rows = np.frombuffer(plane, dtype=kind).reshape(-1, plane.line_size // sample_bytes)
    return rows[: plane.height, : plane.width]


def _samples(frame: AudioFrame) -> NDArray[np.float32]:
    """Return samples as ``(channels, n)`` floats of -1 to 1."""
    raw: NDArray[Any] = frame.to_ndarray()
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        raw = raw.reshape(-1, channels).T
    if raw.dtype == np.uint8:
        return np.asarray((raw.astype(np.float32) - 128) / 128, np.float32)
    if np.issubdtype(raw.dtype, np.integer):
        full_scale = float(np.iinfo(raw.dtype).max + 1)
        return np.asarray(raw / full_scale, np.float32)
    return np.asarray(raw, np.float32)
