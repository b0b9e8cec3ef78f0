"""``models``, ``models review`` and ``models refresh``."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.registry.load import load_registry

if TYPE_CHECKING:
    from tests.console.conftest import Dailies

CATALOG = {
    "data": [
        {"id": "runway/gen-4.5", "pricing_skus": {"cents_per_second_output": "12"}},
        {"id": "minimax/hailuo-2.3", "pricing_skus": {"duration_seconds": "0.09"}},
        {"id": "acme/brand-new", "pricing_skus": {"duration_seconds": "1"}},
    ]
}


@pytest.fixture
def openrouter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(CATALOG).encode()
            self.send_response(200 if self.path == "/videos/models" else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's word
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("DAILIES_OPENROUTER_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("FAL_KEY", raising=False)
    yield
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_list_names_every_model_by_its_whole_id_the_retired_ones_last(dailies: Dailies) -> None:
    out = dailies("models").out

    assert out.index("openrouter/google/veo-3.1") < out.index("Retired; refused by name")
    assert out.index("Retired; refused by name") < out.index("openai_compatible/sora-2")


def test_review_lists_what_should_be_looked_at(dailies: Dailies) -> None:
    said = dailies("models", "review", "--json")

    assert said.code == 0
    matters = {(each["matter"], each["subject"]) for each in said.document["remarks"]}
    assert ("retired", "openai_compatible/sora-2") in matters
    assert ("unpriced", "runway/kling_4") in matters
    assert said.document["counts"]["changed"] == 0
    assert "Unpriced" in dailies("models", "review").out


def test_refresh_shows_the_differences_and_writes_nothing_unasked(
    dailies: Dailies, openrouter: None, tmp_path: Path
) -> None:
    before = set(tmp_path.rglob("*.yaml"))

    out = dailies("models", "refresh").out

    assert "openrouter/minimax/hailuo-2.3: changed" in out
    assert "- $0.0817 per second" in out
    assert "+ $0.09 per second" in out
    assert "Confirmed (1): openrouter/runway/gen-4.5" in out
    assert "Not in the registry (1): openrouter/acme/brand-new" in out
    assert set(tmp_path.rglob("*.yaml")) == before


def test_refresh_writes_an_overlay_that_the_registry_takes(dailies: Dailies, openrouter: None, tmp_path: Path) -> None:
    overlay = tmp_path / "prices.yaml"

    said = dailies("models", "refresh", "--engine", "openrouter", "--write", str(overlay), "--json")

    assert said.code == 0
    [listed] = said.document["engines"]
    outcomes = {each["id"]: each["outcome"] for each in listed["models"]}
    assert outcomes["openrouter/minimax/hailuo-2.3"] == "changed"
    assert outcomes["openrouter/google/veo-3.1"] == "not listed"
    registry = load_registry(overlay)
    assert str(registry.get("openrouter/minimax/hailuo-2.3").prices[-1].rates[0].usd) == "0.09"
    assert not isinstance(registry.get("openrouter/runway/gen-4.5").prices[-1].verified, str)
    assert registry.get("openrouter/google/veo-3.1") == load_registry().get("openrouter/google/veo-3.1")


def test_refresh_refuses_an_engine_without_a_list_and_a_place_that_cant_be_written(
    dailies: Dailies, openrouter: None, tmp_path: Path
) -> None:
    unknown = dailies("models", "refresh", "--engine", "opnrouter", "--json")
    nowhere = dailies("models", "refresh", "--write", str(tmp_path / "no" / "where.yaml"), "--json")

    assert unknown.code == nowhere.code == 5
    assert unknown.error["remedy"] == "Did you mean openrouter?"
    assert "can't be written" in nowhere.error["what"]
