"""Compares what the database says of money in several places: the ledger with itself, with takes and with purses.

Every comparison is made by the database over all rows; only what is wrong is read, and no more of it than is asked.
A right ledger has none of these faults at any moment, for each of its changes is one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import ColumnElement, and_, case, func, literal, not_, or_, select
from sqlalchemy.orm import Session, aliased

from pipeline.ledger.entries import Entry, EntryKind, faults
from pipeline.production.purses import COMMITTED
from pipeline.production.states import ENDED_TAKES, TakeState
from pipeline.production.studio import Studio
from pipeline.store.tables import CutRow, LedgerRow, PurseRow, TakeRow
from pipeline.units import MicroUsd, format_usd

_AT_REST = (*ENDED_TAKES, TakeState.GENERATED)
"""Takes of which an engine wants nothing any more: their money must have come to its end, too."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What comparing the books came to.

    Attributes:
        entries: Number of the ledger's entries.
        purses: Number of purses.
        spent: What was charged, of all time.
        reserved: What is set aside now.
        faults: What is wrong, in words; the first of it, if there is more.
        more: Whether there is more.
    """

    entries: int
    purses: int
    spent: MicroUsd
    reserved: MicroUsd
    faults: tuple[str, ...]
    more: bool


def audit(studio: Studio, *, most: int = 20) -> Audit:
    """Compare the books.

    Args:
        studio: The database.
        most: How many faults are told.
    """
    with studio.database.read() as session:
        entries, spent, committed = session.execute(
            select(func.count(), func.coalesce(func.sum(_amount("settle")), 0), COMMITTED).select_from(LedgerRow)
        ).one()
        purses = session.scalar(select(func.count()).select_from(PurseRow)) or 0
        found = list(islice(_faults(session, most + 1), most + 1))
    return Audit(
        entries=entries,
        purses=purses,
        spent=MicroUsd(int(spent)),
        reserved=MicroUsd(int(committed) - int(spent)),
        faults=tuple(found[:most]),
        more=len(found) > most,
    )


def _faults(session: Session, most: int) -> Iterator[str]:
    yield from _lawless(session, most)
    yield from _leaked(session, most)
    yield from _misquoted(session, most)
    yield from _purses_that_differ(session, most)


def _amount(kind: str) -> ColumnElement[int]:
    return case((LedgerRow.kind == kind, LedgerRow.amount_micro_usd), else_=0)


def _sum(kind: str) -> ColumnElement[int]:
    return func.sum(_amount(kind))


def _number(kind: str) -> ColumnElement[int]:
    return func.sum(case((LedgerRow.kind == kind, 1), else_=0))


def _lawless(session: Session, most: int) -> Iterator[str]:
    """Tell of takes whose entries break a law. The database finds them; the law itself says how."""
    reserves, settles, releases = _number("reserve"), _number("settle"), _number("release")
    open_ = and_(settles == 0, releases == 0, reserves == 1)
    ended = and_(settles >= 1, releases == 1, reserves >= 1, _sum("reserve") == _sum("settle") + _sum("release"))
    suspects = session.scalars(
        select(LedgerRow.take_id).group_by(LedgerRow.take_id).having(not_(or_(open_, ended))).limit(most)
    )
    for take_id in suspects.all():
        rows = session.execute(
            select(LedgerRow.key, LedgerRow.kind, LedgerRow.amount_micro_usd).where(LedgerRow.take_id == take_id)
        )
        entries = [Entry(key, EntryKind(kind), take_id, MicroUsd(amount)) for key, kind, amount in rows]
        told = faults(entries) or (f"{take_id} has {len(entries)} entries, which no reservation and no end make",)
        yield from (f"take {each}" for each in told)


def _leaked(session: Session, most: int) -> Iterator[str]:
    """Tell of reservations whose take has come to rest: nobody would ever give them back."""
    end = aliased(LedgerRow)
    ended = select(end.id).where(end.take_id == TakeRow.id, end.kind == "settle")
    rows = session.execute(
        select(TakeRow.id, TakeRow.state, func.sum(LedgerRow.amount_micro_usd))
        .join(LedgerRow, and_(LedgerRow.take_id == TakeRow.id, LedgerRow.kind == "reserve"))
        .where(TakeRow.state.in_(_AT_REST), not_(ended.exists()))
        .group_by(TakeRow.id, TakeRow.state)
        .limit(most)
    )
    for take_id, state, amount in rows:
        yield f"take {take_id} is {state}, and {format_usd(int(amount))} is still reserved for it"


def _misquoted(session: Session, most: int) -> Iterator[str]:
    """Tell of takes that say another charge than the ledger."""
    settled = (
        select(func.coalesce(func.sum(LedgerRow.amount_micro_usd), 0))
        .where(LedgerRow.take_id == TakeRow.id, LedgerRow.kind == "settle")
        .scalar_subquery()
    )
    rows = session.execute(
        select(TakeRow.id, TakeRow.charged_micro_usd, settled).where(TakeRow.charged_micro_usd != settled).limit(most)
    )
    for take_id, charged, booked in rows:
        yield f"take {take_id} says {format_usd(charged)} was charged, the ledger {format_usd(int(booked))}"


def _purses_that_differ(session: Session, most: int) -> Iterator[str]:
    """Tell of purses that hold another amount than the ledger has of their owner."""
    months = select(literal("account:") + LedgerRow.period, COMMITTED).where(LedgerRow.period != "")
    campaigns = select(literal("campaign:") + CutRow.campaign_id, COMMITTED).join(
        CutRow, and_(CutRow.id == LedgerRow.cut_id, CutRow.campaign_id.is_not(None))
    )
    cuts = select(literal("cut:") + LedgerRow.cut_id, COMMITTED)
    for scope, sums in (
        ("account", months.group_by(LedgerRow.period)),
        ("campaign", campaigns.group_by(CutRow.campaign_id)),
        ("cut", cuts.group_by(LedgerRow.cut_id)),
    ):
        booked = sums.subquery()
        key, amount = booked.c
        said = func.coalesce(amount, 0)
        # A purse without entries must hold nothing; entries without a purse are from before there were any.
        rows = session.execute(
            select(PurseRow.key, PurseRow.committed_micro_usd, said)
            .outerjoin(booked, key == PurseRow.key)
            .where(PurseRow.key.startswith(f"{scope}:"), PurseRow.committed_micro_usd != said)
            .limit(most)
        )
        for purse, held, ledger in rows:
            yield f"purse {purse} holds {format_usd(held)}, the ledger has {format_usd(int(ledger))}"
