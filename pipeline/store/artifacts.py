"""Artifacts: takes, pictures and conformed clips, kept by what they contain."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.clock import Clock, utc_now
from pipeline.errors import DailiesError, InputError
from pipeline.store.files import copy_bytes, expect_hash, explained, landing, sha256_of, unreadable
from pipeline.store.storage import (
    CorruptObject,
    MissingObject,
    Progress,
    Storage,
    check_sha256,
    content_type_of,
)

_SUFFIX = re.compile(r"(\.[a-z0-9]{1,8}){0,2}")
_DEFAULT_CACHE_BYTES = 20 * 1024**3
_DEFAULT_IN_USE_S = 1800.0
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file kept by its content.

    Attributes:
        sha256: Hash of the content, 64 lower-case hex digits; with the suffix, its whole identity.
        size: Bytes.
        suffix: Lower-case, with its dot, such as ``.mp4``; may be empty.
        key: Its key in the storage.
    """

    sha256: str
    size: int
    suffix: str
    key: str


class ArtifactStore:
    """Adds files to a storage by their content's hash and brings them back as local files.

    With a folder as storage, what :meth:`fetch` returns is the stored file itself. With any other,
    it is a file in the cache folder, which all processes of a machine may share.

    Args:
        storage: Where artifacts are kept.
        cache: Folder for local copies; anything in it may be deleted while no step runs.
        max_bytes: What the cache may hold; the least recently used go first.
        in_use_s: Seconds for which a file that was asked for is safe from being trimmed.
        clock: Tells when a file was used.
    """

    def __init__(
        self,
        storage: Storage,
        cache: Path,
        *,
        max_bytes: int = _DEFAULT_CACHE_BYTES,
        in_use_s: float = _DEFAULT_IN_USE_S,
        clock: Clock = utc_now,
    ) -> None:
        self._storage = storage
        self._cache = cache
        self._max_bytes = max_bytes
        self._in_use_s = in_use_s
        self._clock = clock
        self._verified: set[tuple[int, int, int, int, str]] = set()

    def add(self, path: Path, *, suffix: str | None = None, progress: Progress | None = None) -> Artifact:
        """Keep a file; adding the same content again stores nothing new.

        Args:
            path: The file; it is left where it is and may be deleted afterwards.
            suffix: What to keep it as, such as ``.mp4``; the path's own if not given.
            progress: Told how far the work is.

        Raises:
            BackendUnavailable: If the storage does not answer or refuses.
            DailiesError: If the file can't be read.
            InputError: If the suffix can't be one.
        """
        kept_suffix = path.suffix.lower() if suffix is None else suffix
        sha256 = sha256_of(path)
        key = artifact_key(sha256, kept_suffix)
        stored = self._storage.put(
            key, path, sha256=sha256, content_type=content_type_of(f"x{kept_suffix}"), progress=progress
        )
        local = self._storage.local(key)
        if local is None:
            self._keep_near(path, sha256, kept_suffix)
        else:
            self._remember(local, sha256)  # put has just verified it
        return Artifact(sha256, stored.size, kept_suffix, key)

    def fetch(self, sha256: str, suffix: str) -> Path:
        """Return a local file with this content, which must not be written to.

        Its hash is checked once by each process, and again whenever the file has changed.

        Raises:
            MissingObject: If it is not stored.
            CorruptObject: If what is stored is damaged.
            BackendUnavailable: If the storage does not answer or refuses.
        """
        key = artifact_key(sha256, suffix)
        stored = self._storage.local(key)
        if stored is not None:
            if not self._is_intact(stored, sha256):
                raise _unusable(stored, sha256)
            return stored
        cached = self._cached(sha256, suffix)
        if not self._is_intact(cached, sha256):
            with self._lock(sha256):
                # Another process may have brought it while this one waited.
                if not self._is_intact(cached, sha256):
                    self._storage.get(key, cached, sha256=sha256)
                    self._remember(cached, sha256)
            self._touch(cached)
            self.trim()
        else:
            self._touch(cached)
        return cached

    def has(self, sha256: str, suffix: str) -> bool:
        """Return whether an artifact is stored; the cache does not count."""
        return self._storage.exists(artifact_key(sha256, suffix))

    def locate(self, sha256: str, suffix: str) -> str:
        """Return the path or URL that a person is shown for an artifact."""
        return self._storage.locate(artifact_key(sha256, suffix))

    def trim(self, max_bytes: int | None = None) -> int:
        """Delete the least recently used files of the cache until it is within its bound.

        Files used within the last ``in_use_s`` seconds stay, even beyond the bound, since a step
        may be reading them.

        Args:
            max_bytes: Another bound for this once.

        Returns:
            How many bytes were freed.
        """
        bound = self._max_bytes if max_bytes is None else max_bytes
        files: list[tuple[float, int, Path]] = []
        for path in self._cache.glob("[0-9a-f][0-9a-f]/[0-9a-f]*"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                files.append((facts.st_atime, facts.st_size, path))
        excess = sum(size for _, size, _ in files) - bound
        spared_since = self._clock().timestamp() - self._in_use_s
        freed = 0
        for used_at, size, path in sorted(files):
            if freed >= excess or used_at > spared_since:
                break
            with explained(path.parent):
                path.unlink(missing_ok=True)
            freed += size
        return freed

    def _cached(self, sha256: str, suffix: str) -> Path:
        return self._cache / sha256[:2] / f"{sha256}{suffix}"

    def _keep_near(self, path: Path, sha256: str, suffix: str) -> None:
        """Put what was just made into the cache: the next step likely runs on this machine."""
        cached = self._cached(sha256, suffix)
        if not cached.exists():
            with explained(cached.parent), landing(cached, read_only=True) as part:
                copy_bytes(path, part)
                expect_hash(part, sha256, what="The cached copy differs", where=str(cached))
            self._remember(cached, sha256)
            self._touch(cached)
            self.trim()

    def _is_intact(self, path: Path, sha256: str) -> bool:
        """Return whether the file is there with the right content; it is hashed once per process."""
        try:
            if self._signature(path, sha256) in self._verified:
                return True
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise unreadable(path, error) from error
        if found != sha256:
            return False
        self._remember(path, sha256)
        return True

    def _remember(self, path: Path, sha256: str) -> None:
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        with suppress(OSError):
            self._verified.add(self._signature(path, sha256))

    @staticmethod
    def _signature(path: Path, sha256: str) -> tuple[int, int, int, int, str]:
        facts = path.stat()
        return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, sha256)

    def _touch(self, path: Path) -> None:
        """Note the use as access time; the modification time is part of the signature and stays."""
        with suppress(OSError):
            used_ns = int(self._clock().timestamp() * 1e9)
            os.utime(path, ns=(used_ns, path.stat().st_mtime_ns))

    @contextmanager
    def _lock(self, sha256: str) -> Generator[None]:
        """Let one process of this machine download an artifact at a time.

        256 lock files, which are never deleted: deleting one that another process waits on would
        let two in.
        """
        folder = self._cache / "locks"
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / sha256[:2]).open("a+b")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def artifact_key(sha256: str, suffix: str) -> str:
    """Return the key of an artifact in a storage.

    Raises:
        InputError: If the hash or the suffix can't be one.
    """
    check_sha256(sha256)
    if not _SUFFIX.fullmatch(suffix):
        raise InputError(
            "Not a file suffix.", where=repr(suffix[:40]), remedy="Use something like .mp4, in lower case."
        )
    return f"artifacts/{sha256[:2]}/{sha256}{suffix}"


def _unusable(path: Path, sha256: str) -> DailiesError:
    if not path.exists():
        return MissingObject(str(path))
    return CorruptObject(
        f"The stored file is damaged: its SHA-256 is not {sha256[:12]}...",
        where=str(path),
        remedy="Delete it and run the step that made it again.",
    )
