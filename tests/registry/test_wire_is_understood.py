"""What the registry says of a model's wire is read by its engine before anything is asked of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.engines.base import RemoteEngine
from pipeline.engines.catalog import engine_class
from pipeline.errors import ConfigurationError
from pipeline.production.rules import current_rules
from pipeline.registry.load import load_registry
from pipeline.registry.model import Model
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


def test_every_shipped_wire_is_understood_by_its_engine() -> None:
    models = [model for model in load_registry().models.values() if model.wire]

    faults = {model.id: _faults(model) for model in models}

    assert models
    assert not {name: said for name, said in faults.items() if said}


def _faults(model: Model) -> tuple[str, ...]:
    engine = engine_class(model.engine)
    assert issubclass(engine, RemoteEngine)
    return engine.check_wire(model.wire)


def test_the_shipped_registry_is_read_without_importing_an_engine() -> None:
    code = (
        "import sys\nfrom pipeline.production.rules import current_rules\nfrom pipeline.settings import read_settings\n"
        "current_rules(read_settings({}))\nprint('pipeline.engines.fal' in sys.modules)"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "False"
