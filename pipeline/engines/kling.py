"""Kling: Kuaishou's own API, ``/v1/videos/{kind}``.

Sources: Kling's "General Information" (error codes with their statuses) and task pages as public copies hold them, the
OpenAPI file of tryAGI/KlingAI (2026-05), its notice of 2026-01-23 (``final_unit_deduction``); all read 2026-11.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal
from urllib.parse import quote

from pydantic import Field

from pipeline.control.request import GenerationRequest
from pipeline.engines.base import Abilities, Found, JobState, Order, Reconciled, Report, Ticket
from pipeline.engines.classify import Said
from pipeline.engines.enveloped import EnvelopedEngine
from pipeline.engines.hosted import deep
from pipeline.engines.listing import REFERENCE, Pages, looked_up
from pipeline.engines.pictures import picture
from pipeline.engines.wording import Unsayable, Wording
from pipeline.errors import ProviderError, Trouble
from pipeline.registry.words import Mode

if TYPE_CHECKING:
    from pipeline.engines.http import Reply

Kind = Literal["text2video", "image2video", "multi-image2video", "omni-video"]

PICTURE_BYTES: Final = 10_000_000
_MODERATED: Final = re.compile(r"risk control|content (security|policy)|sensitive|policy violation", re.IGNORECASE)


class KlingWire(Wording):
    """Fields of ``wire`` for the engine ``kling``.

    ``resolution`` is told as ``mode`` (``{720p: std, 1080p: pro, 4k: 4k}``), ``duration`` as text, ``audio`` as
    ``sound: on`` or ``off``.
    """

    usual: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "duration": "duration",
            "resolution": "mode",
            "aspect_ratio": "aspect_ratio",
            "negative_prompt": "negative_prompt",
            "guidance": "cfg_scale",
            "audio": "sound",
            "first_frame": "image",
            "last_frame": "image_tail",
            "references": "image_list",
        }
    )
    own: ClassVar[frozenset[str]] = frozenset({"model_name", "external_task_id"})

    paths: dict[Mode, Kind] = Field(default_factory=dict)
    """Mode -> endpoint, where it is not the usual one: ``text2video``, ``image2video`` with a first frame,
    ``multi-image2video`` with references. ``omni-video`` takes all pictures in one list."""

    def kind(self, request: GenerationRequest) -> Kind:
        """Return the endpoint of a request."""
        for mode, kind in self.paths.items():
            if mode == str(request.mode):
                return kind
        if request.references:
            return "multi-image2video"
        return "text2video" if request.first_frame is None else "image2video"

    def body(
        self, model: str, request: GenerationRequest, pictures: Mapping[str, Any], *, where: str = ""
    ) -> dict[str, Any]:
        """Return the JSON body; sound is a word."""
        said = super().body(model, request, pictures, where=where)
        if self.audio is not None and isinstance(wanted := said.get(self.audio), bool):
            said[self.audio] = "on" if wanted else "off"
        return said

    def placed(self, request: GenerationRequest, pictures: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``image`` and ``image_tail``, or one ``image_list``."""
        said = super().placed(request, pictures)
        kind = self.kind(request)
        if kind == "omni-video" and request.images():
            frames = ((request.first_frame, "first_frame"), (request.last_frame, "end_frame"))
            entries = [{"image_url": pictures[image.sha256], "type": role} for image, role in frames if image]
            entries += [{"image_url": pictures[image.sha256]} for image in request.references]
            return {"image_list": entries}
        if request.references and (request.first_frame or request.last_frame):
            raise Unsayable("a first or last frame and references can't be sent together")
        if request.references:
            said[str(self.references)] = [{"image": pictures[image.sha256]} for image in request.references]
        return said


