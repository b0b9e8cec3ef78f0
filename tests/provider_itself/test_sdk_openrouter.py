"""OpenRouter's own SDK understands the test provider: its shape is not only our own belief."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openrouter import OpenRouter, errors

from tests.support.provider import Provider, running_provider

KEY = "right-key-77"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("provider") / "p"
    with running_provider(folder, tiny=True, fsync=False, duration_s=0.01, keys={KEY: "ours"}) as provider:
        yield provider


@pytest.fixture
def client(server: Provider) -> Iterator[OpenRouter]:
    yield sdk(server, KEY)
    server.script(clear=True)


def sdk(server: Provider, key: str) -> OpenRouter:
    return OpenRouter(
        api_key=key,
        server_url=server.base_url_of("openrouter"),
        client=httpx.Client(trust_env=False),
        retry_config=None,
    )


def created(client: OpenRouter, **more: Any) -> str:
    job = client.video_generation.generate(
        model="google/veo-3.1", prompt="a red kite", duration=5, resolution="720p", aspect_ratio="16:9", seed=7, **more
    )
    assert job.status == "pending"
    return job.id


def test_a_job_is_created_followed_to_its_end_and_its_clip_downloaded(server: Provider, client: OpenRouter) -> None:
    identity = created(client, generate_audio=False)
    server.finish(identity)

    told = client.video_generation.get_generation(job_id=identity)
    clip = client.video_generation.get_video_content(job_id=identity, index=0)

    assert told.status == "completed"
    assert told.usage is not None
    assert told.usage.cost == 0.5
    assert clip.read()[4:8] == b"ftyp"
    assert told.urls is not None
    assert httpx.get(told.urls[0], trust_env=False).content[4:8] == b"ftyp"


def test_frames_and_references_arrive_as_our_engine_sends_them(server: Provider, client: OpenRouter) -> None:
    def picture(name: str) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{name}"}}

    frames = [picture("AA==") | {"frame_type": "first_frame"}, picture("AQ==") | {"frame_type": "last_frame"}]
    identity = created(client, frame_images=frames, input_references=[picture("Ag==")])

    (job,) = [job for job in server.accepted() if job.job == identity]
    assert job.heard["path"] == "/videos"
    assert job.heard["body"] == {
        "model": "google/veo-3.1",
        "prompt": "a red kite",
        "duration": 5,
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "seed": 7,
        "frame_images": frames,
        "input_references": [picture("Ag==")],
    }


def test_running_and_failed_jobs_are_read(server: Provider, client: OpenRouter) -> None:
    server.script("slow s=60", "refuse_job")
    running, failing = created(client), created(client)
    server.finish(failing)

    told = client.video_generation.get_generation(job_id=running)
    failed = client.video_generation.get_generation(job_id=failing)

    assert told.status == "in_progress"
    assert (failed.status, "content policy" in (failed.error or "")) == ("failed", True)


ERRORS: dict[str, type[Exception]] = {
    "throttle": errors.TooManyRequestsResponseError,
    "invalid": errors.BadRequestResponseError,
    "out_of_funds": errors.PaymentRequiredResponseError,
    "refuse": errors.ForbiddenResponseError,
    "retired": errors.NotFoundResponseError,
    "error_before": errors.InternalServerResponseError,
}


@pytest.mark.parametrize("told", ERRORS)
def test_errors_are_what_the_sdk_takes_them_for(server: Provider, client: OpenRouter, told: str) -> None:
    server.script(told)

    with pytest.raises(ERRORS[told]):
        created(client)


def test_a_wrong_key_and_an_unknown_job_are_refused(server: Provider, client: OpenRouter) -> None:
    with pytest.raises(errors.UnauthorizedResponseError):
        created(sdk(server, "wrong"))
    with pytest.raises(errors.NotFoundResponseError):
        client.video_generation.get_generation(job_id="gen-vid-0")
