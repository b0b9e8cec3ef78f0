"""The pictures that a storyboard names: inside its folder, real, and what they claim to be."""

from __future__ import annotations

import hashlib
import re
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image, UnidentifiedImageError

MAX_IMAGE_BYTES = 64 * 2**20
MAX_IMAGE_PIXELS = 50_000_000
"""Well below Pillow's own limit: 50 megapixels take 150 MB when decoded."""
FORMATS = ("PNG", "JPEG", "WEBP")

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:|//|\\\\")


class ImageRefusedError(Exception):
    """The file can't be used.

    Args:
        message: What is wrong.
        remedy: What to do.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """A picture that can be decoded.

    Attributes:
        path: Where it is, absolute, symbolic links resolved.
        sha256: Hash of its bytes, as hexadecimal digits.
    """

    path: Path
    sha256: str


def check_image(written: str, folder: Path) -> CheckedImage:
    """Find a picture and make sure that it decodes.

    Args:
        written: The path as it stands in the storyboard, relative, with ``/``.
        folder: The storyboard's folder.

    Raises:
        ImageRefusedError: If the path leaves the folder, or the file isn't a PNG, JPEG or WebP that decodes.
    """
    path = _inside(written, folder)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ImageRefusedError(f"{written!r} is not a file", "Name a PNG, JPEG or WebP file.")
        if status.st_size > MAX_IMAGE_BYTES:
            raise ImageRefusedError(
                f"{written!r} has {status.st_size / 2**20:.0f} MB",
                f"Scale it down; {MAX_IMAGE_BYTES // 2**20} MB are the most.",
            )
        _decode(path, written)
        return CheckedImage(path, hashlib.sha256(path.read_bytes()).hexdigest())
    except FileNotFoundError as error:
        raise ImageRefusedError(
            f"{written!r} does not exist in the storyboard's folder", "Check the name, or add the file."
        ) from error
    except OSError as error:
        raise ImageRefusedError(
            f"{written!r} can't be read: {error.strerror or 'the picture is damaged'}",
            "Check its permissions, or export it anew.",
        ) from error


def _inside(written: str, folder: Path) -> Path:
    remedy = "Copy the file into the storyboard's folder and name it relative to that."
    if _URL.match(written):
        raise ImageRefusedError(f"{written!r} is an address, not a file in the storyboard's folder", remedy)
    pure = PurePosixPath(written)
    if "\\" in written:
        raise ImageRefusedError(f"{written!r} has a backslash", "Separate folders with /.")
    if pure.is_absolute() or ".." in pure.parts or written.startswith("~"):
        raise ImageRefusedError(f"{written!r} leaves the storyboard's folder", remedy)
    try:
        home = folder.resolve()
        path = (home / pure).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise ImageRefusedError(f"{written!r} can't be followed", remedy) from error
    if not path.is_relative_to(home):
        raise ImageRefusedError(f"{written!r} leads out of the storyboard's folder by a link", remedy)
    return path


def _decode(path: Path, written: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
                width, height = image.size
                if width * height > MAX_IMAGE_PIXELS:
                    raise ImageRefusedError(
                        f"{written!r} has {width}x{height} pixels",
                        f"Scale it down; {MAX_IMAGE_PIXELS // 1_000_000} megapixels are the most.",
                    )
                image.load()
    except UnidentifiedImageError as error:
        raise ImageRefusedError(
            f"{written!r} is no picture that can be read, whatever its name says",
            "Export it as PNG, JPEG or WebP.",
        ) from error
    except (SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ImageRefusedError(f"{written!r} is damaged or absurd", "Export it anew as PNG, JPEG or WebP.") from error
