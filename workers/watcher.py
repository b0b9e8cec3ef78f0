"""The watcher: one asyncio process that follows every job in flight at every provider (design, section 5).

It keeps nothing that matters: what it knows of a job is in the database, under a lease. Several watchers share the
work; one that is killed loses its leases, and the others go on with its jobs.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import os
import random
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

from pipeline.engines.catalog import available
from pipeline.engines.http import Wire
from pipeline.errors import BackendUnavailable, ConfigurationError, StaleLease
from pipeline.production.lanes import grant
from pipeline.production.looking import Looker
from pipeline.production.studio import Studio
from pipeline.production.sweep import offer
from pipeline.production.watching import (
    Watched,
    cancelled_jobs,
    claim_jobs,
    give_jobs_back,
    jobs_in_flight,
    keep_jobs,
    note_progress,
)
from pipeline.settings import read_settings
from workers.composition import make_studio

log = logging.getLogger(__name__)

LOOKS = 1000
"""Jobs that are looked at at the same time; few of them are asked for or collected at once (see Looker)."""
POLLS_PER_S = 200.0
"""With more jobs than can be polled at this pace, each is polled less often."""
CLAIMED_AT_ONCE = 500
MOST_JOBS = 20_000
"""Jobs that one watcher follows; more are left to others."""
_LEFT_BEHIND_S = 3600.0
"""A download that nothing was written to for so long is nobody's."""

DRAIN_S = 10.0
"""Looks under way may end for so long when the watcher is asked to stop."""
OUTAGE_S = 5.0
_TICK_S = 1.0
_SEND_EVERY_S = 0.25


