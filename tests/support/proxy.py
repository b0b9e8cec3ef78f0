"""A TCP proxy that can break the network between two programs, for HTTP, Redis and PostgreSQL alike.

Example::

    with running_proxy(provider.port) as proxy:
        base_url = f"http://{proxy.address}/v1"
        proxy.cut()         # half-open: whatever is sent disappears, nothing is closed
        ...
        proxy.let_pass()    # new connections work again; those that were cut stay dead, as with a dropped NAT entry
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

_BLOCK = 64 * 1024


class Mode(Enum):
    """What happens to connections."""

    PASS = auto()
    """Bytes pass both ways."""
    REFUSE = auto()
    """Nobody listens; connections that exist are reset."""
    CUT = auto()
    """Half-open: bytes both ways disappear, connections stay open; new ones are accepted and never answered."""
    LOSE_ANSWERS = auto()
    """What clients send arrives; what comes back disappears."""
    RESET = auto()
    """Connections are reset, new ones as soon as they are accepted."""


@dataclass(eq=False)
class _Link:
    """One client's connection and the one to the server behind it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    dead_up: bool = False
    dead_down: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def reset(self) -> None:
        for writer in (self.client, self.server):
            if writer is None:
                continue
            connection: Any = writer.get_extra_info("socket")
            if connection is not None:
                with suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """A proxy that runs in a thread of its own; each method returns when what it says holds.

    Args:
        port: Of the server behind it.
        host: Of the server behind it.

    Attributes:
        port: The proxy's own port on the loopback address; stays the same.
        connections: How many connections were accepted.
        bytes_up: Bytes that clients sent and that were passed on.
        bytes_down: Bytes that the server sent and that were passed on.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.port = 0
        self.connections = self.bytes_up = self.bytes_down = 0
        self._target = (host, port)
        self._mode = Mode.PASS
        self._delay_s = 0.0
        self._answers_left: int | None = None
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._do(self._listen)

    @property
    def address(self) -> str:
        """``host:port`` for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def mode(self) -> Mode:
        """What happens to connections now."""
        return self._mode

    # What it can be told

    def let_pass(self) -> None:
        """Let bytes pass. Connections that were cut stay dead: what they lost never comes."""
        self._do(self._turn, Mode.PASS)

    def refuse(self) -> None:
        """Refuse connections and reset those that exist: the machine behind is gone."""
        self._do(self._turn, Mode.REFUSE)

    def cut(self) -> None:
        """Cut the network half-open: connections stay, and nothing arrives any more."""
        self._do(self._turn, Mode.CUT)

    def lose_answers(self) -> None:
        """Let requests through and lose their answers."""
        self._do(self._turn, Mode.LOSE_ANSWERS)

    def reset(self) -> None:
        """Reset all connections, and new ones as they come."""
        self._do(self._turn, Mode.RESET)

    def reset_connections(self) -> None:
        """Reset the connections that exist; new ones are served as the mode says."""
        self._do(self._reset_all)

    def reset_after(self, answer_bytes: int | None) -> None:
        """Reset each connection once it has carried so many bytes of answers in its life; None: no longer."""
        self._do(self._limit, answer_bytes)

    def delay(self, seconds: float) -> None:
        """Hold back everything that passes, both ways, for so long."""
        self._do(self._hold, seconds)

    def open_connections(self) -> int:
        """Return how many connections there are."""
        return self._do(self._count)

    def close(self) -> None:
        """End the proxy."""
        self._do(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # In its own thread

    def _do(self, what: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what(*arguments), self._loop).result(30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024, limit=_BLOCK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _turn(self, mode: Mode) -> None:
        self._mode = mode
        if mode in (Mode.REFUSE, Mode.RESET):
            await self._reset_all()
        if mode is Mode.REFUSE and self._server is not None:
            self._server.close()
            self._server = None
        if mode is not Mode.REFUSE and self._server is None:
            await self._listen()
        for link in self._links:
            link.dead_up |= mode is Mode.CUT
            link.dead_down |= mode in (Mode.CUT, Mode.LOSE_ANSWERS)

    async def _reset_all(self) -> None:
        for link in list(self._links):
            link.reset()

    async def _limit(self, answer_bytes: int | None) -> None:
        self._answers_left = answer_bytes

    async def _hold(self, seconds: float) -> None:
        self._delay_s = seconds

    async def _count(self) -> int:
        return len(self._links)

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        tasks = [task for link in self._links for task in link.tasks]
        await self._reset_all()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        link = _Link(writer, dead_up=self._mode is Mode.CUT, dead_down=self._mode in (Mode.CUT, Mode.LOSE_ANSWERS))
        if self._mode in (Mode.RESET, Mode.REFUSE):
            link.reset()
            return
        self._links.add(link)
        try:
            if not link.dead_up:
                try:
                    there, link.server = await asyncio.open_connection(*self._target, limit=_BLOCK)
                except OSError:
                    link.reset()
                    return
                link.tasks.append(asyncio.create_task(self._pump(link, there, writer, up=False)))
            link.tasks.append(asyncio.create_task(self._pump(link, reader, link.server, up=True)))
            await asyncio.gather(*link.tasks, return_exceptions=True)
        finally:
            self._links.discard(link)
            for end in (writer, link.server):
                if end is not None:
                    end.close()

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None, *, up: bool
    ) -> None:
        """Carry bytes one way until the sender closes; a dead way is drained and carries nothing, not even the end."""
        passed = 0
        with suppress(ConnectionError, OSError):
            while data := await reader.read(_BLOCK):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                if (link.dead_up if up else link.dead_down) or writer is None:
                    continue
                if up:
                    self.bytes_up += len(data)
                else:
                    limit = self._answers_left
                    if limit is not None and passed + len(data) > limit:
                        last = data[: max(0, limit - passed)]
                        writer.write(last)
                        self.bytes_down += len(last)
                        await asyncio.sleep(0.02)  # let them go out before the reset takes the rest
                        link.reset()
                        return
                    passed += len(data)
                    self.bytes_down += len(data)
                writer.write(data)
                await writer.drain()
            if writer is not None and not (link.dead_up if up else link.dead_down) and writer.can_write_eof():
                writer.write_eof()
        if up and link.dead_up:
            # The client gave up on a dead connection; the server's side goes with it, unheard.
            for task in link.tasks:
                if task is not asyncio.current_task():
                    task.cancel()


@contextmanager
def running_proxy(port: int, host: str = "127.0.0.1") -> Generator[Proxy]:
    """Run a proxy before a server for the length of a ``with`` block."""
    proxy = Proxy(port, host)
    try:
        yield proxy
    finally:
        proxy.close()
