"""The provider to test against, in a process of its own: started, told how to behave, killed, restarted, audited.

Example::

    with running_provider(tmp_path / "provider", duration_s=0.1) as provider:
        provider.script("lose_reply", "ok", "fail")       # the next three creates, in order
        ...                                               # the code under test talks to provider.base_url
        assert provider.total_charged() == ledger_total
        assert most_per_intent(provider.ledger()) <= 1

What it can be told is described in ``tests/provider/behaviour.py``: settings (``control(concurrent=3)``), and
directives in scripts, chances or prompts (``a red kite [[provider: lose_reply once; truncate]]``).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.provider.ledger import Accepted, Cancelled, Charged, Ended, Entry, Refused, Started, read_ledger

_REPOSITORY = Path(__file__).resolve().parents[2]
_START_LIMIT_S = 60.0
E = TypeVar("E", bound=Entry)


@dataclass
class Provider:
    """A provider that can be started and stopped at will.

    Attributes:
        folder: Its ledger, settings and clips.
        arguments: Of its command line, beside port and folder.
        port: Its port; stays the same over restarts.
    """

    folder: Path
    arguments: tuple[str, ...] = ()
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _door: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False))

    @property
    def base_url(self) -> str:
        """What an engine is configured with."""
        return f"http://127.0.0.1:{self.port}/v1"

    def base_url_of(self, engine: str) -> str:
        """What an engine of ``tests/provider/wires`` is configured with."""
        return f"http://127.0.0.1:{self.port}/{engine}"

    @property
    def pid(self) -> int:
        """The process, to freeze (``SIGSTOP``) and thaw it."""
        assert self._process is not None, "the provider is not running"
        return self._process.pid

    # Its life

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert not self.is_running(), "the provider runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "port").unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.provider", "--port", str(self.port), "--folder", str(self.folder)]
        path = os.pathsep.join(filter(None, (str(_REPOSITORY), os.environ.get("PYTHONPATH", ""))))
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--while-stdin", *self.arguments],
                cwd=_REPOSITORY,
                env=os.environ | {"PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        give_up = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < give_up and self._process.poll() is None:
            with suppress(OSError, ValueError, httpx.HTTPError):
                self.port = int((self.folder / "port").read_text())
                self.state()
                return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"the provider did not start:\n{self.log()[-3000:]}")

    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it by ``SIGKILL``; what it acknowledged is in its ledger."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it by ``SIGTERM``."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None

    def wait_for_death(self) -> int:
        """Wait until it has ended itself (``die``); return its exit status, 86 if it was told to."""
        assert self._process is not None, "the provider is not running"
        return self._process.wait(_START_LIMIT_S)

    def restart(self) -> None:
        """Kill it if it lives, and start it with the same port and folder."""
        self.kill()
        self.start()

    def log(self) -> str:
        """Return what it wrote to its standard output and error."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    # Its control door

    def control(self, **settings: Any) -> dict[str, Any]:
        """Change its behaviour towards all jobs to come (``behaviour.Settings``); return all settings."""
        return self._ask("POST", "", settings) if settings else self._ask("GET", "")

    def script(self, *directives: str | Sequence[str], match: str = "", clear: bool = False) -> None:
        """Say what happens to the next creates, in order.

        Args:
            directives: One for each create (``"lose_reply"``, ``"slow s=2; truncate"``, ``"ok"``), or a list of them.
            match: Only creates whose prompt holds this text.
            clear: Forget what is left of earlier scripts.
        """
        flat = [one for item in directives for one in ([item] if isinstance(item, str) else item)]
        self._ask("POST", "script", {"next": [{"do": one, "match": match} for one in flat], "clear": clear})

    def finish(self, job: str | None = None) -> list[str]:
        """End all running jobs, or one, now, as they would have ended later; return their ids."""
        return self._ask("POST", "finish", {"job": job})["finished"]

    def state(self) -> dict[str, Any]:
        """Return counts: jobs, statuses, in flight and most in flight, refusals, charges, requests by route."""
        return self._ask("GET", "state")

    def requests(self, method: str = "", path_holds: str = "") -> list[dict[str, Any]]:
        """Return requests since the start: ``at, method, path, status, intent, range``; status 0: no answer."""
        found: list[dict[str, Any]] = self._ask("GET", "requests")
        return [one for one in found if method in ("", one["method"]) and path_holds in one["path"]]

    def in_flight(self) -> int:
        """Return how many jobs run or wait at the provider."""
        return self.state()["in_flight"]

    def _ask(self, method: str, what: str, body: Any = None) -> Any:
        url = f"http://127.0.0.1:{self.port}/_control/{what}"
        answer = self._door.request(method, url, json=body if method == "POST" else None)
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"the provider refused: {answer.text}")
        return answer.json()

    # Its books; they can be read while it is dead

    def ledger(self) -> list[Entry]:
        """Return all entries in the order of writing."""
        return read_ledger(self.folder)

    def entries(self, kind: type[E]) -> list[E]:
        """Return all entries of one kind."""
        return [entry for entry in self.ledger() if isinstance(entry, kind)]

    def accepted(self) -> list[Accepted]:
        """Return all jobs that were accepted."""
        return self.entries(Accepted)

    def total_charged(self) -> int:
        """Return micro-USD charged in all."""
        return sum(entry.micro_usd for entry in self.entries(Charged))

    def charges_by_intent(self) -> dict[str, list[Charged]]:
        """Return the charges of each intent (``Idempotency-Key``)."""
        found: defaultdict[str, list[Charged]] = defaultdict(list)
        for entry in self.entries(Charged):
            found[entry.intent].append(entry)
        return dict(found)

    def accepted_by_intent(self) -> dict[str, list[Accepted]]:
        """Return the jobs of each intent."""
        found: defaultdict[str, list[Accepted]] = defaultdict(list)
        for entry in self.accepted():
            found[entry.intent].append(entry)
        return dict(found)

    def spending(self, of: Callable[[str], bool] = lambda _: True) -> list[tuple[float, int]]:
        """Return each moment at which money was taken, and the total from then on.

        Args:
            of: Which intents count, to hold a campaign's or a shot's spending against its cap.
        """
        total, steps = 0, list[tuple[float, int]]()
        charges = [entry for entry in self.entries(Charged) if of(entry.intent)]
        for entry in sorted(charges, key=lambda charge: charge.at):
            total += entry.micro_usd
            steps.append((entry.at, total))
        return steps

    def liability(self, of: Callable[[str], bool] = lambda _: True) -> list[tuple[float, int]]:
        """Return each moment at which it changed what was charged or could still be, and how much that was.

        A running job counts with its price, an ended one with what was charged: this must never exceed a cap either.

        Args:
            of: Which intents count.
        """
        held: dict[str, int] = {}
        total, steps = 0, list[tuple[float, int]]()
        order = {Accepted: 0, Ended: 1, Charged: 2}
        ledger = self.ledger()
        chosen = {entry.job for entry in ledger if isinstance(entry, Accepted) and of(entry.intent)}
        entries = [
            entry
            for entry in ledger
            if (isinstance(entry, Accepted | Ended) and entry.job in chosen)
            or (isinstance(entry, Charged) and of(entry.intent))
        ]
        charged = Counter[str]()
        for entry in entries:
            if isinstance(entry, Charged):
                charged[entry.job] += entry.micro_usd
        for entry in sorted(entries, key=lambda one: (one.at, order[type(one)])):
            if isinstance(entry, Accepted):
                held[entry.job] = entry.price_micro_usd
                total += entry.price_micro_usd
            elif isinstance(entry, Ended):
                total += charged[entry.job] - held.pop(entry.job)
            elif isinstance(entry, Charged) and not entry.job:
                total += entry.micro_usd
            steps.append((entry.at, total))
        return steps

    def charged_after_cancel(self) -> list[Charged]:
        """Return charges later than the cancelling of their job; there must be none."""
        cancelled = {entry.job: entry.at for entry in self.entries(Cancelled)}
        return [entry for entry in self.entries(Charged) if entry.at > cancelled.get(entry.job, float("inf"))]

    def most_concurrent(self, chosen: Callable[[Accepted], bool] = lambda _: True) -> int:
        """Return how many jobs were in flight at most at a time, by the ledger alone."""
        jobs = {entry.job: entry for entry in self.accepted() if chosen(entry)}
        changes = [(entry.at, 1) for entry in jobs.values()]
        changes += [(entry.at, -1) for entry in self.entries(Ended) if entry.job in jobs]
        now = most = 0
        for _, change in sorted(changes):
            now += change
            most = max(most, now)
        return most

    def most_accepted_within(self, window_s: float, chosen: Callable[[Accepted], bool] = lambda _: True) -> int:
        """Return how many jobs were accepted at most in any window of a length."""
        times = sorted(entry.at for entry in self.accepted() if chosen(entry))
        most = first = 0
        for last, at in enumerate(times):
            while at - times[first] >= window_s:
                first += 1
            most = max(most, last - first + 1)
        return most

    def breaches(self) -> list[Refused]:
        """Return creates that were refused because they breached one of the provider's own limits."""
        return [entry for entry in self.entries(Refused) if entry.why in ("concurrent", "per_minute")]

    def starts(self) -> int:
        """Return how often it was started."""
        return len(self.entries(Started))


@contextmanager
def running_provider(
    folder: Path, *, tiny: bool = False, fsync: bool = True, port: int = 0, **settings: Any
) -> Generator[Provider]:
    """Run a provider for the length of a ``with`` block.

    Args:
        folder: Its ledger, settings and clips; one that was used before goes on.
        tiny: Whether everybody gets one tiny clip (benchmarks).
        fsync: Whether its ledger survives a power cut, too.
        port: Its port; 0: any that is free.
        settings: Behaviour to begin with (``behaviour.Settings``).
    """
    arguments = (("--tiny",) if tiny else ()) + (() if fsync else ("--no-fsync",))
    provider = Provider(folder, arguments, port)
    if settings:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "behaviour.json").write_text(json.dumps(settings))
    try:
        provider.start()
        yield provider
    finally:
        provider.kill()
        provider._door.close()


def most_per_intent(entries: Sequence[Entry]) -> int:
    """Return the largest number of charges that one intent had; more than 1 is a take paid twice."""
    counts = Counter(entry.intent for entry in entries if isinstance(entry, Charged) and entry.intent)
    return max(counts.values(), default=0)
