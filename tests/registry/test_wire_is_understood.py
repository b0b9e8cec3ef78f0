"""What the registry says of a model's wire is read by its engine before anything is asked of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from pipeline.production.rules import current_rules
from pipeline.settings import read_settings

OVERLAY = """\
format: 1
engine: openai_compatible
provider: test
models:
  openai_compatible/wan:
    kind: video
    capabilities: {modes: [text-to-video], durations: {max_s: 5}, resolutions: any, aspect_ratios: any, fps: any}
    wire: WIRE
"""


def rules(folder: Path, wire: str) -> object:
    path = folder / "overlay.yaml"
    path.write_text(OVERLAY.replace("WIRE", wire))
    return current_rules(read_settings({"DAILIES_HOME": str(folder), "DAILIES_REGISTRY": str(path)}))


def test_a_wire_that_its_engine_does_not_understand_is_refused_naming_model_and_field(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"openai_compatible/wan.*seeed"):
        rules(tmp_path, "{seeed: true}")


def test_a_wire_that_its_engine_understands_is_taken(tmp_path: Path) -> None:
    assert rules(tmp_path, "{seed: true}")
