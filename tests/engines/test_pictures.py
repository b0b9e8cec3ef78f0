"""Pictures reach a provider as they are, or as small as it wants them."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.engines.pictures import data_uri, picture
from pipeline.errors import ProviderError, Trouble


def noise(path: Path, side: int = 128, mode: str = "RGB") -> Path:
    channels = len(mode)
    pixels = np.random.default_rng(1).integers(0, 255, (side, side, channels), np.uint8)
    Image.fromarray(pixels, mode=mode).save(path)
    return path


@pytest.mark.parametrize(("name", "kind"), [("a.png", "image/png"), ("a.jpg", "image/jpeg"), ("a.webp", "image/webp")])
def test_a_small_picture_goes_as_it_is_by_what_it_is_not_by_its_name(tmp_path: Path, name: str, kind: str) -> None:
    path = noise(tmp_path / name).rename(tmp_path / "picture")

    assert picture(path, 1_000_000) == (kind, path.read_bytes())


def test_a_large_picture_is_encoded_anew_until_it_fits(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png", mode="RGBA")
    most = path.stat().st_size // 3

    kind, raw = picture(path, most)

    assert kind == "image/jpeg"
    assert len(raw) <= most
    assert Image.open(io.BytesIO(raw)).size == (128, 128)


def test_a_uri_is_never_longer_than_allowed_and_holds_the_picture(tmp_path: Path) -> None:
    path = noise(tmp_path / "a.png")
    whole = data_uri(path, 1_000_000)

    assert base64.b64decode(whole.removeprefix("data:image/png;base64,")) == path.read_bytes()
    for most in (len(whole), len(whole) - 1, len(whole) // 2):
        assert len(data_uri(path, most)) <= most
    assert data_uri(path, len(whole) - 1).startswith("data:image/jpeg;")


@pytest.mark.parametrize("content", [None, b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"x" * 100_000])
def test_a_picture_that_is_none_is_refused_by_its_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ProviderError, match=r"a\.png") as caught:
        picture(path, 50_000)

    assert caught.value.trouble is Trouble.INVALID


def test_a_picture_that_can_not_be_made_small_enough_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="even as JPEG"):
        picture(noise(tmp_path / "a.png"), 500)
