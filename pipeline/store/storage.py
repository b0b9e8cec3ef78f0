"""Where files are kept: the contract of every storage, and how one is opened by its URL."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from pipeline.errors import ConfigurationError, DailiesError, InputError
from pipeline.settings import Settings
from pipeline.store.files import CorruptObject, Progress

__all__ = [
    "CorruptObject",
    "MissingObject",
    "Progress",
    "Storage",
    "Stored",
    "check_key",
    "content_type_of",
    "open_storage",
]

_SETTING = "DAILIES_STORAGE_URL"
_REMEDY = "Write file:///folder or s3://bucket/prefix."
_KEY_BYTES = 512  # S3 allows 1024 for the prefix and the key together
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=-]{0,199}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SHA256 = re.compile(r"[0-9a-f]{64}")

# Not mimetypes: what it answers depends on the machine's own tables.
_CONTENT_TYPES = {
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".m4a": "audio/mp4",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".yaml": "application/yaml",
}


class MissingObject(DailiesError):  # noqa: N818 - reads as what it is
    """There is nothing stored under a key."""

    def __init__(self, location: str) -> None:
        super().__init__(
            "Nothing is stored there.",
            where=location,
            remedy=f"Run the step that makes it again, and check that {_SETTING} is the same everywhere.",
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is stored and complete.

    Attributes:
        key: Its name in the storage, segments separated by ``/``.
        size: Bytes.
        sha256: 64 lower-case hex digits.
        url: The path or URL that a person is shown.
    """

    key: str
    size: int
    sha256: str
    url: str


class Storage(ABC):
    """Keeps files by key. Every operation is safe to repeat, and safe beside others doing the same.

    All methods raise ``BackendUnavailable`` when the storage does not answer or refuses, and
    ``InputError`` for a key that :func:`check_key` refuses.
    """

    @abstractmethod
    def put(self, key: str, path: Path, *, sha256: str, content_type: str, progress: Progress | None = None) -> Stored:
        """Store a file, verify what was stored, and return it.

        If the same bytes are there already, nothing is written; other bytes are replaced, in one
        moment for readers.

        Args:
            key: Where to.
            path: The file; it must not change meanwhile.
            sha256: Its hash, hex.
            content_type: MIME type, for storages that serve files.
            progress: Told how far the work is; if it raises, nothing is stored.

        Raises:
            CorruptObject: If the bytes read or stored do not have the hash.
            DailiesError: If the file can't be read.
        """

    @abstractmethod
    def get(self, key: str, out: Path, *, sha256: str | None = None) -> Stored:
        """Write a stored file to ``out``, atomically, and return what it is.

        Args:
            key: What to get.
            out: The file to write; its folder is made.
            sha256: The hash it must have; if not given, the one that the storage knows.

        Raises:
            MissingObject: If nothing is stored there.
            CorruptObject: If the bytes do not have the hash; ``out`` is left as it was.
        """

    @abstractmethod
    def stat(self, key: str) -> Stored | None:
        """Return what is stored under a key, or ``None``.

        The hash is measured by a folder; an S3 server's is its own checksum, or else what was
        written beside the object when it was uploaded and verified.
        """

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Return whether something is stored under a key, without looking at its content."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove what is stored under a key; it is no error if nothing is."""

    @abstractmethod
    def locate(self, key: str) -> str:
        """Return the path or URL that a person is shown for a key."""

    @abstractmethod
    def check(self) -> None:
        """Return if the storage can be used; raise what a person should check if it can't."""

    def local(self, key: str) -> Path | None:
        """Return the stored file itself if the storage is a folder of this machine, else ``None``.

        The file must not be written to. It may be missing.
        """
        check_key(key)
        return None


