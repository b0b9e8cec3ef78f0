"""A production whose takes are asked of a simulated provider: workers and watchers on a simulated clock.

All code that plans, asks, watches, collects and keeps the ledger is real; see :mod:`tests.support.farm` for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast
from unittest import mock

from pipeline.engines import catalog
from pipeline.engines.http import Wire
from pipeline.errors import (
    BackendUnavailable,
    DailiesError,
    IllegalTransition,
    LedgerConflict,
    MediaError,
    StaleLease,
)
from pipeline.production import leases
from pipeline.production.leases import Claim, Effect, Parked
from pipeline.production.looking import Look, Looker
from pipeline.production.states import ENDED_TAKES, RESTING_CUTS, TakeState
from pipeline.production.sweep import offer, sweep
from pipeline.production.watching import (
    Watched,
    cancelled_jobs,
    claim_jobs,
    give_jobs_back,
    keep_jobs,
    note_progress,
)
from tests.support.farm import FARM, FAST, Call, FarmEngine, Made, Provider, begin, write_registry, write_routing
from tests.support.production import Fate, Production, SimulatedEngine, open_production, simulated_surroundings

LEASE_S = 30.0


# Who watches


class SimulatedWatcher:
    """Follows jobs as the real one does, one look after the other, on the simulated clock.

    Attributes:
        jobs: What it follows.
        calls: Looks that stand still.
    """

    def __init__(self, production: Production, name: str) -> None:
        self.name = name
        self._studio = production.studio
        self._looker = Looker(production.studio, cast("Wire", None), name, LEASE_S, downloads=1_000_000)
        self.jobs: dict[str, Watched] = {}
        self.calls: dict[str, tuple[Watched, Call]] = {}
        self._due: dict[str, datetime] = {}

    def tick(self, most: int = 1000) -> None:
        """Do what a healthy watcher does every second."""
        self.keep()
        self.claim(most)
        self.hear()
        for take_id in list(self.jobs):
            if self._due[take_id] <= self._studio.clock():
                self.look(take_id)
        self.write()

    def claim(self, most: int = 1000) -> None:
        for job in claim_jobs(self._studio, self.name, most, lease_s=LEASE_S):
            self.jobs[job.take_id], self._due[job.take_id] = job, job.next_poll_at

    def keep(self) -> None:
        own = keep_jobs(self._studio, self.name, lease_s=LEASE_S)
        for take_id, job in list(self.jobs.items()):
            if take_id not in self.calls and own.get(take_id, (None,))[0] != job.fence:
                del self.jobs[take_id]

    def hear(self) -> None:
        for take_id in cancelled_jobs(self._studio, self.name):
            job = self.jobs.get(take_id)
            if job is not None and not job.cancelled:
                self.jobs[take_id], self._due[take_id] = job.as_cancelled(), self._studio.clock()

    def write(self) -> None:
        looked = [(key, job.fence, job.progress, job.setbacks, self._due[key]) for key, job in self.jobs.items()]
        note_progress(self._studio, self.name, looked)

    def look(self, take_id: str) -> None:
        if take_id not in self.calls:
            job = self.jobs[take_id]
            self._looked(job, lambda: begin(self._looker.look(job)))

    def go_on(self, take_id: str) -> None:
        job, call = self.calls.pop(take_id)
        self._looked(job, call.go_on)

    def die(self) -> None:
        for _, call in self.calls.values():
            call.die()
        self.calls.clear()
        self.jobs.clear()

    def drain(self) -> None:
        """End as it does when it is told to: what stands still is given up."""
        self.die()
        give_jobs_back(self._studio, self.name)

    def _looked(self, job: Watched, look: Callable[[], Look | Call]) -> None:
        after_s = 5.0
        try:
            looked = look()
        except StaleLease:
            self._forget(job)
            return
        except BackendUnavailable:
            looked = Look(job, 5.0)
        if isinstance(looked, Call):
            self.calls[job.take_id] = (job, looked)
            return
        if looked.job is None:
            self._forget(job)
            return
        after_s = looked.after_s
        kept = self.jobs.get(job.take_id)
        if kept is not None and kept.fence in (job.fence, looked.job.fence):
            self.jobs[job.take_id] = looked.job
            self._due[job.take_id] = self._studio.clock() + timedelta(seconds=after_s)

    def _forget(self, job: Watched) -> None:
        kept = self.jobs.get(job.take_id)
        if kept is not None and kept.fence <= job.fence:
            del self.jobs[job.take_id]


# A production whose shots go to the provider


@dataclass
class RemoteProduction:
    """A production whose takes are asked of the simulated provider."""

    base: Production
    provider: Provider
    overlay: Path
    routing: Path

    def attempt(self, held: Claim, fate: Fate | None = None) -> Call | None:
        """Do a step as :mod:`pipeline.production.perform` does; return the call if it stands still in one."""
        return self.hand_in(held, lambda: self.base.work(held, fate))

    def hand_in(self, held: Claim, work: Callable[[], Effect | Call]) -> Call | None:
        """Write down what a step's work comes to, in the ways in which :mod:`pipeline.production.perform` does."""
        studio = self.base.studio
        try:
            done = work()
            if isinstance(done, Call):
                return done
            offer(studio, leases.complete(studio, held, done))
        except (StaleLease, Parked):
            return None
        except (IllegalTransition, LedgerConflict):
            raise  # a worker would call them the step's failure; they are a fault of ours
        except (BackendUnavailable, OSError) as error:
            with suppress(StaleLease):
                leases.postpone(studio, held, str(error))
        except DailiesError as error:
            with suppress(StaleLease):
                offer(studio, leases.fail(studio, held, str(error), for_good=True))
        return None

    def deliver(self, fate: Callable[[Claim], Fate] = lambda _held: Fate()) -> int:
        """Let a healthy worker do everything that was sent; return how many steps it did."""
        done = 0
        while self.base.broker.messages:
            assert done < 2000, "messages never end"
            held = self.base.claim(self.base.deliver().step_id)
            if held is not None:
                assert self.attempt(held, fate(held)) is None, "a healthy worker does not stand still"
                done += 1
        return done

    def watcher(self, name: str = "watcher") -> SimulatedWatcher:
        return SimulatedWatcher(self.base, name)

    def run(
        self,
        watcher: SimulatedWatcher | None = None,
        *,
        outcome: Callable[[Made], None] | None = None,
        fate: Callable[[Claim], Fate] = lambda _held: Fate(),
        most: int = 200,
        step_s: float = 6.0,
    ) -> None:
        """Let all be healthy until every cut is at rest and no job in flight: provider, workers, watcher, sweeps."""
        end = outcome or self.provider.finish
        watching = watcher or self.watcher("healthy")
        for _ in range(most):
            self.deliver(fate)
            for job in self.provider.running:
                end(job)
            watching.tick()
            if self.at_rest() and not self.base.broker.messages:
                watching.drain()
                return
            self.base.clock.advance(step_s)
            sweep(self.base.studio)
        raise AssertionError(f"it never comes to rest: {self.states()}")

    def at_rest(self) -> bool:
        cuts = self.base.rows("SELECT state, paused FROM cuts")
        jobs = self.base.value("SELECT count(*) FROM jobs WHERE state IN ('asking', 'unsure', 'running')")
        return not jobs and all(cut.paused or cut.state in RESTING_CUTS for cut in cuts)

    def takes(self) -> list[Any]:
        """Return the takes with their jobs, in the order in which they were planned."""
        return self.base.rows(
            "SELECT t.*, j.state AS job, j.provider_job, j.outcome, j.cancel_asked_at, j.fence, s.key AS shot,"
            " s.state AS shot_state, s.reason AS shot_reason FROM takes t LEFT JOIN jobs j ON j.take_id = t.id"
            " JOIN shots s ON s.id = t.shot_id ORDER BY t.id"
        )

    def take(self) -> Any:
        """Return the only take."""
        (take,) = self.takes()
        return take

    def steps(self, kind: str = "generate") -> list[Any]:
        return self.base.rows("SELECT * FROM steps WHERE kind = ? ORDER BY id", kind)

    def states(self) -> dict[str, list[Any]]:
        return {
            table: [vars(row) for row in self.base.rows(sql)]
            for table, sql in {
                "cuts": "SELECT id, state, reason FROM cuts",
                "shots": "SELECT key, state, reason, round FROM shots",
                "takes": "SELECT id, state, reason, model FROM takes",
                "jobs": "SELECT take_id, state, error, lease_owner FROM jobs",
                "steps": "SELECT id, state, waiting_for, not_before, error FROM steps WHERE state NOT IN ('done')",
            }.items()
        }

    def reserved(self, take_id: str = "") -> int:
        """Return what is set aside now, by the ledger: for one take, or for all."""
        return self._sum("CASE kind WHEN 'reserve' THEN 1 ELSE -1 END", take_id)

    def charged(self, take_id: str = "") -> int:
        """Return what was charged, by the ledger: for one take, or for all."""
        return self._sum("CASE kind WHEN 'settle' THEN 1 ELSE 0 END", take_id)

    def _sum(self, factor: str, take_id: str) -> int:
        sql = f"SELECT coalesce(sum(amount_micro_usd * ({factor})), 0) FROM ledger"  # noqa: S608 - from above
        return self.base.value(f"{sql} WHERE take_id = ?", take_id) if take_id else self.base.value(sql)

    def books_agree(self) -> None:
        """See that the ledger has what the provider charged, take by take; a held one keeps its reservation."""
        for take in self.takes():
            if take.source_take_id is not None:
                continue
            if take.state == TakeState.UNKNOWN:
                assert self.reserved(take.id) == take.price_micro_usd, take
                assert self.charged(take.id) == 0, take
            else:
                assert take.state in (*ENDED_TAKES, TakeState.GENERATED), take
                assert self.reserved(take.id) == 0, take
                assert self.charged(take.id) == take.charged_micro_usd, take
                billed = self.provider.charged_for(take.id)
                # Of a job that failed when it was to be stopped nobody says which of two rules holds: the dearer one.
                doubtful = take.outcome == "failed" and take.cancel_asked_at is not None
                booked = self.charged(take.id)
                assert booked == billed or (doubtful and booked > billed), (take, self.provider.of(take.id))
        for job in self.provider.jobs.values():
            assert job.intent in {take.id for take in self.takes()}, job

    def registry(self, **words: Any) -> None:
        """Write another registry; the next choice is made by it."""
        write_registry(self.overlay, **words)

    def route(self, *models: str) -> None:
        """Write another routing table."""
        write_routing(self.routing, models)


