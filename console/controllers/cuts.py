"""``status`` and ``watch``: where cuts stand."""

from __future__ import annotations

from console import requests
from console.answer import Answer
from console.controllers.following import follow
from console.controllers.office import has_work, studio_of
from console.desk import Desk
from console.documents import cuts as documents
from console.views import cuts as views
from pipeline.errors import EXIT_DELIVERED, EXIT_NEEDS_ATTENTION, UnknownId
from pipeline.production.resolve import all_unknown
from pipeline.production.states import RESTING_CUTS, CutState
from pipeline.production.status import cut_status, list_cuts
from workers.stackfile import live_stackfile


def status(request: requests.Status, desk: Desk) -> Answer:
    """Show one cut, or the list.

    Raises:
        UnknownId: If there is no such cut.
    """
    if request.cut is not None:
        require_work(request.cut, desk)
        with studio_of(desk) as studio:
            cut = cut_status(studio, request.cut)
        return Answer(lambda: documents.cut(cut), lambda: views.whole(cut))
    if not has_work(desk.settings):
        return Answer(lambda: documents.cuts((), ()), lambda: views.listing((), ()))
    with studio_of(desk) as studio:
        listed, unknown = list_cuts(studio), all_unknown(studio)
    return Answer(lambda: documents.cuts(listed, unknown), lambda: views.listing(listed, unknown))


def watch(request: requests.Watch, desk: Desk) -> Answer:
    """Follow a cut until it rests; nothing is started for it, and nothing ended.

    Raises:
        UnknownId: If there is no such cut.
    """
    require_work(request.cut, desk)
    with studio_of(desk) as studio:
        cut = cut_status(studio, request.cut)
        idle = desk.settings.broker_url is None and live_stackfile(desk.settings.home) is None
        if cut.state not in RESTING_CUTS and idle:
            desk.note("No worker runs on this machine: start one with `dailies up`.", "yellow")
        cut = follow(studio, cut.id, desk)
    code = EXIT_DELIVERED if cut.state is CutState.DELIVERED else EXIT_NEEDS_ATTENTION
    return Answer(
        lambda: documents.cut(cut),
        lambda: views.whole(cut) if cut.state is CutState.DELIVERED else views.stuck(cut),
        code,
    )


def require_work(cut_id: str, desk: Desk) -> None:
    """Refuse an id where there is no cut at all.

    Raises:
        UnknownId: If the state folder holds no database.
    """
    if not has_work(desk.settings):
        raise UnknownId(
            "there is no cut with this id: nothing was ever submitted here.",
            where=cut_id,
            remedy=f"The state folder is {desk.settings.home}; set DAILIES_HOME if the cut lives in another one.",
        )
