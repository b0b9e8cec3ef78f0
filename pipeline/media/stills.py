"""Single pictures out of a clip: exactly the frame asked for, upright, in the right colours."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from av.error import FFmpegError
from av.video.frame import VideoFrame
from PIL import Image

from pipeline.errors import MediaError
from pipeline.media.colour import is_rgb, meaning
from pipeline.media.ffmpeg import written
from pipeline.media.probe import ClipFacts, open_clip, probe, unreadable

_JPEG_QUALITY = 90

# Values of swscale's colour spaces (libswscale/swscale.h), by the names that the tags have.
_SPACES = {"bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 5, "smpte240m": 7, "bt2020nc": 9, "bt2020c": 9}


def still(clip: Path, index: int | Literal["last", "middle"]) -> Image.Image:
    """Return one frame as an RGB picture with square pixels.

    Args:
        clip: The clip.
        index: Frame number from 0 in showing order, or ``last`` or ``middle``.

    Raises:
        MediaError: If the clip can't be read or has no such frame.
    """
    facts = probe(clip)
    count = facts.picture.frames
    wanted = {"last": count - 1, "middle": count // 2}[index] if isinstance(index, str) else index
    latest: VideoFrame | None = None
    number = -1
    if wanted >= 0:
        try:
            with open_clip(clip) as container:
                container.streams.video[0].thread_type = "AUTO"
                # Counted from the first frame: seeking by time would trust the clip's time stamps.
                for number, frame in enumerate(container.decode(container.streams.video[0])):
                    latest = frame
                    if number == wanted:
                        break
                # The last one that decodes is the last one: containers may promise more.
                if latest is not None and (number == wanted or index == "last"):
                    return _picture(latest, facts)
        except FFmpegError as error:
            raise unreadable(clip, error) from error
    raise MediaError(
        f"The clip has no frame {index}; it has {number + 1 if wanted >= 0 else count}.",
        where=str(clip),
        remedy="Ask for a frame that it has, or generate the take again.",
    )


def frame_at(clip: Path, index: int | Literal["last"], out: Path) -> Path:
    """Write one frame as PNG, for example the last one, from which the next shot continues.

    Args:
        clip: The clip.
        index: Frame number from 0, or ``last``.
        out: PNG to write.

    Raises:
        MediaError: If the clip can't be read or has no such frame.
    """
    picture = still(clip, index)
    with written(out) as part:
        picture.save(part, format="PNG", compress_level=3)
    return out


def poster(clip: Path, out: Path, *, index: int | Literal["last", "middle"] = "middle") -> Path:
    """Write one frame as JPEG.

    Raises:
        MediaError: If the clip can't be read or has no such frame.
    """
    picture = still(clip, index)
    with written(out) as part:
        picture.save(part, format="JPEG", quality=_JPEG_QUALITY, optimize=True)
    return out


def _picture(frame: VideoFrame, facts: ClipFacts) -> Image.Image:
    video = facts.picture
    if is_rgb(video.pixel_format):
        picture = frame.to_image()
    else:
        means = meaning(video)
        picture = frame.reformat(
            format="rgb24",
            src_colorspace=_SPACES[means["colorspace"]],
            src_color_range=2 if means["range"] == "full" else 1,
        ).to_image()
    if video.rotation:
        picture = picture.rotate(video.rotation, expand=True)
    if picture.size != video.display_size:
        picture = picture.resize(video.display_size, Image.Resampling.LANCZOS)
    return picture.convert("RGB")
