"""The note that the embedded stack leaves in its home, for whoever else wants to use it."""

from __future__ import annotations

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
