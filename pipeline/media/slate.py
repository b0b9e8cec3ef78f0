"""The placeholder: a card in the film for a shot that needs attention, marked beyond mistake."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import ffmpeg
from PIL import Image, ImageDraw, ImageFont

from pipeline.media.ffmpeg import run, source, target, written
from pipeline.media.mezzanine import Conformed, MezzanineFormat, tagged, video_options
from pipeline.media.wav import write_silence

_GROUND, _HATCH, _CARD, _EDGE = (38, 34, 30), (58, 50, 40), (22, 22, 24), (226, 160, 48)
_PLAINER = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2018\u2019\u201c\u201d\u2192", "-----''\"\">")
_NO_SIGN = "\uffff"
_HEADLINE, _TEXT = (250, 250, 250), (190, 190, 190)


def placeholder(lines: Sequence[str], frames: int, fmt: MezzanineFormat, out_video: Path, out_audio: Path) -> Conformed:
    """Write a hatched card with text, and silence, in the cut's mezzanine.

    Args:
        lines: Text; the first line is the headline, such as ``SHOT harbour - placeholder``.
        frames: Length in frames.
        fmt: The cut's mezzanine.
        out_video: MP4 to write.
        out_audio: WAV to write.

    Raises:
        MediaError: If FFmpeg fails.
    """
    with written(out_video) as part_video, written(out_audio) as part_audio:
        picture = part_video.with_suffix(".png")
        try:
            card(lines, fmt.width, fmt.height).save(picture)
            still = source(picture, clip=False, f="image2", loop=1, framerate=str(fmt.fps), pattern_type="none")
            stream = still["v:0"].filter("trim", end_frame=frames)
            stream = stream.filter("scale", out_range="limited", out_color_matrix="bt709")
            run(
                ffmpeg.output(tagged(stream, fmt), target(part_video), **video_options(fmt)),
                timeout_s=120.0 + frames,
                what="making the placeholder",
                where=str(out_video),
            )
        finally:
            picture.unlink(missing_ok=True)
        samples = fmt.samples(frames)
        write_silence(part_audio, samples, fmt.sample_rate, fmt.channels)
    return Conformed(out_video, out_audio, frames, samples, silent=True, notes=("a placeholder",))


def card(lines: Sequence[str], width: int, height: int) -> Image.Image:
    """Draw the card: diagonal hatching, a dark panel with a signal-coloured frame, centred text."""
    image = Image.new("RGB", (width, height), _GROUND)
    draw = ImageDraw.Draw(image)
    short = min(width, height)
    band = max(4, short // 18)
    for x in range(-height, width + height, band * 2):
        draw.polygon([(x, 0), (x + band, 0), (x + band - height, height), (x - height, height)], fill=_HATCH)
    margin = (round(width * 0.1), round(height * 0.2))
    panel = (margin[0], margin[1], width - margin[0], height - margin[1])
    draw.rectangle(panel, fill=_CARD, outline=_EDGE, width=max(2, short // 120))
    room = panel[2] - panel[0] - band * 2
    size = max(9, short // 13)
    while size > 8 and _height(_laid_out(lines, room, size)) > panel[3] - panel[1] - band:
        size -= 1
    rows = _laid_out(lines, room, size)
    while len(rows) > 1 and _height(rows) > panel[3] - panel[1] - band:
        rows.pop()  # a picture too small for the smallest type shows what fits
    y = (height - _height(rows)) / 2
    for text, font, is_head in rows:
        draw.text((width / 2, y), text, font=font, fill=_HEADLINE if is_head else _TEXT, anchor="ma")
        y += font.size * 1.35
    return image


_Row = tuple[str, ImageFont.FreeTypeFont, bool]


def _laid_out(lines: Sequence[str], room: float, size: int) -> list[_Row]:
    rows: list[_Row] = []
    for number, line in enumerate(lines):
        font = typeface(size if number == 0 else max(8, round(size * 0.62)))
        letters = max(8, int(room / max(1.0, font.getlength("n") * 1.05)))
        rows += [(row, font, number == 0) for row in textwrap.wrap(legible(line), letters) or [""]]
    return rows


def _height(rows: Sequence[_Row]) -> float:
    return sum(font.size * 1.35 for _, font, _ in rows)


def typeface(size: int) -> ImageFont.FreeTypeFont:
    """Return the TrueType face that Pillow carries, at a size in pixels."""
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType")
    return font


def legible(text: str) -> str:
    """Return the text with what the face has no sign for in plainer signs, or as a question mark."""
    missing = _drawn(_NO_SIGN)
    plain = unicodedata.normalize("NFC", text).translate(_PLAINER)
    return "".join(_sign(character, missing) for character in plain)


def _sign(character: str, missing: bytes) -> str:
    if character.isspace() or _drawn(character) != missing:
        return character
    base = unicodedata.normalize("NFKD", character)[0]  # the letter without its accent
    return base if _drawn(base) != missing else "?"


@lru_cache(maxsize=4096)
def _drawn(character: str) -> bytes:
    image = Image.new("L", (24, 24))
    ImageDraw.Draw(image).text((2, 2), character, font=typeface(16), fill=255)
    return image.tobytes()
