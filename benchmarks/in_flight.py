"""1,000 and 10,000 takes in flight at a provider, against a thread-per-take Celery worker at 1,000.

Measured: one watcher process (``python -m workers.watcher``) with takes that are rows: storyboards submitted, each
generate step performed by a Celery worker (prefork, two processes per core) that asks the provider over HTTP. When all
are in flight the watcher starts, and finds them: it polls, downloads, decodes, stores and settles. The provider is a
process of its own that hands out tiny clips; its jobs end when they are told to: none before each was polled, then some
at a steady pace, then all others at once. Workers for the steps behind (check, conform) are not started. Baseline:
``benchmarks/_thread_per_take.py``.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select

from benchmarks import _thread_per_take as baseline
from benchmarks._in_flight_drive import Course, Pace, drive, process, until
from benchmarks._meter import Meter
from pipeline.engines.base import RemoteEngine
from pipeline.production.books import audit
from pipeline.production.states import JobPhase, TakeState
from pipeline.production.studio import Studio
from pipeline.production.submit import BATCH, submit
from pipeline.production.sweep import sweep
from pipeline.routing.stage import Stage
from pipeline.settings import Settings, read_settings
from pipeline.store.tables import JobRow, TakeRow
from pipeline.storyboard.load import LoadedStoryboard, content_hash
from pipeline.storyboard.schema import Storyboard
from tests.support.provider import Provider, most_per_intent, running_provider
from workers.app import make_app
from workers.composition import make_studio
from workers.embedded import EmbeddedStack

SHOTS = 100
PRICE = 50_000
NEVER_S = 86_400.0
REGISTRY = """\
format: 1
engine: openai_compatible
provider: the test provider
models:
  openai_compatible/wan:
    kind: video
    capabilities:
      modes: [text-to-video]
      durations: {min_s: 0.5, max_s: 10}
      resolutions: any
      aspect_ratios: any
      fps: any
      audio: yes
      seed: yes
    prices: [{from: 2026-01-01, rates: [{unit: second, usd: "0.05"}], source: test, verified: 2026-11-21}]
    charges: {failed: no, refused_input: no, refused_output: no, cancelled: no}
    limits: {concurrent: 20000, per_minute: null}
    wire: {size: width_height, num_frames: true, fps: true, seed: true, cancel: post, reconcile: none}