def check_key(key: str) -> str:
    """Return a key that is safe as a path and as an S3 key.

    Segments of letters, digits and ``._+=-``, none of them hidden or ``..``, at most 512 in all.

    Raises:
        InputError: If it is anything else.
    """
    if len(key) <= _KEY_BYTES and all(_SEGMENT.fullmatch(part) for part in key.split("/")):
        return key
    raise InputError(
        "This can't be the name of a stored file.",
        where=repr(key if len(key) <= 80 else f"{key[:77]}..."),
        remedy="Use letters, digits and . _ + = - between slashes, no leading dot, at most 512 in all.",
    )


def check_sha256(sha256: str) -> str:
    """Return a SHA-256 in its one accepted spelling, 64 lower-case hex digits.

    Raises:
        InputError: If it is anything else.
    """
    if _SHA256.fullmatch(sha256):
        return sha256
    raise InputError("Not a SHA-256.", where=repr(sha256[:80]), remedy="Use 64 lower-case hex digits.")


def content_type_of(name: str) -> str:
    """Return the MIME type for a file's name, ``application/octet-stream`` if unknown."""
    return _CONTENT_TYPES.get(Path(name).suffix.lower(), "application/octet-stream")


def open_storage(settings: Settings) -> Storage:
    """Return the storage that ``DAILIES_STORAGE_URL`` names; nothing is contacted yet.

    Raises:
        ConfigurationError: If the URL is malformed or of another scheme.
    """
    try:
        url = urlsplit(settings.storage_url)
    except ValueError as error:
        raise _refused("is not a URL") from error
    if url.query or url.fragment:
        raise _refused("has a '?' or '#' part, which means nothing here")
    if url.scheme == "file":
        return _open_folder(url)
    if url.scheme == "s3":
        return _open_s3(url, settings.s3_endpoint_url)
    raise _refused(f"has the scheme {url.scheme!r}" if url.scheme else "has no scheme")


def _open_folder(url: SplitResult) -> Storage:
    from pipeline.store.folder import FolderStorage  # noqa: PLC0415 - implements this module's contract

    if url.netloc not in {"", "localhost"}:
        raise _refused("names a host; a folder's URL has three slashes, as in file:///srv/dailies")
    path = unquote(url.path)
    if not path.startswith("/") or "\0" in path or ".." in Path(path).parts:
        raise _refused("names no absolute folder")
    return FolderStorage(Path(path))


def _open_s3(url: SplitResult, endpoint_url: str | None) -> Storage:
    from pipeline.store.s3 import S3Storage  # noqa: PLC0415 - importing boto3 takes long; most processes need none

    if "@" in url.netloc:
        raise _refused("holds credentials", remedy="Put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead.")
    if not _BUCKET.fullmatch(url.netloc):
        raise _refused("names no valid bucket (3 to 63 lower-case letters, digits, dots, hyphens)")
    prefix = url.path.strip("/")
    if prefix:
        try:
            check_key(prefix)
        except InputError as error:
            raise _refused("has a prefix that can't be used", remedy=error.remedy) from error
    if endpoint_url is not None:
        _check_endpoint(endpoint_url)
    return S3Storage(url.netloc, prefix, endpoint_url=endpoint_url)


def _check_endpoint(endpoint_url: str) -> None:
    setting = "DAILIES_S3_ENDPOINT_URL"
    try:
        url = urlsplit(endpoint_url)
        port_ok = url.port is None or url.port > 0
    except ValueError:
        url, port_ok = urlsplit(""), False
    if "@" in url.netloc:
        raise ConfigurationError(
            "The address holds credentials.",
            where=setting,
            remedy="Put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead.",
        )
    if url.scheme not in {"http", "https"} or not url.hostname or not port_ok or url.query:
        raise ConfigurationError(
            "Not the address of a server.",
            where=setting,
            remedy="Write something like https://minio.example:9000.",
        )


def _refused(what: str, *, remedy: str = _REMEDY) -> ConfigurationError:
    # The URL itself is not repeated: it may hold a secret.
    return ConfigurationError(f"The storage URL {what}.", where=_SETTING, remedy=remedy)
