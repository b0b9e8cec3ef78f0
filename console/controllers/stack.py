"""``up`` and ``watcher``: the embedded stack, or a watcher alone, in the foreground until somebody ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

from console import requests
from console.answer import Answer
from console.controllers.film import embedded_stack, tend
from console.controllers.flower import Flower, check_flower
from console.controllers.office import Courier, studio_of
from console.desk import Desk
from console.interrupts import Interrupted
from console.requests import Extra
from console.views import stack as views
from pipeline.errors import InputError
from pipeline.production.sweep import sweep
from workers.composition import make_studio
from workers.embedded import asks_providers
from workers.stackfile import live_stackfile

_TEND_S = 1.0


def up(request: requests.Up, desk: Desk) -> Answer:
    """Keep the stack running until Ctrl-C, which is how it ends: with exit code 0.

    Raises:
        InputError: If the stack runs in this home already, or something is wanted that isn't in this version.
        ConfigurationError: If something isn't installed.
        BackendUnavailable: If a process does not come up.
    """
    _refuse_impossible(request, desk)
    with studio_of(desk):  # the tables, before any worker looks for them
        pass
    started = time.monotonic()
    try:
        with embedded_stack(desk) as stack, _beside(request, desk, stack.broker_url) as flower:
            desk.show(views.running(desk.settings, stack.broker_url, flower.door if flower else None))
            with studio_of(desk, Courier(desk.settings, stack.broker_url)) as studio:
                sweep(studio)  # what was submitted while nothing ran
            restarts = 0
            while True:
                time.sleep(_TEND_S)
                tend(stack, desk)
                if flower is not None:
                    with desk.interrupts.held():
                        flower.tend()
                if stack.restarts > restarts:
                    restarts = stack.restarts
                    desk.note(f"A process had ended and was started again ({restarts} in all); see the logs.", "yellow")
    except Interrupted:
        seconds = time.monotonic() - started
        return Answer(lambda: {"up_s": round(seconds, 3)}, lambda: views.ended(seconds))


def watcher(_: requests.Watcher, desk: Desk) -> Answer:
    """Follow jobs until Ctrl-C or SIGTERM, which is how it ends: with exit code 0.

    Raises:
        ConfigurationError: If a setting can't be used.
        BackendUnavailable: If the database does not answer at the start; later it is waited for.
    """
    from workers.app import make_app  # noqa: PLC0415 - imports Celery
    from workers.watcher import watch_until_told  # noqa: PLC0415 - imports asyncio and httpx

    with studio_of(desk):  # the tables
        pass
    if not asks_providers(desk.settings):
        desk.note("No provider is configured: there is nothing to follow yet. `dailies models` says what is missing.")
    started = time.monotonic()
    studio = make_studio(desk.settings, make_app(desk.settings))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(watch_until_told(studio))
    finally:
        studio.database.close()
    seconds = time.monotonic() - started
    return Answer(lambda: {"up_s": round(seconds, 3)}, lambda: views.watched(seconds))


def _refuse_impossible(request: requests.Up, desk: Desk) -> None:
    if Extra.CONSOLE in request.extras:
        raise InputError(
            "The web console is not in this version.",
            where="--with console",
            remedy="Leave it out; `dailies status` and `dailies watch` show where cuts stand.",
        )
    if Extra.FLOWER in request.extras:
        check_flower()
    stack = live_stackfile(desk.settings.home)
    if stack is not None and stack.owner_pid != os.getpid():
        raise InputError(
            f"The stack runs in this state folder already (process {stack.owner_pid}).",
            where=str(desk.settings.home),
            remedy="Use it as it is, end that process, or set DAILIES_HOME to another folder.",
        )


@contextmanager
def _beside(request: requests.Up, desk: Desk, broker_url: str) -> Generator[Flower | None]:
    if Extra.FLOWER not in request.extras:
        yield None
        return
    flower = Flower(replace(desk.settings, broker_url=broker_url))
    try:
        try:
            with desk.interrupts.held():
                flower.start()
            yield flower
        finally:
            with desk.interrupts.held():
                flower.stop()
    finally:
        flower.stop()
