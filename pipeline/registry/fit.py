"""How a shot fits a model: the size, length, rate and sound that the model would be asked for, or why not.

Routing asks whether and at what price; control compiles the request. Both take the answer from here,
so that what is reserved is the price of what is asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from pipeline.registry.capabilities import Capabilities, DurationRange
from pipeline.registry.words import nearest_class, pixels, short_side
from pipeline.units import Frames, frame_rate

_Size = tuple[int, int, str]
"""Width and height in pixels, and the resolution class."""

_ALIGN: Final = 2  # every codec profile in use needs even sides


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a shot needs of a model.

    Attributes:
        mode: What it is generated from.
        duration_s: Length in seconds.
        width: Pixels of the cut's mezzanine.
        height: Pixels of the cut's mezzanine.
        rate: Frames per second of the cut.
        audio: Whether sound is wanted.
        references: Pictures of what is shown, that could be sent along.
    """

    mode: str
    duration_s: float
    width: int
    height: int
    rate: Fraction
    audio: bool = True
    references: int = 0


@dataclass(frozen=True, slots=True)
class Crop:
    """Part of the generated picture that is kept, as shares of its sides, centred.

    Attributes:
        width: Share of the width, above 0, at most 1.
        height: Share of the height, above 0, at most 1.
    """

    width: float
    height: float

    @property
    def kept(self) -> float:
        """Share of the picture that is kept."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Fit:
    """What the model would be asked for.

    Attributes:
        width: Pixels to generate, even.
        height: Pixels to generate, even.
        resolution: Resolution class, as the price list names it.
        rate: Frames per second to generate.
        frames: Frames to generate, at least as many as the shot has.
        duration_s: Exact length that is asked and billed, in seconds.
        audio: With sound, without, or ``None`` if nobody knows what the model does.
        references: Pictures that would be sent along.
        crop: What is kept of the picture.
        notes: What differs from what was wanted, in words.
    """

    width: int
    height: int
    resolution: str
    rate: Fraction
    frames: Frames
    duration_s: Fraction
    audio: bool | None
    references: int
    crop: Crop
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Misfit:
    """The model can't serve the shot.

    Attributes:
        reasons: Every reason, in words.
    """

    reasons: tuple[str, ...]


WHOLE: Final = Crop(1.0, 1.0)


def fit(able: Capabilities, wanted: Wanted) -> Fit | Misfit:
    """Return what a model would be asked for, or every reason why it can't serve the shot."""
    reasons: list[str] = []
    notes: list[str] = []
    if wanted.mode not in able.modes:
        reasons.append(f"it can't do {wanted.mode} (it does {', '.join(able.modes)})")
    if wanted.references < able.min_reference_images:
        least = f"{able.min_reference_images} reference picture{'s' if able.min_reference_images > 1 else ''}"
        reasons.append(f"it works from {least} or more; the shot has {wanted.references or 'none'}")
    rate = _rate(able, wanted, notes)
    choice = _choice(able, wanted, reasons, notes)
    if reasons or choice is None:
        return Misfit(tuple(reasons))
    size, length = choice
    width, height, resolution = size
    crop = crop_to(width, height, wanted.width, wanted.height)
    if crop.kept < 0.995:
        notes.append(
            f"it generates {width}x{height}, of which {crop.kept:.0%} is kept for {wanted.width}x{wanted.height}"
        )
    if wanted.audio and able.audio in {"no", "unknown"}:
        notes.append("its clips have no sound" if able.audio == "no" else "whether its clips have sound is unknown")
    sent = _references(able, wanted, notes)
    frames = Frames(max(1, math.ceil(length * rate - Fraction(1, 1000))))
    return Fit(width, height, resolution, rate, frames, length, _audio(able, wanted), sent, crop, tuple(notes))


def crop_to(width: int, height: int, wanted_width: int, wanted_height: int) -> Crop:
    """Return the centred part of a picture that has the proportions of another."""
    have, want = Fraction(width, height), Fraction(wanted_width, wanted_height)
    if have > want:
        return Crop(float(want / have), 1.0)
    return Crop(1.0, float(have / want))


def allowed_duration(durations: DurationRange | tuple[float, ...], wanted_s: Fraction) -> Fraction | None:
    """Return the shortest clip length that a model offers and that is no shorter than wanted."""
    if not isinstance(durations, DurationRange):
        long_enough = [_exact(d) for d in durations if _exact(d) >= wanted_s]
        return min(long_enough, default=None)
    least, most = _exact(durations.min_s), _exact(durations.max_s)
    length = max(least, wanted_s)
    if durations.step_s is not None:
        step = _exact(durations.step_s)
        length = least + math.ceil((length - least) / step) * step
    return length if length <= most else None


def _exact(value: float) -> Fraction:
    return Fraction(str(value))


def _rate(able: Capabilities, wanted: Wanted, notes: list[str]) -> Fraction:
    if isinstance(able.fps, str):
        return wanted.rate
    rates = [frame_rate(value) for value in able.fps]
    best = min(rates, key=lambda rate: (abs(rate - wanted.rate), -rate))
    if best != wanted.rate:
        notes.append(f"it delivers {float(best):g} fps, conformed to {float(wanted.rate):g}")
    return best


