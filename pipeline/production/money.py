"""Reservations in the database: reserved at the worst case before an engine is asked, ended exactly once.

For every take, at any moment: reserved >= settled + released; once it has ended, they are equal. What counts
against a cap is what was reserved less what was released.
"""

from __future__ import annotations

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from pipeline.errors import BudgetRefused
from pipeline.production.studio import Studio
from pipeline.store.tables import CutRow, LedgerRow, TakeRow
from pipeline.units import MicroUsd, format_usd


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
    """Reserve a take's worst case; the cut's row must be locked, so that no two can pass the cap together.

    Raises:
        BudgetRefused: If it would go beyond the cut's budget or the shot's cap; nothing is reserved.
    """
    amount = MicroUsd(take.price_micro_usd)
    _within(committed(session, LedgerRow.cut_id == cut.id), amount, cut.budget_micro_usd, "the cut's budget")
    _within(committed(session, LedgerRow.shot_id == take.shot_id), amount, shot_cap, "the shot's cost cap")
    _write(studio, session, take, "reserve", amount)


def settle(studio: Studio, session: Session, take: TakeRow, charged: MicroUsd) -> None:
    """Charge what a take cost and release the rest of its reservation."""
    rest = MicroUsd(take.price_micro_usd - charged)
    if rest < 0:
        raise ValueError(f"take {take.id} cost more than was reserved for it")
    take.charged_micro_usd = charged
    _write(studio, session, take, "settle", charged)
    if rest:
        _write(studio, session, take, "release", rest)


def release(studio: Studio, session: Session, take: TakeRow) -> None:
    """Release the whole reservation of a take that cost nothing; a take without one is left alone."""
    if session.scalar(select(LedgerRow.id).where(LedgerRow.key == f"reserve:{take.id}")):
        _write(studio, session, take, "release", MicroUsd(take.price_micro_usd))


def _within(already: MicroUsd, amount: MicroUsd, cap: int | None, what: str) -> None:
    if cap is not None and already + amount > cap:
        raise BudgetRefused(
            f"{format_usd(amount)} more would go beyond {what} of {format_usd(cap)} "
            f"({format_usd(already)} is spent or reserved).",
            remedy="Raise it and retry the shot, or accept a placeholder.",
        )


def _write(studio: Studio, session: Session, take: TakeRow, kind: str, amount: MicroUsd) -> None:
    session.add(
        LedgerRow(
            id=studio.new_id(),
            key=f"{kind}:{take.id}",
            kind=kind,
            cut_id=take.cut_id,
            shot_id=take.shot_id,
            take_id=take.id,
            model=take.model,
            amount_micro_usd=amount,
            at=studio.clock(),
        )
    )
