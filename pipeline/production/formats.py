"""The mezzanine format of each deliverable: what every shot of a cut is conformed to."""

from __future__ import annotations

from pipeline.media.mezzanine import MezzanineFormat, preview_format
from pipeline.routing.stage import Stage
from pipeline.storyboard.schema import Deliverable, Storyboard


def format_of(deliverable: Deliverable, stage: str) -> MezzanineFormat:
    """Return a deliverable's mezzanine format at a stage: previews are made fast, finals well."""
    width, height = deliverable.size
    if stage == Stage.PREVIEW:
        return preview_format(width, height, deliverable.rate, deliverable.framing)
    return MezzanineFormat(width, height, deliverable.rate, deliverable.framing)


def formats_of(storyboard: Storyboard, stage: str) -> dict[str, MezzanineFormat]:
    """Return each deliverable's format by the deliverable's name."""
    return {deliverable.name: format_of(deliverable, stage) for deliverable in storyboard.deliverables}
