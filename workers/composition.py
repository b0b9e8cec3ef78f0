"""The composition root: makes the studio from the settings."""

from __future__ import annotations

from celery import Celery

from pipeline.clock import utc_now
from pipeline.production.studio import Studio
from pipeline.settings import Settings
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.database import Database, new_id
from pipeline.store.storage import open_storage
from workers.publisher import CeleryPublisher


def make_studio(settings: Settings, app: Celery) -> Studio:
    """Return everything the use cases reach, opened from the settings.

    Args:
        settings: What is configured.
        app: The Celery app that carries the messages.

    Raises:
        ConfigurationError: If a setting can't be used.
    """
    storage = open_storage(settings)
    return Studio(
        settings=settings,
        database=Database(settings.database_url),
        storage=storage,
        artifacts=ArtifactStore(storage, settings.home / "cache"),
        publisher=CeleryPublisher(app),
        clock=utc_now,
        new_id=new_id,
    )
