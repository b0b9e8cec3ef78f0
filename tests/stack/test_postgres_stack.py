"""A film on a real PostgreSQL, a real redis-server and a real Celery worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from pipeline.production.states import CutState
from pipeline.store.tables import LedgerRow, StepRow, TakeRow
from tests.support.postgres import PostgresServer
from tests.support.stack import RunningStack, board, running_stack

pytestmark = pytest.mark.stack

PIER = """\
schema_version: 1
id: pier
defaults: {duration_s: 0.5}
deliverables: [{resolution: 120p, fps: 12}]
shots:
  - {id: wide, prompt: "A pier at dawn, calm sea"}
  - {id: on, prompt: "Closer to the pier", continues: wide}
"""


def test_a_preview_film_comes_out_of_postgresql_though_the_server_restarts_meanwhile(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.fresh_database()
    with running_stack(tmp_path / "home", DAILIES_DATABASE_URL=url) as run:
        cut = run.submit(board(tmp_path / "pier.yaml", PIER))
        run.wait(cut, lambda _: _running(run) > 0)

        postgres.kill()
        postgres.start()
        finished = run.finish(cut)

        assert finished.state is CutState.DELIVERED, (finished.reason, [shot.reason for shot in finished.shots])
        assert [film.frames for film in finished.films] == [12]
        with run.studio.database.read() as session:
            takes = session.scalars(select(TakeRow).order_by(TakeRow.number)).all()
            ended = session.execute(select(LedgerRow.take_id, func.count()).group_by(LedgerRow.take_id)).all()
            states = set(session.scalars(select(StepRow.state)))
    assert [take.state for take in takes] == ["accepted", "accepted"]
    assert len(ended) == 2
    assert states <= {"done", "dead"}
    assert not (tmp_path / "home" / "dailies.db").exists(), "something used the file of the embedded stack"


def _running(run: RunningStack) -> int:
    with run.studio.database.read() as session:
        return session.scalar(select(func.count()).where(StepRow.state == "running")) or 0
