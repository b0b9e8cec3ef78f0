"""What happens next: pure functions from what is known of a shot or a cut to actions.

They read no clock, no database and no random source; the same view gives the same actions, so that
they may be asked again after a crash, by two workers at once, or after a duplicate message.
A round is everything between two retries by a person; caps count within a round. An edition is one
way in which a cut's films were put together; it grows when a finished or stopped cut goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.production.states import (
    ENDED_TAKES,
    OPEN_STEPS,
    RESTING_CUTS,
    CutState,
    JobPhase,
    ShotState,
    StepKind,
    StepState,
    TakeState,
)


@dataclass(frozen=True, slots=True)
class TakeView:
    """What deciding needs to know of a take."""

    id: str
    candidate: int
    attempt: int
    state: TakeState
    clip: str | None = None
    reason: str = ""
    counts: bool = True
    """Whether it uses up one of the shot's attempts: something was generated, or might have been."""
    job: JobPhase | None = None
    """Where its job stands, if a provider is asked for it."""


@dataclass(frozen=True, slots=True)
class ShotView:
    """What deciding needs to know of a shot.

    Attributes:
        id: Database id.
        key: Id in the storyboard.
        state: Present state.
        round: How many times a person has sent it back.
        candidates: Accepted takes wanted.
        max_attempts: Takes per candidate and round.
        waits_for: Whether the shot that it continues has no accepted take yet.
        abandoned: Whether the shot that it continues has no accepted take and isn't making one.
        takes: Takes of this round.
        accepted: Id of the accepted take, if one is.
        source: Content hash of what is conformed: the accepted clip, or the placeholder's.
        formats: Formats that the cut needs.
        conformed: Formats in which ``source`` is conformed.
        placeholder: Whether a placeholder stands for it.
        steps: State of each of its steps of this round, by key.
        errors: Error of each dead step, by key.
    """

    id: str
    key: str
    state: ShotState
    round: int = 0
    candidates: int = 1
    max_attempts: int = 3
    waits_for: bool = False
    abandoned: bool = False
    takes: tuple[TakeView, ...] = ()
    accepted: str | None = None
    source: str | None = None
    formats: tuple[str, ...] = ()
    conformed: frozenset[str] = frozenset()
    placeholder: bool = False
    steps: Mapping[str, StepState] = field(default_factory=dict[str, StepState])
    errors: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class CutView:
    """What deciding needs to know of a cut.

    Attributes:
        id: Database id.
        state: Present state.
        edition: Which putting-together this is.
        shots: Number of shots in each state.
        deliverables: Names of the films to make.
        stitched: Names of the films of this edition that are made.
        steps: State of the cut's own steps of this edition, by key.
        errors: Error of each dead step, by key.
    """

    id: str
    state: CutState
    edition: int = 1
    shots: Mapping[ShotState, int] = field(default_factory=dict[ShotState, int])
    deliverables: tuple[str, ...] = ()
    stitched: frozenset[str] = frozenset()
    steps: Mapping[str, StepState] = field(default_factory=dict[str, StepState])
    errors: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class OpenStep:
    """Make a step, unless one of that key is there."""

    kind: StepKind
    key: str
    shot_id: str | None = None
    take_id: str | None = None
    payload: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class MoveShot:
    """Bring a shot into another state."""

    shot_id: str
    to: ShotState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChooseTake:
    """Make an accepted take the shot's own."""

    shot_id: str
    take_id: str


@dataclass(frozen=True, slots=True)
class FailTake:
    """Give a take up, for its step is dead."""

    take_id: str
    to: TakeState
    reason: str


@dataclass(frozen=True, slots=True)
class DoubtTake:
    """Let the job of a take be looked for: whoever asked for it is gone."""

    take_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class MoveCut:
    """Bring a cut into another state."""

    to: CutState
    reason: str = ""


_OVER = (*ENDED_TAKES, TakeState.UNKNOWN)
"""Takes that nothing is under way for. One whose outcome is unknown may be paid for: only a person's retry goes on."""

_UNCOUNTED_AT_MOST = 5
"""So many takes that were neither made nor charged are tried beyond the shot's attempts."""

Action = OpenStep | MoveShot | ChooseTake | FailTake | DoubtTake | MoveCut


def generate_key(shot_id: str, round_: int, candidate: int, attempt: int) -> str:
    """Return the key of the step, and so the intent, of one attempt."""
    return f"generate:{shot_id}:{round_}:{candidate}:{attempt}"


def generate_step(shot_id: str, round_: int, candidate: int, attempt: int) -> OpenStep:
    """Return the step that generates one attempt."""
    key = generate_key(shot_id, round_, candidate, attempt)
    return OpenStep(StepKind.GENERATE, key, shot_id, payload=(("candidate", candidate), ("attempt", attempt)))


