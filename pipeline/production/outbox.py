"""Messages go out after the commit; the database knows what was sent, the broker is only a hint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.store.tables import StepRow


@dataclass(frozen=True, slots=True)
class StepMessage:
    """One message: the step's id, and words for a person who watches the queue.

    Attributes:
        step_id: The only argument of the task.
        kind: Kind of step; names the task.
        queue: Queue.
        priority: 0 is served first.
        label: What Flower shows as the arguments.
        cut_id: Root of the work, for grouping in Flower.
    """

    step_id: str
    kind: str
    queue: str
    priority: int
    label: str
    cut_id: str

    @classmethod
    def of(cls, row: StepRow) -> StepMessage:
        """Return the message for a step's row."""
        return cls(row.id, row.kind, row.queue, row.priority, row.label, row.cut_id)


class Publisher(Protocol):
    """Sends messages to the broker."""

    def publish(self, messages: Sequence[StepMessage]) -> None:
        """Send messages.

        Raises:
            BackendUnavailable: If the broker does not answer; some may have been sent.
        """
        ...

    def depth(self, queue: str) -> int | None:
        """Return how many messages wait in a queue, ``None`` if the broker can't say."""
        ...
