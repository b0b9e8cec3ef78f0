"""Takes that reserve, settle and release on a database of one's own, without anything being generated."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from pipeline.errors import BudgetRefused
from pipeline.production import money, purses
from pipeline.production.studio import Studio
from pipeline.production.views import lock_cut
from pipeline.settings import Settings, read_settings
from pipeline.store.database import Database, new_id
from pipeline.store.tables import (
    CampaignRow,
    CutRow,
    JobRow,
    LedgerRow,
    PurseRow,
    ShotRow,
    StoryboardRow,
    TakeRow,
)
from pipeline.units import MicroUsd

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


class SimulatedCrash(Exception):  # noqa: N818 - it is no error
    """The process dies in the moment before the commit."""


@dataclass
class Spending:
    """A studio of which only the database, the clock and the settings are real.

    Attributes:
        crashes: Whether the process dies just before it commits.
    """

    studio: Studio
    clock: Clock
    crashes: bool = False

    @property
    def database(self) -> Database:
        return self.studio.database

    def configure(self, **changes: Any) -> None:
        self.studio = replace(self.studio, settings=replace(self.studio.settings, **changes))

    def campaign(self, name: str, cap: int | None = None) -> str:
        row = CampaignRow(id=new_id(), key=name, created_at=self.clock())
        with self.database.write() as session:
            session.add(row)
            session.flush()
            purses.set_cap(session, purses.campaign_purse(row.id), None if cap is None else MicroUsd(cap))
        return row.id

    def cut(
        self,
        *,
        campaign: str | None = None,
        budget: int | None = None,
        shots: int = 1,
        key: str = "board",
        tier: str = "premium",
        expected: int = 0,
        worst: int = 0,
        body: dict[str, Any] | None = None,
    ) -> str:
        """Make a cut with shots that have no takes; return its id."""
        cut_id = new_id()
        with self.database.write() as session:
            session.add(
                StoryboardRow(
                    id=cut_id, key=key, title=key.title(), content_hash=f"{cut_id:0>64}", source=f"{key}.yaml",
                    body=body or {}, images={}, created_at=self.clock(),
                )
            )  # fmt: skip
            session.flush()
            session.add(
                CutRow(
                    id=cut_id, storyboard_id=cut_id, campaign_id=campaign, identity=f"{cut_id:0>64}", stage="final",
                    state="generating", priority=3, budget_micro_usd=budget, created_at=self.clock(),
                    quote=_quote(shots, tier, expected, worst),
                )
            )  # fmt: skip
            session.flush()
            session.add_all(
                ShotRow(
                    id=f"{cut_id}-{n}", cut_id=cut_id, position=n, key=f"s{n}", state="generating", tier=tier,
                )
                for n in range(shots)
            )  # fmt: skip
        return cut_id

    def take(
        self,
        cut_id: str,
        price: int,
        *,
        shot: int = 0,
        model: str = "dear/one",
        state: str = "planned",
        take_id: str = "",
    ) -> str:
        """Add a take of a shot, for which nothing is reserved yet; return its id."""
        take_id = take_id or new_id()
        with self.database.write() as session:
            number = session.scalar(
                select(func.coalesce(func.max(TakeRow.number), 0)).where(TakeRow.shot_id == f"{cut_id}-{shot}")
            )
            session.add(
                TakeRow(
                    id=take_id, shot_id=f"{cut_id}-{shot}", cut_id=cut_id, intent=take_id, number=(number or 0) + 1,
                    round=0, candidate=0, attempt=number or 0, state=state, model=model, engine=model.partition("/")[0],
                    seed=1, spec_key="", take_key="", gate_hash="", request={}, routing={}, price_micro_usd=price,
                    charged_micro_usd=0, facts={}, created_at=self.clock(),
                )
            )  # fmt: skip
        return take_id

    @contextmanager
    def _write(self) -> Generator[Session]:
        with self.database.write() as session:
            yield session
            if self.crashes:
                session.flush()
                raise SimulatedCrash

    def reserve(self, take_id: str, shot_cap: int | None = None) -> None:
        with self._write() as session:
            take, cut = self._locked(session, take_id)
            money.reserve(self.studio, session, cut, take, None if shot_cap is None else MicroUsd(shot_cap))

    def settle(self, take_id: str, charged: int, state: str | None = None) -> None:
        with self._write() as session:
            take, _ = self._locked(session, take_id)
            money.settle(self.studio, session, take, MicroUsd(charged))
            take.state = state or take.state

    def correct(self, take_id: str, charged: int) -> None:
        with self._write() as session:
            take, _ = self._locked(session, take_id)
            money.correct(self.studio, session, take, MicroUsd(charged))

    def release(self, take_id: str) -> None:
        with self._write() as session:
            take, _ = self._locked(session, take_id)
            money.release(self.studio, session, take)

    def spend(self, cut_id: str, charged: int, *, price: int | None = None, state: str = "accepted", **of: Any) -> str:
        """Make a take, reserve its price and charge it."""
        take = self.take(cut_id, charged if price is None else price, **of)
        self.reserve(take)
        self.settle(take, charged, state)
        return take

    def hold(self, cut_id: str, price: int, **of: Any) -> str:
        """Make a take of which nobody knows whether it was accepted."""
        take_id = self.take(cut_id, price, **of)
        self.reserve(take_id)
        with self.database.write() as session:
            take = session.get_one(TakeRow, take_id)
            take.state, take.reason, take.trouble = "unknown", "The answer was lost.", "uncertain"
            session.get_one(ShotRow, take.shot_id).state = "needs_attention"
            session.add(
                JobRow(
                    take_id=take_id, cut_id=cut_id, engine=take.engine, model=take.model, share=cut_id, state="held",
                    ticket={}, asked_at=self.clock() - timedelta(minutes=5), next_poll_at=self.clock(),
                    error="The answer was lost.",
                )
            )  # fmt: skip
        return take_id

    def row(self, table: type[Any], key: str) -> Any:
        with self.database.read() as session:
            return session.get_one(table, key)

    def purses(self) -> dict[str, tuple[int | None, int]]:
        """Return cap and content of every purse."""
        with self.database.read() as session:
            rows = session.scalars(select(PurseRow)).all()
            return {row.key: (row.cap_micro_usd, row.committed_micro_usd) for row in rows}

    def committed(self) -> dict[str, int]:
        return {key: held for key, (_, held) in self.purses().items()}

    def entries(self, take_id: str) -> list[tuple[str, int]]:
        with self.database.read() as session:
            rows = session.execute(
                select(LedgerRow.kind, LedgerRow.amount_micro_usd)
                .where(LedgerRow.take_id == take_id)
                .order_by(LedgerRow.kind, LedgerRow.amount_micro_usd)
            )
            return [(kind, amount) for kind, amount in rows]

    @staticmethod
    def _locked(session: Session, take_id: str) -> tuple[TakeRow, CutRow]:
        cut = lock_cut(session, session.scalars(select(TakeRow.cut_id).where(TakeRow.id == take_id)).one())
        return session.get_one(TakeRow, take_id), cut


def open_spending(url: str, **settings: Any) -> Spending:
    """Open a database that is migrated already."""
    database, clock = Database(url), Clock()
    if url.startswith("sqlite"):
        event.listen(database.engine, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous=OFF"))
    known: Settings = replace(read_settings({}), database_url=url, **settings)
    studio = Studio(
        settings=known,
        database=database,
        storage=mock.Mock(),
        artifacts=mock.Mock(),
        publisher=mock.Mock(),
        clock=clock,
        new_id=new_id,
    )
    return Spending(studio, clock)


def copy_of(template: Path, folder: Path) -> str:
    """Copy an empty migrated SQLite file; return its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, folder / "dailies.db")
    return f"sqlite:///{folder / 'dailies.db'}"


def reserve_all(url: str, takes: Iterable[str], account_cap: int | None = None) -> list[str]:
    """Reserve for takes one after another, as a process of its own would; return those that were allowed."""
    spending = open_spending(url, account_cap=account_cap)
    allowed: list[str] = []
    try:
        for take in takes:
            try:
                spending.reserve(take)
            except BudgetRefused:
                continue
            allowed.append(take)
    finally:
        spending.database.close()
    return allowed


def _quote(shots: int, tier: str, expected: int, worst: int) -> dict[str, Any]:
    share = [
        {
            "shot_id": f"s{n}",
            "tier": tier,
            "model": "dear/one",
            "expected_micro_usd": expected // shots,
            "worst_micro_usd": worst // shots,
        }
        for n in range(shots)
    ]
    return {"expected_micro_usd": expected, "worst_micro_usd": worst, "shots": share}
