"""Where cuts stand, as plain values for every door: the command line, JSON, later the web page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pipeline.production.boards import board_of
from pipeline.production.money import committed, spent
from pipeline.production.resolve import UnknownTake, unknown_takes
from pipeline.production.states import IN_FLIGHT, CutState, ShotState, StepState
from pipeline.production.steer import find_cut
from pipeline.production.studio import Studio
from pipeline.production.views import shots_of
from pipeline.store.tables import (
    CutRow,
    DeliverableRow,
    JobRow,
    LaneRow,
    LedgerRow,
    ShotRow,
    StepRow,
    StoryboardRow,
    TakeRow,
)
from pipeline.units import MicroUsd


@dataclass(frozen=True, slots=True)
class TakeStatus:
    """One take, with everything that was decided about it."""

    id: str
    number: int
    state: str
    model: str
    seed: int
    candidate: int
    attempt: int
    round: int
    price_micro_usd: int
    charged_micro_usd: int
    adopted_from: str | None
    reason: str
    clip_sha256: str | None
    routing: dict[str, Any]
    verdict: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ShotStatus:
    """One shot."""

    key: str
    state: ShotState
    tier: str
    progress: float
    doing: str
    reason: str
    remedy: str
    placeholder: bool
    accepted_take: str | None
    takes: tuple[TakeStatus, ...]


@dataclass(frozen=True, slots=True)
class FilmStatus:
    """One deliverable of the cut's present edition."""

    name: str
    frames: int
    duration_s: float
    loudness_lufs: float | None
    files: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class CutStatus:
    """One cut.

    Attributes:
        id: Its id.
        storyboard: The storyboard's own id.
        title: Its title.
        stage: What it is for.
        state: Where it stands.
        paused: Whether it is paused.
        reason: Why it stands still.
        remedy: The command that helps.
        counts: Number of shots in each state.
        progress: Share of the work that is done, 0 to 1, by steps.
        spent_micro_usd: What was charged.
        reserved_micro_usd: What is reserved and not yet charged or released.
        budget_micro_usd: What it may cost.
        takes: Number of takes generated (adopted ones left out).
        adopted: Number of takes adopted from earlier cuts.
        created_at: When it was submitted.
        finished_at: When it came to rest.
        shots: Its shots; empty in a list.
        films: Its deliverables; empty in a list.
        consistency: Report of the consistency check; empty in a list.
        unknown: Takes whose outcome is unknown; empty in a list.
        in_flight: Number of takes in the hands of providers.
    """

    id: str
    storyboard: str
    title: str
    stage: str
    state: CutState
    paused: bool
    reason: str
    remedy: str
    counts: dict[str, int]
    progress: float
    spent_micro_usd: MicroUsd
    reserved_micro_usd: MicroUsd
    budget_micro_usd: int | None
    takes: int
    adopted: int
    created_at: datetime
    finished_at: datetime | None
    shots: tuple[ShotStatus, ...] = ()
    films: tuple[FilmStatus, ...] = ()
    consistency: dict[str, Any] | None = None
    unknown: tuple[UnknownTake, ...] = ()
    in_flight: int = 0


def cut_status(studio: Studio, cut_id: str) -> CutStatus:
    """Return where a cut stands, with its shots, takes and films.

    Raises:
        UnknownId: If there is no such cut.
    """
    with studio.database.read() as session:
        cut = find_cut(session, cut_id)
        return _status(session, cut, whole=True)


def list_cuts(studio: Studio, limit: int = 50) -> list[CutStatus]:
    """Return where the newest cuts stand, newest first, without their shots."""
    with studio.database.read() as session:
        cuts = session.scalars(select(CutRow).order_by(CutRow.created_at.desc()).limit(limit)).all()
        return [_status(session, cut, whole=False) for cut in cuts]


def submitted_cut(studio: Studio, content_hash: str, stage: str) -> CutStatus | None:
    """Return the cut that submitting a storyboard would go on with, ``None`` if it would be a new one."""
    with studio.database.read() as session:
        cut = session.scalars(
            select(CutRow)
            .join(StoryboardRow, StoryboardRow.id == CutRow.storyboard_id)
            .where(StoryboardRow.content_hash == content_hash, CutRow.stage == stage)
        ).one_or_none()
        return None if cut is None else _status(session, cut, whole=True)


