"""What only an S3 server can get wrong, over real HTTP: parts, repeats, damage, refusals."""

import hashlib
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.errors import BackendUnavailable
from pipeline.store.s3 import S3Storage
from pipeline.store.s3_upload import S3Limits
from pipeline.store.storage import CorruptObject, MissingObject, Stored
from tests.support.s3_server import Reply, Request, S3Proxy, S3Server, free_port

MIB = 1024**2
PARTS = S3Limits(multipart_above=6 * MIB, part_size=5 * MIB, concurrency=2, attempts=2, read_timeout_s=20)


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    return s3_server.new_bucket()


@pytest.fixture
def storage(s3_proxy: S3Proxy, bucket: str) -> S3Storage:
    return S3Storage(bucket, "films", endpoint_url=s3_proxy.url, limits=PARTS)


@pytest.fixture(scope="session")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """11 MiB, which goes in three parts."""
    path = tmp_path_factory.mktemp("big") / "big.mp4"
    path.write_bytes(os.urandom(MIB) * 11)
    return path


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def put(storage: S3Storage, key: str, path: Path) -> Stored:
    return storage.put(key, path, sha256=hash_of(path), content_type="video/mp4")


def small(folder: Path, content: bytes = b"a small film") -> Path:
    path = folder / "small.mp4"
    path.write_bytes(content)
    return path


