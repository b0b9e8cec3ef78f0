from pathlib import Path

import pytest

from pipeline.registry import markdown
from pipeline.registry.document import PAGE, page
from pipeline.registry.load import load_registry
from tests.support.registry_samples import PAID, write


def test_the_page_on_models_is_current() -> None:
    assert (markdown.DOCS / PAGE).read_text() == page(load_registry()), "python -m pipeline.registry.document"


def test_the_page_shows_prices_with_their_days_and_retirement_with_its_successor(tmp_path: Path) -> None:
    text = page(load_registry(write(tmp_path, PAID)))

    assert "| `one` | 2026-01-01 until 2026-11-21 | $0.1 per second |" in text
    assert "$0.2 per second if resolution 1080p; $0.123457 per second" in text
    assert "at least $0.5, batch 50% off" in text
    assert "| 2026-11-21 | `acme/old` | `acme/one` |" in text
    assert text.index("## acme") < text.index("| 2026-11-21 | `acme/old`")


def test_the_overlay_that_the_page_shows_is_a_valid_one(tmp_path: Path) -> None:
    example = page(load_registry()).split("```yaml\n")[1].split("```")[0]

    assert "acme/one" in load_registry(write(tmp_path, example)).models


def test_check_tells_an_old_page_from_a_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "DOCS", tmp_path)

    assert markdown.main("p.md", "new", ["--check"]) == 1
    assert markdown.main("p.md", "new", []) == 0
    assert markdown.main("p.md", "new", ["--check"]) == 0
    assert markdown.main("p.md", "newer", ["--check"]) == 1
    assert markdown.main("p.md", "new", ["--what"]) == 2
