"""One upload to S3: in one request, or in parts that are all there or aborted."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.clock import Clock
from pipeline.store.files import CorruptObject, Progress, unreadable
from pipeline.store.s3_errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_MOST_PARTS = 10_000  # Amazon S3 user guide, "multipart upload limits"
_MIB = 1024**2
_ABANDONED_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class S3Limits:
    """How uploads are cut and how long the server may take.

    Attributes:
        multipart_above: Files of more bytes than this go in parts.
        part_size: Bytes of a part, at least 5 MiB (S3's own bound); larger when 10,000 do not suffice.
        concurrency: Parts under way at once; each is held in memory.
        attempts: Tries of each request, the first included, with growing pauses.
        connect_timeout_s: Seconds to reach the server.
        read_timeout_s: Seconds without a byte from the server.
    """

    multipart_above: int = 16 * _MIB
    part_size: int = 16 * _MIB
    concurrency: int = 4
    attempts: int = 5
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if self.part_size < 5 * _MIB or self.multipart_above < 0 or min(self.concurrency, self.attempts) < 1:
            raise ValueError(f"not usable: {self}")

    def part_size_for(self, size: int) -> int:
        """Return the part size, in bytes, for a file of ``size`` bytes."""
        return max(self.part_size, -(-size // _MOST_PARTS))


@dataclass(frozen=True, slots=True)
class Target:
    """Where an upload goes.

    Attributes:
        client: The process's own client.
        bucket: Its bucket.
        key: The object's full key, with the storage's prefix.
        location: The URL that a person is shown.
    """

    client: S3Client
    bucket: str
    key: str
    location: str


def b64_digest(sha256: str) -> str:
    """Return a hex SHA-256 the way S3 writes it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode("ascii")


def composite_checksum(path: Path, part_size: int) -> str:
    """Return what S3 calls the composite checksum of a file in parts, without its ``-<parts>``.

    It is the SHA-256 of the parts' SHA-256 digests (Amazon S3 user guide, "checking object integrity").
    """
    digests = b"".join(hashlib.sha256(part).digest() for part in _parts(path, part_size))
    return base64.b64encode(hashlib.sha256(digests).digest()).decode("ascii")


class Upload:
    """One file on its way to one key.

    Args:
        target: Where to.
        path: The file.
        sha256: Its hash, hex; bytes that do not have it are refused.
        content_type: MIME type.
        limits: How to cut it.
        checksums: Whether to send SHA-256 checksums for the server to verify. They go as plain headers:
            trailing ones, botocore's own way, are not understood by many S3-compatible servers.
    """

    def __init__(
        self, target: Target, path: Path, *, sha256: str, content_type: str, limits: S3Limits, checksums: bool
    ) -> None:
        self._to = target
        self._path = path
        self._sha256 = sha256
        self._limits = limits
        self._checksums = checksums
        self._names: dict[str, Any] = {"Bucket": target.bucket, "Key": target.key}
        self._facts: dict[str, Any] = {"ContentType": content_type, "Metadata": {"sha256": sha256}}

    def in_one(self, progress: Progress | None) -> None:
        """Upload in one request.

        Raises:
            CorruptObject: If the file's bytes do not have the hash.
            ClientError, BotoCoreError: From botocore.
        """
        try:
            body = self._path.read_bytes()
        except OSError as error:
            raise unreadable(self._path, error) from error
        self._expect(hashlib.sha256(body).hexdigest())
        if progress is not None:
            progress(0.0)
        extra: dict[str, Any] = {}
        if self._checksums:
            extra = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": b64_digest(self._sha256)}
        self._to.client.put_object(**self._names, **self._facts, Body=body, **extra)
        if progress is not None:
            progress(1.0)

    def in_parts(self, size: int, clock: Clock, progress: Progress | None) -> None:
        """Upload in parts, several at once; whatever goes wrong, no parts stay behind.

        Raises:
            CorruptObject: If the file's bytes do not have the hash.
            ClientError, BotoCoreError: From botocore.
        """
        client = self._to.client
        self._abort_abandoned(clock)
        extra: dict[str, Any] = {"ChecksumAlgorithm": "SHA256"} if self._checksums else {}
        upload_id = client.create_multipart_upload(**self._names, **self._facts, **extra)["UploadId"]
        try:
            parts = self._send(upload_id, size, progress)
            client.complete_multipart_upload(**self._names, UploadId=upload_id, MultipartUpload={"Parts": parts})
        except BaseException as error:
            # "No such upload" means that the server had completed it and only its reply was lost, or
            # that it is gone; the caller's look at the object tells which.
            if isinstance(error, ClientError) and code_of(error) == "NoSuchUpload":
                return
            self._abort(upload_id)
            raise

    def _send(self, upload_id: str, size: int, progress: Progress | None) -> list[CompletedPartTypeDef]:
        whole = hashlib.sha256()
        done_bytes = 0
        under_way: dict[Future[CompletedPartTypeDef], int] = {}
        parts: list[CompletedPartTypeDef] = []
        pool = ThreadPoolExecutor(self._limits.concurrency, thread_name_prefix="s3-part")

        def collect(until: int) -> int:
            collected = 0
            while len(under_way) > until:
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    collected += under_way.pop(future)
                    parts.append(future.result())
            return collected

        def tell(finished: int) -> None:
            if progress is not None and finished:
                progress(min(1.0, done_bytes / max(1, size)))

        try:
            for number, body in enumerate(_parts(self._path, self._limits.part_size_for(size)), start=1):
                whole.update(body)
                finished = collect(until=self._limits.concurrency - 1)
                done_bytes += finished
                tell(finished)
                under_way[pool.submit(self._send_part, upload_id, number, body)] = len(body)
            finished = collect(until=0)
            done_bytes += finished
            tell(finished)
        finally:
            # Parts that still run would arrive after the abort, and be paid for.
            pool.shutdown(wait=True, cancel_futures=True)
        self._expect(whole.hexdigest())
        return sorted(parts, key=lambda part: part.get("PartNumber", 0))

    def _send_part(self, upload_id: str, number: int, body: bytes) -> CompletedPartTypeDef:
        extra: dict[str, Any] = {}
        if self._checksums:
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
            extra = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": digest}
        sent = self._to.client.upload_part(
            **self._names,
            UploadId=upload_id,
            PartNumber=number,
            Body=body,
            **extra,
        )
        part: CompletedPartTypeDef = {"PartNumber": number, "ETag": sent["ETag"]}
        if extra:
            part["ChecksumSHA256"] = extra["ChecksumSHA256"]
        return part

    def _expect(self, found: str) -> None:
        if found != self._sha256:
            raise CorruptObject(
                f"The file to upload changed: its SHA-256 is {found[:12]}..., not {self._sha256[:12]}...",
                where=str(self._path),
                remedy="Run the step again.",
            )

    def _abort(self, upload_id: str) -> None:
        # Best effort while another error is on its way; what stays is found by a later upload.
        with suppress(ClientError, BotoCoreError):
            self._to.client.abort_multipart_upload(**self._names, UploadId=upload_id)

    def _abort_abandoned(self, clock: Clock) -> None:
        """Abort this key's uploads of killed processes: their parts are invisible and cost money."""
        # Credentials often lack the right to list uploads; that must not keep anybody from uploading.
        with suppress(ClientError, BotoCoreError):
            found = self._to.client.list_multipart_uploads(Bucket=self._to.bucket, Prefix=self._to.key)
            for upload in found.get("Uploads", []):
                started = upload.get("Initiated")
                if upload.get("Key") == self._to.key and started and clock() - started > _ABANDONED_AFTER:
                    self._abort(upload.get("UploadId", ""))


def _parts(path: Path, part_size: int) -> Generator[bytes]:
    try:
        with path.open("rb") as file:
            while body := file.read(part_size):
                yield body
    except OSError as error:
        raise unreadable(path, error) from error
