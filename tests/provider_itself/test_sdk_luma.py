"""Luma's own SDK understands the test provider: its shape is not only our own belief."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import luma_agents
import pytest
from luma_agents import Luma
from luma_agents.types import Generation

from tests.support.provider import Provider, running_provider

KEY = "right-key-77"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("provider") / "p"
    with running_provider(folder, tiny=True, fsync=False, duration_s=60, keys={KEY: "ours"}) as provider:
        yield provider


@pytest.fixture
def client(server: Provider) -> Iterator[Luma]:
    http = httpx.Client(trust_env=False)
    with Luma(auth_token=KEY, base_url=server.base_url_of("luma"), max_retries=0, http_client=http) as client:
        yield client
    server.script(clear=True)


def created(client: Luma) -> Generation:
    return client.generations.create(
        prompt="a red kite",
        model="ray-3.2",
        type="video",
        aspect_ratio="9:16",
        video={"duration": "5s", "resolution": "540p"},
    )


def test_a_generation_is_created_followed_to_its_end_and_its_output_downloaded(server: Provider, client: Luma) -> None:
    generation = created(client)
    running = client.generations.get(generation.id)
    server.finish(generation.id)

    told = client.generations.get(generation.id)

    assert (generation.type, running.state, running.output) == ("video", "processing", None)
    assert (told.state, told.failure_code, told.model) == ("completed", None, "ray-3.2")
    assert told.output is not None
    assert [output.type for output in told.output] == ["video"]
    assert httpx.get(told.output[0].url, trust_env=False).content[4:8] == b"ftyp"
    (job,) = [job for job in server.accepted() if job.job == generation.id]
    assert (job.prompt, job.seconds, job.width, job.height) == ("a red kite", "5", 540, 960)


def test_pictures_arrive_as_our_engine_sends_them(server: Provider, client: Luma) -> None:
    picture = {"data": "AA==", "media_type": "image/png"}

    short = client.generations.create(
        prompt="a red kite", model="ray-3.2", type="video", video={"start_frame": picture, "end_frame": picture}
    )
    long = client.generations.create(
        prompt="a red kite",
        model="ray-3.2",
        type="video",
        video={"duration": "10s", "keyframes": [picture, picture], "keyframe_indexes": [0, 240]},
    )

    heard = {job.job: job.heard["body"]["video"] for job in server.accepted()}
    assert heard[short.id] == {"start_frame": picture, "end_frame": picture}
    assert heard[long.id] == {"duration": "10s", "keyframes": [picture, picture], "keyframe_indexes": [0, 240]}


def test_a_generation_that_moderation_stopped_says_so(server: Provider, client: Luma) -> None:
    server.script("refuse_job")
    generation = created(client)
    server.finish(generation.id)

    told = client.generations.get(generation.id)

    assert (told.state, told.failure_code) == ("failed", "content_moderated")
    assert told.failure_reason


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("throttle", luma_agents.RateLimitError),
        ("invalid", luma_agents.UnprocessableEntityError),
        ("error_before", luma_agents.InternalServerError),
    ],
)
def test_errors_are_of_the_sdks_own_kinds(
    server: Provider, client: Luma, told: str, kind: type[luma_agents.APIStatusError]
) -> None:
    server.script(told)

    with pytest.raises(kind):
        created(client)


def test_a_wrong_key_and_an_unknown_generation_are_told_apart(client: Luma) -> None:
    with pytest.raises(luma_agents.AuthenticationError):
        created(client.with_options(auth_token="wrong-key-99"))
    with pytest.raises(luma_agents.NotFoundError):
        client.generations.get("0b6f0b6f-0000-4000-8000-000000000000")
