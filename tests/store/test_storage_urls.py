"""What DAILIES_STORAGE_URL may be."""

from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from pipeline.settings import Settings, read_settings
from pipeline.store.folder import FolderStorage
from pipeline.store.s3 import S3Storage
from pipeline.store.storage import open_storage


def settings_for(url: str, endpoint_url: str | None = None) -> Settings:
    return Settings(
        home=Path("home"),
        broker_url=None,
        database_url="sqlite://",
        storage_url=url,
        s3_endpoint_url=endpoint_url,
    )


def test_with_nothing_configured_files_are_kept_in_the_home_folder(tmp_path: Path) -> None:
    home = tmp_path / "ho me%20"

    storage = open_storage(read_settings({"DAILIES_HOME": str(home)}))

    assert isinstance(storage, FolderStorage)
    assert storage.root == home / "storage"
    assert not home.exists()


def test_an_s3_url_names_a_bucket_and_perhaps_a_prefix() -> None:
    assert open_storage(settings_for("s3://films/a/b/")).locate("x.mp4") == "s3://films/a/b/x.mp4"
    assert open_storage(settings_for("s3://films")).locate("x.mp4") == "s3://films/x.mp4"
    assert isinstance(open_storage(settings_for("s3://films", "http://localhost:9000")), S3Storage)


@pytest.mark.parametrize(
    "url",
    [
        "/srv/films", "films", "ftp://host/films", "gs://bucket", "file://host/films", "file:films", "file:///a/../b",
        "s3://", "s3:///prefix", "s3://B/x", "s3://bucket/../x", "s3://bucket/a b", "s3://bucket?region=x", "s3://[x",
        "s3://key:secret@bucket/x",
    ],
)  # fmt: skip
def test_another_url_is_refused_naming_the_setting_and_what_to_write(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_storage(settings_for(url))

    assert raised.value.where == "DAILIES_STORAGE_URL"
    assert raised.value.remedy
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        "localhost:9000",
        "ftp://host",
        "http://",
        "http://host:x",
        "http://host:99999",
        "https://key:secret@host",
    ],
)
def test_an_endpoint_that_is_no_server_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_storage(settings_for("s3://films", endpoint))

    assert raised.value.where == "DAILIES_S3_ENDPOINT_URL"
    assert "key:secret" not in str(raised.value)
