"""The engine for servers of the OpenAI video format, against a provider in a process of its own."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clock import utc_now
from pipeline.control.request import CameraCue, GenerationRequest, Image
from pipeline.engines.base import Found, JobState, Order, Report, Ticket
from pipeline.engines.catalog import remote_engine
from pipeline.engines.document import OVERLAY, PAGE, page
from pipeline.engines.http import Times, Wire
from pipeline.engines.openai_compatible import API_KEY, BASE_URL, OpenAICompatibleEngine
from pipeline.engines.openai_wire import FrameGrid, VideosWire, form_fields, seconds_of
from pipeline.errors import ConfigurationError, ProviderError, Trouble
from pipeline.registry import markdown
from pipeline.registry.load import load_registry
from tests.support.provider import Provider, running_provider
from tests.support.registry_samples import write

WIRE = {"size": "width_height", "fps": "yes", "seed": True, "cancel": "post"}
PNG = b"\x89PNG\r\n\x1a\n not really"
T = TypeVar("T")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running_provider(tmp_path_factory.mktemp("provider") / "p", duration_s=0.01) as provider:
        yield provider


@pytest.fixture
def provider(server: Provider) -> Iterator[Provider]:
    before = server.control()
    yield server
    server.control(**before)
    server.script(clear=True)


def request(**changes: Any) -> GenerationRequest:
    values: dict[str, Any] = {
        "shot_id": "s1",
        "mode": "text-to-video",
        "prompt": "a red kite",
        "action": "a red kite",
        "width": 160,
        "height": 90,
        "fps": "12/1",
        "frames": 12,
        "seed": 7,
        "camera": CameraCue(size="wide", move="static", angle="eye-level"),
    }
    return GenerationRequest(**(values | changes))


_count = iter(range(10_000))


def order(wire: dict[str, Any] | None = None, **changes: Any) -> Order:
    now = utc_now()
    intent = f"take-{next(_count)}"
    asked = request(prompt=f"a red kite {intent}", **changes)
    return Order(intent, "wan", asked, {}, WIRE if wire is None else wire, now, alone=True)


def calling(
    provider: Provider, use: Callable[[OpenAICompatibleEngine], Awaitable[T]], *, key: str = "", **options: Any
) -> T:
    """Do something with an engine that is configured for the provider."""

    async def nap(_: float) -> None:
        await asyncio.sleep(0.02)

    async def run() -> T:
        environment = {BASE_URL: f"{provider.base_url}/", API_KEY: key}
        async with Wire(**{"sleep": nap, "chance": random.Random(3)} | options) as wire:
            engine = remote_engine("openai_compatible", wire, environment)
            assert isinstance(engine, OpenAICompatibleEngine)
            return await use(engine)

    return asyncio.run(run())


async def ended(engine: OpenAICompatibleEngine, ticket: Ticket) -> Report:
    while True:
        report = await engine.poll(ticket)
        if report.state not in (JobState.QUEUED, JobState.RUNNING):
            return report
        await asyncio.sleep(0.01)


async def trouble_of(call: Awaitable[Any]) -> Trouble:
    with pytest.raises(ProviderError) as caught:
        await call
    return caught.value.trouble


# From order to clip


def test_a_take_is_created_polled_and_fetched(provider: Provider, tmp_path: Path) -> None:
    asked = order()

    async def make(engine: OpenAICompatibleEngine) -> Report:
        ticket = await engine.create(asked)
        report = await ended(engine, ticket)
        await engine.fetch(ticket, report, tmp_path / "take.mp4")
        return report

    report = calling(provider, make)

    assert (report.state, report.progress, report.trouble) == (JobState.SUCCEEDED, 1.0, None)
    assert (tmp_path / "take.mp4").read_bytes()[4:8] == b"ftyp"
    (job,) = provider.accepted_by_intent()[asked.intent]
    assert (job.model, job.prompt, job.seed) == ("wan", asked.request.prompt, "7")
    assert (job.width, job.height, job.fps, job.seconds) == (160, 90, "12", "1")


def test_the_first_frame_and_all_that_the_server_understands_are_sent(provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "first.png"
    path.write_bytes(PNG)
    wire = {
        "model": "Wan-AI/Wan2.2",
        "num_frames": {"multiple_of": 4, "plus": 1},
        "negative_prompt": True,
        "guidance_scale": {"low": 1, "high": 8},
        "generate_sound": True,
        "input_reference": True,
        "fields": {"num_inference_steps": 20, "flow_shift": 5.0, "enhance": True},
        "reference": "metadata_id",
    }
    asked = replace(
        order(
            wire,
            mode="image-to-video",
            first_frame=Image(sha256="f" * 64),
            negative_prompt="rain",
            guidance=0.5,
            audio=False,
            parameters={"num_inference_steps": 8, "lora": {"name": "x"}, "left_out": None},
        ),
        images={"f" * 64: path},
    )

    calling(provider, lambda engine: engine.create(asked))

    (job,) = provider.accepted_by_intent()[asked.intent]
    assert job.model == "Wan-AI/Wan2.2"
    assert job.seed == ""  # its wire does not say that the server takes one
    assert job.files["input_reference"]["bytes"] == len(PNG)
    assert job.files["input_reference"]["type"] == "image/png"
    sent = {
        "num_frames": "13",
        "negative_prompt": "rain",
        "guidance_scale": "4.5",
        "generate_sound": "false",
        "num_inference_steps": "8",
        "flow_shift": "5",
        "enhance": "true",
        "lora": '{"name": "x"}',
        "metadata_id": asked.intent,
        "size": "160x90",
    }
    everything = job.fields | {"num_frames": str(job.frames), "size": f"{job.width}x{job.height}"}
    assert {name: everything.get(name) for name in sent} == sent
    assert "left_out" not in job.fields


def test_the_key_goes_to_the_server_and_never_into_an_error(provider: Provider, tmp_path: Path) -> None:
    provider.control(keys={"right-key-77": "ours"})

    async def make(engine: OpenAICompatibleEngine) -> Report:
        ticket = await engine.create(order())
        report = await ended(engine, ticket)
        await engine.fetch(ticket, report, tmp_path / "take.mp4")
        return report

    async def fail(engine: OpenAICompatibleEngine) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            await engine.create(order())
        return caught.value

    assert calling(provider, make, key="right-key-77").state is JobState.SUCCEEDED
    error = calling(provider, fail, key="wrong-key-99")
    assert error.trouble is Trouble.OUT_OF_FUNDS
    assert API_KEY in error.remedy
    assert "wrong-key-99" not in str(error)


def test_a_clip_behind_a_url_of_its_own_is_fetched(provider: Provider, tmp_path: Path) -> None:
    provider.control(urls=True, keys={"right-key-77": "ours"})

    async def make(engine: OpenAICompatibleEngine) -> Report:
        ticket = await engine.create(order({**WIRE, "result": "url"}))
        report = await ended(engine, ticket)
        await engine.fetch(ticket, report, tmp_path / "take.mp4")
        return report

    report = calling(provider, make, key="right-key-77")

    assert "/files/" in report.output["url"]
    assert (tmp_path / "take.mp4").stat().st_size > 1000


# What can go wrong

CREATES = {
    "refuse": Trouble.REFUSED,
    "throttle after=2": Trouble.CAPACITY,
    "queue_full": Trouble.CAPACITY,
    "invalid": Trouble.INVALID,
    "invalid status=422": Trouble.INVALID,
    "out_of_funds": Trouble.OUT_OF_FUNDS,
    "retired": Trouble.RETIRED,
    "forbidden": Trouble.OUT_OF_FUNDS,
    "error_before": Trouble.UNCERTAIN,
    "reset_before": Trouble.UNCERTAIN,
    "lose_reply": Trouble.UNCERTAIN,
    "reset_reply": Trouble.UNCERTAIN,
    "error_after": Trouble.UNCERTAIN,
    "garbage_reply": Trouble.UNCERTAIN,
    "cut_reply": Trouble.UNCERTAIN,
    "hang": Trouble.UNCERTAIN,
}
ACCEPTED = {"lose_reply", "reset_reply", "error_after", "garbage_reply", "cut_reply", "hang"}


@pytest.mark.parametrize("told", CREATES)
def test_every_answer_to_a_create_call_is_one_kind_of_trouble_and_was_asked_for_once(
    provider: Provider, told: str
) -> None:
    provider.script(told)
    asked = order()

    found = calling(provider, lambda engine: trouble_of(engine.create(asked)), times=Times(ask=0.5))

    assert found is CREATES[told]
    assert len(provider.accepted_by_intent().get(asked.intent, [])) == (told in ACCEPTED)
    answered = [one["intent"] for one in provider.requests("POST", "/videos")]
    assert answered.count(asked.intent) == (told != "hang")


def test_a_throttled_create_call_says_for_how_long(provider: Provider) -> None:
    provider.script("throttle after=17")

    async def create(engine: OpenAICompatibleEngine) -> float | None:
        with pytest.raises(ProviderError) as caught:
            await engine.create(order())
        return caught.value.retry_after_s

    assert calling(provider, create) == 17


JOBS = {
    "fail": (JobState.FAILED, Trouble.FAILED),
    "refuse_job": (JobState.FAILED, Trouble.REFUSED),
    "fail code=invalid_image": (JobState.FAILED, Trouble.INVALID),
    "fail code=cancelled": (JobState.CANCELLED, None),
    "poll_error times=2": (JobState.SUCCEEDED, None),
    "poll_throttle after=0.01": (JobState.SUCCEEDED, None),
    "poll_garbage": (JobState.SUCCEEDED, None),
    "poll_reset": (JobState.SUCCEEDED, None),
    "poll_missing": (JobState.SUCCEEDED, None),
    "poll_missing times=0": (JobState.GONE, None),
}


@pytest.mark.parametrize("told", JOBS)
def test_what_polling_finds(provider: Provider, told: str) -> None:
    provider.script(told)

    async def make(engine: OpenAICompatibleEngine) -> Report:
        return await ended(engine, await engine.create(order()))

    report = calling(provider, make)

    assert (report.state, report.trouble) == JOBS[told]
    assert bool(report.reason) == (report.state in (JobState.FAILED, JobState.GONE))


def test_a_word_that_nobody_knows_is_kept_and_the_job_goes_on_unless_the_registry_explains_it(
    provider: Provider,
) -> None:
    async def first_poll(engine: OpenAICompatibleEngine) -> list[Report]:
        found = []
        for wire in (WIRE, {**WIRE, "states": {"paused": "failed"}}):
            provider.script("slow; poll_strange status=paused")
            found.append(await engine.poll(await engine.create(order(wire))))
        return found

    strange, explained = calling(provider, first_poll)

    assert (strange.state, strange.facts["unknown_status"]) == (JobState.RUNNING, "paused")
    assert explained.state is JobState.FAILED


def test_a_404_that_is_not_the_servers_own_loses_no_job(provider: Provider) -> None:
    async def poll(engine: OpenAICompatibleEngine) -> Trouble:
        async def page(*_: Any, **__: Any) -> Any:
            return reply

        from pipeline.engines.answers import Reply

        reply = Reply(404, {})  # a gateway's page: no JSON
        engine.wire.read = page  # type: ignore[method-assign]
        return await trouble_of(engine.poll(Ticket("video_1", "wan")))

    assert calling(provider, poll) is Trouble.TRANSIENT


def test_a_result_that_points_inside_is_not_fetched(provider: Provider, tmp_path: Path) -> None:
    async def fetch(engine: OpenAICompatibleEngine) -> list[Trouble]:
        found = []
        for told, wire in (("redirect", WIRE), ("url", {**WIRE, "result": "url"})):
            provider.script(told)
            ticket = await engine.create(order(wire))
            found.append(await trouble_of(engine.fetch(ticket, await ended(engine, ticket), tmp_path / "take.mp4")))
        return found

    assert calling(provider, fetch) == [Trouble.TRANSIENT] * 2
    assert list(tmp_path.iterdir()) == []


PLACES = {"https://cdn.example/x.mp4": False, "http://127.0.0.1:{port}/files/x": True, "http://127.0.0.1:1/x": False}


@pytest.mark.parametrize("place", PLACES)
def test_the_key_is_sent_to_the_servers_own_origin_alone(provider: Provider, place: str, tmp_path: Path) -> None:
    sent: list[Any] = []

    async def fetch(engine: OpenAICompatibleEngine) -> None:
        async def download(*_: Any, headers: Any, **__: Any) -> None:
            sent.append(headers)

        engine.wire.download = download  # type: ignore[method-assign]
        report = Report(JobState.SUCCEEDED, output={"url": place.format(port=provider.port)})
        await engine.fetch(Ticket("video_1", "wan"), report, tmp_path / "take.mp4")

    calling(provider, fetch, key="right-key-77")

    assert sent == [{"Authorization": "Bearer right-key-77"} if PLACES[place] else {}]


@pytest.mark.parametrize(
    "told", ["truncate", "cut_off", "truncate times=2", "truncate; no_ranges", "download_error times=2"]
)
def test_a_download_that_breaks_off_ends_whole(provider: Provider, told: str, tmp_path: Path) -> None:
    async def make(engine: OpenAICompatibleEngine, script: str, name: str) -> bytes:
        provider.script(script)
        ticket = await engine.create(order())
        await engine.fetch(ticket, await ended(engine, ticket), tmp_path / name)
        return (tmp_path / name).read_bytes()

    whole = calling(provider, lambda engine: make(engine, "ok", "a.mp4"))
    broken = calling(provider, lambda engine: make(engine, told, "b.mp4"))

    assert broken[:32] == whole[:32]
    assert abs(len(broken) - len(whole)) < len(whole) // 4  # each job's clip differs a little
    assert broken[-4:] == whole[-4:] or b"moov" in broken


# Cancelling


@pytest.mark.parametrize(("how", "after"), [("post", JobState.CANCELLED), ("delete", JobState.GONE)])
def test_a_job_is_stopped_in_the_way_that_the_registry_says(provider: Provider, how: str, after: JobState) -> None:
    provider.script("slow s=60")

    async def stop(engine: OpenAICompatibleEngine) -> tuple[Report, Ticket]:
        ticket = await engine.create(order({**WIRE, "cancel": how}))
        await engine.cancel(ticket)
        return await engine.poll(ticket), ticket

    report, ticket = calling(provider, stop)

    assert report.state is after
    assert [entry.job for entry in provider.charged_after_cancel() if entry.job == ticket.job] == []


def test_what_can_not_be_stopped_says_so(provider: Provider) -> None:
    async def stop(engine: OpenAICompatibleEngine) -> list[Trouble]:
        provider.control(cancel="not_allowed")
        provider.script("slow s=60", "slow s=60")
        refused = await engine.create(order())
        never = await engine.create(order({**WIRE, "cancel": "none"}))
        return [await trouble_of(engine.cancel(refused)), await trouble_of(engine.cancel(never))]

    assert calling(provider, stop) == [Trouble.INVALID] * 2


def test_abilities_are_what_the_registry_says(provider: Provider) -> None:
    async def ask(engine: OpenAICompatibleEngine) -> list[tuple[bool, bool]]:
        wires: list[dict[str, Any]] = [{}, {"cancel": "delete"}, {"reconcile": "list"}]
        return [(able.cancels, able.reconciles) for able in map(engine.abilities, wires)]

    assert calling(provider, ask) == [(False, False), (True, False), (False, True)]


# Looking for a job whose create call was not answered


LATER = timedelta(seconds=300)


def looked_for(provider: Provider, asked: Order, *, ours: frozenset[str] = frozenset(), later: bool = True) -> Any:
    """Reconcile, with a list that was read long after the order (whose moment is moved back) or at once."""
    moved = replace(asked, asked_at=asked.asked_at - LATER) if later else asked
    return calling(provider, lambda engine: engine.reconcile(moved, ours))


def lost(provider: Provider, wire: dict[str, Any], told: str = "lose_reply", **changes: Any) -> Order:
    provider.script(told)
    asked = order({**WIRE, **wire}, **changes)
    assert calling(provider, lambda engine: trouble_of(engine.create(asked))) is Trouble.UNCERTAIN
    return asked


def job_of(provider: Provider, asked: Order) -> str:
    (job,) = provider.accepted_by_intent()[asked.intent]
    return job.job


def test_nothing_is_looked_for_unless_the_registry_says_how(provider: Provider) -> None:
    assert looked_for(provider, lost(provider, {})).found is Found.UNTOLD


def test_asking_again_with_the_same_key_finds_the_job_and_makes_no_second(provider: Provider) -> None:
    provider.control(idempotent=True)
    asked = lost(provider, {"reconcile": "idempotency"})

    outcome = looked_for(provider, asked, later=False)

    assert outcome.found is Found.FOUND
    assert outcome.ticket.job == job_of(provider, asked)


def test_an_old_key_is_not_asked_with_again_for_the_server_may_have_forgotten_it(provider: Provider) -> None:
    asked = lost(provider, {"reconcile": "idempotency"})

    assert looked_for(provider, asked).found is Found.UNTOLD
    assert len(provider.accepted_by_intent()[asked.intent]) == 1


def test_asking_again_needs_the_pictures_and_tells_nothing_if_it_is_refused(provider: Provider, tmp_path: Path) -> None:
    provider.control(idempotent=True)
    image = Image(sha256="e" * 64)
    without = replace(
        order({**WIRE, "reconcile": "idempotency", "input_reference": True}, mode="image-to-video", first_frame=image),
        images={"e" * 64: tmp_path / "gone.png"},
    )
    provider.script("throttle")

    assert looked_for(provider, without).found is Found.UNTOLD
    assert not provider.accepted_by_intent().get(without.intent)
    asked = order({**WIRE, "reconcile": "idempotency"})
    assert calling(provider, lambda engine: trouble_of(engine.reconcile(asked, frozenset()))) is Trouble.CAPACITY


def test_a_listed_job_that_looks_like_the_order_is_found_if_no_other_order_could_be_meant(provider: Provider) -> None:
    asked = lost(provider, {"reconcile": "list"})

    alone = looked_for(provider, asked, later=False)
    not_alone = looked_for(provider, replace(asked, alone=False))
    taken = looked_for(provider, asked, ours=frozenset({job_of(provider, asked)}))

    assert (alone.found, alone.ticket.job) == (Found.FOUND, job_of(provider, asked))
    assert not_alone.found is Found.UNTOLD
    assert taken.found is Found.ABSENT


def test_two_listed_jobs_that_look_alike_are_never_guessed_between(provider: Provider) -> None:
    asked = lost(provider, {"reconcile": "list"})
    calling(provider, lambda engine: engine.create(replace(asked, intent=f"{asked.intent}-twin")))

    assert looked_for(provider, asked).found is Found.UNTOLD


@pytest.mark.parametrize("telling", [{"idempotent": True}, {"echo": ["prompt", "user"]}])
def test_a_job_that_tells_our_reference_is_found_among_its_twins(provider: Provider, telling: dict[str, Any]) -> None:
    provider.control(**telling)
    wire = {"reconcile": "list"} | ({"reference": "user"} if "echo" in telling else {})
    asked = lost(provider, wire)
    calling(provider, lambda engine: engine.create(replace(asked, intent=f"{asked.intent}-twin")))

    outcome = looked_for(provider, replace(asked, alone=False))

    assert (outcome.found, outcome.ticket.job) == (Found.FOUND, job_of(provider, asked))


def test_a_job_that_is_not_listed_is_absent_only_when_it_can_not_come_any_more(provider: Provider) -> None:
    asked = lost(provider, {"reconcile": "list"}, told="reset_before")

    assert looked_for(provider, asked, later=False).found is Found.UNTOLD
    assert looked_for(provider, asked).found is Found.ABSENT


def test_a_list_that_lags_does_not_make_a_job_absent(provider: Provider) -> None:
    provider.control(list_lag_s=600)
    asked = lost(provider, {"reconcile": "list", "list_lag_s": 600})

    assert looked_for(provider, asked).found is Found.UNTOLD


def test_a_list_that_does_not_say_enough_leaves_the_job_untold(provider: Provider) -> None:
    asked = lost(provider, {"reconcile": "list"})
    provider.control(echo=[])

    assert looked_for(provider, asked).found is Found.UNTOLD


def test_a_server_that_lists_nothing_tells_nothing(provider: Provider) -> None:
    asked = lost(provider, {"reconcile": "list"})
    provider.control(list_jobs=False)

    with pytest.raises(ProviderError):
        looked_for(provider, asked)


def test_a_clock_that_differs_makes_no_job_absent(provider: Provider) -> None:
    asked = lost(provider, {"reconcile": "list"}, told="reset_before")

    async def look(engine: OpenAICompatibleEngine) -> Any:
        return await engine.reconcile(asked, frozenset())

    outcome = calling(provider, look, clock=lambda: utc_now() + LATER)  # ours is five minutes ahead of theirs

    assert outcome.found is Found.UNTOLD


# Configuration


@pytest.mark.parametrize(
    "address", ["", "gpu.internal:8091", "ftp://a/v1", "http://", "https://me:pw@a/v1", "https://a/v1?k=1"]
)
def test_an_address_that_is_none_is_a_configuration_error(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OpenAICompatibleEngine(Wire(), {BASE_URL: address})

    assert caught.value.where == BASE_URL


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        ({"sede": True}, "wire.sede: there is no such field; did you mean seed?"),
        ({"cancel": "stop"}, "wire.cancel"),
        ({"fields": {"a b": 1}}, "wire.fields"),
        ({"guidance_scale": {"low": 1}}, "wire.guidance_scale.high"),
        ({"seconds": ["soon"]}, "wire.seconds"),
    ],
)
def test_a_wrong_wire_is_named_and_the_model_with_it(provider: Provider, wire: dict[str, Any], said: str) -> None:
    (fault,) = OpenAICompatibleEngine.check_wire(wire)

    assert said in fault
    with pytest.raises(ConfigurationError, match="model wan"):
        calling(provider, lambda engine: engine.create(order(wire)))


def test_a_right_wire_is_right() -> None:
    assert OpenAICompatibleEngine.check_wire({}) == ()
    assert OpenAICompatibleEngine.check_wire(WIRE) == ()


UNSENDABLE: dict[str, dict[str, Any]] = {
    "a first frame": {"mode": "image-to-video", "first_frame": Image(sha256="f" * 64)},
    "a last frame": {"last_frame": Image(sha256="f" * 64)},
    "references": {"references": (Image(sha256="f" * 64),)},
    "a length of its own": {"parameters": {"seconds": "60"}},
    "more than one": {"parameters": {"n": 4}},
}


@pytest.mark.parametrize("what", UNSENDABLE)
def test_what_the_server_is_not_said_to_understand_is_refused_unsent(provider: Provider, what: str) -> None:
    asked = order(**UNSENDABLE[what])

    assert calling(provider, lambda engine: trouble_of(engine.create(asked))) is Trouble.INVALID
    assert asked.intent not in [one["intent"] for one in provider.requests()]


@given(
    frames=st.integers(1, 2000),
    rate=st.sampled_from(["24/1", "24000/1001", "25/1", "30000/1001", "16/1", "12/1"]),
)
def test_the_length_that_is_sent_comes_to_the_frames_of_the_request(frames: int, rate: str) -> None:
    seconds = Fraction(seconds_of(VideosWire(), "wan", request(frames=frames, fps=rate)))

    assert math.ceil(seconds * Fraction(rate) - Fraction(1, 1000)) == frames  # as the registry's fit counts
    assert seconds.denominator == 1 or seconds * Fraction(rate) > frames - Fraction(1, 2)  # as a server may round


@pytest.mark.parametrize(
    ("frames", "fps", "sent"),
    [(96, "24/1", "4"), (96, "24000/1001", "4"), (80, "16/1", "5"), (81, "16/1", "5.06"), (12, "24/1", "0.5")],
)
def test_lengths_are_written_as_people_write_them(frames: int, fps: str, sent: str) -> None:
    assert seconds_of(VideosWire(), "wan", request(frames=frames, fps=fps)) == sent


def test_of_listed_lengths_the_shortest_that_is_enough_is_sent_and_none_is_invalid() -> None:
    wire = VideosWire(seconds=("4", "12", "8"))

    assert seconds_of(wire, "wan", request(frames=96, fps="24000/1001")) == "4"
    assert seconds_of(wire, "wan", request(frames=121, fps="24/1")) == "8"
    with pytest.raises(ProviderError, match="longer than anything"):
        seconds_of(wire, "wan", request(frames=400, fps="24/1"))


@given(frames=st.integers(1, 5000), multiple=st.integers(1, 50), plus=st.integers(0, 50))
def test_a_frame_grid_gives_the_next_count_on_it(frames: int, multiple: int, plus: int) -> None:
    count = FrameGrid(multiple_of=multiple, plus=plus).at_least(frames)

    assert count >= frames
    assert (count - plus) % multiple == 0
    assert count - multiple < frames or count == plus


def test_a_field_that_nobody_asked_for_is_not_sent() -> None:
    assert form_fields(VideosWire(seconds=False, size="none"), "wan", request(guidance=0.5), "i") == {
        "model": "wan",
        "prompt": "a red kite",
    }


# Its page


def test_the_page_on_engines_is_current() -> None:
    assert (markdown.DOCS / PAGE).read_text() == page(), "python -m pipeline.engines.document"


def test_the_overlay_that_the_page_shows_declares_a_model_that_the_engine_understands(tmp_path: Path) -> None:
    registry = load_registry(write(tmp_path, OVERLAY))

    model = registry.get("openai_compatible/wan-2.2")
    assert OpenAICompatibleEngine.check_wire(model.wire) == ()
    assert OVERLAY in page()
    fields = form_fields(VideosWire.model_validate(model.wire), model.name, request(fps="16/1", frames=80), "i")
    assert fields["num_frames"] == "81"
    assert fields["model"].startswith("Wan-AI/")
    assert registry.accounts["openai_compatible"].concurrent == 4
