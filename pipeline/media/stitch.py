"""Stitch: execute the plan. Picture joined packet by packet, one track of sound, captions, one file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from pipeline.errors import MediaError
from pipeline.media.captions import Cue, to_srt
from pipeline.media.conform import Conformed
from pipeline.media.ffmpeg import Progress, run, source, target, written
from pipeline.media.join import join
from pipeline.media.loudness import Levelled, level
from pipeline.media.mezzanine import MezzanineFormat
from pipeline.media.mix import mix
from pipeline.media.pieces import make_pieces
from pipeline.media.plan import FilmPlan
from pipeline.media.verify import verify_film

_AAC_BITS_PER_CHANNEL = 96_000
_TRIES_S = 300.0

# Shares of the work, measured on 12 shots of 4 s at 1280x720 with crossfades.
_ENCODED, _JOINED, _MIXED, _LEVELLED, _MUXED = 0.45, 0.5, 0.55, 0.7, 0.8


@dataclass(frozen=True, slots=True)
class Stitched:
    """A film.

    Attributes:
        path: MP4 with H.264, AAC and, if there are captions, a subtitle track.
        frames: Length in frames, counted in the finished file.
        duration_s: Length in seconds.
        size_bytes: Length of the file.
        copied_frames: Frames taken over from the mezzanines as they were.
        encoded_frames: Frames encoded for transitions or because they could not be copied.
        sound: Loudness before and after.
        notes: What a person should know.
    """

    path: Path
    frames: int
    duration_s: float
    size_bytes: int
    copied_frames: int
    encoded_frames: int
    sound: Levelled
    notes: tuple[str, ...]


def stitch(
    plan: FilmPlan,
    clips: Mapping[str, Conformed],
    out: Path,
    *,
    fmt: MezzanineFormat,
    title: str = "",
    progress: Progress | None = None,
    loudness_lufs: float = -16.0,
    true_peak_dbtp: float = -1.0,
    captions: Sequence[Cue] = (),
    language: str = "eng",
    workers: int = 2,
) -> Stitched:
    """Make the film and prove it: it is decoded and counted before it gets its name.

    Args:
        plan: Which frame comes from where.
        clips: The shots in the mezzanine, by key.
        out: MP4 to write; scratch files lie beside it while it is made.
        fmt: The mezzanine of all the clips.
        title: Title in the file's metadata.
        progress: Told the share done; what it raises stops the work and its processes.
        loudness_lufs: Integrated loudness to reach.
        true_peak_dbtp: True peak not to exceed before the sound is encoded.
        captions: Cues of the subtitle track; none for no track.
        language: ISO 639-2 code of the captions' language.
        workers: FFmpeg processes at a time.

    Raises:
        MediaError: If a clip is missing or damaged, FFmpeg fails, or the film is not as planned.
    """
    _check(plan, clips, fmt)
    videos = {key: clip.video for key, clip in clips.items()}
    sounds = {key: clip.audio for key, clip in clips.items()}
    with tempfile.TemporaryDirectory(prefix=".stitch-", dir=out.absolute().parent) as scratch:
        folder = Path(scratch)
        made = make_pieces(plan.segments, videos, fmt, folder, workers=workers, progress=_part(progress, 0.0, _ENCODED))
        picture, mixed, levelled = folder / "picture.mp4", folder / "mix.wav", folder / "sound.wav"
        join(made.pieces, fmt, picture, progress=_part(progress, _ENCODED, _JOINED))
        mix(plan, sounds, mixed, progress=_part(progress, _JOINED, _MIXED))
        sound = level(
            mixed,
            levelled,
            target_lufs=loudness_lufs,
            true_peak_dbtp=true_peak_dbtp,
            progress=_part(progress, _MIXED, _LEVELLED),
        )
        with written(out) as part:
            _mux(
                plan, picture, levelled, _track(captions, folder), part, fmt, title, language,
                _part(progress, _LEVELLED, _MUXED),
            )  # fmt: skip
            verify_film(part, plan.frames, plan.samples, fmt, progress=_part(progress, _MUXED, 1.0))
    if progress:
        progress(1.0)
    return Stitched(
        path=out,
        frames=plan.frames,
        duration_s=plan.duration_s,
        size_bytes=out.stat().st_size,
        copied_frames=made.copied,
        encoded_frames=made.encoded,
        sound=sound,
        notes=(*plan.notes, *made.notes, *([sound.note] if sound.note else [])),
    )


def _check(plan: FilmPlan, clips: Mapping[str, Conformed], fmt: MezzanineFormat) -> None:
    if plan.fps != fmt.fps or plan.sample_rate != fmt.sample_rate:
        raise ValueError("the plan and the mezzanine have different rates")
    for shot in plan.shots:
        clip = clips.get(shot.key)
        if clip is None:
            raise MediaError(
                "A shot of the film has no conformed take.",
                where=shot.key,
                remedy="Conform the shot, or put a placeholder in its place.",
            )
        if clip.frames != shot.frames:
            raise MediaError(
                f"The conformed take has {clip.frames} frames, the film needs {shot.frames}.",
                where=shot.key,
                remedy="Conform the shot again.",
            )


def _track(captions: Sequence[Cue], folder: Path) -> Path | None:
    if not captions:
        return None
    path = folder / "captions.srt"
    path.write_text(to_srt(captions), encoding="utf-8")
    return path


def _mux(
    plan: FilmPlan,
    picture: Path,
    sound: Path,
    captions: Path | None,
    out: Path,
    fmt: MezzanineFormat,
    title: str,
    language: str,
    progress: Progress | None,
) -> None:
    """Put picture, sound and captions into one file; the sound is encoded here, the only time."""
    streams: list[Any] = [source(picture)["v:0"], source(sound)["a:0"]]
    options: dict[str, Any] = {
        "c:v": "copy",
        "c:a": "aac",
        "b:a": _AAC_BITS_PER_CHANNEL * fmt.channels,
        "map_metadata": -1,
        "movflags": "+faststart",
        "video_track_timescale": fmt.timescale,
        "f": "mp4",
    }
    if title:
        options["metadata"] = f"title={title}"
    if captions:
        streams.append(source(captions, clip=False, f="srt")["s:0"])
        options |= {"c:s": "mov_text", "metadata:s:s:0": f"language={language}", "disposition:s:0": "default"}
    run(
        ffmpeg.output(*streams, target(out), **options),
        timeout_s=_TRIES_S + plan.duration_s,
        what="putting the film together",
        where=str(out),
        progress=progress,
        duration_s=plan.duration_s,
    )


def _part(progress: Progress | None, begin: float, end: float) -> Callable[[float], None] | None:
    if progress is None:
        return None
    return lambda share: progress(begin + (end - begin) * share)
