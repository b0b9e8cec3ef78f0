"""Plans a take: route, price, seed, request; adopts an earlier take of the same request.

The plan is committed, under the step's lease, before any engine is asked for anything. A take that this machine
renders is reserved and begun with it; one that is asked of a provider waits for its slot first
(:mod:`pipeline.production.asking`), and is planned anew until it has been asked for: days may lie between.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pipeline.checks.thresholds import Thresholds, for_shot
from pipeline.control.compile import Compiled, compile_shot
from pipeline.control.framing import framing_of
from pipeline.control.keys import spec_key, take_key
from pipeline.control.request import GenerationRequest, Image
from pipeline.control.seeds import first_seed, take_seed
from pipeline.engines.catalog import engine_class, works_remotely
from pipeline.errors import DailiesError, NoModelAvailable, Trouble
from pipeline.production.boards import Board, board_of
from pipeline.production.choosing import NotNow, choose_model, given_up, soften
from pipeline.production.jobs import drop_unasked
from pipeline.production.leases import Parked, held_step, wait_until
from pipeline.production.money import reserve
from pipeline.production.phases import move_take
from pipeline.production.rules import current_rules
from pipeline.production.states import JobPhase, TakeState
from pipeline.production.studio import Studio
from pipeline.production.views import lock_cut
from pipeline.production.work import Work
from pipeline.registry.fit import Misfit
from pipeline.registry.model import Model
from pipeline.routing.decision import RouteDecision
from pipeline.routing.facts import shot_facts
from pipeline.store.tables import CutRow, JobRow, ShotRow, StepRow, TakeRow
from pipeline.storyboard.schema import Shot


@dataclass(frozen=True, slots=True)
class Planned:
    """A take that is to be generated, or that is there already.

    Attributes:
        take_id: Its row.
        state: ``generating`` if it is to be rendered here, ``planned`` if it is to be asked of a provider; else where
            an earlier run of this step or an adoption left it.
        remote: Whether a provider is asked for it.
        engine: Engine that generates it.
        model: Model, as the engine knows it.
        model_id: Model, as the registry has it.
        request: What the engine is asked.
        suffixes: File suffix of each picture in the request, by content hash.
    """

    take_id: str
    state: TakeState
    remote: bool
    engine: str
    model: str
    model_id: str
    request: GenerationRequest
    suffixes: dict[str, str]


def plan_take(work: Work) -> Planned:
    """Commit the intent of one take, or find what an earlier run of the same step committed.

    Raises:
        NoModelAvailable: If no model may serve the shot today.
        BudgetRefused: If its price would go beyond a cap.
        Parked: If every model that may is left alone at present; the step waits until the best may be tried again.
        StaleLease: If the step was taken over.
    """
    # Files and storage are asked before and between the transactions, not while the cut is locked.
    current_rules(work.studio.settings)
    stored: dict[str, bool] = {}
    while True:
        try:
            return _plan(work, stored)
        except _NotLookedUp as clip:
            stored[clip.sha256] = work.studio.artifacts.has(clip.sha256, ".mp4")
        except NotNow as error:
            # Not all at the same moment: only the first of them is the probe.
            spread = int(hashlib.sha256(work.claim.step_id.encode()).hexdigest()[:8], 16) / 2**32
            until = error.wait.until + timedelta(seconds=_SPREAD_S * spread)
            wait_until(work.studio, work.claim, until, error.wait.reason)
            raise Parked from error


_SPREAD_S = 5.0
"""Shots that wait for the same model look again within so many seconds of each other."""


class _NotLookedUp(Exception):  # noqa: N818 - no fault
    """A take may be adopted if its clip is still stored."""

    def __init__(self, sha256: str) -> None:
        super().__init__(sha256)
        self.sha256 = sha256


def _plan(work: Work, stored: Mapping[str, bool]) -> Planned:
    studio, claim = work.studio, work.claim
    with studio.database.write() as session:
        cut = lock_cut(session, claim.cut_id)
        step = held_step(session, claim)
        shot = session.get_one(ShotRow, claim.shot_id)
        board = board_of(session, cut.storyboard_id)
        before = _continued(session, shot)
        take = session.scalars(select(TakeRow).where(TakeRow.intent == step.key)).one_or_none()
        job = session.get(JobRow, take.id) if take is not None else None
        unasked = take is not None and take.state == TakeState.PLANNED and (job is None or job.asked_at is None)
        if take is None or unasked:
            planned = _new_take(work, session, cut, shot, board, before, stored)
            take, job = _keep(session, take, planned, step), _job_for(studio, session, cut, planned, job)
            if take.state == TakeState.PLANNED and job is None:
                facts = shot_facts(board.storyboard, board.shots[shot.key])
                reserve(studio, session, cut, take, facts.max_cost_micro_usd)
                take.state = TakeState.GENERATING
        elif take.state == TakeState.PLANNED and job is not None and job.state == JobPhase.WAITING:
            reason = given_up(studio, session, cut, shot, board, take)
            if reason:
                drop_unasked(studio, session, take, job)
                move_take(studio, take, TakeState.FAILED, reason)
                take.trouble = Trouble.TRANSIENT
        suffixes = {picture.sha256: picture.suffix for picture in board.pictures.values()}
        if before is not None and before.last_frame_sha256:
            suffixes[before.last_frame_sha256] = ".png"
        return Planned(
            take_id=take.id,
            state=TakeState(take.state),
            remote=job is not None,
            engine=take.engine,
            model=take.model.split("/", 1)[1],
            model_id=take.model,
            request=GenerationRequest.model_validate(take.request),
            suffixes=suffixes,
        )


_PLANNED = (
    *("state", "model", "engine", "seed", "spec_key", "take_key", "gate_hash", "request", "routing"),
    *("price_micro_usd", "source_take_id", "clip_sha256", "clip_bytes", "last_frame_sha256"),
    *("facts", "measurements", "verdict", "finished_at"),
)
"""What a new plan of the same take may change."""


def _keep(session: Session, take: TakeRow | None, planned: TakeRow, step: StepRow) -> TakeRow:
    """Write a plan: as a new take, or over one that was planned and never asked for."""
    if take is None:
        planned.intent = step.key
        session.add(planned)
        session.flush()
        return planned
    for name in _PLANNED:
        setattr(take, name, getattr(planned, name))
    planned.id = take.id
    session.flush()
    return take


def _job_for(studio: Studio, session: Session, cut: CutRow, take: TakeRow, job: JobRow | None) -> JobRow | None:
    """Return the job of a take that a provider is to be asked for; ``None`` if this machine renders it."""
    if take.state != TakeState.PLANNED or not works_remotely(take.engine):
        if job is not None:
            session.delete(job)
        return None
    if job is None:
        job = JobRow(take_id=take.id, cut_id=cut.id, state=JobPhase.WAITING, ticket={}, next_poll_at=studio.clock())
        session.add(job)
    job.engine, job.model, job.share = take.engine, take.model, cut.campaign_id or cut.id
    session.flush()
    return job


def gate_of(board: Board, shot: Shot, tier: str) -> tuple[Thresholds, str]:
    """Return the thresholds that a shot's takes are held against, and a hash of all that the gate asks."""
    quality = board.storyboard.quality_of(shot)
    thresholds = for_shot(tier, board.storyboard.content_class.value)
    asked = [thresholds.hash, sorted(quality.thresholds.items()), sorted(quality.skip)]
    return thresholds, hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _continued(session: Session, shot: ShotRow) -> TakeRow | None:
    """Return the accepted take of the shot that this one continues."""
    if shot.continues is None:
        return None
    before = session.scalars(select(ShotRow).where(ShotRow.cut_id == shot.cut_id, ShotRow.key == shot.continues)).one()
    if before.accepted_take_id is None:
        raise DailiesError(
            f"shot {before.key}, which it continues, has no accepted take.",
            where=shot.key,
            remedy=f"Retry {before.key} first.",
        )
    return session.get_one(TakeRow, before.accepted_take_id)