class Watcher:
    """Follows jobs until it is told to stop.

    Args:
        studio: Everything a use case may reach.
        name: Its own, unique in the fleet.
        lease_s: How long its leases last unless renewed.
        most: Jobs that it follows at most.
        cut_id: Follow only this cut's jobs.
    """

    def __init__(
        self,
        studio: Studio,
        *,
        name: str = "",
        lease_s: float | None = None,
        most: int = MOST_JOBS,
        cut_id: str | None = None,
    ) -> None:
        self._studio = studio
        self.name = name or f"watcher@{socket.gethostname()}:{os.getpid()}:{studio.new_id()[:6]}"
        self._lease_s = studio.settings.lease_s if lease_s is None else lease_s
        self._most = most
        self._cut_id = cut_id
        self._jobs: dict[str, Watched] = {}
        self._due: list[tuple[float, str, int]] = []
        self._busy: set[str] = set()
        self._dirty: set[str] = set()
        self._next: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._counting = asyncio.Lock()
        self._chance = random.Random()  # noqa: S311 - jitter

    @property
    def following(self) -> int:
        """Number of jobs that it follows now."""
        return len(self._jobs)

    def stop(self) -> None:
        """Ask it to stop: it ends what it is looking at and gives its jobs back."""
        self._stopping.set()
        self._changed.set()

    async def run(self) -> None:
        """Follow jobs until :meth:`stop` is called."""
        loop = asyncio.get_running_loop()
        _clear_scratch(self._studio)
        loop.set_default_executor(ThreadPoolExecutor(max_workers=12, thread_name_prefix="watcher"))
        async with Wire.from_settings(self._studio.settings) as wire:
            self._looker = Looker(self._studio, wire, self.name, self._lease_s, send_every_s=_SEND_EVERY_S)
            upkeep = [
                asyncio.create_task(self._every(self._lease_s / 3, self._keep)),
                asyncio.create_task(self._every(_TICK_S, self._claim)),
                asyncio.create_task(self._every(_TICK_S, self._hear_of_cancels)),
                asyncio.create_task(self._every(_TICK_S, self._grant)),
            ]
            looks: set[asyncio.Task[None]] = set()
            try:
                await self._dispatch(looks)
            finally:
                for task in upkeep:
                    task.cancel()
                await self._drain(looks, upkeep)

    async def _dispatch(self, looks: set[asyncio.Task[None]]) -> None:
        loop = asyncio.get_running_loop()
        free = asyncio.Semaphore(LOOKS)
        while not self._stopping.is_set():
            self._changed.clear()
            now = loop.time()
            while self._due and self._due[0][0] <= now and not self._stopping.is_set():
                due, take_id, fence = heapq.heappop(self._due)
                job = self._jobs.get(take_id)
                stale = job is None or job.fence != fence or self._next.get(take_id) != due
                if job is None or stale or take_id in self._busy:
                    continue
                await free.acquire()
                job = self._jobs.get(take_id)  # as it is now: that may have taken a while
                if job is None or job.fence != fence:
                    free.release()
                    continue
                self._busy.add(take_id)
                task = asyncio.create_task(self._look(job))
                looks.add(task)
                task.add_done_callback(looks.discard)
                task.add_done_callback(lambda _: free.release())
                now = loop.time()
            wait = self._due[0][0] - now if self._due else _TICK_S
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), max(0.0, min(wait, _TICK_S)))

    async def _drain(self, looks: set[asyncio.Task[None]], upkeep: list[asyncio.Task[None]]) -> None:
        """End what is under way, write down what is known, and leave the jobs to others."""
        if looks:
            await asyncio.wait(looks, timeout=DRAIN_S)
        for task in looks:
            task.cancel()
        await asyncio.gather(*looks, *upkeep, return_exceptions=True)
        with suppress(BackendUnavailable):
            await self._write_progress()
            await asyncio.to_thread(give_jobs_back, self._studio, self.name)

    async def _look(self, job: Watched) -> None:
        after_s = OUTAGE_S
        try:
            looked = await self._looker.look(job)
        except StaleLease:
            self._forget(job)
            return
        except (BackendUnavailable, ConfigurationError) as error:
            log.warning("%s: %s", job.label, error)
        except Exception:
            log.exception("%s: a look at it failed; it is looked at again", job.label)
            after_s = 12 * OUTAGE_S
        else:
            if looked.job is None:
                self._forget(job)
                return
            after_s = max(looked.after_s, len(self._jobs) / POLLS_PER_S)
            kept = self._jobs.get(job.take_id)
            if kept is not None and kept.fence in (job.fence, looked.job.fence):
                self._jobs[job.take_id] = looked.job
                self._dirty.add(job.take_id)
        finally:
            self._busy.discard(job.take_id)
        self._schedule(job.take_id, after_s * self._chance.uniform(0.9, 1.1))

    def _forget(self, job: Watched) -> None:
        kept = self._jobs.get(job.take_id)
        if kept is not None and kept.fence > job.fence:
            # Its lease ran out in an outage, and we ourselves claimed it anew while this look went on.
            self._schedule(job.take_id, 0.0)
            return
        self._jobs.pop(job.take_id, None)
        self._next.pop(job.take_id, None)

    def _schedule(self, take_id: str, after_s: float) -> None:
        job = self._jobs.get(take_id)
        if job is None:
            return
        due = asyncio.get_running_loop().time() + max(0.0, after_s)
        self._next[take_id] = due
        heapq.heappush(self._due, (due, take_id, job.fence))
        self._changed.set()

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do something again and again; a database that does not answer is asked again."""
        while True:
            try:
                await work()
            except BackendUnavailable as error:
                log.warning("%s", error)
            except Exception:
                log.exception("the watcher's upkeep failed; it is tried again")
            await asyncio.sleep(seconds * self._chance.uniform(0.8, 1.2))

    async def _claim(self) -> None:
        while len(self._jobs) < self._most and not self._stopping.is_set():
            room = min(CLAIMED_AT_ONCE, self._most - len(self._jobs))
            async with self._counting:
                claimed = await asyncio.to_thread(
                    claim_jobs,
                    self._studio,
                    self.name,
                    room,
                    lease_s=self._lease_s,
                    cut_id=self._cut_id,
                    engines=self._able(),
                )
                now = self._studio.clock()
                for job in claimed:
                    self._jobs[job.take_id] = job
                    self._schedule(job.take_id, (job.next_poll_at - now).total_seconds())
            if len(claimed) < room:
                return

    def _able(self) -> list[str]:
        """Return the engines whose providers this process can ask: others' jobs are left to other watchers."""
        return [name for name, missing in available(self._studio.settings.environment).items() if not missing]

    async def _keep(self) -> None:
        await self._write_progress()
        async with self._counting:
            own = await asyncio.to_thread(keep_jobs, self._studio, self.name, lease_s=self._lease_s)
            for take_id, job in list(self._jobs.items()):
                if take_id not in self._busy and own.get(take_id, (None,))[0] != job.fence:
                    del self._jobs[take_id]
                    self._next.pop(take_id, None)
            # Claimed, and we never heard of it, for the answer to the commit was lost: nobody would ever look at them.
            strangers = own.keys() - self._jobs.keys() - self._busy
            if strangers:
                await asyncio.to_thread(give_jobs_back, self._studio, self.name, strangers)

    async def _write_progress(self) -> None:
        loop_time, now = asyncio.get_running_loop().time(), self._studio.clock()
        looked = [
            (
                take_id,
                job.fence,
                job.progress,
                job.setbacks,
                now + timedelta(seconds=max(0.0, self._next.get(take_id, loop_time) - loop_time)),
            )
            for take_id in self._dirty
            if (job := self._jobs.get(take_id)) is not None
        ]
        self._dirty.clear()
        await asyncio.to_thread(note_progress, self._studio, self.name, looked)

    async def _hear_of_cancels(self) -> None:
        if not self._jobs:
            return
        for take_id in await asyncio.to_thread(cancelled_jobs, self._studio, self.name):
            job = self._jobs.get(take_id)
            if job is not None and not job.cancelled:
                self._jobs[take_id] = job.as_cancelled()
                if take_id not in self._busy:
                    self._schedule(take_id, 0.0)

    async def _grant(self) -> None:
        """Let steps have the slots that have become free, also by the mere passing of time."""

        def send() -> None:
            offer(self._studio, grant(self._studio))

        await asyncio.to_thread(send)


