"""What a provider's answer means: the one place where status and body become a kind of trouble.

The same answer means different things to different calls: a 502 to a create call may hide an accepted job, to a read it
is nothing. Engines add their provider's own codes (:class:`Service`), never their own reading of the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, cast

import httpx

from pipeline.errors import ProviderError, Trouble


class Purpose(StrEnum):
    """What a call is for."""

    CREATE = "create"
    """May cost money."""
    CANCEL = "cancel"
    """Changes a job; doing it twice does no harm."""
    READ = "read"
    """Changes nothing."""
    DOWNLOAD = "download"
    """Reads a result, perhaps from an address that expires."""


@dataclass(frozen=True, slots=True)
class Service:
    """A provider as it is configured.

    Attributes:
        name: The engine's name, for errors.
        home: Its configured address. Only its origin may be private, and only it gets the key.
        key_setting: The setting that holds the key, for errors.
        secrets: Words that must never be shown: the key.
        codes: The provider's own error codes, lower case; they win over everything said here.
        model_in_address: Whether a create call's address names the model: then 404 and 410 say that it is gone.
    """

    name: str
    home: str
    key_setting: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    codes: Mapping[str, Trouble] = field(default_factory=lambda: MappingProxyType({}))
    model_in_address: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """An error in the provider's words.

    Attributes:
        codes: Its codes and types, lower case.
        message: What it says, as it stands there.
    """

    codes: tuple[str, ...] = ()
    message: str = ""


_MODERATION: Final = re.compile(
    r"moderation|content_?(policy|filter|violation)|policy_?violation|safety|sensitive|nsfw|prohibited_?content"
)
_MODERATION_WORDS: Final = re.compile(
    r"content polic|moderation|safety (system|filter|polic)|usage polic", re.IGNORECASE
)
_FUNDS: Final = re.compile(
    r"insufficient_?(quota|funds?|balance|credits?)|billing|payment_?required|account_?(deactivated|suspended|overdue)"
    r"|arrears|out_of_(credits?|funds)|quota_exhausted"
)
_FUNDS_WORDS: Final = re.compile(
    r"insufficient (quota|funds|balance|credits?)|billing|out of credits?|payment required|top up|exceeded your current"
    r" quota|not (have )?enough (credits?|balance|funds)|exhausted balance",
    re.IGNORECASE,
)
_RETIRED: Final = re.compile(
    r"model_?(not_?found|not_?exist|retired|deprecated|decommissioned|shut_?down|unavailable_?permanently)"
    r"|unknown_model|deprecated_model|retired_model"
)
_RETIRED_WORDS: Final = re.compile(
    r"\bmodels?\b.{0,120}(not found|not exist|not supported|no longer|retired|deprecated|decommissioned|shut ?down"
    r"|discontinued)|(no such|unknown) model",
    re.IGNORECASE,
)
_CAPACITY: Final = re.compile(r"rate_?limit|throttl|too_?many|queue_?full|overloaded|capacity|concurren|server_?busy")
_CAPACITY_WORDS: Final = re.compile(
    r"rate limit|throttl|too many|queue is full|queue full|overloaded|at capacity|capacity|try again later|server busy",
    re.IGNORECASE,
)
_INVALID: Final = re.compile(r"^invalid|_invalid$|unsupported|bad_request|validation|not_supported|unprocessable")

_ACCOUNT: Final = frozenset({401, 402, 403, 407})
_AGAIN_4XX: Final = frozenset({408, 409, 425, 499})
_BUSY: Final = frozenset({503, 529})


def said(body: Any) -> Said:
    """Return what an error's body says; understands the shapes in common use, and nothing is an answer, too."""
    if isinstance(body, str):
        return Said(message=body)
    if isinstance(body, list):
        texts = [said(each) for each in cast("list[Any]", body)[:5]]
        return Said(
            tuple(code for each in texts for code in each.codes),
            "; ".join(each.message for each in texts if each.message),
        )
    if not isinstance(body, dict):
        return Said()
    content = cast("dict[str, Any]", body)
    issues = content.get("issues")
    if isinstance(issues, list) and issues:
        return _of_issues(content, cast("list[Any]", issues)[:5])
    for name in ("error", "detail", "errors"):
        inner = content.get(name)
        if isinstance(inner, (dict, list)) or (isinstance(inner, str) and inner and "message" not in content):
            found = said(inner)
            return Said(found.codes + _codes(content), found.message or _message(content))
    return Said(_codes(content), _message(content))


