"""A cut's delivery, into both storages, and to where a person wants the film."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import BackendUnavailable, DailiesError, InputError
from pipeline.store.delivery import DeliveryFile, Sidecar, check_out, copy_out, deliver, delivery_prefix
from pipeline.store.folder import FolderStorage
from pipeline.store.s3 import S3Storage
from pipeline.store.s3_upload import S3Limits
from pipeline.store.storage import Storage, Stored
from tests.support.s3_server import Reply, S3Proxy, S3Server

PREFIX = "deliveries/lighthouse/cut-1"


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return FolderStorage(tmp_path / "storage")
    server = request.getfixturevalue("s3_server")
    return S3Storage(server.new_bucket(), endpoint_url=server.url)


def cut(folder: Path, film: bytes = b"film") -> list[DeliveryFile]:
    """Files of a delivery, the manifest not the last of them."""
    folder.mkdir(exist_ok=True)
    contents = {
        "film.manifest.json": json.dumps({"film": hashlib.sha256(film).hexdigest()}).encode(),
        "film.mp4": film,
        "film.srt": b"1\n00:00:00,000 --> 00:00:01,000\nHello\n",
        "9x16/film.mp4": film + b" upright",
    }
    files = []
    for name, content in contents.items():
        path = folder / name.replace("/", "-")
        path.write_bytes(content)
        files.append(DeliveryFile(path, name, "application/octet-stream"))
    return files


class _Recording(FolderStorage):
    """A folder that notes the order of what is done to it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.done: list[str] = []
        self.refused = ""

    def put(self, key: str, path: Path, **rest: Any) -> Stored:
        if key == self.refused:
            raise BackendUnavailable("Out of order.")
        self.done.append(f"put {key}")
        return super().put(key, path, **rest)

    def delete(self, key: str) -> None:
        self.done.append(f"delete {key}")
        super().delete(key)


