"""WAV files as NumPy arrays: float or 16-bit PCM, mapped into memory, written piece by piece.

Format: RIFF/WAVE (Microsoft and IBM, 1991); beyond 4 GiB as RF64 (EBU Tech 3306), for which room is
kept in every header that is written.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from pipeline.errors import MediaError

Samples = npt.NDArray[np.float32]
"""Shape (samples, channels), full scale is 1.0."""

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_LIMIT = 0xFFFF_FFFF
_BLOCK = 1 << 20
_HEADER_BYTES = 12 + 36 + 24 + 12 + 8  # RIFF, JUNK or ds64, fmt, fact, data


@dataclass(frozen=True, slots=True)
class WavFile:
    """A WAV file's layout.

    Attributes:
        path: The file.
        sample_rate: Samples per second.
        channels: Number of channels.
        samples: Samples per channel.
        dtype: ``<f4`` or ``<i2``.
        offset: Byte at which the samples begin.
    """

    path: Path
    sample_rate: int
    channels: int
    samples: int
    dtype: str
    offset: int

    def read(self, first: int, count: int) -> Samples:
        """Return samples ``first`` to ``first + count``; what lies outside the file is silence."""
        result = np.zeros((count, self.channels), np.float32)
        begin, end = max(0, first), min(self.samples, first + count)
        if end <= begin:
            return result
        width = np.dtype(self.dtype).itemsize * self.channels
        with self.path.open("rb") as file:
            file.seek(self.offset + begin * width)
            raw = np.frombuffer(file.read((end - begin) * width), self.dtype)
        block = raw.reshape(-1, self.channels).astype(np.float32)
        if self.dtype == "<i2":
            block /= 32768.0
        result[begin - first : begin - first + len(block)] = block
        return result


def open_wav(path: Path) -> WavFile:
    """Read a WAV file's header.

    Raises:
        MediaError: If it is no WAV file with float or 16-bit samples.
    """
    try:
        with path.open("rb") as file:
            return _parse(path, file)
    except (OSError, struct.error, ValueError) as error:
        raise MediaError(
            "This is not a WAV file with float or 16-bit samples.",
            where=str(path),
            log_tail=str(error),
            remedy="Conform the take again.",
        ) from error


def _parse(path: Path, file: BinaryIO) -> WavFile:
    riff, _, wave = struct.unpack("<4sI4s", file.read(12))
    if riff not in {b"RIFF", b"RF64"} or wave != b"WAVE":
        raise ValueError("no RIFF/WAVE header")
    length = path.stat().st_size
    layout: tuple[int, int, int, str] | None = None
    long_size = 0
    while True:
        name, size = struct.unpack("<4sI", file.read(8))
        if name == b"ds64":
            long_size = struct.unpack("<QQQ", file.read(24))[1]
            file.seek(size - 24, 1)
        elif name == b"fmt ":
            layout = _layout(file.read(size))
        elif name == b"data":
            break
        else:
            file.seek(size + size % 2, 1)
    if layout is None:
        raise ValueError("no fmt chunk before the samples")
    channels, rate, block, dtype = layout
    offset = file.tell()
    held = long_size if riff == b"RF64" and size == _LIMIT else size
    samples = min(held, length - offset) // block
    return WavFile(path, rate, channels, samples, dtype, offset)


def _layout(fmt: bytes) -> tuple[int, int, int, str]:
    tag, channels, rate, _, block, bits = struct.unpack("<HHIIHH", fmt[:16])
    if tag == _EXTENSIBLE:
        tag = struct.unpack("<H", fmt[24:26])[0]
    dtype = {(_FLOAT, 32): "<f4", (_PCM, 16): "<i2"}.get((tag, bits))
    if dtype is None or channels < 1 or rate < 1:
        raise ValueError(f"format {tag} with {bits} bits")
    return channels, rate, block, dtype


class WavWriter:
    """Writes a float WAV file piece by piece; the header is completed on closing.

    Args:
        path: File to write.
        sample_rate: Samples per second.
        channels: Number of channels.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int) -> None:
        self._rate = sample_rate
        self._channels = channels
        self._file = path.open("wb")
        self.samples = 0
        self._file.write(header(sample_rate, channels, 0))

    def write(self, block: Samples) -> None:
        """Append samples of shape (samples, channels)."""
        self._file.write(np.ascontiguousarray(block, "<f4").tobytes())
        self.samples += len(block)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.seek(0)
        self._file.write(header(self._rate, self._channels, self.samples))
        self._file.close()


def header(sample_rate: int, channels: int, samples: int) -> bytes:
    """Return the 92 bytes before the samples of a float WAV file (RF64 beyond 4 GiB)."""
    block = 4 * channels
    data = samples * block
    whole = _HEADER_BYTES - 8 + data
    long = whole > _LIMIT
    riff = struct.pack("<4sI4s", b"RF64" if long else b"RIFF", _LIMIT if long else whole, b"WAVE")
    # ds64 where the sizes don't fit, else the same room as a chunk to be skipped (EBU Tech 3306).
    room = struct.pack("<4sIQQQI", b"ds64" if long else b"JUNK", 28, whole, data, samples, 0)
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, _FLOAT, channels, sample_rate, sample_rate * block, block, 32)
    fact = struct.pack("<4sII", b"fact", 4, min(samples, _LIMIT))
    return riff + room + fmt + fact + struct.pack("<4sI", b"data", _LIMIT if long else data)


def write_silence(path: Path, samples: int, sample_rate: int, channels: int) -> None:
    """Write so many samples of silence as a float WAV file."""
    with WavWriter(path, sample_rate, channels) as wav:
        for first in range(0, samples, _BLOCK):
            wav.write(np.zeros((min(_BLOCK, samples - first), channels), np.float32))
