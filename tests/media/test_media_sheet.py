from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import MediaError
from pipeline.media.conform import placeholder
from pipeline.media.sheet import SheetEntry, Status, contact_sheet, frame_at, poster
from pipeline.media.slate import card, legible
from tests.media.clips import cells_of, code, coded, small


def luma(picture: Image.Image) -> np.ndarray:
    """Return the picture's cells as limited-range luma."""
    return cells_of(np.asarray(picture.convert("L"), float)) * 219 / 255 + 16


@pytest.mark.parametrize(("index", "expected"), [(0, 0), (7, 7), (22, 22), ("last", 22)])
def test_a_frame_is_exactly_the_one_asked_for(tmp_path: Path, index: int | str, expected: int) -> None:
    clip = coded(tmp_path / "t.mp4", 6, 23, fps=25)

    out = frame_at(clip, index, tmp_path / "f.png")  # pyright: ignore[reportArgumentType]

    with Image.open(out) as picture:
        assert picture.format == "PNG"
        assert np.abs(luma(picture) - code(6, expected)).max() < 8


@pytest.mark.parametrize("index", [23, -1, 1000])
def test_a_frame_that_is_not_there_is_an_error_that_says_how_many_there_are(tmp_path: Path, index: int) -> None:
    clip = coded(tmp_path / "t.mp4", 6, 23)

    with pytest.raises(MediaError, match="it has 23"):
        frame_at(clip, index, tmp_path / "f.png")

    assert not (tmp_path / "f.png").exists()


def test_the_sheet_has_a_cell_for_each_shot_and_marks_placeholders(tmp_path: Path) -> None:
    clips = [coded(tmp_path / f"{i}.mp4", i, 5) for i in range(3)]
    made = placeholder(["SHOT s3", "no take"], 5, small(), tmp_path / "p.mp4", tmp_path / "p.wav")
    entries = [SheetEntry(f"s{i}", ("00:00:01:00", "animatic/painted"), clip) for i, clip in enumerate(clips)]
    entries.append(SheetEntry("s3", ("needs attention",), made.video, Status.PLACEHOLDER))

    contact_sheet(entries, tmp_path / "sheet.jpg", title="The film", columns=3)
    contact_sheet(entries[:3], tmp_path / "clean.jpg", title="The film", columns=3)

    amber = []
    for name in ("sheet.jpg", "clean.jpg"):
        with Image.open(tmp_path / name) as sheet:
            assert sheet.format == "JPEG"
            pixels = np.asarray(sheet.convert("RGB"), float)
        amber.append(int((np.abs(pixels - (226, 160, 48)).max(axis=2) < 20).sum()))
    assert amber[0] > 800
    assert amber[1] == 0


def test_upright_and_wide_clips_share_a_sheet(tmp_path: Path) -> None:
    clips = [coded(tmp_path / "a.mp4", 1, 3), coded(tmp_path / "b.mp4", 1, 3, size=(96, 160))]

    contact_sheet([SheetEntry(path.stem, (), path) for path in clips], tmp_path / "s.jpg", title="x" * 300, columns=5)

    with Image.open(tmp_path / "s.jpg") as sheet:
        assert sheet.width == 2 * 40 + 2 * 400 + 22


def test_a_poster_is_the_middle_frame(tmp_path: Path) -> None:
    clip = coded(tmp_path / "t.mp4", 4, 21)

    with Image.open(poster(clip, tmp_path / "p.jpg")) as picture:
        assert picture.format == "JPEG"
        assert np.abs(luma(picture) - code(4, 10)).max() < 8


def test_a_card_holds_its_text_at_any_size() -> None:
    words = ["SHOT harbour-at-night-with-a-very-long-id - placeholder", "The gate refused it: " + "reason " * 60]

    for size in ((1280, 720), (720, 1280), (160, 96)):
        picture = np.asarray(card(words, *size).convert("RGB"), float)
        outside = np.ones(picture.shape[:2], bool)
        x, y = round(size[0] * 0.1), round(size[1] * 0.2)
        outside[y : size[1] - y + 1, x : size[0] - x + 1] = False
        assert picture[~outside].max() > 150
        assert picture[outside].max() < 80, f"text leaves the panel at {size}"


def test_signs_that_the_face_does_not_have_are_replaced() -> None:
    assert legible("a \N{EN DASH} b \N{RIGHT SINGLE QUOTATION MARK} \N{CJK UNIFIED IDEOGRAPH-4E2D} é") == "a - b ' ? e"


def test_the_sheet_shows_the_middle_frame_of_each_shot_in_order(tmp_path: Path) -> None:
    clips = [coded(tmp_path / f"{i}.mp4", i, 9) for i in range(3)]

    contact_sheet([SheetEntry(f"s{i}", ("x",), clip) for i, clip in enumerate(clips)], tmp_path / "s.jpg", columns=2)

    with Image.open(tmp_path / "s.jpg") as sheet:
        below = (sheet.height - 2 * 40 - 22 - 2 * 240) // 2
        for number in range(3):
            row, column = divmod(number, 2)
            x, y = 40 + column * 422, 40 + row * (240 + below + 22)
            cell = sheet.crop((x, y, x + 400, y + 240))
            assert np.abs(luma(cell) - code(number, 4)).max() < 10
