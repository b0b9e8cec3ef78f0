"""Amazon S3, or a server that speaks like it, as storage."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from pipeline.clock import Clock, utc_now
from pipeline.errors import ConfigurationError
from pipeline.store import s3_errors
from pipeline.store.files import CHUNK, CorruptObject, landing, unreadable
from pipeline.store.files import explained as disk_explained
from pipeline.store.s3_upload import S3Limits, Target, Upload, b64_digest, composite_checksum
from pipeline.store.storage import MissingObject, Progress, Storage, Stored, check_key, check_sha256

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

_UPLOAD_ATTEMPTS = 2
_FIRST_PAUSE_S = 0.2


class S3Storage(Storage):
    """Keeps files as objects of one bucket, under a prefix.

    Each object carries its SHA-256 as metadata. After an upload the object is looked at: its size,
    and the checksum that the server took itself; a server that gives none has the object read back
    and hashed. Credentials and region come from boto3's usual ``AWS_*`` variables and files.

    Args:
        bucket: An existing bucket.
        prefix: Before every key, without slashes around it; may be empty.
        endpoint_url: An S3-compatible server; ``None`` for AWS.
        limits: Part sizes, attempts, time-outs.
        clock: Tells which unfinished uploads are old enough to be abandoned.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        limits: S3Limits | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._endpoint_url = endpoint_url
        self._limits = limits or S3Limits()
        self._clock = clock
        self._made: tuple[int, S3Client] | None = None
        self._checksums = True

    def __repr__(self) -> str:
        return f"S3Storage({self._root!r})"

    def put(self, key: str, path: Path, *, sha256: str, content_type: str, progress: Progress | None = None) -> Stored:
        """Upload a file and verify what arrived; see :meth:`Storage.put`."""
        full_key = self._full(key)
        check_sha256(sha256)
        try:
            size = path.stat().st_size
        except OSError as error:
            raise unreadable(path, error) from error
        stored = Stored(key, size, sha256, self.locate(key))
        with self._explained(key):
            if self._holds(full_key, path, stored):
                if progress is not None:
                    progress(1.0)
                return stored
            target = Target(self._client(), self._bucket, full_key, self.locate(key))
            for _ in range(_UPLOAD_ATTEMPTS):
                self._upload(target, path, stored, content_type, progress)
                if self._holds(full_key, path, stored):
                    return stored
        raise CorruptObject(
            "What the storage holds after the upload is not what was sent, twice.",
            where=stored.url,
            remedy="Check the server and whatever stands between it and this machine, then run it again.",
        )

    def get(self, key: str, out: Path, *, sha256: str | None = None) -> Stored:
        """Download an object to ``out``, going on where a connection broke; see :meth:`Storage.get`."""
        full_key = self._full(key)
        expected = None if sha256 is None else check_sha256(sha256)
        with disk_explained(out.parent), self._explained(key), landing(out) as part:
            with part.open("wb") as file:
                found, known = self._download(full_key, file)
            expected = expected or known or found
            if found != expected:
                raise CorruptObject(
                    f"The stored object is damaged: its SHA-256 is {found[:12]}..., not {expected[:12]}...",
                    where=self.locate(key),
                    remedy="Delete it and run the step that made it again.",
                )
            size = part.stat().st_size
        return Stored(key, size, found, self.locate(key))

    def stat(self, key: str) -> Stored | None:
        """Return what is stored under a key, or ``None``; see :meth:`Storage.stat`."""
        full_key = self._full(key)
        with self._explained(key):
            head = self._head(full_key)
            if head is None:
                return None
            sha256 = _known_sha256(head) or self._download(full_key, None)[0]
        return Stored(key, head["ContentLength"], sha256, self.locate(key))

    def exists(self, key: str) -> bool:
        """Return whether there is an object under a key."""
        full_key = self._full(key)
        with self._explained(key):
            return self._head(full_key) is not None

    def delete(self, key: str) -> None:
        """Delete an object; it is no error if there is none."""
        full_key = self._full(key)
        with self._explained(key):
            self._client().delete_object(Bucket=self._bucket, Key=full_key)

    def locate(self, key: str) -> str:
        """Return the object's ``s3://`` URL."""
        return f"s3://{self._bucket}/{self._full(key)}"

    def check(self) -> None:
        """See that the bucket is there and lets us in."""
        with self._explained(None):
            self._check_bucket()

    @property
    def _root(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def _full(self, key: str) -> str:
        check_key(key)
        return f"{self._prefix}/{key}" if self._prefix else key

    def _client(self) -> S3Client:
        """Return this process's client: after a fork, sockets and locks must not be shared."""
        made = self._made
        if made is not None and made[0] == os.getpid():
            return made[1]
        limits = self._limits
        config = Config(
            connect_timeout=limits.connect_timeout_s,
            read_timeout=limits.read_timeout_s,
            max_pool_connections=limits.concurrency + 2,
            retries={"mode": "standard", "total_max_attempts": limits.attempts},
            s3={"addressing_style": "path" if self._endpoint_url else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        try:
            client = boto3.session.Session().client("s3", endpoint_url=self._endpoint_url, config=config)
        except ValueError as error:
            raise ConfigurationError(
                "boto3 does not accept the address of the S3 server.",
                where="DAILIES_S3_ENDPOINT_URL",
                remedy="Write something like https://minio.example:9000.",
            ) from error
        self._made = (os.getpid(), client)
        return client

    @contextmanager
    def _explained(self, key: str | None) -> Generator[None]:
        location = self._root if key is None else self.locate(key)
        try:
            yield
        except ClientError as error:
            if s3_errors.code_of(error) in s3_errors.MISSING:
                raise MissingObject(location) from error
            raise s3_errors.explained(error, location=location, endpoint=self._endpoint_url or "") from error
        except BotoCoreError as error:
            raise s3_errors.explained(error, location=location, endpoint=self._endpoint_url or "") from error

    def _head(self, full_key: str) -> HeadObjectOutputTypeDef | None:
        client = self._client()
        names: dict[str, Any] = {"Bucket": self._bucket, "Key": full_key}
        try:
            if not self._checksums:
                return client.head_object(**names)
            try:
                return client.head_object(**names, ChecksumMode="ENABLED")
            except ClientError as error:
                if s3_errors.code_of(error) not in s3_errors.UNSUPPORTED:
                    raise
                head = client.head_object(**names)
                self._checksums = False
                return head
        except ClientError as error:
            if s3_errors.code_of(error) not in s3_errors.MISSING:
                raise
        # The answer to HEAD has no body, so a missing bucket looks the same as a missing object.
        self._check_bucket()
        return None

    def _check_bucket(self) -> None:
        try:
            self._client().head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if s3_errors.code_of(error) in s3_errors.MISSING:
                raise s3_errors.missing_bucket(f"s3://{self._bucket}") from error
            raise

    def _upload(self, target: Target, path: Path, stored: Stored, content_type: str, progress: Progress | None) -> None:
        def upload(*, checksums: bool) -> None:
            one = Upload(
                target,
                path,
                sha256=stored.sha256,
                content_type=content_type,
                limits=self._limits,
                checksums=checksums,
            )
            if stored.size > self._limits.multipart_above:
                one.in_parts(stored.size, self._clock, progress)
            else:
                one.in_one(progress)

        try:
            upload(checksums=self._checksums)
        except ClientError as error:
            code = s3_errors.code_of(error)
            if code == "BadDigest":
                return  # damaged on the way; the caller looks, finds it missing, and sends it again
            if not self._checksums or code not in s3_errors.UNSUPPORTED:
                raise
            upload(checksums=False)
            self._checksums = False

    def _holds(self, full_key: str, path: Path, wanted: Stored) -> bool:
        """Return whether the object is there with the wanted bytes, by the strongest evidence there is."""
        head = self._head(full_key)
        if head is None or head["ContentLength"] != wanted.size:
            return False
        # The server's own checksum: of the whole, or of its parts ("<digest>-<parts>").
        checksum = head.get("ChecksumSHA256", "").partition("-")[0]
        if checksum:
            if checksum == b64_digest(wanted.sha256):
                return True
            if checksum == composite_checksum(path, self._limits.part_size_for(wanted.size)):
                return head.get("Metadata", {}).get("sha256") == wanted.sha256
        # No checksum, or one over parts of another size: only the bytes themselves can tell.
        return self._download(full_key, None)[0] == wanted.sha256

    def _download(self, full_key: str, file: BinaryIO | None) -> tuple[str, str | None]:
        """Read an object, into a file if one is given.

        Returns:
            The hash that its bytes have, and the one that the storage knows, if any.
        """
        digest, offset, etag = hashlib.sha256(), 0, ""
        for attempt in range(1, self._limits.attempts + 1):
            extra: dict[str, Any] = {}
            if offset:
                extra = {"Range": f"bytes={offset}-", "IfMatch": etag}
            answer = self._client().get_object(Bucket=self._bucket, Key=full_key, **extra)
            if offset and answer["ResponseMetadata"]["HTTPStatusCode"] != 206:  # the whole again
                digest, offset = hashlib.sha256(), 0
                if file is not None:
                    file.seek(0)
                    file.truncate()
            etag = answer["ETag"]
            try:
                for chunk in answer["Body"].iter_chunks(CHUNK):
                    if file is not None:
                        file.write(chunk)
                    digest.update(chunk)
                    offset += len(chunk)
                return digest.hexdigest(), _known_sha256(answer)
            except (HTTPClientError, IncompleteReadError):
                if attempt == self._limits.attempts:
                    raise
                time.sleep(_FIRST_PAUSE_S * 2**attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")


def _known_sha256(head: HeadObjectOutputTypeDef | GetObjectOutputTypeDef) -> str | None:
    """Return the whole object's SHA-256 that was kept with it at its upload, hex, or ``None``."""
    known = head.get("Metadata", {}).get("sha256", "").lower()
    return known if len(known) == 64 and set(known) <= set("0123456789abcdef") else None
