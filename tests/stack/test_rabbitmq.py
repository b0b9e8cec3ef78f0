"""RabbitMQ as the broker: what is promised on Redis holds there too. Skipped where it isn't installed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection, Queue
from sqlalchemy import select

from pipeline.errors import BackendUnavailable
from pipeline.production.outbox import StepMessage
from pipeline.production.states import CutState
from pipeline.production.studio import Studio
from pipeline.production.submit import BATCH, INTERACTIVE, STANDARD, submit
from pipeline.routing.stage import Stage
from pipeline.settings import Settings, read_settings
from pipeline.store.tables import StepRow
from pipeline.storyboard.load import load_storyboard
from tests.support.rabbitmq import NoRabbitError, RabbitServer, rabbit_server
from tests.support.stack import board, running_stack
from workers.app import make_app
from workers.composition import make_studio
from workers.publisher import CeleryPublisher
from workers.queues import QUEUES, amqp_priority

pytestmark = pytest.mark.stack

BOARD = """\
schema_version: 1
id: {name}
defaults: {{duration_s: 0.5}}
deliverables: [{{resolution: 120p, fps: 12}}]
shots:
  - {{id: only, prompt: "{name} in the fog"}}
"""


@pytest.fixture(scope="module")
def rabbit() -> Iterator[RabbitServer]:
    try:
        running = rabbit_server()
        server = running.__enter__()
    except NoRabbitError as missing:
        pytest.skip(str(missing))
    yield server
    running.__exit__(None, None, None)


@pytest.fixture
def settings(rabbit: RabbitServer, tmp_path: Path) -> Iterator[Settings]:
    """Nothing waits in any queue, before and after."""
    yield read_settings({"DAILIES_HOME": str(tmp_path), "DAILIES_BROKER_URL": rabbit.url})
    with Connection(rabbit.url) as connection:
        for name in QUEUES:
            connection.channel().queue_delete(name)


@pytest.fixture
def publisher(settings: Settings) -> CeleryPublisher:
    return CeleryPublisher(make_app(settings))


def message(step_id: str, priority: int = STANDARD) -> StepMessage:
    return StepMessage(step_id, "generate", "draft", priority, f"board/{step_id}", "cut")


def test_a_queue_that_is_not_there_holds_no_message(publisher: CeleryPublisher) -> None:
    assert publisher.depth("draft") == 0
    assert publisher.depth("draft") == 0, "the first question broke something"


def test_the_depth_is_how_many_messages_wait(publisher: CeleryPublisher, rabbit: RabbitServer) -> None:
    publisher.publish([message(f"s{n}") for n in range(5)])

    assert publisher.depth("draft") == 5
    assert rabbit.purge("draft") == 5
    assert publisher.depth("draft") == 0


def test_what_is_urgent_is_served_first_and_equals_in_their_order(
    publisher: CeleryPublisher, rabbit: RabbitServer
) -> None:
    sent = [("b1", BATCH), ("s1", STANDARD), ("b2", BATCH), ("i1", INTERACTIVE), ("s2", STANDARD), ("i2", INTERACTIVE)]

    publisher.publish([message(step_id, priority) for step_id, priority in sent])

    with Connection(rabbit.url) as connection, connection.SimpleQueue(_passive("draft")) as waiting:
        served = [waiting.get(timeout=10) for _ in sent]
        assert [each.headers["id"] for each in served] == ["i1", "i2", "s1", "s2", "b1", "b2"]
        assert {each.properties["delivery_mode"] for each in served} == {2}, "a restart of the broker would lose some"
        assert served[0].payload[0] == ["i1"]
        for each in served:
            each.ack()


def _passive(name: str) -> Queue:
    return Queue(name, no_declare=True)


@pytest.mark.parametrize(("ours", "theirs"), [(0, 2), (2, 2), (3, 1), (5, 1), (6, 0), (9, 0), (-1, 2)])
def test_our_first_is_their_highest(ours: int, theirs: int) -> None:
    assert amqp_priority(ours) == theirs


def test_a_queue_that_was_made_otherwise_is_named_with_what_to_do(
    publisher: CeleryPublisher, rabbit: RabbitServer
) -> None:
    with Connection(rabbit.url) as connection:
        Queue("draft", channel=connection.channel()).queue_declare()

    with pytest.raises(BackendUnavailable, match="x-max-priority") as refused:
        publisher.publish([message("s1")])

    assert "Delete that queue" in str(refused.value.remedy)


def test_a_broker_that_is_not_there_is_an_outage_and_its_depth_unknown(settings: Settings) -> None:
    away = dataclasses.replace(settings, broker_url="amqp://dailies:secret@127.0.0.1:1//")
    publisher = CeleryPublisher(make_app(away))

    with pytest.raises(BackendUnavailable) as outage:
        publisher.publish([message("s1")])

    assert "secret" not in f"{outage.value} {outage.value.where}"
    assert publisher.depth("draft") is None


def test_a_worker_makes_films_the_urgent_one_first_and_the_sweep_finds_what_a_purge_lost(
    settings: Settings, rabbit: RabbitServer, tmp_path: Path
) -> None:
    studio = make_studio(settings, make_app(settings))
    studio.database.upgrade()
    lost = send(studio, tmp_path, "lost", BATCH)
    assert rabbit.purge("draft") == 1
    batch = send(studio, tmp_path, "batch", BATCH)
    urgent = send(studio, tmp_path, "urgent", INTERACTIVE)

    with running_stack(tmp_path, DAILIES_BROKER_URL=rabbit.url, DAILIES_WORKERS="1") as run:
        for cut in (urgent, batch, lost):
            finished = run.finish(cut)
            assert finished.state is CutState.DELIVERED, (finished.reason, [shot.reason for shot in finished.shots])

    with studio.database.read() as session:
        started = session.scalars(
            select(StepRow.cut_id).where(StepRow.kind == "generate").order_by(StepRow.started_at)
        ).all()
    assert started == [urgent, batch, lost]
    studio.database.close()


def send(studio: Studio, folder: Path, name: str, priority: int) -> str:
    loaded = load_storyboard(board(folder / f"{name}.yaml", BOARD.format(name=name)))
    return submit(studio, [loaded], stage=Stage.PREVIEW, priority=priority)[0].cut_id
