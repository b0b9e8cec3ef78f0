"""The processes of a run: redis-server, workers, beats, watchers; started, killed, frozen, and ended at last."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.points import VARIABLE, Arms
from tests.support.postgres import end_with_parent, free_port
from workers.embedded import find_redis_server
from workers.queues import QUEUES

EVERYBODY = ("redis", "worker1", "worker2", "watcher1", "watcher2", "beat1", "beat2")
DRAIN_S = 45.0
"""Celery's own shutdown may wait for as long as a read from the broker may take: 30 s."""
REPOSITORY = Path(__file__).resolve().parents[2]


class Nurse(threading.Thread):
    """Thaws what was frozen, from a thread of its own: the conductor may itself wait for somebody who is frozen.

    Args:
        arms: Where victims write down that they freeze.
    """

    def __init__(self, arms: Arms) -> None:
        super().__init__(name="nurse", daemon=True)
        self._arms = arms
        self._seen = 0
        self._due: list[tuple[float, int]] = []
        self._lock = threading.Lock()
        self._over = threading.Event()

    def freeze(self, pid: int, seconds: float) -> None:
        """Freeze a process for some seconds."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            with self._lock:
                self._due.append((time.monotonic() + seconds, pid))

    def thaw_all(self) -> None:
        """Thaw everybody now."""
        self._look()
        with self._lock:
            due, self._due = self._due, []
        for _, pid in due:
            _signal(pid, signal.SIGCONT)

    def run(self) -> None:
        while not self._over.wait(0.1):
            self._look()
            now = time.monotonic()
            with self._lock:
                due = [pid for at, pid in self._due if at <= now]
                self._due = [each for each in self._due if each[0] > now]
            for pid in due:
                _signal(pid, signal.SIGCONT)

    def end(self) -> None:
        self._over.set()
        self.join()
        self.thaw_all()

    def _look(self) -> None:
        with self._lock:
            events = self._arms.events()
            for event in events[self._seen :]:
                words = str(event["action"]).split()
                if words[0] == "freeze":
                    self._due.append((time.monotonic() + float(words[1]), int(event["pid"])))
            self._seen = len(events)


@dataclass
class Fleet:
    """Processes by name: ``redis``, ``worker1``, ``watcher1`` and so on.

    Attributes:
        folder: For logs and Redis.
        environment: Of workers and watchers.
        redis_port: Stays the same over restarts.
    """

    folder: Path
    environment: dict[str, str]
    redis_port: int = field(default_factory=free_port)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, subprocess.Popen[bytes]])

    @property
    def broker_url(self) -> str:
        return f"redis://127.0.0.1:{self.redis_port}/0"

    def pid(self, name: str) -> int | None:
        """Return a process that runs, or None."""
        process = self._running.get(name)
        return process.pid if process is not None and process.poll() is None else None

    def children(self, name: str) -> list[int]:
        """Return the processes that one has started (a worker's pool, its beat)."""
        pid = self.pid(name)
        if pid is None:
            return []
        try:
            return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:
            return []

    def start(self, name: str) -> None:
        """Start a process unless it runs; what is left of its last group is ended first."""
        if self.pid(name) is not None:
            return
        self.end_group(name)
        if name == "redis":
            self._start_redis()
        elif name.startswith("watcher"):
            self._spawn(name, [sys.executable, "-m", "tests.chaos.victim", "watcher"])
        elif name.startswith("beat"):
            schedule = ["--schedule", str(self.folder / f"{name}-schedule"), "--pidfile", "", "--loglevel", "INFO"]
            self._spawn(name, [sys.executable, "-m", "tests.chaos.victim", "beat", *schedule])
        else:
            self._spawn(
                name,
                [
                    sys.executable, "-m", "tests.chaos.victim", "worker", "--queues", ",".join(QUEUES),
                    "--concurrency", "1", "--hostname", f"{name}@%h", "--loglevel", "INFO", "--without-mingle",
                    "--without-gossip",
                ],
            )  # fmt: skip

    def kill(self, name: str, *, group: bool = True) -> bool:
        """Kill a process by -9, with its children or without; return whether it ran."""
        pid = self.pid(name)
        if pid is None:
            return False
        if group:
            self.end_group(name)
        else:
            _signal(pid, signal.SIGKILL)
        self._running[name].wait()
        return True

    def end_group(self, name: str) -> None:
        process = self._running.get(name)
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def stop(self) -> list[str]:
        """End everything gently, then by force; return who had to be forced, and what was left of them."""
        forced: list[str] = []
        deadline = time.monotonic() + DRAIN_S
        for wave in ([name for name in self._running if name != "redis"], ["redis"]):
            for name in wave:
                if (pid := self.pid(name)) is not None:
                    _signal(pid, signal.SIGTERM)
            for name in wave:
                try:
                    self._running[name].wait(max(1.0, deadline - time.monotonic()))
                except (subprocess.TimeoutExpired, KeyError):
                    forced.append(name)
        left = [f"{pid} ({command})" for pid, command in self.leftovers()]
        for name in self._running:
            self.end_group(name)
            self._running[name].wait()
        return [f"{name} did not end within {DRAIN_S:g} s of SIGTERM" for name in forced] + [
            f"left behind: {each}" for each in left
        ]

    def leftovers(self) -> list[tuple[int, str]]:
        """Return processes of this run that still live."""
        mark = f"{VARIABLE}={self.environment[VARIABLE]}".encode()
        found: list[tuple[int, str]] = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if command and int(folder.name) != os.getpid():
                        found.append((int(folder.name), command[:160]))
        return found

    def _start_redis(self) -> None:
        folder = self.folder / "redis"
        folder.mkdir(parents=True, exist_ok=True)
        command = [find_redis_server(os.environ), "--bind", "127.0.0.1", "--port", str(self.redis_port)]
        command += ["--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
        self._spawn("redis", command)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(RedisError), Redis.from_url(self.broker_url, socket_timeout=2) as client:
                if client.ping():
                    return
            time.sleep(0.03)
        raise RuntimeError("redis-server did not start")

    def _spawn(self, name: str, command: list[str]) -> None:
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        with (self.folder / "logs" / f"{name}.log").open("ab") as output:
            self._running[name] = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment | {"DAILIES_BROKER_URL": self.broker_url},
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one prctl call, no lock is taken
                start_new_session=True,
            )


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
