"""The composition root: makes the studio from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.clock import utc_now
from pipeline.production.outbox import Publisher
from pipeline.production.studio import Studio
from pipeline.settings import Settings
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.database import Database, new_id
from pipeline.store.storage import open_storage

if TYPE_CHECKING:
    from celery import Celery


def make_studio(settings: Settings, app: Celery) -> Studio:
    """Return everything the use cases reach, opened from the settings.

    Args:
        settings: What is configured.
        app: The Celery app that carries the messages.

    Raises:
        ConfigurationError: If a setting can't be used.
    """
    from workers.publisher import CeleryPublisher  # noqa: PLC0415 - who only reads needs no Celery

    return open_studio(settings, CeleryPublisher(app))


def open_studio(settings: Settings, publisher: Publisher) -> Studio:
    """Return everything the use cases reach, with a publisher of the caller's choice.

    Args:
        settings: What is configured.
        publisher: What carries the messages.

    Raises:
        ConfigurationError: If a setting can't be used.
    """
    storage = open_storage(settings)
    return Studio(
        settings=settings,
        database=Database(settings.database_url),
        storage=storage,
        artifacts=ArtifactStore(storage, settings.home / "cache"),
        publisher=publisher,
        clock=utc_now,
        new_id=new_id,
    )
