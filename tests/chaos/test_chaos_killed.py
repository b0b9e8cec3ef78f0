"""A short run of the chaos that ``make chaos`` makes: processes killed at every point of the paid call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.conductor import run
from tests.chaos.points import PAID_CALL
from tests.chaos.scenarios import SHOTS, once, quiet_provider, reached

pytestmark = pytest.mark.stack


def test_killed_at_every_point_of_the_paid_call_with_a_provider_that_can_tell_nothing(tmp_path: Path) -> None:
    hits = [(point, "kill") for point in (*PAID_CALL, "end:commit")]

    outcome = run(4, tmp_path / "run", havoc_s=40.0, shots=SHOTS, script=once(*hits), change=quiet_provider)

    assert outcome.reconcile == "none"
    assert outcome.faults == []
    reached(outcome.havoc, *hits)
    # After begin:leave, create:sent, create:leave and accepted:commit nobody can know; nothing is asked for again.
    assert outcome.figures.held == 4
