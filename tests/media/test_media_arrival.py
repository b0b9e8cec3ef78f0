"""Clips from outside: opened in a process of their own, which may die of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import BackendUnavailable, MediaError
from pipeline.media import arrival
from pipeline.media.arrival import Opener, require_clip
from tests.media.clips import coded


@pytest.fixture(autouse=True)
def fresh_openers() -> Iterator[None]:
    yield
    while arrival._idle:
        arrival._idle.pop().close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return coded(tmp_path_factory.mktemp("clip") / "take, with a comma & 'quotes'.mp4", 1, 6)


def test_a_clip_is_let_in(clip: Path) -> None:
    require_clip(clip)


def test_files_without_a_picture_are_not_let_in(clip: Path, tmp_path: Path) -> None:
    whole = clip.read_bytes()
    playlist = f"#EXTM3U\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n".encode()
    wrong = {
        "empty": b"",
        "text": b"<html>soon</html>",
        "short": whole[: len(whole) * 2 // 3],
        "playlist": playlist,
        "list": f"ffconcat version 1.0\nfile '{clip}'\n".encode(),
    }
    for name, data in wrong.items():
        path = tmp_path / f"{name}.mp4"
        path.write_bytes(data)

        with pytest.raises(MediaError) as refused:
            require_clip(path)

        assert refused.value.where == path.name
    with pytest.raises(MediaError):
        require_clip(tmp_path / "missing.mp4")
    require_clip(clip)


def test_a_clip_whose_bytes_are_noise_is_not_let_in(clip: Path, tmp_path: Path) -> None:
    data = bytearray(clip.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : data.index(b"moov") - 4] = bytes(data.index(b"moov") - 4 - start)
    path = tmp_path / "noise.mp4"
    path.write_bytes(data)

    with pytest.raises(MediaError):
        require_clip(path)


def test_one_process_opens_many_files_and_is_replaced_when_it_is_worn_out(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "_FILES", 3)
    seen = list[int]()
    for _ in range(5):
        require_clip(clip)
        seen += [opener.pid for opener in arrival._idle]

    assert len(seen) == 5
    assert len(set(seen[:3])) == 1
    assert seen[3] == seen[4] != seen[0]


def test_a_file_that_kills_its_process_is_refused_and_the_next_is_let_in(clip: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "poison.mp4"  # opening it waits for a writer: the process can be killed at leisure
    os.mkfifo(pipe)
    require_clip(clip)
    victim = arrival._idle[0].pid
    threading.Timer(0.2, os.kill, (victim, signal.SIGKILL)).start()

    with pytest.raises(MediaError, match="exit code -9"):
        require_clip(pipe)

    require_clip(clip)
    assert arrival._idle[0].pid != victim


def test_a_file_that_does_not_come_to_an_end_is_stopped(clip: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "endless.mp4"
    os.mkfifo(pipe)
    opener = Opener(timeout_s=1)

    with pytest.raises(MediaError, match="longer than 1 s"):
        opener.fault_of(pipe)

    assert not opener.usable
    opener.close()


def test_an_idle_process_that_was_killed_costs_no_clip(clip: Path) -> None:
    require_clip(clip)
    os.kill(arrival._idle[0].pid, signal.SIGKILL)
    while arrival._idle[0].usable:
        time.sleep(0.01)

    require_clip(clip)


def test_many_at_once_get_their_own_answers_from_few_processes(clip: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no clip")

    def let_in(path: Path) -> bool:
        try:
            require_clip(path)
        except MediaError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(let_in, [clip, bad] * 20))

    assert answers == [True, False] * 20
    assert 1 <= len(arrival._idle) <= arrival.AT_ONCE


def test_that_nothing_can_be_decoded_here_says_nothing_of_the_clip(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival.sys, "executable", "/bin/false")

    with pytest.raises(BackendUnavailable):
        require_clip(clip)


def test_the_process_is_given_no_environment(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAILIES_OPENAI_COMPATIBLE_API_KEY", "sk-secret")
    require_clip(clip)

    environment = Path(f"/proc/{arrival._idle[0].pid}/environ").read_bytes()

    assert b"sk-secret" not in environment
