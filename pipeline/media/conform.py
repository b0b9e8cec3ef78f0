"""Conform: any clip becomes exactly the frames and samples that the cut needs of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ffmpeg

from pipeline.errors import MediaError
from pipeline.media.colour import to_bt709
from pipeline.media.ffmpeg import Progress, run, source, target, written
from pipeline.media.mezzanine import Conformed, MezzanineFormat, preview_format, tagged, video_options
from pipeline.media.probe import AudioFacts, ClipFacts, VideoFacts, probe
from pipeline.media.slate import placeholder
from pipeline.media.wav import open_wav, write_silence
from pipeline.storyboard.schema import Framing

__all__ = ["Conformed", "MezzanineFormat", "conform", "placeholder", "preview_format"]

_BAD_FRAMES_AT_MOST = "0.02"  # share of frames with decoding errors; beyond it the clip is broken
_TRIES_S = 120.0  # time-out: this, and two seconds more for each frame


def conform(
    clip: Path,
    frames: int,
    fmt: MezzanineFormat,
    out_video: Path,
    out_audio: Path,
    progress: Progress | None = None,
    *,
    keyframes: Sequence[int] = (),
    threads: int = 1,
) -> Conformed:
    """Bring a take to the mezzanine: exactly so many frames, and exactly as much sound.

    Frame ``n`` of the result shows the take's frame nearest to ``n / fps`` seconds after its first
    one; sound keeps its place beside the picture, whatever the streams' start times are.

    Args:
        clip: The take.
        frames: Length of the shot in frames of ``fmt.fps``.
        fmt: The cut's mezzanine.
        out_video: MP4 to write.
        out_audio: WAV to write.
        progress: Told the share done; what it raises stops the work.
        keyframes: Frames that must begin a group of pictures, so that a stitch can copy from or up
            to them (see :meth:`pipeline.media.plan.FilmPlan.keyframes`).
        threads: Threads for decoding and for encoding.

    Raises:
        MediaError: If the take can't be decoded or the result is not what was asked for.
    """
    if frames < 1:
        raise ValueError(f"a shot has at least one frame, not {frames}")
    facts = probe(clip)
    video = facts.picture
    samples = fmt.samples(frames)
    with written(out_video) as part_video, written(out_audio) as part_audio:
        output = _picture(facts, frames, fmt, part_video, keyframes, threads)
        if facts.audio:
            output = ffmpeg.merge_outputs(output, _sound(facts, facts.audio, samples, fmt, part_audio))
        run(
            output.global_args("-copyts", "-max_error_rate", _BAD_FRAMES_AT_MOST),
            timeout_s=_TRIES_S + 2.0 * frames,
            what="conforming the take",
            where=str(clip),
            progress=progress,
            duration_s=fmt.duration_s(frames),
            threads=threads,
            remedy="Generate the take again.",
        )
        if not facts.audio:
            write_silence(part_audio, samples, fmt.sample_rate, fmt.channels)
        _verify(clip, part_video, frames, part_audio, samples, fmt)
    available = max(1, round(video.duration_s * fmt.fps))
    return Conformed(
        video=out_video,
        audio=out_audio,
        frames=frames,
        samples=samples,
        held=max(0, frames - available),
        trimmed=max(0, available - frames),
        silent=facts.audio is None,
        notes=tuple(_notes(video, facts.audio, available - frames, fmt)),
    )


def _picture(
    facts: ClipFacts, frames: int, fmt: MezzanineFormat, out: Path, keyframes: Sequence[int], threads: int
) -> Any:
    video = facts.picture
    # Rounding up half a usual step early picks the source frame nearest in time, and leaves time
    # stamps that jitter (milliseconds in Matroska) the widest margin. The fps filter's own "near" would
    # show, at 60 in 24, the last frame within half a target frame after the right one.
    early = video.step_s / 2
    stream = (
        source(facts.path)["v:0"]
        .filter("settb", "AVTB")
        .filter("setpts", f"PTS-STARTPTS-{round(early * 1_000_000)}")
        .filter("fps", fps=str(fmt.fps), round="up", start_time=0)
        .filter("trim", end_frame=frames)
    )
    stream = fitted(to_bt709(stream, video), video.display_size, fmt)
    # Held without end, then cut at the frame asked for: short and long takes go the same way.
    stream = stream.filter("tpad", stop_mode="clone", stop=-1).filter("trim", end_frame=frames)
    options = video_options(fmt, threads=threads)
    forced = sorted({frame for frame in keyframes if 0 < frame < frames})
    if forced:
        terms = "+".join(f"eq(n,{frame})" for frame in forced)
        options["force_key_frames"] = f"expr:{terms}"
    return ffmpeg.output(tagged(stream, fmt), target(out), an=None, **options)


def fitted(stream: Any, size: tuple[int, int], fmt: MezzanineFormat) -> Any:
    """Return the stream scaled and cropped, or padded, about its centre to the format's size.

    Args:
        stream: ffmpeg-python stream, upright; its pixels need not be square.
        size: Width and height as seen, in square pixels.
        fmt: Size to reach.
    """
    width, height = size
    if fmt.framing is Framing.CROP:
        factor = max(fmt.width / width, fmt.height / height)
        across = max(fmt.width, round(width * factor / 2) * 2)
        down = max(fmt.height, round(height * factor / 2) * 2)
    else:
        factor = min(fmt.width / width, fmt.height / height)
        across = min(fmt.width, max(2, round(width * factor / 2) * 2))
        down = min(fmt.height, max(2, round(height * factor / 2) * 2))
    stream = stream.filter(
        "scale", across, down, flags="lanczos+accurate_rnd", out_range="limited", out_color_matrix="bt709"
    )
    if (across, down) == (fmt.width, fmt.height):
        return stream
    if fmt.framing is Framing.CROP:
        return stream.filter("crop", fmt.width, fmt.height)
    return stream.filter("pad", fmt.width, fmt.height, "(ow-iw)/2", "(oh-ih)/2")


def _sound(facts: ClipFacts, audio: AudioFacts, samples: int, fmt: MezzanineFormat, out: Path) -> Any:
    begin = facts.video.start_s if facts.video else audio.start_s
    stream = (
        source(facts.path)["a:0"]
        .filter("asetpts", f"PTS-({begin.numerator}/{begin.denominator})/TB")
        # Gaps become silence and what lies before the first picture goes; nothing is stretched.
        .filter("aresample", fmt.sample_rate, **{"async": 1, "first_pts": 0})
    )
    if (audio.channels, fmt.channels) == (1, 2):
        stream = stream.filter("channelmap", map="0|0", channel_layout="stereo")
    layout = "stereo" if fmt.channels == 2 else "mono"
    stream = (
        stream.filter("aformat", sample_fmts="flt", channel_layouts=layout)
        .filter("apad")
        .filter("atrim", end_sample=samples)
    )
    return ffmpeg.output(stream, target(out), **{"vn": None, "c:a": "pcm_f32le", "map_metadata": -1, "f": "wav"})


def _verify(clip: Path, video: Path, frames: int, audio: Path, samples: int, fmt: MezzanineFormat) -> None:
    made = probe(video).picture
    sound = open_wav(audio)
    wanted = (frames, fmt.width, fmt.height, False, samples, fmt.sample_rate, fmt.channels)
    got = (
        *(made.frames, made.width, made.height, made.variable_rate),
        *(sound.samples, sound.sample_rate, sound.channels),
    )
    if got != wanted:
        raise MediaError(
            f"The conformed take is not what was asked for: {got} instead of {wanted} "
            "(frames, width, height, variable rate, samples, sample rate, channels).",
            where=str(clip),
            remedy="Generate the take again.",
        )


def _notes(video: VideoFacts, audio: AudioFacts | None, over: int, fmt: MezzanineFormat) -> list[str]:
    notes: list[str] = []
    if over < 0:
        notes.append(f"{-over} frames short; the last picture is held")
    elif over > 0:
        notes.append(f"{over} frames longer than the shot; cut off")
    if video.variable_rate:
        notes.append(f"variable frame rate brought to {fmt.fps}")
    elif abs(video.rate - fmt.fps) > fmt.fps / 1000:
        notes.append(f"{float(video.rate):.3f} frames per second brought to {float(fmt.fps):.3f}")
    if video.display_size != (fmt.width, fmt.height):
        notes.append("{}x{} brought to {}x{}".format(*video.display_size, fmt.width, fmt.height))
    if audio is None:
        notes.append("no sound in the take; silence")
    return notes
