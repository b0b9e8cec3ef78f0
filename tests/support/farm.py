"""A provider of one's own in memory, with its own books, and the engine that speaks to it.

The books owe nothing to the code under test. A call to the provider can be stopped on its way: whoever made it stands
still there, as a frozen process does, until a test lets it go on, or die. Nothing waits, and there is no event loop.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

from pipeline.engines.base import Abilities, Found, JobState, Order, Reconciled, RemoteEngine, Report, Ticket
from pipeline.engines.http import Wire
from pipeline.errors import ProviderError, Trouble
from pipeline.units import MicroUsd

FARM = "farm"
FAST, FINE = "farm/fast", "farm/fine"
FAST_PRICE, FINE_PRICE = 100_000, 250_000
"""What a take costs at most, in micro-USD."""
POINTS = ("to be sent", "sent", "answered", "polling", "collecting", "stopping", "looking for")
"""Where a call can stop: a create three times, then polls, downloads, cancels, and looking for a lost job."""
SETTLED_S = 100.0
"""After so long a create call that had not arrived never will, and the provider's list is complete."""


# Calls that stop on their way


@dataclass(frozen=True, slots=True)
class _Stop:
    point: str

    def __await__(self) -> Generator[_Stop, None, None]:
        yield self


class Call:
    """A process that stands still in the middle of a call, or has come to its end.

    Attributes:
        point: Where it stands.
    """

    def __init__(self, process: Coroutine[Any, Any, Any]) -> None:
        self._process = process
        self.point = ""

    def go_on(self) -> Any:
        """Let it go on: to its end (what it returns is returned), or to where it stops next (returns itself)."""
        try:
            self.point = self._process.send(None).point
        except StopIteration as end:
            return end.value
        return self

    def die(self) -> None:
        """Let it do nothing more."""
        self._process.close()


def begin(process: Coroutine[Any, Any, Any]) -> Any:
    """Let a process run to its end or to its first stop."""
    return Call(process).go_on()


# The provider


@dataclass
class Made:
    """A job at the provider.

    Attributes:
        stopped: Whether a cancel of it was acknowledged.
        late: Whether it was accepted after the fleet had stopped waiting for it.
        result: What a download gives: ``clip``, ``corrupt`` or ``gone``.
    """

    id: str
    intent: str
    model: str
    at: datetime
    state: JobState = JobState.RUNNING
    trouble: Trouble | None = None
    charged: int = 0
    stopped: bool = False
    late: bool = False
    known: bool = True
    result: str = "clip"

    @property
    def in_flight(self) -> bool:
        return self.state in (JobState.QUEUED, JobState.RUNNING)


