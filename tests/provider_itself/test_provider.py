"""The provider to test against does what it says, and its books are right whatever happens to it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.checks.gate import Asked, Verdict, judge
from pipeline.checks.measures import measure
from pipeline.checks.thresholds import for_shot
from pipeline.errors import MediaError
from tests.provider.ledger import Accepted, Cancelled, Charged, Died, Downloaded, Ended, Refused, Started
from tests.support.provider import Provider, most_per_intent, running_provider

SIZE, FPS, FRAMES = (160, 90), 12, 12
PATIENCE_S = 60.0
PRICE = 100_000  # micro-USD for the one second that tests ask for, by default


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running_provider(tmp_path_factory.mktemp("provider") / "p", duration_s=0.01) as provider:
        yield provider
        assert "Traceback" not in provider.log()


@pytest.fixture
def provider(shared: Provider) -> Iterator[Provider]:
    """One server for all tests, as new to each; its ledger goes on growing."""
    before = shared.control()
    yield shared
    shared.control(**before)
    shared.script(clear=True)


@pytest.fixture
def client(provider: Provider) -> Iterator[httpx.Client]:
    with client_of(provider) as client:
        yield client


def client_of(provider: Provider, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=provider.base_url + "/", trust_env=False, timeout=PATIENCE_S, **options)


def create(client: httpx.Client, prompt: str = "a red kite", intent: str = "", **changes: Any) -> httpx.Response:
    data = {"prompt": prompt, "model": "wan", "seconds": "1", "width": "160", "height": "90", "fps": "12"}
    return client.post(
        "videos",
        data={name: value for name, value in (data | changes).items() if value is not None},
        files={"input_reference": ("first.png", b"\x89PNG not really", "image/png")},
        headers={"Idempotency-Key": intent} if intent else {},
    )


def created(client: httpx.Client, prompt: str = "a red kite", intent: str = "", **changes: Any) -> str:
    answer = create(client, prompt, intent, **changes)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def ended(client: httpx.Client, job: str) -> dict[str, Any]:
    return wait_for(lambda: client.get(f"videos/{job}").json(), lambda video: video["status"] not in RUNNING)


def finished(client: httpx.Client, prompt: str = "a red kite", **changes: Any) -> str:
    job = created(client, prompt, **changes)
    ended(client, job)
    return job


def collect(answer: httpx.Response, into: bytearray) -> None:
    """Keep what came before a connection broke, too."""
    for part in answer.iter_raw():
        into += part


RUNNING = ("queued", "in_progress")


def wait_for(ask: Callable[[], Any], until: Callable[[Any], bool]) -> Any:
    give_up = time.monotonic() + PATIENCE_S
    while not until(answer := ask()):
        assert time.monotonic() < give_up, answer
        time.sleep(0.01)
    return answer


def of_job(provider: Provider, job: str) -> list[Any]:
    return [entry for entry in provider.ledger() if getattr(entry, "job", "") == job]


def verdict_on(data: bytes, folder: Path) -> Verdict:
    clip = folder / "clip.mp4"
    clip.write_bytes(data)
    asked = Asked(width=SIZE[0], height=SIZE[1], fps=f"{FPS}/1", frames=FRAMES)
    return judge(measure(clip), asked, for_shot("standard", "general"))


def failures(verdict: Verdict) -> set[str]:
    return {finding.measure for finding in verdict.failures}


# The contract


def test_a_job_is_created_ends_and_can_be_downloaded(provider: Provider, client: httpx.Client, tmp_path: Path) -> None:
    answer = create(client, intent="shot-1/1", seed="7", negative_prompt="rain", guidance_scale="4.5")
    video = answer.json()
    done = ended(client, video["id"])
    clip = client.get(f"videos/{video['id']}/content")

    assert (answer.status_code, video["object"], video["model"]) == (200, "video", "wan")
    assert (video["seconds"], video["size"], video["error"]) == ("1", "160x90", None)
    assert (done["status"], done["progress"]) == ("completed", 100)
    assert done["created_at"] <= done["completed_at"] < done["expires_at"]
    assert clip.headers["content-type"] == "video/mp4"
    assert verdict_on(clip.content, tmp_path).passed
    accepted, end, charge, download = of_job(provider, video["id"])
    assert (accepted.intent, accepted.seed, accepted.price_micro_usd) == ("shot-1/1", "7", PRICE)
    assert accepted.fields == {
        "width": "160",
        "height": "90",
        "fps": "12",
        "negative_prompt": "rain",
        "guidance_scale": "4.5",
    }
    assert accepted.files["input_reference"]["bytes"] == len(b"\x89PNG not really")
    assert (type(end), end.status) == (Ended, "completed")
    assert (type(charge), charge.micro_usd, charge.intent, charge.why) == (Charged, PRICE, "shot-1/1", "completed")
    assert (type(download), download.sent, download.whole) == (Downloaded, len(clip.content), True)
    assert accepted.at <= end.at == charge.at <= download.at


def test_a_json_body_is_as_good(client: httpx.Client) -> None:
    answer = client.post("videos", json={"prompt": "a kite", "model": "wan", "size": "320x180", "num_frames": 12})

    assert answer.status_code == 200
    assert answer.json()["size"] == "320x180"


def test_no_two_jobs_deliver_the_same_bytes_and_one_job_always_does(client: httpx.Client) -> None:
    first, second = finished(client), finished(client)

    clips = [client.get(f"videos/{job}/content").content for job in (first, first, second)]

    assert clips[0] == clips[1] != clips[2]
    assert len(clips[0]) == len(clips[2])


@pytest.mark.parametrize(
    ("size", "fps", "frames"), [((320, 180), "24", 36), ((96, 128), "12", 12), ((160, 90), "30000/1001", 30)]
)
def test_clips_pass_the_gate_in_every_form(
    client: httpx.Client, tmp_path: Path, size: tuple[int, int], fps: str, frames: int
) -> None:
    form = {"width": str(size[0]), "height": str(size[1]), "fps": fps, "num_frames": str(frames)}
    job = finished(client, **form)
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(client.get(f"videos/{job}/content").content)

    asked = Asked(width=size[0], height=size[1], fps=fps, frames=frames)
    verdict = judge(measure(clip), asked, for_shot("premium", "general"))

    assert verdict.passed, verdict.reason


def test_a_list_is_newest_first_and_has_pages(client: httpx.Client) -> None:
    jobs = [created(client, f"kite {number}") for number in range(5)]

    first = client.get("videos", params={"limit": 2}).json()
    second = client.get("videos", params={"limit": 2, "after": first["last_id"]}).json()
    oldest = client.get("videos", params={"order": "asc", "limit": 100, "after": jobs[1]}).json()

    assert [video["id"] for video in first["data"] + second["data"]] == jobs[:0:-1]
    assert first["has_more"]
    assert [video["id"] for video in oldest["data"]] == jobs[2:]
    assert not oldest["has_more"]
    assert first["data"][0]["prompt"] == "kite 4"


def test_a_new_job_can_be_missing_from_lists_for_a_while(provider: Provider, client: httpx.Client) -> None:
    provider.control(list_lag_s=60)

    job = created(client)

    assert job not in client.get("videos").text
    provider.control(list_lag_s=0)
    assert job in client.get("videos").text


def test_parts_of_a_clip_can_be_asked_for_unless_they_can_not(provider: Provider, client: httpx.Client) -> None:
    job = finished(client)
    whole = client.get(f"videos/{job}/content").content

    part = client.get(f"videos/{job}/content", headers={"Range": "bytes=1000-"})
    middle = client.get(f"videos/{job}/content", headers={"Range": "bytes=5-9"})
    beyond = client.get(f"videos/{job}/content", headers={"Range": "bytes=99999999-"})
    other = client.get(f"videos/{job}/content", headers={"Range": "bytes=5-9", "If-Range": '"other"'})
    provider.control(ranges=False)
    none = client.get(f"videos/{job}/content", headers={"Range": "bytes=1000-"})

    assert (part.status_code, part.content) == (206, whole[1000:])
    assert part.headers["content-range"] == f"bytes 1000-{len(whole) - 1}/{len(whole)}"
    assert (middle.status_code, middle.content) == (206, whole[5:10])
    assert beyond.status_code == 416
    assert [(reply.status_code, reply.content) for reply in (other, none)] == [(200, whole)] * 2
    assert "accept-ranges" not in none.headers


def test_a_key_opens_the_jobs_of_its_account_only(provider: Provider, client: httpx.Client) -> None:
    provider.control(keys={"sk-one": "studio", "sk-two": "rival"})
    studio, rival = ({"Authorization": f"Bearer sk-{key}"} for key in ("one", "two"))

    nobody = create(client)
    client.headers.update(studio)
    job = created(client)

    assert (nobody.status_code, nobody.json()["error"]["code"]) == (401, "invalid_api_key")
    assert of_job(provider, job)[0].account == "studio"
    assert client.get(f"videos/{job}").status_code == 200
    assert client.get(f"videos/{job}", headers=rival).status_code == 404
    assert job not in client.get("videos", headers=rival).text


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"seconds": "long"}, "seconds"),
        ({"width": "161"}, "width"),
        ({"width": None, "height": None, "size": "wide"}, "size"),
        ({"num_frames": "0"}, "num_frames"),
        ({"fps": "1/0"}, "fps"),
        ({"prompt": "a kite [[provider: explode]]"}, "prompt"),
    ],
)
def test_a_wrong_request_is_refused_and_names_the_field(
    provider: Provider, client: httpx.Client, changes: dict[str, Any], param: str
) -> None:
    jobs = len(provider.accepted())

    answer = create(client, **changes)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert len(provider.accepted()) == jobs
    assert provider.entries(Refused)[-1].why == "request"


def test_a_form_that_is_not_multipart_is_refused(client: httpx.Client) -> None:
    answer = client.post("videos", data={"prompt": "a kite"})  # what httpx makes of a form without files

    assert answer.status_code == 400
    assert "x-www-form-urlencoded" in answer.json()["error"]["message"]


def test_only_models_that_are_served_are_served(provider: Provider, client: httpx.Client) -> None:
    provider.control(models=["wan", "old"], retired=["old"])

    codes = {model: create(client, model=model).status_code for model in ("wan", "old", "other")}

    assert codes == {"wan": 200, "old": 404, "other": 404}


# Whether a repeated create is a second job


def test_by_default_a_repeated_create_is_a_second_job_and_is_charged(provider: Provider, client: httpx.Client) -> None:
    jobs = {finished(client, intent="ignored-key") for _ in range(2)}

    assert len(jobs) == 2
    assert len(provider.charges_by_intent()["ignored-key"]) == 2
    assert most_per_intent(provider.ledger()) == 2


def test_where_keys_are_understood_a_repeated_create_is_the_same_job(provider: Provider, client: httpx.Client) -> None:
    provider.control(idempotent=True)
    provider.script("lose_reply")

    with pytest.raises(httpx.RemoteProtocolError):
        create(client, intent="key-1")
    again = create(client, intent="key-1")
    other = create(client, "something else", intent="key-1")
    found = client.get("videos", params={"idempotency_key": "key-1"}).json()["data"]

    assert again.status_code == 200
    assert again.headers["idempotent-replayed"] == "true"
    assert [job.job for job in provider.accepted_by_intent()["key-1"]] == [again.json()["id"]]
    assert [(video["id"], video["idempotency_key"]) for video in found] == [(again.json()["id"], "key-1")]
    assert other.status_code == 409


# The provider's own limits


def test_more_jobs_at_once_than_allowed_are_refused_and_noted(provider: Provider, client: httpx.Client) -> None:
    provider.control(concurrent=2, duration_s=60, limits={"free": {"concurrent": 9}})

    answers = [create(client, model="limited") for _ in range(3)]
    free = create(client, model="free")
    provider.finish(answers[0].json()["id"])
    after = create(client, model="limited")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert float(answers[2].headers["retry-after"]) > 0
    assert (free.status_code, after.status_code) == (200, 200)
    assert provider.most_concurrent(lambda job: job.model == "limited") == 2
    assert [(entry.model, entry.why) for entry in provider.breaches()][-1] == ("limited", "concurrent")
    provider.finish()


def test_more_creates_per_minute_than_allowed_are_refused_and_noted(provider: Provider, client: httpx.Client) -> None:
    provider.control(per_minute=2, retry_after_date=True)

    answers = [create(client, model="slowly") for _ in range(3)]
    provider.control(window_s=0.001)
    after = create(client, model="slowly")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < parsedate_to_datetime(answers[2].headers["retry-after"]).timestamp() - time.time() <= 62
    assert after.status_code == 200
    assert provider.breaches()[-1].why == "per_minute"
    assert provider.most_accepted_within(1e6, lambda job: job.model == "slowly") == 3
    assert provider.most_accepted_within(1e-9, lambda job: job.model == "slowly") == 1


def test_an_account_can_not_owe_more_than_it_has(tmp_path: Path) -> None:
    funds = 2 * PRICE + PRICE // 2
    with (
        running_provider(tmp_path, fsync=False, funds_micro_usd=funds, duration_s=60) as provider,
        client_of(provider) as client,
    ):
        answers = [create(client) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["error"]["code"] == "insufficient_quota"
    assert max(total for _, total in provider.liability()) == 2 * PRICE


# Money


@pytest.mark.parametrize(
    ("directive", "rule", "charged"),
    [
        ("ok", {}, ["completed"]),
        ("fail", {}, []),
        ("fail", {"charge_failed": True}, ["failed"]),
        ("refuse_job", {"charge_failed": True}, []),
        ("refuse_job", {"charge_refused": True}, ["refused"]),
    ],
)
def test_ends_are_charged_by_the_rule(
    provider: Provider, client: httpx.Client, directive: str, rule: dict[str, Any], charged: list[str]
) -> None:
    provider.control(**rule, prices={"wan": {"second": 70_001, "clip": 5}})
    provider.script(directive)

    job = finished(client, seconds="1.5")

    entries = [entry for entry in of_job(provider, job) if isinstance(entry, Charged)]
    assert [entry.why for entry in entries] == charged
    assert all(entry.micro_usd == 105_002 + 5 for entry in entries)  # 1.5 * 70,001 = 105,001.5, rounded up


def test_a_refused_input_is_charged_where_that_is_the_rule(provider: Provider, client: httpx.Client) -> None:
    provider.control(charge_refused_input=True)
    provider.script("refuse")

    answer = create(client, intent="refused-input")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "moderation_blocked")
    (charge,) = provider.charges_by_intent()["refused-input"]
    assert (charge.job, charge.micro_usd, charge.why) == ("", PRICE, "refused")


@pytest.mark.parametrize(("rule", "amounts"), [("no", []), ("full", [PRICE]), ("elapsed", "a part")])
def test_a_cancelled_job_stops_and_is_charged_by_the_rule(
    provider: Provider, client: httpx.Client, rule: str, amounts: Any
) -> None:
    provider.control(charge_cancelled=rule, duration_s=60)
    job = created(client)

    answers = [client.post(f"videos/{job}/cancel") for _ in range(2)]
    provider.finish(job)

    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "cancelled")] * 2
    kinds = [type(entry) for entry in of_job(provider, job)]
    assert kinds.count(Cancelled) == kinds.count(Ended) == 1
    charged = [entry.micro_usd for entry in of_job(provider, job) if isinstance(entry, Charged)]
    if amounts == "a part":
        assert 0 < charged[0] < PRICE
    else:
        assert charged == amounts
    assert job not in {entry.job for entry in provider.charged_after_cancel()}
    assert provider.in_flight() == 0


def test_a_cancelled_job_is_not_charged_when_its_time_would_have_come(provider: Provider, client: httpx.Client) -> None:
    provider.control(duration_s=0.1)
    job, later = created(client), created(client)

    client.post(f"videos/{job}/cancel")
    ended(client, later)

    assert [type(entry) for entry in of_job(provider, job)] == [Accepted, Cancelled, Ended]
    assert client.get(f"videos/{job}").json()["status"] == "cancelled"


def test_a_cancelled_job_can_look_failed(provider: Provider, client: httpx.Client) -> None:
    provider.control(duration_s=60, cancelled_status="failed")
    job = created(client)

    answers = [client.post(f"videos/{job}/cancel").json() for _ in range(2)]

    assert [(answer["status"], answer["error"]["code"]) for answer in answers] == [("failed", "cancelled")] * 2


def test_a_job_that_has_ended_can_not_be_cancelled(provider: Provider, client: httpx.Client) -> None:
    job = finished(client)

    assert client.post(f"videos/{job}/cancel").status_code == 409
    assert Cancelled not in {type(entry) for entry in of_job(provider, job)}


@pytest.mark.parametrize(("setting", "status"), [("off", 404), ("not_allowed", 405)])
def test_cancelling_can_be_missing(provider: Provider, client: httpx.Client, setting: str, status: int) -> None:
    provider.control(cancel=setting, duration_s=60)
    job = created(client)

    assert client.post(f"videos/{job}/cancel").status_code == status
    assert client.get(f"videos/{job}").json()["status"] == "in_progress"
    provider.finish()


@pytest.mark.parametrize(
    ("rule", "status", "charged", "seen"),
    [("cancels", 200, 0, 404), ("removes", 200, PRICE, 404), ("refused", 409, PRICE, 200), ("off", 405, PRICE, 200)],
)
def test_deleting_a_running_job_stops_it_or_only_hides_it(
    provider: Provider, client: httpx.Client, rule: str, status: int, charged: int, seen: int
) -> None:
    provider.control(delete=rule, duration_s=60)
    job = created(client)

    answer = client.delete(f"videos/{job}")
    provider.finish()

    assert answer.status_code == status
    assert client.get(f"videos/{job}").status_code == seen
    assert sum(entry.micro_usd for entry in of_job(provider, job) if isinstance(entry, Charged)) == charged


# Creates that go wrong

REFUSALS = {
    "refuse": (400, "moderation_blocked"),
    "throttle": (429, "rate_limit_exceeded"),
    "queue_full": (503, "queue_full"),
    "invalid": (400, "invalid_value"),
    "out_of_funds": (429, "insufficient_quota"),
    "out_of_funds status=402": (402, "insufficient_quota"),
    "retired": (404, "model_not_found"),
    "retired status=410": (410, "model_not_found"),
    "forbidden status=403": (403, "invalid_api_key"),
    "error_before": (500, "server_error"),
    "error_before status=503": (503, "server_error"),
}


@pytest.mark.parametrize("directive", REFUSALS)
def test_a_create_is_refused_as_told_without_a_job(provider: Provider, client: httpx.Client, directive: str) -> None:
    provider.script(directive)
    jobs = len(provider.accepted())

    answer = create(client)

    assert (answer.status_code, answer.json()["error"]["code"]) == REFUSALS[directive]
    assert len(provider.accepted()) == jobs
    last = provider.entries(Refused)[-1]
    assert (last.status, last.code, last.why) == (*REFUSALS[directive], "told")


def test_a_refusal_can_have_the_form_of_fastapi(provider: Provider, client: httpx.Client) -> None:
    provider.script("invalid status=422")

    answer = create(client)

    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "seconds"])


def test_retry_after_comes_in_seconds_as_a_date_or_not_at_all(provider: Provider, client: httpx.Client) -> None:
    provider.script("throttle after=2.5", "throttle after=30 date=yes", "throttle bare=yes")

    seconds, date, bare = (create(client).headers.get("retry-after") for _ in range(3))

    assert seconds == "2.5"
    assert 25 < parsedate_to_datetime(date).timestamp() - time.time() < 32
    assert bare is None


LOST = {
    "lose_reply": httpx.RemoteProtocolError,
    "reset_reply": httpx.ReadError,
    "cut_reply": httpx.RemoteProtocolError,
    "hang": httpx.ReadTimeout,
}


@pytest.mark.parametrize("directive", LOST)
def test_a_reply_is_lost_but_the_job_is_accepted_and_charged(provider: Provider, directive: str) -> None:
    intent = f"lost by {directive}"
    provider.script(directive)

    with client_of(provider) as client:
        client.timeout = httpx.Timeout(PATIENCE_S, read=0.2 if directive == "hang" else PATIENCE_S)
        with pytest.raises(LOST[directive]):
            create(client, intent=intent)
    provider.finish()

    assert [len(jobs[intent]) for jobs in (provider.accepted_by_intent(), provider.charges_by_intent())] == [1, 1]


@pytest.mark.parametrize(("directive", "status"), [("error_after status=502", 502), ("garbage_reply", 200)])
def test_an_answer_is_useless_but_the_job_is_accepted(
    provider: Provider, client: httpx.Client, directive: str, status: int
) -> None:
    provider.script(directive)

    answer = create(client, intent=f"useless {directive}")

    assert answer.status_code == status
    assert "video_" not in answer.text
    assert len(provider.accepted_by_intent()[f"useless {directive}"]) == 1


def test_a_slow_reply_is_one_before_anything_is_accepted(provider: Provider, client: httpx.Client) -> None:
    provider.script("slow_reply s=3600")
    jobs = len(provider.accepted())
    client.timeout = httpx.Timeout(0.2)

    with pytest.raises(httpx.ReadTimeout):
        create(client)

    assert len(provider.accepted()) == jobs


def test_a_connection_breaks_before_anything_is_accepted(provider: Provider, client: httpx.Client) -> None:
    provider.script("reset_before")
    jobs = len(provider.accepted())

    with pytest.raises(httpx.ReadError):
        create(client)

    assert len(provider.accepted()) == jobs


def test_a_prompt_can_say_what_happens_once(provider: Provider, client: httpx.Client) -> None:
    prompt = "a kite [[provider: throttle once]] over the sea [[provider: fail code=gpu_lost]]"

    first, second = create(client, prompt), created(client, prompt)

    assert first.status_code == 429
    failed = ended(client, second)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "gpu_lost")


def test_a_script_can_wait_for_a_prompt(provider: Provider, client: httpx.Client) -> None:
    provider.script("throttle", match="sea")

    codes = [create(client, prompt).status_code for prompt in ("a hill", "the sea", "the sea")]

    assert codes == [200, 429, 200]


def test_chances_come_to_pass_as_often_as_they_say_and_alike_for_the_same_seed(
    tmp_path: Path,
) -> None:
    chances = {"error_before": 0.3, "refuse": 0.2, "fail": 0.5}
    rounds = []
    for number in range(2):
        with running_provider(
            tmp_path / str(number), tiny=True, fsync=False, duration_s=0.01, chances=chances, seed=5
        ) as provider:
            with client_of(provider) as client:
                rounds.append([create(client, f"kite {number}").status_code for number in range(200)])
                wait_for(provider.in_flight, lambda count: count == 0)
            statuses = provider.state()["statuses"]

    assert rounds[0] == rounds[1]
    assert 40 <= rounds[0].count(500) <= 80
    assert 25 <= rounds[0].count(400) <= 55
    assert 0.35 < statuses["failed"] / (statuses["failed"] + statuses["completed"]) < 0.65


@pytest.mark.parametrize(
    "wrong",
    [{"nonsense": 1}, {"cancel": "maybe"}, {"chances": {"explode": 0.1}}, {"chances": {"fail": 0.6, "stuck": 0.6}}],
)
def test_what_can_not_be_followed_is_refused_at_the_control_door(provider: Provider, wrong: dict[str, Any]) -> None:
    before = provider.control()

    with pytest.raises(ValueError, match="provider refused"):
        provider.control(**wrong)

    assert provider.control() == before


@pytest.mark.parametrize(
    "directive", ["explode", "fail how=badly", "throttle after=soon", "die at=home", "clip kind=x"]
)
def test_a_script_that_can_not_be_followed_is_refused(provider: Provider, directive: str) -> None:
    with pytest.raises(ValueError, match="provider refused"):
        provider.script(directive)


# Polls that go wrong


def test_a_job_is_queued_runs_and_may_never_end(provider: Provider, client: httpx.Client) -> None:
    provider.control(queue_s=60)
    waiting = created(client)
    provider.control(queue_s=0)
    provider.script("stuck", "slow s=600")
    stuck, slow = created(client), created(client)

    assert client.get(f"videos/{waiting}").json()["status"] == "queued"
    assert [client.get(f"videos/{job}").json()["status"] for job in (stuck, slow)] == ["in_progress"] * 2
    assert of_job(provider, stuck)[0].ends_at > time.time() + 1e6
    assert 500 < of_job(provider, slow)[0].ends_at - time.time() < 601
    provider.finish()


def test_polls_fail_for_a_while_and_then_tell_the_truth(provider: Provider, client: httpx.Client) -> None:
    provider.script("poll_error status=502 times=2; poll_garbage; poll_missing; poll_throttle after=3; poll_strange")
    job = created(client)
    provider.finish()

    answers = [client.get(f"videos/{job}") for _ in range(7)]

    assert [answer.status_code for answer in answers] == [502, 502, 200, 404, 429, 200, 200]
    assert answers[4].headers["retry-after"] == "3"
    with pytest.raises(ValueError, match=r"JSON|Unterminated"):
        answers[2].json()
    assert [answer.json()["status"] for answer in answers[5:]] == ["paused", "completed"]


def test_a_poll_is_reset_or_never_answered(provider: Provider) -> None:
    provider.script("poll_reset; poll_hang")

    with client_of(provider) as client:
        job = created(client)
        with pytest.raises(httpx.ReadError):
            client.get(f"videos/{job}")
        with pytest.raises(httpx.ReadTimeout):
            client.get(f"videos/{job}", timeout=0.2)
        assert client.get(f"videos/{job}").status_code == 200


def test_an_end_is_taken_back_once(provider: Provider, client: httpx.Client) -> None:
    provider.script("go_back")
    job = created(client)
    provider.finish()

    statuses = [client.get(f"videos/{job}").json()["status"] for _ in range(4)]

    assert statuses == ["completed", "in_progress", "completed", "completed"]
    assert len([entry for entry in of_job(provider, job) if isinstance(entry, Charged)]) == 1


def test_a_list_tells_a_job_twice(provider: Provider, client: httpx.Client) -> None:
    provider.script("list_twice")
    job = created(client)

    assert [video["id"] for video in client.get("videos").json()["data"]].count(job) == 2


def test_an_outage_answers_everything_alike(provider: Provider, client: httpx.Client) -> None:
    job = finished(client)
    provider.control(outage=503, outage_retry_after_s=7)

    answers = [create(client), client.get(f"videos/{job}"), client.get("videos"), client.get(f"videos/{job}/content")]

    assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {(503, "7")}


# Clips and downloads that go wrong

BAD_CLIPS = {
    "black": "black",
    "frozen": "frozen",
    "silent": "silent",
    "no_sound": "audio_present",
    "wrong_size": "resolution",
    "wrong_duration": "duration",
    "wrong_fps": "fps",
}


@pytest.mark.parametrize("kind", BAD_CLIPS)
def test_the_gate_finds_the_fault_of_a_clip(
    provider: Provider, client: httpx.Client, tmp_path: Path, kind: str
) -> None:
    provider.script(f"clip kind={kind}")

    answer = client.get(f"videos/{finished(client)}/content")

    assert answer.status_code == 200
    assert BAD_CLIPS[kind] in failures(verdict_on(answer.content, tmp_path))


@pytest.mark.parametrize("kind", ["corrupt", "cut_short", "text", "empty"])
def test_a_clip_that_is_none_can_not_be_decoded(
    provider: Provider, client: httpx.Client, tmp_path: Path, kind: str
) -> None:
    provider.script(f"clip kind={kind}")

    answer = client.get(f"videos/{finished(client)}/content")

    assert int(answer.headers["content-length"]) == len(answer.content)
    with pytest.raises(MediaError):
        verdict_on(answer.content, tmp_path)


def test_a_clip_carries_the_mark_it_was_told_to(provider: Provider, client: httpx.Client) -> None:
    provider.script("clip mark=POISON")

    assert client.get(f"videos/{finished(client)}/content").content.endswith(b"\nPOISON")


@pytest.mark.parametrize("directive", ["truncate", "cut_off"])
def test_a_download_ends_early_once_and_can_be_taken_up_again(
    provider: Provider, client: httpx.Client, directive: str
) -> None:
    provider.script(directive)
    job = finished(client)
    start = bytearray()

    with client.stream("GET", f"videos/{job}/content") as answer, pytest.raises(httpx.RemoteProtocolError):
        collect(answer, start)
    rest = client.get(f"videos/{job}/content", headers={"Range": f"bytes={len(start)}-"})
    whole = client.get(f"videos/{job}/content").content

    assert 0 < len(start) < len(whole)
    assert rest.status_code == 206
    assert bytes(start) + rest.content == whole
    assert [entry.whole for entry in provider.entries(Downloaded) if entry.job == job] == [False, True, True]


def test_a_download_is_larger_than_anybody_wants(provider: Provider, client: httpx.Client) -> None:
    provider.script("endless mb=3", "huge mb=3")
    endless, huge = finished(client), finished(client)

    unannounced = client.get(f"videos/{endless}/content")
    announced = client.get(f"videos/{huge}/content")

    assert "content-length" not in unannounced.headers
    assert len(unannounced.content) > 3_000_000
    assert int(announced.headers["content-length"]) == len(announced.content) > 3_000_000


def test_a_download_can_be_slow_or_hang(provider: Provider, client: httpx.Client) -> None:
    provider.script("download_hang; drip bytes_per_s=200000")
    job = finished(client)

    with pytest.raises(httpx.ReadTimeout):
        client.get(f"videos/{job}/content", timeout=0.2)
    dripped = client.get(f"videos/{job}/content")

    assert int(dripped.headers["content-length"]) == len(dripped.content) > 12_000
    assert [entry.whole for entry in provider.entries(Downloaded) if entry.job == job] == [True]


def test_more_bytes_come_than_were_announced(provider: Provider, client: httpx.Client) -> None:
    provider.script("overrun")
    job = finished(client)

    first = client.get(f"videos/{job}/content")

    assert first.content == client.get(f"videos/{job}/content").content


def test_redirects_lead_to_the_file_to_a_private_address_or_nowhere(provider: Provider, client: httpx.Client) -> None:
    provider.script("redirect_file", "redirect", "redirect to=http://127.0.0.1:9/x", "redirect_loop")
    paths = [f"videos/{finished(client)}/content" for _ in range(4)]

    places = [client.get(path).headers["location"] for path in paths[1:]]

    assert places[:2] == ["http://169.254.169.254/latest/meta-data", "http://127.0.0.1:9/x"]
    assert client.get(paths[0], follow_redirects=True).headers["content-type"] == "video/mp4"
    with pytest.raises(httpx.TooManyRedirects):
        client.get(paths[3], follow_redirects=True)


def test_a_download_has_another_type_or_fails_or_is_gone(provider: Provider, client: httpx.Client) -> None:
    provider.script("wrong_type", "download_error status=503", "expired", "ok")
    typed, failing, expired, kept = (f"videos/{finished(client)}/content" for _ in range(4))

    assert client.get(typed).headers["content-type"] == "text/html"
    assert [client.get(failing).status_code for _ in range(2)] == [503, 200]
    assert client.get(expired).json()["error"]["code"] == "video_expired"
    assert client.get(kept).status_code == 200
    provider.control(keep_s=0)
    assert client.get(kept).status_code == 404


def test_a_clip_is_not_there_before_its_job_has_ended(provider: Provider, client: httpx.Client) -> None:
    provider.control(duration_s=60)
    job = created(client)

    assert client.get(f"videos/{job}/content").status_code == 409
    provider.finish()


def test_urls_need_no_key_and_expire(provider: Provider) -> None:
    provider.control(urls=True, keys={"sk": "studio"}, duration_s=60)
    provider.script("expire_url", "url to=http://10.0.0.1/clip.mp4")

    with client_of(provider, headers={"Authorization": "Bearer sk"}) as client, httpx.Client(trust_env=False) as bare:
        job, private = created(client), created(client)
        early = client.get(f"videos/{job}").json()
        provider.finish()
        shown = [client.get(f"videos/{job}").json()["url"] for _ in range(2)]
        answers = [bare.get(url) for url in shown]
        forged = bare.get(shown[1][:-1] + ("0" if shown[1][-1] != "0" else "1"))

        assert answers[1].content == client.get(f"videos/{job}/content").content
        assert client.get(f"videos/{private}").json()["url"] == "http://10.0.0.1/clip.mp4"
    assert "url" not in early
    assert [answer.status_code for answer in answers] == [403, 200]
    assert forged.status_code == 404


# Its life


def test_everything_acknowledged_survives_kill_9_and_jobs_end_when_they_were_due(tmp_path: Path) -> None:
    with running_provider(tmp_path, duration_s=0.05) as provider:
        with client_of(provider) as client:
            short = created(client, intent="short")
            provider.control(duration_s=600)
            provider.script("truncate", "ok")
            long = created(client, intent="long")
        before = {entry.job: entry.ends_at for entry in provider.accepted()}

        provider.kill()
        time.sleep(max(0.0, before[short] - time.time()) + 0.01)
        with (tmp_path / "ledger.jsonl").open("ab") as ledger:
            ledger.write(b'{"kind":"accepted","at":1,"jo')  # what a crash leaves of a line
        provider.start()

        with client_of(provider) as client:
            assert client.get(f"videos/{short}").json()["status"] == "completed"
            assert client.get(f"videos/{long}").json()["status"] == "in_progress"
            provider.finish()
            with pytest.raises(httpx.RemoteProtocolError):
                client.get(f"videos/{long}/content")
        assert {entry.job: entry.ends_at for entry in provider.accepted()} == before
        assert [entry.at for entry in provider.entries(Ended) if entry.job == short] == [before[short]]
        assert {intent: len(charges) for intent, charges in provider.charges_by_intent().items()} == {
            "short": 1,
            "long": 1,
        }
        assert provider.control()["duration_s"] == 600
        assert provider.state()["script_left"] == 1
        assert provider.starts() == 2


@pytest.mark.parametrize(("where", "accepted"), [("before_accept", 0), ("after_accept", 1), ("after_reply", 1)])
def test_it_dies_where_it_is_told_to_and_only_once(tmp_path: Path, where: str, accepted: int) -> None:
    prompt = f"a kite [[provider: die at={where} once]]"
    with running_provider(tmp_path, duration_s=0.01) as provider:
        with client_of(provider) as client:
            if where == "after_reply":
                assert create(client, prompt).status_code == 200
            else:
                with pytest.raises(httpx.TransportError):
                    create(client, prompt)
        status = provider.wait_for_death()
        provider.restart()
        with client_of(provider) as client:
            again = create(client, prompt)

        assert status == 86
        assert again.status_code == 200
        assert len(provider.accepted()) == accepted + 1
        assert [entry.where for entry in provider.entries(Died)] == [where]


def test_it_dies_at_a_poll_and_at_a_download(tmp_path: Path) -> None:
    with running_provider(tmp_path, duration_s=0.01) as provider:
        provider.script("die at=on_poll", "die at=on_download")
        with client_of(provider) as client:
            polled, downloaded = created(client), created(client)
        provider.finish()
        for path in (f"videos/{polled}", f"videos/{downloaded}/content"):
            with client_of(provider) as client, pytest.raises(httpx.TransportError):
                client.get(path)
            assert provider.wait_for_death() == 86
            provider.restart()
            with client_of(provider) as client:
                assert client.get(path).status_code == 200


def test_it_can_be_frozen_and_thawed(tmp_path: Path) -> None:
    with running_provider(tmp_path, fsync=False) as provider, client_of(provider) as client:
        os.kill(provider.pid, signal.SIGSTOP)
        with pytest.raises(httpx.ReadTimeout):
            client.get("videos", timeout=0.2)
        os.kill(provider.pid, signal.SIGCONT)

        assert client.get("videos").status_code == 200


def test_killed_in_the_middle_of_many_creates_it_has_every_job_that_was_told(tmp_path: Path) -> None:
    with running_provider(tmp_path, tiny=True, duration_s=0.02) as provider:
        told: list[str] = []

        def keep_creating(worker: int) -> None:
            with client_of(provider) as client:
                for number in range(10_000):
                    try:
                        told.append(created(client, intent=f"{worker}.{number}"))
                    except httpx.TransportError:
                        return

        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(keep_creating, worker) for worker in range(4)]
            wait_for(lambda: len(told), lambda count: count >= 40)
            provider.kill()
            for one in running:
                one.result()
        provider.start()
        wait_for(provider.in_flight, lambda count: count == 0)

        jobs = {entry.job for entry in provider.accepted()}
        charged = [entry.job for entry in provider.entries(Charged)]
    assert set(told) <= jobs
    assert len(jobs) - len(set(told)) <= 4  # at most the one that each worker was waiting for
    assert sorted(charged) == sorted(jobs)
    assert provider.total_charged() == len(jobs) * PRICE == provider.spending()[-1][1] == provider.liability()[-1][1]
    assert most_per_intent(provider.ledger()) == 1


def test_state_and_requests_tell_what_happened(tmp_path: Path) -> None:
    with running_provider(tmp_path, fsync=False, duration_s=60) as provider:
        with client_of(provider) as client:
            jobs = [created(client, intent="one"), created(client, intent="two")]
            client.get(f"videos/{jobs[0]}")
        state = provider.state()
        requests = provider.requests("POST")
        running = provider.in_flight()
        finished_now = provider.finish(jobs[0])

    assert (state["jobs"], state["in_flight"], state["most_in_flight"]) == (2, 2, 2)
    assert state["requests"] == {"POST /v1/videos": 2, "GET /v1/videos/{id}": 1}
    assert [(one["status"], one["intent"]) for one in requests] == [(200, "one"), (200, "two")]
    assert running == 2
    assert finished_now == [jobs[0]]
    assert provider.starts() == len(provider.entries(Started)) == 1
    assert [type(entry) for entry in provider.ledger()] == [Started, Accepted, Accepted, Ended, Charged]


def test_it_ends_with_whoever_started_it(tmp_path: Path) -> None:
    with running_provider(tmp_path, fsync=False) as provider:
        assert provider._process is not None
        assert provider._process.stdin is not None

        provider._process.stdin.close()  # as the kernel does when its owner is killed

        assert provider.wait_for_death() == 0


# The audit


def books(folder: Path, *lines: tuple[str, float, str, int]) -> Provider:
    """Write a ledger by hand: kind, time, job (its intent is the same), amount."""
    accepted = {"account": "", "model": "wan", "prompt": "p", "seconds": "1", "width": 64, "height": 64, "fps": "24"}
    rest: dict[str, dict[str, Any]] = {
        "accepted": accepted | {"frames": 24, "seed": "", "starts_at": 0, "ends_at": 0},
        "ended": {"status": "completed"},
        "charged": {"account": "", "why": "completed"},
        "cancelled": {"by": "cancel"},
    }
    amounts = {"accepted": "price_micro_usd", "charged": "micro_usd"}
    with (folder / "ledger.jsonl").open("w") as file:
        for kind, at, job, amount in lines:
            line: dict[str, Any] = {"kind": kind, "at": at, "job": job, **rest[kind]}
            if kind in amounts:
                line |= {"intent": job, amounts[kind]: amount}
            file.write(json.dumps(line) + "\n")
    return Provider(folder)


def test_the_audit_finds_a_charge_after_a_cancel_and_a_take_paid_twice(tmp_path: Path) -> None:
    provider = books(
        tmp_path,
        ("accepted", 1, "a", 5),
        ("accepted", 2, "b", 5),
        ("cancelled", 3, "a", 0),
        ("charged", 3, "b", 5),
        ("charged", 4, "a", 4),
        ("charged", 5, "b", 5),
    )

    assert [(charge.job, charge.micro_usd) for charge in provider.charged_after_cancel()] == [("a", 4)]
    assert most_per_intent(provider.ledger()) == 2
    assert provider.total_charged() == 14


def test_the_audit_sums_what_was_owed_at_every_moment(tmp_path: Path) -> None:
    provider = books(
        tmp_path,
        ("accepted", 1, "a", 5),
        ("accepted", 2, "b", 7),
        ("ended", 3, "a", 0),
        ("accepted", 4, "c", 2),
        ("ended", 5, "b", 0),
        ("charged", 5, "b", 6),
    )

    def without_repeats(steps: list[tuple[float, int]]) -> list[tuple[float, int]]:
        return list(dict(steps).items())

    assert without_repeats(provider.liability()) == [(1, 5), (2, 12), (3, 7), (4, 9), (5, 8)]
    assert without_repeats(provider.liability(lambda intent: intent in "ac")) == [(1, 5), (3, 0), (4, 2)]
    assert provider.spending() == [(5, 6)]
    assert provider.spending(lambda intent: intent == "a") == []
    assert provider.most_concurrent() == 2
    assert provider.most_accepted_within(2) == 2
    assert provider.most_accepted_within(3.5) == 3
