import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.engines import catalog
from pipeline.engines.base import RemoteEngine
from pipeline.errors import ConfigurationError

PACKAGE = """
from pipeline.engines.base import Engine

class AcmeEngine(Engine):
    name = "acme"
    version = "1"

    @classmethod
    def missing_settings(cls, environment):
        return () if environment.get("ACME_KEY") else ("ACME_KEY",)

class NoEngine:
    pass
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package of somebody else's, installed in a folder on the path with its entry points."""
    (tmp_path / "acme_dailies.py").write_text(PACKAGE)
    info = tmp_path / "acme_dailies-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-dailies\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[dailies.engines]\nacme = acme_dailies:AcmeEngine\nbroken = no_such_module:Engine\n"
        "wrong = acme_dailies:NoEngine\nanimatic = acme_dailies:AcmeEngine\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    catalog._added.cache_clear()
    yield
    catalog._added.cache_clear()


def test_the_animatic_engine_needs_no_settings() -> None:
    assert catalog.available({})["animatic"] == ()


@pytest.mark.parametrize("name", catalog.SHIPPED)
def test_every_shipped_engine_loads_under_its_own_name_and_agrees_on_its_settings(name: str) -> None:
    engine = catalog.engine_class(name)

    assert issubclass(engine, RemoteEngine) == catalog.SHIPPED[name].remote
    assert engine.name == name
    assert engine.version
    assert engine.missing_settings({}) == catalog.missing_settings(name, {})


def test_an_unknown_engine_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean animatic"):
        catalog.load_engine("animatik")


@pytest.mark.usefixtures("acme")
def test_a_package_adds_an_engine_by_an_entry_point() -> None:
    engine = catalog.engine_class("acme")

    assert engine.name == "acme"
    assert "acme" in catalog.engine_names()
    assert catalog.available({})["acme"] == ("ACME_KEY",)
    assert catalog.available({"ACME_KEY": "k"}, ["acme", "none"]) == {"acme": ()}


@pytest.mark.usefixtures("acme")
def test_a_package_can_not_take_over_a_shipped_engine() -> None:
    assert catalog.engine_class("animatic").__module__.startswith("pipeline.engines.animatic")


@pytest.mark.usefixtures("acme")
def test_an_engine_that_can_not_be_imported_stops_nothing_until_it_is_used() -> None:
    assert "broken" not in catalog.available({})
    with pytest.raises(ConfigurationError, match="no_such_module"):
        catalog.load_engine("broken")
    with pytest.raises(ConfigurationError, match="no subclass"):
        catalog.load_engine("wrong")


def test_of_each_group_of_settings_one_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = catalog.Listed("m:C", settings=(("A_KEY", "B_KEY"), ("C_URL",)))
    monkeypatch.setattr(catalog, "SHIPPED", {"x": listed})

    assert catalog.missing_settings("x", {}) == ("A_KEY or B_KEY", "C_URL")
    assert catalog.missing_settings("x", {"B_KEY": "1", "C_URL": ""}) == ("C_URL",)
    assert catalog.missing_settings("x", {"A_KEY": "1", "C_URL": "u"}) == ()


def test_asking_what_is_available_imports_no_engine() -> None:
    program = (
        "import json, sys\n"
        "from pipeline.engines import catalog\n"
        "catalog.available({}); catalog.engine_names()\n"
        "print(json.dumps([m for m in sys.modules if m.startswith('pipeline.engines.')]))\n"
        "catalog.load_engine('animatic')\n"
        "print('pipeline.engines.animatic' in sys.modules)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    before, after = done.stdout.splitlines()
    assert set(json.loads(before)) == {"pipeline.engines.base", "pipeline.engines.catalog"}
    assert after == "True"
