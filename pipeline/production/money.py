"""Reservations in the database: reserved at the worst case before an engine is asked, ended exactly once.

For every take, at any moment: reserved >= settled + released; once it has ended, they are equal. What counts
against a cap is what was reserved less what was released.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from pipeline.errors import BudgetRefused
from pipeline.ledger import entries
from pipeline.ledger.caps import Refused, Scope, check_reservation
from pipeline.production.studio import Studio
from pipeline.store.tables import CutRow, LedgerRow, TakeRow
from pipeline.units import FREE, MicroUsd


def committed(session: Session, where: ColumnElement[bool]) -> MicroUsd:
    """Return what is spent or reserved, over the ledger's rows that match."""
    signed = case((LedgerRow.kind == "reserve", 1), (LedgerRow.kind == "release", -1), else_=0)
    total = session.scalar(select(func.sum(signed * LedgerRow.amount_micro_usd)).where(where))
    return MicroUsd(int(total or 0))


def spent(session: Session, where: ColumnElement[bool]) -> MicroUsd:
    """Return what was charged, over the ledger's rows that match."""
    total = session.scalar(select(func.sum(LedgerRow.amount_micro_usd)).where(where, LedgerRow.kind == "settle"))
    return MicroUsd(int(total or 0))


def reserve(studio: Studio, session: Session, cut: CutRow, take: TakeRow, shot_cap: MicroUsd | None) -> None:
    """Reserve a take's worst case; the cut's row must be locked, so that no two can pass a cap together.

    Raises:
        BudgetRefused: If it would go beyond the cut's budget or the shot's cap; nothing is reserved.
    """
    amount = MicroUsd(take.price_micro_usd)
    caps = {Scope.STORYBOARD: cut.budget_micro_usd, Scope.SHOT: shot_cap}
    verdict = check_reservation(
        amount,
        {scope: MicroUsd(cap) for scope, cap in caps.items() if cap is not None},
        {
            Scope.STORYBOARD: committed(session, LedgerRow.cut_id == cut.id),
            Scope.SHOT: committed(session, LedgerRow.shot_id == take.shot_id),
        },
    )
    if isinstance(verdict, Refused):
        raise BudgetRefused(
            f"{verdict.reason}.", remedy="Raise it and retry the shot, or let a placeholder stand for it."
        )
    _write(studio, session, take, [entries.reserve(take.id, amount)])


def settle(studio: Studio, session: Session, take: TakeRow, charged: MicroUsd) -> None:
    """Charge what a take cost and release the rest of its reservation."""
    take.charged_micro_usd = charged
    _write(studio, session, take, entries.settle(take.id, MicroUsd(take.price_micro_usd), charged))


def release(studio: Studio, session: Session, take: TakeRow) -> None:
    """Release the whole reservation of a take that cost nothing; a take without one is left alone."""
    if session.scalar(select(LedgerRow.id).where(LedgerRow.key == f"reserve:{take.id}")):
        settle(studio, session, take, FREE)


def _write(studio: Studio, session: Session, take: TakeRow, written: Iterable[entries.Entry]) -> None:
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
            at=studio.clock(),
        )
        for entry in written
    )
