"""One HTTP exchange, with the means to break it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from tests.provider.wires import Wire

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY = 64 * 1024 * 1024
Headers = dict[str, str]
_TYPES = {"rate_limit_exceeded": "requests", "insufficient_quota": "insufficient_quota"}


class Exchange:
    """A request, and the ways to answer it or not to.

    Args:
        scope: Of ASGI.
        receive: Of ASGI.
        send: Of ASGI; uvicorn's, whose transport is needed to break connections.
    """

    __slots__ = ("_receive", "_send", "headers", "method", "path", "query", "status", "wire")

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.status = 0
        self.wire: Wire | None = None
        """Whose errors are told; none: those of /v1/videos."""

    def header(self, name: str) -> str:
        """Return a request header ("" if it is missing)."""
        return self.headers.get(name.encode(), b"").decode("latin-1")

    def asked(self) -> dict[str, str]:
        """Return the query's arguments."""
        return {name: values[-1] for name, values in parse_qs(self.query.decode("latin-1")).items()}

    async def body(self) -> bytes:
        """Read the whole body.

        Raises:
            ConnectionError: If the client left in between.
            OverflowError: If it is larger than :data:`MAX_BODY`.
        """
        parts = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the client left")
            parts += message.get("body", b"")
            if len(parts) > MAX_BODY:
                raise OverflowError
            if not message.get("more_body"):
                return bytes(parts)

    # Answers

    async def begin(self, status: int, headers: Headers) -> None:
        """Send status and headers."""
        self.status = status
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def more(self, data: bytes, *, last: bool = False) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def reply(self, status: int, data: bytes, kind: str = "application/json", **headers: str) -> None:
        """Answer in one go; underscores in the names of headers stand for hyphens."""
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        await self.begin(status, {"content-type": kind, "content-length": str(len(data)), **own})
        await self.more(data, last=True)

    async def json(self, status: int, value: Any, **headers: str) -> None:
        """Answer with a JSON document."""
        await self.reply(status, json.dumps(value, separators=(",", ":")).encode(), **headers)

    async def error(
        self, status: int, code: str, message: str, *, kind: str = "", param: str | None = None, **headers: str
    ) -> None:
        """Answer with an error as the API writes them."""
        if self.wire is not None:
            status, value = self.wire.error(status, code, message)
            await self.json(status, value, **headers)
            return
        kind = kind or _TYPES.get(code) or ("invalid_request_error" if status < 500 else "server_error")
        error = {"message": message, "type": kind, "param": param, "code": code}
        await self.json(status, {"error": error}, **headers)

    # Breaking the connection

    @property
    def _cycle(self) -> Any:
        return self._send.__self__  # type: ignore[attr-defined]

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self._cycle.disconnected

    async def raw(self, data: bytes) -> None:
        """Write bytes past the HTTP layer."""
        self._cycle.transport.write(data)
        await asyncio.sleep(0)

    def close(self) -> None:
        """End the connection where it stands, after what was written so far has gone out."""
        cycle = self._cycle
        cycle.transport.close()
        cycle.disconnected = True

    def reset(self) -> None:
        """Break the connection: the client sees a reset."""
        cycle = self._cycle
        connection: socket.socket = cycle.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        cycle.transport.abort()
        cycle.disconnected = True
