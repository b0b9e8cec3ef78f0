"""Decode a finished film from end to end and hold it against its plan."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.audio.frame import AudioFrame
from av.error import FFmpegError
from av.video.frame import VideoFrame

from pipeline.errors import MediaError
from pipeline.media.ffmpeg import Progress
from pipeline.media.mezzanine import MezzanineFormat
from pipeline.media.probe import open_clip, probe, unreadable

_AAC_FRAME = 1024  # samples: sound may end up to one frame of the codec later than the picture


def verify_film(
    path: Path, frames: int, samples: int, fmt: MezzanineFormat, *, progress: Progress | None = None
) -> None:
    """Check a film: every frame there and decodable, evenly timed from zero, sound as long as picture.

    Args:
        path: The film.
        frames: Frames it must have.
        samples: Samples per channel that its sound must have; 0 for a film without sound.
        fmt: Its size, rate and sound format.
        progress: Told the share done.

    Raises:
        MediaError: If anything differs, with the difference.
    """
    facts = probe(path)
    if (facts.picture.width, facts.picture.height) != (fmt.width, fmt.height):
        raise _wrong(path, f"its size is {facts.picture.width}x{facts.picture.height}")
    if bool(samples) != bool(facts.audio):
        raise _wrong(path, "its sound is missing" if samples else "it has sound that was not asked for")
    count = _Count()
    try:
        with open_clip(path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            # Every frame is decoded; only the filter that smooths block edges is left out.
            stream.codec_context.options = {"skip_loop_filter": "all"}
            for frame in container.decode(stream, *container.streams.audio[:1]):
                if isinstance(frame, AudioFrame):
                    count.hear(frame)
                elif isinstance(frame, VideoFrame):
                    count.see(path, frame, fmt)
                    if progress and count.seen % 48 == 0:
                        progress(min(1.0, count.seen / frames))
    except FFmpegError as error:
        raise unreadable(path, error) from error
    if count.seen != frames:
        raise _wrong(path, f"it has {count.seen} frames instead of {frames}")
    if samples and (count.begin != 0 or not 0 <= count.heard - samples < _AAC_FRAME):
        raise _wrong(
            path,
            f"its sound begins at {float(count.begin):.4f} s with {count.heard} samples instead of {samples}",
        )


@dataclass(slots=True)
class _Count:
    """What has been decoded so far.

    Attributes:
        seen: Pictures.
        heard: Samples per channel.
        begin: Time of the first sample.
    """

    seen: int = 0
    heard: int = 0
    begin: Fraction = Fraction(0)

    def see(self, path: Path, frame: VideoFrame, fmt: MezzanineFormat) -> None:
        if frame.pts is None or frame.time_base is None or frame.pts * frame.time_base != self.seen / fmt.fps:
            raise _wrong(path, f"frame {self.seen} is shown at {frame.time} s")
        if frame.is_corrupt:
            raise _wrong(path, f"frame {self.seen} is damaged")
        self.seen += 1

    def hear(self, frame: AudioFrame) -> None:
        if not self.heard and frame.pts is not None and frame.time_base is not None:
            self.begin = frame.pts * frame.time_base
        self.heard += frame.samples


def _wrong(path: Path, difference: str) -> MediaError:
    return MediaError(
        f"The film is not what was planned: {difference}.",
        where=str(path),
        remedy="Stitch it again; if that gives the same, conform its shots again.",
    )
