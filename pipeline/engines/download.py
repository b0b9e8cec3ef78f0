"""Downloading a result: into a file beside the target, resumed or repeated, and checked before it gets its name.

A resumed download is trusted only if the server proves that it speaks of the same bytes (a strong ETag with If-Range,
and a Content-Range that fits); otherwise it begins again.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Final

import httpx

from pipeline.engines.answers import Downloaded
from pipeline.engines.classify import Purpose, Service, place, unanswered
from pipeline.engines.egress import checked, origin
from pipeline.errors import ProviderError, Trouble

if TYPE_CHECKING:
    from pipeline.engines.http import Wire

MAX_LATER: Final = frozenset({408, 425, 429})
MAX_REDIRECTS: Final = 5
_ATTEMPTS: Final = 5
"""So many attempts may bring nothing new, one after the other."""
_MOST_ATTEMPTS: Final = 40
_MAGIC_BYTES: Final = 12
_ANY_KIND: Final = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/binary"})
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_LATER: Final = frozenset({408, 425, 429})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_MAGIC: Final[Mapping[str, re.Pattern[bytes]]] = MappingProxyType(
    {
        "video/mp4": re.compile(rb"....ftyp", re.DOTALL),
        "video/quicktime": re.compile(rb"....(ftyp|moov|mdat|wide|free)", re.DOTALL),
        "video/webm": re.compile(rb"\x1a\x45\xdf\xa3"),
        "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
        "image/jpeg": re.compile(rb"\xff\xd8\xff"),
        "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    }
)


class _Again(Exception):  # noqa: N818 - never leaves this module
    """It broke off; another attempt may go on or begin again."""

    def __init__(self, failure: ProviderError) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(slots=True)
class _Part:
    """What has arrived.

    Attributes:
        file: The file beside the target.
        size: Bytes in it.
        total: Announced length, if any.
        etag: Strong validator of these bytes, if the server gave one.
        hasher: Of these bytes.
        head: The first of them.
    """

    file: BinaryIO
    size: int = 0
    total: int | None = None
    etag: str = ""
    hasher: hashlib._Hash = field(default_factory=hashlib.sha256)
    head: bytes = b""

    def restart(self) -> None:
        """Forget everything."""
        self.file.seek(0)
        self.file.truncate()
        self.size, self.total, self.etag, self.head = 0, None, "", b""
        self.hasher = hashlib.sha256()

    def add(self, piece: bytes) -> None:
        """Append some bytes."""
        self.file.write(piece)
        self.hasher.update(piece)
        self.size += len(piece)
        if len(self.head) < _MAGIC_BYTES:
            self.head += piece[: _MAGIC_BYTES - len(self.head)]


async def download(
    wire: Wire,
    service: Service,
    url: str,
    into: Path,
    *,
    headers: Mapping[str, str],
    max_bytes: int,
    kinds: tuple[str, ...],
) -> Downloaded:
    """Download a file.

    Args:
        wire: The client.
        service: Whose result it is.
        url: Where it is.
        into: Where to put it; it appears there complete or not at all.
        headers: Sent to the origin of ``url`` and to no other.
        max_bytes: It may not be larger.
        kinds: Content types that are expected; servers that don't tell are believed by the first bytes.

    Raises:
        ProviderError: ``TRANSIENT`` or ``CAPACITY`` if it can't be had now, ``FAILED`` if what there is can't be used
            (too large, no such kind of file).
    """
    target = checked(url, service.home, wire.private)
    beside = into.with_name(f"{into.name}.part")
    give_up = wire.monotonic() + wire.times.download
    try:
        with beside.open("w+b") as file:
            part = _Part(file)
            try:
                async with asyncio.timeout(wire.times.download):
                    await _attempts(wire, service, target, part, headers, max_bytes, kinds, give_up)
            except TimeoutError:
                raise _error(service, target, f"it took longer than {wire.times.download:g} s") from None
        beside.replace(into)
    finally:
        beside.unlink(missing_ok=True)
    return Downloaded(part.size, part.hasher.hexdigest())


async def _attempts(
    wire: Wire,
    service: Service,
    target: httpx.URL,
    part: _Part,
    headers: Mapping[str, str],
    max_bytes: int,
    kinds: tuple[str, ...],
    give_up: float,
) -> None:
    fruitless, failure = 0, _error(service, target, "it was not tried")
    for _ in range(_MOST_ATTEMPTS):
        before = part.size
        try:
            return await _attempt(wire, service, target, part, headers, max_bytes, kinds)
        except _Again as again:
            failure = again.failure
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError) as error:
            failure = _broken(service, target, f"the connection failed ({type(error).__name__})")
        fruitless = 1 if part.etag and part.size > before else fruitless + 1
        if fruitless == _ATTEMPTS or not await wire.pause(failure, fruitless, give_up):
            raise failure
    raise failure


async def _attempt(
    wire: Wire,
    service: Service,
    target: httpx.URL,
    part: _Part,
    headers: Mapping[str, str],
    max_bytes: int,
    kinds: tuple[str, ...],
) -> None:
    if not part.etag:
        part.restart()
    wanted = {"Range": f"bytes={part.size}-", "If-Range": part.etag} if part.size else {}
    response = await _follow(wire, service, target, {**headers}, wanted)
    try:
        await _begin(wire, service, response, part, kinds)
        if part.total is not None and part.total > max_bytes:
            raise _useless(service, response.request.url, f"it has {part.total} bytes, more than {max_bytes}")
        async for piece in response.aiter_raw():
            if part.size + len(piece) > max_bytes:
                raise _useless(service, response.request.url, f"it has more than {max_bytes} bytes")
            before = len(part.head)
            part.add(piece)
            if before < _MAGIC_BYTES <= len(part.head):
                _check_magic(service, response.request.url, part, kinds)
    finally:
        await response.aclose()
    if part.total is not None and part.size != part.total:
        got, total = part.size, part.total
        if got > total:
            part.restart()
        raise _Again(_broken(service, target, f"{got} of {total} bytes arrived"))
    _check_magic(service, response.request.url, part, kinds)


async def _follow(
    wire: Wire, service: Service, target: httpx.URL, headers: dict[str, str], wanted: dict[str, str]
) -> httpx.Response:
    """Return the open answer to a GET after its redirects, each of them checked."""
    url = target
    for _ in range(MAX_REDIRECTS + 1):
        client = wire.client(service, url, kept=True)
        own = headers if origin(url) == origin(target) else {}
        response = await client.send(client.build_request("GET", url, headers={**own, **wanted}), stream=True)
        if response.status_code not in _REDIRECTS or "location" not in response.headers:
            return response
        await response.aclose()
        url = checked(url.join(response.headers["location"]), service.home, wire.private)
    raise _useless(service, url, f"it redirects more than {MAX_REDIRECTS} times", Trouble.TRANSIENT)


async def _begin(wire: Wire, service: Service, response: httpx.Response, part: _Part, kinds: tuple[str, ...]) -> None:
    """Take an answer's head: what follows goes on where the part ends, or begins it again."""
    url, status = response.request.url, response.status_code
    if status == 206 and part.size:
        if not _resumed(response, part):
            part.restart()
            raise _Again(_broken(service, url, "the server went on elsewhere than where it had stopped"))
        return
    if status == 416 and part.size:
        part.restart()
        raise _Again(_broken(service, url, "the server could not go on where it had stopped"))
    if status != 200:
        if response.is_success:
            raise _error(service, url, f"it was answered with {status}")
        failure = wire.refusal(service, Purpose.DOWNLOAD, response, await wire.error_body(response))
        raise _Again(failure) if status >= 500 or status in _LATER else failure
    part.restart()
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _ANY_KIND and kind not in kinds:
        raise _useless(service, url, f"it is {kind[:60]}, not {' or '.join(kinds)}", Trouble.TRANSIENT)
    if response.headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
        raise _error(service, url, "it is packed, which was not asked for")
    length = response.headers.get("content-length", "")
    part.total = int(length) if length.isascii() and length.isdigit() else None
    etag = response.headers.get("etag", "")
    part.etag = etag if etag.startswith('"') else ""