"""
ROUTING = """\
format: 1
version: benchmark
default: {standard: [openai_compatible/wan]}
"""


def run() -> None:
    """Print what was measured, and the ratios."""
    cores, every_s = os.cpu_count(), RemoteEngine.poll_every_s
    print(f"{cores} cores, which the provider, the workers, the database and this script share")
    ours = {takes: watched(takes) for takes in (1_000, 10_000)}
    threads = thread_per_take(1_000)
    for takes, course in ours.items():
        _tell(f"{takes} takes, one watcher, SQLite", course)
    _tell(f"1000 takes, a thread per take (baseline; polls every {every_s:g} s)", threads)
    few, many = ours[1_000], ours[10_000]
    print("ratios, the baseline's figure first:")
    print(f"  memory at 1000, PSS: {threads.pss_mb:.0f} / {few.pss_mb:.0f} MB = {threads.pss_mb / few.pss_mb:.1f}")
    print(f"  threads at 1000: {threads.threads} / {few.threads} = {threads.threads / few.threads:.0f}")
    print(
        f"  processor time a poll: {threads.poll_ms:.2f} / {few.poll_ms:.2f} ms = {threads.poll_ms / few.poll_ms:.1f}"
    )
    old, new = statistics.median(threads.delays), statistics.median(few.delays)
    print(f"  median delay at 1000: {old:.1f} / {new:.1f} s = {old / new:.2f}")
    print(f"  takes/s from end to end at 1000: {few.whole_s / threads.whole_s:.2f}")
    print(f"  memory, 10000 with us against 1000 with it: {many.pss_mb / threads.pss_mb:.2f} (aim: under 300 MB)")


def _tell(what: str, course: Course) -> None:
    print(f"{what}:")
    for line in course.lines():
        print(f"  {line}")


def watched(takes: int, *, database_url: str | None = None, pace: Pace | None = None) -> Course:
    """Measure one watcher.

    Args:
        takes: How many takes are in flight at once.
        database_url: Empty database; SQLite if not given.
        pace: How the jobs end.
    """
    with _surroundings(database_url) as (home, provider, studio):
        environment = dict(studio.settings.environment)
        worker = ["celery", "--app", "workers.app", "--quiet", "worker", "--queues", "standard"]
        worker += ["--concurrency", str(2 * (os.cpu_count() or 1)), "--without-mingle", "--without-gossip"]
        boards = [_board(number, min(SHOTS, takes - start)) for number, start in enumerate(range(0, takes, SHOTS))]
        submit(studio, boards, stage=Stage.FINAL, priority=BATCH)
        with process(worker, environment, home / "worker.log"):
            _wait_for_jobs(studio, takes)
        # From here on only the watcher works; it finds all the jobs at once.
        with process(["workers.watcher"], environment, home / "watcher.log") as pid, Meter(pid) as meter:
            course = drive(provider, takes, meter, lambda: _collected(studio), lambda: _count(studio), pace)
        _require_in_order(studio, provider, takes)
        return course


def thread_per_take(takes: int, *, pace: Pace | None = None) -> Course:
    """Measure the baseline: a Celery worker with as many threads as there are takes."""
    with _surroundings(None) as (home, provider, studio):
        clips = home / "clips"
        clips.mkdir()
        environment = dict(os.environ) | {
            baseline.BROKER: f"{studio.settings.broker_url}".removesuffix("/0") + "/1",
            baseline.PROVIDER: provider.base_url,
            baseline.EVERY_S: str(RemoteEngine.poll_every_s),
            baseline.CLIPS: str(clips),
        }
        worker = ["celery", "--app", "benchmarks._thread_per_take", "--quiet", "worker", "--pool", "threads"]
        worker += ["--concurrency", str(takes), "--without-mingle", "--without-gossip"]
        baseline.app.conf.broker_url = environment[baseline.BROKER]
        for number in range(takes):
            baseline.take.delay(f"intent-{number}", f"Harbour, picture {number}, boats at dawn")
        with process(worker, environment, home / "worker.log") as pid, Meter(pid) as meter:
            return drive(
                provider,
                takes,
                meter,
                lambda: {path.stem: path.stat().st_mtime for path in clips.glob("*.mp4")},
                lambda: sum(1 for _ in clips.glob("*.mp4")),
                pace,
            )


@contextmanager
def _surroundings(database_url: str | None) -> Generator[tuple[Path, Provider, Studio]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_provider(
            Path(folder) / "provider", tiny=True, fsync=False, duration_s=NEVER_S, price_per_second=PRICE
        ) as provider,
    ):
        home = Path(folder) / "home"
        home.mkdir()
        (home / "registry.yaml").write_text(REGISTRY)
        (home / "routing.yaml").write_text(ROUTING)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DAILIES_")} | {
            "DAILIES_HOME": str(home),
            "DAILIES_REGISTRY": str(home / "registry.yaml"),
            "DAILIES_ROUTING": str(home / "routing.yaml"),
            "DAILIES_OPENAI_COMPATIBLE_BASE_URL": provider.base_url,
        }
        if database_url is not None:
            environment["DAILIES_DATABASE_URL"] = database_url
        with EmbeddedStack(read_settings(environment), with_worker=False) as stack:
            settings = read_settings(environment | {"DAILIES_BROKER_URL": stack.broker_url})
            studio = _studio(settings)
            studio.database.upgrade()
            try:
                yield home, provider, studio
            finally:
                studio.database.close()


def _studio(settings: Settings) -> Studio:
    return dataclasses.replace(make_studio(settings, make_app(settings)), settings=settings)


def _board(number: int, count: int) -> LoadedStoryboard:
    shots = [
        {"id": f"s{shot:03d}", "prompt": f"Harbour {number}, picture {shot}, boats at dawn"} for shot in range(count)
    ]
    storyboard = Storyboard.model_validate(
        {
            "schema_version": 1,
            "id": f"board-{number:03d}",
            "defaults": {"duration_s": 2.0, "tier": "standard"},
            "deliverables": [{"resolution": "320x180", "fps": 24}],
            "shots": shots,
        }
    )
    path = Path(f"board-{number:03d}.yaml")
    return LoadedStoryboard(storyboard, path, path.parent, (), {}, content_hash(storyboard, {}))


def _wait_for_jobs(studio: Studio, takes: int) -> None:
    """Wait until the provider's answer to every create is written down; sweep meanwhile, as a stack's beat does."""
    running = select(func.count()).select_from(JobRow).where(JobRow.state == JobPhase.RUNNING)
    swept = time.monotonic()

    def written() -> int:
        nonlocal swept
        if time.monotonic() - swept > studio.settings.sweep_interval_s:
            sweep(studio)
            swept = time.monotonic()
        with studio.database.read() as session:
            return session.scalar(running) or 0

    until(written, takes)


def _count(studio: Studio) -> int:
    with studio.database.read() as session:
        wanted = select(func.count()).select_from(TakeRow).where(TakeRow.state == TakeState.GENERATED)
        return session.scalar(wanted) or 0


def _collected(studio: Studio) -> dict[str, float]:
    """Return when each job was ended here, of takes that are generated, whose clip is stored."""
    with studio.database.read() as session:
        rows = session.execute(
            select(JobRow.provider_job, JobRow.ended_at, TakeRow.clip_sha256)
            .join(TakeRow, TakeRow.id == JobRow.take_id)
            .where(JobRow.state == JobPhase.ENDED, TakeRow.state == TakeState.GENERATED)
        ).all()
    return {
        job: ended_at.timestamp()
        for job, ended_at, sha256 in rows
        if job is not None and ended_at is not None and sha256 and studio.artifacts.has(sha256, ".mp4")
    }


def _require_in_order(studio: Studio, provider: Provider, takes: int) -> None:
    """See that every take was made once, and that the books are the provider's own to the micro-USD."""
    books = audit(studio)
    assert not books.faults, books.faults
    assert books.reserved == 0, books.reserved
    assert books.spent == provider.total_charged() == takes * 2 * PRICE, (books.spent, provider.total_charged())
    assert most_per_intent(provider.ledger()) == 1
    assert len(provider.accepted_by_intent()) == takes


if __name__ == "__main__":
    run()
