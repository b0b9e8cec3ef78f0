"""A real RabbitMQ node of the tests' own, where rabbitmq-server is installed.

It listens on loopback only, keeps everything in a temporary folder, and brings its own epmd (Erlang's name server)
on a port of its own, so that it meets no other node of the machine and leaves nothing behind.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kombu.connection import Connection
from kombu.exceptions import OperationalError

from tests.support.postgres import end_with_parent, free_port

_PATIENCE_S = 90.0
_PLACES = ("/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/homebrew/sbin")
"""Debian's rabbitmq-server on PATH changes the user; the one in its library doesn't."""


class NoRabbitError(Exception):
    """No RabbitMQ can be started here; says why."""


@dataclass(frozen=True, slots=True)
class RabbitServer:
    """A running node.

    Attributes:
        url: What DAILIES_BROKER_URL is set to.
        folder: Its data and logs.
    """

    url: str
    folder: Path

    def purge(self, queue: str) -> int:
        """Lose every message of a queue; return how many there were."""
        with Connection(self.url) as connection:
            return int(connection.default_channel.queue_purge(queue) or 0)


def find_rabbit() -> tuple[str, str]:
    """Return rabbitmq-server and epmd.

    Raises:
        NoRabbitError: If they aren't installed.
    """
    path = os.pathsep.join((*_PLACES, os.environ.get("PATH", "")))
    server, epmd = shutil.which("rabbitmq-server", path=path), shutil.which("epmd", path=path)
    if server is None or epmd is None:
        raise NoRabbitError("rabbitmq-server is not installed (on Debian: apt-get install rabbitmq-server)")
    return server, epmd


@contextmanager
def rabbit_server() -> Generator[RabbitServer]:
    """Run a new node.

    Raises:
        NoRabbitError: If it isn't installed.
        RuntimeError: If it does not start; its log is in the message.
    """
    server, epmd = find_rabbit()
    folder = Path(tempfile.mkdtemp(prefix="dailies-rabbit-"))
    port, names_port, password = free_port(), free_port(), secrets.token_urlsafe(12)
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\n"
        f"default_user = dailies\ndefault_pass = {password}\n"
        "vm_memory_high_watermark.absolute = 1GB\n"
        "disk_free_limit.absolute = 1MB\n"
    )
    (folder / "plugins").write_text("[].\n")
    (folder / "environment").touch()
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),  # the cookie of Erlang lies there
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(names_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"dailies-{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "environment"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RUNNING_UNDER_SYSTEMD": "1",  # the node is our own child then, not one of a shell that waits for it
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none",
    }
    running: list[subprocess.Popen[bytes]] = []
    try:
        running.append(_spawn([epmd, "-port", str(names_port), "-address", "127.0.0.1"], environment, folder))
        running.append(_spawn([server], environment, folder))
        url = f"amqp://dailies:{password}@127.0.0.1:{port}//"
        _wait(url, running[-1], folder)
        yield RabbitServer(url, folder)
    finally:
        for process in reversed(running):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # nothing of it is kept
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _spawn(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "output").open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=folder,
            start_new_session=True,
            preexec_fn=partial(end_with_parent, signal.SIGKILL),  # noqa: PLW1509 - one prctl call, no lock is taken
        )


def _wait(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with Connection(url, connect_timeout=5) as connection:
                connection.ensure_connection(max_retries=1, interval_start=0.1)
        except (OperationalError, OSError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                said = (folder / "output").read_text("utf-8", "replace")[-3000:]
                raise RuntimeError(f"RabbitMQ did not start ({error}):\n{said}") from error
            time.sleep(0.1)
        else:
            return
