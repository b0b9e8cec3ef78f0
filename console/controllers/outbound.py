"""Copies a delivered cut out of the storage to where a person wants it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, NeedsAttention
from pipeline.production.status import CutStatus, FilmStatus
from pipeline.production.studio import Studio
from pipeline.store.delivery import Sidecar, check_out, copy_out

_ENDINGS = (".mp4", ".m4v")
_SUFFIXES = {"srt": ".srt", "vtt": ".vtt", "sheet": ".sheet.jpg", "manifest": ".manifest.json"}


def check_film_name(out: Path) -> None:
    """See that the film can be written, before any work is done for it.

    Raises:
        InputError: If its name or its folder can't be used.
    """
    if out.suffix.lower() not in _ENDINGS:
        raise InputError(
            "The film is an MP4 file, and this is no name for one.",
            where=str(out),
            remedy="Give -o a name that ends with .mp4.",
        )
    check_out(out)


def copy_films(studio: Studio, cut: CutStatus, out: Path) -> tuple[Path, ...]:
    """Copy a delivered cut out: the first film to ``out``, each further one to ``OUT.<its name>.mp4``.

    Sidecars go beside their film under its name; the manifest, which speaks of all films, beside the first.

    Returns:
        The files, the first film first.

    Raises:
        InputError: If they can't be written.
        MissingObject: If the storage lost one.
        NeedsAttention: If the cut has no film.
    """
    if not cut.films:
        raise NeedsAttention("The cut has no film.", where=cut.id, remedy=f"See: dailies status {cut.id}")
    studio.settings.scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="out-", dir=studio.settings.scratch))
    try:
        copied: list[Path] = []
        seen: set[str] = set()
        for film in cut.films:
            target = out if not copied else out.with_name(f"{out.stem}.{film.name}{out.suffix}")
            copied += _copy_film(studio, film, target, seen, folder)
        return tuple(copied)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy_film(studio: Studio, film: FilmStatus, out: Path, seen: set[str], folder: Path) -> tuple[Path, ...]:
    main: Path | None = None
    sidecars: list[Sidecar] = []
    for file in film.files:
        if file["key"] in seen:
            continue
        seen.add(file["key"])
        local = _local(studio, file, folder)
        if file["kind"] == "film":
            main = local
        else:
            suffix = _SUFFIXES.get(file["kind"], f".{file['kind']}{Path(file['name']).suffix}")
            sidecars.append(Sidecar(local, suffix))
    if main is None:
        raise NeedsAttention(f"The delivery of {film.name} has no film.", where=film.name)
    return copy_out(main, out, sidecars)


def _local(studio: Studio, file: dict[str, Any], folder: Path) -> Path:
    """Return a delivered file on this machine, its content checked when it is copied."""
    key, sha256 = file["key"], file["sha256"]
    near = studio.storage.local(key)
    if near is not None and near.is_file():
        return near
    out = folder / f"{len(list(folder.iterdir()))}-{Path(key).name}"
    studio.storage.get(key, out, sha256=sha256)
    return out
