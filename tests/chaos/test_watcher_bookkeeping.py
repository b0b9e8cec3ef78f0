"""What chaos found in a watcher's bookkeeping, each by itself: no job is kept that nobody looks at."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from unittest import mock

from pipeline.errors import StaleLease
from pipeline.production.states import JobPhase
from pipeline.production.studio import Studio
from pipeline.production.watching import Watched
from workers import watcher as watchers
from workers.watcher import Watcher

NOW = datetime(2026, 11, 21, tzinfo=UTC)
JOB = Watched(
    take_id="take", label="board/shot", cut_id="cut", engine="engine", model="engine/model", phase=JobPhase.RUNNING,
    fence=4, asked_at=NOW, deadline_at=NOW, next_poll_at=NOW, cancelled=False, setbacks=0, progress=0.0, ticket=None,
)  # fmt: skip


class TakenOver:
    """A look that comes to its end after the lease."""

    async def look(self, job: Watched) -> Any:
        raise StaleLease("the job was taken over.", where=job.take_id)


def new_watcher() -> Watcher:
    return Watcher(cast("Studio", mock.Mock()), name="watcher", lease_s=3.0)


def will_look_at(watcher: Watcher) -> list[tuple[str, int]]:
    return [(take, fence) for due, take, fence in watcher._due if watcher._next.get(take) == due]


def test_a_job_that_the_watcher_claimed_anew_while_it_looked_at_it_is_looked_at_again() -> None:
    async def scene() -> Watcher:
        watcher = new_watcher()
        watcher._looker = cast("Any", TakenOver())
        watcher._jobs["take"] = replace(JOB, fence=5)  # its lease had run out; it was claimed anew during the look
        watcher._busy.add("take")

        await watcher._look(JOB)
        return watcher

    watcher = asyncio.run(scene())

    assert will_look_at(watcher) == [("take", 5)]


def test_a_job_that_another_watcher_took_over_is_forgotten() -> None:
    async def scene() -> Watcher:
        watcher = new_watcher()
        watcher._looker = cast("Any", TakenOver())
        watcher._jobs["take"] = JOB
        watcher._busy.add("take")

        await watcher._look(JOB)
        return watcher

    watcher = asyncio.run(scene())

    assert watcher.following == 0
    assert will_look_at(watcher) == []


def test_a_job_whose_claim_the_watcher_never_heard_of_is_given_back() -> None:
    async def scene() -> mock.Mock:
        watcher = new_watcher()
        watcher._jobs["known"] = replace(JOB, take_id="known")
        own = {"known": (4, False), "claimed, and the answer was lost": (1, False)}
        with (
            mock.patch.object(watchers, "keep_jobs", return_value=own),
            mock.patch.object(watchers, "note_progress"),
            mock.patch.object(watchers, "give_jobs_back") as given_back,
        ):
            await watcher._keep()
        assert watcher.following == 1
        return given_back

    given_back = asyncio.run(scene())

    (call,) = given_back.call_args_list
    assert set(call.args[2]) == {"claimed, and the answer was lost"}
