"""Laws of what the client decides: whose fault an answer is, when to ask again, where nobody may send us."""

import ipaddress
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.classify import Purpose, Said, Service, answered, job_trouble, one_line, said, trouble_of
from pipeline.engines.egress import PrivateHosts, is_public
from pipeline.engines.retry import LONGEST_S, backoff, retry_after
from pipeline.errors import Trouble

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

words = st.text(max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "code", "type", "message", "detail", "errors", "msg"]), inner)
    ),
    max_leaves=8,
)

# What an answer means


def trouble(status: int, body: Any = None, purpose: Purpose = Purpose.CREATE, *, wait: bool = False) -> Trouble:
    return trouble_of(status, said(body), purpose, asks_to_wait=wait, codes={})


def error(code: str = "", message: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "type": "some_error", "param": None}}


CREATES = [
    (400, None, Trouble.INVALID),
    (400, error("invalid_value", "seconds must be 4, 8 or 12"), Trouble.INVALID),
    (400, error("moderation_blocked", "no"), Trouble.REFUSED),
    (400, error("content_policy_violation"), Trouble.REFUSED),
    (400, error("", "Your request was rejected by our safety system."), Trouble.REFUSED),
    (400, {"code": "DataInspectionFailed", "message": "Input failed content moderation"}, Trouble.REFUSED),
    (400, error("billing_hard_limit_reached"), Trouble.OUT_OF_FUNDS),
    (401, error("invalid_api_key"), Trouble.OUT_OF_FUNDS),
    (402, None, Trouble.OUT_OF_FUNDS),
    (403, None, Trouble.OUT_OF_FUNDS),
    (403, error("content-filter"), Trouble.REFUSED),
    (404, {"detail": "Not Found"}, Trouble.INVALID),
    (404, error("model_not_found"), Trouble.RETIRED),
    (404, {"detail": "The model `wan-2.1` does not exist"}, Trouble.RETIRED),
    (410, {"message": "This model has been deprecated."}, Trouble.RETIRED),
    (405, None, Trouble.INVALID),
    (413, None, Trouble.INVALID),
    (415, None, Trouble.INVALID),
    (
        422,
        {"detail": [{"loc": ["body", "seconds"], "msg": "Input should be '4'", "type": "literal_error"}]},
        Trouble.INVALID,
    ),
    (425, None, Trouble.TRANSIENT),
    (429, None, Trouble.CAPACITY),
    (429, error("rate_limit_exceeded", "Rate limit reached. See billing page"), Trouble.CAPACITY),
    (429, error("", "Your balance is too low: top up"), Trouble.OUT_OF_FUNDS),
    (429, error("rate_limit_exceeded", "Rate limit reached."), Trouble.CAPACITY),
    (429, error("insufficient_quota", "You exceeded your current quota"), Trouble.OUT_OF_FUNDS),
    (429, {"error": {"status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded for requests"}}, Trouble.CAPACITY),
    (451, None, Trouble.REFUSED),
    (503, None, Trouble.UNCERTAIN),
    (503, error("queue_full"), Trouble.CAPACITY),
    (503, {"detail": "The server is overloaded"}, Trouble.CAPACITY),
    (529, error("overloaded_error"), Trouble.CAPACITY),
    (500, error("moderation_blocked"), Trouble.UNCERTAIN),
    (502, None, Trouble.UNCERTAIN),
    (504, None, Trouble.UNCERTAIN),
    (408, None, Trouble.UNCERTAIN),
    (409, None, Trouble.UNCERTAIN),
    (307, None, Trouble.INVALID),
    (302, None, Trouble.UNCERTAIN),
]


@pytest.mark.parametrize(("status", "body", "expected"), CREATES)
def test_what_an_answer_to_a_create_call_means(status: int, body: Any, expected: Trouble) -> None:
    assert trouble(status, body) is expected


