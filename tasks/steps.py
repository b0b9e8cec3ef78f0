"""One task per kind of step, so that Flower shows what is done; all perform a step by its id."""

from __future__ import annotations

from celery import shared_task

from pipeline.production.perform import perform
from tasks.base import DailiesTask


@shared_task(base=DailiesTask, bind=True, name="dailies.generate")
def generate(self: DailiesTask, step_id: str) -> str:
    """Generate one take of a shot."""
    return perform(self.studio, step_id, self.owner)


@shared_task(base=DailiesTask, bind=True, name="dailies.check")
def check(self: DailiesTask, step_id: str) -> str:
    """Measure one take and judge it."""
    return perform(self.studio, step_id, self.owner)


@shared_task(base=DailiesTask, bind=True, name="dailies.conform")
def conform(self: DailiesTask, step_id: str) -> str:
    """Bring one accepted take to a mezzanine."""
    return perform(self.studio, step_id, self.owner)


@shared_task(base=DailiesTask, bind=True, name="dailies.match")
def match(self: DailiesTask, step_id: str) -> str:
    """Compare the takes of a cut."""
    return perform(self.studio, step_id, self.owner)


@shared_task(base=DailiesTask, bind=True, name="dailies.stitch")
def stitch(self: DailiesTask, step_id: str) -> str:
    """Put one deliverable's film together."""
    return perform(self.studio, step_id, self.owner)


@shared_task(base=DailiesTask, bind=True, name="dailies.deliver")
def deliver(self: DailiesTask, step_id: str) -> str:
    """Store and verify a cut's files."""
    return perform(self.studio, step_id, self.owner)
