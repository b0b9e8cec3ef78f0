"""The client against servers that break in every way that networks know; each speaks raw bytes on loopback."""

import asyncio
import gzip
import hashlib
import json
import logging
import random
import resource
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpcore
import pytest

from pipeline.engines.answers import MAX_JSON_BYTES, Downloaded
from pipeline.engines.classify import Purpose, Service
from pipeline.engines.http import Times, Wire
from pipeline.engines.spread import Spread
from pipeline.errors import ConfigurationError, ProviderError, Trouble

KEY = "key-of-ours-1234"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
QUICK = Times(connect=2, read=2, write=2, pool=2, ask=0.4, read_once=0.4, download=20)
CLIP = b"\0\0\0\x18ftypisom" + random.Random(1).randbytes(200_000)

Behaviour = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Answers the n-th request with the n-th behaviour, and all later ones with the last."""

    behaviours: list[Behaviour]
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    met: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def heads(self, name: str) -> list[str]:
        """Return a header's value in each request, "" where it was missing."""
        found = []
        for request in self.requests:
            lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
            headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines}
            found.append(headers.get(name, ""))
        return found

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
                self.requests.append(head + body)
                self.met.set()
                await self.behaviours[min(len(self.requests), len(self.behaviours)) - 1](head, writer)
                await writer.drain()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(*behaviours: Behaviour) -> AsyncIterator[Server]:
    server = Server(list(behaviours) or [answer(200, b"{}")])
    listener = await asyncio.start_server(server.meet, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


def raw(data: bytes, *, close: bool = True) -> Behaviour:
    async def behave(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if close:
            writer.close()

    return behave


def answer(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    lines = {"content-type": "application/json", "content-length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return raw(head.encode() + b"\r\n" + body, close=False)


async def reset(_: bytes, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def silence(_: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


def service(server: Server, **changes: Any) -> Service:
    return Service("acme", server.url, key_setting="ACME_KEY", secrets=(KEY,), **changes)


def wire(naps: list[float] | None = None, **options: Any) -> Wire:
    async def nap(seconds: float) -> None:
        (naps if naps is not None else []).append(seconds)

    return Wire(**{"times": QUICK, "sleep": nap, "clock": lambda: NOW, "chance": random.Random(7)} | options)


async def create(client: Wire, server: Server, **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {KEY}"}
    return await client.ask(service(server), "POST", f"{server.url}/videos", headers=headers, json={"a": 1}, **options)


# Creating: sent once, and what is said of a lost answer is true

LOST: dict[str, Behaviour] = {
    "closed without an answer": raw(b""),
    "reset": reset,
    "half of the head": raw(b"HTTP/1.1 200 OK\r\nContent-"),
    "half of the body": raw(b'HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{"id":"'),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "a page": answer(200, b"<html>upstream</html>", content_type="text/html"),
    "nothing in a 200": answer(200),
    "a list": answer(200, b'["video_1"]'),
    "no end of chunks": raw(b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"id"'),
    "silence": silence,
    "an answer too large": raw(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (MAX_JSON_BYTES + 1)),
    "what only looks packed": answer(200, b"{}", content_encoding="gzip"),
    "a strange packing": answer(200, b"{}", content_encoding="br"),
    "a server error": answer(500, b'{"error": {"message": "oh"}}'),
    "a gateway's error": answer(502, b"<html>", content_type="text/html"),
    "a gateway's time-out": answer(504),
    "a time-out": answer(408),
    "a conflict": answer(409),
    "see there": answer(303, location="/v1/videos/1"),
}


@pytest.mark.parametrize("how", LOST)
def test_a_create_call_whose_answer_is_lost_is_uncertain_and_was_sent_once(how: str) -> None:
    async def run() -> tuple[ProviderError, Server]:
        async with serving(LOST[how]) as server, wire() as client:
            with pytest.raises(ProviderError) as caught:
                await create(client, server)
            return caught.value, server

    error, server = asyncio.run(run())

    assert error.trouble is Trouble.UNCERTAIN
    assert len(server.requests) == 1


def test_a_create_call_to_a_closed_port_was_certainly_not_accepted() -> None:
    async def run() -> ProviderError:
        async with serving() as server:
            pass
        async with wire() as client:
            with pytest.raises(ProviderError) as caught:
                await create(client, server)
            return caught.value

    assert asyncio.run(run()).trouble is Trouble.TRANSIENT


def test_a_create_call_that_finds_no_free_connection_was_certainly_not_accepted() -> None:
    async def run() -> tuple[ProviderError, Server]:
        times = Times(connect=2, read=2, write=2, pool=0.05, ask=5)
        async with serving(silence) as server, wire(connections=1, times=times) as client:
            first = asyncio.create_task(create(client, server))
            await server.met.wait()
            with pytest.raises(ProviderError) as caught:
                await create(client, server)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            return caught.value, server

    error, server = asyncio.run(run())

    assert error.trouble is Trouble.TRANSIENT
    assert len(server.requests) == 1


def test_a_create_call_whose_moment_has_passed_sends_not_one_byte() -> None:
    received: list[bytes] = []

    async def run() -> ProviderError:
        over = asyncio.Event()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.append(await reader.read())
            writer.close()
            over.set()

        listener = await asyncio.start_server(listen, "127.0.0.1", 0)
        server = Server([], listener.sockets[0].getsockname()[1])
        async with wire(monotonic=lambda: 100.0) as client:
            with pytest.raises(ProviderError) as caught:
                await create(client, server, not_after=99.9)
        await over.wait()
        listener.close()
        return caught.value

    error = asyncio.run(run())

    assert error.trouble is Trouble.TRANSIENT
    assert "too much time" in str(error)
    assert received == [b""]  # it had connected already: the check is the last thing before the first byte


def test_a_create_call_in_time_is_sent_and_its_answer_read() -> None:
    async def run() -> Any:
        async with serving(answer(200, b'{"id": "video_1"}', X_Request_Id="r")) as server, wire() as client:
            return await create(client, server, not_after=time.monotonic() + 60)

    reply = asyncio.run(run())

    assert reply.data == {"id": "video_1"}
    assert reply.headers["x-request-id"] == "r"


def test_create_calls_share_no_connection_with_anything_before() -> None:
    async def run() -> Server:
        async with serving(answer(200, b'{"id": "video_1"}')) as server, wire() as client:
            for _ in range(2):
                await create(client, server)
            for _ in range(3):
                await client.read(service(server), server.url)
            await create(client, server)
            return server

    server = asyncio.run(run())

    assert len(server.requests) == 6
    assert server.connections == 4  # one for each create call, one for all reads


def test_a_refusal_is_told_with_the_providers_words_and_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    body = json.dumps(
        {"error": {"code": "invalid_api_key", "message": f"Wrong key {KEY}!\nTry\x1b[31m https://a/?sig=1"}}
    )

    async def run() -> ProviderError:
        async with serving(answer(401, body.encode())) as server, wire() as client:
            with pytest.raises(ProviderError) as caught:
                await create(client, server)
            return caught.value

    with caplog.at_level(logging.DEBUG):
        error = asyncio.run(run())

    assert error.trouble is Trouble.OUT_OF_FUNDS
    assert "Wrong key [hidden]! Try" in error.what
    assert "sig=1" not in error.what
    assert "\n" not in error.what
    assert "ACME_KEY" in error.remedy
    assert error.where == "acme (127.0.0.1)"
    assert KEY not in str(error) + caplog.text


def test_an_error_whose_body_breaks_off_still_says_what_its_status_says() -> None:
    async def run() -> ProviderError:
        broken = raw(b'HTTP/1.1 422 X\r\ncontent-length: 900\r\n\r\n{"detail"')
        async with serving(broken) as server, wire() as client:
            with pytest.raises(ProviderError) as caught:
                await create(client, server)
            return caught.value

    assert asyncio.run(run()).trouble is Trouble.INVALID


def test_an_answer_that_comes_before_the_body_was_read_is_not_lost() -> None:
    async def run() -> Trouble:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 401 X\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            if b"connection: close" in head.lower():
                writer.close()  # with a body unread: a reset
                return
            await reader.read()
            writer.close()

        listener = await asyncio.start_server(refuse, "127.0.0.1", 0, limit=1024)
        server = Server([], listener.sockets[0].getsockname()[1])
        async with wire() as client:
            with pytest.raises(ProviderError) as caught:
                await client.ask(service(server), "POST", server.url, content=b"x" * 5_000_000)
        listener.close()
        return caught.value.trouble

    assert asyncio.run(run()) is Trouble.OUT_OF_FUNDS


def test_a_cancel_call_that_breaks_can_be_asked_again_and_its_empty_answer_is_one() -> None:
    async def run() -> tuple[Trouble, int]:
        async with serving(reset, answer(204)) as server, wire() as client:
            with pytest.raises(ProviderError) as caught:
                await client.ask(service(server), "DELETE", server.url, purpose=Purpose.CANCEL)
            reply = await client.ask(service(server), "DELETE", server.url, purpose=Purpose.CANCEL)
            return caught.value.trouble, reply.status

    assert asyncio.run(run()) == (Trouble.TRANSIENT, 204)


# Reading: asked again where that helps


def test_a_read_is_repeated_after_every_kind_of_break() -> None:
    naps: list[float] = []
    half = raw(b'HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n{"id"')

    async def run() -> tuple[Any, Server]:
        async with serving(reset, half, answer(500), answer(200, b'{"id": 1}')) as server, wire(naps) as client:
            return (await client.read(service(server), server.url)).data, server

    data, server = asyncio.run(run())

    assert data == {"id": 1}
    assert len(server.requests) == 4
    assert all(0 <= nap <= bound for nap, bound in zip(naps, (0.5, 1, 2), strict=True))


def test_a_read_gives_up_after_some_attempts_and_says_what_was_said() -> None:
    naps: list[float] = []

    async def run() -> tuple[ProviderError, int]:
        async with serving(answer(500, b'{"error": "out of order"}')) as server, wire(naps) as client:
            with pytest.raises(ProviderError, match="out of order") as caught:
                await client.read(service(server), server.url)
            return caught.value, len(server.requests)

    error, requests = asyncio.run(run())

    assert error.trouble is Trouble.TRANSIENT
    assert (requests, len(naps)) == (4, 3)


def test_a_short_wait_that_the_provider_asks_for_is_kept_and_a_long_one_left_to_the_caller() -> None:
    naps: list[float] = []
    later = format_datetime(NOW + timedelta(seconds=90), usegmt=True)

    async def run() -> tuple[ProviderError, int]:
        async with (
            serving(
                answer(429, retry_after="3"), answer(503, retry_after_ms="2500"), answer(429, retry_after=later)
            ) as server,
            wire(naps) as client,
        ):
            with pytest.raises(ProviderError) as caught:
                await client.read(service(server), server.url)
            return caught.value, len(server.requests)

    error, requests = asyncio.run(run())

    assert naps == [3.0, 2.5]
    assert requests == 3
    assert error.trouble is Trouble.CAPACITY
    assert error.retry_after_s == 90


def test_no_read_goes_on_for_ever() -> None:
    moments = iter(range(0, 10_000, 25))  # each look at the clock finds 25 s gone

    async def run() -> int:
        async with serving(answer(500)) as server, wire(monotonic=lambda: next(moments)) as client:
            with pytest.raises(ProviderError):
                await client.read(service(server), server.url, attempts=1000)
            return len(server.requests)

    assert asyncio.run(run()) == 3  # 60 s in all


def test_what_can_not_help_is_not_asked_again_and_an_expected_status_is_an_answer() -> None:
    async def run() -> tuple[Trouble, Any, int]:
        gone = answer(404, b'{"error": {"message": "no such video"}}')
        async with serving(answer(400), gone) as server, wire() as client:
            with pytest.raises(ProviderError) as caught:
                await client.read(service(server), server.url)
            reply = await client.read(service(server), server.url, answers=frozenset({404}))
            return caught.value.trouble, reply, len(server.requests)

    trouble, reply, requests = asyncio.run(run())

    assert (trouble, requests) == (Trouble.INVALID, 2)
    assert (reply.status, reply.data["error"]["message"]) == (404, "no such video")


def test_a_packed_answer_is_unpacked_and_a_bomb_is_not() -> None:
    bomb = gzip.compress(b" " * (MAX_JSON_BYTES + 1))

    async def run() -> Any:
        packed = answer(200, gzip.compress(b'{"id": 1}'), content_encoding="gzip")
        async with serving(packed, answer(200, bomb, content_encoding="gzip")) as server, wire() as client:
            first = await client.read(service(server), server.url)
            with pytest.raises(ProviderError, match="larger than"):
                await client.read(service(server), server.url)
            return first.data

    assert asyncio.run(run()) == {"id": 1}


def test_no_cookie_is_kept() -> None:
    async def run() -> list[str]:
        async with serving(answer(200, b"{}", set_cookie="who=me; Path=/")) as server, wire() as client:
            for _ in range(2):
                await client.read(service(server), server.url)
            return server.heads("cookie")

    assert asyncio.run(run()) == ["", ""]


def test_requests_are_spread_over_small_pools_and_none_stays_counted_whatever_becomes_of_it() -> None:
    async def run() -> tuple[list[list[int]], int]:
        most: list[list[int]] = []

        async def note(_: bytes, writer: asyncio.StreamWriter) -> None:
            most.append(list(spread()._busy))
            await [answer(200, b"{}"), reset, answer(500), raw(b""), answer(200, b"[")][len(most) % 5](_, writer)

        async with serving(note) as server, wire(connections=20) as client:

            def spread() -> Spread:
                (only,) = client._clients.values()
                assert isinstance(only._transport, Spread)
                return only._transport

            calls = (client.read(service(server), server.url, attempts=2) for _ in range(40))
            await asyncio.gather(*calls, return_exceptions=True)
            return [*most, list(spread()._busy)], len(spread()._pools)

    busy, pools = asyncio.run(run())

    assert pools == 3  # of 8, 8 and 4 connections
    assert all(count > 0 for count in busy[0])
    assert busy[-1] == [0, 0, 0]


# Where a provider may send us

INSIDE = [
    "https://127.0.0.1:{port}/x",
    "https://localhost:{port}/x",
    "https://2130706433:{port}/x",
    "https://0x7f000001:{port}/x",
    "https://0177.0.0.1:{port}/x",
    "https://127.1:{port}/x",
    "https://0.0.0.0:{port}/x",
    "https://[::ffff:127.0.0.1]:{port}/x",
    "https://[::ffff:7f00:1]:{port}/x",
    "https://[64:ff9b::7f00:1]:{port}/x",
    "http://127.0.0.1:{port}/x",
    "http://93.184.216.34:{port}/x",
    "https://user:word@127.0.0.1:{port}/x",
    "ftp://127.0.0.1:{port}/x",
    "file:///etc/passwd",
    "//127.0.0.1:{port}/x",
    "https:///x",
    "",
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_neither_asked_nor_connected_to(address: str, tmp_path: Path) -> None:
    naps: list[float] = []

    async def run() -> tuple[int, int]:
        async with serving() as home, serving() as inside, wire(naps) as client:
            url = address.format(port=inside.port)
            with pytest.raises(ProviderError):
                await client.download(service(home), url, tmp_path / "a.mp4", max_bytes=1_000_000)
            with pytest.raises(ProviderError):
                await client.read(service(home), url)
            with pytest.raises(ProviderError) as caught:
                await client.ask(service(home), "POST", url, json={})
            assert caught.value.trouble is Trouble.TRANSIENT
            return inside.connections, home.connections

    assert asyncio.run(run()) == (0, 0)
    assert list(tmp_path.iterdir()) == []
    assert naps == []  # nor tried again


def test_another_port_of_the_providers_own_host_is_inside_too() -> None:
    async def run() -> int:
        async with serving() as home, serving() as other, wire() as client:
            with pytest.raises(ProviderError, match="DAILIES_PRIVATE_HOSTS"):
                await client.read(service(home), f"http://127.0.0.1:{other.port}/x")
            return other.connections

    assert asyncio.run(run()) == 0


@pytest.mark.parametrize("allowed", ["localhost", "127.0.0.0/8", "::1, 127.0.0.1", "LOCALHOST."])
def test_hosts_that_the_operator_lists_are_reached(allowed: str) -> None:
    async def run() -> Any:
        async with (
            serving() as home,
            serving(answer(200, b'{"id": 1}')) as other,
            wire(private_hosts=allowed) as client,
        ):
            host = "localhost" if "localhost" in allowed.lower() else "127.0.0.1"
            return (await client.read(service(home), f"http://{host}:{other.port}/x")).data

    assert asyncio.run(run()) == {"id": 1}


@pytest.mark.parametrize("text", ["10.0.0.0/33", "a b", "http://x", "300.1.1.1", "*"])
def test_a_list_of_hosts_that_can_not_be_understood_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Wire(text)

    assert caught.value.where == "DAILIES_PRIVATE_HOSTS"
    assert caught.value.remedy


def test_a_name_is_resolved_once_and_the_address_that_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    asked: list[str] = []
    connected: list[str] = []

    async def resolve(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in next(answers)]

    async def connect(self: Any, host: str, port: int, *_: Any, **__: Any) -> Any:
        connected.append(host)
        raise httpcore.ConnectError("no way out of this test")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)

    async def run() -> list[ProviderError]:
        errors = []
        async with wire() as client:
            for _ in range(2):
                with pytest.raises(ProviderError) as caught:
                    await client.read(
                        Service("acme", "https://api.example/v1"), "https://rebinds.example/x", attempts=1
                    )
                errors.append(caught.value)
        return errors

    first, second = asyncio.run(run())

    assert "ConnectError" in str(first)
    assert "private address" in str(second)
    assert asked == ["rebinds.example"] * 2
    assert connected == ["93.184.216.34"]


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", (each, port)) for each in ("93.184.216.34", "10.0.0.1")]

    async def connect(self: Any, *_: Any, **__: Any) -> Any:
        raise AssertionError("nothing may be connected to")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)

    async def run() -> None:
        async with wire() as client:
            await client.read(Service("acme", "https://api.example/v1"), "https://mixed.example/x")

    with pytest.raises(ProviderError, match="private address"):
        asyncio.run(run())


# Downloading


def clip(body: bytes = CLIP, **headers: str) -> Behaviour:
    return answer(200, body, **({"content_type": "video/mp4"} | headers))


def cut(at: int, **headers: str) -> Behaviour:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return raw(
        f"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: {len(CLIP)}\r\n{head}\r\n".encode() + CLIP[:at]
    )


def rest(start: int, *, said: int | None = None, etag: str = '"v1"', body: bytes | None = None) -> Behaviour:
    return answer(
        206,
        CLIP[start:] if body is None else body,
        content_type="video/mp4",
        etag=etag,
        content_range=f"bytes {start if said is None else said}-{len(CLIP) - 1}/{len(CLIP)}",
    )


def fetch(
    folder: Path, *behaviours: Behaviour, naps: list[float] | None = None, max_bytes: int = 1_000_000, **options: Any
) -> tuple[Downloaded | ProviderError, Server]:
    """Download from a server into folder/a.mp4."""

    async def run() -> tuple[Downloaded | ProviderError, Server]:
        async with serving(*behaviours) as server, wire(naps, **options) as client:
            headers = {"Authorization": f"Bearer {KEY}"}
            try:
                return await client.download(
                    service(server), f"{server.url}/x", folder / "a.mp4", headers=headers, max_bytes=max_bytes
                ), server
            except ProviderError as error:
                return error, server

    return asyncio.run(run())


def is_whole(folder: Path, result: Any) -> bool:
    content = (folder / "a.mp4").read_bytes()
    return (
        content == CLIP
        and result == Downloaded(len(CLIP), hashlib.sha256(CLIP).hexdigest())
        and [path.name for path in folder.iterdir()] == ["a.mp4"]
    )


def test_a_clip_is_downloaded_with_its_length_and_hash(tmp_path: Path) -> None:
    result, server = fetch(tmp_path, clip())

    assert is_whole(tmp_path, result)
    assert server.heads("range") == [""]


RECOVERED: dict[str, tuple[list[Behaviour], list[str]]] = {
    "it goes on after a break": ([cut(70_000, etag='"v1"'), rest(70_000)], ["", "bytes=70000-"]),
    "it goes on after two breaks": (
        [cut(70_000, etag='"v1"'), answer(503), rest(70_000)],
        ["", "bytes=70000-", "bytes=70000-"],
    ),
    "without a validator it begins again": ([cut(70_000), clip()], ["", ""]),
    "with a weak validator it begins again": ([cut(70_000, etag='W/"v1"'), clip()], ["", ""]),
    "a server without ranges sends all again": ([cut(70_000, etag='"v1"'), clip()], ["", "bytes=70000-"]),
    "a server goes on elsewhere": (
        [cut(70_000, etag='"v1"'), rest(69_000), clip()],
        ["", "bytes=70000-", ""],
    ),
    "a server goes on elsewhere with as many bytes": (
        [cut(70_000, etag='"v1"'), rest(70_000, said=60_000, body=CLIP[60_000:-10_000]), clip()],
        ["", "bytes=70000-", ""],
    ),
    "a server goes on with something else": (
        [cut(70_000, etag='"v1"'), rest(70_000, etag='"v2"'), clip()],
        ["", "bytes=70000-", ""],
    ),
    "a server can't go on": ([cut(70_000, etag='"v1"'), answer(416), clip()], ["", "bytes=70000-", ""]),
    "it is reset at once": ([reset, clip()], ["", ""]),
    "it is throttled": ([answer(429, retry_after="1"), clip()], ["", ""]),
    "chunks end early": (
        [
            raw(
                b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ntransfer-encoding: chunked\r\n\r\n10\r\n\0\0\0\x18ftyp"
            ),
            clip(),
        ],
        ["", ""],
    ),
}


@pytest.mark.parametrize("how", RECOVERED)
def test_a_broken_download_is_resumed_or_repeated_and_the_clip_is_whole(how: str, tmp_path: Path) -> None:
    behaviours, ranges = RECOVERED[how]

    result, server = fetch(tmp_path, *behaviours)

    assert is_whole(tmp_path, result)
    assert server.heads("range") == ranges
    assert server.heads("if-range") == ['"v1"' if each else "" for each in ranges]


@pytest.mark.parametrize("kind", ["application/octet-stream", "video/mp4; codecs=avc1", "BINARY/octet-stream", ""])
def test_a_server_that_does_not_tell_the_type_is_believed_by_the_first_bytes(kind: str, tmp_path: Path) -> None:
    result, _ = fetch(tmp_path, clip(content_type=kind))

    assert is_whole(tmp_path, result)


CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ntransfer-encoding: chunked\r\n\r\n"
USELESS: dict[str, tuple[Behaviour, Trouble, int]] = {
    "announced too large": (
        raw(b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: 9999999999\r\n\r\n"),
        Trouble.FAILED,
        1,
    ),
    "too large without a word": (raw(b"HTTP/1.1 200 OK\r\n\r\n" + CLIP * 6), Trouble.FAILED, 1),
    "too large in chunks": (raw(CHUNKED + b"fffff\r\n" + CLIP * 6), Trouble.FAILED, 1),
    "a page": (clip(b"<html>log in</html>", content_type="text/html"), Trouble.TRANSIENT, 1),
    "a page that says it is a clip": (clip(b"<html>log in, please</html>"), Trouble.FAILED, 1),
    "nothing": (clip(b""), Trouble.FAILED, 1),
    "a few bytes": (clip(b"\0\0\0"), Trouble.FAILED, 1),
    "no such file": (answer(404), Trouble.TRANSIENT, 1),
    "an address that has expired": (answer(403), Trouble.TRANSIENT, 1),
    "no content": (answer(204), Trouble.TRANSIENT, 1),
    "cut off every time": (cut(70_000), Trouble.TRANSIENT, 5),
    "an error every time": (answer(500), Trouble.TRANSIENT, 5),
    "redirects without end": (answer(302, location="/again"), Trouble.TRANSIENT, 6),
    "a redirect inside": (answer(302, location="http://169.254.169.254/latest/meta-data"), Trouble.TRANSIENT, 1),
    "a redirect to a file": (answer(307, location="file:///etc/passwd"), Trouble.TRANSIENT, 1),
    "a redirect with a password": (answer(307, location="https://a:b@example.com/"), Trouble.TRANSIENT, 1),
    "a redirect to nonsense": (answer(307, location="https://[:::/"), Trouble.TRANSIENT, 5),
}


@pytest.mark.parametrize("what", USELESS)
def test_what_is_no_clip_leaves_nothing_and_what_was_there_stays(what: str, tmp_path: Path) -> None:
    behaviour, trouble, requests = USELESS[what]
    (tmp_path / "a.mp4").write_bytes(b"older")

    error, server = fetch(tmp_path, behaviour)

    assert isinstance(error, ProviderError)
    assert error.trouble is trouble
    assert len(server.requests) == requests
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"older"


def test_a_download_that_drips_is_given_up(tmp_path: Path) -> None:
    async def drip(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(CLIP)}\r\n\r\n".encode())
        for byte in CLIP:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    error, server = fetch(tmp_path, drip, times=Times(download=0.3))

    assert isinstance(error, ProviderError)
    assert error.trouble is Trouble.TRANSIENT
    assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_is_followed_to_an_allowed_host_without_the_key(tmp_path: Path) -> None:
    async def run() -> tuple[Any, Server, Server]:
        async with serving(clip()) as store, wire(private_hosts="127.0.0.1") as client:
            hop = answer(302, location=f"http://127.0.0.1:{store.port}/signed?x=1")
            async with serving(hop, hop) as home:
                headers = {"Authorization": f"Bearer {KEY}", "X-Api-Key": KEY}
                result = await client.download(
                    service(home), f"{home.url}/x", tmp_path / "a.mp4", headers=headers, max_bytes=1_000_000
                )
                return result, home, store

    result, home, store = asyncio.run(run())

    assert is_whole(tmp_path, result)
    assert home.heads("authorization") == [f"Bearer {KEY}"]
    assert KEY.encode() not in b"".join(store.requests)


def test_a_disk_that_takes_no_more_is_no_fault_of_the_providers(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            fetch(tmp_path, clip())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list(tmp_path.iterdir()) == []
