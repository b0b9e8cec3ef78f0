"""Reservations in the database: reserved at the worst case before an engine is asked, ended exactly once.

For every take, at any moment: reserved >= settled + released; once it has ended, they are equal. What counts
against a cap is what was reserved less what was released. All entries of a take belong to the month of its
reservation, whenever it ends. A take's cut must be locked by whoever calls: it is what makes a shot's sum true, and
what keeps the purses' order (``pipeline.production.purses``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from pipeline.errors import BudgetRefused, LedgerConflict
from pipeline.ledger import entries
from pipeline.ledger.caps import Refused, Scope, check_reservation
from pipeline.ledger.entries import Entry, EntryKind
from pipeline.production import purses
from pipeline.production.studio import Studio
from pipeline.store.tables import CampaignRow, CutRow, LedgerRow, TakeRow
from pipeline.units import FREE, MicroUsd, format_usd


def committed(session: Session, where: ColumnElement[bool]) -> MicroUsd:
    """Return what is spent or reserved, over the ledger's rows that match."""
    return MicroUsd(int(session.scalar(select(purses.COMMITTED).where(where)) or 0))


def spent(session: Session, where: ColumnElement[bool]) -> MicroUsd:
    """Return what was charged, over the ledger's rows that match."""
    total = session.scalar(select(func.sum(LedgerRow.amount_micro_usd)).where(where, LedgerRow.kind == "settle"))
    return MicroUsd(int(total or 0))


def reserve(studio: Studio, session: Session, cut: CutRow, take: TakeRow, shot_cap: MicroUsd | None) -> None:
    """Reserve a take's worst case under every cap; reserving the same again changes nothing.

    Raises:
        BudgetRefused: If it would go beyond a cap, which it names; nothing is reserved anywhere.
        LedgerConflict: If the take's reservation was another, or has ended.
    """
    amount = MicroUsd(take.price_micro_usd)
    known, _ = _entries(session, take.id)
    if known:
        if known != [entries.reserve(take.id, amount)]:
            raise LedgerConflict(
                f"{format_usd(amount)} is to be reserved, and the ledger has {_told(known)}.", where=take.id
            )
        return
    period = purses.period_of(studio.clock())
    if amount:
        refused = _shot_refuses(session, take, amount, shot_cap) or purses.commit(
            session, purses.purses_of(studio.settings, cut, period), amount
        )
        if refused:
            raise BudgetRefused(f"{refused.reason}.", remedy=_remedy(session, cut, refused.scope))
    _write(studio, session, take, period, [entries.reserve(take.id, amount)])


def settle(studio: Studio, session: Session, take: TakeRow, charged: MicroUsd) -> None:
    """Charge what a take cost and release the rest of its reservation; saying the same again changes nothing.

    More than was reserved is charged, too, whatever the caps: it was spent. The books show it as an overrun.

    Raises:
        LedgerConflict: If nothing was reserved, or it ended with another charge.
    """
    known, period = _entries(session, take.id)
    before = entries.charged(known)
    if before is not None:
        if before != charged:
            raise LedgerConflict(
                f"{format_usd(charged)} is to be charged, and {format_usd(before)} was charged already.",
                where=take.id,
            )
        return
    if not known:
        raise LedgerConflict(f"{format_usd(charged)} is to be charged, and nothing was reserved.", where=take.id)
    reserved = entries.balance(known).reserved
    if charged != reserved:
        cut = session.get_one(CutRow, take.cut_id)
        purses.shift(session, purses.purses_of(studio.settings, cut, period), charged - reserved)
    take.charged_micro_usd = charged
    _write(studio, session, take, period, entries.settle(take.id, reserved, charged))


def release(studio: Studio, session: Session, take: TakeRow) -> None:
    """Release the whole reservation of a take that cost nothing; a take without one is left alone.

    Raises:
        LedgerConflict: If the take was charged.
    """
    known, _ = _entries(session, take.id)
    if known:
        settle(studio, session, take, FREE)


def correct(studio: Studio, session: Session, take: TakeRow, charged: MicroUsd) -> None:
    """Book what a take that has ended turns out to have been charged in all; saying the same again changes nothing.

    For a job that was taken for never accepted, or that a person said was not charged, and that shows up after all.
    Only more is ever booked: money that was counted as spent is not freed by a later word.

    Raises:
        LedgerConflict: If the take has not ended; then it is to be settled.
    """
    known, period = _entries(session, take.id)
    before = entries.charged(known)
    if before is None:
        raise LedgerConflict("its charge is to be corrected, and it has none yet.", where=take.id)
    more = entries.correct(take.id, before, charged)
    if more:
        cut = session.get_one(CutRow, take.cut_id)
        purses.shift(session, purses.purses_of(studio.settings, cut, period), charged - before)
        take.charged_micro_usd = charged
        _write(studio, session, take, period, more)


def reserved_for(session: Session, take_id: str) -> MicroUsd:
    """Return what is set aside for a take and neither charged nor released yet."""
    known, _ = _entries(session, take_id)
    return entries.balance(known).reserved


def _entries(session: Session, take_id: str) -> tuple[list[Entry], str]:
    """Return a take's entries and the month that they belong to."""
    rows = session.execute(
        select(LedgerRow.key, LedgerRow.kind, LedgerRow.amount_micro_usd, LedgerRow.period).where(
            LedgerRow.take_id == take_id
        )
    ).all()
    known = [Entry(key, EntryKind(kind), take_id, MicroUsd(amount)) for key, kind, amount, _ in rows]
    return known, rows[0][3] if rows else ""


def _told(known: Sequence[Entry]) -> str:
    return ", ".join(f"{entry.key} of {format_usd(entry.amount)}" for entry in known)


def _shot_refuses(session: Session, take: TakeRow, amount: MicroUsd, cap: MicroUsd | None) -> Refused | None:
    """Hold an amount against the cap of the take's shot, by the ledger: the cut's lock keeps others out."""
    if cap is None:
        return None
    used = committed(session, LedgerRow.shot_id == take.shot_id)
    verdict = check_reservation(amount, {Scope.SHOT: cap}, {Scope.SHOT: used})
    return verdict if isinstance(verdict, Refused) else None


def _remedy(session: Session, cut: CutRow, scope: Scope) -> str:
    match scope:
        case Scope.ACCOUNT:
            return "Raise DAILIES_ACCOUNT_CAP_USD or wait for the next month (UTC), then retry the shot."
        case Scope.CAMPAIGN:
            name = session.scalar(select(CampaignRow.key).where(CampaignRow.id == cut.campaign_id))
            return (
                f"Raise it with `dailies submit FILE --campaign {name} --campaign-cap USD` and retry the shot, "
                "or let a placeholder stand for it."
            )
        case Scope.STORYBOARD:
            return (
                "Raise it (submit the storyboard again with a higher --budget, or a higher budget.limit_usd) and "
                "retry the shot, or let a placeholder stand for it."
            )
        case Scope.SHOT:
            return "Raise the shot's max_cost_usd in the storyboard, or let a placeholder stand for it."


def _write(studio: Studio, session: Session, take: TakeRow, period: str, written: Iterable[Entry]) -> None:
    session.add_all(
        LedgerRow(
            id=studio.new_id(),
            key=entry.key,
            kind=entry.kind,
            cut_id=take.cut_id,
            shot_id=take.shot_id,
            take_id=take.id,
            model=take.model,
            amount_micro_usd=entry.amount,
            period=period,
            at=studio.clock(),
        )
        for entry in written
    )
