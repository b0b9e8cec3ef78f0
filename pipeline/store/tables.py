"""The tables. Illegal rows are refused here: states by CHECK, identities by UNIQUE, parents by foreign keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Id = String(40)
Hash = String(64)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes on every database (SQLite itself knows no time zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive datetimes; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without time zone can't be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give every datetime its time zone back."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Note(TypeDecorator[str]):
    """Words for people, often somebody else's: cut to what fits, without the NUL that PostgreSQL refuses."""

    impl = String(4000)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Cut and clean."""
        del dialect
        return value if value is None else value.replace("\0", "\ufffd")[:4000]


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


class Base(DeclarativeBase):
    """Base of all tables; constraints get predictable names, which migrations need."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own protocol
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


class StoryboardRow(Base):
    """A storyboard as it was submitted: its text never changes, an edited file is another row."""

    __tablename__ = "storyboards"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(64), index=True)
    title: Mapped[str] = mapped_column(String(300))
    content_hash: Mapped[str] = mapped_column(Hash, unique=True)
    source: Mapped[str] = mapped_column(String(4096))
    body: Mapped[dict[str, Any]]
    images: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class CampaignRow(Base):
    """A batch of storyboards with one cap. ``key`` is the name that people give it."""

    __tablename__ = "campaigns"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]


