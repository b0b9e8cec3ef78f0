"""Takes asked of a provider over HTTP: real workers, a real watcher, and a provider that keeps books of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.production import steer
from pipeline.production.resolve import all_unknown, resolve
from pipeline.production.states import CutState, JobPhase, ShotState, TakeState
from pipeline.production.status import CutStatus
from pipeline.routing.stage import Stage
from pipeline.store.tables import JobRow
from tests.support.provider import Provider, most_per_intent, running_provider
from tests.support.stack import RunningStack, board, running_stack
from workers.stackfile import read_stackfile

pytestmark = pytest.mark.stack

SHOTS = 4
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
    prices: [{from: 2026-01-01, rates: [{unit: second, usd: "0.10"}], source: test, verified: 2026-11-21}]
    charges: {failed: no, refused_input: no, refused_output: no, cancelled: no}
    limits: {concurrent: CONCURRENT, per_minute: null}
    wire: {size: width_height, num_frames: true, fps: true, seed: true, cancel: post, reconcile: none}
"""
ROUTING = """\
format: 1
version: test
default: {standard: [openai_compatible/wan]}
"""


def four_shots(folder: Path) -> Path:
    shots = "\n".join(f"  - {{id: s{n}, prompt: picture {n}}}" for n in range(SHOTS))
    text = f"""\
schema_version: 1
id: four
defaults: {{duration_s: 1.0, tier: standard}}
deliverables: [{{resolution: 160x90, fps: 12}}]
shots:
{shots}
"""
    return board(folder / "four.yaml", text)


@contextmanager
def spending_stack(folder: Path, concurrent: int = 8, **behaviour: object) -> Generator[tuple[RunningStack, Provider]]:
    (folder / "registry.yaml").write_text(REGISTRY.replace("CONCURRENT", str(concurrent)))
    (folder / "routing.yaml").write_text(ROUTING)
    with (
        running_provider(folder / "provider", price_per_second=100_000, **behaviour) as provider,
        running_stack(
            folder / "home",
            DAILIES_REGISTRY=str(folder / "registry.yaml"),
            DAILIES_ROUTING=str(folder / "routing.yaml"),
            DAILIES_OPENAI_COMPATIBLE_BASE_URL=provider.base_url,
        ) as run,
    ):
        yield run, provider


def watcher_of(run: RunningStack) -> int:
    stack = read_stackfile(run.studio.settings.home)
    assert stack is not None
    return stack.processes["watcher"]


def in_flight(status: CutStatus) -> bool:
    takes = [take for shot in status.shots for take in shot.takes]
    return len(takes) == SHOTS and all(take.state == TakeState.GENERATING for take in takes)


def jobs(run: RunningStack) -> list[JobRow]:
    with run.studio.database.read() as session:
        return list(session.query(JobRow).order_by(JobRow.take_id))


def all_known(run: RunningStack) -> bool:
    return len(jobs(run)) == SHOTS and all(job.state == JobPhase.RUNNING for job in jobs(run))


def paid_once(run: RunningStack, provider: Provider, status: CutStatus) -> None:
    """The ledger is what the provider billed, and no intent was billed twice."""
    assert status.spent_micro_usd == provider.total_charged()
    assert most_per_intent(provider.ledger()) <= 1
    assert status.reserved_micro_usd == 0


def test_a_film_is_made_by_a_provider_within_its_limits_and_billed_once(tmp_path: Path) -> None:
    with spending_stack(tmp_path, concurrent=2, duration_s=0.3) as (run, provider):
        cut = run.submit(four_shots(tmp_path), Stage.FINAL)

        status = run.finish(cut)

        assert status.state == CutState.DELIVERED, status.reason
        assert provider.total_charged() == SHOTS * 100_000
        paid_once(run, provider, status)
        assert provider.most_concurrent(lambda _: True) <= 2