@dataclass
class Provider:
    """A provider's account.

    Attributes:
        clock: The moment.
        prices: What a job of each model is charged.
        bills: Endings that it bills although nothing came of them.
        cancels: Whether it can stop a job.
        reconciles: Whether it can be asked for a job by its intent.
        tells: Whether it says what it charged.
        unreachable: Whether nobody gets through.
        replies: What the next create calls meet, first come first served: a trouble, ``lost`` (accepted, and the
            answer is lost), ``vanished`` (not accepted, and nobody knows), or an exception that is raised.
        retry_after_s: What it asks for when it throttles.
        stops: Points at which calls stop.
        jobs: Every job that was accepted, by id.
        asked: Every create call that arrived: intent, model, moment.
        refusals: What it charged for refusals, by intent.
    """

    clock: Callable[[], datetime]
    prices: dict[str, int] = field(default_factory=lambda: {"fast": FAST_PRICE, "fine": FINE_PRICE})
    bills: frozenset[str] = frozenset()
    cancels: bool = True
    reconciles: bool = True
    tells: bool = False
    unreachable: bool = False
    replies: deque[Trouble | BaseException | str] = field(default_factory=deque[Trouble | BaseException | str])
    retry_after_s: float | None = None
    stops: set[str] = field(default_factory=set[str])
    jobs: dict[str, Made] = field(default_factory=dict[str, Made])
    asked: list[tuple[str, str, datetime]] = field(default_factory=list[tuple[str, str, datetime]])
    refusals: Counter[str] = field(default_factory=Counter[str])
    is_late: Callable[[str], bool] = lambda _intent: False

    def monotonic(self) -> float:
        return self.clock().timestamp()

    async def stop(self, point: str) -> None:
        if point in self.stops:
            await _Stop(point)

    def accept(self, order: Order) -> Made:
        """Answer a create call; what is written down here was accepted, whoever hears of it.

        Raises:
            ProviderError: As it was told.
        """
        reply = self.replies.popleft() if self.replies else ""
        if isinstance(reply, BaseException):
            raise reply
        if self.unreachable:
            raise trouble(Trouble.TRANSIENT)
        self.asked.append((order.intent, order.model, self.clock()))
        if isinstance(reply, Trouble):
            if reply is Trouble.REFUSED and "refused_input" in self.bills:
                self.refusals[order.intent] += self.prices[order.model]
            raise trouble(reply, self.retry_after_s if reply is Trouble.CAPACITY else None)
        if reply == "vanished":
            raise trouble(Trouble.UNCERTAIN)
        job = Made(f"job{len(self.jobs)}", order.intent, order.model, self.clock(), late=self.is_late(order.intent))
        self.jobs[job.id] = job
        if reply == "lost":
            raise trouble(Trouble.UNCERTAIN)
        return job

    # What becomes of jobs

    def finish(self, job: Made, charged: int | None = None, *, result: str = "clip") -> None:
        if job.in_flight:
            job.state, job.result = JobState.SUCCEEDED, result
            job.charged = self.prices[job.model] if charged is None else charged

    def fail(self, job: Made, why: Trouble = Trouble.FAILED) -> None:
        if job.in_flight:
            job.state, job.trouble = JobState.FAILED, why
            billed = "refused_output" if why is Trouble.REFUSED else "failed"
            job.charged = self.prices[job.model] if billed in self.bills else 0

    def cancel(self, job: Made) -> None:
        if job.in_flight:
            job.state, job.stopped = JobState.CANCELLED, True
            job.charged = self.prices[job.model] if "cancelled" in self.bills else 0

    # Its books

    @property
    def running(self) -> list[Made]:
        return [job for job in self.jobs.values() if job.in_flight]

    def of(self, intent: str) -> list[Made]:
        """Return the jobs that were accepted for a take."""
        return [job for job in self.jobs.values() if job.intent == intent]

    def charged_for(self, intent: str) -> int:
        return sum(job.charged for job in self.of(intent)) + self.refusals[intent]

    @property
    def charged(self) -> int:
        return sum(job.charged for job in self.jobs.values()) + self.refusals.total()


def trouble(kind: Trouble, retry_after_s: float | None = None) -> ProviderError:
    """Return the error that an engine raises for a kind of trouble."""
    return ProviderError(f"the farm says {kind}.", trouble=kind, where=FARM, retry_after_s=retry_after_s)


