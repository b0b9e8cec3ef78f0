"""Clips for tests: every frame carries its shot and its number as a pattern of light and dark cells."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pipeline.media.conform import Conformed, MezzanineFormat, conform
from pipeline.media.mezzanine import preview_format
from pipeline.media.plan import FilmPlan

WIDTH, HEIGHT = 160, 96
DARK, LIGHT, BLACK, WHITE = 48, 200, 16, 235


def code(shot: int, number: int) -> np.ndarray:
    """Return the 16 luma values of a frame: 8 bits of its number, 7 of its shot, one always light."""
    value = number % 256 | (shot % 128) << 8 | 1 << 15
    return np.array([LIGHT if value >> bit & 1 else DARK for bit in range(16)], float)


def plane(cells: np.ndarray, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return a luma plane of 4x4 cells."""
    grid = cells.reshape(4, 4).astype(np.uint8)
    return grid[np.arange(height) * 4 // height][:, np.arange(width) * 4 // width]


def cells_of(luma: np.ndarray) -> np.ndarray:
    """Return the means of the 4x4 cells' middles."""
    height, width = luma.shape
    means = []
    for row in range(4):
        for column in range(4):
            y, x = height * row // 4, width * column // 4
            cell = luma[y + height // 16 : y + 3 * height // 16, x + width // 16 : x + 3 * width // 16]
            means.append(cell.mean())
    return np.array(means)


def coded(
    path: Path,
    shot: int,
    frames: int,
    *,
    fps: Fraction | int = 24,
    times: Sequence[Fraction] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    sound: np.ndarray | None = None,
    sample_rate: int = 48_000,
    sound_at_s: float = 0.0,
) -> Path:
    """Write a clip whose frames carry their numbers; sound has shape (channels, samples)."""
    pictures = [plane(code(shot, number), *size) for number in range(frames)]
    return lumas(path, pictures, fps=fps, times=times, sound=sound, sample_rate=sample_rate, sound_at_s=sound_at_s)


def lumas(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    fps: Fraction | int = 24,
    times: Sequence[Fraction] | None = None,
    sound: np.ndarray | None = None,
    sample_rate: int = 48_000,
    sound_at_s: float = 0.0,
) -> Path:
    """Write a clip of grey pictures, at even times or at those given in seconds."""
    height, width = pictures[0].shape
    base = Fraction(1, 90_000)
    pixel_format = "yuv420p" if width % 2 == 0 and height % 2 == 0 else "yuv444p"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(fps), options={"crf": "8", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = width, height, pixel_format
        video.codec_context.time_base = base
        audio = None
        if sound is not None:
            audio = container.add_stream("pcm_s16le" if path.suffix == ".mkv" else "aac", rate=sample_rate)
            audio.layout = "stereo" if len(sound) == 2 else "mono"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame(width, height, pixel_format)
            for index, values in enumerate((picture, None, None)):
                target = np.frombuffer(frame.planes[index], np.uint8).reshape(-1, frame.planes[index].line_size)
                if values is None:
                    target[:] = 128
                else:
                    target[:, :width] = values
            frame.time_base = base
            time = times[number] if times else Fraction(number) / Fraction(fps)
            frame.pts = round(time / base)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None and sound is not None:
            for first in range(0, sound.shape[1], 1024):
                block = (sound[:, first : first + 1024].clip(-1, 1) * 32767).astype(np.int16)
                packed = np.ascontiguousarray(block.T.reshape(1, -1))
                frame = av.AudioFrame.from_ndarray(packed, "s16", "stereo" if len(sound) == 2 else "mono")
                frame.sample_rate = sample_rate
                frame.time_base = Fraction(1, sample_rate)
                frame.pts = first + round(sound_at_s * sample_rate)
                container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def tone(seconds: float, *, hertz: float = 440, rate: int = 48_000, channels: int = 2, peak: float = 0.3) -> np.ndarray:
    """Return a sine of shape (channels, samples)."""
    wave = peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.tile(wave, (channels, 1))


def read_lumas(path: Path) -> list[np.ndarray]:
    """Decode a clip's luma planes."""
    planes = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            data = np.frombuffer(frame.planes[0], np.uint8).reshape(-1, frame.planes[0].line_size)
            planes.append(data[: frame.height, : frame.width].astype(float))
    return planes


def read_cells(path: Path) -> np.ndarray:
    """Decode a clip; return the cells of each frame, shape (frames, 16)."""
    return np.array([cells_of(luma) for luma in read_lumas(path)])


def read_sound(path: Path) -> np.ndarray:
    """Decode a clip's sound as a player does, from time zero; shape (samples, channels)."""
    blocks = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt")
        for frame in container.decode(audio=0):
            blocks.extend(part.to_ndarray().reshape(-1, part.layout.nb_channels) for part in resampler.resample(frame))
    return np.concatenate(blocks)


def small(fps: Fraction | int | str = 24, **fields: object) -> MezzanineFormat:
    """Return a small, fast mezzanine."""
    made = preview_format(WIDTH, HEIGHT, Fraction(fps))
    return MezzanineFormat(**{**{name: getattr(made, name) for name in made.__slots__}, **fields})


def conformed(
    folder: Path,
    plan: FilmPlan,
    fmt: MezzanineFormat,
    *,
    handles: bool = True,
    sound: np.ndarray | None = None,
) -> dict[str, Conformed]:
    """Conform a coded clip for each shot of a plan; the shot's place is its code."""
    clips = {}
    for number, shot in enumerate(plan.shots):
        clip = coded(folder / f"take-{number}.mp4", number, shot.frames, fps=fmt.fps, sound=sound)
        clips[shot.key] = conform(
            clip, shot.frames, fmt, folder / f"{number}.mp4", folder / f"{number}.wav",
            keyframes=plan.keyframes(shot.key) if handles else (),
        )  # fmt: skip
    return clips
