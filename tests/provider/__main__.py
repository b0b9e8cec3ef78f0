"""``python -m tests.provider --port 0 --folder DIR``: run the provider; its port is written to ``DIR/port``."""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from tests.provider.app import Provider


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="on the loopback address; 0: any that is free")
    parser.add_argument("--folder", type=Path, required=True, help="ledger, settings and clips; kept between runs")
    parser.add_argument("--tiny", action="store_true", help="one tiny clip for everybody (benchmarks)")
    parser.add_argument("--no-fsync", action="store_true", help="the ledger survives kill -9, but no power cut")
    parser.add_argument("--while-stdin", action="store_true", help="end when standard input is closed")
    wanted = parser.parse_args()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if wanted.while_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    asyncio.run(_serve(wanted))


async def _serve(wanted: argparse.Namespace) -> None:
    provider = Provider(wanted.folder, sync=not wanted.no_fsync, tiny=wanted.tiny)
    listening = _bound(wanted.port)
    port = wanted.folder / "port"
    port.with_suffix(".part").write_text(str(listening.getsockname()[1]))
    port.with_suffix(".part").replace(port)
    app: Any = provider
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="asyncio",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=120,
        timeout_graceful_shutdown=1,
        backlog=4096,
        server_header=False,
    )
    keeping = asyncio.create_task(provider.keep_time())
    keeping.add_done_callback(_end_if_failed)
    await uvicorn.Server(config).serve(sockets=[listening])
    keeping.cancel()


def _bound(port: int) -> socket.socket:
    """Bind the port; a restarted server may have to wait until the killed one's is free."""
    for _ in range(100):
        # Only a socket that says it is TCP gets TCP_NODELAY from asyncio; without it each answer may wait for 40 ms.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError:
            listening.close()
            time.sleep(0.05)
        else:
            return listening
    raise SystemExit(f"port {port} is taken")


def _end_if_failed(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        sys.stderr.write(f"keeping time failed: {task.exception()!r}\n")
        os._exit(1)


def _end_with_stdin() -> None:
    # Whoever started the server holds the other end; it closes even if they are killed.
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
