"""Several small connection pools in place of a large one, because httpcore's costs grow with the square of its size.

For every request httpcore's pool counts its idle connections once for each connection that it holds, and asks the
kernel about each. With 64 connections that took more time than the request itself: 4.4 ms of CPU for a poll on
loopback, 1.2 ms with pools of 8 (2 cores, Python 3.11, httpcore 1.0.9, single runs).
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, cast

import httpx

PER_POOL: Final = 8
"""Connections of one pool."""


class Spread(httpx.AsyncBaseTransport):
    """Sends each request by that of several transports which has the fewest under way.

    Args:
        make: Makes a transport with so many connections.
        connections: Most connections of all together.
    """

    def __init__(self, make: Callable[[int], httpx.AsyncBaseTransport], connections: int) -> None:
        whole, left = divmod(connections, PER_POOL)
        self._pools = [make(size) for size in [PER_POOL] * whole + [left] * (left > 0)]
        self._busy = [0] * len(self._pools)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; it counts as under way until its answer is closed."""
        chosen = min(range(len(self._pools)), key=self._busy.__getitem__)
        self._busy[chosen] += 1

        def done() -> None:
            self._busy[chosen] -= 1

        try:
            response = await self._pools[chosen].handle_async_request(request)
        except BaseException:
            done()
            raise
        response.stream = _Counted(cast("httpx.AsyncByteStream", response.stream), done)
        return response

    async def aclose(self) -> None:
        """Close all pools."""
        for pool in self._pools:
            await pool.aclose()


class _Counted(httpx.AsyncByteStream):
    """An answer's bytes; says once when it is closed."""

    def __init__(self, inner: httpx.AsyncByteStream, done: Callable[[], None]) -> None:
        self._inner = inner
        self._done: Callable[[], None] | None = done

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            yield piece

    async def aclose(self) -> None:
        done, self._done = self._done, None
        try:
            await self._inner.aclose()
        finally:
            if done is not None:
                done()


def forget_sniffio() -> None:
    """Let httpcore's ``import sniffio``, tried ten times for each request, fail at once where it is not installed.

    Python remembers modules that it found, not those that it didn't: each try would look through the whole path again.
    """
    if "sniffio" not in sys.modules and importlib.util.find_spec("sniffio") is None:
        cast("dict[str, Any]", sys.modules)["sniffio"] = None
