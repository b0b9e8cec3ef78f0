"""What is done to a run, drawn from its seed: when, what, and to whom."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.fleet import EVERYBODY, Fleet, Nurse
from tests.chaos.points import COMMITTED, PAID_CALL, WATCHER_POINTS, WORKER_POINTS, Arms
from tests.support.postgres import PostgresServer
from tests.support.provider import Provider
from tests.support.proxy import Proxy


class Disk(Protocol):
    """A disk that can be filled up."""

    def fill(self) -> None: ...
    def free(self) -> None: ...


class People(Protocol):
    """What people do meanwhile."""

    def pause(self, rng: random.Random) -> bool: ...
    def resume(self) -> bool: ...
    def cancel(self, rng: random.Random) -> bool: ...
    def retry(self, rng: random.Random) -> bool: ...


@dataclass
class Havoc:
    """Does things to a run, one after the other, each undone after a while.

    Attributes:
        counts: How often each was done.
        armed: How many points were armed.
    """

    rng: random.Random
    fleet: Fleet
    nurse: Nurse
    arms: Arms
    provider: Provider
    proxy: Proxy
    people: People
    disk: Disk | None = None
    database_file: Path | None = None
    postgres: PostgresServer | None = None
    counts: Counter[str] = field(default_factory=Counter[str])
    _undo: list[tuple[float, Callable[[], None]]] = field(default_factory=list[tuple[float, Callable[[], None]]])
    _busy: set[str] = field(default_factory=set[str])
    armed: int = 0
    _lock: sqlite3.Connection | None = None

    def choices(self) -> dict[str, tuple[int, Callable[[float], bool]]]:
        """Return what can be done: its weight, and the doing."""
        table: dict[str, tuple[int, Callable[[float], bool]]] = {
            "worker killed with its children": (4, lambda now: self._kill(now, "worker", group=True)),
            "worker killed, its children left": (3, lambda now: self._kill(now, "worker", group=False)),
            "prefork child killed": (5, self._kill_child),
            "watcher killed": (5, lambda now: self._kill(now, "watcher", group=True)),
            "watcher down for a while": (2, lambda now: self._kill(now, "watcher", group=True, down_s=7.0)),
            "beat killed": (1, lambda now: self._kill(now, "beat", group=True)),
            "worker frozen": (2, lambda _: self._freeze("worker")),
            "prefork child frozen": (3, self._freeze_child),
            "watcher frozen": (4, lambda _: self._freeze("watcher")),
            "Redis killed": (2, self._kill_redis),
            "Redis emptied": (3, self._empty_redis),
            "provider killed": (2, self._kill_provider),
            "network half-open": (3, lambda now: self._network(now, "half-open")),
            "network loses answers": (3, lambda now: self._network(now, "answers")),
            "network reset": (3, lambda now: self._network(now, "reset")),
            "network slow": (2, lambda now: self._network(now, "slow")),
            "provider out of order": (2, self._outage),
            "killed at a point of the paid call": (6, lambda _: self.arm(PAID_CALL, "kill")),
            "frozen at a point of the paid call": (3, lambda _: self.arm(PAID_CALL, "freeze")),
            "killed at a worker's point": (5, lambda _: self.arm(WORKER_POINTS, "kill")),
            "killed at a watcher's point": (5, lambda _: self.arm(WATCHER_POINTS, "kill")),
            "frozen at a watcher's point": (3, lambda _: self.arm(WATCHER_POINTS, "freeze")),
            "answer to a commit lost at a point": (5, lambda _: self.arm(COMMITTED, "lose")),
            "cut paused": (2, lambda _: self.people.pause(self.rng)),
            "cuts resumed": (2, lambda _: self.people.resume()),
            "cut cancelled": (1, lambda _: self.people.cancel(self.rng)),
            "shots retried": (2, lambda _: self.people.retry(self.rng)),
        }
        if self.disk is not None:
            table["disk full"] = (2, self._fill_disk)
        if self.database_file is not None:
            table["database locked"] = (3, self._lock_database)
        if self.postgres is not None:
            table["PostgreSQL killed"] = (2, lambda now: self._restart_postgres(now, kill=True))
            table["PostgreSQL restarted"] = (2, lambda now: self._restart_postgres(now, kill=False))
        return table

    def strike(self, now: float) -> str:
        """Do one thing; return what it was, empty if it could not be done."""
        table = self.choices()
        (name,) = self.rng.choices(list(table), [weight for weight, _ in table.values()])
        if not table[name][1](now):
            return ""
        if "point" not in name:
            self.counts[name] += 1
        return name

    def tend(self, now: float) -> None:
        """Undo what is over, and start again what has died."""
        due = [undo for at, undo in self._undo if at <= now]
        self._undo = [each for each in self._undo if each[0] > now]
        for undo in due:
            undo()
        for name in EVERYBODY:
            if self.fleet.pid(name) is None and name not in self._busy:
                self._later(now + self.rng.uniform(0.0, 2.0), name, lambda name=name: self.fleet.start(name))
        if not self.provider.is_running() and "provider" not in self._busy:
            self._later(now + self.rng.uniform(0.2, 2.0), "provider", self.provider.restart)

    def heal(self) -> None:
        """Undo everything."""
        self.arms.disarm()
        if self._lock is not None:
            self._unlock()
        self.nurse.thaw_all()
        undo, self._undo = self._undo, []
        for _, each in undo:
            each()
        self.proxy.delay(0)
        self.proxy.let_pass()
        self.proxy.reset_connections()
        if self.disk is not None:
            self.disk.free()
        if self.postgres is not None and not self.postgres.running:
            self.postgres.start()
        if not self.provider.is_running():
            self.provider.restart()
        self.provider.control(outage=0, chances={})
        for name in EVERYBODY:
            self.fleet.start(name)

    def _later(self, at: float, busy: str, undo: Callable[[], None]) -> None:
        self._busy.add(busy)

        def done() -> None:
            self._busy.discard(busy)
            undo()

        self._undo.append((at, done))

    def _one(self, kind: str) -> str:
        return f"{kind}{self.rng.randint(1, 2)}"

    def _kill(self, now: float, kind: str, *, group: bool, down_s: float = 0.0) -> bool:
        name = self._one(kind)
        if not self.fleet.kill(name, group=group):
            return False
        self._later(now + self.rng.uniform(0.0, 3.0) + down_s, name, lambda: self.fleet.start(name))
        return True

    def _kill_child(self, _now: float) -> bool:
        children = self.fleet.children(self._one("worker"))
        return bool(children) and _kill(self.rng.choice(children))

    def _freeze(self, kind: str) -> bool:
        pid = self.fleet.pid(self._one(kind))
        if pid is not None:
            self.nurse.freeze(pid, self.rng.uniform(3.5, 7.0))
        return pid is not None

    def _freeze_child(self, _now: float) -> bool:
        children = self.fleet.children(self._one("worker"))
        if children:
            self.nurse.freeze(self.rng.choice(children), self.rng.uniform(3.5, 7.0))
        return bool(children)

    def _kill_redis(self, now: float) -> bool:
        killed = self.fleet.kill("redis")
        if killed:
            self._later(now + self.rng.uniform(0.0, 3.0), "redis", lambda: self.fleet.start("redis"))
        return killed

    def _empty_redis(self, _now: float) -> bool:
        try:
            with Redis.from_url(self.fleet.broker_url, socket_timeout=2) as client:
                client.flushall()
        except RedisError:
            return False
        return True

    def _kill_provider(self, now: float) -> bool:
        if not self.provider.is_running():
            return False
        self.provider.kill()
        self._later(now + self.rng.uniform(0.2, 2.5), "provider", self._start_provider)
        return True

    def _start_provider(self) -> None:
        if not self.provider.is_running():
            self.provider.restart()

    def _network(self, now: float, how: str) -> bool:
        if "network" in self._busy:
            return False
        match how:
            case "half-open":
                self.proxy.cut()
            case "answers":
                self.proxy.lose_answers()
            case "reset":
                self.proxy.reset()
            case _:
                self.proxy.delay(self.rng.uniform(0.1, 0.8))
        self._later(now + self.rng.uniform(0.5, 5.0), "network", self._mend_network)
        return True

    def _mend_network(self) -> None:
        self.proxy.delay(0)
        self.proxy.let_pass()

    def _outage(self, now: float) -> bool:
        if not self.provider.is_running() or "outage" in self._busy:
            return False
        with suppress(Exception):
            self.provider.control(outage=self.rng.choice([500, 502, 503, 429]))
            self._later(now + self.rng.uniform(0.5, 3.0), "outage", self._end_outage)
            return True
        return False

    def _end_outage(self) -> None:
        if not self.provider.is_running():
            self.provider.restart()
        self.provider.control(outage=0)

    def arm(self, points: tuple[str, ...], how: str) -> bool:
        """Let the next process that reaches one of some points be hit there."""
        self.armed += 1
        action = f"freeze {self.rng.uniform(3.5, 6.5):.1f}" if how == "freeze" else how
        self.arms.arm(self.armed, self.rng.choice(points), action)
        return True

    def _fill_disk(self, now: float) -> bool:
        if self.disk is None or "disk" in self._busy:
            return False
        self.disk.fill()
        self._later(now + self.rng.uniform(1.0, 5.0), "disk", self.disk.free)
        return True

    def _lock_database(self, now: float) -> bool:
        if self._lock is not None or self.database_file is None:
            return False
        connection = sqlite3.connect(self.database_file, timeout=0.5, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            connection.close()
            return False
        self._lock = connection
        self._later(now + self.rng.uniform(1.0, 6.0), "lock", self._unlock)
        return True

    @property
    def locked(self) -> bool:
        """Whether the database is locked by us: whoever writes now waits for the one who would end that."""
        return self._lock is not None

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.execute("ROLLBACK")
            self._lock.close()
            self._lock = None

    def _restart_postgres(self, now: float, *, kill: bool) -> bool:
        if self.postgres is None or not self.postgres.running or "postgres" in self._busy:
            return False
        if kill:
            self.postgres.kill()
        else:
            self.postgres.stop()
        self._later(now + self.rng.uniform(0.0, 3.0), "postgres", self._start_postgres)
        return True

    def _start_postgres(self) -> None:
        if self.postgres is not None and not self.postgres.running:
            self.postgres.start()


def _kill(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False
