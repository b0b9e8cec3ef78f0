"""A real S3 server (moto) over HTTP for tests, and a proxy before it that records requests and makes faults.

Import the fixtures in the conftest.py of the folder whose tests need them::

    from tests.support.s3_server import s3_process, s3_proxy, s3_server  # noqa: F401 - fixtures

    def test_something(s3_server: S3Server) -> None:
        storage = open_storage(Settings(..., s3_endpoint_url=s3_server.url))
        bucket = s3_server.new_bucket()

Both bind loopback only. The server is one process for all tests of a session; every test gets its
own bucket. Credentials are made up and set for the test alone.
"""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.loaders
import pytest
from botocore.config import Config

# Credentials of nobody: the server runs on this machine's loopback and keeps nothing.
ACCESS_KEY, SECRET_KEY = "test-access-key", "test-secret-key"
_START_LIMIT_S = 60.0
_DESCRIPTIONS = botocore.loaders.create_loader()


@dataclass(frozen=True)
class S3Server:
    """A running server.

    Attributes:
        url: Its address, for ``DAILIES_S3_ENDPOINT_URL``.
    """

    url: str

    @cached_property
    def client(self) -> Any:
        """A plain boto3 client, to look behind the back of what is tested."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def new_bucket(self) -> str:
        """Make a bucket that nobody else uses and return its name."""
        name = f"dailies-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        return name

    def demand_credentials(self, *, demanded: bool) -> None:
        """Make the server check credentials (and know none), or stop it from doing so."""
        self._post("/moto-api/reset-auth", b"0" if demanded else b"inf")

    def _post(self, path: str, body: bytes) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        connection.request("POST", path, body)
        assert connection.getresponse().status == 200
        connection.close()


def free_port() -> int:
    """Return a loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_s3_server(log: Path) -> tuple[subprocess.Popen[bytes], S3Server]:
    """Start a moto server as a process of its own and wait until it answers.

    The caller ends the process. Its output goes to ``log``.
    """
    port = free_port()
    # "sys.executable -m" rather than the moto_server script: that one is found on PATH or not at all.
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=_plain_environment())
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/moto-api/")
            if connection.getresponse().status == 200:
                return process, S3Server(f"http://127.0.0.1:{port}")
        except OSError:
            time.sleep(0.05)
    process.kill()
    process.wait()
    raise RuntimeError(f"the S3 server did not start:\n{log.read_text()[-2000:]}")


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}


@pytest.fixture(scope="session")
def s3_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server for the whole session."""
    process, server = start_s3_server(tmp_path_factory.mktemp("s3") / "server.log")
    yield server
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture
def s3_server(s3_process: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Server:
    """The server, with credentials for it in the environment and no others within reach."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # Every new session parses 2 MB of service descriptions anew; tests make a hundred sessions.
    monkeypatch.setattr(botocore.loaders, "create_loader", lambda _path=None: _DESCRIPTIONS)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-aws-credentials"))
    return s3_process


@dataclass
class Request:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """What goes back; ``cut_after`` breaks the connection after so many bytes of the body."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut_after: int | None = None


Before = Callable[[Request], Reply | None]
"""Sees (and may change) a request before it is passed on; a reply returned is sent instead."""
After = Callable[[Request, Reply], None]
"""Sees (and may change) the server's reply before it goes back."""


@dataclass
class S3Proxy:
    """Stands before the server.

    Attributes:
        url: Its address.
        seen: Every request, in the order of arrival.
        before: Faults on the way there.
        after: Faults on the way back.
    """

    url: str
    seen: list[Request] = field(default_factory=list)
    before: Before = lambda _request: None
    after: After = lambda _request, _reply: None

    def count(self, method: str) -> int:
        """Return how many requests of a method came."""
        return sum(request.method == method for request in self.seen)


@pytest.fixture
def s3_proxy(s3_server: S3Server) -> Iterator[S3Proxy]:
    """A proxy before the server."""
    proxy = S3Proxy("")
    handler = type("Handler", (_Handler,), {"proxy": proxy, "upstream": urlsplit(s3_server.url).netloc})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield proxy
    server.shutdown()
    server.server_close()
    thread.join()


class _Handler(BaseHTTPRequestHandler):
    proxy: S3Proxy
    upstream: str
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, dict(self.headers.items()), body)
        self.proxy.seen.append(request)
        reply = self.proxy.before(request) or self._forward(request)
        self.proxy.after(request, reply)
        self._send(reply)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - the base class's names

    def _forward(self, request: Request) -> Reply:
        upstream = http.client.HTTPConnection(self.upstream, timeout=60)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "expect"}
        upstream.request(request.method, request.path, request.body, headers)
        answer = upstream.getresponse()
        reply = Reply(answer.status, dict(answer.getheaders()), answer.read())
        upstream.close()
        return reply

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        hop = {"connection", "transfer-encoding"}
        if self.command != "HEAD":
            hop.add("content-length")
        for name, value in reply.headers.items():
            if name.lower() not in hop:
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if self.command != "HEAD":
            self.wfile.write(reply.body[: reply.cut_after])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""