def _status(session: Session, cut: CutRow, *, whole: bool) -> CutStatus:
    storyboard = session.get_one(StoryboardRow, cut.storyboard_id)
    counts = [
        (state, count)
        for state, count in session.execute(
            select(ShotRow.state, func.count()).where(ShotRow.cut_id == cut.id).group_by(ShotRow.state)
        )
    ]
    takes, adopted = session.execute(
        select(func.count(), func.count(TakeRow.source_take_id)).where(TakeRow.cut_id == cut.id)
    ).one()
    of_cut = LedgerRow.cut_id == cut.id
    charged = spent(session, of_cut)
    return CutStatus(
        id=cut.id,
        storyboard=storyboard.key,
        title=storyboard.title,
        stage=cut.stage,
        state=CutState(cut.state),
        paused=cut.paused,
        reason=cut.reason or (_troubles(session, cut).get(None, "") if whole else ""),
        remedy=_remedy(cut),
        counts=dict(counts),
        progress=_progress(session, cut, {ShotState(state): count for state, count in counts}),
        spent_micro_usd=charged,
        reserved_micro_usd=MicroUsd(committed(session, of_cut) - charged),
        budget_micro_usd=cut.budget_micro_usd,
        takes=takes - adopted,
        adopted=adopted,
        created_at=cut.created_at,
        finished_at=cut.finished_at,
        shots=_shots(session, cut) if whole else (),
        films=_films(session, cut) if whole else (),
        consistency=cut.consistency if whole else None,
        unknown=unknown_takes(session, cut.id) if whole else (),
        in_flight=_in_flight(session, cut),
    )


def _remedy(cut: CutRow) -> str:
    if cut.paused:
        return f"dailies resume {cut.id}"
    if cut.state in (CutState.NEEDS_ATTENTION, CutState.CANCELLED):
        return f"dailies retry {cut.id}"
    return ""


_SHARE = {
    ShotState.WAITING: 0.0,
    ShotState.GENERATING: 0.1,
    ShotState.ACCEPTED: 0.7,
    ShotState.READY: 1.0,
    ShotState.NEEDS_ATTENTION: 1.0,
    ShotState.CANCELLED: 1.0,
}
_CUT_SHARE = {
    CutState.MATCHING: 0.85,
    CutState.STITCHING: 0.87,
    CutState.DELIVERING: 0.97,
    CutState.DELIVERED: 1.0,
}


def _progress(session: Session, cut: CutRow, counts: dict[ShotState, int]) -> float:
    """Return the share that is done: shots are 85% of it, by where they stand; a picture, not a forecast."""
    if cut.state != CutState.GENERATING:
        return _CUT_SHARE.get(CutState(cut.state), 0.0)
    total = sum(counts.values()) or 1
    running = session.execute(
        select(func.sum(StepRow.progress)).where(
            StepRow.cut_id == cut.id, StepRow.kind == "generate", StepRow.state == StepState.RUNNING
        )
    ).scalar()
    done = sum(_SHARE[state] * count for state, count in counts.items()) + 0.5 * float(running or 0)
    return 0.85 * min(1.0, done / total)


def _in_flight(session: Session, cut: CutRow) -> int:
    wanted = select(func.count()).where(JobRow.cut_id == cut.id, JobRow.state.in_(IN_FLIGHT))
    return session.scalar(wanted) or 0


