"""Ark: ByteDance's Seedance on BytePlus ModelArk and on Volcengine Ark, which speak the same.

Sources: byteplussdkarkruntime of byteplus-python-sdk-v2 3.0.63 (resources and types of content_generation),
docs.byteplus.com ModelArk (error codes; retrieve task), read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import quote

from pipeline.engines.base import Abilities, Found, JobState, Order, Reconciled, Report, Ticket
from pipeline.engines.content import ContentWire
from pipeline.engines.hosted import HostedEngine, deep
from pipeline.engines.listing import REFERENCE, Pages, looked_up
from pipeline.engines.wording import Name
from pipeline.errors import ProviderError, Trouble

TASKS: Final = "/contents/generations/tasks"


class ArkWire(ContentWire):
    """Fields of ``wire`` for the engine ``ark``. Seedance 2 takes neither seed nor a count of frames."""

    usual: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "duration": "duration",
            "num_frames": "frames",
            "resolution": "resolution",
            "aspect_ratio": "ratio",
            "seed": "seed",
            "audio": "generate_audio",
            "first_frame": "first_frame",
            "last_frame": "last_frame",
            "references": "reference_image",
        }
    )

    reference: Name | None = None
    """A field that the provider keeps and tells again with the task, in which our own id of the take is sent, so that
    a task whose create call was not answered can be looked for. ``safety_identifier`` is the only one there is; it is
    meant for the id of your user, so nothing is sent unless you say so."""


class ArkEngine(HostedEngine[ArkWire]):
    """Seedance on ModelArk (the default address) or Ark (``https://ark.cn-beijing.volces.com/api/v3``).

    Only a task that waits can be stopped. A task whose create call was not answered is looked for in the list, if
    ``wire.reference`` names a field for it; else it can't be. It tells no progress, and what a task cost only in
    tokens: they are kept as a fact. Its callbacks are unsigned: they are not used.

    Unverified: that the list tells ``safety_identifier`` (its types say so; if it does not, nothing is found, and
    nothing is called absent while any newer task is listed); how many characters a picture may have.
    """

    name = "ark"
    key_setting = "ARK_API_KEY"
    address_setting = "DAILIES_ARK_BASE_URL"
    address = "https://ark.ap-southeast.bytepluses.com/api/v3"
    wording = ArkWire
    poll_every_s = 10.0
    codes = MappingProxyType(
        {
            "accountoverdueerror": Trouble.OUT_OF_FUNDS,
            "modelnotopen": Trouble.OUT_OF_FUNDS,  # the account has not switched the model on
            "setlimitexceeded": Trouble.OUT_OF_FUNDS,  # the account's own limit for the model
            "invalidendpointormodel.notfound": Trouble.RETIRED,
            "invalidendpoint.closedendpoint": Trouble.RETIRED,
        }
    )
    states = MappingProxyType(
        {
            "queued": JobState.QUEUED,
            "running": JobState.RUNNING,
            "succeeded": JobState.SUCCEEDED,
            "failed": JobState.FAILED,
            "expired": JobState.FAILED,
            "cancelled": JobState.CANCELLED,
        }
    )

    def abilities(self, wire: Mapping[str, Any]) -> Abilities:
        """Return that tasks can be stopped, and looked for if they carry our own id."""
        return Abilities(cancels=True, reconciles=self.words(wire, "").reference is not None)

    async def create(self, order: Order) -> Ticket:
        """Ask for a task, once."""
        words = self.words(order.wire, order.model)
        body = {"model": words.model or order.model, **await self.body(words, order)}
        if words.reference is not None:
            body[words.reference] = order.intent
        reply = await self.ask(order, TASKS, body)
        return self.ticket(order, reply.data.get("id"))

    async def poll(self, ticket: Ticket) -> Report:
        """Return where a task stands."""
        reply = await self.look(f"{TASKS}/{quote(ticket.job, safe='')}")
        if isinstance(reply, Report):
            return reply
        data = reply.data
        word, told = data.get("status"), {"tokens": deep(data, "usage.total_tokens"), "seed": data.get("seed")}
        return self.report(
            word,
            failure=data.get("error") or ("it waited too long and expired" if word == "expired" else None),
            url=deep(data, "content.video_url"),
            facts={name: value for name, value in told.items() if isinstance(value, int)},
        )

    async def cancel(self, ticket: Ticket) -> None:
        """Stop a task that waits; of one that has ended, the same call would remove the clip."""
        if (await self.poll(ticket)).state is not JobState.QUEUED:
            raise ProviderError(
                "only a task that waits can be stopped.", trouble=Trouble.INVALID, where=f"{self.name}/{ticket.model}"
            )
        await self.stop("DELETE", f"{TASKS}/{quote(ticket.job, safe='')}")

    async def reconcile(self, order: Order, ours: frozenset[str]) -> Reconciled:
        """Look for a task in the list, if it carries our own id."""
        words = self.words(order.wire, order.model)
        if words.reference is None:
            return Reconciled(Found.UNTOLD)
        field = words.reference

        def entry(task: Mapping[str, Any]) -> dict[str, Any]:
            return {"id": task.get("id"), "created_at": task.get("created_at"), REFERENCE: task.get(field)}

        pages = Pages(TASKS, "page_num", "page_size", "items", entry)
        return await looked_up(self, pages, order, ours)
