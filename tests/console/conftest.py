"""The command line in this process, with a state folder and a storyboard of its own."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.cli import main

BOARD = """\
    schema_version: 1
    id: tiny
    title: Tiny
    deliverables:
      - {name: main, aspect_ratio: "16:9", resolution: 160x90, fps: 12}
    shots:
      - {id: a, prompt: A lighthouse at dusk, duration_s: 0.5}
      - {id: b, prompt: The sea at night, duration_s: 0.5}
    """

PRICED_MODEL = """\
    format: 1
    engine: animatic
    provider: Dailies
    models:
      animatic/painted:
        prices: [{from: 2000-01-01, rates: [{unit: clip, usd: "2"}], source: a test, verified: 2026-11-21}]
    """


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document; fails if there is anything beside it."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        return self.document["error"]


Dailies = Callable[..., Said]
Write = Callable[[str, str], Path]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("BROKER_URL", "DATABASE_URL", "STORAGE_URL", "S3_ENDPOINT_URL", "REGISTRY", "ROUTING"):
        monkeypatch.delenv(f"DAILIES_{name}", raising=False)
    monkeypatch.setenv("DAILIES_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


@pytest.fixture
def dailies(home: Path, capsys: pytest.CaptureFixture[str]) -> Dailies:
    def run(*words: object) -> Said:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def board(write: Write) -> Path:
    return write("board.yaml", BOARD)


@pytest.fixture
def priced(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a take of the painted animatic cost two dollars."""
    monkeypatch.setenv("DAILIES_REGISTRY", str(write("prices.yaml", PRICED_MODEL)))
