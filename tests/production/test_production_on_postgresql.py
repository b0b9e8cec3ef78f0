"""The tests of claims, races, sweeps, steering and submitting once more, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.production import test_claims_and_races, test_steering, test_submitting, test_sweeping
from tests.production.test_sweeping import backlog
from tests.support.postgres import PostgresServer
from tests.support.production import Production, opened, settings_in, simulated_surroundings

__all__ = ["backlog"]

for module in (test_claims_and_races, test_steering, test_submitting, test_sweeping):
    globals().update({name: item for name, item in vars(module).items() if name.startswith("test_")})


@pytest.fixture
def production(tmp_path: Path, postgres: PostgresServer, priced: Path) -> Iterator[Production]:
    """A production whose takes cost money, on PostgreSQL."""
    made = opened(settings_in(tmp_path, priced, postgres.emptied_database()))
    with simulated_surroundings(made.fate):
        yield made
    made.close()
