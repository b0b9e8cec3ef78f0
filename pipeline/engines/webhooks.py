"""Whether a webhook is genuine: signatures of providers, as pure functions of headers, body, keys and time.

A webhook only says that a job is worth a look now; what it says of the job is never believed, a poll confirms it. Each
function returns the id by which deliveries of the same message are known, and raises :class:`NotGenuine` otherwise.
The body is what arrived, byte for byte.

Runway, Kling, MiniMax, Luma, DashScope, Ark and xAI sign nothing (or send nothing): they are polled alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pipeline.errors import DailiesError

TOLERANCE_S: Final = 300.0
"""By how much a message's time may differ from ours, in seconds; a recorded message is worth nothing later."""

_SECONDS: Final = re.compile(r"[0-9]{1,12}")
_MOST_KEYS: Final = 16


class NotGenuine(DailiesError):  # noqa: N818 - what it is
    """A webhook whose signature does not prove that the provider sent it, now."""


def standard(secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """Verify a message as of Standard Webhooks 1.0 (standardwebhooks.com): OpenAI, Replicate, Gemini.

    Args:
        secrets: Those in use, ``whsec_`` and base64; more than one while they are exchanged.
        headers: Of the request.
        body: As it arrived.
        now: The present moment.

    Returns:
        The message's id.

    Raises:
        NotGenuine: If no secret has signed it, or not now.
    """
    told = _lower(headers)
    identity, moment, signatures = _needed(told, "webhook-id", "webhook-timestamp", "webhook-signature")
    _in_time(moment, now)
    signed = f"{identity}.{moment}.".encode() + body
    given = [text.removeprefix("v1,") for text in signatures.split() if text.startswith("v1,")]
    for secret in secrets:
        wanted = hmac.new(_whsec(secret), signed, hashlib.sha256).digest()
        if any(hmac.compare_digest(_base64(text), wanted) for text in given):
            return identity
    raise NotGenuine("its signature is not ours.", where="webhook-signature")


def openrouter(secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """Verify OpenRouter's ``X-OpenRouter-Signature: t=<seconds>,v1=<hex>``: HMAC-SHA256 of ``<seconds>,<body>``.

    Without a secret of the workspace OpenRouter signs nothing; such a message is refused. How it is signed,
    one source alone says: OpenRouterTeam/skills, openrouter-video (July 2026).

    Args:
        secrets: Those in use.
        headers: Of the request.
        body: As it arrived.
        now: The present moment.

    Returns:
        The message's idempotency key, ``<job>-<status>``.

    Raises:
        NotGenuine: If no secret has signed it, or not now.
    """
    told = _lower(headers)
    signature, identity = _needed(told, "x-openrouter-signature", "x-openrouter-idempotency-key")
    parts = [part.strip().partition("=") for part in signature.split(",")]
    moment = next((value for name, _, value in parts if name == "t"), "")
    _in_time(moment, now)
    for secret in filter(None, secrets):
        wanted = hmac.new(secret.encode(), f"{moment},".encode() + body, hashlib.sha256).hexdigest()
        if any(hmac.compare_digest(value.encode(), wanted.encode()) for name, _, value in parts if name == "v1"):
            return identity
    raise NotGenuine("its signature is not ours.", where="x-openrouter-signature")


def fal(keys: Iterable[Ed25519PublicKey], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """Verify fal's ED25519 signature of request id, user id, time and the body's SHA-256 in hex, one on each line.

    Source: docs.fal.ai, webhooks.

    Args:
        keys: fal's public keys, see :func:`fal_keys`.
        headers: Of the request.
        body: As it arrived.
        now: The present moment.

    Returns:
        The request's id, which is the job's.

    Raises:
        NotGenuine: If none of the keys has signed it, or not now.
    """
    told = _lower(headers)
    names = ("request-id", "user-id", "timestamp", "signature")
    request, user, moment, signature = _needed(told, *(f"x-fal-webhook-{name}" for name in names))
    _in_time(moment, now)
    signed = "\n".join((request, user, moment, hashlib.sha256(body).hexdigest())).encode()
    try:
        given = bytes.fromhex(signature)
    except ValueError:
        raise NotGenuine("its signature is no hexadecimal number.", where="x-fal-webhook-signature") from None
    for key in keys:
        try:
            key.verify(given, signed)
        except InvalidSignature:
            continue
        return request
    raise NotGenuine("its signature is not fal's.", where="x-fal-webhook-signature")


def fal_keys(jwks: Any) -> tuple[Ed25519PublicKey, ...]:
    """Return the ED25519 keys of a JSON Web Key Set (RFC 7517, RFC 8037); others are passed over.

    fal's stands at https://rest.fal.ai/.well-known/jwks.json, and may be kept for a day.
    """
    listed = cast("dict[str, Any]", jwks).get("keys") if isinstance(jwks, dict) else None
    found: list[Ed25519PublicKey] = []
    for entry in cast("list[Any]", listed)[:_MOST_KEYS] if isinstance(listed, list) else []:
        key = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        raw = _base64(str(key.get("x", "")).replace("-", "+").replace("_", "/"))
        if key.get("kty", "OKP") == "OKP" and key.get("crv", "Ed25519") == "Ed25519" and len(raw) == 32:
            found.append(Ed25519PublicKey.from_public_bytes(raw))
    return tuple(found)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value.strip() for name, value in headers.items()}


def _needed(headers: Mapping[str, str], *names: str) -> list[str]:
    for name in names:
        if not headers.get(name):
            raise NotGenuine("it is not signed.", where=name, remedy="Configure a signing secret at the provider.")
    return [headers[name] for name in names]


def _in_time(moment: str, now: datetime) -> None:
    if not _SECONDS.fullmatch(moment) or abs(int(moment) - now.timestamp()) > TOLERANCE_S:
        raise NotGenuine("it is too old, or from the future.", remedy="Check this machine's clock.")


def _whsec(secret: str) -> bytes:
    key = _base64(secret.strip().removeprefix("whsec_"))
    if not key:
        raise NotGenuine("the secret here is none.", remedy="Write it as the provider shows it: whsec_ and base64.")
    return key


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