def main() -> None:
    """Run a watcher in this process: ``python -m workers.watcher``, or ``dailies watcher``."""
    from workers.app import app  # noqa: PLC0415 - the app reads the settings when it is imported

    logging.basicConfig(level=logging.INFO, format="[%(asctime)s: %(levelname)s] %(message)s", stream=sys.stderr)
    studio = make_studio(read_settings(), app)
    try:
        asyncio.run(watch_until_told(studio))
    finally:
        studio.database.close()


def _clear_scratch(studio: Studio) -> None:
    """Delete what watchers that were killed had half downloaded."""
    since = studio.clock().timestamp() - _LEFT_BEHIND_S
    for path in studio.settings.scratch.glob("*job-*"):
        with suppress(OSError):
            if path.is_file() and path.stat().st_mtime < since:
                path.unlink()


async def follow_cut(studio: Studio, cut_id: str, *, within_s: float) -> int:
    """Follow the jobs of one cut until none is in flight, beside whatever watcher runs; return how many still are.

    For a person who cancels: what was cancelled has to reach the provider even where no watcher runs.
    """
    watcher = Watcher(studio, cut_id=cut_id)
    task = asyncio.create_task(watcher.run())
    give_up = asyncio.get_running_loop().time() + within_s
    left = await asyncio.to_thread(jobs_in_flight, studio, cut_id)
    while left and asyncio.get_running_loop().time() < give_up:
        await asyncio.sleep(0.25)
        left = await asyncio.to_thread(jobs_in_flight, studio, cut_id)
    watcher.stop()
    await task
    return left


async def watch_until_told(studio: Studio) -> None:
    """Follow jobs until SIGTERM or SIGINT, then end without losing any."""
    watcher = Watcher(studio)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, watcher.stop)
    log.info("%s follows the jobs in flight", watcher.name)
    await watcher.run()
    log.info("%s ended; its jobs are left to others", watcher.name)


if __name__ == "__main__":
    main()
