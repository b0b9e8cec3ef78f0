"""DashScope's asynchronous tasks: sources in pipeline/engines/dashscope.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.provider.exchange import Exchange
from tests.provider.showing import View
from tests.provider.wires import Wire

if TYPE_CHECKING:
    from tests.provider.app import Provider as Desk


class Provider(Wire):
    """``POST /services/aigc/.../video-synthesis``, ``GET /tasks/{id}``, ``POST /tasks/{id}/cancel``."""

    name = "dashscope"
    errors = {
        "moderation_blocked": (400, "DataInspectionFailed"),
        "insufficient_quota": (400, "Arrearage"),
        "invalid_api_key": (401, "InvalidApiKey"),
        "model_not_found": (404, "ModelNotFound"),
        "invalid_value": (400, "InvalidParameter"),
        "rate_limit_exceeded": (429, "Throttling.RateQuota"),
        "queue_full": (429, "Throttling"),
        "server_error": (500, "InternalError"),
    }
    fails = {"moderation_blocked": "DataInspectionFailed", "server_error": "InternalError.Algo"}
    texts = {"DataInspectionFailed": "Input or output data may contain inappropriate content."}
    states = {
        "queued": "PENDING",
        "in_progress": "RUNNING",
        "completed": "SUCCEEDED",
        "failed": "FAILED",
        "cancelled": "CANCELED",
    }

    async def serve(self, desk: Desk, exchange: Exchange, path: str, account: str) -> None:
        match exchange.method, path.strip("/").split("/"):
            case "POST", ["services", "aigc", _, "video-synthesis"]:
                if exchange.header("x-dashscope-async") != "enable":
                    await exchange.error(403, "AccessDenied", "current user api does not support synchronous calls")
                    return
                await desk.create(exchange, account)
            case "GET", ["tasks", identity]:
                if job := await desk.find(exchange, identity, account):
                    await desk.tell(exchange, job, self.shown)
            case "POST", ["tasks", identity, "cancel"]:
                if job := await desk.find(exchange, identity, account):
                    if await desk.stop_queued(job):
                        await exchange.json(200, {"request_id": self.new_id()})
                        return
                    await exchange.error(400, "UnsupportedOperation", "Failed to cancel the task: it is not PENDING.")
            case _:
                await self.nowhere(exchange)

    def read(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        told, parameters = body.get("input") or {}, body.get("parameters") or {}
        width, _, height = str(parameters.get("size", "")).partition("*")
        return {
            "model": body.get("model", ""),
            "prompt": told.get("prompt"),
            "seconds": parameters.get("duration", 5),
            "size": (int(width), int(height)) if height else None,
            "resolution": parameters.get("resolution", "1080P"),
            "ratio": parameters.get("ratio", "16:9"),
            "seed": parameters.get("seed", ""),
            "sound": parameters.get("audio", True),
        }

    def created(self, view: View, exchange: Exchange) -> tuple[int, Any]:
        return 200, {"output": {"task_id": view.id, "task_status": "PENDING"}, "request_id": self.new_id()}

    def shown(self, view: View) -> tuple[int, Any]:
        output: dict[str, Any] = {"task_id": view.id, "task_status": self.states.get(view.status, view.status)}
        said: dict[str, Any] = {"request_id": self.new_id(), "output": output}
        if view.code:
            code = self.fails.get(view.code, view.code)
            output |= {"code": code, "message": self.text(code)}
        if view.url:
            output["video_url"] = view.url
            said["usage"] = {"duration": float(view.asked.seconds), "video_count": 1, "SR": 720}
        return 200, said

    def error(self, status: int, code: str, message: str) -> tuple[int, Any]:
        if code == "not_found" and "Video" in message:
            output = {"task_id": message.split("'")[1], "task_status": "UNKNOWN"}
            return 200, {"request_id": self.new_id(), "output": output}
        return super().error(status, code, message)

    def error_body(self, status: int, word: str, message: str) -> Any:
        return {"code": word, "message": self.text(word), "request_id": self.new_id()}
