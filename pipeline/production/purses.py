"""The caps in the database: one row for each, held by whoever reserves, so that no two can pass a cap together.

What a purse holds follows from the ledger (``pipeline.production.books`` compares them); the row is there because a
sum can't be locked. Whoever changes several purses does it in the order account, campaign, cut, with the cut's own
row locked before: then nobody waits for somebody who waits for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, case, func, literal, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from pipeline.ledger.caps import Refused, Scope
from pipeline.settings import Settings
from pipeline.store.tables import CutRow, LedgerRow, PurseRow
from pipeline.units import FREE, MicroUsd

COMMITTED = func.coalesce(
    func.sum(
        case((LedgerRow.kind == "reserve", 1), (LedgerRow.kind == "release", -1), else_=0) * LedgerRow.amount_micro_usd
    ),
    0,
)
"""Over rows of the ledger: what was reserved less what was released, which is what counts against a cap."""


@dataclass(frozen=True, slots=True)
class Purse:
    """One cap's row.

    Attributes:
        scope: Whom the cap is for.
        owner: The month, the campaign or the cut.
        cap: The cap, as it is known outside of the row (a setting, the cut's budget); ``None`` for none.
        own_cap: Whether the cap is kept in the row alone, as a campaign's is.
    """

    scope: Scope
    owner: str
    cap: MicroUsd | None = None
    own_cap: bool = False

    @property
    def key(self) -> str:
        """Key of the row."""
        word = "cut" if self.scope is Scope.STORYBOARD else self.scope.value
        return f"{word}:{self.owner}"


def period_of(moment: datetime) -> str:
    """Return the calendar month, UTC, whose account cap counts at a moment, such as ``2026-11``."""
    return moment.strftime("%Y-%m")


def account_purse(period: str, settings: Settings | None = None) -> Purse:
    """Return the purse of everything that is reserved within a month."""
    return Purse(Scope.ACCOUNT, period, settings.account_cap if settings else None)


def campaign_purse(campaign_id: str) -> Purse:
    """Return the purse of a campaign."""
    return Purse(Scope.CAMPAIGN, campaign_id, own_cap=True)


def cut_purse(cut: CutRow) -> Purse:
    """Return the purse of one cut."""
    return Purse(Scope.STORYBOARD, cut.id, None if cut.budget_micro_usd is None else MicroUsd(cut.budget_micro_usd))


def purses_of(settings: Settings, cut: CutRow, period: str) -> tuple[Purse, ...]:
    """Return the purses that a take of a cut is paid from, in the order in which they are changed.

    Args:
        settings: For the account's cap.
        cut: The cut.
        period: Month of the take's reservation; empty for one made before there were purses of months.
    """
    account = (account_purse(period, settings),) if period else ()
    campaign = (campaign_purse(cut.campaign_id),) if cut.campaign_id else ()
    return (*account, *campaign, cut_purse(cut))


def commit(session: Session, purses: Sequence[Purse], amount: MicroUsd) -> Refused | None:
    """Put an amount into every purse, or into none.

    Returns:
        The first refusal, from the account down; ``None`` if the amount is committed.
    """
    done: list[Purse] = []
    for purse in purses:
        allowed = _add(session, purse, amount, capped=True)
        if not allowed:
            # Perhaps only its row is missing; or somebody made it a moment ago, which our second try sees.
            make(session, purse)
            allowed = _add(session, purse, amount, capped=True)
        if not allowed:
            shift(session, done, -amount)
            cap, committed = standing(session, purse)
            # What stands in the row is the cap of whoever was last allowed; the refusal names our own.
            known = cap if purse.own_cap else purse.cap
            return Refused(purse.scope, known or FREE, committed, amount)
        done.append(purse)
    return None


def shift(session: Session, purses: Sequence[Purse], amount: int) -> None:
    """Give an amount back to purses (negative), or charge them with one that was spent whatever the cap."""
    if amount == 0:
        return
    for purse in purses:
        if not _add(session, purse, amount, capped=False):
            make(session, purse)
            _add(session, purse, amount, capped=False)


def make(session: Session, purse: Purse) -> bool:
    """Make a purse's row, unless there is one; return whether there was none.

    It begins with what the ledger has of its owner. That is race-free: nobody writes into the ledger before
    the rows of the purses concerned are there, and of two who make the same row the second waits for the first.
    """
    insert = (postgresql if session.get_bind().dialect.name == "postgresql" else sqlite).insert
    cap = null() if purse.own_cap or purse.cap is None else literal(int(purse.cap))
    held = _held(purse).add_columns(literal(purse.key), cap)
    made = session.execute(
        insert(PurseRow)
        .from_select([PurseRow.committed_micro_usd, PurseRow.key, PurseRow.cap_micro_usd], held)
        .on_conflict_do_nothing(index_elements=[PurseRow.key])
        .returning(PurseRow.key)
    )
    return made.first() is not None


def standing(session: Session, purse: Purse) -> tuple[MicroUsd | None, MicroUsd]:
    """Return a purse's cap, as its row has it, and what is committed; of one without a row, what the ledger says."""
    row = session.execute(
        select(PurseRow.cap_micro_usd, PurseRow.committed_micro_usd).where(PurseRow.key == purse.key)
    ).one_or_none()
    if row is None:
        return purse.cap, MicroUsd(int(session.scalar(_held(purse)) or 0))
    cap, committed = row
    return None if cap is None else MicroUsd(cap), MicroUsd(committed)


def set_cap(session: Session, purse: Purse, cap: MicroUsd | None) -> None:
    """Let a purse that keeps its own cap have another one."""
    make(session, purse)
    session.execute(update(PurseRow).where(PurseRow.key == purse.key).values(cap_micro_usd=cap))


def _held(purse: Purse) -> Select[int]:
    """Return the sum of what the ledger has in a purse."""
    match purse.scope:
        case Scope.ACCOUNT:
            return select(COMMITTED).where(LedgerRow.period == purse.owner)
        case Scope.CAMPAIGN:
            cuts = select(CutRow.id).where(CutRow.campaign_id == purse.owner)
            return select(COMMITTED).where(LedgerRow.cut_id.in_(cuts))
        case _:
            return select(COMMITTED).where(LedgerRow.cut_id == purse.owner)


def _add(session: Session, purse: Purse, amount: int, *, capped: bool) -> bool:
    """Add to a purse in one statement; return whether its row is there and, if asked, its cap allows it."""
    total = PurseRow.committed_micro_usd + int(amount)
    change = update(PurseRow).where(PurseRow.key == purse.key).values(committed_micro_usd=total)
    if capped:
        change = change.where(_below_cap(purse, total))
        if not purse.own_cap:
            change = change.values(cap_micro_usd=purse.cap)
    # No row of this session's memory is concerned: purses are never loaded as objects.
    changed = session.execute(change.returning(PurseRow.key), execution_options={"synchronize_session": False})
    return changed.first() is not None


def _below_cap(purse: Purse, total: ColumnElement[int]) -> ColumnElement[bool]:
    if purse.own_cap:
        return or_(PurseRow.cap_micro_usd.is_(None), total <= PurseRow.cap_micro_usd)
    return literal(value=True) if purse.cap is None else total <= int(purse.cap)
