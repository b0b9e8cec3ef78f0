"""States of cut, shot, take and step, and the only moves between them.

The database refuses unknown states; :func:`require_move` refuses unknown moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pipeline.errors import IllegalTransition, Trouble


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
    """The intent is committed; nothing was asked of an engine."""
    GENERATING = "generating"
    """Its price is reserved, and an engine is asked or works on it."""
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


class JobPhase(StrEnum):
    """Where a take stands that is asked of a provider (docs/adr/0006)."""

    WAITING = "waiting"
    """Nothing was asked, or the provider did not accept it."""
    ASKING = "asking"
    """The create call is under way, or its caller died in it."""
    UNSURE = "unsure"
    """The answer is lost; it is looked for."""
    RUNNING = "running"
    """The provider has it."""
    HELD = "held"
    """Possibly spent, and nobody can find out by himself."""
    ENDED = "ended"
    """The outcome is known and settled."""


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
    # Back to generating: a job that was given up came to an end after all.
    ShotState.NEEDS_ATTENTION: frozenset(
        {ShotState.WAITING, ShotState.GENERATING, ShotState.ACCEPTED, ShotState.CANCELLED}
    ),
    ShotState.CANCELLED: frozenset({ShotState.WAITING, ShotState.ACCEPTED}),
}
_TAKE: Mapping[TakeState, frozenset[TakeState]] = {
    TakeState.PLANNED: frozenset(
        {TakeState.GENERATING, TakeState.GENERATED, TakeState.ACCEPTED, TakeState.FAILED, TakeState.CANCELLED}
    ),
    TakeState.GENERATING: frozenset(
        {TakeState.GENERATED, TakeState.FAILED, TakeState.UNKNOWN, TakeState.CANCELLED, TakeState.PLANNED}
    ),
    TakeState.UNKNOWN: frozenset({TakeState.GENERATED, TakeState.FAILED, TakeState.CANCELLED, TakeState.GENERATING}),
    TakeState.GENERATED: frozenset({TakeState.ACCEPTED, TakeState.REJECTED, TakeState.CANCELLED}),
    TakeState.ACCEPTED: frozenset(),
    TakeState.REJECTED: frozenset(),
    TakeState.FAILED: frozenset(),
    TakeState.CANCELLED: frozenset(),
}
_JOB: Mapping[JobPhase, frozenset[JobPhase]] = {
    JobPhase.WAITING: frozenset({JobPhase.ASKING, JobPhase.ENDED}),
    JobPhase.ASKING: frozenset({JobPhase.WAITING, JobPhase.UNSURE, JobPhase.RUNNING, JobPhase.ENDED}),
    JobPhase.UNSURE: frozenset({JobPhase.RUNNING, JobPhase.HELD, JobPhase.ENDED}),
    JobPhase.RUNNING: frozenset({JobPhase.HELD, JobPhase.ENDED}),
    JobPhase.HELD: frozenset({JobPhase.RUNNING, JobPhase.ENDED}),
    # A caller that was frozen may come back with the provider's id of a job that was taken for never accepted.
    JobPhase.ENDED: frozenset({JobPhase.RUNNING}),
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
    JobPhase: _JOB,
    StepState: _STEP,
}
"""Every state machine: its states, and where each may go."""

IN_FLIGHT = (JobPhase.ASKING, JobPhase.UNSURE, JobPhase.RUNNING)
"""Jobs that use a slot of their provider's limits, and that somebody looks after."""
OPEN_STEPS = (StepState.DUE, StepState.PUBLISHED, StepState.RUNNING)
ENDED_TAKES = (TakeState.ACCEPTED, TakeState.REJECTED, TakeState.FAILED, TakeState.CANCELLED)
USELESS_AGAIN = (Trouble.REFUSED, Trouble.INVALID, Trouble.OUT_OF_FUNDS, Trouble.RETIRED)
"""Troubles after which the same model is not asked again for the same shot in the same round."""
UNCOUNTED = (Trouble.TRANSIENT,)
"""Troubles in which nothing was generated and nothing charged: no attempt."""
RESTING_CUTS = (CutState.DELIVERED, CutState.NEEDS_ATTENTION, CutState.CANCELLED)
"""Cuts in which nothing happens until a person says so."""


def require_move(before: StrEnum, after: StrEnum) -> None:
    """Refuse a move that the table does not have.

    Raises:
        IllegalTransition: Naming the machine and both states.
    """
    if after not in MOVES[type(before)][before]:
        machine = type(before).__name__.removesuffix("State").removesuffix("Phase").lower()
        raise IllegalTransition(f"a {machine} can't go from {before} to {after}.")
