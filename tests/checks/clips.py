"""Small clips with one known property each, made by FFmpeg when a test asks for them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from pipeline.checks.gate import Asked, Verdict, judge
from pipeline.checks.measures import measure
from pipeline.checks.thresholds import for_shot

WIDTH, HEIGHT, FPS = 320, 180, 24
FRAMES = 36

ASKED = Asked(width=WIDTH, height=HEIGHT, fps=f"{FPS}/1", frames=FRAMES, audio=True)

# A sharp, detailed still that the camera can move over.
WORLD = "mandelbrot=size=640x360:rate=24:inner=convergence,select='eq(n,0)',loop=-1:1:0,setpts=N/24/TB"
PAN = f"{WORLD},crop=320:180:'40+n*2':'60+n'"
STILL = f"{WORLD},crop=320:180:160:90"
TONE = "anoisesrc=color=pink:amplitude=0.2:sample_rate=48000:seed=7"


def ffmpeg(*arguments: str) -> None:
    subprocess.run([get_ffmpeg_exe(), "-y", "-nostdin", "-v", "error", *arguments], check=True, capture_output=True)


def make(
    out: Path,
    filters: str = "",
    *,
    picture: str = PAN,
    sound: str | None = TONE,
    sound_filters: str = "",
    frames: int = FRAMES,
    crf: int = 18,
    extra: tuple[str, ...] = (),
) -> Path:
    """Encode a clip: H.264 and AAC, as most models deliver; sound as long as 24 frames a second last."""
    arguments = ["-f", "lavfi", "-i", picture + (f",{filters}" if filters else "")]
    if sound is not None:
        arguments += ["-f", "lavfi", "-i", sound]
        if sound_filters:
            arguments += ["-af", sound_filters]
    arguments += ["-t", str(frames / FPS), "-c:v", "libx264", "-preset", "ultrafast", "-crf", str(crf)]
    ffmpeg(*arguments, "-pix_fmt", "yuv420p", "-threads", "1", "-c:a", "aac", *extra, str(out))
    return out


def verdict_on(clip: Path, asked: Asked = ASKED, tier: str = "standard", content_class: str = "general") -> Verdict:
    return judge(measure(clip), asked, for_shot(tier, content_class))


def failing(verdict: Verdict) -> list[str]:
    return [finding.measure for finding in verdict.failures]
