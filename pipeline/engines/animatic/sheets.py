"""Sheets: painted layers as YUV planes, and laying them on a frame at a sub-pixel place.

Everything after painting works on 8-bit planes in BT.709 limited range, chroma at half size, which
is what the encoder takes: no colour conversion per frame. Coordinates are continuous: a pixel ``i``
covers ``[i, i + 1]``, so the same numbers halved hold for chroma. A sheet with an alpha plane is
premultiplied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.engines.animatic.parts import Part, parts_of

Plane = NDArray[np.uint8]
Picture = NDArray[np.uint8]  # (height, width, 3), BGR

# ITU-R BT.709-6, items 3.2 and 3.4, for 8-bit BGR in, limited range out.
_KR, _KG, _KB = 0.2126, 0.7152, 0.0722
_Y_ROW = np.array([[_KB, _KG, _KR]]) * (219 / 255)
_U_ROW = np.array([1 - _KB, -_KG, -_KR]) / (2 * (1 - _KB)) * (224 / 255)
_V_ROW = np.array([-_KB, -_KG, 1 - _KR]) / (2 * (1 - _KR)) * (224 / 255)
_FORTH = np.vstack([_Y_ROW, _U_ROW, _V_ROW])
_MATRIX_YUV = np.hstack([_FORTH, [[16.0], [128.0], [128.0]]]).astype(np.float32)
_BACK = np.linalg.inv(_FORTH)
_MATRIX_BGR = np.hstack([_BACK, -_BACK @ [[16.0], [128.0], [128.0]]]).astype(np.float32)

_STRIP = 4  # rows
_MARGIN = 4  # transparent pixels kept around what a sheet shows
_LARGE = 160 * 160  # pixels; a smaller sheet is not worth cutting into parts
_NEAR = 1 / 40  # pixels of misplacement that nobody sees
_TRIES = 20  # pixels that are scaled in addition, to find a place that near


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a sheet's stage coordinates land on the frame: ``scale * x + dx``, in pixels."""

    scale: float
    dx: float
    dy: float


@dataclass(slots=True)
class Canvas:
    """The frame being composed: planes of shapes (h, w), (h/2, w/2), (h/2, w/2)."""

    y: Plane
    u: Plane
    v: Plane

    @classmethod
    def of_size(cls, width: int, height: int) -> Canvas:
        """Return a canvas with undefined content."""
        half = (height // 2, width // 2)
        return cls(np.empty((height, width), np.uint8), np.empty(half, np.uint8), np.empty(half, np.uint8))


@dataclass(frozen=True, slots=True)
class Sheet:
    """A layer.

    Attributes:
        luma: Premultiplied.
        cb: Premultiplied, half size.
        cr: Premultiplied, half size.
        clear: How much of what is behind shows through, 0 to 255; ``None`` if nothing does.
        clear_half: The same at half size.
        x: Column of its corner on the stage, even.
        y: Row of its corner on the stage, even.
        solid: Row of the sheet from which on it hides everything behind it.
        parts: What is drawn of it; worked out when it is laid for the first time.
    """

    luma: Plane
    cb: Plane
    cr: Plane
    clear: Plane | None
    clear_half: Plane | None
    x: int = 0
    y: int = 0
    solid: int = 1 << 20
    parts: list[Part] = field(default_factory=list[Part])


def half_of(plane: Any) -> Any:
    """Return a plane or picture at half size, by area."""
    height, width = plane.shape[:2]
    return cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA)


def planes_of(picture: Picture) -> tuple[Plane, Plane, Plane]:
    """Return BGR as limited-range BT.709 planes with chroma at half size."""
    small: Any = cv2.transform(half_of(picture), _MATRIX_YUV)
    # All three for the sake of one: OpenCV has a fast way from three channels to three only.
    luma: Any = cv2.extractChannel(cv2.transform(picture, _MATRIX_YUV), 0)
    cb: Any = cv2.extractChannel(small, 1)
    cr: Any = cv2.extractChannel(small, 2)
    return luma, cb, cr


def picture_of(canvas: Canvas) -> Picture:
    """Return a frame as BGR: the way back from ``planes_of``."""
    height, width = canvas.y.shape
    large = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in (canvas.u, canvas.v)]
    out: Any = cv2.transform(cv2.merge([canvas.y, *large]), _MATRIX_BGR)
    return out


