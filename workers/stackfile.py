"""The note that the embedded stack leaves in its home, for whoever else wants to use it."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "stack.json"


@dataclass(frozen=True, slots=True)
class StackFile:
    """Where the embedded stack is.

    Attributes:
        broker_url: The embedded Redis, with its password.
        owner_pid: The process that started the stack and ends it.
        processes: Process groups that it started, by name.
    """

    broker_url: str
    owner_pid: int
    processes: dict[str, int]


class OwnerLock:
    """Held by the one process that runs the stack of a home; the kernel lets go of it when that process ends.

    A process number in a note proves nothing: it may be another process's by now. And of two commands that
    start at once one has to wait, or two Redis servers write to one folder.

    Args:
        home: The state folder.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "stack.lock"
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take the lock if nobody else has it; return whether it is ours."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go of the lock; its file stays, for deleting it would let two in."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def read_stackfile(home: Path) -> StackFile | None:
    """Return the note, or ``None`` if there is none that can be read."""
    try:
        return StackFile(**json.loads((home / NAME).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_stackfile(home: Path, stack: StackFile) -> None:
    """Leave the note, readable for the owner only (it holds the broker's password)."""
    part = home / f"{NAME}.{os.getpid()}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(stack), file)
    part.replace(home / NAME)


def remove_stackfile(home: Path) -> None:
    """Take the note away."""
    (home / NAME).unlink(missing_ok=True)


def live_stackfile(home: Path) -> StackFile | None:
    """Return the note if the process that left it still lives, else ``None``."""
    stack = read_stackfile(home)
    return stack if stack is not None and is_alive(stack.owner_pid) else None


def is_alive(pid: int) -> bool:
    """Return whether there is a process with this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
