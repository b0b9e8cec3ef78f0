"""The HTTP client that all engines of a process share.

Three kinds of calls, by what a repetition would do:

- :meth:`Wire.ask` creates or cancels: sent once, on a connection of its own, and what is raised says whether the
  provider may have received anything. (A connection kept from an earlier call may have been closed by the server a
  moment ago; a job lost on it could not be told from a job accepted.)
- :meth:`Wire.read` reads: repeated with exponential backoff and jitter for as long as is sensible.
- :meth:`Wire.download` fetches a result into a file, resumed or repeated.

Addresses that are not the operator's own are checked (:mod:`pipeline.engines.egress`). Proxies of the environment are
not used: behind one, nobody here could check what is connected to.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import certifi
import httpx

from pipeline.clock import Clock, utc_now
from pipeline.engines.answers import (
    BROKEN,
    MAX_ERROR_BYTES,
    MAX_JSON_BYTES,
    Downloaded,
    Reply,
    Unusable,
    body_of,
    json_of,
    lower,
)
from pipeline.engines.classify import Purpose, Service, answered, unanswered
from pipeline.engines.download import download
from pipeline.engines.egress import Forbidden, GuardedTransport, PrivateHosts, checked, origin
from pipeline.engines.retry import backoff, retry_after
from pipeline.engines.spread import Spread, forget_sniffio
from pipeline.errors import ProviderError, Trouble
from pipeline.settings import Settings

_ERROR_BODY_S: Final = 5.0

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Times:
    """How long anything may take, in seconds.

    Attributes:
        connect: To connect, TLS included.
        read: Between two pieces of an answer.
        write: To hand one piece of a request to the network.
        pool: To wait for a free connection.
        ask: A create or cancel call as a whole; its answer may be long in coming.
        read_once: One attempt of a read as a whole.
        read_in_all: All attempts of a read with the waits between them.
        patience: A longer wait that a provider asks for is left to the caller.
        download: One download as a whole.
    """

    connect: float = 10.0
    read: float = 30.0
    write: float = 30.0
    pool: float = 10.0
    ask: float = 120.0
    read_once: float = 40.0
    read_in_all: float = 60.0
    patience: float = 5.0
    download: float = 900.0


class Gate:
    """Notes when a request begins to be sent, and refuses to begin too late.

    httpcore calls it just before the first byte goes out (its ``trace`` extension).

    Args:
        not_after: The last moment, on the clock.
        clock: A monotonic clock.
    """

    def __init__(self, not_after: float | None, clock: Callable[[], float]) -> None:
        self._not_after = not_after
        self._clock = clock
        self.sent = False

    def too_late(self) -> bool:
        """Return whether nothing may be sent any more."""
        return self._not_after is not None and self._clock() > self._not_after

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of httpcore's event."""
        del info
        if event.endswith(".send_request_headers.started"):
            if self.too_late():
                raise _TooLate
            self.sent = True


class _TooLate(Exception):  # noqa: N818 - never leaves this module
    """The moment has passed after which nothing may be sent."""