def _of_issues(content: Mapping[str, Any], issues: list[Any]) -> Said:
    """Read the list of wrong fields that zod writes; each is a code, ``wrong_field:duration``."""
    rest = said({name: value for name, value in content.items() if name != "issues"})
    codes: list[str] = []
    texts: list[str] = []
    for issue in issues:
        entry = cast("dict[str, Any]", issue) if isinstance(issue, dict) else {}
        path = entry.get("path")
        place = ".".join(str(step) for step in cast("list[Any]", path)) if isinstance(path, list) else ""
        codes += [f"wrong_field:{place.lower()}"] if place else []
        texts.append(f"{place}: {_message(entry)}" if place else _message(entry))
    words = "; ".join(filter(None, texts))
    return Said((*codes, *rest.codes), f"{rest.message} ({words})" if rest.message and words else rest.message or words)


def _codes(content: Mapping[str, Any]) -> tuple[str, ...]:
    words = (content.get(name) for name in ("code", "type", "reason", "status", "error"))
    told = (str(word) if isinstance(word, int) and not isinstance(word, bool) else word for word in words)
    return tuple(word.strip().lower().replace("-", "_").replace(" ", "_") for word in told if isinstance(word, str))


def _message(content: Mapping[str, Any]) -> str:
    for name in ("message", "msg", "description", "title"):
        if isinstance(text := content.get(name), str) and text:
            return text
    return ""


def trouble_of(
    status: int, error: Said, purpose: Purpose, *, asks_to_wait: bool, codes: Mapping[str, Trouble]
) -> Trouble:
    """Return what kind of trouble an answer other than 2xx is.

    Args:
        status: HTTP status.
        error: What the body says.
        purpose: What the call was for.
        asks_to_wait: Whether it carries a Retry-After.
        codes: The provider's own codes.
    """
    for code in error.codes:
        if code in codes:
            return codes[code]
    if status == 429:
        return Trouble.OUT_OF_FUNDS if _out_of_funds(error) else Trouble.CAPACITY
    if status in _BUSY and (asks_to_wait or _any(_CAPACITY, error) or _CAPACITY_WORDS.search(error.message)):
        return Trouble.CAPACITY
    if purpose is Purpose.CREATE:
        return _of_create(status, error)
    return _of_others(status, purpose)


def _of_create(status: int, error: Said) -> Trouble:
    if not 400 <= status < 500:
        # A 301, 307 or 308 was not acted on; every other one (a 303 above all) may have been.
        return Trouble.INVALID if status in {301, 307, 308} else Trouble.UNCERTAIN
    if status in _AGAIN_4XX:
        return Trouble.TRANSIENT if status == 425 else Trouble.UNCERTAIN
    if (
        _any(_MODERATION, error)
        or status == 451
        or (status in {400, 403, 422} and _MODERATION_WORDS.search(error.message))
    ):
        return Trouble.REFUSED
    if status in _ACCOUNT or _any(_FUNDS, error) or (status == 400 and _FUNDS_WORDS.search(error.message)):
        return Trouble.OUT_OF_FUNDS
    if _any(_RETIRED, error) or (status in {404, 410} and _RETIRED_WORDS.search(error.message)):
        return Trouble.RETIRED
    return Trouble.INVALID


def _of_others(status: int, purpose: Purpose) -> Trouble:
    if purpose is Purpose.CANCEL and status in {409, 501}:
        return Trouble.INVALID  # it has ended already, or nothing can be stopped there
    if not 400 <= status < 500 or status in _AGAIN_4XX:
        return Trouble.TRANSIENT
    if purpose is Purpose.DOWNLOAD and status in {401, 403, 404, 410}:
        return Trouble.TRANSIENT  # the address expired: a poll gives another
    return Trouble.OUT_OF_FUNDS if status in _ACCOUNT else Trouble.INVALID


