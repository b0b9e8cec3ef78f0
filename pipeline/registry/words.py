"""Words and small types that registry entries are made of."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

Mode = Literal["text-to-video", "image-to-video", "first-last-frame", "text-to-image", "image-to-image"]
"""What a model generates from. The three video modes are the storyboard's (a test compares them)."""

UNKNOWN: Final = "unknown"


def _said(value: Any) -> Any:
    """Let YAML's and JSON's booleans stand for yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


Known = Annotated[Literal["yes", "no", "unknown"], BeforeValidator(_said)]
"""A fact that may honestly be unknown. Unknown is never taken for a yes."""

Audio = Annotated[Literal["yes", "no", "optional", "unknown"], BeforeValidator(_said)]
"""``yes``: the clip always has sound; ``optional``: it can be asked for."""


def _amount(value: Any) -> Any:
    if isinstance(value, float):
        message = 'an amount of money is written in quotes, such as "0.12", so that it stays exact'
        raise ValueError(message)  # noqa: TRY004 - pydantic collects ValueError, not TypeError
    return value


Usd = Annotated[
    Decimal,
    BeforeValidator(_amount),
    Field(ge=0, le=100_000, max_digits=18, decimal_places=12),
    PlainSerializer(lambda value: format(value.normalize(), "f"), return_type=str),
]
"""US dollars as an exact decimal, written as a string."""

Share = Annotated[
    Decimal,
    BeforeValidator(_amount),
    Field(ge=0, le=1),
    PlainSerializer(lambda value: format(value.normalize(), "f"), return_type=str),
]
"""A share from 0 to 1 as an exact decimal, written as a string."""

Resolution = Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]{2,3}p|[1248]k)$")]
"""Resolution class as providers name it: ``720p``, ``1080p``, ``2k``, ``4k``; of pictures ``1k`` (1024x1024), too."""

PixelSize = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{1,3}x[1-9][0-9]{1,3}$")]
Ratio = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]?:[1-9][0-9]?$")]
ModelId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*/[A-Za-z0-9][A-Za-z0-9._/:-]{0,150}$")]
EngineName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Day = date

_K: Final = {"1k": 768, "2k": 1440, "4k": 2160, "8k": 4320}
_CLASSES: Final = ("360p", "480p", "540p", "720p", "768p", "1080p", "1440p", "4k", "8k")


class Entry(BaseModel):
    """Base of every part of a registry entry: immutable, unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def short_side(resolution: str) -> int:
    """Return the shorter side, in pixels, of a resolution class at 16:9 (``2k`` is 1440 lines, ``1k`` 768)."""
    return _K[resolution] if resolution in _K else int(resolution[:-1])


def pixels(size: str) -> tuple[int, int]:
    """Return width and height of a size such as ``1280x720``."""
    width, height = size.split("x")
    return int(width), int(height)


@lru_cache(maxsize=4096)
def nearest_class(width: int, height: int, classes: tuple[str, ...] = _CLASSES) -> str:
    """Return the resolution class whose 16:9 area is nearest to a picture's, by ratio.

    Providers that sell "720p" in several aspect ratios keep the area, not the shorter side
    (1280x720, 1112x834 and 960x960 are one class), so area is compared, on a logarithmic scale.
    """
    area = math.log(width * height)
    return min(classes, key=lambda name: abs(math.log(short_side(name) ** 2 * 16 / 9) - area))
