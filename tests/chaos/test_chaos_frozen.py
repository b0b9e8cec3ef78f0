"""A short run of the chaos that ``make chaos`` makes: processes frozen past their lease, answers of commits lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.conductor import run
from tests.chaos.scenarios import SHOTS, once, quiet_provider, reached
from tests.support.postgres import started_or_skipped

pytestmark = pytest.mark.stack


def test_frozen_past_the_lease_and_answers_to_commits_lost_on_postgresql(tmp_path: Path) -> None:
    frozen = [(point, "freeze 5") for point in ("create:leave", "end:commit")]
    lost = [(point, "lose") for point in ("claim:leave", "begin:leave", "complete:leave", "watch:leave", "found:leave")]

    with started_or_skipped() as postgres:
        outcome = run(
            5, tmp_path / "run", postgres=postgres, havoc_s=40.0, shots=SHOTS, script=once(*frozen, *lost),
            change=quiet_provider,
        )  # fmt: skip

    assert outcome.reconcile == "idempotency"
    assert outcome.faults == []
    assert outcome.figures.held == 0
    reached(outcome.havoc, *frozen, *lost)