OTHERS = [
    (Purpose.READ, 500, Trouble.TRANSIENT),
    (Purpose.READ, 408, Trouble.TRANSIENT),
    (Purpose.READ, 401, Trouble.OUT_OF_FUNDS),
    (Purpose.READ, 404, Trouble.INVALID),
    (Purpose.READ, 429, Trouble.CAPACITY),
    (Purpose.CANCEL, 409, Trouble.INVALID),
    (Purpose.CANCEL, 405, Trouble.INVALID),
    (Purpose.CANCEL, 500, Trouble.TRANSIENT),
    (Purpose.DOWNLOAD, 403, Trouble.TRANSIENT),
    (Purpose.DOWNLOAD, 404, Trouble.TRANSIENT),
    (Purpose.DOWNLOAD, 400, Trouble.INVALID),
]


@pytest.mark.parametrize(("purpose", "status", "expected"), OTHERS)
def test_what_an_answer_to_another_call_means(purpose: Purpose, status: int, expected: Trouble) -> None:
    assert trouble(status, None, purpose) is expected


@given(status=st.integers(100, 599), body=json_values, wait=st.booleans())
def test_only_a_clear_refusal_lets_a_create_call_be_asked_again(status: int, body: Any, *, wait: bool) -> None:
    found = trouble(status, body, wait=wait)

    if status in {408, 409, 499} or not (400 <= status < 500 or status in {301, 307, 308, 503, 529}):
        assert found is Trouble.UNCERTAIN
    assert found is not Trouble.FAILED
    if 400 <= status < 500 and status not in {408, 409, 499}:
        assert found is not Trouble.UNCERTAIN


@given(status=st.integers(300, 599), body=json_values)
def test_nothing_but_a_create_call_is_ever_uncertain(status: int, body: Any) -> None:
    for purpose in (Purpose.READ, Purpose.CANCEL, Purpose.DOWNLOAD):
        assert trouble(status, body, purpose) is not Trouble.UNCERTAIN


@pytest.mark.parametrize("purpose", Purpose)
def test_a_providers_own_codes_win(purpose: Purpose) -> None:
    found = trouble_of(400, Said(("arrears_42",)), purpose, asks_to_wait=False, codes={"arrears_42": Trouble.CAPACITY})

    assert found is Trouble.CAPACITY


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("moderation_blocked", Trouble.REFUSED),
        ("server_error", Trouble.FAILED),
        ("", Trouble.FAILED),
        ("rate_limit_exceeded", Trouble.FAILED),
        ("invalid_prompt", Trouble.INVALID),
        ("insufficient_quota", Trouble.OUT_OF_FUNDS),
        ("model_retired", Trouble.RETIRED),
    ],
)
def test_why_a_job_failed(code: str, expected: Trouble) -> None:
    assert job_trouble(said({"code": code, "message": "it did not work"}), {}) is expected


@given(body=json_values, status=st.integers(300, 599), secret=st.text("abcdef0123456789", min_size=8, max_size=20))
def test_an_error_is_one_short_line_whatever_the_provider_says(body: Any, status: int, secret: str) -> None:
    service = Service("acme", "https://api.example/v1", secrets=(secret,))
    spoilt = {"error": {"message": f"a\nb {secret}\t{body}" * 5, "code": secret}}

    told = answered(service, Purpose.READ, status, spoilt, host="api.example", retry_after_s=None)

    assert secret not in str(told)
    assert str(told).isprintable()
    assert len(told.what) < 400
    assert answered(service, Purpose.READ, status, body, host="", retry_after_s=None).where == "acme (api.example)"


def test_keys_and_signatures_in_a_providers_words_are_hidden() -> None:
    text = "Bearer abcdefgh failed with sk-proj-1234567 at https://a.example/x?X-Amz-Signature=77"

    assert one_line(text) == "[hidden] failed with [hidden] at https://a.example/x?[hidden]"


# When to ask again