class CutRow(Base):
    """One version of a storyboard's film."""

    __tablename__ = "cuts"
    __table_args__ = (
        _one_of("stage", "preview", "final"),
        _one_of(
            "state",
            "generating",
            "matching",
            "stitching",
            "delivering",
            "delivered",
            "needs_attention",
            "cancelled",
        ),
        CheckConstraint("budget_micro_usd >= 0", name="budget_not_negative"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    storyboard_id: Mapped[str] = mapped_column(ForeignKey("storyboards.id"), index=True)
    campaign_id: Mapped[str | None] = mapped_column(ForeignKey("campaigns.id"), index=True)
    identity: Mapped[str] = mapped_column(Hash, unique=True)
    stage: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(24), index=True)
    priority: Mapped[int]
    edition: Mapped[int] = mapped_column(server_default="1")
    paused: Mapped[bool] = mapped_column(server_default=false())
    budget_micro_usd: Mapped[int | None] = mapped_column(BigInteger)
    not_before: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Note(), server_default="")
    quote: Mapped[dict[str, Any]]
    consistency: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ShotRow(Base):
    """One shot of a cut."""

    __tablename__ = "shots"
    __table_args__ = (
        UniqueConstraint("cut_id", "key"),
        UniqueConstraint("cut_id", "position"),
        _one_of("state", "waiting", "generating", "accepted", "ready", "needs_attention", "cancelled"),
        CheckConstraint("candidates >= 1 AND max_attempts >= 1", name="caps_positive"),
        Index("ix_shots_cut_id_state", "cut_id", "state"),
        Index("ix_shots_cut_id_continues", "cut_id", "continues"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    cut_id: Mapped[str] = mapped_column(ForeignKey("cuts.id", ondelete="CASCADE"))
    position: Mapped[int]
    key: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(24))
    tier: Mapped[str] = mapped_column(String(16))
    continues: Mapped[str | None] = mapped_column(String(64))
    continued: Mapped[bool] = mapped_column(default=False)
    candidates: Mapped[int] = mapped_column(default=1)
    max_attempts: Mapped[int] = mapped_column(default=3)
    round: Mapped[int] = mapped_column(server_default="0")
    accepted_take_id: Mapped[str | None] = mapped_column(Id)
    placeholder: Mapped[bool] = mapped_column(server_default=false())
    source: Mapped[str | None] = mapped_column(Hash)
    reason: Mapped[str] = mapped_column(Note(), server_default="")


class TakeRow(Base):
    """One generation of one shot by one model. ``intent`` makes it the only one for its purpose."""

    __tablename__ = "takes"
    __table_args__ = (
        _one_of(
            "state",
            "planned",
            "generating",
            "unknown",
            "generated",
            "accepted",
            "rejected",
            "failed",
            "cancelled",
        ),
        UniqueConstraint("shot_id", "number"),
        # The last verdicts on a model, of which learned routing follows.
        Index("ix_takes_model_created_at", "model", "created_at"),
        CheckConstraint("price_micro_usd >= 0 AND charged_micro_usd >= 0", name="money_not_negative"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    shot_id: Mapped[str] = mapped_column(ForeignKey("shots.id", ondelete="CASCADE"), index=True)
    cut_id: Mapped[str] = mapped_column(ForeignKey("cuts.id", ondelete="CASCADE"), index=True)
    intent: Mapped[str] = mapped_column(String(160), unique=True)
    number: Mapped[int]
    round: Mapped[int]
    candidate: Mapped[int]
    attempt: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    model: Mapped[str] = mapped_column(String(160))
    engine: Mapped[str] = mapped_column(String(64))
    seed: Mapped[int] = mapped_column(BigInteger)
    spec_key: Mapped[str] = mapped_column(Hash, index=True)
    take_key: Mapped[str] = mapped_column(Hash)
    gate_hash: Mapped[str] = mapped_column(Hash)
    request: Mapped[dict[str, Any]]
    routing: Mapped[dict[str, Any]]
    price_micro_usd: Mapped[int] = mapped_column(BigInteger, default=0)
    charged_micro_usd: Mapped[int] = mapped_column(BigInteger, default=0)
    source_take_id: Mapped[str | None] = mapped_column(Id)
    clip_sha256: Mapped[str | None] = mapped_column(Hash)
    clip_bytes: Mapped[int | None] = mapped_column(BigInteger)
    last_frame_sha256: Mapped[str | None] = mapped_column(Hash)
    facts: Mapped[dict[str, Any]]
    measurements: Mapped[dict[str, Any] | None]
    verdict: Mapped[dict[str, Any] | None]
    reason: Mapped[str] = mapped_column(Note(), server_default="")
    trouble: Mapped[str] = mapped_column(String(24), server_default="")
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class JobRow(Base):
    """What was asked of a provider for one take: the row is committed before the call, and outlives its caller.

    ``asking``: the create call is under way, or its caller died in it. ``unsure``: the answer is lost. ``running``:
    the provider has it, under ``provider_job``. ``held``: possibly spent, and no means of finding out are left.
    ``waiting``: the provider did not accept it yet. ``ended``: the outcome is known and settled.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        _one_of("state", "waiting", "asking", "unsure", "running", "held", "ended"),
        CheckConstraint("state != 'running' OR provider_job IS NOT NULL", name="running_is_known"),
        # Of those that are under way: a server that was set up anew may give its ids a second time.
        Index(
            "uq_jobs_engine_provider_job",
            "engine",
            "provider_job",
            unique=True,
            sqlite_where=text("state != 'ended'"),
            postgresql_where=text("state != 'ended'"),
        ),
        Index("ix_jobs_state_next_poll_at", "state", "next_poll_at"),
        Index("ix_jobs_model_state", "model", "state"),
        # The last outcomes of a model, of which its circuit breaker follows.
        Index("ix_jobs_model_ended_at", "model", "ended_at"),
        Index("ix_jobs_lease_owner", "lease_owner"),
    )

    take_id: Mapped[str] = mapped_column(ForeignKey("takes.id", ondelete="CASCADE"), primary_key=True)
    cut_id: Mapped[str] = mapped_column(ForeignKey("cuts.id", ondelete="CASCADE"), index=True)
    engine: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(160))
    share: Mapped[str] = mapped_column(Id)
    state: Mapped[str] = mapped_column(String(16))
    provider_job: Mapped[str | None] = mapped_column(String(400))
    ticket: Mapped[dict[str, Any]]
    fence: Mapped[int] = mapped_column(server_default="0")
    lease_owner: Mapped[str | None] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    next_poll_at: Mapped[datetime]
    cancel_asked_at: Mapped[datetime | None]
    progress: Mapped[float] = mapped_column(server_default="0")
    setbacks: Mapped[int] = mapped_column(server_default="0")
    outcome: Mapped[str] = mapped_column(String(24), server_default="")
    error: Mapped[str] = mapped_column(Note(), server_default="")
    ended_at: Mapped[datetime | None]


class LaneRow(Base):
    """An engine's account, as far as its limits go: whoever asks a provider for something holds this row."""

    __tablename__ = "lanes"

    engine: Mapped[str] = mapped_column(String(64), primary_key=True)
    blocked_until: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Note(), server_default="")
    setbacks: Mapped[int] = mapped_column(server_default="0")


class AskRow(Base):
    """One create call of the last minute, for limits per minute."""

    __tablename__ = "asks"
    __table_args__ = (Index("ix_asks_engine_at", "engine", "at"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    engine: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(160))
    at: Mapped[datetime]


class MezzanineRow(Base):
    """A shot's accepted take (or its placeholder), conformed to one of the cut's formats."""

    __tablename__ = "mezzanines"
    __table_args__ = (UniqueConstraint("shot_id", "source", "format"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    shot_id: Mapped[str] = mapped_column(ForeignKey("shots.id", ondelete="CASCADE"), index=True)
    source: Mapped[str] = mapped_column(Hash)
    format: Mapped[str] = mapped_column(Hash)
    video_sha256: Mapped[str] = mapped_column(Hash)
    audio_sha256: Mapped[str] = mapped_column(Hash)
    facts: Mapped[dict[str, Any]]


class DeliverableRow(Base):
    """One encoded film of a cut, stitched and delivered."""

    __tablename__ = "deliverables"
    __table_args__ = (UniqueConstraint("cut_id", "edition", "name"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    cut_id: Mapped[str] = mapped_column(ForeignKey("cuts.id", ondelete="CASCADE"), index=True)
    edition: Mapped[int]
    name: Mapped[str] = mapped_column(String(64))
    files: Mapped[dict[str, Any]]
    facts: Mapped[dict[str, Any]]
    delivered: Mapped[list[Any] | None]


class StepRow(Base):
    """One durable unit of work. The message that a worker gets carries this row's id and nothing else."""

    __tablename__ = "steps"
    __table_args__ = (
        _one_of("state", "due", "published", "running", "done", "dead"),
        _one_of("kind", "generate", "check", "conform", "match", "stitch", "deliver"),
        CheckConstraint("(state = 'running') = (lease_expires_at IS NOT NULL)", name="running_has_a_lease"),
        CheckConstraint("attempts <= max_attempts", name="attempts_capped"),
        Index("ix_steps_state_not_before", "state", "not_before"),
        Index("ix_steps_queue_state", "queue", "state"),
        Index("ix_steps_waiting_for_state", "waiting_for", "state"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    cut_id: Mapped[str] = mapped_column(ForeignKey("cuts.id", ondelete="CASCADE"), index=True)
    shot_id: Mapped[str | None] = mapped_column(ForeignKey("shots.id", ondelete="CASCADE"), index=True)
    take_id: Mapped[str | None] = mapped_column(Id)
    kind: Mapped[str] = mapped_column(String(16))
    key: Mapped[str] = mapped_column(String(160), unique=True)
    label: Mapped[str] = mapped_column(String(300))
    queue: Mapped[str] = mapped_column(String(32))
    priority: Mapped[int]
    payload: Mapped[dict[str, Any]]
    waiting_for: Mapped[str | None] = mapped_column(String(160))
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(server_default="0")
    max_attempts: Mapped[int] = mapped_column(server_default="4")
    setbacks: Mapped[int] = mapped_column(server_default="0")
    fence: Mapped[int] = mapped_column(server_default="0")
    lease_owner: Mapped[str | None] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime | None]
    not_before: Mapped[datetime]
    published_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    progress: Mapped[float] = mapped_column(server_default="0")
    error: Mapped[str] = mapped_column(Note(), server_default="")


class LedgerRow(Base):
    """One reservation, charge or release; ``key`` makes each happen once."""

    __tablename__ = "ledger"
    __table_args__ = (
        _one_of("kind", "reserve", "settle", "release"),
        CheckConstraint("amount_micro_usd >= 0", name="amount_not_negative"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    cut_id: Mapped[str] = mapped_column(ForeignKey("cuts.id"), index=True)
    shot_id: Mapped[str] = mapped_column(ForeignKey("shots.id"), index=True)
    take_id: Mapped[str] = mapped_column(ForeignKey("takes.id"), index=True)
    model: Mapped[str] = mapped_column(String(160))
    amount_micro_usd: Mapped[int] = mapped_column(BigInteger)
    period: Mapped[str] = mapped_column(String(7), server_default="")
    at: Mapped[datetime]


class PurseRow(Base):
    """What is spent and reserved under one cap. It follows from the ledger, and is there to be held by a reservation.

    Keys: ``account:2026-11`` (a calendar month, UTC), ``campaign:<id>``, ``cut:<id>``.
    """

    __tablename__ = "purses"

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    cap_micro_usd: Mapped[int | None] = mapped_column(BigInteger)
    committed_micro_usd: Mapped[int] = mapped_column(BigInteger, server_default="0")
