"""Luma's Agents API: sources in pipeline/engines/luma.py; proven by its SDK."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.provider.exchange import Exchange
from tests.provider.forms import RequestError
from tests.provider.showing import View
from tests.provider.wires import Wire

if TYPE_CHECKING:
    from tests.provider.app import Provider as Desk


class Provider(Wire):
    """``POST /generations`` (201) and ``GET /generations/{id}``; nothing can be stopped."""

    name = "luma"
    errors = {
        "moderation_blocked": (422, "content_moderated"),
        "insufficient_quota": (402, "budget_exhausted"),
        "invalid_api_key": (401, "unauthorized"),
        "model_not_found": (422, "invalid_request"),
        "invalid_value": (422, "invalid_request"),
        "rate_limit_exceeded": (429, "rate_limited"),
        "queue_full": (429, "rate_limited"),
    }
    fails = {"moderation_blocked": "content_moderated", "server_error": "generation_failed"}
    states = {"in_progress": "processing"}

    async def serve(self, desk: Desk, exchange: Exchange, path: str, account: str) -> None:
        match exchange.method, path.strip("/").split("/"):
            case "POST", ["generations"]:
                await desk.create(exchange, account)
            case "GET", ["generations", identity]:
                if job := await desk.find(exchange, identity, account):
                    await desk.tell(exchange, job, lambda view: (200, self.generation(view)))
            case _:
                await self.nowhere(exchange)

    def read(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        video = body.get("video") or {}
        if body.get("type") != "video":
            raise RequestError("type must be video", "type")
        if video.get("duration", "5s") not in ("5s", "10s"):
            raise RequestError("video.duration must be 5s or 10s", "duration")
        if video.get("duration") == "10s" and {"start_frame", "end_frame"} & set(video):
            raise RequestError("start_frame and end_frame are not supported with 10s", "start_frame")
        if len(video.get("keyframes", [])) != len(video.get("keyframe_indexes", [])):
            raise RequestError("keyframe_indexes must match keyframes", "keyframe_indexes")
        return {
            "model": body.get("model", ""),
            "prompt": body.get("prompt"),
            "seconds": video.get("duration", "5s"),
            "resolution": video.get("resolution", "720p"),
            "ratio": body.get("aspect_ratio", "16:9"),
        }

    def created(self, view: View, exchange: Exchange) -> tuple[int, Any]:
        return 201, self.generation(view)

    def generation(self, view: View) -> dict[str, Any]:
        said: dict[str, Any] = {
            "id": view.id,
            "type": "video",
            "model": view.asked.model,
            "state": self.states.get(view.status, view.status),
            "created_at": datetime.fromtimestamp(view.asked.at, UTC).isoformat(),
            "output": [{"type": "video", "url": view.url}] if view.url else None,
        }
        if view.code:
            code = self.fails.get(view.code, view.code)
            said |= {"failure_code": code, "failure_reason": self.text(code)}
        return said

    def error_body(self, status: int, word: str, message: str) -> Any:
        return {"detail": self.text(word), "code": word}
