"""Sees that a file from outside is a clip, in a process of its own: what breaks a decoder breaks only that one.

The process opens one file after the other, because starting one for each takes ten times as long as the decoding
(18 ms and 1.5 ms of processor time on a 2-core machine). One that dies, hangs or grows too large fails the file that it
had, and another takes its place.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from pipeline.errors import BackendUnavailable, MediaError
from pipeline.media import first_picture
from pipeline.media.ffmpeg import CONTAINERS

TIMEOUT_S = 60
AT_ONCE = 4
"""Most processes of this kind."""
_START_S = 60.0
_FILES = 500
"""A process is replaced after so many files: decoders leak."""
_REMEDY = "It is collected again."


class _GoneError(Exception):
    """The process has ended."""


class Opener:
    """A process that opens files.

    Raises:
        BackendUnavailable: If it can't be started.
    """

    def __init__(self, timeout_s: int = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self.files = 0
        # -P: not what happens to lie beside the program.
        command = [sys.executable, "-P", str(first_picture.__file__), CONTAINERS, str(timeout_s)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
                start_new_session=True,
            )
        except OSError as error:
            raise _not_started(error.strerror or type(error).__name__) from error
        try:
            self._answer(_START_S)
        except (_GoneError, TimeoutError) as error:
            self.close()
            raise _not_started("it ended at once" if isinstance(error, _GoneError) else "it takes too long") from None

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether it lives, and is not worn out."""
        return self.files < _FILES and self._process.poll() is None

    def fault_of(self, path: Path) -> str:
        """Return why a file's first picture can't be decoded; empty if it can.

        Raises:
            MediaError: If the file killed the process, or would not come to an end.
        """
        self.files += 1
        try:
            os.write(self._to, json.dumps(str(path)).encode() + b"\n")
            return self._answer(self._timeout_s + 5.0)
        except (_GoneError, BrokenPipeError):
            code = self._process.wait()
            if code == -signal.SIGALRM:
                raise self._late(path) from None
            raise MediaError(
                f"decoding what was collected ended the process that did it (exit code {code}).",
                where=path.name,
                remedy=_REMEDY,
            ) from None
        except TimeoutError:
            self.close()
            raise self._late(path) from None

    def close(self) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def _to(self) -> int:
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        return self._process.stdin.fileno()

    def _answer(self, within_s: float) -> str:
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        source, line = self._process.stdout.fileno(), b""
        while not line.endswith(b"\n"):
            waiting = select.poll()  # select() can't wait for descriptors above 1023
            waiting.register(source, select.POLLIN)
            if not waiting.poll(within_s * 1000):
                raise TimeoutError
            piece = os.read(source, 65536)
            if not piece:
                raise _GoneError
            line += piece
        return str(json.loads(line))

    def _late(self, path: Path) -> MediaError:
        return MediaError(
            f"decoding what was collected took longer than {self._timeout_s} s and was stopped.",
            where=path.name,
            remedy=_REMEDY,
        )


_room = threading.BoundedSemaphore(AT_ONCE)
_idle: list[Opener] = []


def require_clip(path: Path) -> None:
    """See that a file can be opened and its first picture decoded.

    Raises:
        MediaError: If it can't be; with FFmpeg's words.
        BackendUnavailable: If nothing can be decoded here; that says nothing of the file.
    """
    with _room:
        opener = _an_opener()
        try:
            fault = opener.fault_of(path)
        except BaseException:
            opener.close()
            raise
        _idle.append(opener)
    if fault:
        raise MediaError(f"decoding what was collected failed ({fault}).", where=path.name, remedy=_REMEDY)


def _an_opener() -> Opener:
    while True:
        try:
            opener = _idle.pop()
        except IndexError:
            return Opener()
        if opener.usable:
            return opener
        opener.close()


def _forget() -> None:
    """Leave the openers to the parent: two that read the same pipe would get each other's answers."""
    global _room  # noqa: PLW0603 - a fork copies it in whatever state it is
    _room = threading.BoundedSemaphore(AT_ONCE)
    _idle.clear()


os.register_at_fork(after_in_child=_forget)


def _not_started(why: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"the process that decodes what is collected did not start ({why}).",
        where="pipeline.media.first_picture",
        remedy="See that memory is left and that the av wheel is installed; the clips are collected then.",
    )
