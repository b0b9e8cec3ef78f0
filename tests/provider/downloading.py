"""Downloads: whole, in parts, or wrong in one of the ways that happen."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from typing import Any

from tests.provider.behaviour import Directive
from tests.provider.book import Book, Job
from tests.provider.clips import Shelf
from tests.provider.creating import die
from tests.provider.exchange import Exchange
from tests.provider.ledger import Died, Downloaded, Ledger
from tests.provider.showing import read_signed, signed_path

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_BLOCK = 64 * 1024


class Downloading:
    """Answers ``GET /v1/videos/{id}/content`` and ``GET /files/{token}``.

    Args:
        book: The provider's jobs.
        ledger: Its books.
        shelf: Its clips.
    """

    def __init__(self, book: Book, ledger: Ledger, shelf: Shelf) -> None:
        self._book, self._ledger, self._shelf = book, ledger, shelf

    async def by_url(self, exchange: Exchange) -> None:
        """Deliver under a signed URL."""
        token = read_signed(exchange.path)
        job = self._book.jobs.get(token[0]) if token else None
        if token is None or job is None or job.deleted:
            await exchange.reply(404, b"<Error><Code>NoSuchKey</Code></Error>", "application/xml")
        elif token[1] < time.time():
            await exchange.reply(403, b"<Error><Code>AccessDenied</Code></Error>", "application/xml")
        else:
            await self.deliver(exchange, job)

    async def deliver(self, exchange: Exchange, job: Job) -> None:
        """Deliver a job's clip, or what the plan has in its place."""
        if job.end != "completed":
            await exchange.error(409, "video_not_ready", f"Video is not ready: {job.status(time.time())}.")
            return
        await self._ledger.durable()
        if (death := job.plan.get("die")) is not None and death["at"] == "on_download":
            self._die_once(job)
        if exchange.asked().get("variant", "video") != "video":
            await exchange.error(400, "invalid_value", "This variant is not available.", param="variant")
            return
        wrong = job.plan.next("download")
        how = wrong.arguments if wrong else {}
        name = wrong.name if wrong else ""
        if name == "expired" or time.time() > job.ended_at + self._book.settings.keep_s:
            await exchange.error(how.get("status", 404), "video_expired", "The video has expired.")
            return
        match name:
            case "download_error":
                await exchange.error(how["status"], "server_error", "The server had an error.")
            case "download_hang":
                await asyncio.sleep(how["s"])
                exchange.close()
            case "redirect":
                await exchange.reply(302, b"", location=how["to"])
            case "redirect_file":
                path = signed_path(job.id, time.time() + self._book.settings.url_life_s)
                job.plan.happened["redirect_file"] = 0
                del job.plan.by_name["redirect_file"]  # the file itself is no redirect
                await exchange.reply(302, b"", location=path)
            case "redirect_loop":
                hop = int(exchange.asked().get("hop", "0")) + 1
                await exchange.reply(302, b"", location=f"{exchange.path}?hop={hop}")
            case _:
                await self._send(exchange, job, wrong, how)

    async def _send(self, exchange: Exchange, job: Job, wrong: Directive | None, how: dict[str, Any]) -> None:
        name = wrong.name if wrong else ""
        mark = (job.plan.get("clip") or {"mark": ""})["mark"]
        data = await self._shelf.clip(job.form(sound=self._book.settings.sound), job.id, mark)
        etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        headers = {"content-type": how["type"] if name == "wrong_type" else "video/mp4", "etag": etag}
        status, first, part = 200, 0, data
        if self._book.settings.ranges and name != "no_ranges":
            headers["accept-ranges"] = "bytes"
            wanted = exchange.header("range")
            if wanted and exchange.header("if-range") in ("", etag):
                span = _span(wanted, len(data))
                if span is None:
                    headers["content-range"] = f"bytes */{len(data)}"
                    headers["content-length"] = "0"
                    await exchange.begin(416, headers)
                    await exchange.more(b"", last=True)
                    return
                first, end = span
                status, part = 206, data[first:end]
                headers["content-range"] = f"bytes {first}-{end - 1}/{len(data)}"

        def note(sent: int) -> None:
            whole = name in ("", "no_ranges", "wrong_type", "drip") and sent == len(part)
            self._ledger.write(Downloaded(at=time.time(), job=job.id, first=first, sent=sent, whole=whole))

        announced = {**headers, "content-length": str(len(part))}
        match name:
            case "truncate" | "cut_off":
                await exchange.begin(status, announced if name == "truncate" else headers)
                note(await self._blocks(exchange, part[: int(len(part) * how["keep"])]))
                exchange.close()
            case "endless" | "huge":
                filling = how["mb"] * 1_000_000
                length = {"content-length": str(len(data) + filling)} if name == "huge" else {}
                await exchange.begin(200, headers | length)
                note(await self._blocks(exchange, data) + await self._zeros(exchange, filling))
                await exchange.more(b"", last=True)
            case "overrun":
                await exchange.begin(status, announced | {"connection": "close"})
                note(await self._blocks(exchange, part))
                await exchange.raw(b"\0" * how["bytes"])
                exchange.close()
            case _:
                await exchange.begin(status, announced)
                await self._blocks(exchange, part, how.get("bytes_per_s", 0), note)
                await exchange.more(b"", last=True)

    @staticmethod
    async def _blocks(
        exchange: Exchange, data: bytes, bytes_per_s: int = 0, note: Callable[[int], None] | None = None
    ) -> int:
        """Send data, and return how much of it was.

        Args:
            exchange: Where to.
            data: What.
            bytes_per_s: How fast; 0: as fast as it goes.
            note: Told how much is sent before the reader can know that it was all.
        """
        size = max(1, bytes_per_s // 20) if bytes_per_s else _BLOCK
        sent = len(data)
        for start in range(0, len(data), size):
            if exchange.gone:
                sent = start
                break
            if note is not None and start + size >= len(data):
                note(sent)
            await exchange.more(data[start : start + size])
            if bytes_per_s:
                await asyncio.sleep(0.05)
        if note is not None and (sent < len(data) or not data):
            note(sent)
        return sent

    @staticmethod
    async def _zeros(exchange: Exchange, count: int) -> int:
        block = b"\0" * _BLOCK
        for done in range(0, count, _BLOCK):
            if exchange.gone:
                return done
            await exchange.more(block[: count - done])
            await asyncio.sleep(0)  # a reader that keeps up must not keep others from being served
        return count

    def _die_once(self, job: Job) -> None:
        if not self._book.has_died(job.id, "on_download"):
            die(self._ledger, Died(at=time.time(), where="on_download", told=job.id))


def _span(wanted: str, length: int) -> tuple[int, int] | None:
    """Return begin and end of the range that a header asks for; None if there are no such bytes."""
    found = _RANGE.fullmatch(wanted.strip())
    if not found or not (found[1] or found[2]):
        return 0, length
    if not found[1]:
        return max(0, length - int(found[2])), length
    first = int(found[1])
    if first >= length:
        return None
    end = min(length, int(found[2]) + 1) if found[2] else length
    return (first, end) if end > first else None