class Wire:
    """All calls to providers. Used within one event loop; an async context manager.

    Args:
        private_hosts: ``DAILIES_PRIVATE_HOSTS``.
        times: How long anything may take.
        connections: Most connections at once of each kind (own addresses, results, creates).
        clock: The wall clock, for HTTP dates.
        monotonic: The clock that ``not_after`` is a value of.
        sleep: How to wait between attempts.
        chance: Where the jitter comes from.

    Raises:
        ConfigurationError: If ``private_hosts`` can't be understood.
    """

    def __init__(
        self,
        private_hosts: str = "",
        *,
        times: Times | None = None,
        connections: int = 64,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        chance: random.Random | None = None,
    ) -> None:
        # httpx logs every address at INFO, signed ones of results too.
        for name in ("httpx", "httpcore"):
            logger = logging.getLogger(name)
            logger.setLevel(max(logger.getEffectiveLevel(), logging.WARNING))
        self.private = PrivateHosts.parse(private_hosts)
        self.times = times or Times()
        self.clock = clock
        self.monotonic = monotonic
        self.sleep = sleep
        self.chance = chance or random.Random()  # noqa: S311 - jitter
        self._connections = connections
        forget_sniffio()
        self._clients: dict[tuple[bool, bool], httpx.AsyncClient] = {}

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return a client as it is configured.

        Raises:
            ConfigurationError: If ``DAILIES_PRIVATE_HOSTS`` can't be understood.
        """
        return cls(settings.private_hosts)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        del kind, error, trace
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; calls that are under way break off."""
        clients = tuple(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()

    async def ask(
        self,
        service: Service,
        method: str,
        url: str,
        *,
        purpose: Purpose = Purpose.CREATE,
        not_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        **content: Any,
    ) -> Reply:
        """Send one request that changes something, once.

        Args:
            service: Whom.
            method: HTTP method.
            url: Where to.
            purpose: ``CREATE`` or ``CANCEL``.
            not_after: A value of ``time.monotonic()`` after which nothing is sent any more.
            headers: To send along.
            content: The body: ``json``, ``data``, ``files`` or ``content``, as httpx takes them.

        Returns:
            The answer, 2xx; that to a create call holds a JSON object.

        Raises:
            ProviderError: Of a create call ``UNCERTAIN`` if the provider may have received anything and did not
                clearly refuse it; otherwise what the answer says, and ``TRANSIENT`` if it can't have received anything.
        """
        target = checked(url, service.home, self.private)
        gate = Gate(not_after, self.monotonic)
        try:
            async with asyncio.timeout(self.times.ask):
                return await self._once(service, method, target, purpose, gate, headers, frozenset(), content)
        except _TooLate:
            raise unanswered(
                service, purpose, "it was not sent, because too much time had passed.", host=target.host, sent=False
            ) from None
        except ProviderError:
            raise
        except Exception as error:
            if not gate.sent and not isinstance(error, BROKEN):
                raise
            # Even a fault of our own, once something was sent, may hide an accepted job.
            raise unanswered(service, purpose, _why(error), host=target.host, sent=gate.sent) from error

    async def read(
        self,
        service: Service,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        answers: frozenset[int] = frozenset(),
        attempts: int = 4,
    ) -> Reply:
        """Read a JSON object, asking again where that may help.

        Args:
            service: Whom.
            url: Where.
            headers: To send along.
            params: Query parameters.
            answers: Statuses besides 2xx that are an answer to the caller, not an error.
            attempts: How often to ask at most.

        Raises:
            ProviderError: If it can't be had now; ``retry_after_s`` if the provider said when.
        """
        target = checked(url, service.home, self.private).copy_merge_params(dict(params or {}))
        give_up = self.monotonic() + self.times.read_in_all
        for attempt in range(1, attempts + 1):
            gate = Gate(None, self.monotonic)
            try:
                async with asyncio.timeout(self.times.read_once):
                    return await self._once(service, "GET", target, Purpose.READ, gate, headers, answers, {})
            except Forbidden:
                raise
            except ProviderError as error:
                failure = error
            except (*BROKEN, Unusable) as error:
                failure = unanswered(service, Purpose.READ, _why(error), host=target.host, sent=True)
            if attempt == attempts or not await self.pause(failure, attempt, give_up):
                raise failure
        raise AssertionError  # the last attempt returns or raises

    async def pause(self, failure: ProviderError, attempt: int, give_up: float) -> bool:
        """Wait before another attempt, as long as the provider asks, else by backoff.

        Args:
            failure: What the last attempt came to.
            attempt: How many there were.
            give_up: The monotonic moment after which there is none.

        Returns:
            Whether another attempt makes sense; at once if not.
        """
        if failure.trouble not in (Trouble.TRANSIENT, Trouble.CAPACITY):
            return False
        wait = max(failure.retry_after_s or 0.0, backoff(attempt, self.chance))
        if (failure.retry_after_s or 0.0) > self.times.patience or self.monotonic() + wait > give_up:
            return False
        await self.sleep(wait)
        return True

    async def download(
        self,
        service: Service,
        url: str,
        into: Path,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int,
        kinds: tuple[str, ...] = ("video/mp4",),
    ) -> Downloaded:
        """Download a result; see :func:`pipeline.engines.download.download`."""
        return await download(self, service, url, into, headers=headers or {}, max_bytes=max_bytes, kinds=kinds)

    def client(self, service: Service, target: httpx.URL, *, kept: bool) -> httpx.AsyncClient:
        """Return the client for an address.

        Args:
            service: Whose address may be private.
            target: A checked address.
            kept: Whether connections are kept for other calls.
        """
        own = origin(target) == origin(httpx.URL(service.home))
        client = self._clients.get((own, kept))
        if client is None:
            client = self._clients[own, kept] = self._new_client(own=own, kept=kept)
        return client

    def _new_client(self, *, own: bool, kept: bool) -> httpx.AsyncClient:
        # No "Connection: close" where none is kept: a server that answers before it has read the body (401, 413) would
        # close at once, and the reset that follows can swallow its answer. The pool closes the connection itself.
        def pool(size: int) -> httpx.AsyncBaseTransport:
            limits = httpx.Limits(
                max_connections=size, max_keepalive_connections=size if kept else 0, keepalive_expiry=15.0
            )
            if own:
                return httpx.AsyncHTTPTransport(verify=_tls(), limits=limits, trust_env=False)
            return GuardedTransport(self.private, _tls(), limits)

        return httpx.AsyncClient(
            transport=Spread(pool, self._connections),
            timeout=httpx.Timeout(
                connect=self.times.connect,
                read=self.times.read if kept else self.times.ask,
                write=self.times.write,
                pool=self.times.pool,
            ),
            headers={"Accept-Encoding": "identity", "User-Agent": "dailies"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        )

    async def _once(
        self,
        service: Service,
        method: str,
        target: httpx.URL,
        purpose: Purpose,
        gate: Gate,
        headers: Mapping[str, str] | None,
        answers: frozenset[int],
        content: Mapping[str, Any],
    ) -> Reply:
        client = self.client(service, target, kept=purpose is Purpose.READ)
        request = client.build_request(
            method, target, headers=dict(headers or {}), extensions={"trace": gate}, **dict(content)
        )
        await request.aread()  # in one piece: httpx would hand each part of a form to the network by itself
        response = await client.send(request, stream=True)
        try:
            if response.is_success:
                value = json_of(await body_of(response, MAX_JSON_BYTES), response)
                if not isinstance(value, dict) and purpose is not Purpose.CANCEL:
                    raise Unusable(f"the answer ({response.status_code}) is no JSON object.")
            else:
                value = await self.error_body(response)
                if response.status_code not in answers:
                    raise self.refusal(service, purpose, response, value)
        finally:
            await response.aclose()
        data = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        return Reply(response.status_code, lower(response.headers), data)

    def refusal(self, service: Service, purpose: Purpose, response: httpx.Response, body: Any) -> ProviderError:
        """Return the error for an answer other than 2xx."""
        wait = retry_after(lower(response.headers), self.clock())
        return answered(
            service, purpose, response.status_code, body, host=response.request.url.host, retry_after_s=wait
        )

    async def error_body(self, response: httpx.Response) -> Any:
        """Return what the body of an error says, as far as it arrives: its status is an answer already."""
        try:
            async with asyncio.timeout(_ERROR_BODY_S):
                raw = await body_of(response, MAX_ERROR_BYTES)
        except (*BROKEN, Unusable):
            return None
        try:
            return json_of(raw, response)
        except Unusable:
            kind = response.headers.get("content-type", "")
            return raw[:1000].decode("utf-8", "replace") if kind.startswith("text/plain") else None


@cache
def _tls() -> ssl.SSLContext:
    """Return the trust that all connections share: certifi's authorities and the machine's own.

    Made once per process, because reading the certificates takes tens of milliseconds.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _why(error: Exception) -> str:
    if isinstance(error, Unusable):
        return str(error)
    if isinstance(error, (TimeoutError, httpx.TimeoutException)):
        return f"it took too long ({type(error).__name__})."
    return f"the connection failed ({type(error).__name__}: {error})."
