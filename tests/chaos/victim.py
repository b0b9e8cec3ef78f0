"""A real worker or watcher with shorter waits, and with places at which it can be hit."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.chaos.points import VARIABLE, install
from tests.chaos.scaled import scale


def main() -> None:
    """Become what the arguments say: ``watcher``, or ``worker`` or ``beat`` and its options."""
    scale()
    install(Path(os.environ[VARIABLE]))
    role, *options = sys.argv[1:]
    if role == "watcher":
        from workers.watcher import main as watch

        watch()
        return
    from celery.__main__ import main as celery

    sys.argv = ["celery", "--app", "workers.app", "--quiet", role, *options]
    celery()


if __name__ == "__main__":
    main()
