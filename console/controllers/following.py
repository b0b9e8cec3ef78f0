"""Follows a cut until it rests, and tells of it as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable

from console.desk import Desk
from console.views.progress import Ticker, changes
from pipeline.production.states import RESTING_CUTS
from pipeline.production.status import CutStatus, cut_status
from pipeline.production.studio import Studio

_LOOK_S = 0.4
_TEND_S = 1.0


def follow(studio: Studio, cut_id: str, desk: Desk, tend: Callable[[], None] | None = None) -> CutStatus:
    """Return where the cut stands when it has come to rest.

    Args:
        studio: Where to look.
        cut_id: The cut.
        desk: Where progress goes.
        tend: Called about every second, to keep the workers alive.

    Raises:
        BackendUnavailable: If the database does not answer any more.
    """
    before: CutStatus | None = None
    tended = started = time.monotonic()
    with Ticker(desk.err, animated=desk.animated) as ticker:
        while True:
            now = cut_status(studio, cut_id)
            if not desk.animated:
                for each in changes(before, now):
                    desk.note(each)
            ticker.show(now, time.monotonic() - started)
            if now.state in RESTING_CUTS:
                return now
            before = now
            if tend is not None and time.monotonic() - tended >= _TEND_S:
                tend()
                tended = time.monotonic()
            time.sleep(_LOOK_S)
