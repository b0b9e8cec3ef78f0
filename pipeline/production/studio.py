"""What every use case works with, handed in by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pipeline.clock import Clock
from pipeline.production.outbox import Publisher
from pipeline.settings import Settings
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.database import Database
from pipeline.store.storage import Storage


@dataclass(frozen=True, slots=True)
class Studio:
    """Everything a use case may reach.

    Attributes:
        settings: What is configured.
        database: The truth.
        storage: Where deliveries go.
        artifacts: Clips and pictures by content hash.
        publisher: The broker.
        clock: The present moment.
        new_id: Makes ids.
    """

    settings: Settings
    database: Database
    storage: Storage
    artifacts: ArtifactStore
    publisher: Publisher
    clock: Clock
    new_id: Callable[[], str]

    @property
    def lease(self) -> timedelta:
        """How long a step's lease lasts."""
        return timedelta(seconds=self.settings.lease_s)
