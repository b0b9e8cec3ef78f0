"""The server: routes of the API, and the control door through which tests tell it how to behave."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.provider import behaviour
from tests.provider.behaviour import DirectiveError, Settings
from tests.provider.book import Book, Job
from tests.provider.clips import Shelf
from tests.provider.creating import Creating, die, retry_after
from tests.provider.downloading import Downloading
from tests.provider.exchange import Exchange, Message, Receive, Send
from tests.provider.ledger import Died, Ledger
from tests.provider.showing import View, shown, url_of, view_of
from tests.provider.wires import WIRES

_VIDEOS = "/v1/videos"
_REMEMBERED_REQUESTS = 50_000
_LOOKS_EVERY_S = 0.05


class Provider:
    """An ASGI application.

    Args:
        folder: Ledger, settings, script and clips; what an earlier run left there goes on.
        sync: Whether the ledger is on disk (rather than with the kernel) before answers go out.
        tiny: Whether everybody gets one tiny clip.
    """

    def __init__(self, folder: Path, *, sync: bool = True, tiny: bool = False) -> None:
        self._settings_file = folder / "behaviour.json"
        self.settings = Settings()
        if self._settings_file.exists():
            self.settings.change(json.loads(self._settings_file.read_text()))
        self.ledger = Ledger(folder, sync=sync)
        self.book = Book(folder, self.ledger, self.settings)
        self._creating = Creating(self.book, self.ledger)
        self._downloading = Downloading(self.book, self.ledger, Shelf(folder, tiny=tiny))
        self._requests: Counter[str] = Counter()
        self._recent: deque[tuple[float, str, str, int, str, str]] = deque(maxlen=_REMEMBERED_REQUESTS)

    async def keep_time(self) -> None:
        """End jobs when they are due, for as long as the server runs."""
        self.book.start(time.time())
        while True:
            now = time.time()
            self.book.advance(now)
            await asyncio.sleep(min(max(self.book.next_end() - now, 0.001), _LOOKS_EVERY_S))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = Exchange(scope, receive, send)
        path = exchange.path
        if path.startswith("/_control"):
            await self._control(exchange)
            return
        arrived = time.time()
        if path.startswith("/v1/videos/") and path.count("/") == 3:
            route = f"{exchange.method} /v1/videos/{{id}}"
        elif path.startswith("/v1/videos/"):
            route = f"{exchange.method} /v1/videos/{{id}}/{path.rsplit('/', 1)[1]}"
        elif path.startswith("/files/"):
            route = f"{exchange.method} /files/{{token}}"
        elif (name := path.split("/")[1]) in WIRES:
            route = f"{exchange.method} /{name}"
        else:
            route = f"{exchange.method} {path}"
        self._requests[route] += 1
        try:
            await self._serve(exchange)
        except ConnectionError:
            pass
        except OverflowError:
            await exchange.error(413, "too_large", "The body is too large.")
        finally:
            noted = (exchange.header("idempotency-key"), exchange.header("range"))
            self._recent.append((arrived, exchange.method, path, exchange.status, *noted))

    async def _serve(self, exchange: Exchange) -> None:
        settings, path, method = self.settings, exchange.path, exchange.method
        wire = exchange.wire = WIRES.get(path.split("/")[1])
        if settings.reply_delay_s:
            await asyncio.sleep(settings.reply_delay_s)
        if settings.outage:
            after = settings.outage_retry_after_s
            headers = {} if after is None else {"retry_after": retry_after(after, date=settings.retry_after_date)}
            await exchange.error(settings.outage, "service_unavailable", "The service is unavailable.", **headers)
            return
        if path.startswith("/files/") and method == "GET":
            self.book.advance(time.time())
            await self._downloading.by_url(exchange)
            return
        account = ""
        if settings.keys:
            key = wire.key(exchange) if wire else exchange.header("authorization").removeprefix("Bearer ")
            if key not in settings.keys:
                await exchange.error(401, "invalid_api_key", "Incorrect API key provided.")
                return
            account = settings.keys[key]
        if wire is not None:
            await wire.serve(self, exchange, path.removeprefix(f"/{wire.name}"), account)
        elif path == _VIDEOS and method == "POST":
            await self._creating.create(exchange, account)
        elif path == _VIDEOS and method == "GET":
            await self._list(exchange, account)
        elif path.startswith("/v1/videos/"):
            await self._one(exchange, account, method)
        else:
            await exchange.error(404, "not_found", f"Invalid URL ({method} {path})")

    # What every wire can do

    async def create(self, exchange: Exchange, account: str) -> None:
        """Answer a create call of any wire."""
        await self._creating.create(exchange, account)

    async def find(self, exchange: Exchange, identity: str, account: str) -> Job | None:
        """Return a job of an account; answer that there is none if so."""
        self.book.advance(time.time())
        job = self.book.jobs.get(identity)
        if job is None or job.deleted or job.accepted.account != account:
            await exchange.error(404, "not_found", f"Video with id '{identity}' not found.")
            return None
        return job

    async def tell(
        self, exchange: Exchange, job: Job, say: Callable[[View], tuple[int, Any]], *, url: bool = True
    ) -> None:
        """Answer a poll of any wire, or fail to as the plan has it.

        Args:
            exchange: The poll.
            job: The job.
            say: Returns status and body.
            url: Whether this poll tells where the clip is.
        """
        answered, changes = await self._before_poll(exchange, job)
        if answered:
            return
        now = time.time()
        ready = url and job.end == "completed" and changes.get("status") is None
        where = url_of(job, now, self.settings, exchange) if ready else ""
        said = {name: changes[name] for name in ("status", "progress") if name in changes}
        status, value = say(view_of(job, now, url=where, **said))
        await exchange.json(status, value)

    async def view(self, exchange: Exchange, job: Job) -> View:
        """Return a job with the address of its clip, for a wire whose results stand elsewhere than its states."""
        now = time.time()
        url = url_of(job, now, self.settings, exchange) if job.end == "completed" else ""
        await self.ledger.durable()
        return view_of(job, now, url=url)

    async def deliver(self, exchange: Exchange, job: Job) -> None:
        """Send a job's clip."""
        await self._downloading.deliver(exchange, job)

    async def stop(self, job: Job, by: str = "cancel") -> bool:
        """Stop a job that runs; return whether it is stopped now (or was before)."""
        if not job.end:
            self.book.cancel(job, time.time(), by)
        await self.ledger.durable()
        return job.end == "cancelled" or job.code == "cancelled"

    async def stop_queued(self, job: Job) -> bool:
        """Stop a job that waits; return whether it did."""
        return job.status(time.time()) == "queued" and await self.stop(job)

    async def stop_or_forget(self, exchange: Exchange, job: Job) -> None:
        """Answer a call that stops a job that waits, and removes one that has ended."""
        if job.end:
            await self.forget(job)
        elif not await self.stop_queued(job):
            await exchange.error(400, "invalid_value", "A running job can't be stopped.")
            return
        await exchange.json(200, {})

    async def forget(self, job: Job) -> None:
        """Remove a job from sight."""
        self.book.delete(job, time.time())
        await self.ledger.durable()

    # /v1/videos

    async def _one(self, exchange: Exchange, account: str, method: str) -> None:
        identity, _, action = exchange.path.removeprefix("/v1/videos/").partition("/")
        job = await self.find(exchange, identity, account)
        if job is None:
            return
        match method, action:
            case "GET", "":
                await self._poll(exchange, job)
            case "GET", "content":
                await self._downloading.deliver(exchange, job)
            case "DELETE", "":
                await self._delete(exchange, job)
            case "POST", "cancel":
                await self._cancel(exchange, job)
            case _:
                await exchange.error(405, "method_not_allowed", "Not allowed.")

    # Polls and lists

    async def _poll(self, exchange: Exchange, job: Job) -> None:
        answered, changes = await self._before_poll(exchange, job)
        if not answered:
            await exchange.json(200, shown(job, time.time(), self.settings, exchange, url=True) | changes)

    async def _before_poll(self, exchange: Exchange, job: Job) -> tuple[bool, dict[str, Any]]:
        """Do what goes wrong with a poll; return whether it is answered, else what the answer says otherwise."""
        if self.settings.polls_fail:
            await exchange.error(self.settings.polls_fail, "server_error", "The server had an error.")
            return True, {}
        answered, changes = False, dict[str, Any]()
        if job.plan.by_name:
            if (death := job.plan.get("die")) is not None and death["at"] == "on_poll":
                self._die_once(job)
            answered, changes = await self._strange_poll(exchange, job)
        if job.end and not answered:
            await self.ledger.durable()
        return answered, changes

    async def _strange_poll(self, exchange: Exchange, job: Job) -> tuple[bool, dict[str, Any]]:
        """Do what the plan has for this poll; return whether it is answered, else what the answer says otherwise."""
        if "go_back" in job.plan.by_name and not self._may_go_back(job):
            return False, {}
        wrong = job.plan.next("poll")
        how = wrong.arguments if wrong else {}
        match wrong.name if wrong else "":
            case "poll_error":
                await exchange.error(how["status"], "server_error", "The server had an error.")
            case "poll_throttle":
                headers = {"retry_after": retry_after(how["after"], date=how["date"])}
                await exchange.error(429, "rate_limit_exceeded", "Rate limit reached.", **headers)
            case "poll_garbage":
                await exchange.reply(200, b'{"id": "video_', "application/json")
            case "poll_hang":
                await asyncio.sleep(how["s"])
                exchange.close()
            case "poll_reset":
                exchange.reset()
            case "poll_missing":
                await exchange.error(404, "not_found", f"Video with id '{job.id}' not found.")
            case "poll_strange":
                return False, {"status": how["status"]}
            case "go_back":
                return False, {"status": "in_progress", "progress": 50, "completed_at": None, "expires_at": None}
            case _:
                return False, {}
        return True, {}

    @staticmethod
    def _may_go_back(job: Job) -> bool:
        """Whether the job's end has been told once, so that the next poll can take it back."""
        if not job.end:
            return False
        job.plan.happened["told its end"] = job.plan.happened.get("told its end", 0) + 1
        return job.plan.happened["told its end"] > 1

    def _die_once(self, job: Job) -> None:
        if not self.book.has_died(job.id, "on_poll"):
            die(self.ledger, Died(at=time.time(), where="on_poll", told=job.id))

    async def _list(self, exchange: Exchange, account: str) -> None:
        if not self.settings.list_jobs:
            await exchange.error(404, "not_found", "Invalid URL (GET /v1/videos)")
            return
        asked, now = exchange.asked(), time.time()
        self.book.advance(now)
        limit, order = asked.get("limit", "20"), asked.get("order", "desc")
        if not limit.isdigit() or not 1 <= int(limit) <= 100 or order not in ("asc", "desc"):
            await exchange.error(400, "invalid_value", "Invalid 'limit' or 'order'.", param="limit")
            return
        step = 1 if order == "asc" else -1
        at = 0 if order == "asc" else len(self.book.order) - 1
        if "after" in asked:
            last = self.book.jobs.get(asked["after"])
            if last is None or last.accepted.account != account:
                await exchange.error(400, "invalid_value", "No such video.", param="after")
                return
            at = last.index + step
        key = asked.get("idempotency_key") if self.settings.idempotent else None
        found: list[Job] = []
        while 0 <= at < len(self.book.order) and len(found) <= int(limit):
            job = self.book.order[at]
            at += step
            visible = not job.deleted and job.accepted.account == account
            if visible and now - job.accepted.at >= self.settings.list_lag_s and key in (None, job.accepted.intent):
                found.append(job)
        more, found = len(found) > int(limit), found[: int(limit)]
        await self.ledger.durable()
        data: list[dict[str, Any]] = []
        for job in found:
            data += [shown(job, now, self.settings, exchange)] * (2 if job.plan.get("list_twice") is not None else 1)
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
        await exchange.json(200, {"object": "list", "data": data, "has_more": more, **ends})

    # Ends by request

    async def _cancel(self, exchange: Exchange, job: Job) -> None:
        if self.settings.cancel == "off":
            await exchange.error(404, "not_found", f"Invalid URL (POST {exchange.path})")
            return
        if self.settings.cancel == "not_allowed":
            await exchange.error(405, "method_not_allowed", "Not allowed.")
            return
        if job.end and job.end != "cancelled" and job.code != "cancelled":
            await self.ledger.durable()
            await exchange.error(409, "video_already_ended", f"Video is already {job.end}.")
            return
        if not job.end:
            self.book.cancel(job, time.time(), "cancel")
        await self.ledger.durable()
        await exchange.json(200, shown(job, time.time(), self.settings, exchange))

    async def _delete(self, exchange: Exchange, job: Job) -> None:
        rule = self.settings.delete
        if rule == "off":
            await exchange.error(405, "method_not_allowed", "Not allowed.")
            return
        if not job.end and rule == "refused":
            await exchange.error(409, "video_in_progress", "A running video can't be deleted.")
            return
        if not job.end and rule == "cancels":
            self.book.cancel(job, time.time(), "delete")
        self.book.delete(job, time.time())
        await self.ledger.durable()
        await exchange.json(200, {"id": job.id, "object": "video.deleted", "deleted": True})

    # The control door

    async def _control(self, exchange: Exchange) -> None:
        what, method = exchange.path.removeprefix("/_control").strip("/"), exchange.method
        body = json.loads(await exchange.body() or b"{}") if method == "POST" else {}
        try:
            answer = self._do(method, what, body)
        except DirectiveError as error:
            await exchange.error(400, "wrong_directive", str(error))
            return
        if answer is None:
            await exchange.error(404, "not_found", "The control door has no such page.")
            return
        await self.ledger.durable()
        await exchange.json(200, answer)

    def _do(self, method: str, what: str, body: dict[str, Any]) -> Any:
        now = time.time()
        self.book.advance(now)
        match method, what:
            case "GET", "":
                answer: Any = self.settings.as_json()
            case "POST", "":
                answer = self._change(body)
            case "POST", "script":
                answer = self._add_to_script(body)
            case "POST", "finish":
                answer = self._finish(body, now)
            case "GET", "state":
                answer = self._state(now)
            case "GET", "requests":
                names = ("at", "method", "path", "status", "intent", "range")
                answer = [dict(zip(names, request, strict=True)) for request in self._recent]
            case _:
                answer = None
        return answer

    def _change(self, changes: dict[str, Any]) -> dict[str, Any]:
        self.settings.change(changes)
        part = self._settings_file.with_suffix(".part")
        part.write_text(json.dumps(self.settings.as_json()))
        part.replace(self._settings_file)
        return self.settings.as_json()

    def _add_to_script(self, body: dict[str, Any]) -> dict[str, int]:
        items = [{"do": item} if isinstance(item, str) else item for item in body.get("next", [])]
        for item in items:
            behaviour.parse(item["do"])
        if body.get("clear"):
            self.book.script.clear()
        self.book.script.extend(items)
        self.book.save_script()
        return {"left": len(self.book.script)}

    def _finish(self, body: dict[str, Any], now: float) -> dict[str, list[str]]:
        jobs = [self.book.jobs[body["job"]]] if body.get("job") else list(self.book.order)
        running = [job for job in jobs if not job.end]
        for job in running:
            self.book.finish_now(job, now)
        return {"finished": [job.id for job in running]}

    def _state(self, now: float) -> dict[str, Any]:
        book = self.book
        return {
            "now": now,
            "jobs": len(book.order),
            "statuses": book.counts(now),
            "in_flight": book.in_flight.total(),
            "in_flight_by_model": +book.in_flight,
            "most_in_flight": book.most_in_flight_total,
            "most_in_flight_by_model": book.most_in_flight,
            "refusals": book.breaches,
            "charged_micro_usd": book.spent.total(),
            "charged_by_account": book.spent,
            "requests": self._requests,
            "script_left": len(book.script),
        }
