"""The rows of a new step, built in one place for a single step and for thousands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.production.decide import OpenStep
from pipeline.production.states import StepKind, StepState

_QUEUES = {
    StepKind.CHECK: "check",
    StepKind.CONFORM: "media",
    StepKind.MATCH: "check",
    StepKind.STITCH: "media",
    StepKind.DELIVER: "deliver",
}


def step_values(
    action: OpenStep,
    *,
    step_id: str,
    cut_id: str,
    board: str,
    shot: str | None,
    tier: str,
    priority: int,
    now: datetime,
    not_before: datetime | None,
    paused: bool,
) -> dict[str, Any]:
    """Return the columns of a new step.

    It counts as published at once, for its message goes out with the commit; a paused cut's, or one whose
    time has not come, is due.

    Args:
        action: What was decided.
        step_id: The new row's id.
        cut_id: The cut.
        board: The storyboard's own id, for people.
        shot: The shot's key, for people; ``None`` for a step of the whole cut.
        tier: Queue of generation: the shot's tier at the cut's stage.
        priority: 0 is served first.
        now: The present moment.
        not_before: The cut's own start, if it has one.
        paused: Whether the cut is paused.
    """
    waits = paused or (not_before is not None and not_before > now)
    return {
        "id": step_id,
        "cut_id": cut_id,
        "shot_id": action.shot_id,
        "take_id": action.take_id,
        "kind": action.kind.value,
        "key": action.key,
        "label": step_label(board, shot, action),
        "queue": _QUEUES.get(action.kind, tier),
        "priority": priority,
        "payload": dict(action.payload),
        "state": StepState.DUE.value if waits else StepState.PUBLISHED.value,
        "not_before": not_before if waits and not_before is not None else now,
        "published_at": None if waits else now,
    }


def step_label(board: str, shot: str | None, action: OpenStep) -> str:
    """Return what a person reads in Flower, such as ``lighthouse/s03 attempt 2``."""
    payload = dict(action.payload)
    words = [f"{board}/{shot}" if shot else board]
    if "attempt" in payload:
        words.append(f"attempt {int(payload['attempt']) + 1}")
        if payload.get("candidate"):
            words.append(f"candidate {int(payload['candidate']) + 1}")
    if "deliverable" in payload:
        words.append(str(payload["deliverable"]))
    return " ".join(words)[:300]
