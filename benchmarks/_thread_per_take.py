"""The baseline of ``in_flight``: a Celery task per take, which holds a thread until its clip is there.

It creates, polls with ``time.sleep`` and downloads, and does nothing else: no rows, no money, no lease, no look at the
clip. A worker that dies loses all its takes.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import httpx
from celery import Celery

BROKER, PROVIDER, EVERY_S, CLIPS = "BASELINE_BROKER", "BASELINE_PROVIDER", "BASELINE_EVERY_S", "BASELINE_CLIPS"

app = Celery("thread_per_take", broker=os.environ.get(BROKER, "memory://"))
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)
_client = httpx.Client(
    base_url=os.environ.get(PROVIDER, ""),
    timeout=120.0,
    trust_env=False,
    limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
)


@app.task(name="benchmark.take")
def take(intent: str, prompt: str) -> None:
    """Make one take."""
    every_s, clips = float(os.environ[EVERY_S]), Path(os.environ[CLIPS])
    fields = {"model": "wan", "prompt": prompt, "seconds": "2", "size": "320x180"}
    parts = [(name, (None, value)) for name, value in fields.items()]
    job = _client.post("/videos", files=parts, headers={"Idempotency-Key": intent}).raise_for_status().json()["id"]
    while _client.get(f"/videos/{job}").raise_for_status().json()["status"] != "completed":
        time.sleep(every_s)
    part = clips / f"{job}.part"
    with _client.stream("GET", f"/videos/{job}/content") as answer, part.open("wb") as file:
        answer.raise_for_status()
        for piece in answer.iter_raw():
            file.write(piece)
    part.replace(clips / f"{job}.mp4")
