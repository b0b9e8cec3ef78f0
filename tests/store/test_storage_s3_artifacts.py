"""Artifacts over a real S3 server: the cache, its repair, and processes that want the same one at once."""

import hashlib
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pipeline.store.artifacts import Artifact, ArtifactStore
from pipeline.store.s3 import S3Storage
from pipeline.store.storage import CorruptObject, MissingObject
from tests.support.s3_server import Request, S3Proxy, S3Server


@pytest.fixture
def storage(s3_proxy: S3Proxy, s3_server: S3Server) -> S3Storage:
    return S3Storage(s3_server.new_bucket(), "films", endpoint_url=s3_proxy.url)


@pytest.fixture
def take(tmp_path: Path) -> Path:
    path = tmp_path / "take.mp4"
    path.write_bytes(b"a take of 100 kB" * 6400)
    return path


def far_away(storage: S3Storage, take: Path, folder: Path) -> Artifact:
    """Add a take from another machine, with a cache of its own."""
    return ArtifactStore(storage, folder / "other machine").add(take)


def test_a_take_made_elsewhere_is_downloaded_once(
    storage: S3Storage, s3_proxy: S3Proxy, take: Path, tmp_path: Path
) -> None:
    artifact = far_away(storage, take, tmp_path)
    artifacts = ArtifactStore(storage, tmp_path / "cache")
    s3_proxy.seen.clear()

    paths = {artifacts.fetch(artifact.sha256, ".mp4") for _ in range(3)}

    assert s3_proxy.count("GET") == 1
    assert artifacts.has(artifact.sha256, ".mp4")
    assert paths.pop().read_bytes() == take.read_bytes()
    assert not paths


def test_a_take_made_here_is_not_downloaded(storage: S3Storage, s3_proxy: S3Proxy, take: Path, tmp_path: Path) -> None:
    artifacts = ArtifactStore(storage, tmp_path / "cache")

    artifact = artifacts.add(take)

    assert artifacts.fetch(artifact.sha256, ".mp4").read_bytes() == take.read_bytes()
    assert s3_proxy.count("GET") == 0


def test_a_damaged_file_of_the_cache_is_fetched_again(
    storage: S3Storage, s3_proxy: S3Proxy, take: Path, tmp_path: Path
) -> None:
    artifact = far_away(storage, take, tmp_path)
    artifacts = ArtifactStore(storage, tmp_path / "cache")
    cached = artifacts.fetch(artifact.sha256, ".mp4")
    cached.chmod(0o644)
    cached.write_bytes(take.read_bytes()[:-1] + b"!")

    again = ArtifactStore(storage, tmp_path / "cache").fetch(artifact.sha256, ".mp4")

    assert again.read_bytes() == take.read_bytes()


def test_a_take_damaged_or_missing_at_the_server_is_never_handed_out(
    storage: S3Storage, s3_server: S3Server, take: Path, tmp_path: Path
) -> None:
    artifact = far_away(storage, take, tmp_path)
    bucket, _, key = storage.locate(artifact.key).removeprefix("s3://").partition("/")
    artifacts = ArtifactStore(storage, tmp_path / "cache")

    s3_server.client.put_object(Bucket=bucket, Key=key, Body=b"something else")
    with pytest.raises(CorruptObject):
        artifacts.fetch(artifact.sha256, ".mp4")
    s3_server.client.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(MissingObject):
        artifacts.fetch(artifact.sha256, ".mp4")

    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.parent.name != "locks"] == []


def test_processes_that_want_the_same_take_at_once_download_it_once(
    storage: S3Storage, s3_proxy: S3Proxy, take: Path, tmp_path: Path
) -> None:
    artifact = far_away(storage, take, tmp_path)
    s3_proxy.seen.clear()

    def slowly(request: Request) -> None:
        if request.method == "GET":
            time.sleep(0.5)  # so that the second asks while the first still downloads

    s3_proxy.before = slowly
    script = textwrap.dedent("""
        import pathlib, sys
        from pipeline.store.artifacts import ArtifactStore
        from pipeline.store.s3 import S3Storage

        bucket, endpoint_url, cache, sha256 = sys.argv[1:]
        artifacts = ArtifactStore(S3Storage(bucket, "films", endpoint_url=endpoint_url), pathlib.Path(cache))
        artifacts.has(sha256, ".mp4")  # the slow start is over
        print("ready", flush=True)
        sys.stdin.readline()
        print(artifacts.fetch(sha256, ".mp4"), flush=True)
    """)
    command = [
        sys.executable,
        "-c",
        script,
        storage._bucket,
        s3_proxy.url,
        str(tmp_path / "cache"),
        artifact.sha256,
    ]

    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].strip() for process in processes]

    assert answers[0] == answers[1] != ""
    assert Path(answers[0]).read_bytes() == take.read_bytes()
    assert s3_proxy.count("GET") == 1


def test_many_forked_workers_share_one_store_made_before_the_fork(
    storage: S3Storage, take: Path, tmp_path: Path
) -> None:
    artifact = far_away(storage, take, tmp_path)
    artifacts = ArtifactStore(storage, tmp_path / "cache")
    assert artifacts.has(artifact.sha256, ".mp4")

    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            try:
                found = hashlib.sha256(artifacts.fetch(artifact.sha256, ".mp4").read_bytes()).hexdigest()
            except BaseException:  # noqa: BLE001 - the child must not run the rest of the tests
                found = ""
            os._exit(0 if found == artifact.sha256 else 1)
        children.append(child)

    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
