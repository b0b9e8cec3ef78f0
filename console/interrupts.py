"""Ctrl-C and its relatives become one exception, which waits while processes are started or ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

_CAUGHT = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(BaseException):
    """A person or the system asked the command to end.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """What shells expect: 128 and the signal's number."""
        return 128 + self.number


class Interrupts:
    """Raises :class:`Interrupted` in the main thread, at most once, and never in a held section.

    Only once: whoever presses Ctrl-C again while the processes are being ended must not keep them alive.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._holds = 0
        self._pending = 0
        self._raised = False

    def __enter__(self) -> Self:
        """Begin to listen (in the main thread; elsewhere there are no signals to listen to)."""
        if threading.current_thread() is threading.main_thread():
            for number in _CAUGHT:
                # A command started with nohup, or in the background of a script, stays deaf to what it ignores.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put back what was there."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def held(self) -> Generator[None]:
        """Let a section finish before a signal is acted on.

        Raises:
            Interrupted: At its end, if a signal came meanwhile.
        """
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        if self._pending and not self._holds:
            self._raise(self._pending)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._holds:
            self._pending = self._pending or number
        else:
            self._raise(number)

    def _raise(self, number: int) -> None:
        if not self._raised:
            self._raised = True
            raise Interrupted(number)
