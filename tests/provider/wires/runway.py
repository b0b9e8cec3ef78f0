"""Runway's tasks: sources in pipeline/engines/runway.py; proven by its SDK."""

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

_KINDS = ("text_to_video", "image_to_video", "video_to_video")


class Provider(Wire):
    """``POST /v1/text_to_video`` and its sisters, ``GET`` and ``DELETE /v1/tasks/{id}``."""

    name = "runway"
    errors = {
        "moderation_blocked": (400, "Your prompt was rejected by content moderation."),
        "insufficient_quota": (400, "You do not have enough credits to run this task."),
        "invalid_api_key": (401, "Invalid API key"),
        "model_not_found": (400, "model"),
        "invalid_value": (400, "duration"),
        "rate_limit_exceeded": (429, "You have reached your daily task limit."),
    }
    fails = {"moderation_blocked": "SAFETY.OUTPUT.VIDEO", "invalid_image": "ASSET.INVALID"}
    states = {
        "queued": "PENDING",
        "in_progress": "RUNNING",
        "completed": "SUCCEEDED",
        "failed": "FAILED",
        "cancelled": "CANCELLED",
    }

    async def serve(self, desk: Desk, exchange: Exchange, path: str, account: str) -> None:
        if not exchange.header("x-runway-version"):
            await exchange.error(400, "invalid_value", "The X-Runway-Version header is missing.")
            return
        match exchange.method, path.strip("/").split("/"):
            case "POST", ["v1", kind] if kind in _KINDS:
                await desk.create(exchange, account)
            case "GET", ["v1", "tasks", identity]:
                if job := await desk.find(exchange, identity, account):
                    await desk.tell(exchange, job, self.shown)
            case "DELETE", ["v1", "tasks", identity]:
                if job := await desk.find(exchange, identity, account):
                    if not await desk.stop(job, "delete"):
                        await desk.forget(job)
                    await exchange.reply(204, b"")
            case _:
                await self.nowhere(exchange)

    def read(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        ratio = str(body.get("ratio", "1280:720"))
        sides = [int(side) for side in ratio.split(":") if side.isdigit()]
        if len(sides) != 2:
            raise RequestError("ratio: no such ratio", "ratio")
        if path.endswith("image_to_video") and not body.get("promptImage"):
            raise RequestError("promptImage: Required", "promptImage")
        pixels = min(sides) >= 100
        return {
            "model": body.get("model", ""),
            "prompt": body.get("promptText") or ("" if path.endswith("text_to_video") else "-"),
            "seconds": body.get("duration", 5),
            "size": (sides[0], sides[1]) if pixels else None,
            "ratio": "16:9" if pixels else ratio,
            "seed": body.get("seed", ""),
            "sound": body.get("audio", True),
        }

    def created(self, view: View, exchange: Exchange) -> tuple[int, Any]:
        return 200, {"id": view.id, "estimatedCost": self.credits(view.asked.price_micro_usd)}

    def shown(self, view: View) -> tuple[int, Any]:
        word = self.states.get(view.status, view.status)
        created = datetime.fromtimestamp(view.asked.at, UTC).isoformat().replace("+00:00", "Z")
        said: dict[str, Any] = {"id": view.id, "status": word, "createdAt": created}
        if word == "RUNNING":
            said["progress"] = view.progress / 100
        if word == "SUCCEEDED":
            said["output"] = [view.url]
        if word == "FAILED":
            said |= {"failure": view.message, "failureCode": self.fails.get(view.code, "INTERNAL.BAD_OUTPUT.CODE01")}
        ended = word in ("SUCCEEDED", "FAILED", "CANCELLED")
        costs = view.charged if ended else view.asked.price_micro_usd
        return 200, said | {"cost" if ended else "estimatedCost": self.credits(costs)}

    @staticmethod
    def credits(micro_usd: int) -> dict[str, int]:
        return {"credits": micro_usd // 10_000}

    def error_body(self, status: int, word: str, message: str) -> Any:
        if word not in ("model", "duration"):
            return {"error": word if " " in word else message}
        issues = [{"code": "invalid_literal", "message": "Invalid input", "path": [word]}]
        return {"error": "Validation of body failed", "issues": issues, "docUrl": "https://docs.dev.runwayml.com"}
