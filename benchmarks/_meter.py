"""Memory and processor time of a process and of all that it started, read from /proc while it works."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_EVERY_S = 1.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Meter:
    """Samples a process and its descendants until the ``with`` block ends.

    Attributes:
        pss_mb: Highest proportional set size of all of them together, in MB: shared pages are counted once.
        rss_mb: Highest resident set size of the process itself, in MB, by the kernel's own high-water mark.
        threads: Most threads that the process had.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="meter", daemon=True)
        self.pss_mb = self.rss_mb = 0.0
        self.threads = 0

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def cpu_s(self) -> float:
        """Return the processor time of all of them so far, children that have ended included, in seconds."""
        ticks = 0
        for pid in _family(self._pid):
            with suppress(OSError):
                # utime, stime, cutime, cstime: fields 14 to 17 of proc_pid_stat(5), counted from 1.
                words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, words[11:15]))
        return ticks / _TICKS_PER_S

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_S):
            with suppress(OSError):
                status = Path(f"/proc/{self._pid}/status").read_text()
                self.rss_mb = max(self.rss_mb, _kib(status, "VmHWM:") / 1024)
                self.threads = max(self.threads, int(_word(status, "Threads:")))
            pss = 0.0
            for pid in _family(self._pid):
                with suppress(OSError):
                    pss += _kib(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss:") / 1024
            self.pss_mb = max(self.pss_mb, pss)


def _family(pid: int) -> list[int]:
    found, queue = list[int](), [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                queue += [int(each) for each in (task / "children").read_text().split()]
    return found


def _word(text: str, name: str) -> str:
    return next((line.split()[1] for line in text.splitlines() if line.startswith(name)), "0")


def _kib(text: str, name: str) -> float:
    return float(_word(text, name))
