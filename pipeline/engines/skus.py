"""The keys of OpenRouter's ``pricing_skus``, put into the lines of a price list.

The keys are documented by example only, and each provider behind OpenRouter has its own. All that were seen in public
copies of the list in 2026 are read here; a key that was never seen makes the whole list unreadable, because a guess
could be a price that is too low.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

from pipeline.registry.prices import Rate, Surcharge
from pipeline.registry.refresh import Terms
from pipeline.registry.words import nearest_class, pixels, short_side

_TOKENS_PER_PIXEL_SECOND: Final = Decimal(24) / 1024
"""ByteDance bills video tokens: width x height x frames (24 a second) / 1024."""
_MARGIN: Final = Decimal("1.05")
"""Where the list names no sizes, a picture may have so many times its class's area at 16:9 (864x496 for 480p)."""

_RES: Final = r"(?P<resolution>[1-9]\d{2,3}p|[1248]k)"
_SECONDS: Final = re.compile(
    rf"^(?:(?P<mode>text|image)_to_video_)?duration_seconds(?:_(?P<sound>with|without)_audio)?(?:_{_RES})?$",
    re.IGNORECASE,
)
_CENTS: Final = re.compile(rf"^cents_per_(?:second_output|video_output_second)(?:_{_RES})?$", re.IGNORECASE)
_PER_SECOND: Final = re.compile(rf"^per[-_]video[-_]second(?:[-_]{_RES})?$", re.IGNORECASE)
_TOKENS: Final = re.compile(rf"^video_tokens(?:_{_RES})?(?:_(?P<sound>with|without)_audio)?$", re.IGNORECASE)
_NOT_OURS: Final = re.compile(
    r"with_video_input|video_continuation|^reference_duration_seconds|with_video_continuation"
)
"""Charges for input video, which is never sent."""
_CENTS_OF_A_DOLLAR: Final = Decimal(100)


class Unreadable(Exception):  # noqa: N818 - becomes a Published without terms
    """The keys make no price list."""


def terms_of(skus: Any, resolutions: Any, sizes: Any) -> Terms:
    """Return a model's price list.

    Args:
        skus: ``pricing_skus``: key to amount, in US dollars or, where the key says so, cents.
        resolutions: ``supported_resolutions``, for prices by the token.
        sizes: ``supported_sizes`` such as ``1280x720``, for the same; often ``None``.

    Raises:
        Unreadable: If a key or an amount is not understood, or there is no price among them.
    """
    if not isinstance(skus, dict) or not skus:
        raise Unreadable("the list has no price for it")
    known = cast("dict[str, Any]", skus)
    named = {found["resolution"].lower() for key in known if (found := _TOKENS.match(key)) and found["resolution"]}
    classes = tuple(name for name in _classes(resolutions) if name not in named)  # the others have a key of their own
    rates: list[Rate] = []
    surcharges: list[Surcharge] = []
    minimum: Decimal | None = None
    for key, value in known.items():
        amount = _amount(key, value)
        if _NOT_OURS.search(key):
            continue
        if key == "minimum_cents_per_generation":
            minimum = amount / _CENTS_OF_A_DOLLAR
        elif key == "cents_per_image_input":
            surcharges.append(Surcharge(unit="input-image", usd=amount / _CENTS_OF_A_DOLLAR))
        elif key == "reference_images":
            surcharges.append(Surcharge(unit="input-image", usd=amount))
        else:
            rates += _rates(key, amount, classes, _areas(sizes))
    if not rates:
        raise Unreadable("the list has no price for its clips")
    return Terms(tuple(sorted(rates, key=_place)), tuple(surcharges), minimum)


def _rates(key: str, amount: Decimal, classes: tuple[str, ...], areas: Mapping[str, Decimal]) -> list[Rate]:
    if key == "generate":
        return [Rate(unit="clip", usd=amount)]
    found = _SECONDS.match(key) or _PER_SECOND.match(key)
    if found is not None:
        return [_rate(found, amount)]
    found = _CENTS.match(key)
    if found is not None:
        return [_rate(found, amount / _CENTS_OF_A_DOLLAR)]
    found = _TOKENS.match(key)
    if found is None:
        raise Unreadable(f"the list prices it by {key}, which is not understood")
    named = found["resolution"]
    wanted = (named.lower(),) if named else classes
    return [_by_tokens(found, amount, name, areas) for name in wanted]


def _rate(found: re.Match[str], amount: Decimal, resolution: str | None = None) -> Rate:
    parts = found.groupdict()
    sound, mode = parts.get("sound"), parts.get("mode")
    named = resolution or parts.get("resolution")
    return Rate(
        unit="second",
        usd=amount.quantize(Decimal("1E-9")),
        resolution=named.lower() if named else None,
        audio=None if sound is None else sound.lower() == "with",
        # A clip that ends with a given picture is made of pictures, too.
        mode=None if mode is None else ("text-to-video" if mode.lower() == "text" else _FROM_PICTURES),
    )


_FROM_PICTURES: Final = ("image-to-video", "first-last-frame")


def _by_tokens(found: re.Match[str], amount: Decimal, name: str, areas: Mapping[str, Decimal]) -> Rate:
    """Return what a second costs: at 16:9, and at most by the class's largest picture."""
    height = Decimal(short_side(name))
    area = height * height * 16 / 9
    largest = areas.get(name, area * _MARGIN)
    per_pixel = amount * _TOKENS_PER_PIXEL_SECOND
    rate = _rate(found, per_pixel * area, name)
    most = (per_pixel * max(area, largest)).quantize(Decimal("1E-9"))
    return rate.model_copy(update={"up_to_usd": most})


def _place(rate: Rate) -> tuple[bool, bool, bool]:
    """Order lines so that the special ones come first; sound before all, because it is what makes a clip dearer."""
    return (rate.audio is None, rate.resolution is None, rate.mode is None)


def _amount(key: str, value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise Unreadable(f"the list says {value!r} for {key}")
    return amount


def _classes(resolutions: Any) -> tuple[str, ...]:
    if not isinstance(resolutions, list):
        return ()
    names = (str(each).lower() for each in cast("list[Any]", resolutions))
    return tuple(name for name in names if re.fullmatch(_RES, name))


def _areas(sizes: Any) -> dict[str, Decimal]:
    """Return the largest area of each class among a model's sizes."""
    areas: dict[str, Decimal] = {}
    for each in cast("list[Any]", sizes) if isinstance(sizes, list) else ():
        if isinstance(each, str) and re.fullmatch(r"[1-9]\d{1,3}x[1-9]\d{1,3}", each):
            width, height = pixels(each)
            name = nearest_class(width, height)
            areas[name] = max(areas.get(name, Decimal(0)), Decimal(width * height))
    return areas
