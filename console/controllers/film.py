"""``run``: the whole job on this machine, from a storyboard to a film where a person wants it."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from console import requests
from console.answer import Answer
from console.controllers.boards import load
from console.controllers.following import follow
from console.controllers.office import Courier, studio_of
from console.controllers.outbound import check_film_name, copy_films
from console.desk import Desk
from console.documents import cuts as documents
from console.interrupts import Interrupted
from console.views import cuts as views
from pipeline.errors import EXIT_DELIVERED, EXIT_NEEDS_ATTENTION
from pipeline.production import steer
from pipeline.production.quoting import quote_boards
from pipeline.production.states import CutState
from pipeline.production.status import CutStatus, submitted_cut
from pipeline.production.studio import Studio
from pipeline.production.submit import INTERACTIVE, submit
from pipeline.storyboard.load import LoadedStoryboard
from workers.embedded import EmbeddedStack


def run(request: requests.Run, desk: Desk) -> Answer:
    """Make the film; what was done before is not done again.

    Raises:
        StoryboardError: If the storyboard has problems.
        InputError: If the film can't be written where it is wanted.
        NoModelAvailable: If a shot has no model.
        BudgetRefused: If it is expected to cost more than it may.
        BackendUnavailable: If the database, the storage or the embedded stack can't be used.
    """
    started = time.monotonic()
    if request.out is not None:
        check_film_name(request.out)
    board = load(request.file, desk)
    with studio_of(desk) as studio:
        before = submitted_cut(studio, board.content_hash, request.stage)
        if before is not None and before.state is CutState.DELIVERED:
            status = before
        elif before is not None and before.state is CutState.NEEDS_ATTENTION:
            if request.budget is not None:
                submit(studio, [board], stage=request.stage, priority=INTERACTIVE, budget=request.budget)
            status = before
        else:
            _quote(request, desk, board)
            status = _make(request, desk, board, before)
        if status.state is not CutState.DELIVERED:
            return _stuck(status, existed=before is not None, wall_s=time.monotonic() - started)
        files = copy_films(studio, status, request.out) if request.out is not None else ()
    wall_s = time.monotonic() - started
    again = status is before
    return Answer(
        lambda: documents.run(status, files=files, existed=before is not None, wall_s=wall_s, exit_code=EXIT_DELIVERED),
        lambda: views.delivered(status, files=files, again=again, wall_s=wall_s),
    )


def _quote(request: requests.Run, desk: Desk, board: LoadedStoryboard) -> None:
    """Refuse what can't begin before any process is started; submitting asks again."""
    quote_boards(
        desk.settings,
        [board.storyboard],
        stage=request.stage,
        today=desk.clock().date(),
        budget=request.budget,
    )


def _make(request: requests.Run, desk: Desk, board: LoadedStoryboard, before: CutStatus | None) -> CutStatus:
    with embedded_stack(desk) as stack, studio_of(desk, Courier(desk.settings, stack.broker_url)) as studio:
        [receipt] = submit(studio, [board], stage=request.stage, priority=INTERACTIVE, budget=request.budget)
        try:
            _go_on(studio, desk, before)
            return follow(studio, receipt.cut_id, desk, lambda: tend(stack, desk))
        except Interrupted:
            desk.note(
                f"Stopped; nothing is lost. Go on with the same command again, or see: dailies status {receipt.cut_id}"
            )
            raise


def _go_on(studio: Studio, desk: Desk, before: CutStatus | None) -> None:
    """Set a cut that a person stopped on its way again: running it is to want it."""
    if before is None:
        return
    if before.state is CutState.CANCELLED:
        count = steer.retry(studio, before.id)
        desk.note(f"Cut {before.id} was cancelled; {count} shots are sent on.")
    elif before.paused:
        steer.resume(studio, before.id)
        desk.note(f"Cut {before.id} was paused; it goes on.")
    else:
        desk.note(f"Cut {before.id} was begun before; it goes on.")


@contextmanager
def embedded_stack(desk: Desk) -> Generator[EmbeddedStack]:
    """Find or start the embedded stack, and end what was started, whatever happens.

    A signal waits while processes are started or ended, so that none of them is forgotten. The second stop is for
    a signal that comes just before the first; there is no other after it, and a stack that is down stays so.

    Raises:
        BackendUnavailable: If a configured broker does not answer, or a process does not come up.
    """
    if desk.settings.broker_url is not None:
        Courier(desk.settings).check()  # a worker would try again for ever, and say so in its log only
    stack = EmbeddedStack(desk.settings)
    try:
        try:
            with desk.interrupts.held():
                stack.start()
            yield stack
        finally:
            with desk.interrupts.held():
                stack.stop()
    finally:
        stack.stop()


def tend(stack: EmbeddedStack, desk: Desk) -> None:
    """Start again what has died; a signal waits meanwhile, as when the stack is started."""
    with desk.interrupts.held():
        stack.tend()


def _stuck(status: CutStatus, *, existed: bool, wall_s: float) -> Answer:
    return Answer(
        lambda: documents.run(status, files=(), existed=existed, wall_s=wall_s, exit_code=EXIT_NEEDS_ATTENTION),
        lambda: views.stuck(status),
        EXIT_NEEDS_ATTENTION,
    )