def open_remote(home: Path, template: Path, *, models: Sequence[str] = (FAST,), **registry: Any) -> RemoteProduction:
    """Open a production whose drafts are asked of the simulated provider."""
    home.mkdir(parents=True, exist_ok=True)
    overlay = write_registry(home / "farm.yaml", **registry)
    routing = write_routing(home / "routing.yaml", models)
    base = open_production(home, template, overlay)
    settings = replace(base.studio.settings, routing_overlay=routing)
    base.studio = replace(base.studio, settings=settings)
    provider = Provider(base.clock, bills=registry.get("bills", frozenset()))
    return RemoteProduction(base, provider, overlay, routing)


class _NoWire:
    """Stands for the HTTP client."""

    @classmethod
    def from_settings(cls, settings: object) -> Self:
        del settings
        return cls()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return


@contextmanager
def remote_surroundings(production: RemoteProduction) -> Generator[None]:
    """Put the simulated provider below the real code that asks it and watches its jobs."""
    provider, clock = production.provider, production.base.clock
    time = SimpleNamespace(monotonic=provider.monotonic, sleep=clock.advance)

    async def at_once(work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)

    def farm(*_: object) -> FarmEngine:
        return FarmEngine(provider)

    patches = [
        mock.patch.object(catalog, "SHIPPED", {**catalog.SHIPPED, FARM: catalog.Listed("tests:FarmEngine")}),
        mock.patch(
            "pipeline.production.planning.engine_class",
            lambda name: FarmEngine if name == FARM else SimulatedEngine,
        ),
        mock.patch.multiple(
            "pipeline.production.asking",
            remote_engine=farm,
            Wire=_NoWire,
            time=time,
            asyncio=SimpleNamespace(run=begin),
        ),
        mock.patch.multiple(
            "pipeline.production.looking", remote_engine=farm, time=time, _thread=at_once, require_clip=_require_clip
        ),
    ]
    with simulated_surroundings(production.base.fate):
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in patches:
                patch.stop()


def _require_clip(path: Path) -> None:
    if path.read_text().startswith("corrupt"):
        raise MediaError("decoding what was collected", where=path.name)
