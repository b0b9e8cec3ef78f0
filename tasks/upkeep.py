"""What keeps the fleet whole."""

from __future__ import annotations

from dataclasses import asdict

from celery import shared_task

from pipeline.production.sweep import sweep as run_sweep
from tasks.base import DailiesTask


@shared_task(base=DailiesTask, bind=True, name="dailies.sweep")
def sweep(self: DailiesTask) -> dict[str, int]:
    """Find lost work and send it again."""
    return asdict(run_sweep(self.studio))