def conform_key(shot_id: str, round_: int, source: str, format_: str) -> str:
    """Return the key of the step that brings one source into one format."""
    return f"conform:{shot_id}:{round_}:{source[:16]}:{format_[:16]}"


def decide_shot(shot: ShotView) -> tuple[Action, ...]:
    """Return what has to happen to a shot next; nothing when it waits for something under way."""
    match shot.state:
        case ShotState.WAITING:
            return _decide_waiting(shot)
        case ShotState.GENERATING:
            return _decide_generating(shot)
        case ShotState.ACCEPTED:
            return _decide_accepted(shot)
        case ShotState.READY | ShotState.NEEDS_ATTENTION | ShotState.CANCELLED:
            return ()


def _decide_waiting(shot: ShotView) -> tuple[Action, ...]:
    if shot.abandoned:
        reason = "The shot that it continues has no accepted take; retry that one first."
        return (MoveShot(shot.id, ShotState.NEEDS_ATTENTION, reason),)
    if shot.waits_for:
        return ()
    return (MoveShot(shot.id, ShotState.GENERATING),)


def _decide_generating(shot: ShotView) -> tuple[Action, ...]:
    actions: list[Action] = []
    exhausted: list[str] = []
    accepted: list[TakeView] = []
    waiting = False
    for candidate in range(shot.candidates):
        takes = sorted((take for take in shot.takes if take.candidate == candidate), key=lambda take: take.attempt)
        step = _next_for_candidate(shot, candidate, takes)
        if step is not None:
            actions.extend(step)
            waiting = True
        elif takes and takes[-1].state is TakeState.ACCEPTED:
            accepted.append(takes[-1])
        elif (takes and takes[-1].state not in _OVER) or _is_open(shot, candidate, takes):
            waiting = True
        else:
            exhausted.append(_why_exhausted(shot, candidate, takes))
    if waiting:
        return tuple(actions)
    if accepted:
        return (ChooseTake(shot.id, accepted[0].id), MoveShot(shot.id, ShotState.ACCEPTED))
    return (MoveShot(shot.id, ShotState.NEEDS_ATTENTION, exhausted[0]),)


def _is_open(shot: ShotView, candidate: int, takes: list[TakeView]) -> bool:
    """Return whether a step that generates the candidate is open, whether or not it has its take yet."""
    attempts = range(max(shot.max_attempts, len(takes)) + 1)
    return any(shot.steps.get(generate_key(shot.id, shot.round, candidate, each)) in OPEN_STEPS for each in attempts)


def _may_try_again(shot: ShotView, takes: list[TakeView]) -> bool:
    """Return whether another attempt is allowed: what was neither made nor charged counts only when it never ends."""
    used = sum(take.counts for take in takes)
    return used < shot.max_attempts and len(takes) < shot.max_attempts + _UNCOUNTED_AT_MOST


def _next_for_candidate(shot: ShotView, candidate: int, takes: list[TakeView]) -> tuple[Action, ...] | None:
    """Return the next actions for one candidate, or ``None`` if there is nothing to start."""
    last = takes[-1] if takes else None
    attempt = last.attempt if last else -1
    if last is None or (last.state in (TakeState.REJECTED, TakeState.FAILED) and _may_try_again(shot, takes)):
        key = generate_key(shot.id, shot.round, candidate, attempt + 1)
        return None if key in shot.steps else (generate_step(shot.id, shot.round, candidate, attempt + 1),)
    if last.state is TakeState.GENERATED:
        key = f"check:{last.id}"
        if key not in shot.steps:
            return (OpenStep(StepKind.CHECK, key, shot.id, last.id),)
        return _give_up(shot, last, key, TakeState.REJECTED, "It could not be checked")
    if last.state in (TakeState.PLANNED, TakeState.GENERATING):
        key = generate_key(shot.id, shot.round, candidate, attempt)
        if last.job in (None, JobPhase.WAITING):
            return _give_up(shot, last, key, TakeState.FAILED, "Generating failed for good")
        if last.job is JobPhase.ASKING and shot.steps.get(key) not in OPEN_STEPS:
            return (DoubtTake(last.id, f"Who asked for it was lost: {shot.errors.get(key, 'no error is known')}"),)
    return None


def _give_up(shot: ShotView, take: TakeView, key: str, to: TakeState, what: str) -> tuple[Action, ...] | None:
    """Give a take up if its step is dead."""
    if shot.steps.get(key) is not StepState.DEAD:
        return None
    return (FailTake(take.id, to, f"{what}: {shot.errors.get(key, 'unknown error')}"),)


