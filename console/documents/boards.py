"""JSON documents of a storyboard, its price and its routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.documents.failures import problem
from pipeline.routing.decision import RouteDecision
from pipeline.routing.quote import Quote
from pipeline.storyboard.load import LoadedStoryboard


def board(loaded: LoadedStoryboard) -> dict[str, Any]:
    """Return the document of a checked storyboard."""
    storyboard = loaded.storyboard
    shots = storyboard.enabled_shots
    return {
        "file": str(loaded.path),
        "storyboard": storyboard.id,
        "title": storyboard.title,
        "content_hash": loaded.content_hash,
        "shots": [
            {
                "id": shot.id,
                "duration_s": storyboard.duration_of(shot),
                "tier": str(storyboard.tier_of(shot)),
                "mode": str(storyboard.mode_of(shot)),
            }
            for shot in shots
        ],
        "deliverables": [
            {"name": each.name, "width": each.size[0], "height": each.size[1], "fps": str(each.rate)}
            for each in storyboard.deliverables
        ],
        "warnings": [problem(each) for each in loaded.warnings],
    }


def quote(price: Quote, exit_code: int) -> dict[str, Any]:
    """Return the document of a price; amounts are integer micro-USD."""
    return {**price.model_dump(mode="json"), "exit_code": exit_code}


def routes(loaded: LoadedStoryboard, decisions: Sequence[RouteDecision], exit_code: int) -> dict[str, Any]:
    """Return the document of a storyboard's routes."""
    return {
        "storyboard": loaded.storyboard.id,
        "shots": [each.model_dump(mode="json") for each in decisions],
        "exit_code": exit_code,
    }