def job_trouble(error: Said, codes: Mapping[str, Trouble]) -> Trouble:
    """Return why a job failed that a provider had accepted; ``FAILED`` unless it says something better."""
    for code in error.codes:
        if code in codes:
            return codes[code]
    if _any(_MODERATION, error) or _MODERATION_WORDS.search(error.message):
        return Trouble.REFUSED
    if _out_of_funds(error):
        return Trouble.OUT_OF_FUNDS
    if _any(_RETIRED, error):
        return Trouble.RETIRED
    return Trouble.INVALID if _any(_INVALID, error) else Trouble.FAILED


def _out_of_funds(error: Said) -> bool:
    # "Rate limit reached; add a payment method under billing" is a rate limit: a code says more than words.
    if _any(_FUNDS, error):
        return True
    return not _any(_CAPACITY, error) and _FUNDS_WORDS.search(error.message) is not None


def _any(pattern: re.Pattern[str], error: Said) -> bool:
    return any(pattern.search(code) for code in error.codes)


_REMEDIES: Final = MappingProxyType(
    {
        Trouble.OUT_OF_FUNDS: "Check the account and its balance",
        Trouble.RETIRED: "Give the model a retires date or a successor in the registry overlay.",
        Trouble.INVALID: "Check the provider's address and what the registry says of the model.",
    }
)


def answered(
    service: Service,
    purpose: Purpose,
    status: int,
    body: Any,
    *,
    host: str,
    retry_after_s: float | None,
) -> ProviderError:
    """Return the error for an answer other than 2xx, with the provider's own words in one short line."""
    error = said(body)
    trouble = trouble_of(status, error, purpose, asks_to_wait=retry_after_s is not None, codes=service.codes)
    if service.model_in_address and purpose is Purpose.CREATE and status in {404, 410} and trouble is Trouble.INVALID:
        trouble = Trouble.RETIRED
    words = one_line(error.message, service.secrets) or one_line(" ".join(error.codes), service.secrets)
    remedy = _REMEDIES.get(trouble, "")
    if trouble is Trouble.OUT_OF_FUNDS:
        remedy += f", and the key in {service.key_setting}." if service.key_setting else "."
    return ProviderError(
        f"the {purpose} call was answered with {status}{f': {words}' if words else ''}.",
        trouble=trouble,
        where=place(service, host),
        remedy=remedy,
        retry_after_s=retry_after_s,
    )


def unanswered(service: Service, purpose: Purpose, why: str, *, host: str, sent: bool) -> ProviderError:
    """Return the error for a call without a usable answer.

    Args:
        service: Who was called.
        purpose: What for.
        why: What happened.
        host: Which host.
        sent: Whether the provider may have received anything.
    """
    uncertain = sent and purpose is Purpose.CREATE
    return ProviderError(
        f"the {purpose} call was not answered: {one_line(why, service.secrets)}"
        + (" Whether the provider accepted the job is not known." if uncertain else ""),
        trouble=Trouble.UNCERTAIN if uncertain else Trouble.TRANSIENT,
        where=place(service, host),
    )


def place(service: Service, host: str) -> str:
    """Return engine and host for an error's ``where``."""
    return f"{service.name} ({host or httpx.URL(service.home).host})"


def one_line(text: str, secrets: tuple[str, ...] = (), most: int = 300) -> str:
    """Return a provider's words in one short line, without secrets, control characters or signed addresses."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "[hidden]")
    text = re.sub(r"(?i)\b(bearer\s+|sk-)[\w.~+/=*-]{4,}", "[hidden]", text)
    text = re.sub(r"(https?://[^\s?\"'<>]*)\?[^\s\"'<>]*", r"\1?[hidden]", text)
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return (line if len(line) <= most else line[: most - 3] + "...").rstrip(".")
