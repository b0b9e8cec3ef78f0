"""DashScope: Alibaba's Wan and HappyHorse on Model Studio.

Sources: dashscope 2.0.2 (aigc/video_synthesis.py, client/base_api.py, common/constants.py); alibabacloud.com/help
model-studio (manage-asynchronous-tasks, error-code), read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import quote

from pydantic import Field

from pipeline.control.request import GenerationRequest, Image
from pipeline.engines.base import JobState, Order, Report, Ticket
from pipeline.engines.hosted import HostedEngine, deep
from pipeline.engines.wording import Name, Unsayable, Wording
from pipeline.errors import Trouble

SYNTHESIS: Final = "/services/aigc/video-generation/video-synthesis"
_CONFIRM_S: Final = 1.0


class DashScopeWire(Wording):
    """Fields of ``wire`` for the engine ``dashscope``.

    Pictures lie in ``input.media``, named by their types; a name with dots is a field instead, as models up to Wan 2.6
    have them (``first_frame: input.img_url``).
    """

    usual: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "duration": "parameters.duration",
            "resolution": "parameters.resolution",
            "aspect_ratio": "parameters.ratio",
            "size": "parameters.size",
            "seed": "parameters.seed",
            "audio": "parameters.audio",
            "negative_prompt": "input.negative_prompt",
            "first_frame": "first_frame",
            "last_frame": "last_frame",
            "references": "reference_image",
        }
    )
    own: ClassVar[frozenset[str]] = frozenset({"model", "input.media"})
    between: ClassVar[str] = "*"

    prompt: Name = "input.prompt"
    """The prompt."""
    path: str = Field(SYNTHESIS, pattern=r"^/[a-z0-9/-]{1,100}$")
    """Endpoint; some models of before have another (``/services/aigc/image2video/video-synthesis``)."""

    def placed(self, request: GenerationRequest, pictures: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``input.media``, or the fields that hold pictures."""
        media: list[dict[str, Any]] = []
        said: dict[str, Any] = {}

        def add(image: Image, name: str | None, what: str) -> None:
            if name is None:
                raise Unsayable(f"its wire says nothing of {what}, so such a picture can't be sent")
            if "." in name:
                said[name] = pictures[image.sha256]
            else:
                media.append({"type": name, "url": pictures[image.sha256]})

        if request.first_frame is not None:
            add(request.first_frame, self.first_frame, "first_frame")
        if request.last_frame is not None:
            add(request.last_frame, self.last_frame, "last_frame")
        for image in request.references:
            add(image, self.references, "references")
        return said | ({"input.media": media} if media else {})


class DashScopeEngine(HostedEngine[DashScopeWire]):
    """Model Studio's asynchronous tasks, in Singapore unless another address is set; keys belong to a region.

    Only a task that waits can be stopped. A task whose create call was not answered can't be looked for: tasks are
    listed, but tell nothing of ours. It tells no progress and no cost (only the seconds it made, kept as a fact), and
    has no callbacks. Tasks and clips are kept for 24 hours.

    Unverified: how many characters a picture may have as a data URI.
    """

    name = "dashscope"
    key_setting = "DASHSCOPE_API_KEY"
    address_setting = "DAILIES_DASHSCOPE_BASE_URL"
    address = "https://dashscope-intl.aliyuncs.com/api/v1"
    wording = DashScopeWire
    poll_every_s = 15.0  # as its documentation advises
    codes = MappingProxyType(
        {
            "datainspectionfailed": Trouble.REFUSED,
            "ipinfringementsuspect": Trouble.REFUSED,
            "arrearage": Trouble.OUT_OF_FUNDS,
            "modelnotfound": Trouble.RETIRED,
            "unsupportedoperation": Trouble.INVALID,
        }
    )
    states = MappingProxyType(
        {
            "PENDING": JobState.QUEUED,
            "SUSPENDED": JobState.QUEUED,
            "RUNNING": JobState.RUNNING,
            "SUCCEEDED": JobState.SUCCEEDED,
            "FAILED": JobState.FAILED,
            "CANCELED": JobState.CANCELLED,
        }
    )

    async def create(self, order: Order) -> Ticket:
        """Ask for a task, once."""
        words = self.words(order.wire, order.model)
        body = {"model": words.model or order.model, **await self.body(words, order)}
        reply = await self.ask(order, words.path, body, {"X-DashScope-Async": "enable"})
        return self.ticket(order, deep(reply.data, "output.task_id"))

    async def poll(self, ticket: Ticket) -> Report:
        """Return where a task stands; one that is twice ``UNKNOWN`` is gone."""
        task = f"/tasks/{quote(ticket.job, safe='')}"
        reply = await self.look(task)
        if not isinstance(reply, Report) and deep(reply.data, "output.task_status") == "UNKNOWN":
            await self.wire.sleep(_CONFIRM_S)
            reply = await self.look(task)
        if isinstance(reply, Report):
            return reply
        output, made_s = reply.data.get("output"), deep(reply.data, "usage.duration")
        word = deep(output, "task_status")
        if word == "UNKNOWN":
            return Report(
                JobState.GONE, reason="the provider does not know the task (older than a day, another region)"
            )
        return self.report(
            word,
            failure=output,
            url=deep(output, "video_url"),
            facts={"billed_seconds": made_s} if isinstance(made_s, (int, float)) else {},
        )

    async def cancel(self, ticket: Ticket) -> None:
        """Stop a task that waits; the provider refuses it of any other."""
        await self.stop("POST", f"/tasks/{quote(ticket.job, safe='')}/cancel")
