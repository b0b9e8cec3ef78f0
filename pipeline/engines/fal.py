"""fal: a queue in front of many models, each an endpoint with fields of its own.

Submit ``POST /{owner}/{app}/{path}``; status, result and cancel stand under ``/{owner}/{app}/requests/{id}``, without
the rest of the path. Sources: fal_client 1.0.3; fal.ai/docs: queue, request-errors, errors (read 2026-11-20/21).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import quote

from pydantic import Field

from pipeline.engines.base import JobState, Order, Report, Ticket
from pipeline.engines.classify import Said, said
from pipeline.engines.hosted import PICTURE, VIDEO, HostedEngine, deep
from pipeline.engines.wording import Wording
from pipeline.errors import Trouble
from pipeline.registry.words import Mode

Endpoint = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){1,6}$")]

_NO_RESULT: Final = frozenset({400, 403, 408, 413, 415, 422, 499, 500, 502, 503, 504})
_CANCELLED: Final = frozenset({"client_cancelled", "client_disconnected"})


class FalWire(Wording):
    """Fields of ``wire`` for the engine ``fal``."""

    usual: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "duration": "duration",
            "num_frames": "num_frames",
            "fps": "frames_per_second",
            "resolution": "resolution",
            "aspect_ratio": "aspect_ratio",
            "width": "video_size.width",
            "height": "video_size.height",
            "seed": "seed",
            "negative_prompt": "negative_prompt",
            "guidance": "cfg_scale",
            "audio": "generate_audio",
            "first_frame": "image_url",
            "last_frame": "end_image_url",
            "references": "image_urls",
        }
    )
    own: ClassVar[frozenset[str]] = frozenset({"sync_mode"})

    endpoints: dict[Mode, Endpoint] = Field(default_factory=dict)
    """Mode -> endpoint, where it is not the one that ``model`` (or the registry) names."""
    result: Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_0-9]+)*$")] = "video.url"
    """Where in the output the address of the result stands."""


class FalEngine(HostedEngine[FalWire]):
    """fal's queue. A model is an endpoint (``fal-ai/kling-video/v3/pro/text-to-video``).

    It tells neither progress nor what it charged (5xx failures are not billed; 422 may be), and can't look for a job
    whose create call was not answered: it knows no idempotency keys, and lists requests to an endpoint's owner alone.
    A job that runs is only asked to stop; a model that can't goes on and is billed.

    A job is ``COMPLETED`` when it failed, too: its result is the error. An answer without ``error_type`` and with a
    status of 5xx is no job's end but the queue's own trouble, and is asked for again.

    Unverified: how a cancelled job is told (``client_cancelled`` is taken for it), the text of an exhausted balance
    (403), and that an endpoint that is gone answers 404 to a create call (no other 404 is possible there).
    """

    name = "fal"
    key_setting = "FAL_KEY"
    address_setting = "DAILIES_FAL_BASE_URL"
    address = "https://queue.fal.run"
    wording = FalWire
    model_in_address = True
    codes = MappingProxyType(
        {
            "content_policy_violation": Trouble.REFUSED,
            "no_media_generated": Trouble.FAILED,
            "image_too_large": Trouble.INVALID,
            "image_too_small": Trouble.INVALID,
            "image_load_error": Trouble.INVALID,
            "file_too_large": Trouble.INVALID,
            "file_download_error": Trouble.INVALID,
            "generation_timeout": Trouble.FAILED,
            "bad_request": Trouble.INVALID,
        }
    )
    states = MappingProxyType(
        {
            "IN_QUEUE": JobState.QUEUED,
            "IN_PROGRESS": JobState.RUNNING,
            "COMPLETED": JobState.SUCCEEDED,
            "FAILED": JobState.FAILED,
            "CANCELLED": JobState.CANCELLED,
        }
    )

    def authorization(self, key: str) -> dict[str, str]:
        """Return fal's header."""
        return {"Authorization": f"Key {key}"}

    def secrets(self, key: str) -> tuple[str, ...]:
        """Return the key and its secret half (``id:secret``)."""
        return (key, *key.split(":")[1:])

    def kinds(self, ticket: Ticket) -> tuple[str, ...]:
        """Return the media types of the model's results: pictures stand under ``image`` or ``images``."""
        return PICTURE if self.words(ticket.wire, ticket.model).result.startswith("image") else VIDEO

    async def create(self, order: Order) -> Ticket:
        """Ask for a job, once."""
        words = self.words(order.wire, order.model)
        modes = {str(mode): endpoint for mode, endpoint in words.endpoints.items()}
        endpoint = modes.get(str(order.request.mode)) or words.model or order.model
        reply = await self.ask(order, f"/{quote(endpoint)}", await self.body(words, order))
        return self.ticket(order, reply.data.get("request_id"), endpoint=endpoint)

    async def poll(self, ticket: Ticket) -> Report:
        """Return where a job stands; of one that is completed, its result or error."""
        reply = await self.look(f"{self._job(ticket)}/status")
        if isinstance(reply, Report):
            return reply
        word, place = reply.data.get("status"), reply.data.get("queue_position")
        if word != "COMPLETED":
            return self.report(word, facts={"queue_position": place} if isinstance(place, int) else {})
        if reply.data.get("error") or reply.data.get("error_type"):
            return self._failed(reply.data)
        result = await self.look(self._job(ticket), _NO_RESULT)
        if isinstance(result, Report):
            return result
        if result.status >= 500 and not result.data.get("error_type"):
            raise self.unclear(f"the result was answered with {result.status}.")
        if result.status >= 300:
            return self._failed(result.data)
        words = self.words(ticket.wire, ticket.model)
        seed = result.data.get("seed")
        facts = {"seed": seed} if isinstance(seed, int) else {}
        return self.report(word, url=deep(result.data, words.result), facts=facts)

    async def cancel(self, ticket: Ticket) -> None:
        """Ask for a job to be stopped."""
        await self.stop("PUT", f"{self._job(ticket)}/cancel")

    def _failed(self, data: Mapping[str, Any]) -> Report:
        kind = data.get("error_type")
        codes = (kind.lower(),) if isinstance(kind, str) else ()
        told = said(data)
        if _CANCELLED & {*codes, *told.codes}:
            return self.report("CANCELLED")
        return self.report("FAILED", failure=Said(codes + told.codes, told.message))

    def _job(self, ticket: Ticket) -> str:
        owner, app, *_ = str(ticket.data["endpoint"]).split("/")
        return f"/{quote(owner)}/{quote(app)}/requests/{quote(ticket.job, safe='')}"
