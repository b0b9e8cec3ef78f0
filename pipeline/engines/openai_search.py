"""Finding a job in a server's list whose create call was not answered.

It never guesses: a wrong guess is a take paid twice, or another take's job taken away. A job is this order's for
certain if it tells our own reference, or if it is the only one that looks like the order *and* no other order that
looks the same is unanswered. It is absent for certain if the list was complete from before the order was asked until
after its create call can have arrived, and nothing in it can be the order's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal, cast

from pipeline.clock import Clock
from pipeline.engines.base import Found

PAGE: Final = 100
MAX_PAGES: Final = 50
TOLERANCE: Final = timedelta(seconds=120)
"""By how much the provider's clock may differ from ours; if it differs by more, nothing is called absent."""


@dataclass(slots=True)
class Listing:
    """What a server's list said, page by page.

    Attributes:
        asked_at: Since when the list has to be complete.
        clock: Ours.
        jobs: Those that may have been created since, by id.
        complete: Whether none can be missing.
        clocks_agree: Whether the provider told the time, and nearly the same as ours.
        read_at: When its first page was asked for.
    """

    asked_at: datetime
    clock: Clock
    jobs: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    complete: bool = False
    clocks_agree: bool = True
    read_at: datetime = field(init=False)
    _falling: bool = False
    _rising: bool = False
    _last: float | None = None

    def __post_init__(self) -> None:
        self.read_at = self.clock()

    def take(self, page: Mapping[str, Any], headers: Mapping[str, str]) -> str:
        """Take a page in; return after which job the next one begins, or nothing if no more is needed."""
        self.clocks_agree &= self._agrees(headers.get("date", ""))
        data = page.get("data")
        if not isinstance(data, list):
            return ""
        entries = [cast("Mapping[str, Any]", entry) for entry in cast("list[Any]", data) if isinstance(entry, dict)]
        fresh = [entry for entry in entries if isinstance(entry.get("id"), str) and entry["id"] not in self.jobs]
        if not entries or page.get("has_more") is False:
            self._keep(fresh)
            self.complete = len(entries) == len(cast("list[Any]", data))
            return ""
        if not fresh:  # the server knows nothing of pages and says the same again
            return ""
        self._keep(fresh)
        # Only a list that is seen to be newest first may be left early: one that begins with its oldest jobs (a server
        # that knows no order) would hide the one that is looked for.
        newest_first = self._falling and not self._rising
        if newest_first and self._last is not None and self._last < (self.asked_at - TOLERANCE).timestamp():
            self.complete = True
            return ""
        return str(fresh[-1]["id"])

    def _keep(self, entries: list[Mapping[str, Any]]) -> None:
        for entry in entries:
            self.jobs[entry["id"]] = entry
            at = created_at(entry)
            if at is None:
                self._rising = True
            elif self._last is not None:
                self._falling |= at < self._last - 1
                self._rising |= at > self._last + 1
            self._last = at

    def _agrees(self, date: str) -> bool:
        try:
            return abs(parsedate_to_datetime(date) - self.clock()) <= TOLERANCE / 2
        except (ValueError, TypeError, OverflowError):
            return False


@dataclass(frozen=True, slots=True)
class Looks:
    """By what a job is known to be an order's; ``None`` where the order says nothing.

    Attributes:
        model: The model's name at the server.
        prompt: As it was sent.
        seconds: As it was sent.
        size: As it was sent.
        seed: As it was sent.
        reference: The field that holds our own reference, if the server keeps one.
        intent: Our own reference.
    """

    model: str
    prompt: str
    seconds: str | None
    size: str | None
    seed: int | None
    reference: str
    intent: str


Likeness = Literal["certain", "alike", "perhaps", "no"]


def likeness(looks: Looks, job: Mapping[str, Any], since: datetime) -> Likeness:
    """Return whether a job can be an order's.

    ``certain``: it tells our reference. ``alike``: model, prompt, length and size agree. ``perhaps``: nothing
    disagrees, but it does not tell all of them, or not the reference that it should tell.
    """
    for name in filter(None, (looks.reference, "idempotency_key")):
        told = job.get(name)
        if isinstance(told, str) and told:
            return "certain" if told == looks.intent else "no"
    at = created_at(job)
    if at is not None and at < (since - TOLERANCE).timestamp():
        return "no"
    agreed = not looks.reference
    for name, wanted in (("model", looks.model), ("prompt", looks.prompt), ("size", looks.size)):
        told = job.get(name)
        if wanted is None or told is None:
            agreed &= told is not None or name == "size"
        elif told != wanted:
            return "no"
    for name, wanted in (("seconds", looks.seconds), ("seed", looks.seed)):
        told = _number(job.get(name))
        if wanted is not None and told is not None and abs(told - float(wanted)) > 1e-6:
            return "no"
        agreed &= name == "seed" or wanted is None or told is not None
    return "alike" if agreed and at is not None else "perhaps"


KEPT_S: Final = timedelta(hours=1)
"""So long a server is taken to list every job that it accepted."""


def looked_for(
    looks: Looks, listing: Listing, ours: frozenset[str], *, alone: bool, settled_s: float
) -> tuple[Found, str | None]:
    """Return what the list says of an order, and the job's id if it was found.

    Args:
        looks: By what the job is known.
        listing: What the list said.
        ours: Jobs that are known to be other takes'.
        alone: Whether no other order that looks the same is unanswered.
        settled_s: Seconds after the intent from which a job that was accepted is in the list.
    """
    seen = {job: likeness(looks, entry, listing.asked_at) for job, entry in listing.jobs.items() if job not in ours}
    certain = [job for job, like in seen.items() if like == "certain"]
    if len(certain) == 1:
        return Found.FOUND, certain[0]
    possible = [job for job, like in seen.items() if like != "no"]
    if certain or not listing.complete:
        return Found.UNTOLD, None
    if len(possible) == 1 and seen[possible[0]] == "alike" and alone:
        return Found.FOUND, possible[0]
    since = listing.read_at - listing.asked_at
    # Not of long ago either: a server may have forgotten what it made.
    settled = timedelta(seconds=settled_s) <= since <= max(KEPT_S, timedelta(seconds=2 * settled_s))
    if not possible and settled and listing.clocks_agree:
        return Found.ABSENT, None
    return Found.UNTOLD, None


def created_at(job: Mapping[str, Any]) -> float | None:
    """Return when a job was created, in seconds since the epoch, if it tells."""
    at = job.get("created_at")
    return float(at) if isinstance(at, (int, float)) and not isinstance(at, bool) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None
