"""Places in the program at which a process can be told to die, to freeze, or to lose an answer. Only tests have them.

The conductor arms a place by a file; whichever process reaches it first takes the file away, writes down what happens,
and does it to itself. ``enter`` and ``leave`` are before and after a function, ``commit`` is the moment before the
transaction that it makes is committed, ``sent`` is between a create call's last byte and its answer.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

VARIABLE = "DAILIES_CHAOS"
POISON = b"POISON"

WORKER_POINTS = (
    *("claim:commit", "claim:leave", "plan:commit", "plan:leave"),
    *("begin:enter", "begin:commit", "begin:leave", "create:enter", "create:sent", "create:leave"),
    *("accepted:enter", "accepted:commit", "accepted:leave", "unsure:commit", "put_off:commit"),
    *("complete:enter", "complete:commit", "complete:leave", "send:enter"),
    *("sweep:enter", "doubt:commit", "free:commit", "due:commit", "due:leave", "grant:commit", "grant:leave"),
)
"""Where workers may be hit: around the paid call, around every commit of a step, in sweeps and grants."""
WATCHER_POINTS = (
    *("watch:commit", "watch:leave", "fetch:enter", "fetch:leave", "keep:enter", "keep:leave"),
    *("end:enter", "end:commit", "end:leave", "hold:commit", "hold:leave", "found:commit", "found:leave"),
    *("absent:commit", "absent:leave", "cancel:enter", "cancel:leave", "grant:commit", "grant:leave"),
)
"""Where watchers may be hit: around looking for, collecting, settling and stopping jobs."""
PAID_CALL = ("begin:commit", "begin:leave", "create:sent", "create:leave", "accepted:commit", "accepted:leave")
"""The points around the paid call, in their order."""
COMMITTED = (
    *("claim:leave", "plan:leave", "begin:leave", "accepted:leave", "complete:leave", "due:leave", "grant:leave"),
    *("unsure:leave", "put_off:leave", "watch:leave", "end:leave", "hold:leave", "found:leave", "absent:leave"),
)
"""Where a transaction has been committed and whoever made it has not heard of it yet."""


@dataclass(frozen=True, slots=True)
class Arms:
    """The folder over which a conductor and its victims agree.

    Args:
        folder: Of one run.
    """

    folder: Path

    @property
    def happened(self) -> Path:
        """One JSON object per thing that a victim did to itself."""
        return self.folder / "happened.jsonl"

    def arm(self, number: int, point: str, action: str) -> None:
        """Let the next process that reaches a point be hit there.

        Args:
            number: Unique in the run.
            point: Where.
            action: ``kill``; ``freeze`` and for how many seconds, such as ``freeze 5``; ``lose``: the database does not
                answer, though what was asked of it has been done.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{number:04d}@{point}").write_text(action)

    def disarm(self) -> None:
        """Let nobody be hit any more."""
        for path in self.folder.glob("[0-9]*@*"):
            path.unlink(missing_ok=True)

    def armed(self) -> list[str]:
        """Return the points that are armed and were not reached yet."""
        return [path.name.partition("@")[2] for path in sorted(self.folder.glob("[0-9]*@*"))]

    def events(self) -> list[dict[str, Any]]:
        """Return what happened up to now."""
        if not self.happened.exists():
            return []
        return [json.loads(line) for line in self.happened.read_text().splitlines()]

    def reach(self, point: str) -> None:
        """Be at a point: nothing happens unless it is armed."""
        try:
            armed = sorted(path.name for path in self.folder.iterdir() if path.name.endswith(f"@{point}"))
        except FileNotFoundError:
            return
        for name in armed:
            path = self.folder / name
            try:
                action = path.read_text()
                path.unlink()  # one process alone succeeds
            except FileNotFoundError:
                continue
            self.act(point, action)

    def act(self, point: str, action: str) -> None:
        """Write down what happens, and do it."""
        event = {"at": time.time(), "pid": os.getpid(), "point": point, "action": action}
        with self.happened.open("a") as file:
            file.write(json.dumps(event) + "\n")
        if action == "lose":
            from pipeline.errors import BackendUnavailable

            raise BackendUnavailable("the database does not answer (chaos: the answer to a commit is lost).")
        os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)


_now = threading.local()


def install(folder: Path) -> None:
    """Make the points of this process: the functions concerned are wrapped where they are used."""
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    from pipeline.engines import http
    from pipeline.engines.openai_compatible import OpenAICompatibleEngine
    from pipeline.production import asking, looking, perform, sweep
    from pipeline.production.steps import check, generate
    from pipeline.store.artifacts import ArtifactStore
    from workers import watcher

    arms = Arms(folder)

    @event.listens_for(Session, "before_commit")
    def _commit(_session: Session) -> None:
        if point := getattr(_now, "name", ""):
            arms.reach(f"{point}:commit")

    for owner, name, point in (
        (perform, "claim", "claim"), (perform, "complete", "complete"), (perform, "send", "send"),
        (generate, "plan_take", "plan"),
        (asking, "_begin", "begin"), (asking, "note_accepted", "accepted"), (asking, "note_unsure", "unsure"),
        (asking, "_put_off", "put_off"),
        (sweep, "_doubt_abandoned", "doubt"), (sweep, "_free", "free"), (sweep, "_take_due", "due"),
        (sweep, "_expire", "sweep"), (sweep, "grant", "grant"), (watcher, "grant", "grant"),
        (looking, "grant", "grant"), (watcher, "claim_jobs", "watch"),
        (looking, "end_job", "end"), (looking, "hold_job", "hold"), (looking, "not_accepted", "absent"),
        (looking, "found_job", "found"), (ArtifactStore, "add", "keep"),
    ):  # fmt: skip
        _around(arms, owner, name, point)
    for name in ("create", "fetch", "cancel"):
        _around_async(arms, OpenAICompatibleEngine, name)
    _between_sent_and_answered(arms, http.Gate)
    _poisoned(arms, check)


def _around(arms: Arms, owner: ModuleType | type, name: str, point: str) -> None:
    wrapped: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(wrapped)
    def around(*arguments: Any, **words: Any) -> Any:
        arms.reach(f"{point}:enter")
        before, _now.name = getattr(_now, "name", ""), point
        try:
            result = wrapped(*arguments, **words)
        finally:
            _now.name = before
        arms.reach(f"{point}:leave")
        return result

    setattr(owner, name, around)


def _around_async(arms: Arms, owner: type, name: str) -> None:
    wrapped: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(wrapped)
    async def around(*arguments: Any, **words: Any) -> Any:
        arms.reach(f"{name}:enter")
        result = await wrapped(*arguments, **words)
        arms.reach(f"{name}:leave")
        return result

    setattr(owner, name, around)


def _between_sent_and_answered(arms: Arms, gate: type) -> None:
    wrapped: Callable[..., Any] = gate.__call__

    async def call(self: Any, event: str, info: Any) -> None:
        await wrapped(self, event, info)
        if event.endswith(".send_request_body.complete") and self._not_after is not None:
            arms.reach("create:sent")

    gate.__call__ = call  # type: ignore[method-assign]


def _poisoned(arms: Arms, check: ModuleType) -> None:
    """Let a clip with a mark kill whoever measures it, as one does that makes a decoder crash."""
    wrapped: Callable[..., Any] = check.measure

    def measure(clip: Path, *arguments: Any) -> Any:
        if POISON in clip.read_bytes()[-200:]:
            arms.act("poison", "kill")
        return wrapped(clip, *arguments)

    check.measure = measure  # type: ignore[attr-defined]
