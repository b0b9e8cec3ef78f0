"""The provider's own books: what it accepted and charged, on disk before anybody is told.

One JSON object per line, only ever appended. This file is the oracle of all tests about money, so it
owes nothing to the code under test. A line that a crash cut short was never acknowledged and is dropped.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

FILE = "ledger.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line.

    Attributes:
        at: When it happened, in seconds since the epoch.
    """

    kind: ClassVar[str] = ""
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Entry):
    """The server started with this folder."""

    kind: ClassVar[str] = "started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(Entry):
    """A job was accepted: from here on it will be charged, whoever got to hear of it.

    Attributes:
        job: The job's id.
        intent: The request's ``Idempotency-Key`` ("" if it had none).
        account: Whose key the request was made with ("" where no keys are asked for).
        model: As asked for.
        prompt: As it arrived.
        seconds: Length that is billed.
        width: Pixels of the clip to be made.
        height: Pixels of the clip to be made.
        fps: Frames per second, a whole number or a fraction.
        frames: Number of frames of the clip to be made.
        seed: As it arrived ("" if it did not).
        price_micro_usd: What the job costs if it is charged in full.
        fields: All other text fields of the request.
        files: Facts of each uploaded file: name, type, bytes, sha256.
        starts_at: When it leaves the queue.
        ends_at: When it ends by itself.
        plan: What was told or drawn to go wrong with it (see ``behaviour.Plan``).
        heard: Method, path, query, headers (without the key) and JSON body of the request, on the wires of
            ``tests/provider/wires``; long texts are cut.
    """

    kind: ClassVar[str] = "accepted"
    job: str
    intent: str
    account: str
    model: str
    prompt: str
    seconds: str
    width: int
    height: int
    fps: str
    frames: int
    seed: str
    price_micro_usd: int
    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    starts_at: float
    ends_at: float
    plan: dict[str, Any] = field(default_factory=dict)
    heard: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Entry):
    """A create was refused before a job existed.

    Attributes:
        intent: The request's ``Idempotency-Key``.
        account: Whose key it was made with.
        model: As asked for.
        prompt: As it arrived.
        seed: As it arrived.
        status: HTTP status of the answer.
        code: Error code of the answer.
        why: ``concurrent`` or ``per_minute`` if a limit of the provider was breached, ``funds`` if the account is
            empty, ``told`` if behaviour asked for it, ``request`` if the request was wrong.
        told: The directive that asked for it.
    """

    kind: ClassVar[str] = "refused"
    intent: str
    account: str
    model: str
    prompt: str
    seed: str
    status: int
    code: str
    why: str
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Entry):
    """A job ended: ``completed``, ``failed`` or ``cancelled``."""

    kind: ClassVar[str] = "ended"
    job: str
    status: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged(Entry):
    """Money was taken.

    Attributes:
        job: For which job ("" for a refused input that is billed).
        intent: Of that job.
        account: Who paid.
        micro_usd: How much.
        why: ``completed``, ``failed``, ``refused`` or ``cancelled``.
    """

    kind: ClassVar[str] = "charged"
    job: str
    intent: str
    account: str
    micro_usd: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Entry):
    """Somebody asked to stop a job that was running; ``by`` is ``cancel`` or ``delete``."""

    kind: ClassVar[str] = "cancelled"
    job: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted(Entry):
    """A job was removed from sight."""

    kind: ClassVar[str] = "deleted"
    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded(Entry):
    """A clip was sent.

    Attributes:
        job: Whose.
        first: Offset of the first byte that was asked for.
        sent: Bytes handed to the network.
        whole: Whether all that was asked for was sent, unaltered.
    """

    kind: ClassVar[str] = "downloaded"
    job: str
    first: int
    sent: int
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Died(Entry):
    """The server ended itself where it was told to; at a poll or download, ``told`` is the job's id."""

    kind: ClassVar[str] = "died"
    where: str
    intent: str = ""
    model: str = ""
    prompt: str = ""
    seed: str = ""
    told: str = ""


KINDS: dict[str, type[Entry]] = {
    kind.kind: kind for kind in (Started, Accepted, Refused, Ended, Charged, Cancelled, Deleted, Downloaded, Died)
}


def read_ledger(folder: Path) -> list[Entry]:
    """Return all entries in the order they were written."""
    return list(_entries(_whole_lines(folder / FILE)))


def _entries(lines: bytes) -> Iterator[Entry]:
    for line in lines.splitlines():
        raw = json.loads(line)
        kind = KINDS[raw.pop("kind")]
        known = {known.name for known in fields(kind)}
        yield kind(**{name: value for name, value in raw.items() if name in known})


def _whole_lines(path: Path) -> bytes:
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


class Ledger:
    """Appends to the books; one per server.

    Writes of requests that arrive together share one fsync.

    Args:
        folder: Where the file is; kept from earlier runs.
        sync: Whether each write reaches the disk (a power cut) or only the kernel (``kill -9``) before
            :meth:`durable` returns.
    """

    def __init__(self, folder: Path, *, sync: bool = True) -> None:
        path = folder / FILE
        whole = len(_whole_lines(path))
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.ftruncate(self._file, whole)
        self._sync = sync
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fsync") if sync else None
        self._written = self._synced = 0
        self._syncing: asyncio.Future[None] | None = None

    def write(self, entry: Entry) -> None:
        """Append an entry; what it says must not be told to anybody before :meth:`durable` returned."""
        line = json.dumps({"kind": entry.kind, **asdict(entry)}, separators=(",", ":")).encode() + b"\n"
        written = os.write(self._file, line)
        assert written == len(line), "the disk is full: the provider's books can't be kept"
        self._written += 1

    async def durable(self) -> None:
        """Wait until everything written so far is on disk."""
        if self._thread is None:
            return
        wanted = self._written
        while self._synced < wanted:
            if self._syncing is None:
                upto, loop = self._written, asyncio.get_running_loop()
                self._syncing = loop.create_task(self._one_sync(upto))
            await asyncio.shield(self._syncing)

    async def _one_sync(self, upto: int) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, os.fsync, self._file)
            self._synced = upto
        finally:
            self._syncing = None

    def sync_now(self) -> None:
        """Put everything on disk before the process is ended on purpose."""
        os.fsync(self._file)
