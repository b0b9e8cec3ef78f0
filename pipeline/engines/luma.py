"""Luma: ray-3.2 through its Agents API.

Sources: luma_agents 0.5.0 (types of generations); docs.agents.lumalabs.ai, read 2026-11. The older Dream Machine API
(ray-2) is another one and has no engine.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import quote

from pipeline.control.request import GenerationRequest
from pipeline.engines.base import JobState, Order, Report, Ticket
from pipeline.engines.classify import Said
from pipeline.engines.hosted import HostedEngine, deep
from pipeline.engines.pictures import picture
from pipeline.engines.wording import Wording
from pipeline.errors import Trouble

PICTURE_BYTES: Final = 10_000_000
_GRID: Final = 24
"""Keyframes are placed by their number at 24 frames per second."""
_LONG: Final = "10s"
"""Clips of this length take keyframes in place of start and end frame."""


class LumaWire(Wording):
    """Fields of ``wire`` for the engine ``luma``. Lengths are told as ``5s``: ``duration: {form: seconds}``."""

    usual: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "duration": "video.duration",
            "resolution": "video.resolution",
            "aspect_ratio": "aspect_ratio",
            "first_frame": "video.start_frame",
            "last_frame": "video.end_frame",
        }
    )
    own: ClassVar[frozenset[str]] = frozenset({"model", "type", "video.keyframes", "video.keyframe_indexes"})

    def body(
        self, model: str, request: GenerationRequest, pictures: Mapping[str, Any], *, where: str = ""
    ) -> dict[str, Any]:
        """Return the JSON body; start and end frame become keyframes in a clip that is too long for them."""
        said = super().body(model, request, pictures, where=where)
        video = said.get("video")
        if isinstance(video, dict) and deep(video, "duration") == _LONG:
            ends = ((request.first_frame, 0), (request.last_frame, int(_LONG[:-1]) * _GRID))
            placed = [(pictures[image.sha256], index) for image, index in ends if image is not None]
            if placed:
                kept = {name: value for name, value in video.items() if name not in ("start_frame", "end_frame")}
                frames, indexes = zip(*placed, strict=True)
                said["video"] = {**kept, "keyframes": list(frames), "keyframe_indexes": list(indexes)}
        return said


class LumaEngine(HostedEngine[LumaWire]):
    """Luma's Agents API, for video.

    It can't stop a generation, and can't look for one whose create call was not answered: it has neither lists of
    generations nor idempotency keys. It tells neither progress nor cost, and has no callbacks. Result addresses are
    good for an hour; every poll tells a new one. References go with its picture models only, which have no engine here.

    Unverified: how large pictures may be; what a model that is gone, an empty account and a prompt that moderation
    refuses at once are answered with (402, and its codes for failed generations, are understood).
    """

    name = "luma"
    key_setting = "LUMA_AGENTS_API_KEY"
    address_setting = "DAILIES_LUMA_BASE_URL"
    address = "https://agents.lumalabs.ai/v1"
    wording = LumaWire
    codes = MappingProxyType(
        {
            "content_moderated": Trouble.REFUSED,
            "budget_exhausted": Trouble.OUT_OF_FUNDS,
            "image_too_large": Trouble.INVALID,
            "unsupported_format": Trouble.INVALID,
            "corrupt_input": Trouble.INVALID,
            "invalid_request": Trouble.INVALID,
        }
    )
    states = MappingProxyType(
        {
            "queued": JobState.QUEUED,
            "processing": JobState.RUNNING,
            "completed": JobState.SUCCEEDED,
            "failed": JobState.FAILED,
        }
    )

    def picture(self, path: Path) -> dict[str, str]:
        """Return a picture as Luma takes it inline."""
        kind, raw = picture(path, PICTURE_BYTES)
        return {"data": base64.b64encode(raw).decode("ascii"), "media_type": kind}

    async def create(self, order: Order) -> Ticket:
        """Ask for a generation, once."""
        words = self.words(order.wire, order.model)
        body = {"type": "video", "model": words.model or order.model, **await self.body(words, order)}
        reply = await self.ask(order, "/generations", body)
        return self.ticket(order, reply.data.get("id"))

    async def poll(self, ticket: Ticket) -> Report:
        """Return where a generation stands."""
        reply = await self.look(f"/generations/{quote(ticket.job, safe='')}")
        if isinstance(reply, Report):
            return reply
        data = reply.data
        code, reason = data.get("failure_code"), data.get("failure_reason")
        failure = Said((str(code),) if code else (), str(reason or ""))
        return self.report(data.get("state"), failure=failure, url=deep(data, "output.0.url"))
