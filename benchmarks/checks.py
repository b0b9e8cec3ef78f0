"""What checking costs: one measured pass over a clip against decoding the same clip and nothing else."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import av
from imageio_ffmpeg import get_ffmpeg_exe

from pipeline.checks.measures import measure

ROUNDS = 5
SECONDS = 4
# A moving texture with grain: about 20 Mbit/s at 1080p, as high-quality takes are.
PICTURE = "mandelbrot=size=2560x1440:rate=24,crop=1920:1080:'40+n*2':'60+n',noise=alls=6:allf=t"


def _make(out: Path) -> None:
    command = [get_ffmpeg_exe(), "-y", "-nostdin", "-v", "error", "-f", "lavfi", "-i", PICTURE]
    command += ["-f", "lavfi", "-i", "anoisesrc=color=pink:amplitude=0.2:seed=1", "-t", str(SECONDS)]
    command += ["-c:v", "libx264", "-preset", "medium", "-crf", "18", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run([*command, str(out)], check=True)


def _decode_only(clip: Path) -> None:
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        video.codec_context.thread_count = 1
        video.codec_context.thread_type = "NONE"
        for packet in container.demux(video, container.streams.audio[0]):
            for _ in packet.decode():
                pass


def run() -> None:
    """Print the ratio; the two are timed alternately, so that a noisy machine hits both."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        _make(clip)
        bare: list[float] = []
        whole: list[float] = []
        for _ in range(ROUNDS):
            start = time.process_time()
            _decode_only(clip)
            middle = time.process_time()
            measure(clip)
            bare.append(middle - start)
            whole.append(time.process_time() - middle)
    ratios = [one / other for one, other in zip(whole, bare, strict=True)]
    frames = SECONDS * 24
    print(f"check: every measure of a {SECONDS} s 1080p clip with sound, {frames} frames, one decoder thread")
    print(
        f"  {statistics.median(ratios):.2f}x the processor time of the bare PyAV decode of the same clip "
        f"(baseline; median of {ROUNDS} alternating rounds, {min(ratios):.2f} to {max(ratios):.2f}; aim 1.15)"
    )
    print(f"  {frames / statistics.median(whole):.0f} frames checked per second of processor time")


if __name__ == "__main__":
    run()
