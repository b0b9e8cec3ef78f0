"""The same program with shorter waits: what takes minutes in production takes seconds in a chaos run.

Every wait keeps its order to the others (a create call may be answered for longer than it may wait to be sent, a job is
called absent later than both together, and so on), so that the same interleavings are possible.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

LEASE_S = 3.0
SWEEP_S = 0.6
REPUBLISH_S = 1.5
SEND_WITHIN_S = 3.0
ASK_S = 5.0
ASKING_S = 9.0
LIST_LAG_S = 1.0
SETTLES_S = 2.0
DEADLINE_S = 14.0
STOP_WITHIN_S = 6.0
MINUTE_S = 8.0


def scale() -> None:
    """Shorten the waits of this process."""
    from pipeline.engines import http, openai_compatible
    from pipeline.production import asking, jobs, lanes, leases, looking, sweep
    from pipeline.store import database
    from workers import watcher

    asking.SEND_WITHIN_S = SEND_WITHIN_S
    sweep.ASKING_S = ASKING_S
    leases.RETRY_AFTER_S = (0.3, 0.6, 1.0)
    leases.POSTPONED_S, leases.POSTPONED_AT_MOST_S = 0.3, 2.0
    lanes.MINUTE = timedelta(seconds=MINUTE_S)
    lanes._BLOCKED_S, lanes._BLOCKED_AT_MOST_S = 0.3, 2.0
    jobs.HELD_EVERY = looking.HELD_EVERY = timedelta(seconds=2)
    looking.BACK_OFF_AT_MOST_S = 2.0
    looking.STOP_WITHIN = timedelta(seconds=STOP_WITHIN_S)
    watcher.OUTAGE_S, watcher.DRAIN_S, watcher._TICK_S = 0.25, 5.0, 0.3
    engine = openai_compatible.OpenAICompatibleEngine
    engine.poll_every_s, engine.deadline_s = 0.4, DEADLINE_S
    engine.reconcile_within_s, engine.settles_s = 16.0, SETTLES_S
    openai_compatible._CONFIRM_S = 0.2
    http.Times = partial(
        http.Times,
        connect=2.0, read=2.5, write=2.5, pool=4.0, ask=ASK_S, read_once=3.0, read_in_all=6.0, patience=1.0,
        download=12.0,
    )  # type: ignore[misc]  # fmt: skip
    database._POSTGRESQL_LIMITS |= {"lock_timeout": "8s", "idle_in_transaction_session_timeout": "12s"}
    database._LIBPQ |= {"connect_timeout": 3, "tcp_user_timeout": 6_000}
