"""fal's queue: sources in pipeline/engines/fal.py. Its client can't be pointed here (it insists on https)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.provider.exchange import Exchange
from tests.provider.showing import View
from tests.provider.wires import Wire

if TYPE_CHECKING:
    from tests.provider.app import Provider as Desk


class Provider(Wire):
    """``POST /{owner}/{app}/...``, and ``/{owner}/{app}/requests/{id}`` with ``/status`` and ``/cancel``."""

    name = "fal"
    errors = {
        "moderation_blocked": (422, "content_policy_violation"),
        "insufficient_quota": (403, "User is locked. Reason: Exhausted balance."),
        "invalid_api_key": (401, "Invalid Key Authorization header"),
        "model_not_found": (404, "Application not found"),
        "invalid_value": (422, "literal_error"),
        "server_error": (500, "internal_error"),
    }
    fails = {"moderation_blocked": "content_policy_violation", "invalid_image": "image_load_error"}
    states = {"queued": "IN_QUEUE", "in_progress": "IN_PROGRESS"} | dict.fromkeys(
        ("completed", "failed", "cancelled"), "COMPLETED"
    )

    def key(self, exchange: Exchange) -> str:
        return exchange.header("authorization").removeprefix("Key ")

    async def serve(self, desk: Desk, exchange: Exchange, path: str, account: str) -> None:
        match exchange.method, path.strip("/").split("/"):
            case "POST", [_, _, *_]:
                await desk.create(exchange, account)
            case "GET", [_, _, "requests", identity, "status"]:
                if job := await desk.find(exchange, identity, account):
                    await desk.tell(exchange, job, self.status, url=False)
            case "GET", [_, _, "requests", identity]:
                if job := await desk.find(exchange, identity, account):
                    await exchange.json(*self.result(await desk.view(exchange, job)))
            case "PUT", [_, _, "requests", identity, "cancel"]:
                if job := await desk.find(exchange, identity, account):
                    done = await desk.stop(job)
                    status = "CANCELLATION_REQUESTED" if done else "ALREADY_COMPLETED"
                    await exchange.json(202 if done else 400, {"status": status})
            case _:
                await self.nowhere(exchange)

    def read(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "model": path.strip("/"),
            "prompt": body.get("prompt"),
            "seconds": body.get("duration", 5),
            "resolution": body.get("resolution", "720p"),
            "ratio": body.get("aspect_ratio", "16:9"),
            "seed": body.get("seed", ""),
            "sound": body.get("generate_audio", True),
        }

    def created(self, view: View, exchange: Exchange) -> tuple[int, Any]:
        owner, app, *_ = view.asked.model.split("/")
        job = f"http://{exchange.header('host')}/{self.name}/{owner}/{app}/requests/{view.id}"
        urls = {"response_url": job, "status_url": f"{job}/status", "cancel_url": f"{job}/cancel"}
        return 200, {"request_id": view.id, "status": "IN_QUEUE", "queue_position": 0, **urls}

    def status(self, view: View) -> tuple[int, Any]:
        word = self.states.get(view.status, view.status)
        said: dict[str, Any] = {"request_id": view.id, "status": word}
        if word == "IN_QUEUE":
            said["queue_position"] = 3
        if view.status == "cancelled":
            said |= {"error": "Request was cancelled", "error_type": "client_cancelled"}
        return (200 if word == "COMPLETED" else 202), said

    def result(self, view: View) -> tuple[int, Any]:
        """A job's own failure is a 422 with details; one of the machines' a 5xx with ``error_type``."""
        if view.url:
            video = {"url": view.url, "content_type": "video/mp4", "file_name": "output.mp4"}
            return 200, {"video": video, "seed": int(view.asked.seed or 1)}
        if view.code in self.fails:
            return 422, self.error_body(422, self.fails[view.code], view.message)
        if view.code:
            return 503, {"detail": view.message, "error_type": "runner_disconnected"}
        return 400, {"detail": "Request is still in progress"}

    def error_body(self, status: int, word: str, message: str) -> Any:
        if status == 422:
            return {"detail": [{"loc": ["body", "prompt"], "msg": message, "type": word, "ctx": {}, "input": None}]}
        return {"detail": word if " " in word else message}