def _resumed(response: httpx.Response, part: _Part) -> bool:
    """Return whether an answer goes on exactly where the part ends, with the same bytes."""
    stands = _RANGE.fullmatch(response.headers.get("content-range", "").strip())
    if stands is None or response.headers.get("etag", part.etag) != part.etag:
        return False
    first, last, total = (int(number) for number in stands.groups())
    if first != part.size or last + 1 != total or part.total not in (None, total):
        return False
    part.total = total
    return True


def _check_magic(service: Service, url: httpx.URL, part: _Part, kinds: tuple[str, ...]) -> None:
    known = [_MAGIC[kind] for kind in kinds if kind in _MAGIC]
    if known and not any(pattern.match(part.head) for pattern in known):
        raise _useless(service, url, f"what there is is no {' or '.join(kinds)}")


def _useless(service: Service, url: httpx.URL, why: str, trouble: Trouble = Trouble.FAILED) -> ProviderError:
    return ProviderError(f"the result can't be used: {why}.", trouble=trouble, where=place(service, url.host))


def _broken(service: Service, url: httpx.URL, why: str) -> ProviderError:
    return unanswered(service, Purpose.DOWNLOAD, f"{why}.", host=url.host, sent=True)


def _error(service: Service, url: httpx.URL, why: str) -> ProviderError:
    return ProviderError(f"the result can't be had: {why}.", trouble=Trouble.TRANSIENT, where=place(service, url.host))
