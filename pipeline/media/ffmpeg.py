"""Run FFmpeg: graphs from ffmpeg-python, but the process, its limits and its errors are ours.

What every run has: no terminal, inputs that may open local files only, a time-out that takes the
whole process group down, no process left behind when the caller is cancelled, and the last lines of
the log in the error.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg

from pipeline.errors import ConfigurationError, MediaError

Progress = Callable[[float], None]
"""Called with the share done, 0 to 1; may raise to stop the work."""

PROTOCOLS = "file,pipe"
"""What an input may open. A playlist or container inside an input can't reach the network."""

CONTAINERS = "mov,matroska,avi,mpegts,mpeg,ogg,flv,gif,asf,mxf,nut,wav,aiff,flac,mp3,h264,hevc,ivf"
"""Demuxers that a take may need. Playlists (HLS, DASH, concat) are left out: they name other files."""

LOG_LINES = 15
_KEPT_LINES = 200


@dataclass(frozen=True, slots=True)
class Ran:
    """What a finished run left behind.

    Attributes:
        log: Last lines of its log (up to 200).
        frames: Picture frames written, as FFmpeg counted them.
    """

    log: tuple[str, ...]
    frames: int


@cache
def ffmpeg_exe() -> str:
    """Return the path of the FFmpeg binary that the imageio-ffmpeg wheel carries.

    Raises:
        ConfigurationError: If the wheel has none for this platform.
    """
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise ConfigurationError(
            f"FFmpeg was not found ({error}).",
            where="imageio-ffmpeg",
            remedy="Install the imageio-ffmpeg wheel of this platform, or set IMAGEIO_FFMPEG_EXE.",
        ) from error


def source(path: Path, *, clip: bool = True, **options: Any) -> Any:
    """Return an ffmpeg-python input for a local file.

    Args:
        path: The file; handed on as ``file:/absolute/path``, so no name is taken for an option or a
            protocol.
        clip: It is a clip from outside: only containers of :data:`CONTAINERS` are opened.
        options: FFmpeg's input options.
    """
    if clip:
        options["format_whitelist"] = CONTAINERS
    return ffmpeg.input(f"file:{path.absolute()}", **options)


def target(path: Path) -> str:
    """Return the name by which FFmpeg writes a local file, whatever characters it has."""
    return f"file:{path.absolute()}"


@contextmanager
def written(out: Path) -> Generator[Path]:
    """Yield a path beside ``out`` to write to; renamed to ``out`` at the end, removed on an error.

    The name is unique, so two workers at the same file don't disturb each other, and a reader sees
    either the whole file or none.
    """
    part = out.with_name(f".{out.stem}.{uuid.uuid4().hex[:12]}.part{out.suffix}")
    try:
        yield part
        part.replace(out)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def run(
    stream_or_args: Any,
    *,
    timeout_s: float,
    what: str,
    where: str,
    progress: Progress | None = None,
    duration_s: float | None = None,
    threads: int = 1,
    loglevel: str = "warning",
    remedy: str = "",
) -> Ran:
    """Run FFmpeg to its end.

    Args:
        stream_or_args: An ffmpeg-python output, or the argument list (without the program).
        timeout_s: Seconds of wall time after which it is killed.
        what: What is being done, for the error, such as ``conforming the take``.
        where: The file or shot concerned, for the error.
        progress: Told the share done; needs ``duration_s``. What it raises stops the run.
        duration_s: Length of the output in seconds.
        threads: Threads of each decoder and filter graph (encoders have an option of their own).
        loglevel: FFmpeg's log level.
        remedy: What to do when it fails.

    Raises:
        MediaError: If FFmpeg fails or takes too long, with the last lines of its log.
        ConfigurationError: If FFmpeg can't be started.
    """
    given = (
        [str(argument) for argument in stream_or_args]
        if isinstance(stream_or_args, (list, tuple))
        else ffmpeg.get_args(stream_or_args)
    )
    command = [
        *(ffmpeg_exe(), "-nostdin", "-hide_banner", "-y", "-loglevel", loglevel, "-nostats"),
        *("-progress", "pipe:1", "-stats_period", "0.2"),
        *("-filter_threads", str(threads), "-filter_complex_threads", str(threads)),
        *restricted(given, threads=threads),
    ]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ConfigurationError(
            f"FFmpeg can't be started ({error.strerror}).",
            where=command[0],
            remedy="Install the imageio-ffmpeg wheel again.",
        ) from error
    log: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        frames = _follow(process, log, time.monotonic() + timeout_s, progress, duration_s)
    except _OutOfTimeError:
        _kill(process)
        raise MediaError(
            f"{_begin(what)} took longer than {timeout_s:g} s and was stopped.",
            where=where,
            log_tail=_tail(log),
            remedy=remedy or "Retry on a less busy machine, or shorten the clip.",
        ) from None
    except BaseException:
        _kill(process)
        raise
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    if process.returncode != 0:
        raise MediaError(
            f"{_begin(what)} failed (FFmpeg ended with {process.returncode}).",
            where=where,
            log_tail=_tail(log),
            remedy=remedy,
        )
    return Ran(tuple(log), frames)


def restricted(args: Sequence[str], *, threads: int) -> list[str]:
    """Return arguments in which every input is held to local files and a number of threads.

    The options are put directly before each ``-i``: FFmpeg takes the last value of an option, so
    nothing that a caller wrote earlier can widen them.
    """
    result: list[str] = []
    for position, argument in enumerate(args):
        if argument == "-i" and position + 1 < len(args):
            result += ["-protocol_whitelist", PROTOCOLS, "-threads", str(threads)]
        result.append(argument)
    return result


class _OutOfTimeError(Exception):
    pass


def _follow(
    process: subprocess.Popen[bytes],
    log: deque[str],
    deadline: float,
    progress: Progress | None,
    duration_s: float | None,
) -> int:
    """Read both pipes until the process ends; return the frames written."""
    assert process.stdout is not None  # noqa: S101 - asked for above
    assert process.stderr is not None  # noqa: S101
    frames = 0
    rest = {"progress": b"", "log": b""}
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, "progress")
        selector.register(process.stderr, selectors.EVENT_READ, "log")
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise _OutOfTimeError
            for key, _ in selector.select(left):
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                lines, rest[key.data] = _lines(rest[key.data] + chunk, ended=not chunk)
                if key.data == "log":
                    log.extend(lines)
                    continue
                for line in lines:
                    name, _, value = line.partition("=")
                    if name == "frame":
                        frames = int(value) if value.strip().isdigit() else frames
                    elif name == "out_time_us" and progress and duration_s:
                        _report(progress, value, duration_s)
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _OutOfTimeError from None
    return frames


def _lines(data: bytes, *, ended: bool) -> tuple[list[str], bytes]:
    whole, _, rest = data.rpartition(b"\n")
    if ended:
        whole, rest = data, b""
    return [line for line in whole.decode("utf-8", "replace").splitlines() if line.strip()], rest


def _report(progress: Progress, out_time_us: str, duration_s: float) -> None:
    with suppress(ValueError):  # "N/A" before the first frame
        share = int(out_time_us) / 1e6 / duration_s
        progress(min(1.0, max(0.0, share)))


def _kill(process: subprocess.Popen[bytes]) -> None:
    # The group, not the process: whatever FFmpeg may have started goes too. Outputs are .part files,
    # so there is nothing to close in order.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(log: Sequence[str] | deque[str]) -> str:
    return "\n".join(list(log)[-LOG_LINES:])


def _begin(what: str) -> str:
    return what[:1].upper() + what[1:]
