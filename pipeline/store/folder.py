"""A folder as storage: on this machine, or on a file system that the whole fleet mounts."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pipeline.store.files import copy_bytes, expect_hash, explain, explained, landing, sha256_of
from pipeline.store.storage import MissingObject, Progress, Storage, Stored, check_key, check_sha256


class FolderStorage(Storage):
    """Keeps each file under the folder by its key.

    Files are copied (with shared blocks where the file system can), hashed after the copy, and put
    in place by a rename. They are read-only, since :meth:`local` hands them out without a copy.

    Args:
        root: The folder, absolute; made when first needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def __repr__(self) -> str:
        return f"FolderStorage({str(self.root)!r})"

    def put(self, key: str, path: Path, *, sha256: str, content_type: str, progress: Progress | None = None) -> Stored:
        """Store a file; see :meth:`Storage.put`. The content type is not kept: the suffix tells it."""
        del content_type
        target = self._path(key)
        check_sha256(sha256)
        if not self._holds(target, path, sha256):
            with explained(target.parent), landing(target, read_only=True) as part:
                copy_bytes(path, part, progress)
                expect_hash(part, sha256, what="The stored copy differs", where=str(target))
        elif progress is not None:
            progress(1.0)
        return Stored(key, target.stat().st_size, sha256, str(target))

    def get(self, key: str, out: Path, *, sha256: str | None = None) -> Stored:
        """Copy a stored file to ``out``; see :meth:`Storage.get`."""
        source = self._path(key)
        if not self.exists(key):
            raise MissingObject(str(source))
        expected = check_sha256(sha256) if sha256 is not None else sha256_of(source)
        with explained(out.parent), landing(out) as part:
            copy_bytes(source, part)
            expect_hash(part, expected, what="The stored file is damaged", where=str(source))
        return Stored(key, out.stat().st_size, expected, str(source))

    def stat(self, key: str) -> Stored | None:
        """Return what is stored under a key, its hash measured now, or ``None``."""
        path = self._path(key)
        try:
            sha256 = self._hash(path)
        except MissingObject:
            return None
        return Stored(key, path.stat().st_size, sha256, str(path))

    def exists(self, key: str) -> bool:
        """Return whether a file is stored under a key."""
        path = self._path(key)
        with explained(path.parent):
            return path.is_file()

    def delete(self, key: str) -> None:
        """Remove a stored file; it is no error if there is none."""
        path = self._path(key)
        with explained(path.parent):
            path.unlink(missing_ok=True)

    def locate(self, key: str) -> str:
        """Return the file's path."""
        return str(self._path(key))

    def local(self, key: str) -> Path:
        """Return the stored file itself, whether or not it is there."""
        return self._path(key)

    def check(self) -> None:
        """Make the folder and see that it can be written."""
        with explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            if not os.access(self.root, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    @staticmethod
    def _hash(path: Path) -> str:
        with explained(path.parent):
            if not path.is_file():
                raise MissingObject(str(path))
        return sha256_of(path)

    @staticmethod
    def _holds(target: Path, path: Path, sha256: str) -> bool:
        """Return whether the same bytes are stored already (other bytes are overwritten)."""
        try:
            same_size = target.stat().st_size == path.stat().st_size
        except FileNotFoundError:
            return False
        except OSError as error:
            raise explain(error, target.parent) from error
        return same_size and sha256_of(target) == sha256
