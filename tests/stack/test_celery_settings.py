"""What the Celery settings promise, seen on a real redis-server with the embedded worker of one slot."""

from __future__ import annotations

import dataclasses
import os
import pickle
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select

from pipeline.production.states import RESTING_CUTS
from pipeline.production.status import cut_status
from pipeline.production.studio import Studio
from pipeline.production.submit import BATCH, INTERACTIVE, submit
from pipeline.routing.stage import Stage
from pipeline.settings import read_settings
from pipeline.store.tables import StepRow
from pipeline.storyboard.load import load_storyboard
from tests.support.stack import PATIENCE_S, board
from workers.app import make_app
from workers.composition import make_studio
from workers.embedded import EmbeddedStack
from workers.queues import SWEEP

pytestmark = pytest.mark.stack
SHOTS = 4


@dataclasses.dataclass
class Idle:
    """A stack with a broker and no worker yet: what is in the queues is known exactly."""

    stack: EmbeddedStack
    app: Celery
    studio: Studio
    home: Path

    def submit(self, name: str, priority: int) -> str:
        shots = "\n".join(f"  - {{id: s{number}, prompt: a {name} {number}}}" for number in range(SHOTS))
        text = (
            f"schema_version: 1\nid: {name}\ndefaults: {{duration_s: 0.5}}\n"
            f"deliverables: [{{resolution: 120p, fps: 12}}]\nshots:\n{shots}\n"
        )
        path = board(self.home / f"{name}.yaml", text)
        (receipt,) = submit(self.studio, [load_storyboard(path)], stage=Stage.PREVIEW, priority=priority)
        return receipt.cut_id

    def wait(self, until: Callable[[], Any]) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while not until():
            assert time.monotonic() < give_up, self.log()
            self.stack.tend()
            time.sleep(0.02)

    def finish(self, *cut_ids: str) -> None:
        self.wait(lambda: all(cut_status(self.studio, cut_id).state in RESTING_CUTS for cut_id in cut_ids))

    def begun(self, cut_id: str) -> list[tuple[str, Any]]:
        """Return the cut's steps by the moment at which a worker began them."""
        with self.studio.database.read() as session:
            steps = select(StepRow.kind, StepRow.started_at).where(StepRow.cut_id == cut_id)
            return sorted(((kind, at) for kind, at in session.execute(steps)), key=lambda step: step[1])

    def log(self) -> str:
        return (self.home / "logs" / "worker.log").read_text("utf-8", "replace")


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Idle]:
    """A broker with nobody who takes from it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DAILIES_", "AWS_"))}
    # No sweep of its own comes between.
    environment |= {"DAILIES_HOME": str(tmp_path), "DAILIES_WORKERS": "1", "DAILIES_SWEEP_INTERVAL_S": "3600"}
    settings = read_settings(environment)
    with EmbeddedStack(settings, with_worker=False) as stack:
        joined = dataclasses.replace(settings, broker_url=stack.broker_url)
        app = make_app(joined)
        studio = make_studio(joined, app)
        studio.database.upgrade()
        try:
            yield Idle(stack, app, studio, tmp_path)
        finally:
            studio.database.close()


class Trap:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_urgent_work_overtakes_a_backlog_a_sweep_overtakes_both_and_pickle_is_refused(idle: Idle) -> None:
    night, now = idle.submit("night", BATCH), idle.submit("now", INTERACTIVE)
    trap = idle.home / "unpickled"
    with idle.app.connection_for_write() as connection:
        idle.app.amqp.Producer(connection).publish(
            pickle.dumps(Trap(trap)),
            routing_key="draft",
            content_type="application/x-python-serialize",
            content_encoding="binary",
            headers={"task": "dailies.generate", "id": "pickled"},
        )
    idle.app.send_task(SWEEP, queue="upkeep", priority=0, ignore_result=True)

    idle.stack._start_worker()
    idle.finish(night, now)

    assert max(at for _, at in idle.begun(now)) < min(at for _, at in idle.begun(night))
    log = idle.log()
    received = re.findall(r"Task (dailies\.\w+)\[\S+\] received", log)
    assert received.index(SWEEP) < SHOTS, "the sweep waited behind the backlog"
    assert "ContentDisallowed" in log
    assert not trap.exists()
