"""Indices on the last jobs and the last takes of a model, which health and learned routing read."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index("ix_jobs_model_ended_at", ["model", "ended_at"], unique=False)

    with op.batch_alter_table("takes", schema=None) as batch_op:
        batch_op.create_index("ix_takes_model_created_at", ["model", "created_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("takes", schema=None) as batch_op:
        batch_op.drop_index("ix_takes_model_created_at")

    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_model_ended_at")
