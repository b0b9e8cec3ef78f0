"""The clips that jobs deliver: real H.264 and AAC in MP4, good or with one known fault.

A clip is encoded once per form and kept in the provider's folder; every job gets it with a ``free`` box of its own at
the end, so that no two jobs deliver the same bytes while all decode alike.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

SAMPLE_RATE = 48_000
_STEP_PX = 2
_KEPT_IN_MEMORY = 32


@dataclass(frozen=True, slots=True)
class Form:
    """What a clip is to be.

    Attributes:
        width: Pixels, even.
        height: Pixels, even.
        fps: Frames per second.
        frames: Number of frames.
        sound: Whether it has a sound track.
        kind: ``good`` or a fault (``behaviour.CLIPS``).
    """

    width: int
    height: int
    fps: Fraction
    frames: int
    sound: bool = True
    kind: str = "good"

    @property
    def key(self) -> str:
        """Name of the cached file."""
        return hashlib.sha256(repr(asdict(self)).encode()).hexdigest()[:24]

    def delivered(self) -> Form:
        """Return the form of the picture and sound that are encoded for this kind."""
        match self.kind:
            case "wrong_size":
                return replace(self, width=max(2, self.width // 4 * 2), height=max(2, self.height // 4 * 2))
            case "wrong_duration":
                return replace(self, frames=max(1, self.frames // 2))
            case "wrong_fps":
                return replace(self, fps=self.fps / 2, frames=max(1, self.frames // 2))
            case "no_sound":
                return replace(self, sound=False)
            case _:
                return self


TINY = Form(64, 36, Fraction(12), 6)
"""A clip of a few KB for benchmarks, in place of what was asked for."""


class Shelf:
    """Makes clips when first asked for one of their form, and keeps them.

    Args:
        folder: Where files are kept.
        tiny: Whether everybody gets :data:`TINY`.
    """

    def __init__(self, folder: Path, *, tiny: bool = False) -> None:
        self._folder = folder / "clips"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._tiny = tiny
        self._memory: dict[str, bytes] = {}
        self._making: dict[str, asyncio.Task[bytes]] = {}

    async def clip(self, form: Form, job: str, mark: str = "") -> bytes:
        """Return the bytes that a job delivers; the same ones each time.

        Args:
            form: What the clip is to be.
            job: The job's id, written into the clip.
            mark: Written into it too, for those who look for it.
        """
        if form.kind == "empty":
            return b""
        if form.kind == "text":
            return f"<html><body>Your video {job} is being prepared.</body></html>".encode()
        base = await self._base(replace(TINY, kind=form.kind) if self._tiny else form)
        own = f"{job}\n{mark}".encode()
        return base + struct.pack(">I4s", 8 + len(own), b"free") + own

    async def _base(self, form: Form) -> bytes:
        key = form.key
        if key in self._memory:
            return self._memory[key]
        if key not in self._making:
            self._making[key] = task = asyncio.create_task(asyncio.to_thread(self._make, form))
            task.add_done_callback(lambda _: self._making.pop(key, None))
        data = await asyncio.shield(self._making[key])
        self._memory[key] = data
        while len(self._memory) > _KEPT_IN_MEMORY:
            del self._memory[next(iter(self._memory))]
        return data

    def _make(self, form: Form) -> bytes:
        path = self._folder / f"{form.key}.mp4"
        if not path.exists():
            part = path.with_suffix(f".{os.getpid()}.part.mp4")
            encode(form, part)
            part.write_bytes(_damaged(part.read_bytes(), form))
            part.replace(path)  # whole or not at all, whenever the server is killed
        return path.read_bytes()


def _damaged(data: bytes, form: Form) -> bytes:
    if form.kind == "cut_short":
        return data[: len(data) * 2 // 3]
    if form.kind == "corrupt":
        start, end = _mdat(data)
        first, last = start + (end - start) // 4, end - (end - start) // 8
        return data[:first] + random.Random(form.key).randbytes(last - first) + data[last:]
    return data


def _mdat(data: bytes) -> tuple[int, int]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"mdat":
            return at + 8, at + size
        at += size
    raise ValueError("no mdat box")


def encode(form: Form, out: Path) -> None:
    """Encode a clip of a form: a camera that travels over a sharp pattern, and a sound that can be heard."""
    import av  # the server starts faster without it
    import numpy as np

    real = form.delivered()
    with av.open(str(out), "w", format="mp4") as file:
        video = file.add_stream("libx264", rate=real.fps, options={"preset": "ultrafast", "crf": "23"})
        video.width, video.height, video.pix_fmt = real.width, real.height, "yuv420p"
        video.time_base = 1 / real.fps
        video.codec_context.thread_count = 1
        audio = file.add_stream("aac", rate=SAMPLE_RATE, layout="stereo") if real.sound else None
        for number, planes in enumerate(_pictures(real)):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, 1 / real.fps
            for packet in video.encode(frame):
                file.mux(packet)
        for packet in video.encode(None):
            file.mux(packet)
        if audio is not None:
            samples = int(real.frames / real.fps * SAMPLE_RATE)
            rng = np.random.default_rng(7)
            done = 0
            while done < samples:
                count = min(SAMPLE_RATE // 10, samples - done)
                times = np.arange(done, done + count, dtype=np.float64) / SAMPLE_RATE
                wave = 0.15 * np.sin(2 * np.pi * 330 * times) + 0.05 * rng.standard_normal(count)
                if form.kind == "silent":
                    wave = np.zeros(count)
                frame = av.AudioFrame.from_ndarray(
                    np.tile(wave.astype(np.float32), (2, 1)), format="fltp", layout="stereo"
                )
                frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, done, Fraction(1, SAMPLE_RATE)
                for packet in audio.encode(frame):
                    file.mux(packet)
                done += count
            for packet in audio.encode(None):
                file.mux(packet)


def _pictures(form: Form) -> Iterator[object]:
    import numpy as np

    width, height = form.width, form.height
    world_w, world_h = width * 2, height * 2
    if form.kind == "black":
        luma = np.full((world_h, world_w), 16, np.uint8)
        chroma = np.full((2, world_h // 2, world_w // 2), 128, np.uint8)
    else:
        rng = np.random.default_rng(11)
        luma = np.full((world_h, world_w), 96, np.uint8)
        chroma = np.full((2, world_h // 2, world_w // 2), 128, np.uint8)
        for _ in range(160):
            w, h = (max(2, int(rng.integers(4, 16)) * side // 64 * 2) for side in (width, height))
            x, y = int(rng.integers(0, world_w)) // 2 * 2, int(rng.integers(0, world_h)) // 2 * 2
            luma[y : y + h, x : x + w] = rng.integers(40, 215)
            chroma[:, y // 2 : (y + h) // 2, x // 2 : (x + w) // 2] = rng.integers(96, 160, (2, 1, 1))
    for number in range(form.frames):
        moved = 0 if form.kind == "frozen" else number
        x = _bounced(moved * _STEP_PX, width)
        y = _bounced(moved // 2 * _STEP_PX, height)
        yield np.concatenate(
            (
                luma[y : y + height, x : x + width].ravel(),
                chroma[0, y // 2 : (y + height) // 2, x // 2 : (x + width) // 2].ravel(),
                chroma[1, y // 2 : (y + height) // 2, x // 2 : (x + width) // 2].ravel(),
            )
        ).reshape(height * 3 // 2, width)


def _bounced(way: int, room: int) -> int:
    """Return a place between 0 and ``room`` after a way, reflected at both ends; always even."""
    room = room // 2 * 2
    place = way % (2 * room)
    return min(place, 2 * room - place)
