"""OpenRouter: many providers' video models behind one API and one account.

Submit ``POST /videos``, poll ``GET /videos/{id}``, download ``GET /videos/{id}/content?index=0``. Sources: the types of
its Python SDK 1.3.84, and openrouter.ai/docs/api_reference/videos (read 2026-11-20).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import quote

from pipeline.control.request import GenerationRequest, Image
from pipeline.engines.base import JobState, Order, Report, Ticket
from pipeline.engines.hosted import HostedEngine, money
from pipeline.engines.wording import Unsayable, Wording
from pipeline.errors import Trouble


class OpenRouterWire(Wording):
    """Fields of ``wire`` for the engine ``openrouter``.

    Pictures go into ``frame_images`` and ``input_references``; ``yes`` says that the model takes them. Fields of the
    provider behind it (a negative prompt, say) have dotted names: ``provider.options.<slug>.parameters.<field>``.
    """

    usual: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "duration": "duration",
            "resolution": "resolution",
            "aspect_ratio": "aspect_ratio",
            "size": "size",
            "seed": "seed",
            "audio": "generate_audio",
            "first_frame": "frame_images",
            "last_frame": "frame_images_last",
            "references": "input_references",
        }
    )

    def placed(self, request: GenerationRequest, pictures: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``frame_images`` and ``input_references``."""

        def entry(image: Image) -> dict[str, Any]:
            return {"type": "image_url", "image_url": {"url": pictures[image.sha256]}}

        frames: list[dict[str, Any]] = []
        for kind, image, taken in (
            ("first_frame", request.first_frame, self.first_frame),
            ("last_frame", request.last_frame, self.last_frame),
        ):
            if image is not None and not taken:
                raise Unsayable(f"its wire says nothing of {kind}, so such a picture can't be sent")
            if image is not None:
                frames.append({**entry(image), "frame_type": kind})
        if request.references and not self.references:
            raise Unsayable("its wire says nothing of references, so such pictures can't be sent")
        said: dict[str, Any] = {"frame_images": frames} if frames else {}
        if request.references:
            said["input_references"] = [entry(image) for image in request.references]
        return said


class OpenRouterEngine(HostedEngine[OpenRouterWire]):
    """OpenRouter's video API.

    It can't stop a job, and can't look for one whose create call was not answered: it has neither cancel, list nor
    idempotency keys. It tells no progress. It tells the price it charged (``usage.cost``).

    Unverified: that pictures may be ``data:`` URIs (its guides show https addresses; its chat API takes both), and the
    words of its errors; statuses are documented (402 funds, 403 moderation, 404 model).
    """

    name = "openrouter"
    key_setting = "OPENROUTER_API_KEY"
    address_setting = "DAILIES_OPENROUTER_BASE_URL"
    address = "https://openrouter.ai/api/v1"
    wording = OpenRouterWire
    poll_every_s = 10.0
    states = MappingProxyType(
        {
            "pending": JobState.QUEUED,
            "in_progress": JobState.RUNNING,
            "completed": JobState.SUCCEEDED,
            "failed": JobState.FAILED,
            "expired": JobState.FAILED,
            "cancelled": JobState.CANCELLED,
        }
    )
    codes: ClassVar[Mapping[str, Trouble]] = MappingProxyType({})

    async def create(self, order: Order) -> Ticket:
        """Ask for a job, once."""
        words = self.words(order.wire, order.model)
        body = {"model": words.model or order.model, **await self.body(words, order)}
        reply = await self.ask(order, "/videos", body)
        return self.ticket(order, reply.data.get("id"))

    async def poll(self, ticket: Ticket) -> Report:
        """Return where a job stands."""
        job = f"/videos/{quote(ticket.job, safe='')}"
        reply = await self.look(job)
        if isinstance(reply, Report):
            return reply
        usage = reply.data.get("usage")
        return self.report(
            reply.data.get("status"),
            failure=reply.data.get("error"),
            charged=money(usage.get("cost")) if isinstance(usage, dict) else None,
            url=f"{self.base}{job}/content?index=0",
        )
