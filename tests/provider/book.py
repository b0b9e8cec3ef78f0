"""The provider's memory: its jobs, what each will come to, and who pays. Rebuilt from the ledger."""

from __future__ import annotations

import heapq
import itertools
import json
import math
import random
import uuid
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.provider import behaviour
from tests.provider.behaviour import Directive, Plan, Settings
from tests.provider.clips import Form
from tests.provider.ledger import (
    Accepted,
    Cancelled,
    Charged,
    Deleted,
    Died,
    Ended,
    Entry,
    Ledger,
    Refused,
    Started,
    read_ledger,
)

NEVER = 4_102_444_800.0
"""The year 2100: when a stuck job ends."""
CODES = {"moderation_blocked": "refused"}
_MESSAGES = {
    "moderation_blocked": "Your request was blocked by our moderation system.",
    "server_error": "The video could not be generated.",
    "cancelled": "The job was cancelled.",
}


@dataclass(slots=True)
class Job:
    """A job as the provider knows it: what was accepted, and how it ended.

    Attributes:
        accepted: The ledger's line.
        index: Its place in the order of acceptance.
        plan: What goes wrong with it.
        ends_at: When it ends by itself.
        end: How it ended; empty while it runs.
        ended_at: When.
        code: Error code, if it failed.
        deleted: Whether it is out of sight.
        charged: Micro-USD that it was charged so far.
    """

    accepted: Accepted
    index: int
    plan: Plan
    ends_at: float
    end: str = ""
    ended_at: float = 0.0
    code: str = ""
    deleted: bool = False
    charged: int = 0

    @property
    def id(self) -> str:
        """The job's id."""
        return self.accepted.job

    def status(self, now: float) -> str:
        """Return the job's status at a time."""
        return self.end or ("in_progress" if now >= self.accepted.starts_at else "queued")

    def progress(self, now: float) -> int:
        """Return how far the job is, 0 to 100."""
        if self.end == "completed":
            return 100
        start, length = self.accepted.starts_at, self.ends_at - self.accepted.starts_at
        share = (min(now, self.ended_at or now) - start) / length if length > 0 else 0.0
        return int(max(0.0, min(0.99, share)) * 100)

    def form(self, *, sound: bool) -> Form:
        """Return what the clip is to be."""
        asked = self.accepted
        wants_sound = asked.fields.get("generate_sound", "true").lower() not in ("false", "0", "no")
        kind = (self.plan.get("clip") or {"kind": "good"})["kind"]
        return Form(asked.width, asked.height, Fraction(asked.fps), asked.frames, sound and wants_sound, kind)

    def error(self) -> dict[str, Any] | None:
        """Return the error object, if the job has one."""
        if not self.code:
            return None
        message = _MESSAGES.get(self.code, f"The job failed: {self.code}.")
        return {"code": self.code, "message": message, "type": "video_generation_error", "param": None}


