"""OpenRouter's ``/api/v1/videos``: sources in pipeline/engines/openrouter.py; proven by its SDK."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.provider.exchange import Exchange
from tests.provider.showing import View
from tests.provider.wires import Wire

if TYPE_CHECKING:
    from tests.provider.app import Provider as Desk


class Provider(Wire):
    """``POST /videos`` (202), ``GET /videos/{id}``, ``GET /videos/{id}/content``; nothing can be stopped."""

    name = "openrouter"
    errors = {
        "moderation_blocked": (403, "Request was blocked by the model's moderation."),
        "insufficient_quota": (402, "Insufficient credits. Add more using the credits page."),
        "invalid_api_key": (401, "No auth credentials found"),
        "model_not_found": (404, "The model is no longer available: model not found"),
        "invalid_value": (400, "Invalid input: duration is not supported by this model"),
        "rate_limit_exceeded": (429, "Rate limit exceeded"),
    }
    fails = {"moderation_blocked": "The output was blocked by the provider's content policy."}
    states = {"queued": "pending"}

    def new_id(self) -> str:
        return f"gen-vid-{uuid.uuid4().hex}"

    async def serve(self, desk: Desk, exchange: Exchange, path: str, account: str) -> None:
        match exchange.method, path.strip("/").split("/"):
            case "POST", ["videos"]:
                await desk.create(exchange, account)
            case "GET", ["videos", identity]:
                if job := await desk.find(exchange, identity, account):
                    await desk.tell(exchange, job, lambda view: (200, self.shown(view, exchange)))
            case "GET", ["videos", identity, "content"]:
                if job := await desk.find(exchange, identity, account):
                    await desk.deliver(exchange, job)
            case _:
                await self.nowhere(exchange)

    def read(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "model": body.get("model", ""),
            "prompt": body.get("prompt"),
            "seconds": body.get("duration", 5),
            "resolution": body.get("resolution", "720p"),
            "ratio": body.get("aspect_ratio", "16:9"),
            "seed": body.get("seed", ""),
            "sound": body.get("generate_audio", True),
        }

    def created(self, view: View, exchange: Exchange) -> tuple[int, Any]:
        return 202, {"id": view.id, "polling_url": f"/api/v1/videos/{view.id}", "status": "pending"}

    def shown(self, view: View, exchange: Exchange) -> dict[str, Any]:
        said: dict[str, Any] = {
            "id": view.id,
            "generation_id": f"gen-{view.id[8:]}",
            "polling_url": f"/api/v1/videos/{view.id}",
            "status": self.states.get(view.status, view.status),
        }
        if view.code:
            said["error"] = self.fails.get(view.code, view.message)
        if view.url:
            host = f"http://{exchange.header('host')}/{self.name}"
            said["unsigned_urls"] = [f"{host}/videos/{view.id}/content?index=0"]
            said |= {"urls": [view.url], "expires_at": int(view.ended_at + 3600)}
        if view.ended_at:
            said["usage"] = {"cost": view.charged / 1_000_000, "is_byok": False}
        return said

    def error_body(self, status: int, word: str, message: str) -> Any:
        return {"error": {"code": status, "message": word if " " in word else message}}
