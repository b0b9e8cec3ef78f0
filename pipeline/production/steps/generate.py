"""Generate one take: plan it, then render and keep it, or ask a provider.

An engine's failure fails the take, not the step.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from pipeline.engines.base import Rendered
from pipeline.engines.catalog import load_engine
from pipeline.errors import EngineError
from pipeline.production import asking
from pipeline.production.leases import Effect
from pipeline.production.money import release, settle
from pipeline.production.planning import Planned, plan_take
from pipeline.production.states import TakeState, require_move
from pipeline.production.work import Work
from pipeline.store.artifacts import Artifact
from pipeline.store.tables import ShotRow, TakeRow
from pipeline.units import MicroUsd


def execute(work: Work) -> Effect:
    """Generate the take that the step is for."""
    planned = plan_take(work)
    if planned.remote and planned.state is TakeState.PLANNED:
        return asking.ask(work, planned)
    if planned.remote and planned.state is TakeState.GENERATING:
        return asking.look_for(work, planned)
    if planned.state is not TakeState.GENERATING:
        return _nothing  # adopted, or an earlier run of this step had ended its take
    with work.studio.database.read() as session:
        continued = session.get_one(ShotRow, work.claim.shot_id).continued
    try:
        rendered = _render(work, planned, last_frame=continued)
    except EngineError as error:
        return _failed(work, planned, str(error))
    artifact = work.studio.artifacts.add(rendered.path, suffix=".mp4")
    last_frame = work.studio.artifacts.add(rendered.last_frame).sha256 if rendered.last_frame else None
    return _generated(work, planned, rendered, artifact, last_frame)


def _render(work: Work, planned: Planned, *, last_frame: bool) -> Rendered:
    engine = load_engine(planned.engine)
    images = {
        image.sha256: work.studio.artifacts.fetch(image.sha256, planned.suffixes[image.sha256])
        for image in planned.request.images()
    }
    out = work.scratch / "take.mp4"
    return engine.render(planned.model, planned.request, images, out, work.progress, last_frame=last_frame)


def _nothing(_session: Session) -> None:
    """Change nothing: deciding sees the take as it is."""


def _failed(work: Work, planned: Planned, reason: str) -> Effect:
    def effect(session: Session) -> None:
        take = session.get_one(TakeRow, planned.take_id)
        require_move(TakeState(take.state), TakeState.FAILED)
        take.state, take.reason, take.finished_at = TakeState.FAILED, reason[:4000], work.studio.clock()
        release(work.studio, session, take)

    return effect


def _generated(work: Work, planned: Planned, rendered: Rendered, artifact: Artifact, last_frame: str | None) -> Effect:
    def effect(session: Session) -> None:
        take = session.get_one(TakeRow, planned.take_id)
        require_move(TakeState(take.state), TakeState.GENERATED)
        take.state, take.finished_at = TakeState.GENERATED, work.studio.clock()
        take.clip_sha256, take.clip_bytes = artifact.sha256, artifact.size
        take.last_frame_sha256 = last_frame
        take.facts = {**take.facts, **rendered.facts}
        # What this machine renders costs what the registry says of it, all of it.
        settle(work.studio, session, take, MicroUsd(take.price_micro_usd))

    return effect
