from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import ffmpeg
import pytest

from pipeline.errors import MediaError
from pipeline.media.ffmpeg import ffmpeg_exe, restricted, run, source, target, written
from pipeline.media.probe import probe
from tests.media.clips import coded


@pytest.fixture
def web() -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that notes every request."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def children() -> list[str]:
    """Return the FFmpeg processes whose parent this process is."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue  # it ended meanwhile
        if int(rest.split()[1]) == os.getpid() and name.startswith("ffmpeg"):
            found.append(name)
    return found


def endless(out: Path) -> list[str]:
    return ["-re", "-f", "lavfi", "-i", "testsrc=s=64x48:r=24", "-f", "null", str(out)]


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/seen.ts\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{url}/seen.mp4'\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_inside_an_input_never_reaches_the_network(
    tmp_path: Path, web: tuple[str, list[str]], kind: str
) -> None:
    url, asked = web
    clip = tmp_path / "take.mp4"
    clip.write_text(PLAYLISTS[kind].format(url=url))

    for given in (source(clip), source(clip, clip=False, f=kind), source(clip, clip=False, f=kind, safe=0)):
        if kind == "hls" and "safe" in given.node.kwargs:
            continue
        with pytest.raises(MediaError):
            run(ffmpeg.output(given, "-", f="null"), timeout_s=20, what="reading", where="take")
    with pytest.raises(MediaError):
        probe(clip)
    assert asked == []


@pytest.mark.parametrize("wider", [[], ["-protocol_whitelist", "file,http,tcp"]])
def test_an_address_as_input_is_refused_even_if_a_caller_widens_the_protocols(
    web: tuple[str, list[str]], wider: list[str]
) -> None:
    url, asked = web

    with pytest.raises(MediaError, match="Reading failed") as failed:
        run([*wider, "-i", f"{url}/seen.mp4", "-f", "null", "-"], timeout_s=20, what="reading", where="it")

    assert asked == []
    assert "whitelist" in failed.value.log_tail


def test_every_input_is_restricted() -> None:
    args = restricted(["-i", "a", "-f", "lavfi", "-i", "b", "out"], threads=3)

    held = ["-protocol_whitelist", "file,pipe", "-threads", "3", "-i"]
    assert args == [*held, "a", "-f", "lavfi", *held, "b", "out"]


def test_a_playlist_that_names_other_local_files_is_not_read_as_a_clip(tmp_path: Path) -> None:
    coded(tmp_path / "private.mp4", 0, 5)
    clip = tmp_path / "take.mp4"
    clip.write_text("ffconcat version 1.0\nfile 'private.mp4'\n")

    with pytest.raises(MediaError):
        probe(clip)
    with pytest.raises(MediaError):
        run(ffmpeg.output(source(clip), "-", f="null"), timeout_s=20, what="reading", where="take")


def test_a_failure_says_what_and_where_with_the_end_of_the_log(tmp_path: Path) -> None:
    clip = tmp_path / "take.mp4"
    clip.write_bytes(b"rubbish" * 100)

    with pytest.raises(MediaError) as failed:
        run(
            ffmpeg.output(source(clip), "-", f="null"),
            timeout_s=20,
            what="reading the take",
            where="shot 4",
            remedy="Do this.",
        )

    error = failed.value
    assert error.what.startswith("Reading the take failed")
    assert (error.where, error.remedy) == ("shot 4", "Do this.")
    assert 1 <= len(error.log_tail.splitlines()) <= 15
    assert "Invalid data" in error.log_tail


def test_a_run_that_takes_too_long_is_stopped_and_leaves_no_process() -> None:
    with pytest.raises(MediaError, match=r"took longer than 0\.4 s"):
        run(endless(Path("-")), timeout_s=0.4, what="waiting", where="here")

    assert children() == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_a_cancelled_caller_leaves_no_process(kind: type[BaseException]) -> None:
    running: list[str] = []

    def stop(_: float) -> None:
        running.extend(children())
        raise kind

    with pytest.raises(kind):
        run(endless(Path("-")), timeout_s=30, what="waiting", where="here", progress=stop, duration_s=60)

    assert len(running) == 1
    assert children() == []


def test_names_that_look_like_options_protocols_or_patterns_are_plain_files(tmp_path: Path) -> None:
    for name in ("-y.mp4", "concat:a|b.mp4", "%03d 'q' [x];,=\\.mp4", "http:x.mp4"):
        clip = tmp_path / name
        coded(clip, 0, 3).rename(clip)

        ran = run(
            ffmpeg.output(source(clip), target(tmp_path / f"out {name}"), f="mp4"),
            timeout_s=20,
            what="x",
            where="y",
        )

        assert ran.frames == 3
        assert probe(tmp_path / f"out {name}").picture.frames == 3


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    shares: list[float] = []

    run(
        ["-f", "lavfi", "-i", "testsrc=s=64x48:r=24:d=2", "-f", "null", "-"],
        timeout_s=20, what="x", where="y", progress=shares.append, duration_s=2,
    )  # fmt: skip

    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=0.05)


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "film.mp4"

    with pytest.raises(RuntimeError), written(out) as part:  # noqa: PT012 - the block is what fails
        part.write_bytes(b"half")
        raise RuntimeError
    empty = list(tmp_path.iterdir())
    with written(out) as part:
        part.write_bytes(b"whole")

    assert empty == []
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_the_binary_comes_from_the_wheel() -> None:
    assert Path(ffmpeg_exe()).is_file()
