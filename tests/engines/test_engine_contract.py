"""One contract for every engine of a hosted provider, against its wire at the test provider.

What an engine is, and what its provider does not have, stands in tests/engines/contract/<engine>.py.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from pipeline.clock import utc_now
from pipeline.engines.answers import Reply
from pipeline.engines.base import Found, JobState, Order, Report, Ticket
from pipeline.engines.catalog import engine_class, missing_settings, remote_engine
from pipeline.engines.document import EXAMPLE
from pipeline.engines.hosted import HostedEngine
from pipeline.engines.http import Times, Wire
from pipeline.errors import ConfigurationError, ProviderError, Trouble
from tests.engines.contract import PICTURES, Case, cases, image, request
from tests.provider.ledger import Accepted, Cancelled
from tests.provider.showing import signed_path
from tests.support.provider import Provider, running_provider

KEY = "right-key-77"
T = TypeVar("T")
every_engine = pytest.mark.parametrize("case", cases(), ids=lambda case: case.engine)


def engines_whose_provider_has(what: str) -> Any:
    return pytest.mark.parametrize("case", cases(what), ids=lambda case: case.engine)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("provider") / "p"
    with running_provider(folder, tiny=True, fsync=False, duration_s=0.01, keys={KEY: "ours"}) as provider:
        yield provider


@pytest.fixture
def provider(server: Provider) -> Iterator[Provider]:
    before = server.control()
    yield server
    server.control(**before)
    server.script(clear=True)


_count = iter(range(1_000_000))


@dataclass
class Desk:
    """An engine in use: what the tests do with it."""

    engine: HostedEngine[Any]
    case: Case
    folder: Path

    def order(self, wire: dict[str, Any] | None = None, **changes: Any) -> Order:
        asked = request(**changes)
        images = {}
        for name, content in PICTURES.items():
            path = self.folder / f"{name}.png"
            path.write_bytes(content)
            images[image(name).sha256] = path
        intent = f"take-{next(_count)}"
        told = {**self.case.wire, **(wire or {})}
        return Order(intent, self.case.model, asked, images, told, utc_now(), alone=True)

    async def create(self, **changes: Any) -> Ticket:
        return await self.engine.create(self.order(**changes))

    async def ended(self, ticket: Ticket) -> Report:
        for _ in range(500):
            report = await self.engine.poll(ticket)
            if report.state not in (JobState.QUEUED, JobState.RUNNING):
                return report
            await asyncio.sleep(0.01)
        raise AssertionError("the job does not end")

    async def error(self, call: Awaitable[Any]) -> ProviderError:
        """Return what a call raises; it never shows the key."""
        with pytest.raises(ProviderError) as caught:
            await call
        shown = f"{caught.value} {caught.value.where} {caught.value.remedy} {caught.value!r}"
        assert KEY not in shown
        assert self.engine.name in caught.value.where or caught.value.where == ""
        return caught.value


def settings_of(case: Case, provider: Provider, key: str = KEY) -> dict[str, str]:
    engine = engine_class(case.engine)
    assert issubclass(engine, HostedEngine)
    return {engine.key_setting: key, engine.address_setting: provider.base_url_of(case.engine), **case.settings}


def using(
    case: Case,
    provider: Provider,
    folder: Path,
    use: Callable[[Desk], Awaitable[T]],
    *,
    key: str = KEY,
    **options: Any,
) -> T:
    """Do something with an engine that is configured for the test provider."""

    async def nap(_: float) -> None:
        await asyncio.sleep(0.01)

    async def run() -> T:
        async with Wire(**{"sleep": nap, "chance": random.Random(3)} | options) as wire:
            engine = remote_engine(case.engine, wire, settings_of(case, provider, key))
            assert isinstance(engine, HostedEngine)
            return await use(Desk(engine, case, folder))

    return asyncio.run(run())


def accepted(provider: Provider, order: Order) -> list[Accepted]:
    return provider.accepted_by_intent().get(order.intent, [])


# From order to clip


@every_engine
def test_a_take_is_created_polled_and_its_clip_arrives_byte_for_byte(
    case: Case, provider: Provider, tmp_path: Path
) -> None:
    async def make(desk: Desk) -> tuple[Ticket, Report]:
        ticket = await desk.create()
        report = await desk.ended(ticket)
        await desk.engine.fetch(ticket, report, tmp_path / "take.mp4")
        return ticket, report

    ticket, report = using(case, provider, tmp_path, make)

    assert (report.state, report.trouble, report.reason) == (JobState.SUCCEEDED, None, "")
    (job,) = [job for job in provider.accepted() if job.job in ticket.job]
    there = httpx.get(f"http://127.0.0.1:{provider.port}{signed_path(job.job, time.time() + 60)}", trust_env=False)
    assert (tmp_path / "take.mp4").read_bytes() == there.content
    charged = sum(each.micro_usd for each in provider.charges_by_intent()[job.intent])
    assert report.charged == (None if "charged" in case.cannot else charged)


@every_engine
def test_another_process_can_follow_the_job_by_its_ticket_alone(case: Case, provider: Provider, tmp_path: Path) -> None:
    ticket = using(case, provider, tmp_path, lambda desk: desk.create())

    report = using(case, provider, tmp_path, lambda desk: desk.ended(ticket))

    assert report.state is JobState.SUCCEEDED


@every_engine
def test_a_running_job_is_running_and_its_progress_is_a_share(case: Case, provider: Provider, tmp_path: Path) -> None:
    provider.script("slow s=60")

    async def look(desk: Desk) -> Report:
        return await desk.engine.poll(await desk.create())

    report = using(case, provider, tmp_path, look)

    assert report.state is JobState.RUNNING
    if "progress" in case.cannot:
        assert report.progress is None
    else:
        assert report.progress is not None
        assert 0 <= report.progress < 1
    assert "unknown_status" not in report.facts


@engines_whose_provider_has("queued")
def test_a_waiting_job_is_queued(case: Case, provider: Provider, tmp_path: Path) -> None:
    provider.control(queue_s=60)

    async def look(desk: Desk) -> Report:
        return await desk.engine.poll(await desk.create())

    assert using(case, provider, tmp_path, look).state is JobState.QUEUED


GOLDEN = [
    pytest.param(case, number, id=f"{case.engine}-{number}") for case in cases() for number in range(len(case.golden))
]


@pytest.mark.parametrize(("case", "number"), GOLDEN)
def test_a_request_arrives_as_the_provider_documents_it(
    case: Case, number: int, provider: Provider, tmp_path: Path
) -> None:
    golden = case.golden[number]
    orders: list[Order] = []

    async def create(desk: Desk) -> None:
        orders.append(desk.order(dict(golden.wire), **golden.request))
        await desk.engine.create(orders[0])

    using(case, provider, tmp_path, create)

    (job,) = accepted(provider, orders[0])
    assert job.heard["path"] == golden.path
    reference = {case.reference: orders[0].intent} if case.reference else {}
    assert job.heard["body"] == {**golden.body, **reference}
    assert job.heard["query"] == golden.query
    assert {name: job.heard["headers"].get(name) for name in golden.headers} == golden.headers


# What can go wrong with a create call

CREATES: dict[str, Trouble] = {
    "throttle after=17": Trouble.CAPACITY,
    "queue_full": Trouble.CAPACITY,
    "invalid": Trouble.INVALID,
    "out_of_funds": Trouble.OUT_OF_FUNDS,
    "retired": Trouble.RETIRED,
    "refuse": Trouble.REFUSED,
    "error_before": Trouble.UNCERTAIN,
    "reset_before": Trouble.UNCERTAIN,
    "lose_reply": Trouble.UNCERTAIN,
    "error_after": Trouble.UNCERTAIN,
    "garbage_reply": Trouble.UNCERTAIN,
    "cut_reply": Trouble.UNCERTAIN,
    "hang": Trouble.UNCERTAIN,
}
ACCEPTED = {"lose_reply", "error_after", "garbage_reply", "cut_reply", "hang"}


@every_engine
@pytest.mark.parametrize("told", CREATES)
def test_every_answer_to_a_create_call_is_one_kind_of_trouble_and_asked_for_once(
    case: Case, told: str, provider: Provider, tmp_path: Path
) -> None:
    if told in case.cannot:
        pytest.skip(f"{case.engine} has no {told}")
    provider.script(told)
    orders: list[Order] = []

    async def create(desk: Desk) -> ProviderError:
        orders.append(desk.order())
        return await desk.error(desk.engine.create(orders[0]))

    error = using(case, provider, tmp_path, create, times=Times(ask=0.5))

    assert error.trouble is CREATES[told], str(error)
    assert error.retry_after_s == (17 if told.startswith("throttle") else error.retry_after_s)
    assert len(accepted(provider, orders[0])) == (told in ACCEPTED)
    asked = [one["intent"] for one in provider.requests("POST", f"/{case.engine}")]
    assert asked.count(orders[0].intent) == (told != "hang")


@every_engine
@pytest.mark.parametrize("answer", [{}, {"id": None, "request_id": 7, "data": []}])
def test_an_answer_that_names_no_job_leaves_it_unsure(
    case: Case, answer: dict[str, Any], provider: Provider, tmp_path: Path
) -> None:
    async def create(desk: Desk) -> ProviderError:
        async def ask(*_: Any, **__: Any) -> Reply:
            return Reply(200, {}, answer)

        desk.engine.wire.ask = ask  # type: ignore[method-assign]
        return await desk.error(desk.engine.create(desk.order()))

    assert using(case, provider, tmp_path, create).trouble is Trouble.UNCERTAIN


@every_engine
def test_the_key_is_sent_to_no_other_address_than_the_providers(case: Case, provider: Provider, tmp_path: Path) -> None:
    sent: list[Any] = []

    async def fetch(desk: Desk) -> None:
        async def download(*_: Any, headers: Any = None, **__: Any) -> None:
            sent.append(dict(headers or {}))

        desk.engine.wire.download = download  # type: ignore[method-assign, assignment]
        ticket = Ticket("job-1", case.model, case.wire)
        report = Report(JobState.SUCCEEDED, output={"url": "https://cdn.example/x.mp4"})
        await desk.engine.fetch(ticket, report, tmp_path / "take.mp4")

    using(case, provider, tmp_path, fetch)

    assert KEY not in str(sent)


@every_engine
def test_a_wrong_key_is_an_account_that_is_out_of_funds_and_is_named_not_shown(
    case: Case, provider: Provider, tmp_path: Path
) -> None:
    async def create(desk: Desk) -> ProviderError:
        return await desk.error(desk.engine.create(desk.order()))

    error = using(case, provider, tmp_path, create, key="wrong-key-99")

    assert error.trouble is Trouble.OUT_OF_FUNDS
    assert engine_class(case.engine).key_setting in error.remedy  # type: ignore[attr-defined]
    assert "wrong-key-99" not in str(error)


@every_engine
def test_nothing_is_sent_when_it_is_too_late(case: Case, provider: Provider, tmp_path: Path) -> None:
    orders: list[Order] = []

    async def create(desk: Desk) -> ProviderError:
        orders.append(replace(desk.order(), not_after=0.0))
        return await desk.error(desk.engine.create(orders[0]))

    assert using(case, provider, tmp_path, create).trouble is Trouble.TRANSIENT
    assert accepted(provider, orders[0]) == []


@every_engine
def test_a_picture_that_the_wire_does_not_name_is_refused_unsent(
    case: Case, provider: Provider, tmp_path: Path
) -> None:
    orders: list[Order] = []

    async def create(desk: Desk) -> ProviderError:
        names = ("first_frame", "last_frame", "references")
        asked = desk.order(dict.fromkeys(names), references=(image("hero"),))
        orders.append(asked)
        return await desk.error(desk.engine.create(asked))

    error = using(case, provider, tmp_path, create)

    assert error.trouble is Trouble.INVALID
    assert "references" in str(error)
    assert accepted(provider, orders[0]) == []


@every_engine
def test_a_job_whose_create_call_was_not_answered_is_looked_for_as_far_as_the_engine_declares(
    case: Case, provider: Provider, tmp_path: Path
) -> None:
    async def lose(desk: Desk, told: str) -> tuple[Order, Found, str]:
        provider.script(told)
        asked = desk.order(prompt=f"a red kite {told}")
        assert (await desk.error(desk.engine.create(asked))).trouble is Trouble.UNCERTAIN
        later = replace(asked, asked_at=asked.asked_at - timedelta(seconds=900))
        known = frozenset(job.job for job in provider.accepted() if job.intent != asked.intent)
        outcome = await desk.engine.reconcile(later, known)
        return asked, outcome.found, outcome.ticket.job if outcome.ticket else ""

    async def both(desk: Desk) -> tuple[bool, Any, Any]:
        able = desk.engine.abilities(case.wire).reconciles
        return able, await lose(desk, "lose_reply"), await lose(desk, "reset_before")

    able, (asked, found, job), (_, absent, _) = using(case, provider, tmp_path, both)

    if able:
        assert (found, job) == (Found.FOUND, accepted(provider, asked)[0].job)
        assert absent is Found.ABSENT
    else:
        assert (found, absent) == (Found.UNTOLD, Found.UNTOLD)


# What can go wrong with a job

JOBS: dict[str, tuple[JobState, Trouble | None]] = {
    "fail": (JobState.FAILED, Trouble.FAILED),
    "refuse_job": (JobState.FAILED, Trouble.REFUSED),
    "poll_error times=2": (JobState.SUCCEEDED, None),
    "poll_throttle after=0.01": (JobState.SUCCEEDED, None),
    "poll_garbage": (JobState.SUCCEEDED, None),
    "poll_reset": (JobState.SUCCEEDED, None),
    "poll_missing": (JobState.SUCCEEDED, None),
    "poll_missing times=0": (JobState.GONE, None),
}


@every_engine
@pytest.mark.parametrize("told", JOBS)
def test_what_polling_finds(case: Case, told: str, provider: Provider, tmp_path: Path) -> None:
    if told in case.cannot or (told == "poll_missing times=0" and "gone" in case.cannot):
        pytest.skip(f"{case.engine} has no {told}")
    provider.script(told)

    async def make(desk: Desk) -> Report:
        return await desk.ended(await desk.create())

    report = using(case, provider, tmp_path, make)

    assert (report.state, report.trouble) == JOBS[told]
    assert bool(report.reason) == (report.state in (JobState.FAILED, JobState.GONE))
    assert KEY not in report.reason


@every_engine
def test_a_state_that_nobody_knows_is_kept_and_the_job_goes_on(case: Case, provider: Provider, tmp_path: Path) -> None:
    provider.script("slow; poll_strange status=paused")

    async def look(desk: Desk) -> Report:
        return await desk.engine.poll(await desk.create())

    report = using(case, provider, tmp_path, look)

    assert report.state is JobState.RUNNING
    assert str(report.facts["unknown_status"]).lower() == "paused"


@engines_whose_provider_has("expire")
def test_an_expired_address_is_polled_for_again_and_the_clip_collected(
    case: Case, provider: Provider, tmp_path: Path
) -> None:
    provider.script("expire_url")

    async def make(desk: Desk) -> ProviderError:
        ticket = await desk.create()
        error = await desk.error(desk.engine.fetch(ticket, await desk.ended(ticket), tmp_path / "take.mp4"))
        await desk.engine.fetch(ticket, await desk.engine.poll(ticket), tmp_path / "take.mp4")
        return error

    assert using(case, provider, tmp_path, make).trouble is Trouble.TRANSIENT
    assert (tmp_path / "take.mp4").read_bytes()[4:8] == b"ftyp"


@every_engine
def test_a_job_is_stopped_or_the_engine_says_that_none_can_be(case: Case, provider: Provider, tmp_path: Path) -> None:
    provider.script("slow s=60")
    provider.control(queue_s=60 if case.stops_queued else 0)

    async def stop(desk: Desk) -> tuple[Ticket, Report | None]:
        ticket = await desk.create()
        if not desk.engine.abilities(case.wire).cancels:
            assert (await desk.error(desk.engine.cancel(ticket))).trouble is Trouble.INVALID
            return ticket, None
        await desk.engine.cancel(ticket)
        return ticket, await desk.engine.poll(ticket)

    ticket, report = using(case, provider, tmp_path, stop)

    stopped = [entry for entry in provider.entries(Cancelled) if entry.job in ticket.job]
    assert len(stopped) == (report is not None)
    assert report is None or report.state is case.after_cancel


@pytest.mark.parametrize("case", [case for case in cases() if case.stops_queued], ids=lambda case: case.engine)
def test_a_running_job_goes_on_where_only_waiting_ones_can_be_stopped_and_its_clip_is_collected(
    case: Case, provider: Provider, tmp_path: Path
) -> None:
    provider.script("slow s=60")

    async def stop(desk: Desk) -> tuple[Ticket, ProviderError, Report]:
        ticket = await desk.create()
        refused = await desk.error(desk.engine.cancel(ticket))
        provider.finish()
        too_late = await desk.error(desk.engine.cancel(ticket))
        assert too_late.trouble is Trouble.INVALID
        return ticket, refused, await desk.engine.poll(ticket)

    ticket, refused, report = using(case, provider, tmp_path, stop)

    assert refused.trouble is Trouble.INVALID
    assert [entry for entry in provider.entries(Cancelled) if entry.job in ticket.job] == []
    assert report.state is JobState.SUCCEEDED


# Configuration


@every_engine
def test_the_engine_says_which_key_it_lacks_and_refuses_to_work_without(case: Case, provider: Provider) -> None:
    settings = settings_of(case, provider)
    engine = engine_class(case.engine)
    assert issubclass(engine, HostedEngine)

    assert missing_settings(case.engine, settings) == ()
    assert engine.key_setting in " ".join(missing_settings(case.engine, {}))
    for wrong in ({engine.key_setting: ""}, {engine.address_setting: "gpu.internal:80"}):
        with pytest.raises(ConfigurationError) as caught:
            engine(Wire(), settings | wrong)
        assert caught.value.where in wrong


@every_engine
def test_the_engine_knows_its_wire_and_names_what_it_does_not_know(case: Case) -> None:
    engine = engine_class(case.engine)
    assert issubclass(engine, HostedEngine)

    assert engine.check_wire(case.wire) == ()
    for golden in case.golden:
        assert engine.check_wire({**case.wire, **golden.wire}) == ()
    assert "sede" in engine.check_wire({**case.wire, "sede": "yes"})[0]


# The example of docs/engines.md


def test_the_thirty_lines_that_the_page_shows_are_an_engine(provider: Provider, tmp_path: Path) -> None:
    scope: dict[str, Any] = {}
    imports = (
        "from types import MappingProxyType\n"
        "from pipeline.engines.base import JobState, Order, Report, Ticket\n"
        "from pipeline.engines.hosted import HostedEngine, deep, money\n"
        "from pipeline.engines.wording import Wording\n"
        "from pipeline.errors import Trouble\n"
    )
    exec(imports + EXAMPLE, scope)  # noqa: S102 - our own page
    acme = scope["AcmeEngine"]
    answers = [
        {"id": "job-1"},
        {"state": "BUSY"},
        {"state": "DONE", "usd": 0.25, "result": {"video": {"url": "https://cdn.acme.example/a.mp4"}}},
        {"state": "BROKEN", "error": {"code": "broke", "message": "No money."}},
    ]

    async def use() -> list[Any]:
        async with Wire() as wire:

            async def answer(*_: Any, **__: Any) -> Reply:
                return Reply(200, {}, answers.pop(0))

            engine = acme(wire, {"ACME_API_KEY": KEY})
            wire.ask = wire.read = answer  # type: ignore[assignment, method-assign]
            order = Order("take-1", "m", request(), {}, {"duration": "yes"}, utc_now())
            ticket = await engine.create(order)
            return [ticket.job, *[await engine.poll(ticket) for _ in range(3)], engine.abilities({}).cancels]

    job, running, done, broken, cancels = asyncio.run(use())

    assert len(EXAMPLE.splitlines()) <= 40
    assert (job, running.state, cancels) == ("job-1", JobState.RUNNING, True)
    assert (done.state, done.charged, done.output["url"]) == (
        JobState.SUCCEEDED,
        250_000,
        "https://cdn.acme.example/a.mp4",
    )
    assert (broken.trouble, broken.reason) == (Trouble.OUT_OF_FUNDS, "No money")