def cropped(picture: Picture, alpha: Plane | None) -> tuple[int, int, Picture, Plane | None]:
    """Return the corner (x, y; even), picture and alpha of what a layer shows; all of it if it is opaque."""
    if alpha is None:
        return 0, 0, picture, None
    height, width = alpha.shape
    rows = np.flatnonzero(alpha.max(axis=1))
    columns = np.flatnonzero(alpha.max(axis=0))
    if not rows.size:
        rows = columns = np.array([0])
    top = max(0, int(rows[0]) - _MARGIN) & ~1
    left = max(0, int(columns[0]) - _MARGIN) & ~1
    bottom = min(height, int(rows[-1]) + _MARGIN + 1)
    right = min(width, int(columns[-1]) + _MARGIN + 1)
    bottom = min(height & ~1, bottom + bottom % 2)
    right = min(width & ~1, right + right % 2)
    window = (slice(top, bottom), slice(left, right))
    return left, top, np.ascontiguousarray(picture[window]), np.ascontiguousarray(alpha[window])


def sheet_of(picture: Picture, alpha: Plane | None = None, x: int = 0, y: int = 0) -> Sheet:
    """Return a picture, with an alpha plane or opaque, as a sheet cropped to what it shows."""
    left, top, picture, alpha = cropped(picture, alpha)
    return sheet_from(planes_of(picture), alpha, x + left, y + top)


def sheet_from(planes: tuple[Plane, Plane, Plane], alpha: Plane | None, x: int, y: int) -> Sheet:
    """Return planes, with an alpha plane of the luma's size or opaque, as a sheet whose corner is at (x, y)."""
    luma, cb, cr = planes
    if alpha is None:
        return Sheet(luma, cb, cr, None, None, x, y)
    half = half_of(alpha)
    clear: Any = cv2.bitwise_not(alpha)
    clear_half: Any = cv2.bitwise_not(half)
    ready: Any = [cv2.multiply(plane, part, scale=1 / 255) for plane, part in ((luma, alpha), (cb, half), (cr, half))]
    open_rows = np.flatnonzero(alpha.min(axis=1) < 255)
    solid = int(open_rows[-1]) + 1 if open_rows.size else 0
    return Sheet(
        ready[0], ready[1], ready[2], clear, clear_half, x, y, solid + 2 if solid + 8 < alpha.shape[0] else 1 << 20
    )


