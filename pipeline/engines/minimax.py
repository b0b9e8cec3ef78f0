"""MiniMax: H3 through its second API (``/v2``), Hailuo through its first (``/v1``).

Sources: platform.minimax.io/docs/api-reference (video-generation-v2-create, -query, -list with their OpenAPI file; the
first API's OpenAPI file and error codes), read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote

from pipeline.control.request import GenerationRequest
from pipeline.engines.base import Abilities, JobState, Order, Report, Ticket
from pipeline.engines.classify import Said, said
from pipeline.engines.content import ContentWire
from pipeline.engines.enveloped import EnvelopedEngine
from pipeline.engines.hosted import deep
from pipeline.engines.wording import Unsayable, Wording
from pipeline.errors import ProviderError, Trouble

if TYPE_CHECKING:
    from pipeline.engines.http import Reply


class MiniMaxWire(ContentWire):
    """Fields of ``wire`` for the engine ``minimax``.

    A model of the first API says ``api: v1``, and its own names: ``prompt: prompt``, ``first_frame:
    first_frame_image``, ``last_frame: last_frame_image``.
    """

    usual: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "duration": "duration",
            "resolution": "resolution",
            "aspect_ratio": "ratio",
            "first_frame": "first_frame",
            "last_frame": "last_frame",
            "references": "reference_image",
        }
    )

    api: Literal["v1", "v2"] = "v2"
    """Which of the two APIs."""

    def placed(self, request: GenerationRequest, pictures: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``content``, or the first API's fields."""
        if self.api == "v2":
            return super().placed(request, pictures)
        if request.references:
            raise Unsayable("references can't be sent through the first API")
        return Wording.placed(self, request, pictures)


class MiniMaxEngine(EnvelopedEngine[MiniMaxWire]):
    """MiniMax's two video APIs.

    The second API can stop a task that waits, the first none. Neither can look for a task whose create call was not
    answered (the second lists tasks, but tells nothing of ours with them), and neither tells progress or costs. The
    first answers 200 whatever happened, with a number in ``base_resp``. Callbacks are unsigned: they are not used.

    Unverified: how a retired model is told (a wrong parameter, it seems: another model is asked all the same); the
    numbers in the errors of H3's tasks (taken: those of the first API); that a task that was stopped is told as
    ``cancelled``; the words for a task that is not known (``record not found`` with 500, or ``invalid task_id``).
    """

    name = "minimax"
    key_setting = "MINIMAX_API_KEY"
    address_setting = "DAILIES_MINIMAX_BASE_URL"
    address = "https://api.minimax.io"
    wording = MiniMaxWire
    poll_every_s = 10.0
    telling = frozenset({400, 500})
    codes = MappingProxyType(
        {
            "1002": Trouble.CAPACITY,
            "1004": Trouble.OUT_OF_FUNDS,
            "1008": Trouble.OUT_OF_FUNDS,
            "1026": Trouble.REFUSED,
            "1027": Trouble.REFUSED,
            "1042": Trouble.INVALID,
            "2013": Trouble.INVALID,
            "2049": Trouble.OUT_OF_FUNDS,
            "2056": Trouble.OUT_OF_FUNDS,
            "unprocessable_entity_error": Trouble.REFUSED,  # 422: documented for sensitive content alone
            "insufficient_balance_error": Trouble.OUT_OF_FUNDS,
        }
    )
    states = MappingProxyType(
        {
            "queued": JobState.QUEUED,
            "running": JobState.RUNNING,
            "succeeded": JobState.SUCCEEDED,
            "failed": JobState.FAILED,
            "cancelled": JobState.CANCELLED,
            "Preparing": JobState.QUEUED,
            "Queueing": JobState.QUEUED,
            "Processing": JobState.RUNNING,
            "Success": JobState.SUCCEEDED,
            "Fail": JobState.FAILED,
        }
    )

    def abilities(self, wire: Mapping[str, Any]) -> Abilities:
        """Return that tasks of the second API can be stopped."""
        return Abilities(cancels=self.words(wire, "").api == "v2")

    def wrong(self, reply: Reply) -> Said | None:
        """Return the error of a 4xx or 5xx, or of a ``base_resp`` that is not 0."""
        if reply.status >= 400:
            return said(reply.data)
        code = deep(reply.data, "base_resp.status_code")
        if code in (0, None) or reply.data.get("status") == "Fail":
            return None
        return Said((str(code),), str(deep(reply.data, "base_resp.status_msg") or ""))

    def unknown(self, error: Said) -> bool:
        """Return whether an error says that there is no such task."""
        return any(words in error.message.lower() for words in ("record not found", "invalid task_id"))

    async def create(self, order: Order) -> Ticket:
        """Ask for a task, once."""
        words = self.words(order.wire, order.model)
        body = {"model": words.model or order.model, **await self.body(words, order)}
        reply = await self.ask(order, f"/{words.api}/video_generation", body)
        return self.ticket(order, reply.data.get("task_id"), api=words.api)

    async def poll(self, ticket: Ticket) -> Report:
        """Return where a task stands."""
        task = quote(ticket.job, safe="")
        if ticket.data["api"] == "v1":
            return await self._poll_first(task)
        reply = await self.look(f"/v2/query/video_generation/{task}")
        if isinstance(reply, Report):
            return reply
        return self.report(
            deep(reply.data, "task.status"),
            failure=deep(reply.data, "task.error"),
            url=deep(reply.data, "task.content.url"),
        )

    async def _poll_first(self, task: str) -> Report:
        reply = await self.look(f"/v1/query/video_generation?task_id={task}")
        if isinstance(reply, Report):
            return reply
        word, url = reply.data.get("status"), None
        if self.states.get(str(word)) is JobState.SUCCEEDED:
            file = await self.look(f"/v1/files/retrieve?file_id={quote(str(reply.data.get('file_id')), safe='')}")
            url = None if isinstance(file, Report) else deep(file.data, "file.download_url")
        code, message = (deep(reply.data, f"base_resp.{name}") for name in ("status_code", "status_msg"))
        failure = Said((str(code),), f"{message} ({code})") if code else None
        return self.report(word, failure=failure, url=url)

    async def cancel(self, ticket: Ticket) -> None:
        """Stop a task that waits; of one that has ended, the same call could remove the clip."""
        if ticket.data["api"] == "v1":
            await super().cancel(ticket)
        if (await self.poll(ticket)).state is not JobState.QUEUED:
            raise ProviderError(
                "only a task that waits can be stopped.", trouble=Trouble.INVALID, where=f"{self.name}/{ticket.model}"
            )
        await self.stop("DELETE", f"/v2/video_generation/{quote(ticket.job, safe='')}")