def _new_take(
    work: Work,
    session: Session,
    cut: CutRow,
    shot: ShotRow,
    board: Board,
    before: TakeRow | None,
    stored: Mapping[str, bool],
) -> TakeRow:
    studio, payload = work.studio, work.claim.payload
    candidate, attempt = int(payload["candidate"]), int(payload["attempt"])
    chosen = choose_model(studio, session, cut, shot, board, candidate, attempt)
    for model in chosen.adoptable:
        take = _take_of(work, session, cut, shot, board, before, chosen.decision, model)
        _adopt(work, session, take, shot, candidate, stored)
        if take.source_take_id is not None:
            return take
    if chosen.wait is not None:
        raise NotNow(chosen.wait)
    if chosen.model is None:
        raise NoModelAvailable("no model may serve the shot.", where=shot.key)
    return _take_of(work, session, cut, shot, board, before, chosen.decision, chosen.model)


def _take_of(
    work: Work,
    session: Session,
    cut: CutRow,
    shot: ShotRow,
    board: Board,
    before: TakeRow | None,
    decision: RouteDecision,
    model: Model,
) -> TakeRow:
    """Return a new take by one model; nothing is written."""
    studio, payload = work.studio, work.claim.payload
    candidate, attempt = int(payload["candidate"]), int(payload["attempt"])
    written = board.shots[shot.key]
    version = engine_class(model.engine).version
    first = first_seed(board.storyboard, written)
    # A person's retry asks for other pictures than the rounds before gave.
    seed = take_seed(first, attempt=attempt + shot.round * shot.max_attempts, candidate=candidate)
    mild, changes = soften(studio, written, decision)
    compiled = _compile(board, mild, model, seed, before)
    _, gate_hash = gate_of(board, written, decision.tier_used.value)
    option = decision.candidate(model.id)
    return TakeRow(
        id=studio.new_id(),
        shot_id=shot.id,
        cut_id=cut.id,
        number=_next_number(session, shot),
        round=shot.round,
        candidate=candidate,
        attempt=attempt,
        state=TakeState.PLANNED,
        model=model.id,
        engine=model.engine,
        seed=seed,
        spec_key=spec_key(compiled.request, model.id, version, first_seed=first),
        take_key=take_key(compiled.request, model.id, version),
        gate_hash=gate_hash,
        request=compiled.request.model_dump(mode="json"),
        routing=decision.model_dump(mode="json"),
        price_micro_usd=(option.worst_micro_usd if option else None) or 0,
        charged_micro_usd=0,
        facts={"notes": [*changes, *compiled.notes]},
        created_at=studio.clock(),
    )


