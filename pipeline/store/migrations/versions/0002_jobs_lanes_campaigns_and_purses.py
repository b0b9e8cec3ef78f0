"""jobs lanes campaigns and purses"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "asks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("engine", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=160), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_asks")),
    )
    with op.batch_alter_table("asks", schema=None) as batch_op:
        batch_op.create_index("ix_asks_engine_at", ["engine", "at"], unique=False)

    op.create_table(
        "campaigns",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("key", name=op.f("uq_campaigns_key")),
    )
    op.create_table(
        "lanes",
        sa.Column("engine", sa.String(length=64), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=4000), server_default="", nullable=False),
        sa.Column("setbacks", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("engine", name=op.f("pk_lanes")),
    )
    op.create_table(
        "purses",
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("cap_micro_usd", sa.BigInteger(), nullable=True),
        sa.Column("committed_micro_usd", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_purses")),
    )
    op.create_table(
        "jobs",
        sa.Column("take_id", sa.String(length=40), nullable=False),
        sa.Column("cut_id", sa.String(length=40), nullable=False),
        sa.Column("engine", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=160), nullable=False),
        sa.Column("share", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("provider_job", sa.String(length=400), nullable=True),
        sa.Column("ticket", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.String(length=200), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_poll_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancel_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("progress", sa.Double(), server_default="0", nullable=False),
        sa.Column("setbacks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("outcome", sa.String(length=24), server_default="", nullable=False),
        sa.Column("error", sa.String(length=4000), server_default="", nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state != 'running' OR provider_job IS NOT NULL", name=op.f("ck_jobs_running_is_known")),
        sa.CheckConstraint(
            "state IN ('waiting', 'asking', 'unsure', 'running', 'held', 'ended')", name=op.f("ck_jobs_state_known")
        ),
        sa.ForeignKeyConstraint(["cut_id"], ["cuts.id"], name=op.f("fk_jobs_cut_id_cuts"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["take_id"], ["takes.id"], name=op.f("fk_jobs_take_id_takes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("take_id", name=op.f("pk_jobs")),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index(
            "uq_jobs_engine_provider_job",
            ["engine", "provider_job"],
            unique=True,
            sqlite_where=sa.text("state != 'ended'"),
            postgresql_where=sa.text("state != 'ended'"),
        )
        batch_op.create_index(batch_op.f("ix_jobs_cut_id"), ["cut_id"], unique=False)
        batch_op.create_index("ix_jobs_lease_owner", ["lease_owner"], unique=False)
        batch_op.create_index("ix_jobs_model_state", ["model", "state"], unique=False)
        batch_op.create_index("ix_jobs_state_next_poll_at", ["state", "next_poll_at"], unique=False)

    with op.batch_alter_table("cuts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("campaign_id", sa.String(length=40), nullable=True))
        batch_op.create_index(batch_op.f("ix_cuts_campaign_id"), ["campaign_id"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_cuts_campaign_id_campaigns"), "campaigns", ["campaign_id"], ["id"])

    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.add_column(sa.Column("period", sa.String(length=7), server_default="", nullable=False))

    with op.batch_alter_table("steps", schema=None) as batch_op:
        batch_op.add_column(sa.Column("waiting_for", sa.String(length=160), nullable=True))
        batch_op.create_index("ix_steps_waiting_for_state", ["waiting_for", "state"], unique=False)

    with op.batch_alter_table("takes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("trouble", sa.String(length=24), server_default="", nullable=False))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("takes", schema=None) as batch_op:
        batch_op.drop_column("trouble")

    with op.batch_alter_table("steps", schema=None) as batch_op:
        batch_op.drop_index("ix_steps_waiting_for_state")
        batch_op.drop_column("waiting_for")

    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.drop_column("period")

    with op.batch_alter_table("cuts", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_cuts_campaign_id_campaigns"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_cuts_campaign_id"))
        batch_op.drop_column("campaign_id")

    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("uq_jobs_engine_provider_job")
        batch_op.drop_index("ix_jobs_state_next_poll_at")
        batch_op.drop_index("ix_jobs_model_state")
        batch_op.drop_index("ix_jobs_lease_owner")
        batch_op.drop_index(batch_op.f("ix_jobs_cut_id"))

    op.drop_table("jobs")
    op.drop_table("purses")
    op.drop_table("lanes")
    op.drop_table("campaigns")
    with op.batch_alter_table("asks", schema=None) as batch_op:
        batch_op.drop_index("ix_asks_engine_at")

    op.drop_table("asks")
