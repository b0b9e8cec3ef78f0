"""Which addresses a provider may send us to.

A result's address, or a redirect, is the provider's word: followed blindly it would let a provider (or whoever writes
prompts there) read from this machine and its network. So every address that is not the operator's own setting must be
``https``, carry no name or password, and resolve to public addresses only. The last is checked on the very address that
is connected to, so that a name which resolves differently a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import typing
from dataclasses import dataclass
from typing import Final

import httpcore
import httpx

from pipeline.errors import ConfigurationError, ProviderError, Trouble

SETTING: Final = "DAILIES_PRIVATE_HOSTS"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62}\.?)*")
_PORTS: Final = {"http": 80, "https": 443}
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address that a gateway connects to."""


def is_public(address: Address) -> bool:
    """Return whether an address belongs to the public internet, whatever form it is written in.

    IPv6 addresses that carry an IPv4 address (mapped, 6to4, Teredo, NAT64) are as public as what they carry.
    """
    if isinstance(address, ipaddress.IPv6Address):
        carried: list[ipaddress.IPv4Address] = []
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.sixtofour is not None:
            carried.append(address.sixtofour)
        if address.teredo is not None:
            carried.extend(address.teredo)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.is_site_local or not all(map(is_public, carried)):
            return False
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
    )


class Forbidden(ProviderError):  # noqa: N818 - a refusal of ours
    """An address that is not asked, now or later, unless it is allowed."""


@dataclass(frozen=True, slots=True)
class PrivateHosts:
    """What may be reached although its address is private.

    Attributes:
        names: Host names, lower case.
        networks: Networks; single addresses are networks of one.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> PrivateHosts:
        """Read ``DAILIES_PRIVATE_HOSTS``: host names, addresses and networks, separated by commas.

        Raises:
            ConfigurationError: If a part is none of these.
        """
        names: set[str] = set()
        networks: list[Network] = []
        for part in filter(None, (each.strip() for each in text.split(","))):
            try:
                networks.append(ipaddress.ip_network(part.strip("[]"), strict=False))
            except ValueError:
                name = part.lower().rstrip(".")
                if not _NAME.fullmatch(name) or not re.search(r"[a-z]", name):
                    raise ConfigurationError(
                        f"{part!r} is neither a host name nor an address nor a network.",
                        where=SETTING,
                        remedy="Write it like media.internal, 10.1.2.3 or 10.1.0.0/16, separated by commas.",
                    ) from None
                names.add(name)
        return cls(frozenset(names), tuple(networks))

    def allow(self, host: str, address: Address) -> bool:
        """Return whether an address may be connected to under a host's name."""
        if _host(host) in self.names:
            return True
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any(address in network or (mapped is not None and mapped in network) for network in self.networks)

    def name(self, host: str) -> bool:
        """Return whether a host is listed, by its name or as an address."""
        host = _host(host)
        if host in self.names:
            return True
        try:
            return self.allow(host, ipaddress.ip_address(host))
        except ValueError:
            return False


def origin(url: httpx.URL) -> tuple[str, str, int]:
    """Return scheme, host and port of an address."""
    return url.scheme, _host(url.host), url.port or _PORTS.get(url.scheme, 0)


def checked(address: str | httpx.URL, home: str, private: PrivateHosts) -> httpx.URL:
    """Return an address that may be asked, as far as its text tells.

    Args:
        address: Where to.
        home: The engine's configured address; its origin may be anything.
        private: What else may be reached unencrypted.

    Raises:
        Forbidden: If it may not; ``TRANSIENT``, because nothing was sent.
    """
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, TypeError, ValueError):
        raise refused("it is no valid address") from None
    if url.scheme not in _PORTS or not url.host:
        raise refused(f"only http and https addresses are followed, not {url.scheme or 'no scheme'}")
    if url.userinfo:
        raise refused("it carries a user name or password", url.host)
    if origin(url) == origin(httpx.URL(home)):
        return url
    if url.scheme == "http" and not private.name(url.host):
        raise refused("it is not encrypted (http)", url.host)
    return url


def refused(why: str, host: str = "") -> Forbidden:
    """Return the error for an address that is not asked."""
    return Forbidden(
        f"an address that the provider gave is not followed: {why}.",
        trouble=Trouble.TRANSIENT,
        where=host,
        remedy=f"If the host is yours, list it in {SETTING}." if host else "",
    )


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses, and to private ones that are allowed.

    Args:
        private: What is allowed.
    """

    def __init__(self, private: PrivateHosts) -> None:
        self._private = private
        self._inner = typing.cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: typing.Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check every address, and connect to one of those that were checked."""
        problem: Exception = httpcore.ConnectError("the name has no address")
        try:
            async with asyncio.timeout(timeout):
                addresses = await _resolve(host, port)
                for address in addresses:
                    if not (is_public(address) or self._private.allow(host, address)):
                        raise refused("it resolves to a private address", host)
                for address in addresses:
                    try:
                        return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
                    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                        problem = error
        except TimeoutError:
            raise httpcore.ConnectTimeout("connecting took too long") from None
        raise problem

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: typing.Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: no provider is reached by a local socket."""
        del path, timeout, socket_options
        raise refused("it is a local socket")

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """An httpx transport whose connections are made by :class:`GuardedBackend`.

    httpx has no argument for httpcore's network backend, so its pool is replaced here; a test fails if that ever
    stops working.
    """

    def __init__(self, private: PrivateHosts, verify: typing.Any, limits: httpx.Limits) -> None:
        super().__init__(verify=verify, limits=limits, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=verify,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=GuardedBackend(private),
        )


async def _resolve(host: str, port: int) -> list[Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name can't be resolved: {error}") from error
    # A scope (fe80::1%eth0) is no part of the address that ipaddress knows in comparisons.
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    return list(dict.fromkeys(addresses))


def _host(host: str) -> str:
    return host.lower().strip("[]").rstrip(".")
