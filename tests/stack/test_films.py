"""Whole films through real Celery workers into a real S3 server: what a person gets at the end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.production.states import CutState, ShotState, TakeState
from pipeline.production.status import FilmStatus
from pipeline.production.steer import retry
from pipeline.storyboard.interchange import import_board, write_yaml
from pipeline.storyboard.schema import Storyboard
from tests.support.s3_server import S3Server
from tests.support.stack import RunningStack, board, running_stack

pytestmark = pytest.mark.stack
VIMAX = Path(__file__).parents[1] / "data" / "vimax"

BOAT = """\
schema_version: 1
id: boat
title: The Boat
defaults: {duration_s: 0.8}
deliverables:
  - {name: wide, aspect_ratio: "16:9", resolution: 180p, fps: 20}
  - {name: tall, aspect_ratio: "9:16", resolution: 120p, fps: 25}
characters: {ada: {name: Ada, palette: ["#d6a032"]}}
shots:
  - {id: dawn, prompt: A boat on the sea at dawn, transition: {kind: fade, duration_s: 0.2}}
  - {id: ada, prompt: Ada rows, characters: [{id: ada, action: rows}], dialogue: [{speaker: ada, text: Hello there.}],
     continues: dawn, transition: {kind: crossfade, duration_s: 0.4}}
  - {id: night, prompt: The harbour at night, transition: {kind: dip-to-black, duration_s: 0.4}}
