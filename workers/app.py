"""The Celery app: ``celery -A workers.app worker -Q draft,check,media,deliver,upkeep``."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu.entity import Exchange, Queue

from pipeline.production.studio import Studio
from pipeline.settings import Settings, read_settings
from tasks.base import use_studio
from workers.composition import make_studio
from workers.queues import AMQP_PRIORITIES, PRIORITY_STEPS, QUEUES, ROUTES, SWEEP, amqp_priority
from workers.stackfile import read_stackfile

_REDIS_OPTIONS: dict[str, Any] = {
    # Far beyond any step: redelivery is the sweep's work, not the broker's.
    "visibility_timeout": 6 * 3600,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "priority_steps": list(PRIORITY_STEPS),
    # In turn: in a fixed order, sweeps and checks would wait behind a whole urgent backlog of generation.
    # Priorities hold all the same: kombu asks every queue's urgent list before any other's.
    "queue_order_strategy": "round_robin",
}


_AMQP_OPTIONS: dict[str, Any] = {
    "confirm_publish": True,  # a message counts as sent when the broker has it
    "client_properties": {"connection_name": "dailies"},
}


def is_amqp(broker: str) -> bool:
    """Return whether a broker is RabbitMQ, or speaks as it does."""
    return broker.startswith(("amqp", "pyamqp"))


def _queues(broker: str) -> list[Queue]:
    """Return the queues: durable classic ones, which on RabbitMQ are told how many priorities they have.

    Quorum queues know two priorities, and from RabbitMQ 4 on drop a message after 20 redeliveries.
    """
    priorities = AMQP_PRIORITIES if is_amqp(broker) else None
    return [Queue(name, Exchange(""), routing_key=name, durable=True, max_priority=priorities) for name in QUEUES]


def _transport_options(broker: str) -> dict[str, Any]:
    if broker.startswith("redis"):
        return dict(_REDIS_OPTIONS)
    return dict(_AMQP_OPTIONS) if is_amqp(broker) else {}


def make_app(settings: Settings) -> Celery:
    """Return the app for a broker.

    With no broker configured the embedded stack's address is used, if one runs in ``DAILIES_HOME``.
    """
    broker = settings.broker_url or embedded_broker(settings)
    app = Celery("dailies", broker=broker, include=["tasks.steps", "tasks.upkeep"])
    app.conf.update(
        accept_content=["json"],  # never pickle: whoever can write to the broker could run code
        task_serializer="json",
        event_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,  # the lease, not the message, says who works
        task_create_missing_queues=False,
        task_default_queue="upkeep",
        task_queues=_queues(broker),
        task_routes=dict(ROUTES),
        task_send_sent_event=False,
        task_track_started=True,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=broker.startswith("redis"),
        worker_max_tasks_per_child=200,  # OpenCV and FFmpeg users leak
        worker_max_memory_per_child=1_500_000,  # KiB
        worker_send_task_events=True,
        worker_hijack_root_logger=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=10.0,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_transport_options(broker),
        beat_schedule={
            "sweep": {
                "task": SWEEP,
                "schedule": settings.sweep_interval_s,
                "options": {
                    "queue": "upkeep",
                    "priority": amqp_priority(0) if is_amqp(broker) else 0,
                    "expires": settings.sweep_interval_s * 2,
                },
            }
        },
        beat_max_loop_interval=5,
    )
    return app


def embedded_broker(settings: Settings) -> str:
    """Return the embedded broker's URL, or one that nobody listens at, so that the error names it."""
    stack = read_stackfile(settings.home)
    return stack.broker_url if stack else "redis://127.0.0.1:6379/0"


def _studio() -> Studio:
    return make_studio(read_settings(), app)


app = make_app(read_settings())
use_studio(_studio)
