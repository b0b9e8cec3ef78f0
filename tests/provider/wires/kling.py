"""Kling's ``/v1/videos``: sources in pipeline/engines/kling.py. Errors have a status *and* a number."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.provider.exchange import Exchange
from tests.provider.forms import RequestError
from tests.provider.showing import View
from tests.provider.wires import Wire, own_views

if TYPE_CHECKING:
    from tests.provider.app import Provider as Desk

KINDS = ("text2video", "image2video", "multi-image2video", "omni-video")
_CLASSES = {"std": "720p", "pro": "1080p", "4k": "4k"}


class Provider(Wire):
    """``POST`` and ``GET /v1/videos/{kind}`` and ``GET /v1/videos/{kind}/{id}``; nothing can be stopped."""

    name = "kling"
    errors = {
        "moderation_blocked": (400, "1301"),
        "insufficient_quota": (429, "1102"),
        "invalid_api_key": (401, "1002"),
        "model_not_found": (404, "1203"),
        "not_found": (404, "1203"),
        "invalid_value": (400, "1201"),
        "rate_limit_exceeded": (429, "1302"),
        "queue_full": (429, "1303"),
        "server_error": (500, "5000"),
    }
    fails = {"moderation_blocked": "Failure to pass the risk control system"}
    states = {"queued": "submitted", "in_progress": "processing", "completed": "succeed", "failed": "failed"}

    def new_id(self) -> str:
        return str(uuid.uuid4().int)[:18]

    async def serve(self, desk: Desk, exchange: Exchange, path: str, account: str) -> None:
        kind = "/".join(path.split("/")[:4])
        mine = [view for view in own_views(desk, account) if view.asked.heard["path"] == kind]
        match exchange.method, path.strip("/").split("/"):
            case "POST", ["v1", "videos", kind] if kind in KINDS:
                await desk.create(exchange, account)
            case "GET", ["v1", "videos", kind] if kind in KINDS:
                query = exchange.asked()
                size, page = int(query.get("pageSize", "30")), int(query.get("pageNum", "1"))
                listed = [self.task(view) for view in reversed(mine)]
                await exchange.json(200, self.envelope(listed[(page - 1) * size : page * size]))
            case "GET", ["v1", "videos", kind, identity] if kind in KINDS:
                named = [view.id for view in mine if view.asked.heard["body"].get("external_task_id") == identity]
                if job := await desk.find(exchange, named[0] if named else identity, account):
                    await desk.tell(exchange, job, lambda view: (200, self.envelope(self.task(view))))
            case _:
                await self.nowhere(exchange)

    def read(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        for wanted, kind in (("image", "image2video"), ("image_list", "multi-image2video")):
            if path.endswith(f"/{kind}") and not body.get(wanted):
                raise RequestError(f"{wanted} is required", wanted)
        if not isinstance(body.get("duration", "5"), str):
            raise RequestError("duration must be a string", "duration")
        return {
            "model": body.get("model_name", ""),
            "prompt": body.get("prompt"),
            "seconds": body.get("duration", "5"),
            "resolution": _CLASSES.get(body.get("mode", "std"), ""),
            "ratio": body.get("aspect_ratio", "16:9"),
            "sound": body.get("sound") == "on",
        }

    def created(self, view: View, exchange: Exchange) -> tuple[int, Any]:
        return 200, self.envelope(self.task(view))

    def task(self, view: View) -> dict[str, Any]:
        said: dict[str, Any] = {
            "task_id": view.id,
            "task_status": self.states.get(view.status, view.status),
            "task_status_msg": self.fails.get(view.code, "Request failed.") if view.code else "",
            "task_info": {"external_task_id": view.asked.heard["body"].get("external_task_id")},
            "created_at": int(view.asked.at * 1000),
            "updated_at": int((view.ended_at or view.asked.at) * 1000),
        }
        if view.url:
            said["task_result"] = {"videos": [{"id": view.id, "url": view.url, "duration": view.asked.seconds}]}
            said["final_unit_deduction"] = str(view.charged / 140_000)
        return said

    @staticmethod
    def envelope(data: Any) -> dict[str, Any]:
        return {"code": 0, "message": "SUCCEED", "request_id": uuid.uuid4().hex, "data": data}

    def error_body(self, status: int, word: str, message: str) -> Any:
        code = int(word) if word.isdigit() else 5000
        return {"code": code, "message": self.text(word), "request_id": uuid.uuid4().hex}
