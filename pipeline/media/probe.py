"""What a clip is: streams, sizes, rates, frame count, colour tags.

Read with PyAV from the packets; nothing is decoded but the first picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.stream import VideoStream

from pipeline.errors import MediaError
from pipeline.media.ffmpeg import CONTAINERS

_VARIES = Fraction(1, 100)  # share of a frame by which steps may differ: rounding to a time base


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """The picture stream.

    Attributes:
        codec: Name of the codec, such as ``h264``.
        width: Stored width in pixels.
        height: Stored height in pixels.
        pixel_aspect: Width of a pixel divided by its height.
        rotation: Degrees counter-clockwise by which a player turns the picture: 0, 90, 180 or 270.
        rate: Average frames per second, from the packets' times.
        step_s: Usual time from one frame to the next (the median).
        variable_rate: Whether the time from frame to frame changes.
        frames: Frames that are shown, counted from the packets.
        start_s: Time of the first frame.
        duration_s: From the first frame's begin to the last one's end.
        pixel_format: FFmpeg's name, such as ``yuv420p``.
        full_range: Whether the tag or the format says full range; ``None`` if nothing is said.
        matrix: Colour matrix as tagged (ITU-T H.273 number; 2 means not tagged).
        primaries: Colour primaries, likewise.
        transfer: Transfer characteristic, likewise.
    """

    codec: str
    width: int
    height: int
    pixel_aspect: Fraction
    rotation: int
    rate: Fraction
    step_s: Fraction
    variable_rate: bool
    frames: int
    start_s: Fraction
    duration_s: Fraction
    pixel_format: str
    full_range: bool | None
    matrix: int
    primaries: int
    transfer: int

    @property
    def display_size(self) -> tuple[int, int]:
        """Width and height as seen: square pixels, upright."""
        width = max(1, round(self.width * self.pixel_aspect))
        return (self.height, width) if self.rotation in {90, 270} else (width, self.height)


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """The first sound stream.

    Attributes:
        codec: Name of the codec, such as ``aac``.
        sample_rate: Samples per second.
        channels: Number of channels.
        layout: FFmpeg's name of the layout.
        start_s: Time of the first sample.
        duration_s: Length, from the packets.
    """

    codec: str
    sample_rate: int
    channels: int
    layout: str
    start_s: Fraction
    duration_s: Fraction


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """A clip.

    Attributes:
        path: The file.
        container: FFmpeg's name of the format.
        size_bytes: Length of the file.
        streams: Kinds of all streams in order, such as ``("video", "audio")``.
        video: The picture, ``None`` if there is none.
        audio: The sound, ``None`` if there is none.
    """

    path: Path
    container: str
    size_bytes: int
    streams: tuple[str, ...]
    video: VideoFacts | None
    audio: AudioFacts | None

    @property
    def duration_s(self) -> float:
        """Length of the longer of picture and sound in seconds."""
        lengths = [stream.duration_s for stream in (self.video, self.audio) if stream]
        return float(max(lengths, default=Fraction(0)))

    @property
    def picture(self) -> VideoFacts:
        """The picture.

        Raises:
            MediaError: If the clip has none.
        """
        if self.video is None:
            raise MediaError("The clip has no picture.", where=str(self.path), remedy="Generate the take again.")
        return self.video


def open_clip(path: Path) -> InputContainer:
    """Open a clip for reading, held to local files and to containers that are no playlists.

    Raises:
        MediaError: If it is no clip.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        return av.open(f"file:{path.absolute()}", options=options)
    except (FFmpegError, OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: BaseException) -> MediaError:
    """Return the error for a clip that can't be read."""
    return MediaError(
        "This is not a clip that can be read.",
        where=str(path),
        log_tail=str(error),
        remedy="Generate the take again, or replace the file.",
    )


