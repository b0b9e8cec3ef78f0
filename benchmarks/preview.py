"""A 12-shot preview through Celery workers, against the same steps one after another in one process.

Baseline 1: the sum of the steps' own times in the same run, divided over the cores: what perfect sharing
of the work would take. Baseline 2: the same storyboard in a fresh home, its steps performed one by one in
this process, with no broker and no worker (imports and start-up left out on both sides).
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select

from pipeline.production.outbox import StepMessage
from pipeline.production.perform import perform
from pipeline.production.states import RESTING_CUTS, CutState
from pipeline.production.status import cut_status
from pipeline.production.studio import Studio
from pipeline.production.submit import INTERACTIVE, submit
from pipeline.routing.stage import Stage
from pipeline.settings import Settings, read_settings
from pipeline.store.tables import StepRow
from pipeline.storyboard.load import LoadedStoryboard, load_storyboard
from workers.app import make_app
from workers.composition import make_studio
from workers.embedded import EmbeddedStack

BOARD = Path("examples/lighthouse/storyboard.yaml")


class Queue:
    """A broker in this process: first in, first out."""

    def __init__(self) -> None:
        self.messages: deque[StepMessage] = deque()

    def publish(self, messages: Sequence[StepMessage]) -> None:
        """Keep messages."""
        self.messages.extend(messages)

    def depth(self, queue: str) -> int | None:
        """Return how many messages wait in a queue."""
        return sum(message.queue == queue for message in self.messages)


def run() -> None:
    """Print the times and their ratios."""
    board = load_storyboard(BOARD)
    cores = os.cpu_count() or 1
    shots = len(board.storyboard.enabled_shots)
    wall, total = _with_workers(board, cores)
    serial = _one_by_one(board)
    print(f"preview of {shots} shots, {cores} worker slots: {wall:.1f} s from submit to delivered")
    print(f"  sum of its steps' times: {total:.1f} s, over {cores} cores {total / cores:.1f} s (baseline 1)")
    print(f"  wall time / baseline 1: {wall / (total / cores):.2f}")
    print(f"  the same steps one after another in one process: {serial:.1f} s (baseline 2)")
    print(f"  {serial / wall:.2f} times faster than baseline 2")


def _settings(home: str) -> Settings:
    return read_settings({**os.environ, "DAILIES_HOME": home, "DAILIES_WORKERS": str(os.cpu_count() or 1)})


def _with_workers(board: LoadedStoryboard, cores: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as home:
        settings = _settings(home)
        studio = make_studio(settings, make_app(settings))
        studio.database.upgrade()
        with EmbeddedStack(settings) as stack:
            settings = dataclasses.replace(settings, broker_url=stack.broker_url)
            studio = make_studio(settings, make_app(settings))
            while cores and studio.publisher.depth("upkeep") is None:
                time.sleep(0.1)
            time.sleep(8)  # the worker's own start is not the subject
            begin = time.perf_counter()
            cut = submit(studio, [board], stage=Stage.PREVIEW, priority=INTERACTIVE)[0].cut_id
            while cut_status(studio, cut).state not in RESTING_CUTS:
                time.sleep(0.1)
            wall = time.perf_counter() - begin
        return wall, _sum_of_steps(studio, cut)


def _sum_of_steps(studio: Studio, cut: str) -> float:
    assert cut_status(studio, cut).state is CutState.DELIVERED, cut_status(studio, cut).reason
    with studio.database.read() as session:
        rows = session.scalars(select(StepRow).where(StepRow.cut_id == cut)).all()
        return sum((row.finished_at - row.started_at).total_seconds() for row in rows if row.started_at)


def _one_by_one(board: LoadedStoryboard) -> float:
    with tempfile.TemporaryDirectory() as home:
        settings = _settings(home)
        queue = Queue()
        studio = dataclasses.replace(make_studio(settings, make_app(settings)), publisher=queue)
        studio.database.upgrade()
        begin = time.perf_counter()
        cut = submit(studio, [board], stage=Stage.PREVIEW, priority=INTERACTIVE)[0].cut_id
        while queue.messages:
            perform(studio, queue.messages.popleft().step_id, "benchmark")
        serial = time.perf_counter() - begin
        assert cut_status(studio, cut).state is CutState.DELIVERED, cut_status(studio, cut).reason
        studio.database.close()
        return serial


if __name__ == "__main__":
    run()
