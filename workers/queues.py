"""Every queue and every route, in one table (design, section 5)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from pipeline.production.states import StepKind

TIER_QUEUES = ("draft", "speed", "standard", "premium", "character")
"""Generation, one queue per tier."""
CPU_QUEUES = ("check", "media")
"""Work on this machine's cores."""
DELIVER, UPKEEP = "deliver", "upkeep"
QUEUES = (*TIER_QUEUES, *CPU_QUEUES, DELIVER, UPKEEP)

PRIORITY_STEPS = (0, 3, 6)
"""interactive, standard, batch; 0 is served first (Redis keeps one list for each)."""

AMQP_PRIORITIES = len(PRIORITY_STEPS) - 1
"""Highest priority of a queue on RabbitMQ, where the highest is served first; each costs it memory."""


def amqp_priority(priority: int) -> int:
    """Return what RabbitMQ calls one of our priorities.

    Args:
        priority: 0 is served first; one between two steps counts as the more urgent, as on Redis.
    """
    return AMQP_PRIORITIES - max(0, bisect_right(PRIORITY_STEPS, priority) - 1)


TASKS: Mapping[StepKind, str] = {kind: f"dailies.{kind}" for kind in StepKind}
"""Name of the task that performs each kind of step."""
SWEEP = "dailies.sweep"

ROUTES: Mapping[str, Mapping[str, str]] = {
    TASKS[StepKind.GENERATE]: {"queue": "draft"},
    TASKS[StepKind.CHECK]: {"queue": "check"},
    TASKS[StepKind.CONFORM]: {"queue": "media"},
    TASKS[StepKind.MATCH]: {"queue": "check"},
    TASKS[StepKind.STITCH]: {"queue": "media"},
    TASKS[StepKind.DELIVER]: {"queue": DELIVER},
    SWEEP: {"queue": UPKEEP},
}
"""Where a task goes if its message does not say; a step's own row always says."""