def probe(path: Path) -> ClipFacts:
    """Return what a clip is.

    Raises:
        MediaError: If it can't be read as a clip, or holds neither picture nor sound.
    """
    with open_clip(path) as container:
        video = next(iter(container.streams.video), None)
        sound = next(iter(container.streams.audio), None)
        if video is None and sound is None:
            raise unreadable(path, ValueError("it holds neither picture nor sound"))
        try:
            times = _times(container, [stream for stream in (video, sound) if stream])
            rotation = _rotation(container, video) if video and times[video.index] else 0
        except (FFmpegError, OSError, ValueError) as error:
            raise unreadable(path, error) from error
        facts_of_sound = None
        if sound and times[sound.index]:
            start, end = _span(times[sound.index], Fraction(0))
            facts_of_sound = AudioFacts(
                codec=sound.codec_context.name,
                sample_rate=sound.codec_context.sample_rate,
                channels=sound.codec_context.channels,
                layout=sound.codec_context.layout.name,
                start_s=start,
                duration_s=end - start,
            )
        return ClipFacts(
            path=path,
            container=container.format.name,
            size_bytes=path.stat().st_size,
            streams=tuple(stream.type for stream in container.streams),
            video=_picture(video, times[video.index], rotation) if video and times[video.index] else None,
            audio=facts_of_sound,
        )


def _times(container: InputContainer, streams: Sequence[Stream]) -> dict[int, list[tuple[Fraction | None, Fraction]]]:
    """Read all packets; return begin and length in seconds of those that are shown, by stream."""
    times: dict[int, list[tuple[Fraction | None, Fraction]]] = {stream.index: [] for stream in streams}
    for packet in container.demux(*streams):
        # An empty packet is the demuxer's sign of the end; a discarded one lies before the edit list's begin.
        if packet.size == 0 or packet.is_discard:
            continue
        base = packet.time_base
        begin = packet.pts * base if packet.pts is not None else None
        times[packet.stream_index].append((begin, (packet.duration or 0) * base))
    return times


def _span(times: list[tuple[Fraction | None, Fraction]], usual: Fraction) -> tuple[Fraction, Fraction]:
    """Return the first begin and the last end in seconds."""
    known = sorted((begin, length or usual) for begin, length in times if begin is not None)
    if not known:
        return Fraction(0), sum((length or usual for _, length in times), Fraction(0))
    return known[0][0], max(begin + length for begin, length in known)


def _picture(stream: VideoStream, times: list[tuple[Fraction | None, Fraction]], rotation: int) -> VideoFacts:
    context = stream.codec_context
    begins = sorted(begin for begin, _ in times if begin is not None)
    steps = [later - earlier for earlier, later in pairwise(begins)]
    usual = _usual_step(steps, stream)
    start, end = _span(times, usual)
    end = max(end, start + usual)
    rate = Fraction(len(times)) / (end - start)
    tick = stream.time_base or Fraction(0)
    return VideoFacts(
        codec=context.name,
        width=context.width,
        height=context.height,
        pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
        rotation=rotation,
        rate=rate.limit_denominator(1001),
        step_s=usual,
        variable_rate=bool(steps) and max(steps) - min(steps) > 2 * tick + usual * _VARIES,
        frames=len(times),
        start_s=start,
        duration_s=end - start,
        pixel_format=context.pix_fmt or "",
        full_range=_full_range(context.color_range, context.pix_fmt or ""),
        matrix=int(context.colorspace),
        primaries=int(context.color_primaries),
        transfer=int(context.color_trc),
    )


def _usual_step(steps: list[Fraction], stream: VideoStream) -> Fraction:
    if steps:
        return sorted(steps)[len(steps) // 2]
    rate = stream.average_rate or stream.guessed_rate
    return 1 / Fraction(rate) if rate else Fraction(1, 25)


def _full_range(tag: int, pixel_format: str) -> bool | None:
    if tag in {1, 2}:
        return tag == 2
    if pixel_format.startswith(("yuvj", "rgb", "bgr", "gbr", "rgba", "argb", "pal")):
        return True
    return None


def _rotation(container: InputContainer, stream: VideoStream) -> int:
    """Decode the first picture: PyAV shows the display matrix on frames only."""
    container.seek(0)
    for frame in container.decode(stream):
        return round(frame.rotation / 90) * 90 % 360
    return 0