class FarmEngine(RemoteEngine):
    """Speaks to the simulated provider."""

    name = FARM
    version = "simulated-1"
    poll_every_s: ClassVar[float] = 5.0
    deadline_s: ClassVar[float] = 900.0
    reconcile_within_s: ClassVar[float] = 300.0

    def __init__(self, provider: Provider) -> None:
        super().__init__(cast("Wire", None), {})
        self._provider = provider

    def abilities(self, wire: Mapping[str, Any]) -> Abilities:
        del wire
        return Abilities(cancels=self._provider.cancels, reconciles=self._provider.reconciles)

    async def create(self, order: Order) -> Ticket:
        provider = self._provider
        await provider.stop("to be sent")
        if provider.monotonic() > order.not_after:
            raise trouble(Trouble.TRANSIENT)
        await provider.stop("sent")
        job = provider.accept(order)
        await provider.stop("answered")
        return Ticket(job.id, order.model, order.wire, {"intent": order.intent})

    async def poll(self, ticket: Ticket) -> Report:
        job = await self._job("polling", ticket)
        if not job.known:
            return Report(JobState.GONE)
        return Report(
            job.state,
            progress=0.5 if job.in_flight else 1.0,
            trouble=job.trouble,
            reason=f"the farm says {job.trouble}" if job.trouble else "",
            charged=MicroUsd(job.charged) if self._provider.tells and not job.in_flight else None,
            facts={"made_by": FARM} if job.state is JobState.SUCCEEDED else {},
        )

    async def fetch(self, ticket: Ticket, report: Report, into: Path) -> None:
        del report
        job = await self._job("collecting", ticket)
        if job.result == "gone":
            raise trouble(Trouble.TRANSIENT)
        into.write_text(f"{job.result} of {job.intent}")  # noqa: ASYNC240 - there is no event loop to be held up

    async def cancel(self, ticket: Ticket) -> None:
        assert self._provider.cancels, "it was asked to stop a job, and says that it can't"
        job = await self._job("stopping", ticket)
        if not job.in_flight:
            raise trouble(Trouble.INVALID)
        self._provider.cancel(job)

    async def reconcile(self, order: Order, ours: frozenset[str]) -> Reconciled:
        assert self._provider.reconciles, "it was asked for a job, and says that it can't tell"
        await self._provider.stop("looking for")
        if self._provider.unreachable:
            raise trouble(Trouble.TRANSIENT)
        known = [job for job in self._provider.of(order.intent) if job.known and job.id not in ours]
        if known:
            return Reconciled(Found.FOUND, Ticket(known[0].id, order.model, order.wire, {"intent": order.intent}))
        settled = self._provider.clock() > order.asked_at + timedelta(seconds=SETTLED_S)
        return Reconciled(Found.ABSENT if settled else Found.UNTOLD)

    async def _job(self, point: str, ticket: Ticket) -> Made:
        await self._provider.stop(point)
        if self._provider.unreachable:
            raise trouble(Trouble.TRANSIENT)
        job = self._provider.jobs[ticket.job]
        assert ticket.data["intent"] == job.intent, "a job was asked for with another one's ticket"
        return job


# Its models


def write_registry(
    path: Path,
    *,
    prices: Mapping[str, int | Sequence[tuple[str, int]]] | None = None,
    limits: Mapping[str, Mapping[str, int | None]] | None = None,
    account: Mapping[str, int | None] | None = None,
    bills: frozenset[str] = frozenset(),
) -> Path:
    """Write a registry overlay with the provider's models.

    Args:
        path: The file.
        prices: Model to its price in micro-USD, or to prices from days on.
        limits: Limits of some models; the others have none.
        account: Limits of all together.
        bills: Endings that are billed although nothing came of them.
    """
    charges = {ending: ending in bills for ending in ("failed", "refused_input", "refused_output", "cancelled")}
    capabilities = {
        "modes": ["text-to-video", "image-to-video", "first-last-frame"],
        "durations": {"min_s": 0.04, "max_s": 120},
        **dict.fromkeys(("resolutions", "aspect_ratios", "fps"), "any"),
        "audio": "optional",
        "seed": True,
        "guidance": False,
        "negative_prompt": False,
        "reference_images": 16,
        "max_prompt_characters": 200_000,
    }
    models = {
        model: {
            "kind": "video",
            "capabilities": capabilities,
            "prices": _prices(price),
            "charges": {**charges, "source": "test"},
            "limits": {"concurrent": None, "per_minute": None, **(limits or {}).get(model, {})},
        }
        for model, price in (prices or {FAST: FAST_PRICE, FINE: FINE_PRICE}).items()
    }
    written = {"format": 1, "engine": FARM, "provider": "The farm", "models": models}
    _write(path, json.dumps(written | ({"account": account} if account else {})))
    return path


def _prices(price: int | Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    spans = [("2000-01-01", price)] if isinstance(price, int) else list(price)
    ends: list[str | None] = [*(day for day, _ in spans[1:]), None]
    return [
        {"from": day, "rates": [{"unit": "clip", "usd": f"{amount / 1e6:.6f}"}], "source": "test"}
        | ({"until": end} if end else {})
        for (day, amount), end in zip(spans, ends, strict=True)
    ]


def write_routing(path: Path, models: Sequence[str]) -> Path:
    """Write a routing overlay in which drafts are asked of some models."""
    _write(path, json.dumps({"format": 1, "default": {"draft": list(models)}}))
    return path


def _write(path: Path, text: str) -> None:
    """Write a file so that everybody sees that it changed, however quickly one write follows another."""
    # Files are known by their size and moment; trailing blanks make the sizes differ.
    size = path.stat().st_size if path.exists() else 0
    path.write_text(text + " " * (len(text) == size))