class Book:
    """All jobs, in memory, with every change written to the ledger first.

    Args:
        folder: Of the ledger, the settings and the script.
        ledger: Where changes are written.
        settings: What the provider is told to do.
    """

    def __init__(self, folder: Path, ledger: Ledger, settings: Settings) -> None:
        self.settings = settings
        self.jobs: dict[str, Job] = {}
        self.order: list[Job] = []
        self.in_flight: Counter[str] = Counter()
        self.most_in_flight: Counter[str] = Counter()
        self.most_in_flight_total = 0
        self.breaches: Counter[str] = Counter()
        self.spent: Counter[str] = Counter()
        self.by_key: dict[tuple[str, str], Job] = {}
        self.script: deque[dict[str, str]] = deque()
        self._ledger = ledger
        self._ends: list[tuple[float, int, Job]] = []
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)
        self._times: Counter[str] = Counter()
        self._creates: Counter[str] = Counter()
        self._deaths: set[tuple[str, str]] = set()
        self._tie = itertools.count()
        self._script_file = folder / "script.json"
        if self._script_file.exists():
            self.script.extend(json.loads(self._script_file.read_text()))
        for entry in read_ledger(folder):
            self._remember(entry)

    # Rebuilding

    def _remember(self, entry: Entry) -> None:
        match entry:
            case Accepted():
                self._count(entry)
                self._add(entry)
            case Refused():
                self.breaches[entry.why] += 1
                if entry.why == "told":
                    self._count(entry)
            case Died():
                self._deaths.add((entry.told, entry.where))
                if entry.where == "before_accept":
                    self._count(entry)
            case Ended():
                self._end(self.jobs[entry.job], entry)
            case Charged():
                self.spent[entry.account] += entry.micro_usd
                if entry.job:
                    self.jobs[entry.job].charged += entry.micro_usd
            case Deleted():
                self.jobs[entry.job].deleted = True
            case _:
                pass

    def _count(self, entry: Accepted | Refused | Died) -> None:
        told = entry.plan.get("told", "") if isinstance(entry, Accepted) else entry.told
        self._creates[_draw_key(entry.model, entry.prompt, entry.seed)] += 1
        for directive in behaviour.parse(told):
            self._times[_times_key(directive, entry.prompt)] += 1

    def _add(self, entry: Accepted) -> Job:
        plan = Plan.of(behaviour.parse(entry.plan.get("told", "")))
        job = Job(entry, len(self.order), plan, entry.ends_at)
        self.jobs[job.id] = job
        self.order.append(job)
        self.in_flight[entry.model] += 1
        self.most_in_flight[entry.model] = max(self.most_in_flight[entry.model], self.in_flight[entry.model])
        self.most_in_flight_total = max(self.most_in_flight_total, self.in_flight.total())
        self._recent[entry.model].append(entry.at)
        heapq.heappush(self._ends, (job.ends_at, next(self._tie), job))
        if entry.intent:
            self.by_key.setdefault((entry.account, entry.intent), job)
        return job

    def _end(self, job: Job, entry: Ended) -> None:
        job.end, job.ended_at, job.code = entry.status, entry.at, entry.code
        self.in_flight[job.accepted.model] -= 1

    def _write(self, entry: Entry) -> None:
        self._ledger.write(entry)
        if isinstance(entry, Charged):
            self.spent[entry.account] += entry.micro_usd

    # Time

    def start(self, now: float) -> None:
        """Note the start, and end what ended while the server was down, at the time it was due."""
        self.advance(now)
        self._write(Started(at=now))

    def advance(self, now: float) -> None:
        """End all jobs that are due by now, in their order; each at the moment it was due."""
        while self._ends and self._ends[0][0] <= now:
            due, _, job = heapq.heappop(self._ends)
            if not job.end and job.ends_at == due:
                self._finish(job, due)

    def next_end(self) -> float:
        """Return when the next job ends."""
        return self._ends[0][0] if self._ends else NEVER

    def _finish(self, job: Job, at: float) -> None:
        failed = job.plan.get("refuse_job") or job.plan.get("fail")
        status, code = ("failed", failed["code"]) if failed else ("completed", "")
        why = CODES.get(code, "failed") if failed else "completed"
        entry = Ended(at=at, job=job.id, status=status, code=code)
        self._write(entry)
        self._end(job, entry)
        if {"completed": True, "failed": self.settings.charge_failed, "refused": self.settings.charge_refused}[why]:
            self._charge(job, at, job.accepted.price_micro_usd, why)

    def _charge(self, job: Job, at: float, amount: int, why: str) -> None:
        if amount:
            asked = job.accepted
            job.charged += amount
            self._write(
                Charged(at=at, job=job.id, intent=asked.intent, account=asked.account, micro_usd=amount, why=why)
            )

    def finish_now(self, job: Job, now: float) -> None:
        """End a running job at once, as it would have ended later."""
        if not job.end:
            job.ends_at = now
            self._finish(job, now)

    # Creates

    def refuse_for_limits(self, model: str, now: float) -> tuple[str, float] | None:
        """Return which of the provider's limits one more job would breach, and seconds to wait; or None."""
        own = self.settings.limits.get(model, {})
        concurrent = own.get("concurrent", self.settings.concurrent)
        if concurrent is not None and self.in_flight[model] >= concurrent:
            return "concurrent", max(0.05, min(self.next_end() - now, 10.0))
        recent, window = self._recent[model], self.settings.window_s
        while recent and recent[0] <= now - window:
            recent.popleft()
        per_minute = own.get("per_minute", self.settings.per_minute)
        if per_minute is not None and len(recent) >= per_minute:
            return "per_minute", max(0.05, recent[len(recent) - per_minute] + window - now)
        return None

    def can_pay(self, account: str, price: int) -> bool:
        """Return whether an account has enough for one more job beside those in flight."""
        if self.settings.funds_micro_usd is None:
            return True
        owed = sum(job.accepted.price_micro_usd for job in self._running() if job.accepted.account == account)
        return self.spent[account] + owed + price <= self.settings.funds_micro_usd

    def _running(self) -> list[Job]:
        return [job for _, _, job in self._ends if not job.end]

    def price(self, model: str, seconds: Fraction) -> int:
        """Return what a job costs in micro-USD, rounded up."""
        own = self.settings.prices.get(model)
        if own is not None:
            return math.ceil(own.get("second", 0) * seconds) + own.get("clip", 0)
        return math.ceil(self.settings.price_per_second * seconds) + self.settings.price_per_clip

    def plan(self, model: str, prompt: str, seed: str) -> Plan:
        """Decide what goes wrong with a create: what its prompt says, else the script, else chance.

        Raises:
            DirectiveError: If the prompt's directives can't be followed.
        """
        key = _draw_key(model, prompt, seed)
        number = self._creates[key]
        written = behaviour.written_in(prompt)
        directives = written or self._scripted(prompt)
        if directives is None:
            directives = behaviour.drawn(self.settings, f"{key}|{number}")
        self._creates[key] += 1
        happening: list[Directive] = []
        for directive in directives:
            counted = _times_key(directive, prompt)
            if directive.arguments["count"] and self._times[counted] >= directive.arguments["count"]:
                continue
            self._times[counted] += 1
            happening.append(directive)
        return Plan.of(happening)

    def _scripted(self, prompt: str) -> list[Directive] | None:
        for place, item in enumerate(self.script):
            if item.get("match", "") in prompt:
                del self.script[place]
                self.save_script()
                return behaviour.parse(item["do"])
        return None

    def save_script(self) -> None:
        """Keep what is left of the script for a restarted server."""
        part = self._script_file.with_suffix(".part")
        part.write_text(json.dumps(list(self.script)))
        part.replace(self._script_file)

    def accept(self, now: float, plan: Plan, *, job: str = "", **asked: Any) -> Job:
        """Accept a job; nobody may hear of it before the ledger is durable.

        Args:
            now: Seconds since the epoch.
            plan: What goes wrong with it.
            job: Its id; one of ``/v1/videos`` if not given.
            asked: The other fields of ``ledger.Accepted``.
        """
        number = len(self.order)
        starts_at = now + self.settings.queue_s
        wanted = self.settings.duration_s
        if isinstance(wanted, list):
            wanted = random.Random(f"{self.settings.seed}:duration:{number}").uniform(*wanted)
        ends_at = starts_at + wanted
        if (slow := plan.get("slow")) is not None:
            ends_at = starts_at + slow["s"]
        for name in ("fail", "refuse_job"):
            if (failing := plan.get(name)) is not None and failing["after"] is not None:
                ends_at = starts_at + failing["after"]
        if plan.get("stuck") is not None:
            ends_at = NEVER
        entry = Accepted(
            at=now,
            job=job or f"video_{uuid.uuid4().hex}",
            starts_at=starts_at,
            ends_at=ends_at,
            plan={"told": plan.told} if plan.told else {},
            **asked,
        )
        self._write(entry)
        accepted = self._add(entry)
        accepted.plan = plan
        return accepted

    def refused(self, entry: Refused) -> None:
        """Note a refusal, and charge for it where refused input is charged."""
        self.breaches[entry.why] += 1
        self._write(entry)

    def charge_refused_input(self, now: float, intent: str, account: str, amount: int) -> None:
        """Charge for a refused input, if the rule says so."""
        if self.settings.charge_refused_input and amount:
            self._write(Charged(at=now, job="", intent=intent, account=account, micro_usd=amount, why="refused"))

    # Ends by request

    def cancel(self, job: Job, now: float, by: str) -> None:
        """Stop a running job and charge by the rule."""
        asked = job.accepted
        self._write(Cancelled(at=now, job=job.id, by=by))
        status = self.settings.cancelled_status
        entry = Ended(at=now, job=job.id, status=status, code="cancelled" if status == "failed" else "")
        self._write(entry)
        self._end(job, entry)
        match self.settings.charge_cancelled:
            case "full":
                self._charge(job, now, asked.price_micro_usd, "cancelled")
            case "elapsed":
                length = max(job.ends_at - asked.starts_at, 1e-6)
                share = min(1.0, max(0.0, (now - asked.starts_at) / length))
                self._charge(job, now, math.ceil(asked.price_micro_usd * share), "cancelled")
            case _:
                pass

    def delete(self, job: Job, now: float) -> None:
        """Remove a job from sight."""
        job.deleted = True
        self._write(Deleted(at=now, job=job.id))

    def has_died(self, job: str, where: str) -> bool:
        """Return whether the server has ended itself over this job at this point before."""
        return (job, where) in self._deaths

    def counts(self, now: float) -> dict[str, int]:
        """Return the number of jobs by status."""
        return dict(Counter(job.status(now) for job in self.order))


def _draw_key(model: str, prompt: str, seed: str) -> str:
    return f"{model}|{prompt}|{seed}"


def _times_key(directive: Directive, prompt: str) -> str:
    return f"{directive}|{directive.arguments['tag'] or prompt}"
