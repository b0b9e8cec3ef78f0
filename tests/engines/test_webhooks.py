"""Webhooks are believed only if they are signed, whole and recent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engines import webhooks
from pipeline.engines.webhooks import NotGenuine

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
BODY = json.dumps({"id": "job-1", "status": "completed"}).encode()
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))

Headers = dict[str, str]


def standard(body: bytes = BODY, at: int = AT, secret: str = SECRET) -> Headers:
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(raw, f"msg_1.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": f"v2,AAAA v1,{base64.b64encode(digest).decode()}",
    }


def openrouter(body: bytes = BODY, at: int = AT, secret: str = SECRET) -> Headers:
    digest = hmac.new(secret.encode(), f"{at},".encode() + body, hashlib.sha256).hexdigest()
    return {
        "X-OpenRouter-Signature": f"t={at},v1={digest}",
        "X-OpenRouter-Idempotency-Key": "job-1-completed",
    }


def fal(body: bytes = BODY, at: int = AT, secret: Any = KEY) -> Headers:
    signed = f"job-1\nuser-1\n{at}\n{hashlib.sha256(body).hexdigest()}".encode()
    return {
        "X-Fal-Webhook-Request-Id": "job-1",
        "X-Fal-Webhook-User-Id": "user-1",
        "X-Fal-Webhook-Timestamp": str(at),
        "X-Fal-Webhook-Signature": secret.sign(signed).hex(),
    }


def jwks(*keys: Ed25519PrivateKey) -> dict[str, Any]:
    raw = [base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=") for key in keys]
    return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": str(n)} for n, x in enumerate(raw)]}


SCHEMES: dict[str, tuple[Callable[..., Headers], Callable[..., str], Any, Any, str]] = {
    "standard": (standard, webhooks.standard, SECRET, "whsec_" + base64.b64encode(b"another").decode(), "msg_1"),
    "openrouter": (openrouter, webhooks.openrouter, SECRET, "another", "job-1-completed"),
    "fal": (
        fal,
        lambda keys, *rest: webhooks.fal(webhooks.fal_keys(jwks(*keys)), *rest),
        KEY,
        Ed25519PrivateKey.from_private_bytes(bytes(32)),
        "job-1",
    ),
}
every_scheme = pytest.mark.parametrize("scheme", SCHEMES)


@every_scheme
def test_a_signed_message_is_genuine_and_tells_its_id(scheme: str) -> None:
    sign, verify, secret, _, identity = SCHEMES[scheme]

    assert verify([secret], sign(), BODY, NOW) == identity


@every_scheme
def test_while_secrets_are_exchanged_either_is_enough(scheme: str) -> None:
    sign, verify, secret, other, identity = SCHEMES[scheme]

    assert verify([other, secret], sign(), BODY, NOW) == identity


@every_scheme
@given(place=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
@settings(max_examples=25, deadline=None)
def test_one_bit_of_the_body_is_enough_to_be_refused(scheme: str, place: int, bit: int) -> None:
    sign, verify, secret, _, _ = SCHEMES[scheme]
    changed = bytearray(BODY)
    changed[place] ^= 1 << bit

    with pytest.raises(NotGenuine):
        verify([secret], sign(), bytes(changed), NOW)


@every_scheme
def test_each_header_is_part_of_what_is_signed_or_needed(scheme: str) -> None:
    sign, verify, secret, _, _ = SCHEMES[scheme]
    unsigned = {"x-openrouter-idempotency-key"}  # OpenRouter signs time and body alone

    for name in sign():
        without = {key: value for key, value in sign().items() if key != name}
        with pytest.raises(NotGenuine):
            verify([secret], without, BODY, NOW)
        if name.lower() not in unsigned:
            with pytest.raises(NotGenuine):
                verify([secret], sign() | {name: sign()[name][:-1] + "x"}, BODY, NOW)


@every_scheme
@pytest.mark.parametrize(("late_s", "genuine"), [(299, True), (-299, True), (301, False), (-301, False)])
def test_a_recorded_message_is_worth_nothing_later(scheme: str, late_s: int, genuine: bool) -> None:
    sign, verify, secret, _, identity = SCHEMES[scheme]
    now = NOW + timedelta(seconds=late_s)

    if genuine:
        assert verify([secret], sign(), BODY, now) == identity
    else:
        with pytest.raises(NotGenuine, match="too old"):
            verify([secret], sign(), BODY, now)


@every_scheme
def test_another_secret_or_none_is_refused(scheme: str) -> None:
    sign, verify, _, other, _ = SCHEMES[scheme]

    for secrets in ([other], []):
        with pytest.raises(NotGenuine):
            verify(secrets, sign(), BODY, NOW)


@pytest.mark.parametrize("wrong", ["", "whsec_", "whsec_%%%"])
def test_a_secret_that_is_none_signs_nothing(wrong: str) -> None:
    digest = hmac.new(b"", f"msg_1.{AT}.".encode() + BODY, hashlib.sha256).digest()
    headers = standard() | {"Webhook-Signature": f"v1,{base64.b64encode(digest).decode()}"}

    with pytest.raises(NotGenuine):
        webhooks.standard([wrong], headers, BODY, NOW)
    with pytest.raises(NotGenuine):
        webhooks.openrouter([""], openrouter(secret=""), BODY, NOW)


def test_the_vector_of_the_standard_itself_is_genuine() -> None:
    """Of the specification's own examples: secret, id, time, body and signature as they are printed there."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    now = datetime.fromtimestamp(1614265330, UTC)

    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert webhooks.standard([secret], headers, b'{"test": 2432232314}', now) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {"keys": None},
        {"keys": [None, {}]},
        {"keys": [{"x": "AA"}]},
        {"keys": [{"kty": "RSA", "x": "A" * 43}]},
    ],
)
def test_a_key_set_that_is_none_has_no_keys(wrong: Any) -> None:
    assert webhooks.fal_keys(wrong) == ()
