"""Alembic's entry: migrates over the connection that :meth:`Database.upgrade` hands in."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from pipeline.store.tables import Base, Note, UtcDateTime


def _render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our own column types as the plain ones they store, so that migrations import nothing of ours."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, Note):
        return "sa.String(length=4000)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=_render,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
