"""Creates: refused, accepted, or accepted without anybody hearing of it."""

from __future__ import annotations

import asyncio
import os
import time
from email.utils import formatdate
from fractions import Fraction
from typing import Any

from tests.provider.behaviour import Directive, DirectiveError, Plan, Settings
from tests.provider.book import Book, Job
from tests.provider.exchange import Exchange
from tests.provider.forms import RequestError, asked_for, billed_seconds, read_form
from tests.provider.ledger import Died, Ledger, Refused
from tests.provider.showing import shown, view_of

_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_BUSY = {
    "concurrent": "Too many jobs are running. Please wait until one of them has ended.",
    "per_minute": "Rate limit reached for requests per minute.",
}


class Creating:
    """Answers ``POST /v1/videos``, and the create calls of all other wires.

    Args:
        book: The provider's jobs.
        ledger: Its books.
    """

    def __init__(self, book: Book, ledger: Ledger) -> None:
        self._book, self._ledger = book, ledger

    async def create(self, exchange: Exchange, account: str) -> None:
        """Answer one create."""
        settings, wire = self._book.settings, exchange.wire
        body = await exchange.body()
        intent = exchange.header("idempotency-key")
        request: dict[str, Any] = {"intent": intent, "account": account, "model": "", "prompt": "", "seed": ""}
        try:
            asked, billed = _read(exchange, body, settings, request) if wire is None else wire.asked(exchange, body)
        except RequestError as error:
            await self._refuse(exchange, request, 400, "invalid_value", str(error), why="request", param=error.param)
            return
        model, prompt = asked["model"], asked["prompt"]
        request |= {name: asked[name] for name in ("model", "prompt", "seed")}
        if model in settings.retired or (settings.models and model not in settings.models):
            message = f"The model '{model}' does not exist or you do not have access to it."
            await self._refuse(exchange, request, 404, "model_not_found", message, why="request", param="model")
            return
        price = self._book.price(model, billed)
        if await self._known(exchange, intent, account, asked) or await self._limited(exchange, request, price):
            return
        try:
            plan = self._book.plan(model, prompt, asked["seed"])
        except DirectiveError as error:
            await self._refuse(exchange, request, 400, "bad_directive", str(error), why="request", param="prompt")
            return
        request["told"] = plan.told
        if (slow := plan.get("slow_reply")) is not None:
            await asyncio.sleep(slow["s"])
            if await self._known(exchange, intent, account, asked) or await self._limited(exchange, request, price):
                return
        self._die(plan, "before_accept", request)
        refusal = next((d for d in plan.by_name.values() if d.phase == "admission" and d.name != "slow_reply"), None)
        if refusal is not None:
            await self._told_to_refuse(exchange, refusal, request, price)
            return
        # Nothing may wait between looking at the limits and here.
        now = time.time()
        self._book.advance(now)
        identity = wire.new_id() if wire is not None else ""
        job = self._book.accept(now, plan, job=identity, intent=intent, account=account, price_micro_usd=price, **asked)
        await self._ledger.durable()
        self._die(plan, "after_accept", request)
        await self._answer(exchange, job)
        if (death := plan.get("die")) is not None and death["at"] == "after_reply":
            await asyncio.sleep(0.05)
            self._die(plan, "after_reply", request)

    async def _known(self, exchange: Exchange, intent: str, account: str, asked: dict[str, Any]) -> bool:
        """Answer a repeated create with the job that there is, where keys are understood."""
        if not self._book.settings.idempotent or not intent:
            return False
        job = self._book.by_key.get((account, intent))
        if job is None:
            return False
        if any(getattr(job.accepted, name) != value for name, value in asked.items()):
            await exchange.error(409, "idempotency_key_reused", "This key was used for another request.")
            return True
        await self._ledger.durable()
        status, value = self._shown(exchange, job)
        await exchange.json(status, value, idempotent_replayed="true")
        return True

    async def _limited(self, exchange: Exchange, request: dict[str, Any], price: int) -> bool:
        """Refuse what the provider's own limits don't allow."""
        now = time.time()
        self._book.advance(now)
        limit = self._book.refuse_for_limits(request["model"], now)
        if limit is not None:
            why, wait_s = limit
            headers = {"retry_after": retry_after(wait_s, date=self._book.settings.retry_after_date)}
            await self._refuse(exchange, request, 429, "rate_limit_exceeded", _BUSY[why], why=why, **headers)
            return True
        if not self._book.can_pay(request["account"], price):
            await self._refuse(exchange, request, 429, "insufficient_quota", _QUOTA, why="funds")
            return True
        return False

    async def _told_to_refuse(
        self, exchange: Exchange, refusal: Directive, request: dict[str, Any], price: int
    ) -> None:
        how = refusal.arguments
        status: int = how.get("status", 0)
        headers: dict[str, str] = {}
        if "after" in how and not how.get("bare"):
            headers["retry_after"] = retry_after(how["after"], date=how["date"])
        match refusal.name:
            case "refuse":
                self._book.charge_refused_input(time.time(), request["intent"], request["account"], price)
                answer = ("moderation_blocked", "Your request was blocked by our moderation system.")
            case "throttle":
                answer = ("rate_limit_exceeded", "Rate limit reached for requests per minute.")
            case "queue_full":
                answer = ("queue_full", "The server is overloaded: its queue is full.")
            case "out_of_funds":
                answer = ("insufficient_quota", _QUOTA)
            case "retired":
                answer = ("model_not_found", f"The model '{request['model']}' has been deprecated.")
            case "forbidden":
                answer = ("invalid_api_key", "Incorrect API key provided.")
            case "invalid":
                answer = ("invalid_value", "Invalid value for 'seconds'.")
            case "reset_before":
                self._book.refused(Refused(at=time.time(), status=0, code="reset", why="told", **request))
                await self._ledger.durable()
                exchange.reset()
                return
            case _:
                answer = ("server_error", "The server had an error while processing your request.")
        if (
            refusal.name == "invalid" and status == 422 and exchange.wire is None
        ):  # as servers built on FastAPI write it
            self._book.refused(Refused(at=time.time(), status=422, code="invalid_value", why="told", **request))
            await self._ledger.durable()
            detail = [{"type": "literal_error", "loc": ["body", "seconds"], "msg": "Input should be '4'", "input": "5"}]
            await exchange.json(422, {"detail": detail})
            return
        await self._refuse(exchange, request, status, *answer, why="told", **headers)

    async def _refuse(
        self,
        exchange: Exchange,
        request: dict[str, Any],
        status: int,
        code: str,
        message: str,
        *,
        why: str,
        param: str | None = None,
        **headers: str,
    ) -> None:
        self._book.refused(Refused(at=time.time(), status=status, code=code, why=why, **request))
        await self._ledger.durable()
        await exchange.error(status, code, message, param=param, **headers)

    async def _answer(self, exchange: Exchange, job: Job) -> None:
        """Answer an accepted create, or fail to."""
        wrong = job.plan.next("reply")
        match wrong.name if wrong else "":
            case "lose_reply":
                exchange.close()
                return
            case "reset_reply":
                exchange.reset()
                return
            case "cut_reply":
                await exchange.begin(200, {"content-type": "application/json", "content-length": "400"})
                await exchange.more(b'{"id":"')
                exchange.close()
                return
            case "garbage_reply":
                await exchange.reply(200, b"<html>upstream</html>", "text/html")
                return
            case "error_after" if wrong:
                await exchange.error(wrong.arguments["status"], "server_error", "The server had an error.")
                return
            case "hang" if wrong:
                await asyncio.sleep(wrong.arguments["s"])
            case _:
                pass
        status, value = self._shown(exchange, job)
        await exchange.json(status, value)

    def _shown(self, exchange: Exchange, job: Job) -> tuple[int, Any]:
        now = time.time()
        if exchange.wire is not None:
            return exchange.wire.created(view_of(job, now), exchange)
        return 200, shown(job, now, self._book.settings, exchange)

    def _die(self, plan: Plan, where: str, request: dict[str, Any]) -> None:
        death = plan.get("die")
        if death is None or death["at"] != where:
            return
        known = {name: request[name] for name in ("intent", "model", "prompt", "seed")}
        die(self._ledger, Died(at=time.time(), where=where, told=plan.told, **known))


def _read(
    exchange: Exchange, body: bytes, settings: Settings, request: dict[str, Any]
) -> tuple[dict[str, Any], Fraction]:
    """Return what a body of ``/v1/videos`` asks for, and the length that is billed."""
    form = read_form(exchange.header("content-type"), body)
    request |= {name: form.texts.get(name, "") for name in ("model", "prompt", "seed")}
    asked = asked_for(form, settings)
    return asked, billed_seconds(asked, form)


def die(ledger: Ledger, entry: Died) -> None:
    """End the process at once, as a crash would, with the books on disk."""
    ledger.write(entry)
    ledger.sync_now()
    os._exit(86)


def retry_after(seconds: float, *, date: bool) -> str:
    """Return a Retry-After header; as a date it is rounded up to the next whole second."""
    if date:
        return formatdate(time.time() + seconds + 0.999, usegmt=True)
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