def unfinished(server: S3Server, bucket: str) -> list[str]:
    return [upload["Key"] for upload in server.client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


def test_a_large_file_goes_in_parts_and_comes_back_whole(
    storage: S3Storage, s3_proxy: S3Proxy, s3_server: S3Server, bucket: str, big: Path, tmp_path: Path
) -> None:
    progress: list[float] = []

    storage.put("cut.mp4", big, sha256=hash_of(big), content_type="video/mp4", progress=progress.append)
    storage.get("cut.mp4", tmp_path / "back.mp4", sha256=hash_of(big))

    assert hash_of(tmp_path / "back.mp4") == hash_of(big)
    sizes = sorted(len(request.body) for request in s3_proxy.seen if "partNumber" in request.path)
    assert sizes == [1 * MIB, 5 * MIB, 5 * MIB]
    assert progress == sorted(progress)
    assert len(progress) >= 2
    assert progress[-1] == 1.0
    head = s3_server.client.head_object(Bucket=bucket, Key="films/cut.mp4")
    assert (head["ContentType"], head["Metadata"]) == ("video/mp4", {"sha256": hash_of(big)})
    assert unfinished(s3_server, bucket) == []


def test_without_a_prefix_the_key_is_the_object_s_name(s3_server: S3Server, bucket: str, tmp_path: Path) -> None:
    stored = put(S3Storage(bucket, endpoint_url=s3_server.url), "a/film.mp4", small(tmp_path))

    assert stored.url == f"s3://{bucket}/a/film.mp4"
    assert s3_server.client.head_object(Bucket=bucket, Key="a/film.mp4")["ContentLength"] == stored.size


def test_every_upload_carries_a_checksum_in_a_plain_header_that_any_server_can_read(
    storage: S3Storage, s3_proxy: S3Proxy, big: Path, tmp_path: Path
) -> None:
    put(storage, "small.mp4", small(tmp_path))
    put(storage, "big.mp4", big)

    uploads = [request for request in s3_proxy.seen if request.method == "PUT"]
    assert len(uploads) == 4
    for request in uploads:
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert headers["x-amz-checksum-sha256"]
        assert "x-amz-trailer" not in headers
        assert "aws-chunked" not in headers.get("content-encoding", "")


def test_repeating_an_upload_sends_nothing_again(
    storage: S3Storage, s3_proxy: S3Proxy, big: Path, tmp_path: Path
) -> None:
    first = [put(storage, "small.mp4", small(tmp_path)), put(storage, "big.mp4", big)]
    s3_proxy.seen.clear()

    again = [put(storage, "small.mp4", small(tmp_path)), put(storage, "big.mp4", big)]

    assert again == first
    assert {request.method for request in s3_proxy.seen} == {"HEAD"}


def test_an_upload_in_parts_that_breaks_leaves_no_parts_and_can_be_repeated(
    storage: S3Storage, s3_proxy: S3Proxy, s3_server: S3Server, bucket: str, big: Path
) -> None:
    s3_proxy.before = lambda request: Reply(503, {}, b"") if "partNumber=2" in request.path else None

    with pytest.raises(BackendUnavailable, match="503"):
        put(storage, "big.mp4", big)
    assert unfinished(s3_server, bucket) == []
    assert not storage.exists("big.mp4")
    s3_proxy.before = lambda _request: None
    put(storage, "big.mp4", big)

    assert storage.stat("big.mp4") == put(storage, "big.mp4", big)


def test_an_upload_in_parts_that_is_stopped_leaves_no_parts(
    storage: S3Storage, s3_server: S3Server, bucket: str, big: Path
) -> None:
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.put("big.mp4", big, sha256=hash_of(big), content_type="video/mp4", progress=stop)

    assert unfinished(s3_server, bucket) == []
    assert not storage.exists("big.mp4")


def test_a_large_file_that_changed_is_not_stored(
    storage: S3Storage, s3_server: S3Server, bucket: str, big: Path, tmp_path: Path
) -> None:
    with pytest.raises(CorruptObject, match="changed"):
        storage.put("big.mp4", big, sha256=hash_of(small(tmp_path)), content_type="video/mp4")

    assert unfinished(s3_server, bucket) == []
    assert not storage.exists("big.mp4")


def test_parts_that_a_killed_process_left_are_aborted_a_day_later(s3_server: S3Server, bucket: str, big: Path) -> None:
    for key in ("films/big.mp4", "films/big.mp4.other"):
        s3_server.client.create_multipart_upload(Bucket=bucket, Key=key)
    # By the server's own time: it says when an upload was begun.
    begun = s3_server.client.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["Initiated"]
    later = [begun + timedelta(hours=23)]
    storage = S3Storage(bucket, "films", endpoint_url=s3_server.url, limits=PARTS, clock=lambda: later[0])

    put(storage, "big.mp4", big)
    assert sorted(unfinished(s3_server, bucket)) == ["films/big.mp4", "films/big.mp4.other"]
    later[0] += timedelta(hours=2)
    storage.delete("big.mp4")
    put(storage, "big.mp4", big)

    assert unfinished(s3_server, bucket) == ["films/big.mp4.other"]


def test_a_lost_reply_to_the_last_request_does_not_upload_twice(
    storage: S3Storage, s3_proxy: S3Proxy, big: Path
) -> None:
    lost: list[str] = []

    def lose(request: Request, reply: Reply) -> None:
        if request.method == "POST" and "uploadId" in request.path and not lost:
            lost.append(request.path)
            reply.status, reply.body = 500, b""
        elif request.path in lost:  # as servers answer that forget an upload once it is complete
            reply.status, reply.body = 404, b"<Error><Code>NoSuchUpload</Code></Error>"

    s3_proxy.after = lose
    put(storage, "big.mp4", big)

    assert lost
    assert sum("partNumber" in request.path for request in s3_proxy.seen) == 3


def test_a_server_that_stumbles_is_asked_again(storage: S3Storage, s3_proxy: S3Proxy, tmp_path: Path) -> None:
    stumbles = [Reply(503, {}, b"")]
    s3_proxy.before = lambda request: stumbles.pop() if request.method == "PUT" and stumbles else None

    put(storage, "small.mp4", small(tmp_path))

    assert s3_proxy.count("PUT") == 2


def test_a_server_without_checksums_has_every_upload_read_back(
    storage: S3Storage, s3_proxy: S3Proxy, big: Path, tmp_path: Path
) -> None:
    def forget(request: Request, reply: Reply) -> None:
        for name in [name for name in reply.headers if name.lower().startswith("x-amz-checksum")]:
            del reply.headers[name]

    s3_proxy.after = forget
    put(storage, "small.mp4", small(tmp_path))
    put(storage, "big.mp4", big)
    assert s3_proxy.count("GET") == 2 + 1  # each object, and the look for abandoned parts

    s3_proxy.seen.clear()
    put(storage, "big.mp4", big)
    assert (s3_proxy.count("PUT"), s3_proxy.count("GET")) == (0, 1)


def test_a_server_that_refuses_checksums_is_served_without_them(
    storage: S3Storage, s3_proxy: S3Proxy, big: Path, tmp_path: Path
) -> None:
    def refuse(request: Request) -> Reply | None:
        if any("checksum" in name.lower() for name in request.headers):
            body = b"<Error><Code>NotImplemented</Code></Error>"
            return Reply(501, {"Content-Type": "application/xml"}, b"" if request.method == "HEAD" else body)
        return None

    s3_proxy.before = refuse
    put(storage, "small.mp4", small(tmp_path))
    put(storage, "big.mp4", big)

    assert storage.stat("big.mp4") == put(storage, "big.mp4", big)


def test_bytes_damaged_on_the_way_are_sent_again_and_then_given_up(
    storage: S3Storage, s3_proxy: S3Proxy, tmp_path: Path
) -> None:
    damage = {"left": 1}

    def damaged(request: Request) -> None:
        # Without the checksum, so that only reading back can tell.
        for name in [name for name in request.headers if "checksum" in name.lower()]:
            del request.headers[name]
        if request.method == "PUT" and damage["left"]:
            damage["left"] -= 1
            request.body = request.body[::-1]

    s3_proxy.before = damaged
    put(storage, "small.mp4", small(tmp_path))
    assert s3_proxy.count("PUT") == 2
    damage["left"] = 9

    with pytest.raises(CorruptObject, match="not what was sent"):
        put(storage, "other.mp4", small(tmp_path))


def test_an_object_that_was_altered_behind_our_back_is_noticed_and_replaced(
    storage: S3Storage, s3_server: S3Server, bucket: str, tmp_path: Path
) -> None:
    film = small(tmp_path, b"good bytes")
    put(storage, "film.mp4", film)
    s3_server.client.put_object(
        Bucket=bucket, Key="films/film.mp4", Body=b"evil bytes", Metadata={"sha256": hash_of(film)}
    )

    for sha256 in (hash_of(film), None):
        with pytest.raises(CorruptObject, match="damaged"):
            storage.get("film.mp4", tmp_path / "out.mp4", sha256=sha256)
    assert not (tmp_path / "out.mp4").exists()
    put(storage, "film.mp4", film)

    assert s3_server.client.get_object(Bucket=bucket, Key="films/film.mp4")["Body"].read() == b"good bytes"


def test_an_object_that_somebody_else_uploaded_is_hashed_to_say_what_it_is(
    storage: S3Storage, s3_server: S3Server, bucket: str, tmp_path: Path
) -> None:
    s3_server.client.put_object(Bucket=bucket, Key="films/theirs.png", Body=b"a picture")

    stored = storage.stat("theirs.png")

    assert stored is not None
    assert stored.sha256 == hashlib.sha256(b"a picture").hexdigest()


def test_a_download_whose_connection_breaks_goes_on_where_it_was(
    storage: S3Storage, s3_proxy: S3Proxy, big: Path, tmp_path: Path
) -> None:
    put(storage, "big.mp4", big)
    s3_proxy.seen.clear()
    breaks = [True]

    def cut(request: Request, reply: Reply) -> None:
        if request.method == "GET" and breaks:
            breaks.pop()
            reply.cut_after = 3 * MIB

    s3_proxy.after = cut
    storage.get("big.mp4", tmp_path / "back.mp4", sha256=hash_of(big))

    assert hash_of(tmp_path / "back.mp4") == hash_of(big)
    ranges = [request.headers.get("Range") for request in s3_proxy.seen if request.method == "GET"]
    assert ranges[0] is None
    assert len(ranges) == 2
    assert ranges[1] is not None
    assert int(ranges[1].removeprefix("bytes=").removesuffix("-")) > MIB


def test_a_download_that_keeps_breaking_is_given_up_and_leaves_no_file(
    storage: S3Storage, s3_proxy: S3Proxy, tmp_path: Path
) -> None:
    put(storage, "film.mp4", small(tmp_path))
    out = tmp_path / "out"

    def cut(request: Request, reply: Reply) -> None:
        if request.method == "GET":
            reply.cut_after = 2

    s3_proxy.after = cut
    with pytest.raises(BackendUnavailable):
        storage.get("film.mp4", out / "film.mp4")

    assert list(out.iterdir()) == []


def test_a_bucket_that_is_not_there_is_told_from_an_object_that_is_not_there(
    s3_server: S3Server, tmp_path: Path
) -> None:
    storage = S3Storage("no-such-bucket-here", endpoint_url=s3_server.url, limits=PARTS)

    for use in (
        storage.check,
        lambda: storage.exists("film.mp4"),
        lambda: storage.stat("film.mp4"),
        lambda: storage.get("film.mp4", tmp_path / "out.mp4"),
        lambda: put(storage, "film.mp4", small(tmp_path)),
        lambda: storage.delete("film.mp4"),
    ):
        with pytest.raises(BackendUnavailable, match="bucket does not exist") as raised:
            use()
        assert not isinstance(raised.value, MissingObject)
        assert "DAILIES_STORAGE_URL" in raised.value.remedy


def test_a_server_that_can_not_be_reached_is_named(s3_server: S3Server) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    storage = S3Storage("films", endpoint_url=url, limits=S3Limits(attempts=1))

    with pytest.raises(BackendUnavailable, match=re.escape(f"{url} can't be reached")) as raised:
        storage.check()

    assert "DAILIES_S3_ENDPOINT_URL" in raised.value.remedy


def test_a_server_that_does_not_answer_is_waited_for_only_so_long(s3_proxy: S3Proxy, bucket: str) -> None:
    import threading

    done = threading.Event()

    def hang(request: Request) -> None:
        done.wait(30)

    s3_proxy.before = hang
    storage = S3Storage(bucket, endpoint_url=s3_proxy.url, limits=S3Limits(attempts=1, read_timeout_s=0.3))
    try:
        with pytest.raises(BackendUnavailable, match="not answer in time"):
            storage.check()
    finally:
        done.set()


def test_credentials_that_the_server_does_not_know_are_refused_without_being_shown(
    s3_server: S3Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONGWRONGWRONG")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    storage = S3Storage(bucket, endpoint_url=s3_server.url, limits=PARTS)
    s3_server.demand_credentials(demanded=True)
    try:
        for use in (
            storage.check,
            lambda: storage.get("film.mp4", tmp_path / "out.mp4"),
            lambda: put(storage, "film.mp4", small(tmp_path)),
        ):
            with pytest.raises(BackendUnavailable, match=r"refused access|not accept the credentials") as raised:
                use()
            assert "AWS_ACCESS_KEY_ID" in raised.value.remedy
            assert "WRONG" not in str(raised.value)
            assert "wrong-secret" not in str(raised.value)
    finally:
        s3_server.demand_credentials(demanded=False)


def test_without_credentials_the_error_says_which_to_set(
    s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    storage = S3Storage(bucket, endpoint_url=s3_server.url, limits=PARTS)

    with pytest.raises(BackendUnavailable, match="No complete credentials") as raised:
        storage.check()

    assert "AWS_SECRET_ACCESS_KEY" in raised.value.remedy


def test_a_process_forked_off_uses_a_client_of_its_own(storage: S3Storage) -> None:
    storage.check()
    parents = storage._client()
    assert storage._client() is parents

    child = os.fork()
    if child == 0:
        try:
            fresh = storage._client() is not parents
            storage.check()
        except BaseException:  # noqa: BLE001 - the child must not run the rest of the tests
            fresh = False
        os._exit(0 if fresh else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_parts_grow_when_ten_thousand_of_them_would_not_do() -> None:
    limits = S3Limits()
    terabyte = 1024**4

    assert limits.part_size_for(1) == limits.part_size
    assert limits.part_size_for(5 * terabyte) * 10_000 >= 5 * terabyte
    with pytest.raises(ValueError, match="not usable"):
        S3Limits(part_size=MIB)
