"""``retry``, ``pause``, ``resume``, ``cancel`` and ``resolve``: what people do to a cut under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from console import requests
from console.answer import Answer
from console.controllers.cuts import require_work
from console.controllers.office import Courier, has_work, studio_of
from console.desk import Desk
from console.documents import submitting as documents
from console.views import submitting as views
from pipeline.errors import BackendUnavailable, InputError, UnknownId
from pipeline.production import steer
from pipeline.production.resolve import resolve as settle_unknown
from pipeline.production.status import cut_status
from pipeline.production.studio import Studio

STOP_S = 45.0
"""So long a cancel waits for providers to confirm; what is left then is the watcher's."""


def retry(request: requests.Retry, desk: Desk) -> Answer:
    """Send shots back, or let placeholders stand for them.

    Raises:
        UnknownId: If there is no such cut or shot.
        InputError: If there is nothing to retry, or a shot is being made.
    """
    word = "placeholder" if request.placeholder else "retry"
    return _steer(
        request.cut,
        word,
        desk,
        lambda studio: steer.retry(studio, request.cut, request.shots, placeholder=request.placeholder),
    )


def pause(request: requests.Pause, desk: Desk) -> Answer:
    """Start nothing more.

    Raises:
        UnknownId: If there is no such cut.
        InputError: If the cut is over.
    """
    return _steer(request.cut, "pause", desk, lambda studio: steer.pause(studio, request.cut))


def resume(request: requests.Resume, desk: Desk) -> Answer:
    """Go on with a paused cut.

    Raises:
        UnknownId: If there is no such cut.
        InputError: If the cut is over.
    """
    return _steer(request.cut, "resume", desk, lambda studio: steer.resume(studio, request.cut))


def cancel(request: requests.Cancel, desk: Desk) -> Answer:
    """Stop a cut.

    Raises:
        UnknownId: If there is no such cut.
        InputError: If the cut is over.
    """
    return _steer(request.cut, "cancel", desk, lambda studio: _cancel(studio, request.cut, desk))


def _cancel(studio: Studio, cut_id: str, desk: Desk) -> None:
    """Stop a cut, and see that its takes in flight are stopped at their providers, be there a watcher or not."""
    steer.cancel(studio, cut_id)
    cut = cut_status(studio, cut_id)
    if not cut.in_flight:
        return
    from workers.watcher import follow_cut  # noqa: PLC0415 - imports httpx

    desk.note(f"Stopping {cut.in_flight} takes at their providers.")
    asyncio.run(follow_cut(studio, cut.id, within_s=STOP_S))


def resolve(request: requests.Resolve, desk: Desk) -> Answer:
    """Settle a take whose outcome is unknown.

    Raises:
        UnknownId: If there is no such take.
        InputError: If its outcome is known, or it was not said what it is.
    """
    if request.charged is None:
        raise InputError(
            "whether it was charged is missing.",
            where=request.take,
            remedy="Look into the provider's own account, then say --charged or --not-charged.",
        )
    if not has_work(desk.settings):
        raise UnknownId(
            "there is no take with this id: nothing was ever submitted here.",
            where=request.take,
            remedy=f"The state folder is {desk.settings.home}; set DAILIES_HOME if the take is of another one.",
        )
    with studio_of(desk) as studio:
        word = settle_unknown(studio, request.take, charged=request.charged)
    return Answer(lambda: documents.resolved(word), lambda: views.resolved(word))


def _steer(cut_id: str, word: str, desk: Desk, do: Callable[[Studio], int | None]) -> Answer:
    require_work(cut_id, desk)
    courier = Courier(desk.settings)
    shots = 0
    with studio_of(desk, courier) as studio:
        try:
            shots = do(studio) or 0
        except BackendUnavailable as error:
            # What was decided is in the database; only its messages could not go out yet.
            if error is not courier.refused:
                raise
        cut = cut_status(studio, cut_id)
    waiting = courier.waiting
    return Answer(
        lambda: documents.steered(cut, word, shots, waiting),
        lambda: views.steered(cut, word, shots, waiting),
    )