@given(text=st.text(max_size=40) | st.floats().map(str) | st.integers().map(str))
def test_whatever_retry_after_says_the_wait_is_sensible(text: str) -> None:
    for name in ("retry-after", "retry-after-ms"):
        wait = retry_after({name: text}, NOW)

        assert wait is None or 0 <= wait <= LONGEST_S


@given(seconds=st.integers(0, 200_000), past=st.booleans())
def test_retry_after_reads_seconds_milliseconds_and_dates(seconds: int, *, past: bool) -> None:
    date = format_datetime(NOW + timedelta(seconds=-seconds if past else seconds), usegmt=True)
    wanted = min(float(seconds), LONGEST_S)

    assert retry_after({"retry-after": str(seconds)}, NOW) == wanted
    assert retry_after({"retry-after": date}, NOW) == (0 if past else wanted)
    assert retry_after({"retry-after-ms": str(seconds * 1000), "retry-after": "1"}, NOW) == wanted


@given(attempt=st.integers(1, 10_000), seed=st.integers())
def test_backoff_is_jitter_below_a_bound_that_doubles(attempt: int, seed: int) -> None:
    bound = min(8.0, 0.5 * 2 ** min(attempt - 1, 10))

    assert 0 <= backoff(attempt, random.Random(seed)) <= bound


# Where nobody may send us

INSIDE = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.2.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32",
]  # fmt: skip
INSIDE_6 = [
    "::/128",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "2001:db8::/32",
    "64:ff9b:1::/48",
    "::/96",
]


def carried(address: ipaddress.IPv4Address) -> list[ipaddress.IPv6Address]:
    """Return the forms in which IPv6 carries an IPv4 address: mapped, NAT64, 6to4, Teredo."""
    value = int(address)
    return [
        ipaddress.IPv6Address((0xFFFF << 32) | value),
        ipaddress.IPv6Address((0x0064_FF9B << 96) | value),
        ipaddress.IPv6Address((0x2002 << 112) | (value << 80) | 1),
        ipaddress.IPv6Address((0x2001_0000 << 96) | (0x0808_0808 << 64) | (value ^ 0xFFFF_FFFF)),
    ]


def inside(network: str) -> st.SearchStrategy[Any]:
    parsed = ipaddress.ip_network(network)
    kind: Any = ipaddress.IPv4Address if parsed.version == 4 else ipaddress.IPv6Address
    return st.integers(int(parsed.network_address), int(parsed.broadcast_address)).map(kind)


@given(address=st.sampled_from(INSIDE).flatmap(inside))
def test_no_form_of_an_inside_address_is_public(address: ipaddress.IPv4Address) -> None:
    assert not is_public(address)
    for form in carried(address):
        assert not is_public(form), form


@given(address=st.sampled_from(INSIDE_6).flatmap(inside))
def test_no_inside_address_of_ipv6_is_public(address: ipaddress.IPv6Address) -> None:
    assert not is_public(address)


@given(address=st.ip_addresses(v=4))
def test_a_mapped_address_is_as_public_as_what_it_carries(address: ipaddress.IPv4Address) -> None:
    mapped, nat64, *_ = carried(address)

    assert is_public(mapped) == is_public(address)
    assert is_public(nat64) == is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(address=st.ip_addresses(), prefix=st.integers(0, 128))
def test_a_listed_network_allows_its_addresses_and_no_others(address: Any, prefix: int) -> None:
    network = ipaddress.ip_network(f"{address}/{min(prefix, address.max_prefixlen)}", strict=False)
    hosts = PrivateHosts.parse(f" {network} ,")

    assert hosts.allow("any.example", address)
    if network.prefixlen > 0:
        outside = type(address)(int(network.network_address) ^ (1 << (address.max_prefixlen - network.prefixlen)))
        assert not hosts.allow("any.example", outside)
    assert not PrivateHosts.parse("other.example").allow("any.example", address)
