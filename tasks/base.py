"""Base of all tasks: the studio they work in, made once per process, and who they are in the log."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import ClassVar

from celery import Task

from pipeline.production.studio import Studio

_make_studio: list[Callable[[], Studio]] = []


def use_studio(make: Callable[[], Studio]) -> None:
    """Name what makes the studio (the composition root does, which tasks can't import)."""
    _make_studio[:] = [make]


class DailiesTask(Task):
    """A task with a studio. Retries and time-outs are the steps' own: Celery never retries one."""

    abstract = True
    max_retries = 0
    _studios: ClassVar[dict[int, Studio]] = {}

    @property
    def studio(self) -> Studio:
        """This process's studio: made after the fork, so that no connection is shared."""
        pid = os.getpid()
        if pid not in self._studios:
            self._studios.clear()
            self._studios[pid] = _make_studio[0]()
        return self._studios[pid]

    @property
    def owner(self) -> str:
        """Who works, for people: host, process and Celery node."""
        node = getattr(self.request, "hostname", None) or f"worker@{socket.gethostname()}"
        return f"{node} pid {os.getpid()}"
