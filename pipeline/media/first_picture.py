"""Opens one file after the other and decodes its first picture; a program of its own (:mod:`pipeline.media.arrival`).

Reads a JSON string per line, the file's path; answers each with a JSON string, empty if it went well. It imports
nothing of Dailies and is given no environment: what takes it over finds no key.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from pathlib import Path

import av
import av.error

PROTOCOLS = "file"
MEMORY_BYTES = 4 * 1024**3


def fault_of(path: str, containers: str) -> str:
    """Return why a file's first picture can't be decoded; empty if it can.

    Args:
        path: The file.
        containers: Demuxers that may open it, separated by commas; none that opens other files by name.
    """
    options = {"protocol_whitelist": PROTOCOLS, "format_whitelist": containers}
    fault = "there is no picture in it"
    try:
        with av.open(f"file:{Path(path).absolute()}", options=options) as container:
            if not container.streams.video:
                return "there is no video in it"
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for packet in container.demux(stream):
                try:
                    if packet.decode():
                        return ""
                except av.error.InvalidDataError as error:
                    fault = str(error)  # as FFmpeg itself does, go on with the next packet
    except (av.error.FFmpegError, MemoryError) as error:
        return str(error) or type(error).__name__
    return fault


def main() -> None:
    """Answer until standard input is closed; end by SIGALRM at a file that takes too long."""
    containers, seconds = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.write('"ready"\n')
    sys.stdout.flush()
    for line in sys.stdin:
        signal.alarm(seconds)
        fault = fault_of(json.loads(line), containers)
        signal.alarm(0)
        sys.stdout.write(json.dumps(fault) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
