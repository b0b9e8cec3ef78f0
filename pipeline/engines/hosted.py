"""What engines for hosted providers share: a key, an address, one JSON create call, polls, a result behind a URL.

A new engine says in class attributes where its provider is and what its words mean, and writes ``create``, ``poll``
and, if anything can be stopped, ``cancel``; see docs/engines.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar, cast

import httpx

from pipeline.engines.base import Abilities, JobState, Order, RemoteEngine, Report, Ticket
from pipeline.engines.classify import Purpose, Said, Service, job_trouble, one_line, said, unanswered
from pipeline.engines.egress import origin
from pipeline.engines.pictures import data_uri
from pipeline.engines.wording import Wording, images_of
from pipeline.errors import ConfigurationError, ProviderError, Trouble
from pipeline.registry.files import parse
from pipeline.units import MicroUsd, usd

if TYPE_CHECKING:
    from pipeline.engines.http import Reply, Wire

W = TypeVar("W", bound=Wording)

NOT_FOUND: Final = frozenset({404, 410})
VIDEO: Final = ("video/mp4", "video/quicktime", "video/webm")
PICTURE: Final = ("image/png", "image/jpeg", "image/webp")
_CONFIRM_S: Final = 1.0
_MAX_ID: Final = 400


class HostedEngine(RemoteEngine, Generic[W]):
    """Speaks to a hosted provider in JSON.

    Attributes:
        key_setting: The setting that holds the key, by the provider's own name for it.
        address_setting: The setting that replaces the provider's address.
        address: The provider's address.
        wording: What a model's ``wire`` may say.
        codes: The provider's error codes, lower case, as :class:`~pipeline.engines.classify.Service` has them.
        states: The provider's words for a job's state.
        model_in_address: Whether a create call's address names the model: then a 404 there says that it is gone.
        picture_characters: No ``data:`` URI is longer.

    Raises:
        ConfigurationError: If the key is missing, or the address is none.
    """

    version = "1"
    key_setting: ClassVar[str]
    address_setting: ClassVar[str]
    address: ClassVar[str]
    wording: ClassVar[type[Wording]] = Wording
    codes: ClassVar[Mapping[str, Trouble]] = MappingProxyType({})
    states: ClassVar[Mapping[str, JobState]]
    model_in_address: ClassVar[bool] = False
    picture_characters: ClassVar[int] = 5_000_000
    max_result_bytes: ClassVar[int] = 2_000_000_000
    """No result is larger."""

    def __init__(self, wire: Wire, environment: Mapping[str, str]) -> None:
        super().__init__(wire, environment)
        key = environment.get(self.key_setting, "").strip()
        if not key or not key.isascii() or not key.isprintable():
            raise ConfigurationError(
                "it holds no usable key." if key else "it is not set.",
                where=self.key_setting,
                remedy=f"Set it to your {self.name} key.",
            )
        self.base = _base_url(environment.get(self.address_setting, "") or self.address, self.address_setting)
        self.headers = self.authorization(key)
        self.service = Service(
            self.name,
            self.base,
            key_setting=self.key_setting,
            secrets=self.secrets(key),
            codes=self.codes,
            model_in_address=self.model_in_address,
        )

    def authorization(self, key: str) -> dict[str, str]:
        """Return the headers that every call to the provider carries."""
        return {"Authorization": f"Bearer {key}"}

    def secrets(self, key: str) -> tuple[str, ...]:
        """Return the words that no error may show."""
        return (key,)

    @classmethod
    def missing_settings(cls, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Return the key's setting if it is missing."""
        return () if environment.get(cls.key_setting) else (cls.key_setting,)

    @classmethod
    def check_wire(cls, wire: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what is wrong with a model's ``wire``."""
        try:
            parse(cls.wording, wire, file="", prefix="wire")
        except ConfigurationError as error:
            return (error.what,)
        return ()

    def words(self, wire: Mapping[str, Any], model: str) -> W:
        """Return a model's ``wire``.

        Raises:
            ConfigurationError: Names every wrong field, and the model.
        """
        return parse(self.wording, wire, file=f"registry, model {self.name}/{model}", prefix="wire")  # pyright: ignore[reportReturnType] - wording is W's class

    # Creating

    async def body(self, words: Wording, order: Order) -> dict[str, Any]:
        """Return the JSON body of a create call, pictures included.

        Raises:
            ProviderError: ``INVALID`` if the model's words can't say it, or a picture can't be sent.
        """
        if not order.wire:
            # Sent without a length or size, the provider's defaults would be made and billed, not what was quoted.
            raise ProviderError(
                "the registry does not say how its request is worded.",
                trouble=Trouble.INVALID,
                where=f"{self.name}/{order.model}",
                remedy="Say it in the model's wire, in the registry overlay (see docs/engines.md).",
            )
        pictures = {
            image.sha256: await asyncio.to_thread(self.picture, order.images[image.sha256])
            for image in images_of(order.request)
        }
        return words.body(order.model, order.request, pictures, where=f"{self.name}/{order.model}")

    def picture(self, path: Path) -> Any:
        """Return what is sent for a picture; called in a thread."""
        return data_uri(path, self.picture_characters)

    async def ask(
        self, order: Order, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a create call, once.

        Our own id of the take goes along as ``Idempotency-Key``. Of the providers here none says that it honours it;
        one that begins to can only make fewer jobs by it.
        """
        return await self.wire.ask(
            self.service,
            "POST",
            f"{self.base}{path}",
            not_after=order.not_after,
            headers={**self.headers, "Idempotency-Key": order.intent, **(headers or {})},
            json=dict(body),
        )

    def ticket(self, order: Order, job: Any, **data: Any) -> Ticket:
        """Return the ticket of an accepted job.

        Raises:
            ProviderError: ``UNCERTAIN`` if the answer named no job.
        """
        if not isinstance(job, str) or not 0 < len(job) <= _MAX_ID or not job.isprintable():
            raise unanswered(self.service, Purpose.CREATE, "the answer names no job.", host="", sent=True)
        return Ticket(job, order.model, order.wire, data)

    # Following

    async def look(self, path: str, answers: frozenset[int] = frozenset()) -> Reply | Report:
        """Read a job; a report if the provider twice does not know it.

        Args:
            path: Where, after the provider's address.
            answers: Statuses besides 2xx that are an answer, too.

        Raises:
            ProviderError: If it does not say.
        """
        url, wanted = f"{self.base}{path}", NOT_FOUND | answers
        reply = await self.wire.read(self.service, url, headers=self.headers, answers=wanted)
        if reply.status in NOT_FOUND and reply.data:
            # A server behind a balancer, or just restarted, may not know it for a moment.
            await self.wire.sleep(_CONFIRM_S)
            reply = await self.wire.read(self.service, url, headers=self.headers, answers=wanted)
        if reply.status not in NOT_FOUND:
            return reply
        if not reply.data:
            raise self.unclear(f"a {reply.status} that is not the provider's own.")
        return Report(JobState.GONE, reason=self.line(said(reply.data)))

    def report(
        self,
        word: Any,
        *,
        progress: float | None = None,
        failure: Any = None,
        charged: MicroUsd | None = None,
        url: Any = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Report:
        """Return what a provider said of a job.

        Args:
            word: Its word for the state; one that nobody knows is kept as a fact, and the job goes on.
            progress: Share done, 0 to 1.
            failure: The error as it said it, or what :func:`~pipeline.engines.classify.said` made of it.
            charged: What it says it charged.
            url: Where the result is, once there is one.
            facts: What is kept on the take.

        Raises:
            ProviderError: If a job succeeded and the provider does not say where the result is.
        """
        state = self.states.get(str(word))
        kept = dict(facts or {})
        if state is None:
            kept["unknown_status"] = one_line(str(word), self.service.secrets, 60)
            state = JobState.RUNNING
        if state is JobState.SUCCEEDED and not (isinstance(url, str) and url):
            raise self.unclear("the finished job tells no result.")
        failed = state is JobState.FAILED
        why = failure if isinstance(failure, Said) else said(failure)
        return Report(
            state,
            progress=progress if progress is None or 0 <= progress <= 1 else None,
            trouble=job_trouble(why, self.codes) if failed else None,
            reason=(self.line(why) or "the provider does not say why") if failed else "",
            charged=charged,
            output={"url": url} if state is JobState.SUCCEEDED else {},
            facts=kept,
        )

    async def fetch(self, ticket: Ticket, report: Report, into: Path) -> None:
        """Download the result from its URL; the key goes along to the provider's own address alone."""
        url = str(report.output["url"])
        await self.wire.download(
            self.service,
            url,
            into,
            headers=self.headers if self.is_own(url) else {},
            max_bytes=self.max_result_bytes,
            kinds=self.kinds(ticket),
        )

    def kinds(self, ticket: Ticket) -> tuple[str, ...]:
        """Return the media types that a result may have."""
        del ticket
        return VIDEO

    def is_own(self, url: str) -> bool:
        """Return whether an address is at the provider's configured origin."""
        try:
            return origin(httpx.URL(url)) == origin(httpx.URL(self.base))
        except httpx.InvalidURL:
            return False

    # Stopping

    def abilities(self, wire: Mapping[str, Any]) -> Abilities:
        """Return what the provider allows; an engine that overrides ``cancel`` can cancel."""
        del wire
        return Abilities(cancels=type(self).cancel is not HostedEngine.cancel)

    async def cancel(self, ticket: Ticket) -> None:
        """Say that the provider can't stop a job."""
        raise ProviderError(
            "the provider can't stop a job.", trouble=Trouble.INVALID, where=f"{self.name}/{ticket.model}"
        )

    async def stop(self, method: str, path: str) -> Reply:
        """Send a cancel call."""
        return await self.wire.ask(
            self.service, method, f"{self.base}{path}", purpose=Purpose.CANCEL, headers=self.headers
        )

    # Words

    def unclear(self, why: str) -> ProviderError:
        """Return the error for an answer to a poll that can't be used: asked again later."""
        return unanswered(self.service, Purpose.READ, why, host="", sent=True)

    def line(self, error: Said) -> str:
        """Return a provider's words in one short line without secrets."""
        words = error.message or " ".join(error.codes)
        return one_line(words, self.service.secrets)


def money(amount: Any, usd_each: str = "1") -> MicroUsd | None:
    """Return what a provider says it charged, in micro-USD; ``None`` if it is no amount.

    Args:
        amount: A number of dollars or credits.
        usd_each: What one of them is worth.
    """
    if isinstance(amount, bool) or not isinstance(amount, (int, float, str)):
        return None
    try:
        value = Decimal(str(amount)) * Decimal(usd_each)
        return usd(value) if value >= 0 else None
    except (ValueError, ArithmeticError):
        return None


def deep(data: Any, path: str) -> Any:
    """Return a value in JSON objects and lists by its dotted path, such as ``images.0.url``; ``None`` if not there."""
    for step in path.split("."):
        if isinstance(data, dict):
            data = cast("dict[str, Any]", data).get(step)
        elif isinstance(data, list) and step.isdigit():
            data = dict(enumerate(cast("list[Any]", data))).get(int(step))
        else:
            return None
    return data


def _base_url(text: str, setting: str) -> str:
    base = text.strip().rstrip("/")
    try:
        url = httpx.URL(base)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query:
        raise ConfigurationError(
            "it is no address.",
            where=setting,
            remedy="Set it to an address such as https://host/path, or leave it out.",
        )
    return base