def test_a_killed_watcher_costs_nothing_and_loses_nothing(tmp_path: Path) -> None:
    with spending_stack(tmp_path, duration_s=60.0) as (run, provider):
        cut = run.submit(four_shots(tmp_path), Stage.FINAL)
        run.wait(cut, lambda _: all_known(run))

        os.kill(watcher_of(run), signal.SIGKILL)
        provider.finish()  # while nobody watches
        status = run.finish(cut)

        assert status.state == CutState.DELIVERED, status.reason
        assert len(provider.accepted()) == SHOTS
        paid_once(run, provider, status)


def test_a_cancel_reaches_the_provider_and_stops_spending(tmp_path: Path) -> None:
    with spending_stack(tmp_path, duration_s=60.0) as (run, provider):
        cut = run.submit(four_shots(tmp_path), Stage.FINAL)
        run.wait(cut, lambda _: all_known(run))

        steer.cancel(run.studio, cut)
        run.wait(cut, lambda _: all(job.state == JobPhase.ENDED for job in jobs(run)))
        status = run.finish(cut)

        assert status.state == CutState.CANCELLED
        assert {take.state for shot in status.shots for take in shot.takes} == {TakeState.CANCELLED}
        assert provider.in_flight() == 0
        assert provider.charged_after_cancel() == []
        assert provider.total_charged() == 0
        paid_once(run, provider, status)


def test_a_paused_cut_asks_for_nothing_more_and_collects_what_is_in_flight(tmp_path: Path) -> None:
    with spending_stack(tmp_path, concurrent=2, duration_s=60.0) as (run, provider):
        cut = run.submit(four_shots(tmp_path), Stage.FINAL)
        run.wait(cut, lambda _: provider.in_flight() == 2)

        steer.pause(run.studio, cut)
        provider.finish()
        status = run.wait(
            cut, lambda status: sum(t.state == TakeState.GENERATED for s in status.shots for t in s.takes) == 2
        )

        assert len(provider.accepted()) == 2
        provider.control(duration_s=0.1)
        steer.resume(run.studio, cut)
        status = run.finish(cut)
        assert status.state == CutState.DELIVERED, status.reason
        paid_once(run, provider, status)


def test_a_watcher_that_is_told_to_end_leaves_its_jobs_at_once(tmp_path: Path) -> None:
    with spending_stack(tmp_path, duration_s=60.0) as (run, provider):
        cut = run.submit(four_shots(tmp_path), Stage.FINAL)
        run.wait(cut, lambda _: all_known(run) and all(job.lease_owner for job in jobs(run)))
        watcher = watcher_of(run)

        os.kill(watcher, signal.SIGTERM)
        os.waitid(os.P_PID, watcher, os.WEXITED | os.WNOWAIT)

        assert [job.lease_owner for job in jobs(run)] == [None] * SHOTS
        provider.finish()
        status = run.finish(cut)
        assert status.state == CutState.DELIVERED, status.reason
        paid_once(run, provider, status)


def test_a_lost_reply_is_held_for_a_person_and_never_asked_again(tmp_path: Path) -> None:
    with spending_stack(tmp_path, duration_s=0.1) as (run, provider):
        provider.script("lose_reply", match="picture 2")
        cut = run.submit(four_shots(tmp_path), Stage.FINAL)

        status = run.finish(cut)

        assert status.state == CutState.NEEDS_ATTENTION
        assert [shot.state for shot in status.shots] == [ShotState.READY] * 2 + [
            ShotState.NEEDS_ATTENTION,
            ShotState.READY,
        ]
        assert len(provider.accepted()) == SHOTS
        (unknown,) = all_unknown(run.studio)
        assert unknown.shot == "s2"
        assert status.spent_micro_usd + unknown.held_micro_usd == provider.total_charged()
        resolve(run.studio, unknown.take_id, charged=True)
        steer.retry(run.studio, cut)
        status = run.finish(cut)
        assert status.state == CutState.DELIVERED, status.reason
        paid_once(run, provider, status)
