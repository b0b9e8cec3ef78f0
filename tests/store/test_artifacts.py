"""Artifacts over a folder; what only shows over a server is in test_storage_s3_artifacts.py."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.folder import FolderStorage
from pipeline.store.storage import CorruptObject, MissingObject, Stored


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(FolderStorage(tmp_path / "storage"), tmp_path / "cache")


def test_what_was_added_is_fetched_as_the_stored_file_itself_without_a_copy(
    artifacts: ArtifactStore, tmp_path: Path
) -> None:
    take = tmp_path / "take.MP4"
    take.write_bytes(b"moving pictures")

    artifact = artifacts.add(take)
    take.unlink()
    fetched = artifacts.fetch(artifact.sha256, artifact.suffix)

    assert artifact.sha256 == hashlib.sha256(b"moving pictures").hexdigest()
    assert (artifact.size, artifact.suffix) == (15, ".mp4")
    assert fetched == tmp_path / "storage" / artifact.key
    assert fetched.read_bytes() == b"moving pictures"
    assert not (tmp_path / "cache").exists()


def test_the_stored_file_can_not_be_written_to_by_accident(artifacts: ArtifactStore, tmp_path: Path) -> None:
    take = tmp_path / "take.mp4"
    take.write_bytes(b"x")

    artifact = artifacts.add(take)

    assert artifacts.fetch(artifact.sha256, ".mp4").stat().st_mode & 0o222 == 0
    assert take.stat().st_mode & 0o200


def test_adding_the_same_content_again_writes_nothing(artifacts: ArtifactStore, tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    first.write_bytes(b"same")
    second.write_bytes(b"same")

    one = artifacts.add(first)
    inode = artifacts.fetch(one.sha256, ".png").stat().st_ino
    two = artifacts.add(second)

    assert one == two
    assert artifacts.fetch(one.sha256, ".png").stat().st_ino == inode


def test_changing_the_source_afterwards_does_not_change_what_is_stored(
    artifacts: ArtifactStore, tmp_path: Path
) -> None:
    take = tmp_path / "take.mp4"
    take.write_bytes(b"before")
    artifact = artifacts.add(take)

    with take.open("r+b") as file:
        file.write(b"AFTER!")

    assert artifacts.fetch(artifact.sha256, ".mp4").read_bytes() == b"before"


def test_a_stored_file_that_was_damaged_after_its_first_check_is_noticed(
    artifacts: ArtifactStore, tmp_path: Path
) -> None:
    take = tmp_path / "take.mp4"
    take.write_bytes(b"good bytes")
    artifact = artifacts.add(take)
    stored = artifacts.fetch(artifact.sha256, ".mp4")

    stored.chmod(0o644)
    stored.write_bytes(b"evil bytes")
    os.utime(stored, (1, 1))

    with pytest.raises(CorruptObject, match="damaged"):
        artifacts.fetch(artifact.sha256, ".mp4")
    artifacts.add(take)
    assert artifacts.fetch(artifact.sha256, ".mp4").read_bytes() == b"good bytes"


def test_an_artifact_that_is_not_there_is_said_to_be_missing(artifacts: ArtifactStore) -> None:
    sha256 = hashlib.sha256(b"never added").hexdigest()

    assert not artifacts.has(sha256, ".mp4")
    with pytest.raises(MissingObject):
        artifacts.fetch(sha256, ".mp4")


@pytest.mark.parametrize(
    ("sha256", "suffix"),
    [("A" * 64, ".mp4"), ("a" * 63, ".mp4"), ("../" + "a" * 61, ""), ("a" * 64, "/../x"), ("a" * 64, ".MP4")],
)
def test_what_can_not_name_an_artifact_is_refused(artifacts: ArtifactStore, sha256: str, suffix: str) -> None:
    with pytest.raises(InputError):
        artifacts.fetch(sha256, suffix)


class _RemoteFolder(FolderStorage):
    """A folder that is not on this machine, so that the cache is used."""

    downloads = 0

    def local(self, key: str) -> None:  # noqa: ARG002 - there is no local file for any key
        return None

    def get(self, key: str, out: Path, *, sha256: str | None = None) -> Stored:
        self.downloads += 1
        return super().get(key, out, sha256=sha256)


class _Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_minutes(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)


def test_the_cache_downloads_once_and_again_only_if_its_file_is_damaged(tmp_path: Path) -> None:
    storage = _RemoteFolder(tmp_path / "far")
    take = tmp_path / "take.mp4"
    take.write_bytes(b"far away")
    artifact = ArtifactStore(storage, tmp_path / "elsewhere").add(take)
    artifacts = ArtifactStore(storage, tmp_path / "cache")

    cached = artifacts.fetch(artifact.sha256, ".mp4")
    artifacts.fetch(artifact.sha256, ".mp4")
    ArtifactStore(storage, tmp_path / "cache").fetch(artifact.sha256, ".mp4")
    assert storage.downloads == 1
    cached.chmod(0o644)
    cached.write_bytes(b"far awry")
    os.utime(cached, (1, 1))
    again = artifacts.fetch(artifact.sha256, ".mp4")

    assert storage.downloads == 2
    assert again.read_bytes() == b"far away"


def test_what_was_just_made_is_near_without_a_download(tmp_path: Path) -> None:
    storage = _RemoteFolder(tmp_path / "far")
    artifacts = ArtifactStore(storage, tmp_path / "cache")
    take = tmp_path / "take.mp4"
    take.write_bytes(b"fresh")

    artifact = artifacts.add(take)

    assert artifacts.fetch(artifact.sha256, ".mp4").read_bytes() == b"fresh"
    assert storage.downloads == 0


def test_the_cache_lets_the_least_recently_used_go_and_spares_what_is_in_use(tmp_path: Path) -> None:
    clock = _Hands()
    storage = _RemoteFolder(tmp_path / "far")
    artifacts = ArtifactStore(storage, tmp_path / "cache", max_bytes=250, in_use_s=60, clock=clock)
    made = []
    for letter in "abc":
        path = tmp_path / f"{letter}.bin"
        path.write_bytes(letter.encode() * 100)
        made.append(artifacts.add(path))
        clock.pass_minutes(0.1)
    cached = [tmp_path / "cache" / a.sha256[:2] / f"{a.sha256}.bin" for a in made]
    assert [path.exists() for path in cached] == [True, True, True]

    clock.pass_minutes(5)
    artifacts.fetch(made[0].sha256, ".bin")
    freed = artifacts.trim()

    assert freed == 100
    assert [path.exists() for path in cached] == [True, False, True]
    assert artifacts.trim(0) == 100
    assert [path.exists() for path in cached] == [True, False, False]
