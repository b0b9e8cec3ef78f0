"""What only a folder can get wrong: parts of files, full disks, closed folders."""

import hashlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import BackendUnavailable
from pipeline.store.files import landing
from pipeline.store.folder import FolderStorage
from pipeline.store.storage import CorruptObject


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def keep(storage: FolderStorage, key: str, content: bytes, folder: Path) -> Path:
    path = folder / "source.bin"
    path.write_bytes(content)
    storage.put(key, path, sha256=hash_of(content), content_type="video/mp4")
    return storage.local(key)


def test_putting_the_same_bytes_again_does_not_touch_the_file(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "storage")
    stored = keep(storage, "a/film.mp4", b"same", tmp_path)
    before = stored.stat()

    keep(storage, "a/film.mp4", b"same", tmp_path)

    assert (stored.stat().st_ino, stored.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_damaged_in_place_is_noticed_and_mended_by_putting_it_again(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "storage")
    stored = keep(storage, "film.mp4", b"good bytes", tmp_path)
    stored.chmod(0o644)
    stored.write_bytes(b"evil bytes")

    with pytest.raises(CorruptObject, match="damaged"):
        storage.get("film.mp4", tmp_path / "out.mp4", sha256=hash_of(b"good bytes"))
    assert not (tmp_path / "out.mp4").exists()
    keep(storage, "film.mp4", b"good bytes", tmp_path)

    assert stored.read_bytes() == b"good bytes"


def test_a_reader_sees_the_old_file_whole_until_the_new_one_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "film.mp4"
    target.write_bytes(b"old")

    with landing(target) as part:
        part.write_bytes(b"half of the ne")
        assert target.read_bytes() == b"old"
        part.write_bytes(b"new")

    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["film.mp4"]  # noqa: PTH208 - hidden names too


def test_what_a_killed_process_left_is_cleared_a_day_later_and_nothing_else_is(tmp_path: Path) -> None:
    old, young, theirs = (tmp_path / name for name in (".dailies-1.part", ".dailies-2.part", ".theirs.part"))
    for path in (old, young, theirs):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    os.utime(theirs, (1, 1))

    with landing(tmp_path / "film.mp4") as part:
        part.write_bytes(b"film")

    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, theirs.name, "film.mp4"]


def test_when_there_is_no_room_the_error_says_so_and_nothing_half_written_stays(tmp_path: Path) -> None:
    # The limit on file size fails a write in its middle, as a full disk does, but for one process alone.
    script = textwrap.dedent("""
        import hashlib, pathlib, resource, sys
        from pipeline.errors import BackendUnavailable
        from pipeline.store.folder import FolderStorage

        source = pathlib.Path(sys.argv[1]) / "big.bin"
        source.write_bytes(b"x" * 3_000_000)
        sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
        storage = FolderStorage(pathlib.Path(sys.argv[1]) / "storage")
        try:
            storage.put("film.mp4", source, sha256=sha256, content_type="x/y")
        except BackendUnavailable as error:
            print(error)
    """)

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )

    assert "no room on the disk" in done.stdout
    assert "Free some space" in done.stdout
    assert list((tmp_path / "storage").iterdir()) == []


def test_a_file_where_the_folder_should_be_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "storage").write_bytes(b"not a folder")
    storage = FolderStorage(tmp_path / "storage")

    with pytest.raises(BackendUnavailable, match="file stands where a folder is needed"):
        keep(storage, "film.mp4", b"x", tmp_path)
    with pytest.raises(BackendUnavailable, match="file stands where a folder is needed"):
        storage.check()


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o000)
    as_root = os.geteuid() == 0
    if as_root:  # root is let in everywhere; nobody is not
        os.seteuid(65534)
    yield folder
    if as_root:
        os.seteuid(0)
    folder.chmod(0o755)


def test_a_folder_that_is_closed_to_us_is_a_clear_error_of_every_operation(closed_folder: Path) -> None:
    storage = FolderStorage(closed_folder)
    source = Path(__file__)

    for use in (
        storage.check,
        lambda: storage.exists("film.mp4"),
        lambda: storage.stat("film.mp4"),
        lambda: storage.delete("film.mp4"),
        lambda: storage.get("film.mp4", source.parent / "never.mp4"),
        lambda: storage.put("film.mp4", source, sha256=hash_of(source.read_bytes()), content_type="text/plain"),
    ):
        with pytest.raises(BackendUnavailable, match="can't be written"):
            use()
