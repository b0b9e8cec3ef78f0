"""Files that are either wholly there or not there: hashing, atomic landing, copying."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import BackendUnavailable, DailiesError

Progress = Callable[[float], None]
"""Called with the share done, 0 to 1; may raise to stop the work."""

CHUNK = 1 << 20
_PART_PREFIX, _PART_SUFFIX = ".dailies-", ".part"
_ABANDONED_AFTER_S = 86400.0
_FICLONE = 0x40049409  # linux/fs.h, _IOW(0x94, 9, int): share the blocks, copy on write

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
NOT_A_FOLDER = frozenset({errno.ENOTDIR, errno.EEXIST})


class CorruptObject(DailiesError):  # noqa: N818 - reads as what it is
    """Bytes that are stored or were moved do not have the hash that they should have."""


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 as 64 lower-case hex digits.

    Raises:
        DailiesError: If the file can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> DailiesError:
    """Return the error for a file of ours that can't be read."""
    return DailiesError(
        f"The file can't be read ({error.strerror or 'I/O error'}).",
        where=str(path),
        remedy="Run the step again: it makes what is missing.",
    )


def expect_hash(path: Path, sha256: str, *, what: str, where: str) -> None:
    """Hash a file and compare.

    Raises:
        CorruptObject: If the hash is another; ``what`` says what was being done.
    """
    found = sha256_of(path)
    if found != sha256:
        raise CorruptObject(
            f"{what}: its SHA-256 is {found[:12]}..., not {sha256[:12]}...",
            where=where,
            remedy="Run the step again; if it repeats, check the disk and the storage.",
        )


@contextmanager
def landing(target: Path, *, read_only: bool = False) -> Generator[Path]:
    """Give a new empty file beside ``target``, which takes the target's place when the block ends well.

    The caller writes and verifies it inside the block. If the block raises, the file is removed and
    the target is what it was. Readers never see a part of it, and after a power cut the target is
    the old file or the new one.

    Args:
        target: Where the file goes; its folder is made.
        read_only: Take the write permission away, for content that must not change any more.

    Raises:
        OSError: Whatever the file system raises; see :func:`explained`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f"{_PART_PREFIX}{secrets.token_hex(8)}{_PART_SUFFIX}"
    # The mode is narrowed by the umask, as for any file that the person makes.
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        _clear_abandoned(target.parent, now=part.stat().st_mtime)
        yield part
        with part.open("rb") as file:
            if read_only:
                os.fchmod(file.fileno(), part.stat().st_mode & 0o555)
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    # Some network file systems can't; the rename itself has happened by then.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _clear_abandoned(folder: Path, *, now: float) -> None:
    """Remove what killed processes left; ``now`` is the file system's own time, in Unix seconds."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_PART_PREFIX) and entry.name.endswith(_PART_SUFFIX):
                with suppress(FileNotFoundError):
                    if now - entry.stat().st_mtime > _ABANDONED_AFTER_S:
                        Path(entry.path).unlink()


def copy_bytes(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Fill an existing file with another's bytes: shared blocks where the file system can, else copied.

    Hard links are never made: a later write to the source would change what was stored.

    Raises:
        DailiesError: If the source can't be read.
        OSError: If the target can't be written.
    """
    try:
        reader = source.open("rb")
    except OSError as error:
        raise unreadable(source, error) from error
    with reader, target.open("wb") as writer:
        total = os.fstat(reader.fileno()).st_size
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:
            done = 0
            while chunk := reader.read(CHUNK):
                writer.write(chunk)
                done += len(chunk)
                if progress is not None and total:
                    progress(min(1.0, done / total))
    if progress is not None:
        progress(1.0)


@contextmanager
def explained(where: Path) -> Generator[None]:
    """Turn an ``OSError`` of the block into an error that says what to check.

    Raises:
        BackendUnavailable: If the disk is full, the folder is closed to us, or the disk fails.
    """
    try:
        yield
    except OSError as error:
        raise explain(error, where) from error


def explain(error: OSError, where: Path) -> BackendUnavailable:
    """Return the error that a person is shown for a failed write into a folder of ours."""
    if error.errno in _FULL:
        what = "There is no room on the disk; nothing half written was left behind."
        remedy = "Free some space and run it again: what is complete is not written again."
    elif error.errno in DENIED:
        what = f"The folder can't be written ({error.strerror})."
        remedy = "Give this user the right to write there, or name another folder."
    elif error.errno in NOT_A_FOLDER:
        what = "A file stands where a folder is needed."
        remedy = "Move that file away, or name another folder."
    else:
        what = f"The disk failed ({error.strerror or type(error).__name__})."
        remedy = "Check that the disk is mounted and healthy, then run it again."
    return BackendUnavailable(what, where=str(where), remedy=remedy)
