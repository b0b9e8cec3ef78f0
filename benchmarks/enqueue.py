"""Enqueueing 10,000 shots, rows included, against a loop of ``apply_async`` in the same run.

Baseline: Celery's own ``apply_async``, one call per shot, over its pooled connection, no rows. Measured: ``submit()``
of 100 storyboards with 100 shots each - routing, quote, rows of cuts, shots and steps in SQLite, one commit,
then the messages - to the same redis-server.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

from pipeline.production.submit import BATCH, submit
from pipeline.routing.stage import Stage
from pipeline.settings import read_settings
from pipeline.storyboard.load import LoadedStoryboard, content_hash
from pipeline.storyboard.schema import Storyboard
from workers.app import make_app
from workers.composition import make_studio
from workers.embedded import EmbeddedStack

BOARDS, SHOTS = 100, 100


def run() -> None:
    """Print the times and their ratio."""
    with tempfile.TemporaryDirectory() as home:
        settings = read_settings({"DAILIES_HOME": home, "PATH": ""})
        with EmbeddedStack(settings, with_worker=False) as stack:
            settings = dataclasses.replace(settings, broker_url=stack.broker_url)
            app = make_app(settings)
            studio = make_studio(settings, app)
            studio.database.upgrade()
            boards = [_board(number) for number in range(BOARDS)]
            total = BOARDS * SHOTS
            app.loader.import_default_modules()
            generate = app.tasks["dailies.generate"]

            begin = time.perf_counter()
            for number in range(total):
                generate.apply_async(args=[str(number)], queue="speed")
            baseline = time.perf_counter() - begin

            begin = time.perf_counter()
            receipts = submit(studio, boards, stage=Stage.PREVIEW, priority=BATCH)
            ours = time.perf_counter() - begin

            waiting = studio.publisher.depth("draft")
            assert waiting == total, f"{waiting} of {total} messages arrived"
            assert sum(receipt.shots for receipt in receipts) == total
            print(f"enqueue {total} shots: apply_async loop (baseline) {baseline:6.2f} s  {total / baseline:8.0f}/s")
            print(f"enqueue {total} shots: submit(), rows included {ours:6.2f} s  {total / ours:8.0f}/s")
            print(f"submit() is {baseline / ours:.1f} times faster (aim: 10)")
            studio.database.close()


def _board(number: int) -> LoadedStoryboard:
    shots = [
        {"id": f"s{shot:03d}", "prompt": f"Harbour {number}, picture {shot}, boats at dawn"} for shot in range(SHOTS)
    ]
    storyboard = Storyboard.model_validate({"schema_version": 1, "id": f"board-{number:03d}", "shots": shots})
    path = Path(f"board-{number:03d}.yaml")
    return LoadedStoryboard(storyboard, path, path.parent, (), {}, content_hash(storyboard, {}))


if __name__ == "__main__":
    run()
