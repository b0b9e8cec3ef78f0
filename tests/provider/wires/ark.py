"""Ark's ``/contents/generations/tasks``: sources in pipeline/engines/ark.py."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.provider.exchange import Exchange
from tests.provider.forms import RequestError
from tests.provider.showing import View
from tests.provider.wires import Wire, own_views, prompt_in

if TYPE_CHECKING:
    from tests.provider.app import Provider as Desk

_TASKS = ["contents", "generations", "tasks"]


class Provider(Wire):
    """Create, read, list and delete; deleting cancels a task that waits, and removes one that has ended."""

    name = "ark"
    errors = {
        "moderation_blocked": (400, "InputTextSensitiveContentDetected"),
        "insufficient_quota": (403, "AccountOverdueError"),
        "invalid_api_key": (401, "AuthenticationError"),
        "model_not_found": (404, "InvalidEndpointOrModel.NotFound"),
        "not_found": (404, "NotFound.id"),
        "invalid_value": (400, "InvalidParameter"),
        "rate_limit_exceeded": (429, "RateLimitExceeded.EndpointRPMExceeded"),
        "queue_full": (429, "ServerOverloaded"),
        "server_error": (500, "InternalServiceError"),
    }
    fails = {
        "moderation_blocked": "OutputVideoSensitiveContentDetected",
        "server_error": "InternalServiceError",
    }
    states = {"in_progress": "running", "completed": "succeeded"}

    def new_id(self) -> str:
        return f"cgt-20261121-{uuid.uuid4().hex[:8]}"

    async def serve(self, desk: Desk, exchange: Exchange, path: str, account: str) -> None:
        match exchange.method, path.strip("/").split("/"):
            case "POST", where if where == _TASKS:
                await desk.create(exchange, account)
            case "GET", where if where == _TASKS:
                query = exchange.asked()
                size, page = int(query.get("page_size", "10")), int(query.get("page_num", "1"))
                mine = [view for view in own_views(desk, account) if view.asked.heard["path"] == path]
                listed = [self.task(view) for view in reversed(mine)]
                await exchange.json(200, {"total": len(listed), "items": listed[(page - 1) * size : page * size]})
            case "GET", [*where, identity] if where == _TASKS:
                if job := await desk.find(exchange, identity, account):
                    await desk.tell(exchange, job, lambda view: (200, self.task(view)))
            case "DELETE", [*where, identity] if where == _TASKS:
                if job := await desk.find(exchange, identity, account):
                    await desk.stop_or_forget(exchange, job)
            case _:
                await self.nowhere(exchange)

    def read(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if "seedance-2-0" in str(body.get("model")) and {"seed", "frames", "camera_fixed"} & set(body):
            raise RequestError("The parameter seed specified in the request is not valid", "seed")
        prompt, _ = prompt_in(body)
        ratio = body.get("ratio", "adaptive")
        return {
            "model": body.get("model", ""),
            "prompt": prompt,
            "seconds": body.get("duration", 5),
            "resolution": body.get("resolution", "720p"),
            "ratio": "16:9" if ratio == "adaptive" else ratio,
            "seed": body.get("seed", ""),
            "sound": body.get("generate_audio", True),
        }

    def created(self, view: View, exchange: Exchange) -> tuple[int, Any]:
        return 200, {"id": view.id}

    def task(self, view: View) -> dict[str, Any]:
        said: dict[str, Any] = {
            "id": view.id,
            "model": view.asked.model,
            "status": self.states.get(view.status, view.status),
            "created_at": int(view.asked.at),
            "updated_at": int(view.ended_at or view.asked.at),
            "safety_identifier": view.asked.heard["body"].get("safety_identifier"),
        }
        if view.code:
            code = self.fails.get(view.code, view.code)
            said["error"] = {"code": code, "message": self.text(code)}
        if view.status == "completed":
            said["usage"] = {"completion_tokens": 108_900, "total_tokens": 108_900}
        if view.url:
            said["content"] = {"video_url": view.url}
        return said

    def error_body(self, status: int, word: str, message: str) -> Any:
        return {"error": {"code": word, "message": self.text(word), "param": "", "type": "BadRequest"}}
