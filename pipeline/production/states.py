"""States of cut, shot, take and step, and the only moves between them.

The database refuses unknown states; :func:`require_move` refuses unknown moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pipeline.errors import IllegalTransition


class CutState(StrEnum):
    """Where a cut stands."""

    GENERATING = "generating"
    """Shots are being made."""
    MATCHING = "matching"
    """Every shot is ready; their takes are compared."""
    STITCHING = "stitching"
    """The films are put together."""
    DELIVERING = "delivering"
    """The films are stored and verified."""
    DELIVERED = "delivered"
    """Every file is where it was asked for, and verified."""
    NEEDS_ATTENTION = "needs_attention"
    """A person has to decide: nothing runs any more."""
    CANCELLED = "cancelled"
    """A person stopped it."""


class ShotState(StrEnum):
    """Where a shot stands."""

    WAITING = "waiting"
    """It continues a shot that has no accepted take yet."""
    GENERATING = "generating"
    """Takes are being generated and checked."""
    ACCEPTED = "accepted"
    """It has an accepted take (or a placeholder), which is being conformed."""
    READY = "ready"
    """It is conformed in every format of the cut."""
    NEEDS_ATTENTION = "needs_attention"
    """Its attempts or its money are used up, or a take's outcome is unknown; ``reason`` says which."""
    CANCELLED = "cancelled"
    """The cut was cancelled."""


class TakeState(StrEnum):
    """Where a take stands."""

    PLANNED = "planned"
    """The intent is committed and its price reserved; nothing was asked of an engine."""
    GENERATING = "generating"
    """An engine works on it."""
    UNKNOWN = "unknown"
    """An engine was asked and the answer is lost: possibly spent, never asked again by itself."""
    GENERATED = "generated"
    """The clip is stored; the gate has not judged it."""
    ACCEPTED = "accepted"
    """It passed the gate."""
    REJECTED = "rejected"
    """It did not pass the gate; ``reason`` says why."""
    FAILED = "failed"
    """The engine could not make it."""
    CANCELLED = "cancelled"
    """The cut was cancelled before it was generated."""


class StepState(StrEnum):
    """Where a step stands (the design's five)."""

    DUE = "due"
    """It is to be published, at ``not_before`` or later."""
    PUBLISHED = "published"
    """A message was sent; nobody has claimed it."""
    RUNNING = "running"
    """A worker holds the lease."""
    DONE = "done"
    """Its effect is committed."""
    DEAD = "dead"
    """It failed for good or was cancelled; ``error`` says why."""


class StepKind(StrEnum):
    """What a step does."""

    GENERATE = "generate"
    CHECK = "check"
    CONFORM = "conform"
    MATCH = "match"
    STITCH = "stitch"
    DELIVER = "deliver"


_CUT: Mapping[CutState, frozenset[CutState]] = {
    CutState.GENERATING: frozenset({CutState.MATCHING, CutState.NEEDS_ATTENTION, CutState.CANCELLED}),
    CutState.MATCHING: frozenset({CutState.STITCHING, CutState.NEEDS_ATTENTION, CutState.CANCELLED}),
    CutState.STITCHING: frozenset({CutState.DELIVERING, CutState.NEEDS_ATTENTION, CutState.CANCELLED}),
    CutState.DELIVERING: frozenset({CutState.DELIVERED, CutState.NEEDS_ATTENTION, CutState.CANCELLED}),
    CutState.NEEDS_ATTENTION: frozenset({CutState.GENERATING, CutState.CANCELLED}),
    CutState.DELIVERED: frozenset({CutState.GENERATING}),
    CutState.CANCELLED: frozenset({CutState.GENERATING}),
}
_SHOT: Mapping[ShotState, frozenset[ShotState]] = {
    ShotState.WAITING: frozenset(
        {ShotState.GENERATING, ShotState.ACCEPTED, ShotState.NEEDS_ATTENTION, ShotState.CANCELLED}
    ),
    ShotState.GENERATING: frozenset({ShotState.ACCEPTED, ShotState.NEEDS_ATTENTION, ShotState.CANCELLED}),
    ShotState.ACCEPTED: frozenset({ShotState.READY, ShotState.NEEDS_ATTENTION, ShotState.CANCELLED, ShotState.WAITING}),
    ShotState.READY: frozenset({ShotState.WAITING, ShotState.CANCELLED}),
    ShotState.NEEDS_ATTENTION: frozenset({ShotState.WAITING, ShotState.ACCEPTED, ShotState.CANCELLED}),
    ShotState.CANCELLED: frozenset({ShotState.WAITING, ShotState.ACCEPTED}),
}
_TAKE: Mapping[TakeState, frozenset[TakeState]] = {
    TakeState.PLANNED: frozenset(
        {TakeState.GENERATING, TakeState.GENERATED, TakeState.ACCEPTED, TakeState.FAILED, TakeState.CANCELLED}
    ),
    TakeState.GENERATING: frozenset({TakeState.GENERATED, TakeState.FAILED, TakeState.UNKNOWN, TakeState.CANCELLED}),
    TakeState.UNKNOWN: frozenset({TakeState.GENERATED, TakeState.FAILED}),
    TakeState.GENERATED: frozenset({TakeState.ACCEPTED, TakeState.REJECTED, TakeState.CANCELLED}),
    TakeState.ACCEPTED: frozenset(),
    TakeState.REJECTED: frozenset(),
    TakeState.FAILED: frozenset(),
    TakeState.CANCELLED: frozenset(),
}
_STEP: Mapping[StepState, frozenset[StepState]] = {
    StepState.DUE: frozenset({StepState.PUBLISHED, StepState.RUNNING, StepState.DEAD}),
    StepState.PUBLISHED: frozenset({StepState.DUE, StepState.RUNNING, StepState.DEAD}),
    StepState.RUNNING: frozenset({StepState.DUE, StepState.DONE, StepState.DEAD}),
    StepState.DONE: frozenset(),
    StepState.DEAD: frozenset(),
}

MOVES: Mapping[type[StrEnum], Mapping[Any, frozenset[Any]]] = {
    CutState: _CUT,
    ShotState: _SHOT,
    TakeState: _TAKE,
    StepState: _STEP,
}
"""Every state machine: its states, and where each may go."""

OPEN_STEPS = (StepState.DUE, StepState.PUBLISHED, StepState.RUNNING)
ENDED_TAKES = (TakeState.ACCEPTED, TakeState.REJECTED, TakeState.FAILED, TakeState.CANCELLED)
RESTING_CUTS = (CutState.DELIVERED, CutState.NEEDS_ATTENTION, CutState.CANCELLED)
"""Cuts in which nothing happens until a person says so."""


def require_move(before: StrEnum, after: StrEnum) -> None:
    """Refuse a move that the table does not have.

    Raises:
        IllegalTransition: Naming the machine and both states.
    """
    if after not in MOVES[type(before)][before]:
        raise IllegalTransition(
            f"a {type(before).__name__.removesuffix('State').lower()} can't go from {before} to {after}."
        )
