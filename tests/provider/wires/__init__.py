"""Other providers' wires, on the books and behaviours of ``/v1/videos``: one module for each engine, found by its name.

A wire reads its provider's create call, and tells jobs and errors in its provider's words. Everything else (limits,
money, what goes wrong) is the provider's own. It is mounted under its name: ``http://127.0.0.1:PORT/<name>/...``.

A module ``tests/provider/wires/<engine>.py`` holds one class ``Provider`` of :class:`Wire`.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from tests.provider.exchange import Exchange
from tests.provider.forms import RequestError
from tests.provider.showing import View, view_of

if TYPE_CHECKING:
    from tests.provider.app import Provider as Desk

_LONG = 400
_SIDES = {"2k": 1440, "4k": 2160}


class Wire(ABC):
    """One provider's create, poll, result, cancel and errors.

    Attributes:
        name: The engine's name: the prefix that it is mounted under.
        errors: What goes wrong -> the provider's status and word for it. What: ``moderation_blocked``,
            ``rate_limit_exceeded``, ``queue_full``, ``insufficient_quota``, ``model_not_found``, ``invalid_api_key``,
            ``invalid_value``, ``server_error``, ``not_found``, ``method_not_allowed``.
        fails: Why jobs fail -> the provider's word for it: ``moderation_blocked``, ``server_error``, ``invalid_image``.
        texts: The provider's word -> what it says with it; of all others, nothing that could tell what is meant.
        states: ``queued``, ``in_progress``, ``completed``, ``failed``, ``cancelled`` -> the provider's word.
    """

    name: ClassVar[str]
    errors: ClassVar[Mapping[str, tuple[int, str]]] = {}
    fails: ClassVar[Mapping[str, str]] = {}
    texts: ClassVar[Mapping[str, str]] = {}
    states: ClassVar[Mapping[str, str]] = {}

    def text(self, word: str) -> str:
        """Return what the provider says with a word."""
        return self.texts.get(word, "Request failed.")

    def key(self, exchange: Exchange) -> str:
        """Return the key that a request was made with."""
        return exchange.header("authorization").removeprefix("Bearer ")

    def new_id(self) -> str:
        """Return an id for a job."""
        return str(uuid.uuid4())

    @abstractmethod
    async def serve(self, desk: Desk, exchange: Exchange, path: str, account: str) -> None:
        """Answer a request.

        Args:
            desk: ``create``, ``find``, ``tell``, ``deliver``, ``stop``, ``forget``: what every wire can do.
            exchange: The request.
            path: Its path after the wire's prefix, beginning with a slash.
            account: Whose it is.
        """

    @abstractmethod
    def read(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a create call asks for: keywords of :func:`asked`.

        Raises:
            RequestError: If it is wrong.
        """

    @abstractmethod
    def created(self, view: View, exchange: Exchange) -> tuple[int, Any]:
        """Return status and body of the answer to a create call."""

    @abstractmethod
    def error_body(self, status: int, word: str, message: str) -> Any:
        """Return an error as the provider writes it."""

    def error(self, status: int, code: str, message: str) -> tuple[int, Any]:
        """Return status and body of an error."""
        status, word = self.errors.get(code, (status, code))
        return status, self.error_body(status, word, message)

    def asked(self, exchange: Exchange, body: bytes) -> tuple[dict[str, Any], Fraction]:
        """Return what a create call asks for (fields of ``ledger.Accepted``), and the length that is billed.

        Raises:
            RequestError: If it is wrong.
        """
        path = exchange.path.removeprefix(f"/{self.name}")
        try:
            value = json.loads(body)
        except ValueError as error:
            raise RequestError("The body is no JSON.") from error
        if not isinstance(value, dict):
            raise RequestError("The body must be a JSON object.")
        fields = asked(**self.read(path, value))
        secret = {"authorization", "x-api-key", "x-goog-api-key", "x-key", "token"}
        headers = {
            name.decode(): text.decode("latin-1")
            for name, text in exchange.headers.items()
            if name.decode() not in secret
        }
        fields["heard"] = {"path": path, "query": exchange.asked(), "headers": headers, "body": _cut(value)}
        return fields, Fraction(fields["seconds"])

    async def nowhere(self, exchange: Exchange) -> None:
        """Answer that there is no such page."""
        await exchange.error(404, "not_found", f"There is no {exchange.method} {exchange.path}")