ending: {kind: fade, duration_s: 0.2}
"""


@pytest.fixture(scope="module")
def run(s3_process: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One stack for all tests of this module, with an S3 server as its storage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        settings = {
            "DAILIES_STORAGE_URL": f"s3://{s3_process.new_bucket()}/studio",
            "DAILIES_S3_ENDPOINT_URL": s3_process.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        with running_stack(tmp_path_factory.mktemp("films") / "home", **settings) as stack:
            yield stack


def fetched(run: RunningStack, film: FilmStatus, kind: str, folder: Path) -> Path:
    """Bring a delivered file back over HTTP and hold it against its hash."""
    (file,) = (file for file in film.files if file["kind"] == kind)
    out = folder / file["name"]
    run.studio.storage.get(file["key"], out)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == file["sha256"]
    return out


def video_of(path: Path) -> tuple[int, int, int, float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(stream)]
        return stream.width, stream.height, len(frames), float(np.mean(frames[-1]))


def test_a_storyboard_becomes_films_in_each_aspect_ratio_with_captions_sheet_and_manifest(
    run: RunningStack, tmp_path: Path
) -> None:
    path = board(tmp_path / "boat.yaml", BOAT)

    status = run.finish(run.submit(path))

    assert status.state is CutState.DELIVERED, status.reason
    wide, tall = status.films
    # 3 shots of 0.8 s less the crossfade of 0.4 s, at 20 and at 25 frames a second.
    assert video_of(fetched(run, wide, "film", tmp_path))[:3] == (320, 180, 40)
    assert video_of(fetched(run, tall, "film", tmp_path))[:3] == (120, 214, 50)
    assert video_of(fetched(run, wide, "film", tmp_path))[3] < 25, "the ending fades to black"
    assert "Ada: Hello there." in fetched(run, wide, "srt", tmp_path).read_text("utf-8")
    assert fetched(run, wide, "vtt", tmp_path).read_text("utf-8").startswith("WEBVTT")
    assert fetched(run, wide, "sheet", tmp_path).read_bytes()[:2] == b"\xff\xd8"
    manifest = json.loads(fetched(run, wide, "manifest", tmp_path).read_text("utf-8"))
    assert_complete(manifest, status.id)


def assert_complete(manifest: dict[str, Any], cut_id: str) -> None:
    assert manifest["cut"] == cut_id
    assert [shot["id"] for shot in manifest["shots"]] == ["dawn", "ada", "night"]
    for shot in manifest["shots"]:
        (take,) = (take for take in shot["takes"] if take["id"] == shot["accepted_take"])
        assert take["price_micro_usd"] == 0
        assert take["seed"] == take["request"]["seed"]
        assert take["routing"]["table_hash"]
        assert len(take["clip_sha256"]) == 64
        assert {finding["measure"] for finding in take["verdict"]["findings"]} >= {"black", "frozen", "flicker", "blur"}
    ada = manifest["shots"][1]["takes"][-1]
    assert ada["request"]["mode"] == "image-to-video"
    assert ada["request"]["first_frame"]["sha256"]


def test_a_changed_shot_makes_one_take_and_adopts_the_others(run: RunningStack, tmp_path: Path) -> None:
    first = run.finish(run.submit(board(tmp_path / "boat.yaml", BOAT)))
    changed = BOAT.replace("The harbour at night", "The harbour at noon")

    second = run.finish(run.submit(board(tmp_path / "boat.yaml", changed)))

    assert second.state is CutState.DELIVERED
    assert second.id != first.id
    assert (second.takes, second.adopted) == (1, 2)


def test_the_same_storyboard_again_is_the_same_cut_and_makes_nothing(run: RunningStack, tmp_path: Path) -> None:
    first = run.finish(run.submit(board(tmp_path / "boat.yaml", BOAT)))

    second = run.finish(run.submit(board(tmp_path / "copy.yaml", BOAT)))

    assert (second.id, second.finished_at, second.takes) == (first.id, first.finished_at, first.takes)


def test_a_shot_that_never_passes_needs_attention_and_a_placeholder_finishes_the_film(
    run: RunningStack, tmp_path: Path
) -> None:
    text = """\
    schema_version: 1
    id: impossible
    defaults: {duration_s: 0.5}
    deliverables: [{resolution: 120p, fps: 20}]
    budget: {max_attempts: 2}
    shots:
      - {id: good, prompt: A field at noon}
      - {id: bad, prompt: A wood in fog, quality: {thresholds: {blur: 1000000}}}
    """
    cut = run.submit(board(tmp_path / "impossible.yaml", text))

    stopped = run.finish(cut)

    good, bad = stopped.shots
    assert (stopped.state, good.state, bad.state) == (
        CutState.NEEDS_ATTENTION,
        ShotState.READY,
        ShotState.NEEDS_ATTENTION,
    )
    assert [take.state for take in bad.takes] == [TakeState.REJECTED, TakeState.REJECTED]
    assert len({take.seed for take in bad.takes}) == 2
    assert "No acceptable take after 2 takes" in bad.reason
    assert bad.remedy == f"dailies retry {cut} --shot bad"

    retry(run.studio, cut, placeholder=True)
    finished = run.finish(cut)

    assert finished.state is CutState.DELIVERED, finished.reason
    assert [shot.placeholder for shot in finished.shots] == [False, True]
    assert finished.films[0].frames == 20


@pytest.mark.parametrize("name", ["barista_coffee_cultures_typeA", "chef_international_kitchens_typeA"])
def test_a_storyboard_written_by_others_renders_as_a_preview(run: RunningStack, tmp_path: Path, name: str) -> None:
    imported, _ = import_board(VIMAX / f"{name}.json")
    short = shortened(imported)
    path = tmp_path / f"{name}.yaml"
    write_yaml(short, path)

    status = run.finish(run.submit(path))

    assert status.state is CutState.DELIVERED, (status.reason, [(shot.key, shot.reason) for shot in status.shots])
    assert [shot.key for shot in status.shots] == [shot.id for shot in short.shots]


def shortened(whole: Storyboard) -> Storyboard:
    """The first four shots, half a second each, in a small picture."""
    deliverable = whole.deliverables[0].model_copy(update={"resolution": "180p"})
    shots = tuple(shot.model_copy(update={"duration_s": 0.5}) for shot in whole.shots[:4])
    return whole.model_copy(update={"shots": shots, "deliverables": (deliverable,)})