def test_a_delivery_arrives_whole_and_is_told_in_the_order_it_was_given(storage: Storage, tmp_path: Path) -> None:
    files = cut(tmp_path / "cut")

    stored = deliver(storage, files, delivery_prefix("lighthouse", "cut-1"))

    assert [item.key for item in stored] == [f"{PREFIX}/{file.name}" for file in files]
    for file, item in zip(files, stored, strict=True):
        storage.get(item.key, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == file.path.read_bytes()
        assert item.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()


def test_the_manifest_is_the_last_to_arrive(tmp_path: Path) -> None:
    storage = _Recording(tmp_path / "storage")

    deliver(storage, cut(tmp_path / "cut"), PREFIX)

    assert len(storage.done) == 4
    assert storage.done[-1] == f"put {PREFIX}/film.manifest.json"


def test_a_delivery_that_breaks_has_no_manifest_until_it_is_repeated(tmp_path: Path) -> None:
    storage = _Recording(tmp_path / "storage")
    storage.refused = f"{PREFIX}/9x16/film.mp4"
    files = cut(tmp_path / "cut")

    with pytest.raises(BackendUnavailable):
        deliver(storage, files, PREFIX)
    assert storage.exists(f"{PREFIX}/film.mp4")
    assert not storage.exists(f"{PREFIX}/film.manifest.json")
    storage.refused = ""
    deliver(storage, files, PREFIX)

    assert storage.exists(f"{PREFIX}/film.manifest.json")


def test_while_a_delivery_is_replaced_the_old_manifest_vouches_for_nothing(tmp_path: Path) -> None:
    storage = _Recording(tmp_path / "storage")
    deliver(storage, cut(tmp_path / "cut", b"old film"), PREFIX)
    storage.done.clear()
    storage.refused = f"{PREFIX}/film.srt"

    with pytest.raises(BackendUnavailable):
        deliver(storage, cut(tmp_path / "cut", b"new film"), PREFIX)

    assert storage.done[0] == f"delete {PREFIX}/film.manifest.json"
    assert not storage.exists(f"{PREFIX}/film.manifest.json")


def test_delivering_the_same_again_uploads_nothing(s3_proxy: S3Proxy, s3_server: S3Server, tmp_path: Path) -> None:
    storage = S3Storage(s3_server.new_bucket(), endpoint_url=s3_proxy.url)
    files = cut(tmp_path / "cut")
    first = deliver(storage, files, PREFIX)
    assert s3_proxy.count("PUT") == 4
    s3_proxy.seen.clear()

    again = deliver(storage, files, PREFIX)

    assert again == first
    assert {request.method for request in s3_proxy.seen} == {"HEAD"}


def test_a_delivery_to_a_server_that_fails_midway_goes_on_when_repeated(
    s3_proxy: S3Proxy, s3_server: S3Server, tmp_path: Path
) -> None:
    storage = S3Storage(s3_server.new_bucket(), endpoint_url=s3_proxy.url, limits=S3Limits(attempts=1))
    files = cut(tmp_path / "cut")
    s3_proxy.before = lambda request: Reply(503, {}, b"") if request.path.endswith("film.srt") else None

    with pytest.raises(BackendUnavailable):
        deliver(storage, files, PREFIX)
    s3_proxy.before = lambda _request: None
    s3_proxy.seen.clear()
    deliver(storage, files, PREFIX)

    sent = [request.path.rpartition("cut-1/")[2] for request in s3_proxy.seen if request.method == "PUT"]
    assert sent == ["film.srt", "9x16/film.mp4", "film.manifest.json"]


def test_progress_counts_the_bytes_of_the_whole_delivery(storage: Storage, tmp_path: Path) -> None:
    shares: list[float] = []

    deliver(storage, cut(tmp_path / "cut"), PREFIX, shares.append)

    assert shares == sorted(shares)
    assert len(set(shares)) >= 4
    assert shares[-1] == pytest.approx(1.0)


def test_a_delivery_without_one_manifest_or_with_a_name_used_twice_is_refused(storage: Storage, tmp_path: Path) -> None:
    files = cut(tmp_path / "cut")

    for wrong in (
        [],
        files[1:],
        [*files, DeliveryFile(files[0].path, "x.manifest.json", "")],
        [*files, files[1]],
    ):
        with pytest.raises(InputError):
            deliver(storage, wrong, PREFIX)
    assert not storage.exists(f"{PREFIX}/film.mp4")


def test_a_file_that_is_gone_stops_the_delivery_before_anything_is_sent(storage: Storage, tmp_path: Path) -> None:
    files = cut(tmp_path / "cut")
    files[2].path.unlink()

    with pytest.raises(DailiesError, match="gone"):
        deliver(storage, files, PREFIX)

    assert not storage.exists(f"{PREFIX}/film.mp4")


@pytest.mark.parametrize("part", ["", "a/b", "..", ".hidden", "a b"])
def test_an_id_that_could_lead_elsewhere_is_refused(part: str) -> None:
    with pytest.raises(InputError):
        delivery_prefix(part, "cut-1")
    with pytest.raises(InputError):
        delivery_prefix("lighthouse", part)


SIDECARS = (".srt", ".vtt", ".sheet.jpg", ".manifest.json")


def sidecars(folder: Path) -> list[Sidecar]:
    folder.mkdir(exist_ok=True)
    made = []
    for number, suffix in enumerate(SIDECARS):
        path = folder / f"{number}.tmp"
        path.write_text(f"content of {suffix}")
        made.append(Sidecar(path, suffix))
    return made


def test_the_film_goes_where_it_is_wanted_with_its_sidecars_beside_it(tmp_path: Path) -> None:
    film = tmp_path / "work.mp4"
    film.write_bytes(b"the film")
    out = tmp_path / "new folder" / "Der Film v1.2.mp4"

    written = copy_out(film, out, sidecars(tmp_path / "work"))

    assert [path.name for path in written] == [out.name, *(f"Der Film v1.2{suffix}" for suffix in SIDECARS)]
    assert out.read_bytes() == b"the film"
    assert (out.parent / "Der Film v1.2.sheet.jpg").read_text() == "content of .sheet.jpg"
    assert sorted(out.parent.iterdir()) == sorted(written)
    assert out.stat().st_mode & 0o200  # it is the person's own file


def test_copying_out_again_replaces_what_changed_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    film, out = tmp_path / "work.mp4", tmp_path / "out.mp4"
    film.write_bytes(b"the film")
    copy_out(film, out, sidecars(tmp_path / "work"))
    before = out.stat().st_ino
    (tmp_path / "out.srt").write_text("edited by mistake")

    copy_out(film, out, sidecars(tmp_path / "work"))

    assert out.stat().st_ino == before
    assert (tmp_path / "out.srt").read_text() == "content of .srt"


def test_an_out_that_is_a_folder_is_a_bad_argument(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names a folder"):
        check_out(tmp_path)
    with pytest.raises(InputError, match="names a folder"):
        copy_out(tmp_path / "film.mp4", tmp_path)


def test_an_out_below_a_file_is_a_bad_argument(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    for out in (tmp_path / "file" / "film.mp4", tmp_path / "file" / "deeper" / "film.mp4"):
        with pytest.raises(InputError, match="can't be written there") as raised:
            check_out(out)
        assert "-o" in raised.value.remedy


def test_an_out_in_a_folder_that_nobody_may_write_is_a_bad_argument() -> None:
    # /proc refuses new files to everybody, root included.
    with pytest.raises(InputError, match="can't be written there"):
        check_out(Path("/proc/film.mp4"))


def test_a_sidecar_that_would_overwrite_the_film_is_refused(tmp_path: Path) -> None:
    film = tmp_path / "work.mp4"
    film.write_bytes(b"the film")

    with pytest.raises(InputError, match="same name"):
        copy_out(film, tmp_path / "out.mp4", [Sidecar(film, ".mp4")])

    assert not (tmp_path / "out.mp4").exists()


def test_checking_the_out_beforehand_leaves_nothing_but_its_folder(tmp_path: Path) -> None:
    check_out(tmp_path / "new" / "film.mp4")

    assert list((tmp_path / "new").iterdir()) == []
