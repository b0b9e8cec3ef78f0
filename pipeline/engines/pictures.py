"""Pictures on their way to a provider: as they are if they are small enough, else encoded anew as JPEG."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from pipeline.errors import ProviderError, Trouble

_MAGIC: Final = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))
_QUALITIES: Final = (95, 90, 80, 65)


def picture(path: Path, most_bytes: int) -> tuple[str, bytes]:
    """Return a picture's media type and bytes, no more than allowed.

    Raises:
        ProviderError: ``INVALID`` if it is no PNG, JPEG or WebP, or can't be made small enough.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _unusable(path, f"can't be read ({error.strerror})") from error
    kind = next((kind for magic, kind in _MAGIC if raw.startswith(magic)), "")
    if not kind:
        raise _unusable(path, "is no PNG, JPEG or WebP")
    if len(raw) <= most_bytes:
        return kind, raw
    try:
        with Image.open(io.BytesIO(raw)) as opened:
            flat = opened.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise _unusable(path, "can't be decoded") from error
    for quality in _QUALITIES:
        out = io.BytesIO()
        flat.save(out, "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2, optimize=True)
        if out.tell() <= most_bytes:
            return "image/jpeg", out.getvalue()
    raise _unusable(path, f"has more than the {most_bytes:,} bytes that the provider takes, even as JPEG")


def data_uri(path: Path, most_characters: int) -> str:
    """Return a picture as a ``data:`` URI (RFC 2397), no longer than allowed.

    Raises:
        ProviderError: As :func:`picture`.
    """
    kind, raw = picture(path, (most_characters - len("data:image/jpeg;base64,")) // 4 * 3)
    return f"data:{kind};base64,{base64.b64encode(raw).decode('ascii')}"


def _unusable(path: Path, why: str) -> ProviderError:
    return ProviderError(
        f"the picture {path.name} {why}.", trouble=Trouble.INVALID, remedy="Use a smaller PNG, JPEG or WebP."
    )
