"""Aspect templates with their safe areas, and what a model generates for a cut's first deliverable."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from pipeline.registry.fit import Crop, Fit, Misfit, Wanted, crop_to, fit
from pipeline.registry.model import Model
from pipeline.storyboard.schema import Deliverable, Shot, Storyboard


@dataclass(frozen=True, slots=True)
class SafeArea:
    """Margins that stay free of what has to be seen, as shares of the picture's sides.

    Attributes:
        left: From the left edge.
        top: From the top edge.
        right: From the right edge.
        bottom: From the bottom edge.
    """

    left: float
    top: float
    right: float
    bottom: float

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return the area as left, top, right and bottom pixel positions."""
        return (
            round(self.left * width),
            round(self.top * height),
            width - round(self.right * width),
            height - round(self.bottom * height),
        )


@dataclass(frozen=True, slots=True)
class AspectTemplate:
    """What is usual for one aspect ratio.

    Attributes:
        name: Ratio, such as ``16:9``.
        action: Area for what happens.
        title: Area for text.
        use: Where it is shown.
    """

    name: str
    action: SafeArea
    title: SafeArea
    use: str


def _even_margins(share: float) -> SafeArea:
    return SafeArea(share, share, share, share)


# Action safe 3.5% and graphics safe 5% a side: EBU R 95 for 16:9 (2017). Vertical players lay their own
# controls over the picture: about an eighth above, a fifth below, a tenth at the right.
ASPECTS: Final = (
    AspectTemplate("16:9", _even_margins(0.035), _even_margins(0.05), "television, web"),
    AspectTemplate("9:16", SafeArea(0.05, 0.08, 0.1, 0.16), SafeArea(0.06, 0.13, 0.12, 0.2), "vertical players"),
    AspectTemplate("1:1", _even_margins(0.035), _even_margins(0.05), "feeds"),
    AspectTemplate("4:5", SafeArea(0.04, 0.05, 0.04, 0.08), SafeArea(0.06, 0.08, 0.06, 0.12), "feeds"),
    AspectTemplate("4:3", _even_margins(0.035), _even_margins(0.05), "older television"),
    AspectTemplate("3:4", _even_margins(0.04), _even_margins(0.06), "feeds"),
    AspectTemplate("21:9", _even_margins(0.03), _even_margins(0.05), "cinema"),
)


def aspect_template(width: int, height: int) -> AspectTemplate:
    """Return the template whose proportions are nearest to a picture's."""

    def distance(template: AspectTemplate) -> float:
        across, down = (int(side) for side in template.name.split(":"))
        ratio = (width * down) / (height * across)
        return max(ratio, 1 / ratio)

    return min(ASPECTS, key=distance)


@dataclass(frozen=True, slots=True)
class Framing:
    """What a model generates for a shot, and what is kept of it.

    Attributes:
        width: Pixels to generate, even.
        height: Pixels to generate, even.
        rate: Frames per second to generate.
        frames: Frames to generate, at least the shot's.
        audio: With sound, without, or ``None`` if nobody knows what the model does.
        crop: Part that the first deliverable shows.
        others: Deliverable's name to the part of the first deliverable's picture that it shows.
        notes: What differs from what the storyboard asks.
    """

    width: int
    height: int
    rate: Fraction
    frames: int
    audio: bool | None
    crop: Crop
    others: tuple[tuple[str, Crop], ...]
    notes: tuple[str, ...]


def fit_shot(storyboard: Storyboard, shot: Shot, model: Model) -> Fit | Misfit:
    """Return what a model would be asked for, for a shot at the first deliverable's size and rate."""
    main = storyboard.deliverables[0]
    width, height = main.size
    wanted = Wanted(
        mode=storyboard.mode_of(shot).value,
        duration_s=storyboard.duration_of(shot),
        width=width,
        height=height,
        rate=main.rate,
        audio=storyboard.wants_sound(shot),
        references=len(storyboard.references_of(shot)),
    )
    return fit(model.capabilities, wanted)


def framing_of(storyboard: Storyboard, shot: Shot, model: Model) -> Framing | Misfit:
    """Return what a model generates for a shot, and the crops of all deliverables, or why it can't."""
    asked = fit_shot(storyboard, shot, model)
    if isinstance(asked, Misfit):
        return asked
    main, *others = storyboard.deliverables
    return Framing(
        width=asked.width,
        height=asked.height,
        rate=asked.rate,
        frames=asked.frames,
        audio=asked.audio,
        crop=asked.crop,
        others=tuple((other.name, _crop_between(main, other)) for other in others),
        notes=asked.notes,
    )


def _crop_between(main: Deliverable, other: Deliverable) -> Crop:
    return crop_to(*main.size, *other.size)
