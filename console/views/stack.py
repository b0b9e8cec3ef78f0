"""The embedded stack in the terminal."""

from __future__ import annotations

from urllib.parse import urlsplit

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.values import Door
from console.views.words import length, line
from pipeline.settings import Settings


def running(settings: Settings, broker_url: str, flower: Door | None) -> RenderableType:
    """Return what runs and where its logs are; the broker's password is not shown."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("Broker", line(_without_password(broker_url)))
    grid.add_row("State", line(str(settings.home)))
    grid.add_row("Logs", line(str(settings.home / "logs")))
    if flower is not None:
        grid.add_row("Flower", line(f"{flower.url}  user {flower.user}, password {flower.password}"))
    head = Text.assemble(("The stack is up. ", "bold green"), "Ctrl-C ends it.")
    return Group(head, grid)


def ended(seconds: float) -> RenderableType:
    """Return the last line of a stack that was ended on purpose."""
    return Text(f"The stack is down after {length(seconds)}; what waits goes on with the next `dailies up` or `run`.")


def watched(seconds: float) -> RenderableType:
    """Return the last line of a watcher that was ended on purpose."""
    return Text(f"The watcher ended after {length(seconds)}; its jobs are left to the next one.")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}:{parts.port}" if parts.port else f"{parts.scheme}://{host}"
