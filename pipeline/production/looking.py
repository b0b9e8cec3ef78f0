"""Looks at one job at its provider and does what follows: waits, collects, stops, looks for it, or holds it."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from pipeline.engines.base import Found, Reconciled, RemoteEngine, Report, Ticket
from pipeline.engines.base import JobState as Standing
from pipeline.engines.catalog import remote_engine
from pipeline.engines.http import Wire
from pipeline.errors import AnothersJob, BackendUnavailable, MediaError, ProviderError, StaleLease, Trouble
from pipeline.media.arrival import require_clip
from pipeline.production.jobs import HELD_EVERY, Outcome, end_job, hold_job, not_accepted, note_accepted
from pipeline.production.lanes import grant
from pipeline.production.outbox import StepMessage
from pipeline.production.rules import current_rules
from pipeline.production.states import JobPhase
from pipeline.production.studio import Studio
from pipeline.production.sweep import offer
from pipeline.production.watching import Watched, found_job, known_jobs, order_of

T = TypeVar("T")
log = logging.getLogger(__name__)

BACK_OFF_AT_MOST_S = 120.0
STOP_WITHIN = timedelta(minutes=10)
"""A job that outlived its deadline and does not stop within so long is held."""
FETCH_TRIES = 12
"""A result that could not be collected in so many tries is lost, and paid."""
DECODE_TRIES = 3
"""A clip that could not be decoded after so many downloads is what the provider made."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a job came to.

    Attributes:
        job: The job as it is known now; ``None`` if there is nothing left to look at.
        after_s: When to look again, in seconds.
    """

    job: Watched | None
    after_s: float = 0.0


@dataclass
class Looker:
    """Looks at jobs for one watcher.

    Args:
        studio: Everything a use case may reach.
        wire: The process's HTTP client.
        owner: The watcher's name.
        lease_s: How long its leases last.
        downloads: How many results it collects at the same time.
        polls: How many jobs it asks for at the same time; those that are being collected don't count.
        send_every_s: The least time between two batches of messages, because the broker is connected to for each.
    """

    studio: Studio
    wire: Wire
    owner: str
    lease_s: float
    downloads: int = 6
    polls: int = 64
    send_every_s: float = 0.0

    def __post_init__(self) -> None:
        self._engines: dict[str, RemoteEngine] = {}
        self._asking = asyncio.Semaphore(self.polls)
        self._collecting = asyncio.Semaphore(self.downloads)
        # SQLite has one writer at a time, and those who wait for it sleep longer and longer.
        self._ending = asyncio.Semaphore(1 if self.studio.database.url.get_backend_name() == "sqlite" else 4)
        self._sending = asyncio.Lock()
        self._unsent: list[StepMessage] = []
        self._ended = self._sent = 0
        self._sent_at = -math.inf
        self._quiet_until: dict[str, float] = {}
        self._told: dict[str, int] = {}
        self._stopped: dict[str, int] = {}
        self._fetched: Counter[str] = Counter()
        self._decoded: Counter[str] = Counter()

    def engine(self, name: str) -> RemoteEngine:
        """Return the engine that speaks to a provider.

        Raises:
            ConfigurationError: If there is none, or it can't work.
        """
        if name not in self._engines:
            self._engines[name] = remote_engine(name, self.wire, self.studio.settings.environment)
        return self._engines[name]

    async def look(self, job: Watched) -> Look:
        """Look at a job once.

        Raises:
            StaleLease: If another watcher has taken it over.
            BackendUnavailable: If the database or the storage does not answer; nothing is lost.
            ConfigurationError: If its engine can't work here.
        """
        engine = self.engine(job.engine)
        quiet_s = self._quiet_until.get(job.engine, 0.0) - time.monotonic()
        if quiet_s > 0:
            return Look(job, quiet_s)
        if job.phase is JobPhase.UNSURE or job.ticket is None:
            return await self._look_for(job, engine)
        try:
            async with self._asking:
                report = await engine.poll(job.ticket)
                under_way = report.state in (Standing.QUEUED, Standing.RUNNING)
                # Only what has not ended: a provider may delete a finished, paid clip when it is told to stop it.
                if under_way and self._is_to_stop(job) and await self._stop(job, engine, job.ticket):
                    report = await engine.poll(job.ticket)
        except ProviderError as error:
            return await self._did_not_say(job, engine, error)
        return await self._hear(job, engine, report)

    async def _hear(self, job: Watched, engine: RemoteEngine, report: Report) -> Look:
        heard = replace(job, setbacks=0, progress=job.progress if report.progress is None else report.progress)
        match report.state:
            case Standing.QUEUED | Standing.RUNNING:
                if job.phase is JobPhase.RUNNING and self.studio.clock() > job.deadline_at + STOP_WITHIN:
                    late = f"It has not ended at its provider ({report.state}), long after its deadline"
                    return await self._hold(heard, f"{late}; should it end, it is collected.")
                return Look(heard, HELD_EVERY.total_seconds() if job.phase is JobPhase.HELD else engine.poll_every_s)
            case Standing.SUCCEEDED:
                return await self._collect(job, engine, report)
            case Standing.GONE:
                return await self._gone(heard, report)
            case Standing.FAILED | Standing.CANCELLED:
                await self._end(job, Outcome(report))
                return Look(None)

    async def _gone(self, job: Watched, report: Report) -> Look:
        if self._stopped.get(job.take_id) == job.fence:  # some providers stop a job by deleting it
            await self._end(job, Outcome(replace(report, state=Standing.CANCELLED)))
            return Look(None)
        return await self._hold(job, f"Its provider no longer knows it ({report.reason or 'not found'}).")

    async def _collect(self, job: Watched, engine: RemoteEngine, report: Report) -> Look:
        """Download, verify and keep a result, then let its shot go on."""
        if job.ticket is None:
            raise ValueError(f"job {job.take_id} has no ticket")
        path = self.studio.settings.scratch / f"job-{job.take_id}-{job.fence}.mp4"
        async with self._collecting:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                await engine.fetch(job.ticket, report, path)
                await _thread(require_clip, path)
                artifact = await _thread(lambda: self.studio.artifacts.add(path, suffix=".mp4"))
            except ProviderError as error:
                self._fetched[job.take_id] += 1
                if self._fetched[job.take_id] < FETCH_TRIES:
                    return self._later(job, engine, error)
                await self._end(job, Outcome(report, lost=f"It was made, and could not be collected: {error}"))
                return Look(None)
            except MediaError as error:
                self._decoded[job.take_id] += 1
                if self._decoded[job.take_id] < DECODE_TRIES:
                    return self._later(job, engine, error)
                await self._end(job, Outcome(report, lost=f"It was made, and can't be decoded: {error.what}"))
                return Look(None)
            except OSError as error:
                raise BackendUnavailable(
                    f"the clip can't be written ({error.strerror}).",
                    where=str(path.parent),
                    remedy="See that the disk has room; the clip is collected then.",
                ) from error
            finally:
                await _thread(lambda: path.unlink(missing_ok=True))
        await self._end(job, Outcome(report, clip=artifact.sha256, clip_bytes=artifact.size))
        return Look(None)

    async def _did_not_say(self, job: Watched, engine: RemoteEngine, error: ProviderError) -> Look:
        """Go on asking: that a provider can't be asked says nothing about its jobs."""
        if error.trouble is Trouble.CAPACITY:
            wait = error.retry_after_s if error.retry_after_s is not None else engine.poll_every_s
            self._quiet_until[job.engine] = time.monotonic() + min(wait, BACK_OFF_AT_MOST_S)
        if job.phase is JobPhase.RUNNING and self.studio.clock() > job.deadline_at + STOP_WITHIN:
            return await self._hold(job, f"Its provider does not say what became of it ({error}).")
        return self._later(job, engine, error)

    def _later(self, job: Watched, engine: RemoteEngine, error: Exception) -> Look:
        wait = min(engine.poll_every_s * 2 ** min(job.setbacks, 16), BACK_OFF_AT_MOST_S)
        if isinstance(error, ProviderError) and error.retry_after_s is not None:
            wait = max(wait, error.retry_after_s)
        if job.setbacks in (0, 4) or job.setbacks % 20 == 0:
            log.warning("%s: %s; looked at again in %.0f s", job.label, error, wait)
        return Look(replace(job, setbacks=job.setbacks + 1), wait)

    def _is_to_stop(self, job: Watched) -> bool:
        return job.cancelled or (job.phase is JobPhase.RUNNING and self.studio.clock() > job.deadline_at)

    async def _stop(self, job: Watched, engine: RemoteEngine, ticket: Ticket) -> bool:
        """Ask the provider to stop a job, if it can; what it says of the job next is the outcome.

        Returns:
            Whether it was asked just now. If it can't be asked, the job goes on being polled all the same.

        Raises:
            ProviderError: If it wants to be left alone for a while.
        """
        if not engine.abilities(ticket.wire).cancels or self._told.get(job.take_id) == job.fence:
            return False
        try:
            await engine.cancel(ticket)
        except ProviderError as error:
            if error.trouble is Trouble.CAPACITY:
                raise
            if error.trouble is Trouble.INVALID:
                self._told[job.take_id] = job.fence
            log.warning("%s: could not be stopped: %s", job.label, error)
            return False
        self._told[job.take_id] = self._stopped[job.take_id] = job.fence
        return True

    async def _look_for(self, job: Watched, engine: RemoteEngine) -> Look:
        """Find out whether a job whose create call was not answered is there."""
        model = current_rules(self.studio.settings).registry.find(job.model)
        wire: Mapping[str, Any] = model.wire if model is not None else {}
        if not engine.abilities(wire).reconciles:
            return await self._hold(job, "The answer to its create call was lost, and its provider can't be asked.")
        since = job.asked_at - timedelta(hours=1)
        ours = await _thread(lambda: known_jobs(self.studio, job.engine, since))
        order = await _thread(lambda: order_of(self.studio, job, wire))
        elapsed = (self.studio.clock() - job.asked_at).total_seconds()
        try:
            outcome = await engine.reconcile(order, ours)
        except ProviderError as error:
            if elapsed > engine.deadline_s:
                return await self._hold(job, f"The answer to its create call was lost, and its provider: {error}")
            return self._later(job, engine, error)
        if outcome.found is Found.UNTOLD and elapsed > engine.reconcile_within_s:
            return await self._hold(job, "The answer to its create call was lost, and its provider can't tell.")
        return await self._conclude(job, engine, outcome)

    async def _conclude(self, job: Watched, engine: RemoteEngine, outcome: Reconciled) -> Look:
        if outcome.found is Found.FOUND:
            return await self._found(job, engine, outcome)
        if outcome.found is Found.ABSENT:
            await self._send(await _thread(lambda: not_accepted(self.studio, job.take_id, job.fence)))
            return Look(None)
        return Look(replace(job, setbacks=job.setbacks + 1), engine.poll_every_s)

    async def _found(self, job: Watched, engine: RemoteEngine, outcome: Reconciled) -> Look:
        ticket, poll_after_s = outcome.ticket, engine.poll_every_s
        if ticket is None:
            raise ValueError(f"job {job.take_id} was found without a ticket")
        try:
            found = await _thread(lambda: found_job(self.studio, job, ticket, poll_after_s, self.owner, self.lease_s))
        except AnothersJob as error:
            return await self._hold(job, str(error))
        except StaleLease:
            if outcome.created:
                # It is there because we asked: if the row has ended meanwhile it is stopped, and booked.
                await _thread(lambda: note_accepted(self.studio, job.take_id, ticket, poll_after_s))
            raise
        return Look(found, 0.0 if job.cancelled else poll_after_s)

    async def _hold(self, job: Watched, reason: str) -> Look:
        if job.phase is JobPhase.HELD:
            return Look(job, HELD_EVERY.total_seconds())
        log.warning("%s: held: %s", job.label, reason)
        self._forget(job)
        await self._send(await _thread(lambda: hold_job(self.studio, job.take_id, job.fence, reason)))
        return Look(None)

    def _forget(self, job: Watched) -> None:
        self._told.pop(job.take_id, None)
        self._stopped.pop(job.take_id, None)
        del self._fetched[job.take_id], self._decoded[job.take_id]

    async def _end(self, job: Watched, outcome: Outcome) -> None:
        self._forget(job)
        async with self._ending:
            messages = await _thread(lambda: end_job(self.studio, job.take_id, job.fence, outcome))
        await self._send(messages)

    async def _send(self, messages: list[StepMessage]) -> None:
        """Send what follows, and let waiting steps have the slots that have become free.

        What ends meanwhile is seen to together, in the next turn.
        """
        self._unsent += messages
        self._ended += 1
        own = self._ended
        async with self._sending:
            if self._sent >= own:
                return
            if (wait := self._sent_at + self.send_every_s - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            batch, self._unsent = self._unsent, []
            self._sent, self._sent_at = self._ended, time.monotonic()

            def send() -> None:
                granted: list[StepMessage] = []
                try:
                    granted = grant(self.studio)
                finally:
                    offer(self.studio, [*batch, *granted])

            await _thread(send)


async def _thread(work: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.to_thread(work, *arguments)