def asked(
    *,
    model: str,
    prompt: Any,
    seconds: Any = 5,
    size: tuple[int, int] | None = None,
    resolution: str = "720p",
    ratio: str = "16:9",
    fps: Any = 24,
    seed: Any = "",
    sound: Any = True,
) -> dict[str, Any]:
    """Return fields of ``ledger.Accepted``; what is left out is the provider's default.

    Raises:
        RequestError: If something is missing or out of range.
    """
    if not isinstance(prompt, str) or not prompt:
        raise RequestError("Missing required parameter: 'prompt'.", "prompt")
    try:
        length = Fraction(str(seconds).removesuffix("s"))
        width, height = size or size_of(resolution, ratio)
    except (ValueError, KeyError, ZeroDivisionError) as error:
        raise RequestError("Length or size can't be understood.", "duration") from error
    if not (0 < length <= 60 and 16 <= width <= 4096 and 16 <= height <= 4096):
        raise RequestError("Length or size are out of range.", "duration")
    if seed != "" and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise RequestError("'seed' must be an integer.", "seed")
    return {
        "model": model,
        "prompt": prompt,
        "seconds": str(length),
        "width": width // 2 * 2,
        "height": height // 2 * 2,
        "fps": str(Fraction(str(fps))),
        "frames": max(1, round(length * Fraction(str(fps)))),
        "seed": str(seed),
        "fields": {"generate_sound": str(bool(sound)).lower()},
        "files": {},
    }


def prompt_in(body: Mapping[str, Any]) -> tuple[str, int]:
    """Return the prompt and the number of pictures of a body that has them in a list, ``content``.

    Raises:
        RequestError: If there is not one text in it, or frames and references are mixed.
    """
    content = [item for item in body.get("content") or [] if isinstance(item, dict)]
    texts = [item.get("text") for item in content if item.get("type") == "text"]
    roles = {item.get("role") for item in content if item.get("type") == "image_url"}
    if len(texts) != 1 or not all(item.get("image_url", {}).get("url") for item in content if "image_url" in item):
        raise RequestError("content must hold one text", "content")
    if "reference_image" in roles and len(roles) > 1:
        raise RequestError("first and last frame can't be combined with references", "content")
    return str(texts[0] or ""), len(content) - 1


def own_views(desk: Desk, account: str) -> list[View]:
    """Return an account's jobs of other wires than ``/v1/videos``, oldest first, for lists."""
    now = time.time()
    desk.book.advance(now)
    jobs = (job for job in desk.book.order if job.accepted.account == account and job.accepted.heard)
    return [view_of(job, now) for job in jobs if not job.deleted]


def size_of(resolution: str, ratio: str) -> tuple[int, int]:
    """Return the pixels of a resolution class in an aspect ratio: the class names the shorter side."""
    across, down = (Fraction(side) for side in ratio.split(":"))
    short = _SIDES.get(resolution.lower()) or int(resolution.lower().removesuffix("p"))
    if across >= down:
        return round(short * across / down / 2) * 2, short
    return short, round(short * down / across / 2) * 2


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LONG else f"{value[:60]}... ({len(value)} characters)"
    if isinstance(value, dict):
        return {name: _cut(item) for name, item in value.items()}
    return [_cut(item) for item in value] if isinstance(value, list) else value


def _found() -> dict[str, Wire]:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    wires: list[Wire] = [importlib.import_module(f"{__name__}.{name}").Provider() for name in names]
    return {wire.name: wire for wire in wires}


WIRES: Mapping[str, Wire] = _found()
