"""Fixtures of production's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import postgres
from tests.support.production import (
    Fate,
    Production,
    open_production,
    priced_registry,
    simulated_surroundings,
    template_database,
)

__all__ = ["postgres"]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the present version."""
    return template_database(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry in which takes cost money."""
    return priced_registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def production(tmp_path: Path, template: Path, priced: Path) -> Iterator[Production]:
    """A production whose takes cost money."""
    opened = open_production(tmp_path, template, priced)
    with simulated_surroundings(opened.fate):
        yield opened
    opened.close()


@pytest.fixture
def fate() -> Fate:
    """A kind fate."""
    return Fate()
