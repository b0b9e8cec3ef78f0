"""Runway: its own and other providers' models, as tasks.

Submit ``POST /v1/text_to_video`` or ``/v1/image_to_video``, poll ``GET /v1/tasks/{id}``. Sources: the types of runwayml
5.24.0 and docs.dev.runwayml.com (read 2026-11-20).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal
from urllib.parse import quote

from pydantic import Field

from pipeline.control.request import GenerationRequest
from pipeline.engines.base import JobState, Order, Report, Ticket
from pipeline.engines.classify import Said
from pipeline.engines.hosted import HostedEngine, deep, money
from pipeline.engines.wording import Name, Unsayable, Wording
from pipeline.errors import Trouble
from pipeline.registry.words import Mode

VERSION: Final = "2024-11-06"
CREDIT_USD: Final = "0.01"
"""What a credit costs (docs.dev.runwayml.com/guides/pricing)."""

Path = Literal["text_to_video", "image_to_video", "video_to_video", "text_to_image"]
_PATHS: Final[Mapping[str, Path]] = MappingProxyType(
    {"text-to-image": "text_to_image", "image-to-image": "text_to_image", "text-to-video": "text_to_video"}
)


class RunwayWire(Wording):
    """Fields of ``wire`` for the engine ``runway``.

    The first frame goes into ``promptImage`` as it is, or beside the last one in a list with their positions.
    """

    usual: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "duration": "duration",
            "size": "ratio",
            "aspect_ratio": "ratio",
            "resolution": "resolution",
            "seed": "seed",
            "negative_prompt": "negativePrompt",
            "guidance": "cfgScale",
            "audio": "audio",
            "first_frame": "promptImage",
            "last_frame": "promptImage.last",
            "references": "references",
        }
    )
    between: ClassVar[str] = ":"

    prompt: Name = "promptText"
    """The prompt."""
    paths: dict[Mode, Path] = Field(default_factory=dict)
    """Mode -> endpoint, where it is not the usual one (``image_to_video`` with a first frame)."""

    def placed(self, request: GenerationRequest, pictures: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``promptImage`` and ``references``."""
        first, last, said = request.first_frame, request.last_frame, dict[str, Any]()
        for image, name, what in (
            (first, self.first_frame, "first_frame"),
            (last, self.last_frame, "last_frame"),
            (request.references, self.references, "references"),
        ):
            if image and not name:
                raise Unsayable(f"its wire says nothing of {what}, so such a picture can't be sent")
        if last is not None:
            positions = (("first", first), ("last", last))
            said[self.first_frame or "promptImage"] = [
                {"uri": pictures[image.sha256], "position": position} for position, image in positions if image
            ]
        elif first is not None and self.first_frame:
            said[self.first_frame] = pictures[first.sha256]
        if request.references and self.references:
            said[self.references] = [{"uri": pictures[image.sha256]} for image in request.references]
        return said


class RunwayEngine(HostedEngine[RunwayWire]):
    """Runway's API.

    It can't look for a task whose create call was not answered: it has neither lists nor idempotency keys. It tells
    progress, and what a task cost. Too many tasks at once are not refused: they wait as ``THROTTLED``; 429 is the day's
    cap. A task that runs can be stopped, but only one that waits is paid back. Stopping deletes the task; so one that
    ended in the meantime is lost. Pictures go along as data URIs; larger ones than 5 MB are encoded anew.

    Unverified: the text of an empty account (a 400 whose words name credits), that of a model that is gone, and whether
    a deleted task is told as ``CANCELLED`` (its types say so) or not at all (its guide says so): both are understood.
    """

    name = "runway"
    key_setting = "RUNWAYML_API_SECRET"
    address_setting = "DAILIES_RUNWAY_BASE_URL"
    address = "https://api.dev.runwayml.com"
    wording = RunwayWire
    poll_every_s = 6.0  # no faster than every 5 s, says its guide
    codes = MappingProxyType({"asset.invalid": Trouble.INVALID, "wrong_field:model": Trouble.RETIRED})
    states = MappingProxyType(
        {
            "PENDING": JobState.QUEUED,
            "THROTTLED": JobState.QUEUED,
            "RUNNING": JobState.RUNNING,
            "SUCCEEDED": JobState.SUCCEEDED,
            "FAILED": JobState.FAILED,
            "CANCELLED": JobState.CANCELLED,
        }
    )

    def authorization(self, key: str) -> dict[str, str]:
        """Return Runway's headers."""
        return {"Authorization": f"Bearer {key}", "X-Runway-Version": VERSION}

    async def create(self, order: Order) -> Ticket:
        """Ask for a task, once."""
        words = self.words(order.wire, order.model)
        mode = str(order.request.mode)
        paths = {str(each): path for each, path in words.paths.items()}
        path = paths.get(mode) or _PATHS.get(mode, "image_to_video")
        body = {"model": words.model or order.model, **await self.body(words, order)}
        reply = await self.ask(order, f"/v1/{path}", body)
        return self.ticket(order, reply.data.get("id"))

    async def poll(self, ticket: Ticket) -> Report:
        """Return where a task stands."""
        reply = await self.look(self._task(ticket))
        if isinstance(reply, Report):
            return reply
        data = reply.data
        code, progress = data.get("failureCode"), data.get("progress")
        return self.report(
            data.get("status"),
            progress=float(progress) if isinstance(progress, (int, float)) else None,
            failure=Said((str(code).lower(),) if code else (), str(data.get("failure") or "")),
            charged=money(deep(data, "cost.credits"), CREDIT_USD),
            url=deep(data, "output.0"),
        )

    async def cancel(self, ticket: Ticket) -> None:
        """Stop a task and delete it."""
        await self.stop("DELETE", self._task(ticket))

    @staticmethod
    def _task(ticket: Ticket) -> str:
        return f"/v1/tasks/{quote(ticket.job, safe='')}"
