"""One contract for every storage: a folder, and an S3 server over HTTP."""

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DailiesError, InputError
from pipeline.settings import Settings
from pipeline.store.storage import (
    CorruptObject,
    MissingObject,
    Storage,
    Stored,
    check_key,
    content_type_of,
    open_storage,
)


def settings_for(url: str, endpoint_url: str | None = None) -> Settings:
    return Settings(
        home=Path("home"),
        broker_url=None,
        database_url="sqlite://",
        storage_url=url,
        s3_endpoint_url=endpoint_url,
    )


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return open_storage(settings_for((tmp_path / "a folder").as_uri()))
    server = request.getfixturevalue("s3_server")
    return open_storage(settings_for(f"s3://{server.new_bucket()}/some/prefix/", server.url))


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def keep(storage: Storage, key: str, content: bytes, folder: Path) -> Stored:
    path = folder / "source.bin"
    path.write_bytes(content)
    return storage.put(key, path, sha256=hash_of(content), content_type="video/mp4")


@pytest.mark.parametrize("content", [b"", b"a film", bytes(range(256)) * 4096])
def test_what_was_put_comes_back_byte_for_byte(storage: Storage, tmp_path: Path, content: bytes) -> None:
    stored = keep(storage, "cuts/one/film.mp4", content, tmp_path)
    got = storage.get("cuts/one/film.mp4", tmp_path / "new" / "back.mp4", sha256=hash_of(content))

    assert stored == Stored("cuts/one/film.mp4", len(content), hash_of(content), storage.locate("cuts/one/film.mp4"))
    assert got == stored
    assert storage.stat("cuts/one/film.mp4") == stored
    assert storage.exists("cuts/one/film.mp4")
    assert (tmp_path / "new" / "back.mp4").read_bytes() == content


def test_putting_other_bytes_under_a_key_replaces_them(storage: Storage, tmp_path: Path) -> None:
    keep(storage, "film.mp4", b"first one", tmp_path)

    keep(storage, "film.mp4", b"other one", tmp_path)

    storage.get("film.mp4", tmp_path / "back.mp4")
    assert (tmp_path / "back.mp4").read_bytes() == b"other one"


def test_nothing_is_there_before_it_is_put_and_after_it_is_deleted(storage: Storage, tmp_path: Path) -> None:
    assert not storage.exists("film.mp4")
    assert storage.stat("film.mp4") is None
    keep(storage, "film.mp4", b"x", tmp_path)

    storage.delete("film.mp4")
    storage.delete("film.mp4")

    assert not storage.exists("film.mp4")
    assert storage.stat("film.mp4") is None


def test_getting_what_is_not_there_says_so_and_leaves_no_file(storage: Storage, tmp_path: Path) -> None:
    keep(storage, "other.mp4", b"x", tmp_path)
    out = tmp_path / "out"

    with pytest.raises(MissingObject) as raised:
        storage.get("film.mp4", out / "film.mp4")

    assert raised.value.where == storage.locate("film.mp4")
    assert not out.exists() or not list(out.iterdir())


def test_a_file_that_has_not_the_hash_it_is_said_to_have_is_not_stored(storage: Storage, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"changed meanwhile")

    with pytest.raises(CorruptObject):
        storage.put("film.mp4", path, sha256=hash_of(b"as it was"), content_type="video/mp4")

    assert not storage.exists("film.mp4")


def test_getting_with_the_wrong_hash_leaves_the_old_file_as_it_was(storage: Storage, tmp_path: Path) -> None:
    keep(storage, "film.mp4", b"new bytes", tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    (out / "film.mp4").write_bytes(b"old bytes")

    with pytest.raises(CorruptObject):
        storage.get("film.mp4", out / "film.mp4", sha256=hash_of(b"expected"))

    assert [path.name for path in out.iterdir()] == ["film.mp4"]
    assert (out / "film.mp4").read_bytes() == b"old bytes"


def test_a_source_that_is_gone_is_a_clear_error(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(DailiesError, match=r"gone\.mp4: .*can't be read"):
        storage.put("film.mp4", tmp_path / "gone.mp4", sha256=hash_of(b""), content_type="video/mp4")

    assert not storage.exists("film.mp4")


def test_progress_ends_at_one_and_never_goes_back(storage: Storage, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"x" * 3_000_000)
    sha256 = hash_of(b"x" * 3_000_000)
    first: list[float] = []
    again: list[float] = []

    storage.put("film.mp4", path, sha256=sha256, content_type="video/mp4", progress=first.append)
    storage.put("film.mp4", path, sha256=sha256, content_type="video/mp4", progress=again.append)

    assert first == sorted(first)
    assert first[-1] == again[-1] == 1.0


def test_work_that_is_stopped_by_its_progress_stores_nothing(storage: Storage, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"x" * 3_000_000)

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.put("film.mp4", path, sha256=hash_of(path.read_bytes()), content_type="video/mp4", progress=stop)

    assert not storage.exists("film.mp4")


def test_a_storage_that_can_be_used_passes_its_check(storage: Storage) -> None:
    storage.check()


def test_a_key_that_could_lead_elsewhere_is_refused_by_every_operation(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "s"
    source.write_bytes(b"")
    keys = ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a/.b", "a\\b", "a\nb", "a b", "ä"]
    keys += ["x" * 201, "/".join(["x" * 100] * 6)]

    for key in keys:
        for use in (
            lambda key: storage.put(key, source, sha256=hash_of(b""), content_type="video/mp4"),
            lambda key: storage.get(key, tmp_path / "out"),
            storage.stat,
            storage.exists,
            storage.delete,
            storage.locate,
            storage.local,
        ):
            with pytest.raises(InputError):
                use(key)


@given(st.text(alphabet=st.sampled_from("ab./\\-_ :é\0\n"), max_size=12))
def test_law_an_accepted_key_stays_below_its_folder_and_is_plain(key: str) -> None:
    try:
        check_key(key)
    except InputError:
        return

    root = Path("/below/here")
    assert (root / key).resolve().is_relative_to(root)
    assert str((root / key).resolve()) == f"/below/here/{key}"
    assert re.fullmatch(r"[\w./-]+", key, re.ASCII)


def test_content_types_do_not_depend_on_the_machine() -> None:
    assert content_type_of("Film.MP4") == "video/mp4"
    assert content_type_of("film.en.vtt") == "text/vtt"
    assert content_type_of("film.manifest.json") == "application/json"
    assert content_type_of("film") == "application/octet-stream"
