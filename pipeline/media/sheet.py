"""The contact sheet: one picture per shot with what a director asks first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pipeline.errors import MediaError
from pipeline.media.ffmpeg import written
from pipeline.media.slate import legible, typeface
from pipeline.media.stills import frame_at, poster, still

__all__ = ["SheetEntry", "Status", "contact_sheet", "frame_at", "poster"]

_GROUND, _TILE, _HEAD, _TEXT = (24, 24, 26), (36, 36, 39), (238, 238, 236), (166, 166, 164)
_CELL = 400
_GAP = 22
_MARGIN = 40
_TILES_AT_MOST = 400
_JPEG_SIDE = 65_000  # pixels; the format ends at 65535
_QUALITY = 88


class Status(StrEnum):
    """How a shot stands."""

    ACCEPTED = "accepted"
    """Its take passed the gate."""
    PLACEHOLDER = "placeholder"
    """A card stands in the film; the shot needs attention."""


_COLOURS = {Status.ACCEPTED: (92, 184, 112), Status.PLACEHOLDER: (226, 160, 48)}


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """One shot on the sheet.

    Attributes:
        key: The shot's id.
        caption: Lines under the picture, such as timecode and model.
        clip: The clip whose middle frame is shown.
        status: How it stands.
    """

    key: str
    caption: tuple[str, ...]
    clip: Path
    status: Status = Status.ACCEPTED


def contact_sheet(entries: Sequence[SheetEntry], out: Path, *, title: str = "", columns: int = 4) -> Path:
    """Write the sheet as JPEG.

    All pictures get cells of one size, that of the widest and the tallest. Beyond 400 shots the sheet
    shows the first 400 and says how many there are.

    Args:
        entries: The shots in film order, at least one.
        out: JPEG to write.
        title: Headline.
        columns: Pictures in a row.

    Raises:
        MediaError: If a clip can't be read.
    """
    if not entries or columns < 1:
        raise ValueError("a sheet has at least one entry and one column")
    shown = entries[:_TILES_AT_MOST]
    columns = min(columns, len(shown))
    pictures = [_thumbnail(entry.clip) for entry in shown]
    height = max(picture.height for picture in pictures)
    text = round(_CELL * 0.046)
    lines = max(len(entry.caption) for entry in shown)
    below = round(text * 2.6 + lines * text * 1.4)
    top = _MARGIN + (round(_CELL * 0.2) if title else 0)
    rows = -(-len(shown) // columns)
    size = (
        2 * _MARGIN + columns * _CELL + (columns - 1) * _GAP,
        top + rows * (height + below) + (rows - 1) * _GAP + _MARGIN,
    )
    if max(size) > _JPEG_SIDE:
        raise MediaError(
            f"The contact sheet would be {size[0]}x{size[1]} pixels.",
            where=str(out),
            remedy="Ask for more columns.",
        )
    sheet = Image.new("RGB", size, _GROUND)
    draw = ImageDraw.Draw(sheet)
    if title:
        _headline(draw, title, len(entries), len(shown), size[0])
    for number, (entry, picture) in enumerate(zip(shown, pictures, strict=True)):
        row, column = divmod(number, columns)
        x = _MARGIN + column * (_CELL + _GAP)
        y = top + row * (height + below + _GAP)
        draw.rectangle((x, y, x + _CELL - 1, y + height + below - 1), fill=_TILE)
        sheet.paste(picture, (x + (_CELL - picture.width) // 2, y + (height - picture.height) // 2))
        _label(draw, entry, x, y + height, text)
    with written(out) as part:
        sheet.save(part, format="JPEG", quality=_QUALITY, optimize=True, subsampling=0)
    return out


def _thumbnail(clip: Path) -> Image.Image:
    picture = still(clip, "middle")
    factor = min(_CELL / picture.width, _CELL / picture.height)
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _headline(draw: ImageDraw.ImageDraw, title: str, count: int, shown: int, width: int) -> None:
    head, small = typeface(round(_CELL * 0.085)), typeface(round(_CELL * 0.046))
    said = f"{count} shot{'s' if count != 1 else ''}" + (f", the first {shown} shown" if shown < count else "")
    beside = draw.textlength(said, font=small)
    room = width - 2 * _MARGIN - beside - _GAP
    draw.text((_MARGIN, _MARGIN), _cut(draw, title, head, room), font=head, fill=_HEAD)
    line = _MARGIN + head.size
    draw.text((width - _MARGIN, line), said, font=small, fill=_TEXT, anchor="rs")


def _label(draw: ImageDraw.ImageDraw, entry: SheetEntry, x: int, y: int, size: int) -> None:
    bold, small = typeface(round(size * 1.15)), typeface(round(size * 0.92))
    colour = _COLOURS[entry.status]
    draw.rectangle((x, y, x + _CELL - 1, y + 2), fill=colour)
    inset, line = round(size * 0.7), y + round(size * 0.6)
    room = _CELL - 2 * inset
    mark = "" if entry.status is Status.ACCEPTED else entry.status.value.upper()
    taken = draw.textlength(mark, font=small) + inset if mark else 0
    draw.text((x + inset, line), _cut(draw, entry.key, bold, room - taken), font=bold, fill=_HEAD)
    if mark:
        draw.text((x + _CELL - inset, line + bold.size), mark, font=small, fill=colour, anchor="rs")
    line += round(size * 1.65)
    for text in entry.caption:
        draw.text((x + inset, line), _cut(draw, text, small, room), font=small, fill=_TEXT)
        line += round(size * 1.4)


def _cut(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """Return the text, shortened with an ellipsis to a width in pixels."""
    text = legible(" ".join(text.split()))
    if draw.textlength(text, font=font) <= room:
        return text
    while text and draw.textlength(f"{text}...", font=font) > room:
        text = text[:-1]
    return f"{text.rstrip()}..."
