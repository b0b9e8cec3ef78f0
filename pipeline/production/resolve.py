"""Takes of which nobody knows whether they were charged: what they hold, and a person's word that settles them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from pipeline.errors import InputError, UnknownId
from pipeline.production.jobs import locked_job, settle_by_word
from pipeline.production.states import JobPhase, ShotState, TakeState
from pipeline.production.studio import Studio
from pipeline.production.views import lock_cut
from pipeline.store.tables import CutRow, JobRow, LedgerRow, ShotRow, StoryboardRow, TakeRow
from pipeline.units import MicroUsd


@dataclass(frozen=True, slots=True)
class UnknownTake:
    """A take whose outcome is unknown.

    Attributes:
        take_id: The take.
        cut_id: Its cut.
        storyboard: The storyboard's own id.
        shot: The shot's id in its storyboard.
        number: Which take of the shot it is, from 1.
        model: What was asked for it.
        provider_job: The provider's id of it, if that is known.
        held_micro_usd: What stays reserved for it.
        since: When it was asked for.
        reason: Why nobody knows.
    """

    take_id: str
    cut_id: str
    storyboard: str
    shot: str
    number: int
    model: str
    provider_job: str | None
    held_micro_usd: MicroUsd
    since: datetime
    reason: str

    @property
    def remedy(self) -> str:
        """The command that settles it, once a person has seen what the provider says."""
        return f"dailies resolve {self.take_id} --charged|--not-charged"


@dataclass(frozen=True, slots=True)
class Resolved:
    """What became of a take that a person settled.

    Attributes:
        take: The take, as it was.
        charged_micro_usd: What it was settled at.
        retry: The command that makes its shot anew; empty if the shot goes on without it.
    """

    take: UnknownTake
    charged_micro_usd: MicroUsd
    retry: str


def unknown_takes(session: Session, cut_id: str | None = None, *, most: int = 100) -> tuple[UnknownTake, ...]:
    """Return takes whose outcome is unknown, those that wait longest first.

    Args:
        session: The database.
        cut_id: Only this cut's.
        most: How many are returned.
    """
    where = [TakeRow.state == TakeState.UNKNOWN]
    if cut_id is not None:
        where.append(TakeRow.cut_id == cut_id)
    held = (
        select(func.coalesce(func.sum(LedgerRow.amount_micro_usd), 0))
        .where(LedgerRow.take_id == TakeRow.id, LedgerRow.kind == "reserve")
        .scalar_subquery()
    )
    since = func.coalesce(JobRow.asked_at, TakeRow.created_at, type_=TakeRow.created_at.type)
    rows = session.execute(
        select(TakeRow, ShotRow.key, StoryboardRow.key, JobRow.provider_job, held, since)
        .join(ShotRow, ShotRow.id == TakeRow.shot_id)
        .join(CutRow, CutRow.id == TakeRow.cut_id)
        .join(StoryboardRow, StoryboardRow.id == CutRow.storyboard_id)
        .outerjoin(JobRow, and_(JobRow.take_id == TakeRow.id))
        .where(*where)
        .order_by(since, TakeRow.id)
        .limit(most)
    )
    return tuple(
        UnknownTake(
            take_id=take.id,
            cut_id=take.cut_id,
            storyboard=storyboard,
            shot=shot,
            number=take.number,
            model=take.model,
            provider_job=job,
            held_micro_usd=MicroUsd(int(amount)),
            since=asked,
            reason=take.reason,
        )
        for take, shot, storyboard, job, amount, asked in rows
    )


def all_unknown(studio: Studio, *, most: int = 100) -> tuple[UnknownTake, ...]:
    """Return the takes of all cuts whose outcome is unknown."""
    with studio.database.read() as session:
        return unknown_takes(session, most=most)


def resolve(studio: Studio, take_id: str, *, charged: bool) -> Resolved:
    """Settle a take whose outcome is unknown by a person's word.

    Args:
        studio: Everything a use case may reach.
        take_id: The take, or the beginning of its id.
        charged: Whether the provider charged it. Then all that is reserved for it counts as spent, else nothing.

    Raises:
        UnknownId: If there is no such take, or more than one.
        InputError: If its outcome is known, or is being looked for.
    """
    with studio.database.write() as session:
        found = _find(session, take_id)
        lock_cut(session, found.cut_id)
        session.refresh(found)  # what became of it until we had the lock
        _require_unknown(session, found)
        job = locked_job(session, found.id)
        if job.state != JobPhase.HELD:
            raise InputError(
                f"its job is {job.state}: what became of it is still being found out.",
                where=found.id,
                remedy="Wait for it; `dailies status` says when nobody can.",
            )
        (told,) = (each for each in unknown_takes(session, found.cut_id, most=10_000) if each.take_id == found.id)
        settle_by_word(studio, session, found, job, charged=charged)
        retry = _tell_shot(session, found, charged=charged)
    return Resolved(told, MicroUsd(found.charged_micro_usd), retry)


def _find(session: Session, take_id: str) -> TakeRow:
    found = session.scalars(select(TakeRow).where(TakeRow.id.startswith(take_id, autoescape=True)).limit(2)).all()
    if len(found) == 2:  # the whole id of one may be the beginning of another's
        found = [each for each in found if each.id == take_id] or found
    if len(found) != 1 or not take_id:
        what = "more than one take has an id that begins so" if found else "there is no take with this id"
        raise UnknownId(f"{what}.", where=take_id, remedy="`dailies status` lists those whose outcome is unknown.")
    return found[0]


def _require_unknown(session: Session, take: TakeRow) -> None:
    if take.state == TakeState.UNKNOWN:
        return
    others = unknown_takes(session, take.cut_id, most=5)
    raise InputError(
        f"the take is {take.state}: what became of it is known.",
        where=take.id,
        remedy=f"Unknown in its cut: {_ids(others)}." if others else "No take of its cut is unknown.",
    )


def _ids(takes: Sequence[UnknownTake]) -> str:
    return ", ".join(each.take_id for each in takes)


def _tell_shot(session: Session, take: TakeRow, *, charged: bool) -> str:
    """Say on the take's shot that it can be retried, if it stands still for this take; return the command."""
    shot = session.get_one(ShotRow, take.shot_id)
    session.flush()
    waits = select(TakeRow.id).where(TakeRow.shot_id == shot.id, TakeRow.state == TakeState.UNKNOWN).limit(1)
    if shot.state != ShotState.NEEDS_ATTENTION or take.round != shot.round or session.scalar(waits) is not None:
        return ""
    told = "charged" if charged else "not charged"
    shot.reason = f"Take {take.number} came to nothing and was {told}, as a person said; retry the shot."
    return f"dailies retry {take.cut_id} --shot {shot.key}"