def _compile(board: Board, written: Shot, model: Model, seed: int, before: TakeRow | None) -> Compiled:
    framing = framing_of(board.storyboard, written, model)
    if isinstance(framing, Misfit):  # routing found it fit a moment ago
        raise NoModelAvailable(f"{model.id} can't serve the shot: {'; '.join(framing.reasons)}.")
    first_frame = None
    if before is not None and before.last_frame_sha256:
        first_frame = Image(sha256=before.last_frame_sha256, view="first frame")
    return compile_shot(
        board.storyboard,
        written,
        model=model,
        seed=seed,
        size=(framing.width, framing.height),
        rate=framing.rate,
        images={path: picture.sha256 for path, picture in board.pictures.items()},
        first_frame_override=first_frame,
    )


def _next_number(session: Session, shot: ShotRow) -> int:
    last = session.scalar(select(func.max(TakeRow.number)).where(TakeRow.shot_id == shot.id))
    return (last or 0) + 1


def _adopt(
    work: Work, session: Session, take: TakeRow, shot: ShotRow, candidate: int, stored: Mapping[str, bool]
) -> None:
    """Use an accepted take of the same request by the same model, if there is one: it costs nothing twice."""
    found = session.scalars(
        select(TakeRow)
        .where(
            TakeRow.spec_key == take.spec_key,
            TakeRow.candidate == candidate,
            TakeRow.state == TakeState.ACCEPTED,
            TakeRow.clip_sha256.is_not(None),
        )
        .order_by(TakeRow.created_at.desc())
        .limit(1)
    ).one_or_none()
    if found is None or found.clip_sha256 is None:
        return
    if found.clip_sha256 not in stored:
        raise _NotLookedUp(found.clip_sha256)
    if not stored[found.clip_sha256]:
        return
    take.source_take_id, take.seed, take.take_key = found.id, found.seed, found.take_key
    take.request, take.price_micro_usd = found.request, 0
    take.clip_sha256, take.clip_bytes = found.clip_sha256, found.clip_bytes
    take.finished_at = work.studio.clock()
    judged_alike = found.gate_hash == take.gate_hash
    if judged_alike and (found.last_frame_sha256 or not shot.continued):
        take.state, take.measurements, take.verdict = TakeState.ACCEPTED, found.measurements, found.verdict
        take.last_frame_sha256 = found.last_frame_sha256
    else:
        take.state = TakeState.GENERATED
