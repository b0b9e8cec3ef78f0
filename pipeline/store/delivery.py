"""Handing a finished cut over: into the storage, and to the place that a person named with ``-o``."""

from __future__ import annotations

import errno
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DailiesError, InputError
from pipeline.store.files import (
    DENIED,
    NOT_A_FOLDER,
    Progress,
    copy_bytes,
    expect_hash,
    explain,
    landing,
    sha256_of,
)
from pipeline.store.storage import Storage, Stored, check_key

_MANIFEST_SUFFIX = "manifest.json"


@dataclass(frozen=True, slots=True)
class DeliveryFile:
    """One file of a cut's delivery.

    Attributes:
        path: The file on this machine.
        name: What it is called in the delivery; it may have folders in it.
        content_type: MIME type.
    """

    path: Path
    name: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A file that goes beside a film.

    Attributes:
        path: The file on this machine.
        suffix: What replaces the film's suffix, such as ``.srt`` or ``.sheet.jpg``.
    """

    path: Path
    suffix: str


def delivery_prefix(storyboard_id: str, cut_id: str) -> str:
    """Return the key under which a cut's delivery is stored, without a slash at the end.

    Raises:
        InputError: If an id can't be part of a key.
    """
    for part in (storyboard_id, cut_id):
        if "/" in check_key(part):
            raise InputError("An id can't have a slash in it.", where=repr(part[:80]))
    return f"deliveries/{storyboard_id}/{cut_id}"


def deliver(
    storage: Storage, files: Sequence[DeliveryFile], prefix: str, progress: Progress | None = None
) -> tuple[Stored, ...]:
    """Store a cut's deliverables and sidecars, each verified, its manifest last.

    The manifest (the one file whose name ends with ``manifest.json``) goes when everything else is
    there, so that whoever sees it can rely on the rest. An older manifest at its place, of another
    delivery that is being replaced, is removed first for the same reason. Delivering the same again
    uploads nothing.

    Args:
        storage: Where to.
        files: What to deliver.
        prefix: The key before every name; see :func:`delivery_prefix`.
        progress: Told how far the work is, by bytes.

    Returns:
        What is stored, in the order of ``files``.

    Raises:
        InputError: If not exactly one file is the manifest, or a name is used twice.
        DailiesError: If a file can't be read.
        BackendUnavailable: If the storage does not answer or refuses; run it again to go on.
    """
    manifest = _manifest_of(files)
    others = [file for file in files if file is not manifest]
    sizes = {file.name: _size(file.path) for file in files}
    hashes = {file.name: sha256_of(file.path) for file in files}
    manifest_key = f"{prefix}/{manifest.name}"
    there = storage.stat(manifest_key)
    if there is not None and there.sha256 != hashes[manifest.name]:
        storage.delete(manifest_key)
    total = max(1, sum(sizes.values()))
    done = 0
    stored: dict[str, Stored] = {}
    for file in (*others, manifest):
        stored[file.name] = storage.put(
            f"{prefix}/{file.name}",
            file.path,
            sha256=hashes[file.name],
            content_type=file.content_type,
            progress=_share(progress, done, sizes[file.name], total),
        )
        done += sizes[file.name]
    return tuple(stored[file.name] for file in files)


def copy_out(
    film: Path, out: Path, sidecars: Sequence[Sidecar] = (), progress: Progress | None = None
) -> tuple[Path, ...]:
    """Copy a film to where a person wants it, its sidecars beside it under the same name.

    With ``-o OUT.mp4`` the sidecars become ``OUT.srt``, ``OUT.vtt``, ``OUT.sheet.jpg``,
    ``OUT.manifest.json``. Each file is whole or not there; the film comes last, so that a new film
    never stands beside older sidecars. Files that are the same already are left alone.

    Args:
        film: The film on this machine.
        out: The file to write.
        sidecars: What goes beside it.
        progress: Told how far the copy of the film is.

    Returns:
        The files written, the film first.

    Raises:
        InputError: If ``out`` is a folder, or its folder can't be made or written.
        BackendUnavailable: If the disk is full or fails.
    """
    check_out(out)
    beside = tuple(out.with_name(f"{out.stem}{sidecar.suffix}") for sidecar in sidecars)
    if len({out, *beside}) != len(beside) + 1:
        raise InputError("Two files of the delivery would get the same name.", where=str(out))
    for sidecar, target in zip(sidecars, beside, strict=True):
        _copy(sidecar.path, target, None)
    _copy(film, out, progress)
    return (out, *beside)


def check_out(out: Path) -> None:
    """See that a film can be written to ``out``, before any work is done for it.

    Makes its folder if it is not there.

    Raises:
        InputError: If ``out`` is a folder, or its folder can't be made or written.
        BackendUnavailable: If the disk is full or fails.
    """
    try:
        if out.is_dir() or not out.name:
            raise InputError("-o names a folder.", where=str(out), remedy="Name a file in it, such as film.mp4.")
        out.parent.mkdir(parents=True, exist_ok=True)
        # Tried rather than asked: access rights alone do not tell of read-only mounts and quotas.
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise _refused(error, out) from error


def _copy(source: Path, target: Path, progress: Progress | None) -> None:
    sha256 = sha256_of(source)
    try:
        if target.is_file() and _size(target) == _size(source) and sha256_of(target) == sha256:
            if progress is not None:
                progress(1.0)
            return
        with landing(target) as part:
            copy_bytes(source, part, progress)
            expect_hash(part, sha256, what="The copy differs", where=str(target))
    except OSError as error:
        raise _refused(error, target) from error


def _refused(error: OSError, out: Path) -> DailiesError:
    if error.errno in DENIED | NOT_A_FOLDER | {errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ENOENT}:
        return InputError(
            f"The film can't be written there ({error.strerror}).",
            where=str(out),
            remedy="Name another place with -o, or give this user the right to write there.",
        )
    return explain(error, out.parent)


def _manifest_of(files: Sequence[DeliveryFile]) -> DeliveryFile:
    names = [file.name for file in files]
    if len(set(names)) != len(names):
        raise InputError("Two files of the delivery have the same name.", where=json.dumps(names))
    manifests = [file for file in files if file.name.endswith(_MANIFEST_SUFFIX)]
    if len(manifests) != 1:
        raise InputError(
            f"A delivery needs exactly one manifest, a name ending with {_MANIFEST_SUFFIX}.",
            where=json.dumps(names),
        )
    return manifests[0]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DailiesError(
            "A file of the delivery is gone.", where=str(path), remedy="Run the step that makes it again."
        ) from error


def _share(progress: Progress | None, done: int, size: int, total: int) -> Progress | None:
    if progress is None:
        return None

    def tell(share: float) -> None:
        progress((done + share * size) / total)

    return tell