def _sample(
    plane: Plane, width: int, height: int, scale: float, left: float, top: float, out: Plane | None = None
) -> Any:
    """Return ``width`` x ``height`` pixels of ``scale * plane`` from (left, top) of the scaled plane.

    Bilinear. Plain shifts take OpenCV's ``getRectSubPix``, several times faster than a warp; scaling
    is a ``resize`` of the rows and columns needed, then the fractional rest as a shift, if there is
    any. Beyond its border the plane is continued by its last pixel.

    Args:
        plane: What is sampled.
        width: Pixels.
        height: Pixels.
        scale: See above.
        left: Of the scaled plane.
        top: Of the scaled plane.
        out: Where to put it, if it has a place already.
    """
    if scale == 1.0:
        x, y = int(left), int(top)
        if x == left >= 0 and y == top >= 0 and x + width <= plane.shape[1] and y + height <= plane.shape[0]:
            found = plane[y : y + height, x : x + width]
            if out is not None:
                out[:] = found
            return found
        return cv2.getRectSubPix(plane, (width, height), (left + (width - 1) / 2, top + (height - 1) / 2), out)
    rows, columns = plane.shape
    x0 = _start(min(max(0, math.floor(left / scale) - 1), columns - 2), scale, left)
    y0 = _start(min(max(0, math.floor(top / scale) - 1), rows - 2), scale, top)
    x1 = min(columns, x0 + math.ceil((left - x0 * scale + width + 3) / scale) + 1)
    y1 = min(rows, y0 + math.ceil((top - y0 * scale + height + 3) / scale) + 1)
    scaled = cv2.resize(plane[y0:y1, x0:x1], None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    left, top = left - x0 * scale, top - y0 * scale
    x, y = round(left), round(top)
    near = abs(left - x) <= _NEAR and abs(top - y) <= _NEAR
    if near and x >= 0 and y >= 0 and x + width <= scaled.shape[1] and y + height <= scaled.shape[0]:
        found = scaled[y : y + height, x : x + width]
        if out is not None:
            out[:] = found
        return found
    return cv2.getRectSubPix(scaled, (width, height), (left + (width - 1) / 2, top + (height - 1) / 2), out)


def _start(first: int, scale: float, at: float) -> int:
    """Return a pixel, ``first`` or one before it, from which a plane may be scaled.

    If there is one that brings the place ``at`` of the scaled plane on a whole pixel, it is that.
    """
    for pixel in range(first, max(-1, first - _TRIES), -1):
        rest = at - pixel * scale
        if abs(rest - round(rest)) <= _NEAR:
            return pixel
    return first


def _sample_colour(plane: Plane, width: int, height: int, scale: float, left: float, top: float) -> Any:
    """Return the same of a colour plane, placed on its nearest whole pixel.

    A colour plane has half the frame's size, and the eye takes edges from the luma: half a pixel of
    colour more or less is not seen, and a plain shift becomes a copy.
    """
    scaled = plane
    if scale != 1.0:
        rows, columns = plane.shape
        x0 = min(max(0, math.floor(left / scale) - 1), columns - 2)
        y0 = min(max(0, math.floor(top / scale) - 1), rows - 2)
        x1 = min(columns, x0 + math.ceil((width + 3) / scale) + 3)
        y1 = min(rows, y0 + math.ceil((height + 3) / scale) + 3)
        scaled = cv2.resize(plane[y0:y1, x0:x1], None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        left, top = left - x0 * scale, top - y0 * scale
    x, y = round(left), round(top)
    if x >= 0 and y >= 0 and x + width <= scaled.shape[1] and y + height <= scaled.shape[0]:
        return scaled[y : y + height, x : x + width]
    return cv2.getRectSubPix(scaled, (width, height), (x + (width - 1) / 2, y + (height - 1) / 2))


def solid_row(canvas: Canvas, sheet: Sheet, place: Placement) -> int:
    """Return the row of the frame from which on the sheet hides all that is behind it, even."""
    height, width = canvas.y.shape
    rows, columns = sheet.luma.shape
    left, right = (place.scale * edge + place.dx for edge in (sheet.x, sheet.x + columns))
    if left > 0 or right < width or place.scale * (sheet.y + rows) + place.dy < height:
        return height
    row = math.ceil(place.scale * (sheet.y + sheet.solid) + place.dy) + 2
    return max(0, min(height, row + row % 2))


def lay(canvas: Canvas, sheet: Sheet, place: Placement, until: int = 1 << 20) -> None:
    """Lay a sheet on the canvas, over what is there; rows from ``until`` (even) on may be left out."""
    height, width = canvas.y.shape
    scale = place.scale
    left, top = scale * sheet.x + place.dx, scale * sheet.y + place.dy
    until = min(until, height)
    if sheet.clear is None or sheet.clear_half is None:
        _put(canvas, sheet, scale, left, top, (0, 0, width, until))
        return
    rows, columns = sheet.luma.shape
    if not sheet.parts:
        whole = Part(0, 0, columns, rows, solid=False)
        sheet.parts.extend(parts_of(sheet.clear_half) if rows * columns > _LARGE else (whole,))
    for part in sheet.parts:
        x0 = max(0, _from(left, scale, part.x0))
        y0 = max(0, _from(top, scale, part.y0))
        x1 = min(width, _to(left, scale, part.x1, columns))
        y1 = min(until, _to(top, scale, part.y1, rows))
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        if part.solid:
            _put(canvas, sheet, scale, left, top, (x0, y0, x1, y1))
        else:
            _blend(canvas, sheet, sheet.clear, sheet.clear_half, scale, left, top, (x0, y0, x1, y1))


def _from(start: float, scale: float, edge: int) -> int:
    """Return the even pixel of the frame at which a part begins: those of one sheet share their borders."""
    return math.floor(start) & ~1 if edge == 0 else 2 * round((start + scale * edge) / 2)


def _to(start: float, scale: float, edge: int, end: int) -> int:
    """Return the even pixel of the frame before which a part ends."""
    if edge == end:
        last = math.ceil(start + scale * edge)
        return last + last % 2
    return 2 * round((start + scale * edge) / 2)


_Box = tuple[int, int, int, int]  # x0, y0, x1, y1; even


def _blend(
    canvas: Canvas, sheet: Sheet, clear: Plane, clear_half: Plane, scale: float, left: float, top: float, box: _Box
) -> None:
    """Lay a part of a sheet into a box of the canvas, over what is there."""
    x0, y0, x1, y1 = box
    across, down = x1 - x0, y1 - y0
    start = (across, down, scale, x0 - left, y0 - top)
    _over(canvas.y[y0:y1, x0:x1], _sample(sheet.luma, *start), _sample(clear, *start))
    window = (slice(y0 // 2, y1 // 2), slice(x0 // 2, x1 // 2))
    half = (across // 2, down // 2, scale, (x0 - left) / 2, (y0 - top) / 2)
    through = _sample_colour(clear_half, *half)
    _over(canvas.u[window], _sample_colour(sheet.cb, *half), through)
    _over(canvas.v[window], _sample_colour(sheet.cr, *half), through)


def _put(canvas: Canvas, sheet: Sheet, scale: float, left: float, top: float, box: _Box) -> None:
    """Copy an opaque part of a sheet into a box of the canvas."""
    x0, y0, x1, y1 = box
    across, down = x1 - x0, y1 - y0
    if across < 2 or down < 2:
        return
    _sample(sheet.luma, across, down, scale, x0 - left, y0 - top, canvas.y[y0:y1, x0:x1])
    half = (across // 2, down // 2, scale, (x0 - left) / 2, (y0 - top) / 2)
    window = (slice(y0 // 2, y1 // 2), slice(x0 // 2, x1 // 2))
    canvas.u[window] = _sample_colour(sheet.cb, *half)
    canvas.v[window] = _sample_colour(sheet.cr, *half)


def lay_sheared(canvas: Canvas, sheet: Sheet, place: Placement, shear: float) -> None:
    """Lay an opaque sheet that covers the frame, each row slid by ``shear`` pixels per pixel below ``place.dy``.

    Strips of four rows slide as one: with the shears of a camera they are off by a fraction of a
    pixel, and it takes half the time of a warp.
    """
    height, width = canvas.y.shape
    scale = place.scale
    planes = ((canvas.y, sheet.luma, 1.0), (canvas.u, sheet.cb, 0.5), (canvas.v, sheet.cr, 0.5))
    for target, source, share in planes:
        rows, columns = round(height * share), round(width * share)
        scaled: Any = source
        if scale != 1.0:
            scaled = cv2.resize(source, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        dx = share * (place.dx + scale * sheet.x)
        dy = share * (place.dy + scale * sheet.y)
        for top in range(0, rows, _STRIP):
            count = min(_STRIP, rows - top)
            middle = top + count / 2
            left = -(dx + shear * (middle - dy))
            at = (left + (columns - 1) / 2, middle - dy - 0.5)
            target[top : top + count] = cv2.getRectSubPix(scaled, (columns, count), at)


def merged(sheets: Sequence[Sheet]) -> Sheet:
    """Return sheets of one stage that move alike as one, the first lowest."""
    if len(sheets) == 1:
        return sheets[0]
    first = sheets[0]
    if first.clear is None or first.clear_half is None:
        stage = Canvas(first.luma.copy(), first.cb.copy(), first.cr.copy())
        for sheet in sheets[1:]:
            lay(stage, sheet, Placement(1.0, float(-first.x), float(-first.y)))
        return Sheet(stage.y, stage.u, stage.v, None, None, first.x, first.y)
    x, y = min(sheet.x for sheet in sheets), min(sheet.y for sheet in sheets)
    right = max(sheet.x + sheet.luma.shape[1] for sheet in sheets)
    bottom = max(sheet.y + sheet.luma.shape[0] for sheet in sheets)
    size = (bottom - y, right - x)
    half = (size[0] // 2, size[1] // 2)
    colours = Canvas(np.zeros(size, np.uint8), np.zeros(half, np.uint8), np.zeros(half, np.uint8))
    clear, clear_half = np.full(size, 255, np.uint8), np.full(half, 255, np.uint8)
    for sheet in sheets:
        lay(colours, sheet, Placement(1.0, float(-x), float(-y)))
        for target, part, step in ((clear, sheet.clear, 1), (clear_half, sheet.clear_half, 2)):
            if part is not None:
                top, left = (sheet.y - y) // step, (sheet.x - x) // step
                area = target[top : top + part.shape[0], left : left + part.shape[1]]
                cv2.multiply(area, part, dst=area, scale=1 / 255)
    open_rows = np.flatnonzero(clear.max(axis=1) > 0)
    solid = int(open_rows[-1]) + 1 if open_rows.size else 0
    return Sheet(
        colours.y, colours.u, colours.v, clear, clear_half, x, y, solid + 2 if solid + 8 < size[0] else 1 << 20
    )


def lay_affine(canvas: Canvas, sheet: Sheet, matrix: NDArray[np.float64]) -> None:
    """Lay a sheet by a 2x3 matrix from its own continuous pixels to the frame's (rotation, shear)."""
    height, width = canvas.y.shape
    rows, columns = sheet.luma.shape
    corners = np.array([[0, 0, 1], [columns, 0, 1], [columns, rows, 1], [0, rows, 1]]) @ matrix.T
    x0 = max(0, math.floor(corners[:, 0].min()) & ~1)
    y0 = max(0, math.floor(corners[:, 1].min()) & ~1)
    x1 = min(width, math.ceil(corners[:, 0].max()))
    y1 = min(height, math.ceil(corners[:, 1].max()))
    x1 += x1 % 2
    y1 += y1 % 2
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    full = _indexed(matrix, x0, y0, 1.0)
    half = _indexed(matrix, x0, y0, 0.5)
    size = (x1 - x0, y1 - y0)
    size_half = (size[0] // 2, size[1] // 2)
    window = (slice(y0 // 2, y1 // 2), slice(x0 // 2, x1 // 2))
    if sheet.clear is None or sheet.clear_half is None:
        canvas.y[y0:y1, x0:x1] = _warp(sheet.luma, full, size, opaque=True)
        canvas.u[window] = _warp(sheet.cb, half, size_half, opaque=True)
        canvas.v[window] = _warp(sheet.cr, half, size_half, opaque=True)
        return
    _over(
        canvas.y[y0:y1, x0:x1],
        _warp(sheet.luma, full, size, opaque=False),
        _warp(sheet.clear, full, size, opaque=False, beyond=255),
    )
    cover = _warp(sheet.clear_half, half, size_half, opaque=False, beyond=255)
    _over(canvas.u[window], _warp(sheet.cb, half, size_half, opaque=False), cover)
    _over(canvas.v[window], _warp(sheet.cr, half, size_half, opaque=False), cover)


def _indexed(matrix: NDArray[np.float64], x0: int, y0: int, share: float) -> NDArray[np.float64]:
    """Return the matrix for pixel indices of a plane at ``share`` of full size, from (x0, y0)."""
    linear = matrix[:, :2]
    shift = (matrix[:, 2] - (x0, y0)) * share + linear @ (0.5, 0.5) - 0.5
    return np.column_stack([linear, shift])


def _warp(plane: Plane, matrix: NDArray[np.float64], size: tuple[int, int], *, opaque: bool, beyond: int = 0) -> Any:
    border = cv2.BORDER_REPLICATE if opaque else cv2.BORDER_CONSTANT
    return cv2.warpAffine(plane, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=(beyond, 0, 0, 0))


def _over(target: Any, colour: Any, clear: Any) -> None:
    """Compose a premultiplied plane over ``target`` in place: ``target * clear + colour``."""
    cv2.add(cv2.multiply(target, clear, scale=1 / 255), colour, dst=target)


def lighten_plane(plane: Plane, by: int) -> None:
    """Make a plane lighter, or darker if ``by`` is negative, in place, within 8 bits."""
    amount: Any = (abs(by), 0, 0, 0)  # OpenCV's scalar; its type stub knows arrays only
    if by >= 0:
        cv2.add(plane, amount, dst=plane)
    else:
        cv2.subtract(plane, amount, dst=plane)
