"""The proxy breaks the network as it is told to, and mends it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.support.provider import Provider, running_provider
from tests.support.proxy import Mode, Proxy, running_proxy

FORM = {"prompt": "a kite", "model": "wan", "seconds": "1", "size": "64x64"}
CREATE = b"POST /v1/videos HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
REQUEST = CREATE + b'{"prompt":"sea"}'
SOON_S = 0.2


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running_provider(tmp_path_factory.mktemp("proxied") / "p", tiny=True, fsync=False) as provider:
        yield provider


@pytest.fixture
def proxy(provider: Provider) -> Iterator[Proxy]:
    with running_proxy(provider.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{proxy.address}/v1/", trust_env=False, timeout=60) as client:
        yield client


def test_bytes_pass_both_ways_over_connections_that_stay(proxy: Proxy, client: httpx.Client) -> None:
    job = client.post("videos", json=FORM).json()["id"]

    assert client.get(f"videos/{job}").status_code == 200
    assert proxy.mode is Mode.PASS
    assert (proxy.connections, proxy.open_connections()) == (1, 1)
    assert proxy.bytes_up > 0
    assert proxy.bytes_down > 0


def test_a_refusing_proxy_ends_what_is_open_and_takes_nothing_new_until_it_passes_again(
    proxy: Proxy, client: httpx.Client
) -> None:
    client.get("videos")

    proxy.refuse()

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
        client.get("videos")
    with pytest.raises(httpx.ConnectError):
        client.get("videos")
    proxy.let_pass()
    assert client.get("videos").status_code == 200


def whole_answer(connection: socket.socket) -> bytes:
    """Read an answer to its end: what is left of it would be taken for something that got through later."""
    said = connection.recv(65536)
    while b"\r\n\r\n" not in said:
        said += connection.recv(65536)
    head, _, body = said.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head


def test_a_cut_connection_swallows_everything_and_stays_dead_when_the_network_is_mended(
    provider: Provider, proxy: Proxy
) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as old:
        old.sendall(REQUEST)
        assert whole_answer(old).startswith(b"HTTP/1.1 200")
        jobs = len(provider.accepted())

        proxy.cut()
        old.sendall(REQUEST)
        with httpx.Client(base_url=f"http://{proxy.address}/v1/", trust_env=False, timeout=SOON_S) as client:
            with pytest.raises(httpx.ReadTimeout):
                client.post("videos", json=FORM)
            proxy.let_pass()
            assert client.get("videos", timeout=60).status_code == 200

        old.settimeout(SOON_S)
        old.sendall(b"GET /v1/videos HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(TimeoutError):
            old.recv(1)
    assert len(provider.accepted()) == jobs


def test_answers_are_lost_while_requests_arrive(provider: Provider, proxy: Proxy, client: httpx.Client) -> None:
    jobs = len(provider.accepted())
    client.get("videos")
    proxy.lose_answers()

    with pytest.raises(httpx.ReadTimeout):
        client.post("videos", json=FORM, timeout=SOON_S)

    assert len(provider.accepted()) == jobs + 1
    proxy.let_pass()
    assert client.get("videos").status_code == 200


def test_connections_are_reset(proxy: Proxy, client: httpx.Client) -> None:
    client.get("videos")

    proxy.reset()

    for _ in range(2):
        with pytest.raises((httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError, httpx.ConnectError)):
            client.get("videos")
    proxy.let_pass()
    assert client.get("videos").status_code == 200
    proxy.reset_connections()
    with suppress(httpx.TransportError):
        client.get("videos")
    assert client.get("videos").status_code == 200


def test_a_download_is_reset_in_the_middle(provider: Provider, proxy: Proxy, client: httpx.Client) -> None:
    job = client.post("videos", json=FORM).json()["id"]
    provider.finish()
    proxy.reset_connections()
    proxy.reset_after(4000)
    got = 0

    with pytest.raises(httpx.TransportError):  # noqa: PT012 - the connection breaks at its first use, or in the body
        for _ in range(2):
            with client.stream("GET", f"videos/{job}/content") as answer:
                for part in answer.iter_raw():
                    got += len(part)

    assert got < 4000
    proxy.reset_after(None)
    assert len(client.get(f"videos/{job}/content").content) > 4000


def test_a_delay_holds_answers_back(proxy: Proxy, client: httpx.Client) -> None:
    client.get("videos")
    proxy.delay(30)

    with pytest.raises(httpx.ReadTimeout):
        client.get("videos", timeout=SOON_S)

    proxy.delay(0)
    assert client.get("videos").status_code == 200


def test_a_proxy_before_nothing_resets(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with running_proxy(unused.getsockname()[1]) as proxy, pytest.raises(httpx.TransportError):
            httpx.get(f"http://{proxy.address}/", trust_env=False, timeout=60)