class KlingEngine(EnvelopedEngine[KlingWire]):
    """Kling's API, with its API keys of 2026 (one key as a bearer token).

    It can't stop a task. Our own id of the take goes along as ``external_task_id``, which Kling keeps and can be asked
    for; so a task whose create call was not answered is found, or certainly absent if the complete list does not hold
    it either. It tells no progress, and what a task cost only in units of resource packs, whose price depends on the
    pack: they are kept as a fact. Its callbacks are unsigned: they are not used.

    Not supported: key pairs (access and secret key) of before; they reach models up to 3.0 only.

    Unverified: the texts of tasks that moderation stopped (there are no codes for it), the answer for a task that it
    does not know (taken: 404 with the code 1203), whether its list begins with the newest task (not relied upon).
    """

    name = "kling"
    key_setting = "KLING_API_KEY"
    address_setting = "DAILIES_KLING_BASE_URL"
    address = "https://api-singapore.klingai.com"
    wording = KlingWire
    poll_every_s = 10.0
    codes = MappingProxyType(
        {
            "1100": Trouble.OUT_OF_FUNDS,
            "1101": Trouble.OUT_OF_FUNDS,
            "1102": Trouble.OUT_OF_FUNDS,
            "1103": Trouble.OUT_OF_FUNDS,
            "1304": Trouble.OUT_OF_FUNDS,  # the key may not be used from this address
            "1200": Trouble.INVALID,
            "1201": Trouble.INVALID,
            "1202": Trouble.INVALID,
            "1203": Trouble.RETIRED,  # "the requested resource does not exist, such as the model"
            "1300": Trouble.REFUSED,
            "1301": Trouble.REFUSED,
            "1302": Trouble.CAPACITY,
            "1303": Trouble.CAPACITY,
            "moderated": Trouble.REFUSED,
        }
    )
    states = MappingProxyType(
        {
            "submitted": JobState.QUEUED,
            "processing": JobState.RUNNING,
            "succeed": JobState.SUCCEEDED,
            "failed": JobState.FAILED,
        }
    )

    def abilities(self, wire: Mapping[str, Any]) -> Abilities:
        """Return that tasks can be looked for, and not stopped."""
        del wire
        return Abilities(reconciles=True)

    def picture(self, path: Path) -> str:
        """Return a picture in base64, without the head of a data URI."""
        return base64.b64encode(picture(path, PICTURE_BYTES)[1]).decode("ascii")

    def wrong(self, reply: Reply) -> Said | None:
        """Return the error of a body whose ``code`` is not 0."""
        code = reply.data.get("code")
        return None if code in (0, "0", None) else Said((str(code),), str(reply.data.get("message") or ""))

    async def create(self, order: Order) -> Ticket:
        """Ask for a task, once."""
        words = self.words(order.wire, order.model)
        body = {"model_name": words.model or order.model, **await self.body(words, order)}
        kind = words.kind(order.request)
        reply = await self.ask(order, f"/v1/videos/{kind}", body | {"external_task_id": order.intent})
        return self.ticket(order, deep(reply.data, "data.task_id"), kind=kind)

    async def poll(self, ticket: Ticket) -> Report:
        """Return where a task stands."""
        reply = await self.look(f"/v1/videos/{ticket.data['kind']}/{quote(ticket.job, safe='')}")
        if isinstance(reply, Report):
            return reply
        message = str(deep(reply.data, "data.task_status_msg") or "")
        units = deep(reply.data, "data.final_unit_deduction")
        return self.report(
            deep(reply.data, "data.task_status"),
            failure=Said(("moderated",) if _MODERATED.search(message) else (), message),
            url=deep(reply.data, "data.task_result.videos.0.url"),
            facts={"units": str(units)[:40]} if units else {},
        )

    async def reconcile(self, order: Order, ours: frozenset[str]) -> Reconciled:
        """Look for a task by the id that we gave it, first by itself, then in the list."""
        words = self.words(order.wire, order.model)
        kind = words.kind(order.request)
        try:
            reply = await self.look(f"/v1/videos/{kind}/{quote(order.intent, safe='')}")
        except ProviderError as error:
            if error.trouble is not Trouble.INVALID:
                raise
        else:
            if not isinstance(reply, Report):
                if deep(reply.data, "data.task_info.external_task_id") == order.intent:
                    job = deep(reply.data, "data.task_id")
                    return Reconciled(Found.FOUND, self.ticket(order, job, kind=kind))
                return Reconciled(Found.UNTOLD)
        pages = Pages(f"/v1/videos/{kind}", "pageNum", "pageSize", "data", _entry)
        return await looked_up(self, pages, order, ours, kind=kind)


def _entry(task: Mapping[str, Any]) -> dict[str, Any]:
    at = task.get("created_at")
    return {
        "id": task.get("task_id"),
        "created_at": at / 1000 if isinstance(at, (int, float)) else None,
        REFERENCE: deep(task, "task_info.external_task_id"),
    }
