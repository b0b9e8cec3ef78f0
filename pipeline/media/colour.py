"""What colours a clip's numbers mean, and the filters that bring them to BT.709 limited range.

Tags follow ITU-T H.273. What carries no tag is guessed as players do: BT.601 for standard
definition, BT.709 above it.
"""

from __future__ import annotations

from typing import Any

from pipeline.media.probe import VideoFacts

_MATRIX = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}
_PQ, _HLG = 16, 18
_PQ_NITS = 203  # reference white of HDR pictures (ITU-R BT.2408)
_SD_WIDTH, _SD_HEIGHT = 1024, 576


def to_bt709(stream: Any, video: VideoFacts) -> Any:
    """Return the stream with what it means made explicit; HDR is mapped to standard range.

    The change of matrix and range itself happens in the scaler that follows, in one step with the
    change of size.
    """
    if video.transfer in {_PQ, _HLG}:
        return (
            stream.filter("zscale", t="linear", npl=_PQ_NITS)
            .filter("format", "gbrpf32le")
            .filter("zscale", p="bt709")
            .filter("tonemap", "hable", desat=0)
            .filter("zscale", t="bt709", m="bt709", r="tv")
            .filter("format", "yuv420p")
        )
    return stream.filter("setparams", **meaning(video))


def meaning(video: VideoFacts) -> dict[str, str]:
    """Return range and matrix of a clip's numbers, as ``setparams`` names them."""
    if is_rgb(video.pixel_format):
        return {"range": "full"}
    tagged = _MATRIX.get(video.matrix)
    width, height = sorted((video.width, video.height), reverse=True)
    guess = "smpte170m" if width <= _SD_WIDTH and height <= _SD_HEIGHT else "bt709"
    return {"range": "full" if video.full_range else "limited", "colorspace": tagged or guess}


def is_rgb(pixel_format: str) -> bool:
    """Return whether a pixel format holds red, green and blue, so that no matrix applies."""
    return pixel_format.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "pal", "0rgb", "0bgr"))
