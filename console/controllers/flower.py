"""Flower beside the embedded stack: on this machine only, behind a password made for this run."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

from console.values import Door
from pipeline.errors import BackendUnavailable, ConfigurationError
from pipeline.settings import Settings

_FIRST_PORT, _PORTS = 5555, 20
_START_S = 30.0
_STOP_S = 5.0


def check_flower() -> None:
    """See that Flower is installed.

    Raises:
        ConfigurationError: If it isn't.
    """
    if importlib.util.find_spec("flower") is None:
        raise ConfigurationError(
            "Flower is not installed.",
            where="--with flower",
            remedy="Install Dailies with its flower extra (pip install 'dailies[flower]'), or leave --with out.",
        )


class Flower:
    """Flower as a process of its own.

    Args:
        settings: What is configured, with the broker in use.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._log = settings.home / "logs" / "flower.log"
        port = _free_port()
        # Who can read the page can read every storyboard's words; who can write to it can stop workers.
        self.door = Door(f"http://127.0.0.1:{port}", "dailies", secrets.token_urlsafe(12))
        self._port = port

    def start(self) -> None:
        """Start Flower and wait until it listens.

        Raises:
            BackendUnavailable: If it does not come up; names its log.
        """
        self._spawn()
        deadline = time.monotonic() + _START_S
        while not _listens(self._port):
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise BackendUnavailable("Flower did not start.", where=str(self._log), remedy="Its log says why.")
            time.sleep(0.1)

    def tend(self) -> None:
        """Start Flower again if it has ended."""
        if self._process is not None and self._process.poll() is not None:
            self._spawn()

    def stop(self) -> None:
        """End Flower, gently, then by force."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _spawn(self) -> None:
        environment = {
            name: value
            for name, value in self._settings.environment.items()
            if not name.startswith("FLOWER_")  # an inherited FLOWER_UNAUTHENTICATED_API would open the door
        } | {
            "DAILIES_HOME": str(self._settings.home),
            "DAILIES_BROKER_URL": self._settings.broker_url or "",
            # In the environment, not in the arguments: those can be read by every user of the machine.
            "FLOWER_BASIC_AUTH": f"{self.door.user}:{self.door.password}",
        }
        command = [
            sys.executable, "-m", "celery", "--app", "workers.app", "--quiet", "flower",
            "--address=127.0.0.1", f"--port={self._port}",
        ]  # fmt: skip
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )


def _free_port() -> int:
    """Return Flower's usual port, or the next one that is free."""
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise BackendUnavailable(
        f"no port from {_FIRST_PORT} to {_FIRST_PORT + _PORTS - 1} is free.",
        where="--with flower",
        remedy="End what listens there, or leave --with out.",
    )


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