def _why_exhausted(shot: ShotView, candidate: int, takes: list[TakeView]) -> str:
    if takes and takes[-1].state is TakeState.UNKNOWN:
        why = f" ({takes[-1].reason})" if takes[-1].reason else ""
        return (
            f"The outcome of attempt {takes[-1].attempt + 1} is unknown{why}: it may have been generated and charged, "
            "so nothing is asked for again by itself and its price stays reserved. See what the provider says of it, "
            f"then `dailies resolve {takes[-1].id} --charged` or `--not-charged`, and retry the shot."
        )
    attempt = takes[-1].attempt + 1 if takes else 0
    error = shot.errors.get(generate_key(shot.id, shot.round, candidate, attempt))
    if error is None and not takes:
        error = "its step ended without a take"
    if error is not None:
        return error
    tries = f"{len(takes)} take{'s' if len(takes) != 1 else ''}"
    return f"No acceptable take after {tries}; the last one: {takes[-1].reason}"


def _decide_accepted(shot: ShotView) -> tuple[Action, ...]:
    if shot.source is None:
        return ()
    missing = [format_ for format_ in shot.formats if format_ not in shot.conformed]
    if not missing:
        return (MoveShot(shot.id, ShotState.READY),)
    actions: list[Action] = []
    for format_ in missing:
        key = conform_key(shot.id, shot.round, shot.source, format_)
        state = shot.steps.get(key)
        if state is StepState.DEAD:
            reason = f"The accepted take could not be conformed: {shot.errors.get(key, 'unknown error')}"
            return (MoveShot(shot.id, ShotState.NEEDS_ATTENTION, reason),)
        if state is None:
            take = None if shot.placeholder else shot.accepted
            payload = (("format", format_), ("source", shot.source))
            actions.append(OpenStep(StepKind.CONFORM, key, shot.id, take, payload))
    return tuple(actions)


def decide_cut(cut: CutView) -> tuple[Action, ...]:
    """Return what has to happen to a cut next, given how many shots are in which state."""
    if cut.state in RESTING_CUTS:
        return ()
    match cut.state:
        case CutState.GENERATING:
            return _decide_cut_generating(cut)
        case CutState.MATCHING:
            return _after_step(cut, StepKind.MATCH, CutState.STITCHING)
        case CutState.STITCHING:
            return _decide_cut_stitching(cut)
        case _:
            return _after_step(cut, StepKind.DELIVER, CutState.DELIVERED)


def _decide_cut_generating(cut: CutView) -> tuple[Action, ...]:
    working = (ShotState.WAITING, ShotState.GENERATING, ShotState.ACCEPTED)
    if any(cut.shots.get(state, 0) for state in working):
        return ()
    stuck, stopped = cut.shots.get(ShotState.NEEDS_ATTENTION, 0), cut.shots.get(ShotState.CANCELLED, 0)
    if stuck or stopped:
        total = sum(cut.shots.values())
        parts = [f"{stuck} need{'s' if stuck == 1 else ''} attention"] if stuck else []
        parts += [f"{stopped} {'is' if stopped == 1 else 'are'} cancelled"] if stopped else []
        reason = f"Of {total} shots, {' and '.join(parts)}."
        return (MoveCut(CutState.NEEDS_ATTENTION, reason),)
    return (MoveCut(CutState.MATCHING),)


def cut_step_key(cut: CutView, kind: StepKind, name: str = "") -> str:
    """Return the key of one of the cut's own steps in its present edition."""
    return f"{kind}:{cut.id}:{cut.edition}" + (f":{name}" if name else "")


def _after_step(cut: CutView, kind: StepKind, then: CutState) -> tuple[Action, ...]:
    key = cut_step_key(cut, kind)
    match cut.steps.get(key):
        case None:
            return (OpenStep(kind, key),)
        case StepState.DONE:
            return (MoveCut(then),)
        case StepState.DEAD:
            reason = f"The {kind} step failed for good: {cut.errors.get(key, 'unknown error')}"
            return (MoveCut(CutState.NEEDS_ATTENTION, reason),)
        case _:
            return ()


def _decide_cut_stitching(cut: CutView) -> tuple[Action, ...]:
    actions: list[Action] = []
    for name in cut.deliverables:
        key = cut_step_key(cut, StepKind.STITCH, name)
        if cut.steps.get(key) is StepState.DEAD:
            reason = f"{name} could not be stitched: {cut.errors.get(key, 'unknown error')}"
            return (MoveCut(CutState.NEEDS_ATTENTION, reason),)
        if key not in cut.steps:
            actions.append(OpenStep(StepKind.STITCH, key, payload=(("deliverable", name),)))
    if not actions and all(name in cut.stitched for name in cut.deliverables):
        return (MoveCut(CutState.DELIVERING),)
    return tuple(actions)
