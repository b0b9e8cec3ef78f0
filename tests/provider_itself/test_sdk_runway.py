"""Runway's own SDK understands the test provider: its shape is not only our own belief."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import runwayml
from runwayml import RunwayML

from tests.provider.ledger import Cancelled
from tests.support.provider import Provider, running_provider

KEY = "right-key-77"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("provider") / "p"
    with running_provider(folder, tiny=True, fsync=False, duration_s=0.01, keys={KEY: "ours"}) as provider:
        yield provider


@pytest.fixture
def client(server: Provider) -> Iterator[RunwayML]:
    http = httpx.Client(trust_env=False)
    with RunwayML(api_key=KEY, base_url=server.base_url_of("runway"), max_retries=0, http_client=http) as client:
        yield client
    server.script(clear=True)


def created(client: RunwayML) -> str:
    task = client.text_to_video.create(
        model="veo3.1", prompt_text="a red kite", ratio="1280:720", duration=6, seed=7, audio=False
    )
    assert task.estimated_cost.credits == 60
    return task.id


def test_a_task_is_created_followed_to_its_end_and_its_output_downloaded(server: Provider, client: RunwayML) -> None:
    task = created(client)
    server.finish(task)

    told = client.tasks.retrieve(task)

    assert told.status == "SUCCEEDED"
    assert told.cost.credits == 60
    assert httpx.get(told.output[0], trust_env=False).content[4:8] == b"ftyp"
    (job,) = [job for job in server.accepted() if job.job == task]
    assert (job.prompt, job.seconds, job.seed, job.width, job.height) == ("a red kite", "6", "7", 1280, 720)


def test_a_first_and_a_last_frame_arrive_as_our_engine_sends_them(server: Provider, client: RunwayML) -> None:
    task = client.image_to_video.create(
        model="veo3.1",
        prompt_text="a red kite",
        ratio="1280:720",
        prompt_image=[
            {"uri": "data:image/png;base64,AA==", "position": "first"},
            {"uri": "data:image/png;base64,AQ==", "position": "last"},
        ],
    )

    (job,) = [job for job in server.accepted() if job.job == task.id]
    assert job.heard["path"] == "/v1/image_to_video"
    assert job.heard["headers"]["x-runway-version"] == "2024-11-06"
    assert job.heard["body"] == {
        "model": "veo3.1",
        "promptText": "a red kite",
        "ratio": "1280:720",
        "promptImage": [
            {"uri": "data:image/png;base64,AA==", "position": "first"},
            {"uri": "data:image/png;base64,AQ==", "position": "last"},
        ],
    }


def test_running_and_failed_tasks_are_read(server: Provider, client: RunwayML) -> None:
    server.script("slow s=60", "refuse_job")
    running, failing = created(client), created(client)
    server.finish(failing)

    told, failed = client.tasks.retrieve(running), client.tasks.retrieve(failing)

    assert told.status == "RUNNING"
    assert 0 <= told.progress < 1
    assert failed.status == "FAILED"
    assert failed.failure_code == "SAFETY.OUTPUT.VIDEO"
    assert failed.cost.credits == 0


def test_a_task_is_stopped(server: Provider, client: RunwayML) -> None:
    server.script("slow s=60")
    task = created(client)

    client.tasks.delete(task)

    assert task in [entry.job for entry in server.entries(Cancelled)]
    assert client.tasks.retrieve(task).status == "CANCELLED"


ERRORS: dict[str, type[runwayml.APIStatusError]] = {
    "throttle": runwayml.RateLimitError,
    "invalid": runwayml.BadRequestError,
    "out_of_funds": runwayml.BadRequestError,
    "refuse": runwayml.BadRequestError,
    "error_before": runwayml.InternalServerError,
}


@pytest.mark.parametrize("told", ERRORS)
def test_errors_are_what_the_sdk_takes_them_for(server: Provider, client: RunwayML, told: str) -> None:
    server.script(told)

    with pytest.raises(ERRORS[told]) as caught:
        created(client)

    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]


def test_a_wrong_key_and_an_unknown_task_are_refused(server: Provider, client: RunwayML, tmp_path: Path) -> None:
    with pytest.raises(runwayml.AuthenticationError):
        created(client.with_options(api_key="wrong"))
    with pytest.raises(runwayml.NotFoundError):
        client.tasks.retrieve("17f20503-6c24-4c16-946b-35dbbce2af2f")
