"""What ``in_flight`` does to either system: fills the provider, holds, ends the jobs, and looks at what came of it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks._meter import Meter
from tests.provider.ledger import Ended
from tests.support.provider import Provider

PACED = 1500
"""At most so many jobs, and half of all, end at a steady pace; the others then end all at once."""
STALLED_S = 120.0
POLLS = "GET /v1/videos/{id}"


@dataclass(frozen=True)
class Pace:
    """How the jobs end.

    Attributes:
        ends_per_s: While they end at a steady pace.
        hold_s: How long all are in flight before.
    """

    ends_per_s: float
    hold_s: float

    @classmethod
    def usual(cls, takes: int) -> Pace:
        """Return the pace for a number of takes: while nothing ends, each is polled at least once."""
        return cls(15.0, 15.0 + takes / 200)


@dataclass(frozen=True)
class Course:
    """What was measured.

    Attributes:
        takes: How many there were.
        collected: How many were collected.
        created_s: From the first create to the last.
        whole_s: From the first create to the last collected.
        every_s: Polling interval while all were in flight: takes / polls per second.
        hold_cpu: Share of a core while all were in flight and none ended.
        poll_ms: The same by poll, in ms of processor time.
        delays: From the end of a job to its collection, in seconds, of those that ended at a steady pace; sorted.
        at_once: How many ended at once.
        drained_s: Until the last of these was collected.
        collect_cpu_s: Processor time from the first end to the last collection.
        pss_mb: Most memory of all processes together, shared pages counted once.
        rss_mb: Most memory of the process.
        threads: Most threads of the process.
        busy: What others took of this machine's cores meanwhile: load average at the end.
    """

    takes: int
    collected: int
    created_s: float
    whole_s: float
    every_s: float
    hold_cpu: float
    poll_ms: float
    delays: Sequence[float]
    at_once: int
    drained_s: float
    collect_cpu_s: float
    pss_mb: float
    rss_mb: float
    threads: int
    busy: float

    def lines(self) -> Generator[str]:
        """Say it in words."""
        yield (
            f"collected {self.collected} of {self.takes}; {self.takes / self.created_s:.1f} creates/s, "
            f"{self.takes / self.whole_s:.1f} takes/s from first create to last collection ({self.whole_s:.0f} s)"
        )
        yield f"memory: PSS {self.pss_mb:.0f} MB with children, RSS {self.rss_mb:.0f} MB, {self.threads} threads"
        yield (
            f"polls each every {self.every_s:.1f} s, {100 * self.hold_cpu:.0f} % of a core, "
            f"{self.poll_ms:.2f} ms of processor time a poll"
        )
        median, p95 = statistics.median(self.delays), self.delays[int(0.95 * (len(self.delays) - 1))]
        yield (
            f"end to collection, {len(self.delays)} at a steady pace: median {median:.1f} s, p95 {p95:.1f} s, "
            f"max {self.delays[-1]:.1f} s ({median / self.every_s:.2f}, {p95 / self.every_s:.2f}, "
            f"{self.delays[-1] / self.every_s:.2f} of the polling interval)"
        )
        yield (
            f"{self.at_once} that end at once: collected in {self.drained_s:.1f} s, "
            f"{self.at_once / self.drained_s:.1f}/s; {1000 * self.collect_cpu_s / self.takes:.0f} ms of processor time "
            f"a take, polls included; load average {self.busy:.1f}"
        )


def drive(
    provider: Provider,
    takes: int,
    meter: Meter,
    collected: Callable[[], Mapping[str, float]],
    count: Callable[[], int],
    pace: Pace | None,
) -> Course:
    """Wait until all takes are in flight, let them end, and wait until all are collected.

    Args:
        provider: Its jobs end only when they are told to.
        takes: How many are being created.
        meter: Of the system's process.
        collected: When each of the provider's jobs was collected, in seconds since the epoch.
        count: How many are collected.
        pace: How they end; as usual if not given.
    """
    pace = pace or Pace.usual(takes)
    until(provider.in_flight, takes)
    until(lambda: provider.state()["requests"].get(POLLS, 0), takes)
    jobs = [entry.job for entry in provider.accepted()]
    begin, cpu, polls = time.perf_counter(), meter.cpu_s(), provider.state()["requests"].get(POLLS, 0)
    time.sleep(pace.hold_s)
    held_s, held_cpu = time.perf_counter() - begin, meter.cpu_s() - cpu
    polled = max(1, provider.state()["requests"].get(POLLS, 0) - polls)

    cpu = meter.cpu_s()
    steady = jobs[:: max(2, takes // PACED)]
    begin = time.perf_counter()
    for number, job in enumerate(steady):
        time.sleep(max(0.0, begin + number / pace.ends_per_s - time.perf_counter()))
        provider.finish(job)
    until(count, len(steady))
    provider.finish()
    until(count, takes)
    collect_cpu_s = meter.cpu_s() - cpu

    ended = {entry.job: entry.at for entry in provider.entries(Ended)}
    accepted = [entry.at for entry in provider.accepted()]
    times, first = collected(), set(steady)
    burst = [job for job in jobs if job not in first]
    return Course(
        takes=takes,
        collected=len(times),
        created_s=max(accepted) - min(accepted),
        whole_s=max(times.values()) - min(accepted),
        every_s=takes / (polled / held_s),
        hold_cpu=held_cpu / held_s,
        poll_ms=1000 * held_cpu / polled,
        delays=sorted(times[job] - ended[job] for job in steady if job in times),
        at_once=len(burst),
        drained_s=max(times[job] for job in burst if job in times) - min(ended[job] for job in burst),
        collect_cpu_s=collect_cpu_s,
        pss_mb=meter.pss_mb,
        rss_mb=meter.rss_mb,
        threads=meter.threads,
        busy=os.getloadavg()[0],
    )


@contextmanager
def process(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Generator[int]:
    """Run ``python -m ...`` for the length of a ``with`` block; give its process id."""
    with log.open("ab") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**environment, "PYTHONUNBUFFERED": "1"},
        )
    try:
        yield running.pid
    finally:
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def until(count: Callable[[], int], wanted: int) -> None:
    """Wait until a number is reached.

    Raises:
        RuntimeError: If it does not grow any more.
    """
    best, since = -1, time.monotonic()
    while (now := count()) < wanted:
        if now > best:
            best, since = now, time.monotonic()
        if time.monotonic() - since > STALLED_S:
            raise RuntimeError(f"{now} of {wanted} for {STALLED_S:.0f} s")
        time.sleep(0.3)
