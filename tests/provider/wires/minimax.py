"""MiniMax's two APIs: sources in pipeline/engines/minimax.py. The first answers 200 whatever happened."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.provider.exchange import Exchange
from tests.provider.forms import RequestError
from tests.provider.showing import View
from tests.provider.wires import Wire, prompt_in

if TYPE_CHECKING:
    from tests.provider.app import Provider as Desk


class First(Wire):
    """``POST /v1/video_generation``, ``GET /v1/query/video_generation`` and ``/v1/files/retrieve``."""

    name = "minimax"
    errors = {
        "moderation_blocked": (200, "1026"),
        "insufficient_quota": (200, "1008"),
        "invalid_api_key": (200, "1004"),
        "model_not_found": (200, "2013"),
        "not_found": (200, "2013"),
        "invalid_value": (200, "2013"),
        "rate_limit_exceeded": (200, "1002"),
        "queue_full": (200, "1002"),
        "server_error": (200, "1000"),
    }
    fails = {"moderation_blocked": "1027"}
    states = {"queued": "Queueing", "in_progress": "Processing", "completed": "Success", "failed": "Fail"}

    def new_id(self) -> str:
        return str(uuid.uuid4().int)[:15]

    async def serve(self, desk: Desk, exchange: Exchange, path: str, account: str) -> None:
        asked = exchange.asked()
        match exchange.method, path:
            case "POST", "/v1/video_generation":
                await desk.create(exchange, account)
            case "GET", "/v1/query/video_generation":
                if job := await desk.find(exchange, asked.get("task_id", ""), account):
                    await desk.tell(exchange, job, self.shown, url=False)
            case "GET", "/v1/files/retrieve":
                if job := await desk.find(exchange, asked.get("file_id", "").removeprefix("9"), account):
                    view = await desk.view(exchange, job)
                    file = {"file_id": int(asked["file_id"]), "filename": "output.mp4", "download_url": view.url}
                    await exchange.json(200, {"file": file, "base_resp": {"status_code": 0, "status_msg": "success"}})
            case _:
                await self.nowhere(exchange)

    def read(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if body.get("duration", 6) not in (6, 10):
            raise RequestError("invalid params, duration", "duration")
        return {
            "model": body.get("model", ""),
            "prompt": body.get("prompt"),
            "seconds": body.get("duration", 6),
            "resolution": str(body.get("resolution", "768P")).lower(),
        }

    def created(self, view: View, exchange: Exchange) -> tuple[int, Any]:
        return 200, {"task_id": view.id, "base_resp": {"status_code": 0, "status_msg": "success"}}

    def shown(self, view: View) -> tuple[int, Any]:
        code = int(self.fails.get(view.code, "1000")) if view.code else 0
        resp = {"status_code": code, "status_msg": self.text(str(code)) if code else "success"}
        said = {"task_id": view.id, "status": self.states.get(view.status, view.status), "base_resp": resp}
        if view.status == "completed":
            said |= {"file_id": f"9{view.id}", "video_width": view.asked.width, "video_height": view.asked.height}
        return 200, said

    def error_body(self, status: int, word: str, message: str) -> Any:
        number = int(word) if word.isdigit() else 1000
        return {"task_id": "", "base_resp": {"status_code": number, "status_msg": self.text(word)}}


class Provider(Wire):
    """``POST`` and ``DELETE /v2/video_generation``, ``GET /v2/query/video_generation/{id}``; and the first API."""

    name = "minimax"
    errors = {
        "moderation_blocked": (422, "unprocessable_entity_error"),
        "insufficient_quota": (402, "insufficient_balance_error"),
        "invalid_api_key": (401, "authorized_error"),
        "model_not_found": (400, "bad_request_error"),
        "not_found": (500, "record not found"),
        "invalid_value": (400, "bad_request_error"),
        "rate_limit_exceeded": (429, "rate_limit_error"),
        "queue_full": (429, "rate_limit_error"),
        "server_error": (500, "server_error"),
    }
    fails = {"moderation_blocked": "1027"}
    states = {"in_progress": "running", "completed": "succeeded"}
    first = First()

    def new_id(self) -> str:
        return self.first.new_id()

    async def serve(self, desk: Desk, exchange: Exchange, path: str, account: str) -> None:
        if path.startswith("/v1/"):
            exchange.wire = self.first
            await self.first.serve(desk, exchange, path, account)
            return
        match exchange.method, path.strip("/").split("/"):
            case "POST", ["v2", "video_generation"]:
                await desk.create(exchange, account)
            case "GET", ["v2", "query", "video_generation", identity]:
                if job := await desk.find(exchange, identity, account):
                    await desk.tell(exchange, job, self.shown)
            case "DELETE", ["v2", "video_generation", identity]:
                if job := await desk.find(exchange, identity, account):
                    await desk.stop_or_forget(exchange, job)
            case _:
                await self.nowhere(exchange)

    def read(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if body.get("resolution") not in ("480P", "768P", "2K"):
            raise RequestError("invalid params, resolution (2013)", "resolution")
        prompt, pictures = prompt_in(body)
        if not pictures and body.get("ratio", "adaptive") == "adaptive":
            raise RequestError("invalid params, ratio is required (2013)", "ratio")
        ratio = body.get("ratio", "adaptive")
        return {
            "model": body.get("model", ""),
            "prompt": prompt,
            "seconds": body.get("duration", 5),
            "resolution": body["resolution"],
            "ratio": "16:9" if ratio == "adaptive" else ratio,
        }

    def created(self, view: View, exchange: Exchange) -> tuple[int, Any]:
        return 200, {"task_id": view.id}

    def shown(self, view: View) -> tuple[int, Any]:
        task: dict[str, Any] = {
            "id": view.id,
            "model": view.asked.model,
            "status": self.states.get(view.status, view.status),
            "created_at": int(view.asked.at),
        }
        if view.code:
            code = self.fails.get(view.code, "1000")
            task["error"] = {"code": code, "message": self.text(code)}
        if view.url:
            task["content"] = {"url": view.url}
        return 200, {"task": task}

    def error_body(self, status: int, word: str, message: str) -> Any:
        kind, text = ("server_error", word) if " " in word else (word, self.text(word))
        error = {"type": kind, "message": text, "http_code": str(status)}
        return {"type": "error", "error": error, "request_id": uuid.uuid4().hex}