def _choice(able: Capabilities, wanted: Wanted, reasons: list[str], notes: list[str]) -> tuple[_Size, Fraction] | None:
    """Return the best of the sizes at which the model makes clips that are long enough, and the length to ask for."""
    sizes = _sizes(able, wanted, reasons)
    if able.durations == "unknown" and not able.durations_at:
        reasons.append("its clip lengths are unknown (state capabilities.durations in the registry overlay)")
        return None
    # The shot's length counts in whole frames of the cut, or the last frame could be missing.
    needed = Fraction(max(1, round(_exact(wanted.duration_s) * wanted.rate))) / wanted.rate
    if not sizes:
        if not able.durations_at and _length(able.durations, needed, wanted) is None:
            reasons.append(_too_long(able, wanted))
        return None
    sizes.sort(key=lambda size: _badness(size[0], size[1], wanted))
    timed = ((size, _length(able.lengths_at(size[2]), needed, wanted)) for size in sizes)
    found = next(((size, length) for size, length in timed if length is not None), None)
    if found is None:
        reasons.append(_too_long(able, wanted))
        return None
    size, length = found
    if size != sizes[0]:
        notes.append(f"at {sizes[0][2]} it makes no clip of {wanted.duration_s:g} s, so {size[2]} is asked for")
    if length - needed > 1 / wanted.rate:
        notes.append(f"it generates {float(length):g} s, of which {wanted.duration_s:g} s is used")
    return size, length


def _length(
    durations: DurationRange | tuple[float, ...] | Literal["unknown"], needed: Fraction, wanted: Wanted
) -> Fraction | None:
    if durations == "unknown":
        return None
    length = allowed_duration(durations, needed)
    if length is None:
        # A shot of 8 s at 24000/1001 fps is 192 frames = 8.008 s: half a frame is nothing to refuse for.
        length = allowed_duration(durations, needed - 1 / (2 * wanted.rate))
    return length


def _too_long(able: Capabilities, wanted: Wanted) -> str:
    offered = [f"{_lengths(there)} at {name}" for name, there in able.durations_at.items()]
    if able.durations != "unknown":
        offered.insert(0, _lengths(able.durations))
    return f"{wanted.duration_s:g} s is too long for it ({'; '.join(offered)})"


def _lengths(durations: DurationRange | tuple[float, ...]) -> str:
    if isinstance(durations, DurationRange):
        return f"{durations.min_s:g} to {durations.max_s:g} s"
    return f"{', '.join(f'{d:g}' for d in sorted(durations))} s"


def _sizes(able: Capabilities, wanted: Wanted, reasons: list[str]) -> list[_Size]:
    """Return the sizes that the model could be asked for, each with its resolution class."""
    exact = able.sizes_for(wanted.mode)
    if exact:
        return [(*pixels(size), _class_of(able, *pixels(size))) for size in exact]
    if able.resolutions == "unknown":
        reasons.append("its resolutions are unknown (state capabilities.resolutions in the registry overlay)")
    if able.aspect_ratios == "unknown":
        reasons.append("its aspect ratios are unknown (state capabilities.aspect_ratios in the registry overlay)")
    if able.resolutions == "unknown" or able.aspect_ratios == "unknown":
        return []
    if able.aspect_ratios == "any":
        across, down = wanted.width, wanted.height
    else:
        across, down = min(
            (_ratio(text) for text in able.aspect_ratios),
            key=lambda pair: abs(math.log(pair[0] / pair[1]) - math.log(wanted.width / wanted.height)),
        )
    if able.resolutions == "any":
        # The smallest picture of that ratio which covers the mezzanine.
        scale = max(wanted.width / across, wanted.height / down)
        width, height = _even(across * scale), _even(down * scale)
        return [(width, height, nearest_class(width, height))]
    return [(*_sized(across, down, short_side(label)), label) for label in able.resolutions]


def _badness(width: int, height: int, wanted: Wanted) -> tuple[float, int, int]:
    """Order sizes: least picture lost, then no upscaling, then fewest pixels (or most, if all are small)."""
    crop = crop_to(width, height, wanted.width, wanted.height)
    enough = width * crop.width >= wanted.width * 0.99 and height * crop.height >= wanted.height * 0.99
    return (-round(crop.kept, 2), 0 if enough else 1, width * height if enough else -width * height)


def _class_of(able: Capabilities, width: int, height: int) -> str:
    if isinstance(able.resolutions, tuple):
        return nearest_class(width, height, able.resolutions)
    return nearest_class(width, height)


def _ratio(text: str) -> tuple[int, int]:
    across, down = text.split(":")
    return int(across), int(down)


def _sized(across: int, down: int, short: int) -> tuple[int, int]:
    if across >= down:
        return _even(short * across / down), _even(short)
    return _even(short), _even(short * down / across)


def _even(value: float) -> int:
    return max(_ALIGN, round(value / _ALIGN) * _ALIGN)


def _audio(able: Capabilities, wanted: Wanted) -> bool | None:
    match able.audio:
        case "yes":
            return True
        case "no":
            return False
        case "optional":
            return wanted.audio
        case "unknown":
            return None


def _references(able: Capabilities, wanted: Wanted, notes: list[str]) -> int:
    said = able.references_in(wanted.mode)
    most = 0 if said == "unknown" else said
    if wanted.references > most:
        what = "an unknown number of" if said == "unknown" else f"{most or 'no'}"
        there = "" if said == able.reference_images else f" in {wanted.mode}"
        notes.append(f"it takes {what} reference pictures{there}; the shot has {wanted.references}")
    return min(wanted.references, most)
