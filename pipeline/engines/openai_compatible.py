"""``/v1/videos`` as many serve it: vLLM-Omni, SGLang, LiteLLM proxies, resellers.

``POST /videos`` creates (multipart), ``GET /videos/{id}`` polls, ``GET /videos/{id}/content`` delivers. Everything
beyond that is said by the model's ``wire`` in the registry (:mod:`pipeline.engines.openai_wire`); nothing is found out.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

import httpx

from pipeline.engines.base import Abilities, Found, JobState, Order, Reconciled, RemoteEngine, Report, Ticket
from pipeline.engines.classify import Purpose, Service, job_trouble, one_line, said, unanswered
from pipeline.engines.egress import origin
from pipeline.engines.openai_search import MAX_PAGES, PAGE, Listing, Looks, looked_for
from pipeline.engines.openai_wire import VideosWire, form_fields, seconds_of, videos_wire
from pipeline.errors import ConfigurationError, ProviderError, Trouble

if TYPE_CHECKING:
    from pipeline.engines.http import Reply, Wire

BASE_URL: Final = "DAILIES_OPENAI_COMPATIBLE_BASE_URL"
API_KEY: Final = "DAILIES_OPENAI_COMPATIBLE_API_KEY"

_NOT_FOUND: Final = frozenset({404, 410})
_CONFIRM_S: Final = 1.0
_MAX_ID: Final = 200


class OpenAICompatibleEngine(RemoteEngine):
    """Speaks to a server of the OpenAI video format.

    Raises:
        ConfigurationError: If its address is not configured, or is none.
    """

    name = "openai_compatible"
    version = "1"
    max_clip_bytes: ClassVar[int] = 2_000_000_000
    """No clip is larger."""
    settles_s: ClassVar[float] = 60.0
    """Seconds after the longest create call in which a request on its way may still arrive."""

    def __init__(self, wire: Wire, environment: Mapping[str, str]) -> None:
        super().__init__(wire, environment)
        key = environment.get(API_KEY, "").strip()
        self._base = _base_url(environment.get(BASE_URL, ""))
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._service = Service(
            self.name, self._base, key_setting=API_KEY, secrets=(key,) if key else (), codes=MappingProxyType({})
        )

    @classmethod
    def missing_settings(cls, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Return the address's setting if it is missing; a key is not needed everywhere."""
        return () if environment.get(BASE_URL) else (BASE_URL,)

    @classmethod
    def check_wire(cls, wire: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what is wrong with a model's ``wire``."""
        try:
            videos_wire(wire, "")
        except ConfigurationError as error:
            return (error.what,)
        return ()

    def abilities(self, wire: Mapping[str, Any]) -> Abilities:
        """Return what ``wire`` says of cancelling and looking for jobs."""
        understood = videos_wire(wire, self.name)
        return Abilities(cancels=understood.cancel != "none", reconciles=understood.reconcile != "none")

    async def create(self, order: Order) -> Ticket:
        """Ask for a job, once."""
        wire = videos_wire(order.wire, order.model)
        form = await self._form(wire, order)
        reply = await self.wire.ask(
            self._service,
            "POST",
            f"{self._base}/videos",
            not_after=order.not_after,
            headers={**self._headers, "Idempotency-Key": order.intent},
            files=form,
        )
        job = _id_of(reply.data)
        if job is None:
            raise unanswered(self._service, Purpose.CREATE, "the answer names no job.", host="", sent=True)
        return Ticket(job=job, model=order.model, wire=order.wire)

    async def poll(self, ticket: Ticket) -> Report:
        """Return where a job stands; a job that the server twice does not know is gone."""
        wire = videos_wire(ticket.wire, ticket.model)
        reply = await self._read(self._job_url(ticket))
        if reply.status in _NOT_FOUND and reply.data:
            # A server behind a balancer, or just restarted, may not know it for a moment.
            await self.wire.sleep(_CONFIRM_S)
            reply = await self._read(self._job_url(ticket))
        if reply.status in _NOT_FOUND:
            if not reply.data:
                raise unanswered(
                    self._service, Purpose.READ, f"a {reply.status} that is not the server's own.", host="", sent=True
                )
            return Report(JobState.GONE, reason=one_line(said(reply.data).message, self._service.secrets))
        return self._report(wire, reply.data)

    async def fetch(self, ticket: Ticket, report: Report, into: Path) -> None:
        """Download the clip."""
        url = report.output.get("url") or f"{self._job_url(ticket)}/content"
        own = origin(httpx.URL(url)) == origin(httpx.URL(self._base)) if _is_url(url) else False
        await self.wire.download(
            self._service, str(url), into, headers=self._headers if own else {}, max_bytes=self.max_clip_bytes
        )

    async def cancel(self, ticket: Ticket) -> None:
        """Ask the server to stop a job, in the way that ``wire`` names."""
        match videos_wire(ticket.wire, ticket.model).cancel:
            case "post":
                method, url = "POST", f"{self._job_url(ticket)}/cancel"
            case "delete":
                method, url = "DELETE", self._job_url(ticket)
            case "none":
                raise ProviderError(
                    "the server can't stop a job.",
                    trouble=Trouble.INVALID,
                    where=f"{self.name}/{ticket.model}",
                    remedy="If it can, say how: wire.cancel in the registry overlay.",
                )
        await self.wire.ask(self._service, method, url, purpose=Purpose.CANCEL, headers=self._headers)

    async def reconcile(self, order: Order, ours: frozenset[str]) -> Reconciled:
        """Look for a job whose create call was not answered, in the way that ``wire`` names."""
        wire = videos_wire(order.wire, order.model)
        match wire.reconcile:
            case "none":
                return Reconciled(Found.UNTOLD)
            case "idempotency":
                return await self._asked_again(order)
            case "list":
                return await self._listed(wire, order, ours)

    async def _asked_again(self, order: Order) -> Reconciled:
        """Repeat the create call with its key: the operator says that the server answers with the same job."""
        if any(not path.is_file() for path in order.images.values()) or any(
            image.sha256 not in order.images for image in order.request.images()
        ):
            return Reconciled(Found.UNTOLD)
        if (self.wire.clock() - order.asked_at).total_seconds() > self.reconcile_within_s:
            return Reconciled(Found.UNTOLD)  # by now its key may be forgotten, and asking would be asking anew
        # A refusal now says nothing of what was accepted then: it is raised, and the job stays unsure.
        return Reconciled(Found.FOUND, await self.create(order), created=True)

    async def _listed(self, wire: VideosWire, order: Order, ours: frozenset[str]) -> Reconciled:
        listing = Listing(asked_at=order.asked_at, clock=self.wire.clock)
        after = ""
        for _ in range(MAX_PAGES):
            params = {"limit": str(PAGE), "order": "desc"} | ({"after": after} if after else {})
            reply = await self.wire.read(self._service, f"{self._base}/videos", headers=self._headers, params=params)
            after = listing.take(reply.data, reply.headers)
            if not after:
                break
        looks = Looks(
            model=wire.model or order.model,
            prompt=order.request.prompt,
            seconds=seconds_of(wire, order.model, order.request) if wire.seconds is not False else None,
            size=f"{order.request.width}x{order.request.height}" if wire.size != "none" else None,
            seed=order.request.seed if wire.seed else None,
            reference=wire.reference,
            intent=order.intent,
        )
        settled_s = self.wire.times.ask + wire.list_lag_s + self.settles_s
        found, job = looked_for(looks, listing, ours, alone=order.alone, settled_s=settled_s)
        return Reconciled(found, Ticket(job, order.model, order.wire) if job is not None else None)

    async def _form(self, wire: VideosWire, order: Order) -> list[tuple[str, tuple[str | None, bytes, str | None]]]:
        """Return the parts of a create call."""
        request = order.request
        texts = form_fields(wire, order.model, request, order.intent)
        parts: list[tuple[str, tuple[str | None, bytes, str | None]]] = [
            (name, (None, value.encode(), None)) for name, value in texts.items()
        ]
        if request.last_frame is not None or request.references:
            raise self._cannot(order, "reference pictures and last frames can't be sent in this format")
        if request.first_frame is not None:
            if not wire.input_reference:
                raise self._cannot(order, "its wire says nothing of input_reference, so a first frame can't be sent")
            path = order.images[request.first_frame.sha256]
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            parts.append(("input_reference", (path.name, await asyncio.to_thread(path.read_bytes), kind)))
        return parts

    def _cannot(self, order: Order, why: str) -> ProviderError:
        return ProviderError(
            f"{why}.",
            trouble=Trouble.INVALID,
            where=f"{self.name}/{order.model}",
            remedy="Correct the model's capabilities and wire in the registry overlay.",
        )

    def _report(self, wire: VideosWire, data: Mapping[str, Any]) -> Report:
        word = str(data.get("status") or "")
        state = wire.state(word)
        facts = {name: data[name] for name in ("seconds", "size", "expires_at") if data.get(name) is not None}
        if state is None:
            facts["unknown_status"] = one_line(word, self._service.secrets, 60)
            state = JobState.RUNNING
        failure = said(data.get("error"))
        if state is JobState.FAILED and {"cancelled", "canceled"} & set(failure.codes):
            state = JobState.CANCELLED
        if state is JobState.SUCCEEDED and wire.result == "url" and not data.get("url"):
            raise unanswered(self._service, Purpose.READ, "the finished job tells no url.", host="", sent=True)
        failed = state is JobState.FAILED
        return Report(
            state,
            progress=_share(data.get("progress")),
            trouble=job_trouble(failure, self._service.codes) if failed else None,
            reason=one_line(failure.message or " ".join(failure.codes), self._service.secrets) if failed else "",
            output={"url": data["url"]} if state is JobState.SUCCEEDED and wire.result == "url" else {},
            facts=facts,
        )

    async def _read(self, url: str) -> Reply:
        return await self.wire.read(self._service, url, headers=self._headers, answers=_NOT_FOUND)

    def _job_url(self, ticket: Ticket) -> str:
        return f"{self._base}/videos/{quote(ticket.job, safe='')}"


def _base_url(text: str) -> str:
    base = text.strip().rstrip("/")
    if not _is_url(base) or httpx.URL(base).userinfo or httpx.URL(base).query:
        raise ConfigurationError(
            "it is no address." if base else "it is not set.",
            where=BASE_URL,
            remedy="Set it to the server's address up to /v1, such as http://gpu.internal:8091/v1; a key goes into"
            f" {API_KEY}.",
        )
    return base


def _is_url(text: Any) -> bool:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError):
        return False
    return url.scheme in {"http", "https"} and bool(url.host)


def _id_of(data: Mapping[str, Any]) -> str | None:
    job = data.get("id")
    job = str(job) if isinstance(job, int) and not isinstance(job, bool) else job
    return job if isinstance(job, str) and 0 < len(job) <= _MAX_ID and job.isprintable() else None


def _share(progress: Any) -> float | None:
    if isinstance(progress, bool) or not isinstance(progress, (int, float)) or not 0 <= progress <= 100:
        return None
    return progress / 100
