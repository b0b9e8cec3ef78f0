"""A real embedded stack for tests: redis-server and a Celery worker in processes of their own."""

from __future__ import annotations

import dataclasses
import os
import textwrap
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from pipeline.production.states import RESTING_CUTS
from pipeline.production.status import CutStatus, cut_status
from pipeline.production.studio import Studio
from pipeline.production.submit import INTERACTIVE, submit
from pipeline.routing.stage import Stage
from pipeline.settings import Settings, read_settings
from pipeline.storyboard.load import load_storyboard
from workers.app import make_app
from workers.composition import make_studio
from workers.embedded import EmbeddedStack

PATIENCE_S = 120.0
"""Not an expectation of speed: when a test gives up on a machine that is very busy."""


@dataclasses.dataclass
class RunningStack:
    """The stack with the studio of the test's own process."""

    stack: EmbeddedStack
    studio: Studio

    def submit(self, path: Path, stage: Stage = Stage.PREVIEW) -> str:
        return submit(self.studio, [load_storyboard(path)], stage=stage, priority=INTERACTIVE)[0].cut_id

    def wait(self, cut_id: str, until: Callable[[CutStatus], bool], every_s: float = 0.05) -> CutStatus:
        """Tend the stack until something is true of the cut."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            status = cut_status(self.studio, cut_id)
            if until(status):
                return status
            assert time.monotonic() < give_up, f"still {status.state}: {status.counts}, {status.reason}"
            self.stack.tend()
            time.sleep(every_s)

    def finish(self, cut_id: str) -> CutStatus:
        return self.wait(cut_id, lambda status: status.state in RESTING_CUTS)


@contextmanager
def running_stack(home: Path, **settings: str) -> Generator[RunningStack]:
    """Start redis-server and a worker with two slots; sweeps are frequent, leases short."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DAILIES_", "AWS_"))}
    environment |= {
        "DAILIES_HOME": str(home),
        "DAILIES_WORKERS": "2",
        "DAILIES_LEASE_S": "4",
        "DAILIES_SWEEP_INTERVAL_S": "1",
        "DAILIES_REPUBLISH_AFTER_S": "2",
        **settings,
    }
    configured: Settings = read_settings(environment)
    with EmbeddedStack(configured) as stack:
        joined = dataclasses.replace(configured, broker_url=stack.broker_url)
        studio = make_studio(joined, make_app(joined))
        studio.database.upgrade()
        try:
            yield RunningStack(stack, studio)
        finally:
            studio.database.close()


def board(path: Path, text: str) -> Path:
    """Write a storyboard file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path
