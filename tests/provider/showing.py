"""A job as the API tells it, as other wires tell it, and the URLs under which clips can be had without a key."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from tests.provider.behaviour import Settings
from tests.provider.book import Job
from tests.provider.exchange import Exchange
from tests.provider.ledger import Accepted

_SECRET = b"known to nobody but this test server"


@dataclass(frozen=True, slots=True)
class View:
    """All that a wire can tell of a job, in no provider's words.

    Attributes:
        id: The job's id.
        status: ``queued``, ``in_progress``, ``completed``, ``failed`` or ``cancelled``; another word if the plan has it
            (``poll_strange``).
        progress: 0 to 100.
        code: Why it failed: ``moderation_blocked``, ``server_error``, or what the plan has.
        message: The same for people.
        charged: Micro-USD charged so far.
        asked: What was accepted.
        ended_at: When it ended, seconds since the epoch.
        url: Where the clip is, without a key, for a while; empty unless it is there and was asked for.
    """

    id: str
    status: str
    progress: int
    code: str
    message: str
    charged: int
    asked: Accepted
    ended_at: float = 0.0
    url: str = ""


def view_of(job: Job, now: float, *, url: str = "", status: str = "", progress: int | None = None) -> View:
    """Return a job for a wire to tell.

    Args:
        job: The job.
        now: Seconds since the epoch.
        url: Where the clip is.
        status: Said in place of its own.
        progress: Said in place of its own.
    """
    own = "cancelled" if job.code == "cancelled" else job.status(now)
    return View(
        id=job.id,
        status=status or own,
        progress=job.progress(now) if progress is None else progress,
        code=job.code,
        message=str((job.error() or {}).get("message", "")),
        charged=job.charged,
        asked=job.accepted,
        ended_at=job.ended_at,
        url=url,
    )


def shown(job: Job, now: float, settings: Settings, exchange: Exchange, *, url: bool = False) -> dict[str, Any]:
    """Return the job's object.

    Args:
        job: The job.
        now: Seconds since the epoch.
        settings: What the provider is told to do.
        exchange: Whose host URLs name.
        url: Whether a URL may be told (it counts as the job's next one).
    """
    asked = job.accepted
    ended = job.end == "completed"
    value: dict[str, Any] = {
        "id": asked.job,
        "object": "video",
        "model": asked.model,
        "status": job.status(now),
        "progress": job.progress(now),
        "created_at": int(asked.at),
        "completed_at": int(job.ended_at) if ended else None,
        "expires_at": int(job.ended_at + settings.keep_s) if ended else None,
        "seconds": asked.seconds,
        "size": f"{asked.width}x{asked.height}",
        "remixed_from_video_id": None,
        "error": job.error(),
    }
    for name in settings.echo:
        value[name] = getattr(asked, name, None) if name in ("prompt", "seed") else asked.fields.get(name)
    if settings.idempotent:
        value["idempotency_key"] = asked.intent or None
    told = job.plan.get("url") is not None or job.plan.get("expire_url") is not None
    if ended and url and (settings.urls or told):
        value["url"] = url_of(job, now, settings, exchange)
    return value


def url_of(job: Job, now: float, settings: Settings, exchange: Exchange) -> str:
    """Return a URL of a job's clip that needs no key; the job's next one."""
    wrong = job.plan.next("url")
    if wrong is not None and wrong.name == "url":
        return wrong.arguments["to"]
    life_s = -1.0 if wrong is not None else settings.url_life_s
    return f"http://{exchange.header('host')}{signed_path(job.id, now + life_s)}"


def signed_path(job: str, until: float) -> str:
    """Return a path that needs no key and is good for a while."""
    until_ms = int(until * 1000)
    return f"/files/{job}.{until_ms}.{_signature(job, until_ms)}"


def read_signed(path: str) -> tuple[str, float] | None:
    """Return job and end of a signed path, or None if nobody here signed it."""
    parts = path.removeprefix("/files/").split(".")
    if len(parts) != 3 or not parts[1].lstrip("-").isdigit():
        return None
    job, until_ms, signature = parts[0], int(parts[1]), parts[2]
    return (job, until_ms / 1000) if hmac.compare_digest(signature, _signature(job, until_ms)) else None


def _signature(job: str, until_ms: int) -> str:
    return hmac.new(_SECRET, f"{job}.{until_ms}".encode(), hashlib.sha256).hexdigest()[:32]