def _shots(session: Session, cut: CutRow) -> tuple[ShotStatus, ...]:
    by_shot: dict[str, list[TakeRow]] = {}
    for take in session.scalars(select(TakeRow).where(TakeRow.cut_id == cut.id).order_by(TakeRow.number)):
        by_shot.setdefault(take.shot_id, []).append(take)
    running = {
        row.shot_id: row
        for row in session.scalars(select(StepRow).where(StepRow.cut_id == cut.id, StepRow.state == StepState.RUNNING))
    }
    at_providers = (
        select(TakeRow.shot_id, func.max(JobRow.progress))
        .join(JobRow, JobRow.take_id == TakeRow.id)
        .where(TakeRow.cut_id == cut.id, JobRow.state.in_(IN_FLIGHT))
        .group_by(TakeRow.shot_id)
    )
    in_flight: dict[str, float] = {shot_id: float(share) for shot_id, share in session.execute(at_providers)}
    troubles = _troubles(session, cut)
    return tuple(
        _shot(
            cut,
            shot,
            by_shot.get(shot.id, []),
            _doing(running.get(shot.id), in_flight.get(shot.id)),
            troubles.get(shot.id, ""),
        )
        for shot in shots_of(session, cut.id)
    )


def _doing(step: StepRow | None, in_flight: float | None) -> tuple[str, float]:
    """Return what is being done for a shot, and how far it is: by a worker, or at a provider."""
    if step is not None:
        return step.kind, step.progress
    return ("in flight", in_flight) if in_flight is not None else ("", 0.0)


def _troubles(session: Session, cut: CutRow) -> dict[str | None, str]:
    """Return why steps wait to be tried again, by shot; under ``None`` for the cut's own."""
    waiting = select(StepRow.shot_id, StepRow.error).where(
        StepRow.cut_id == cut.id, StepRow.state.in_((StepState.DUE, StepState.PUBLISHED)), StepRow.error != ""
    )
    found: dict[str | None, str] = {
        shot_id: f"Will be tried again: {error}" for shot_id, error in session.execute(waiting)
    }
    parked = select(StepRow.shot_id, StepRow.waiting_for).where(
        StepRow.cut_id == cut.id, StepRow.state == StepState.DUE, StepRow.waiting_for.is_not(None)
    )
    lanes = {lane.engine: lane for lane in session.scalars(select(LaneRow))}
    for shot_id, model in session.execute(parked):
        lane = lanes.get((model or "").split("/", 1)[0])
        why = f" ({lane.reason})" if lane is not None and lane.reason else ""
        found[shot_id] = f"Waits for its turn at {model}{why}"
    return found


def _shot(cut: CutRow, shot: ShotRow, takes: Sequence[TakeRow], doing: tuple[str, float], trouble: str) -> ShotStatus:
    stuck = shot.state in (ShotState.NEEDS_ATTENTION, ShotState.CANCELLED)
    return ShotStatus(
        key=shot.key,
        state=ShotState(shot.state),
        tier=shot.tier,
        progress=doing[1],
        doing=doing[0],
        reason=shot.reason or trouble,
        remedy=f"dailies retry {cut.id} --shot {shot.key}" if stuck else "",
        placeholder=shot.placeholder,
        accepted_take=shot.accepted_take_id,
        takes=tuple(_take(take) for take in takes),
    )


def _take(take: TakeRow) -> TakeStatus:
    return TakeStatus(
        id=take.id,
        number=take.number,
        state=take.state,
        model=take.model,
        seed=take.seed,
        candidate=take.candidate,
        attempt=take.attempt,
        round=take.round,
        price_micro_usd=take.price_micro_usd,
        charged_micro_usd=take.charged_micro_usd,
        adopted_from=take.source_take_id,
        reason=take.reason,
        clip_sha256=take.clip_sha256,
        routing=take.routing,
        verdict=take.verdict,
    )


def _films(session: Session, cut: CutRow) -> tuple[FilmStatus, ...]:
    rows = {
        row.name: row
        for row in session.scalars(
            select(DeliverableRow).where(DeliverableRow.cut_id == cut.id, DeliverableRow.edition == cut.edition)
        )
    }
    order = [deliverable.name for deliverable in board_of(session, cut.storyboard_id).storyboard.deliverables]
    return tuple(
        FilmStatus(
            name=name,
            frames=rows[name].facts["frames"],
            duration_s=rows[name].facts["duration_s"],
            loudness_lufs=rows[name].facts.get("loudness_lufs"),
            files=tuple(rows[name].delivered or ()),
        )
        for name in order
        if name in rows
    )
