"""JSON documents of what was enqueued and of what was done to a cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.production.resolve import Resolved
from pipeline.production.status import CutStatus
from pipeline.production.submit import Receipt


def receipts(given: Sequence[Receipt], waiting: str) -> dict[str, Any]:
    """Return the document of a submission; ``waiting`` says why nothing was sent, empty if it was."""
    return {
        "cuts": [
            {
                "cut": each.cut_id,
                "storyboard": each.storyboard,
                "stage": str(each.stage),
                "state": str(each.state),
                "shots": each.shots,
                "existed": each.existed,
                "campaign": each.campaign or None,
                "expected_micro_usd": each.quoted.quote.expected_micro_usd,
                "worst_micro_usd": each.quoted.quote.worst_micro_usd,
            }
            for each in given
        ],
        "waiting": waiting,
    }


def resolved(word: Resolved) -> dict[str, Any]:
    """Return the document of what became of a take that a person settled."""
    return {
        "take": word.take.take_id,
        "cut": word.take.cut_id,
        "shot": word.take.shot,
        "held_micro_usd": word.take.held_micro_usd,
        "charged_micro_usd": word.charged_micro_usd,
        "retry": word.retry,
    }


def steered(cut: CutStatus, done: str, shots: int, waiting: str) -> dict[str, Any]:
    """Return the document of what was done to a cut."""
    return {
        "cut": cut.id,
        "done": done,
        "shots": shots,
        "state": str(cut.state),
        "paused": cut.paused,
        "in_flight": cut.in_flight,
        "waiting": waiting,
    }
