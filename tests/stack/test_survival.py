"""Workers killed, brokers emptied and killed in the middle of a cut: the film comes out whole."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from redis import Redis

from pipeline.production.states import CutState, ShotState, TakeState
from pipeline.production.status import CutStatus
from tests.support.stack import RunningStack, board, running_stack
from workers.stackfile import read_stackfile

pytestmark = pytest.mark.stack

PLACES = ("a lighthouse at dawn", "a kitchen at noon", "a snowy forest", "a desert at sunset", "a city at night", "fog")
FRAMES = 16


def six_shots(folder: Path) -> Path:
    shots = "\n".join(f"  - {{id: s{n}, prompt: {place}}}" for n, place in enumerate(PLACES))
    text = f"""\
schema_version: 1
id: six
defaults: {{duration_s: 1.0}}
deliverables: [{{aspect_ratio: "16:9", resolution: 320x180, fps: {FRAMES}}}]
shots:
{shots}
"""
    return board(folder / "six.yaml", text)


def running(status: CutStatus) -> bool:
    return any(shot.doing == "generate" for shot in status.shots) and status.state == CutState.GENERATING


def accepted_once(status: CutStatus) -> None:
    """Every shot has exactly one accepted take, no intent was generated twice, nothing is left open."""
    assert status.state == CutState.DELIVERED, status.reason
    assert [shot.state for shot in status.shots] == [ShotState.READY] * len(PLACES)
    for shot in status.shots:
        states = Counter(take.state for take in shot.takes)
        assert states[TakeState.ACCEPTED] == 1
        assert len({(take.round, take.candidate, take.attempt) for take in shot.takes}) == len(shot.takes)


def in_order(run: RunningStack, status: CutStatus) -> None:
    """The film shows every shot once, and in order: each stretch is most like its own shot's take."""
    (film,) = status.films
    path = next(Path(file["url"]) for file in film.files if file["kind"] == "film")
    shown = gray_frames(path)
    assert len(shown) == FRAMES * len(PLACES) == film.frames
    takes = []
    for shot in status.shots:
        (take,) = (take for take in shot.takes if take.id == shot.accepted_take)
        takes.append(gray_frames(run.studio.artifacts.fetch(take.clip_sha256 or "", ".mp4")))
    for number in range(len(PLACES)):
        middle = FRAMES // 2
        picture = shown[number * FRAMES + middle]
        distance = [float(np.abs(picture - take[middle]).mean()) for take in takes]
        assert int(np.argmin(distance)) == number, distance


def gray_frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [
            cv2.resize(frame.to_ndarray(format="gray"), (80, 45), interpolation=cv2.INTER_AREA).astype(np.float32)
            for frame in container.decode(video=0)
        ]


def test_a_worker_killed_in_the_middle_of_a_cut_loses_no_shot_and_repeats_none(tmp_path: Path) -> None:
    with running_stack(tmp_path / "home") as run:
        cut = run.submit(six_shots(tmp_path))
        run.wait(cut, running)
        stack = read_stackfile(tmp_path / "home")
        assert stack is not None

        os.killpg(stack.processes["worker"], signal.SIGKILL)
        status = run.finish(cut)

        assert run.stack.restarts == 1
        accepted_once(status)
        in_order(run, status)


def test_redis_emptied_in_the_middle_of_a_cut_loses_no_shot_and_repeats_none(tmp_path: Path) -> None:
    with running_stack(tmp_path / "home") as run:
        cut = run.submit(six_shots(tmp_path))
        run.wait(cut, running)

        with Redis.from_url(run.stack.broker_url) as redis:
            waiting = run.studio.publisher.depth("draft")
            redis.flushall()
        status = run.finish(cut)

        assert waiting, "there was nothing to lose: the test proves nothing"
        accepted_once(status)
        in_order(run, status)


def test_redis_killed_in_the_middle_of_a_cut_is_started_again_and_the_film_is_whole(tmp_path: Path) -> None:
    with running_stack(tmp_path / "home") as run:
        cut = run.submit(six_shots(tmp_path))
        run.wait(cut, running)
        stack = read_stackfile(tmp_path / "home")
        assert stack is not None

        os.killpg(stack.processes["redis"], signal.SIGKILL)
        status = run.finish(cut)

        accepted_once(status)
        in_order(run, status)
