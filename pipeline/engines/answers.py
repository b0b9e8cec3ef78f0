"""Reading answers into memory: bounded, unpacked, parsed."""

from __future__ import annotations

import json
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

MAX_JSON_BYTES: Final = 4_000_000
"""No answer that is read into memory is larger."""
MAX_ERROR_BYTES: Final = 64_000
"""Nor that of an error."""

BROKEN: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ssl.SSLError)
"""What a network and the other side of it can cause (time-outs are OSErrors)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's answer.

    Attributes:
        status: HTTP status.
        headers: Names in lower case.
        data: The JSON object it holds; empty where that was not required and there is none.
    """

    status: int
    headers: Mapping[str, str]
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What was downloaded.

    Attributes:
        bytes: How much.
        sha256: Its content hash.
    """

    bytes: int
    sha256: str


class Unusable(Exception):  # noqa: N818 - never leaves the client
    """An answer that can't be read."""


async def body_of(response: httpx.Response, most: int) -> bytes:
    """Return a body, unpacked.

    Raises:
        Unusable: If it is too large (it is not read to its end then, and a bomb not unpacked) or can't be unpacked.
    """
    raw = bytearray()
    async for piece in response.aiter_raw():
        raw += piece
        if len(raw) > most:
            raise Unusable(f"the answer is larger than {most} bytes.")
    match response.headers.get("content-encoding", "identity").strip().lower():
        case "" | "identity":
            return bytes(raw)
        case "gzip" | "x-gzip" | "deflate":
            unpacker = zlib.decompressobj(47)  # 32 + 15: gzip or zlib, by its header
            try:
                body = unpacker.decompress(raw, most + 1)
            except zlib.error as error:
                raise Unusable("the answer can't be unpacked.") from error
            if len(body) > most or not unpacker.eof:
                raise Unusable(f"the answer is cut short, or larger than {most} bytes.")
            return body
        case other:
            raise Unusable(f"the answer is packed as {other[:20]}, which was not asked for.")


def json_of(raw: bytes, response: httpx.Response) -> Any:
    """Return the JSON value of a body, ``None`` of an empty one.

    Raises:
        Unusable: If it is no JSON.
    """
    if not raw:
        return None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"the answer ({response.status_code}) is no JSON.") from error


def lower(headers: httpx.Headers) -> dict[str, str]:
    """Return headers by their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}
