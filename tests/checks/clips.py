"""Small clips with one known property each, made by FFmpeg when a test asks for them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from pipeline.checks.gate import Asked

WIDTH, HEIGHT, FPS = 320, 180, 24
SECONDS = 1.5
FRAMES = 36

ASKED = Asked(width=WIDTH, height=HEIGHT, fps=f"{FPS}/1", frames=FRAMES, audio=True)

# A textured world that the camera moves over: sharp, detailed, no cut.
PAN = "mandelbrot=size=640x360:rate=24:start_scale=0.9:end_scale=0.85:inner=convergence,crop=320:180:'40+n*2':'60+n'"
TONE = "anoisesrc=color=pink:amplitude=0.2:sample_rate=48000:seed=7"


def make(
    out: Path,
    *,
    picture: str = PAN,
    filters: str = "",
    sound: str | None = TONE,
    sound_filters: str = "",
    seconds: float = SECONDS,
    extra: tuple[str, ...] = (),
) -> Path:
    """Encode a clip: H.264 and AAC, as most models deliver."""
    command = [get_ffmpeg_exe(), "-y", "-nostdin", "-v", "error", "-f", "lavfi", "-i", picture]
    if sound is not None:
        command += ["-f", "lavfi", "-i", sound]
    if filters:
        command += ["-vf", filters]
    if sound_filters:
        command += ["-af", sound_filters]
    command += ["-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast", "-crf", "20"]
    command += ["-pix_fmt", "yuv420p", "-threads", "1", "-c:a", "aac", *extra, str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return out
