"""Sends step messages to the broker.

Building a Celery message costs far more than sending it, and all messages of one kind differ only in
a few words. On Redis they are therefore cut from one template, which Celery and kombu themselves make, and
sent in pipelined batches; on every other broker each goes through Celery's own producer.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from amqp.exceptions import AMQPError, NotFound, PreconditionFailed
from celery import Celery
from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url
from redis.exceptions import RedisError

from pipeline.errors import BackendUnavailable
from pipeline.production.outbox import StepMessage
from pipeline.production.states import StepKind
from workers.queues import TASKS, amqp_priority

_BATCH = 500
_CONFIRM_S = 30.0
"""How long RabbitMQ may take to say that it has a message."""
_ID, _LABEL, _ROOT, _BODY, _TAG = "\x01id\x01", "\x01label\x01", "\x01root\x01", "\x01body\x01", "\x01tag\x01"
_EMBED = json.dumps({"callbacks": None, "errbacks": None, "chain": None, "chord": None})
_Template = tuple[str, list[str]]


class CeleryPublisher:
    """Publishes over a Celery app's connection; safe to make before a fork, used after it.

    Args:
        app: The app.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._templates: dict[tuple[str, str, int], _Template] = {}

    def publish(self, messages: Sequence[StepMessage]) -> None:
        """Send messages in their order.

        Raises:
            BackendUnavailable: If the broker does not answer; some may have been sent.
        """
        with self._reach() as connection:
            if connection.transport.driver_type == "redis":
                self._publish_redis(connection.default_channel, messages)
            else:
                self._publish_any(connection, messages)

    def depth(self, queue: str) -> int | None:
        """Return how many messages wait in a queue; ``None`` if the broker does not tell."""
        try:
            with self._reach() as connection:
                channel = connection.default_channel
                if connection.transport.driver_type == "redis":
                    with channel.conn_or_acquire() as client:
                        keys = {channel._q_for_pri(queue, step) for step in channel.priority_steps}  # noqa: SLF001 - kombu's naming of its lists is nowhere public
                        return sum(client.llen(key) for key in keys)
                try:
                    return channel.queue_declare(queue=queue, passive=True).message_count
                except NotFound:
                    return 0  # nobody has published to it or consumed from it yet, or it was deleted
        except BackendUnavailable:
            return None

    def check(self) -> None:
        """See that the broker answers.

        Raises:
            BackendUnavailable: If it does not.
        """
        with self._reach():
            pass

    @contextmanager
    def _reach(self) -> Generator[Any]:
        try:
            with self._app.connection_for_write().clone() as connection:
                connection.ensure_connection(max_retries=1, timeout=10, errback=None)
                yield connection
        except PreconditionFailed as error:
            raise self._unavailable(
                f"the broker has a queue that was made otherwise ({error.reply_text}).",
                "Delete that queue on the broker, and start the workers again",
            ) from error
        except (OperationalError, RedisError, AMQPError, OSError) as error:
            raise self._unavailable(
                f"the broker does not answer ({error}).", "Check DAILIES_BROKER_URL and that the broker runs"
            ) from error

    def _unavailable(self, what: str, remedy: str) -> BackendUnavailable:
        return BackendUnavailable(
            what,
            where=maybe_sanitize_url(self._app.conf.broker_url) or "DAILIES_BROKER_URL",
            remedy=f"{remedy}; nothing is lost: the sweep sends what was not sent.",
        )

    def _publish_any(self, connection: Any, messages: Sequence[StepMessage]) -> None:
        amqp = connection.transport.driver_type == "amqp"
        with self._app.amqp.Producer(connection.default_channel) as producer:
            for message in messages:
                name = TASKS[StepKind(message.kind)]
                self._app.amqp.send_task_message(
                    producer,
                    name,
                    self._task(name, message.step_id, message.label, message.cut_id),
                    # With an empty exchange and a routing key Celery forgets the key: the message would go nowhere.
                    queue=self._app.amqp.queues[message.queue],
                    priority=amqp_priority(message.priority) if amqp else message.priority,
                    delivery_mode=2,
                    confirm_timeout=_CONFIRM_S if amqp else None,
                )

    def _task(self, name: str, step_id: str, label: str, root_id: str) -> Any:
        return self._app.amqp.as_task_v2(
            step_id, name, args=[step_id], kwargs={}, argsrepr=label, kwargsrepr="", root_id=root_id
        )

    def _publish_redis(self, channel: Any, messages: Sequence[StepMessage]) -> None:
        with channel.conn_or_acquire() as client:
            pipe = client.pipeline(transaction=False)
            for (queue, priority), group in groupby(messages, key=lambda item: (item.queue, item.priority)):
                key = channel._q_for_pri(queue, priority)  # noqa: SLF001 - see depth()
                encoded = [self._encode(channel, message) for message in group]
                for start in range(0, len(encoded), _BATCH):
                    pipe.lpush(key, *encoded[start : start + _BATCH])
            pipe.execute()

    def _encode(self, channel: Any, message: StepMessage) -> str:
        kind = (message.kind, message.queue, message.priority)
        template = self._templates.get(kind)
        if template is None:
            template = self._templates[kind] = self._template(channel, *kind)
        body = f'[["{message.step_id}"], {{}}, {_EMBED}]'
        words = {
            _ID: message.step_id,
            _LABEL: json.dumps(message.label)[1:-1],
            _ROOT: message.cut_id,
            _BODY: base64.b64encode(body.encode()).decode(),
            _TAG: f"{message.step_id}-{id(message):x}",
        }
        text, marks = template
        return text % tuple([words[mark] for mark in marks])

    def _template(self, channel: Any, kind: str, queue: str, priority: int) -> _Template:
        """Return a message of kombu's own making, cut at the places that differ."""
        task = self._task(TASKS[StepKind(kind)], _ID, _LABEL, _ROOT)
        message = channel.prepare_message(
            _BODY,
            priority=priority,
            content_type="application/json",
            content_encoding="utf-8",
            headers=task.headers,
            properties={**task.properties, "delivery_mode": 2},
        )
        channel._inplace_augment_message(message, "", queue)  # noqa: SLF001 - what basic_publish does
        message["body"] = _BODY
        message["properties"]["delivery_tag"] = _TAG
        return _template_of(json.dumps(message))


def _template_of(text: str) -> _Template:
    """Return a message as a text with places to fill in, and which mark each place has."""
    written = {json.dumps(mark)[1:-1]: mark for mark in (_ID, _LABEL, _ROOT, _BODY, _TAG)}
    parts = re.split("(" + "|".join(re.escape(each) for each in written) + ")", text)
    filled = [written[part] for part in parts if part in written]
    return "".join("%s" if part in written else part.replace("%", "%%") for part in parts), filled
