"""Sees that a file from outside is a clip, in a process of its own: what breaks a decoder breaks only that one."""

from __future__ import annotations

from pathlib import Path

from pipeline.media import ffmpeg

_TIMEOUT_S = 60.0


def require_clip(path: Path) -> None:
    """See that a file can be opened and its first picture decoded.

    Raises:
        MediaError: If it can't be; with FFmpeg's last words.
    """
    clip = ffmpeg.source(path)["v:0"].output("-", format="null", vframes=1)
    ffmpeg.run(
        clip,
        timeout_s=_TIMEOUT_S,
        what="decoding what was collected",
        where=path.name,
        remedy="It is collected again.",
    )
