"""The one use case of every task: how each way in which a step's code can end becomes the step's state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from sqlalchemy.orm import Session

from pipeline.errors import BackendUnavailable, ConfigurationError, MediaError, StaleLease
from pipeline.production import perform as performing
from pipeline.production import work as working
from pipeline.production.perform import Ended, perform
from pipeline.production.planning import plan_take
from pipeline.production.states import TakeState
from pipeline.production.status import cut_status
from pipeline.production.steer import cancel, retry
from pipeline.production.work import Work
from pipeline.store.tables import CutRow, StepRow, TakeRow
from tests.support.production import Production, board, step_code


@pytest.fixture
def step_id(production: Production) -> str:
    """A published step that generates the only take that its shot may have."""
    production.submit(board(1, budget={"max_attempts": 1}))
    return production.deliver().step_id


def performed(production: Production, step_id: str, code: Callable[[Work], Any]) -> Ended:
    with mock.patch.object(performing, "import_module", return_value=SimpleNamespace(execute=code)):
        return perform(production.studio, step_id, "test")


def raising(error: BaseException) -> Callable[[Work], Any]:
    def code(_work: Work) -> Any:
        raise error

    return code


def state(production: Production, step_id: str) -> str:
    return production.value("SELECT state FROM steps WHERE id = ?", step_id)


def test_a_step_that_succeeds_is_done_and_what_follows_is_sent(production: Production, step_id: str) -> None:
    assert performed(production, step_id, step_code(performing.StepKind.GENERATE)) is Ended.DONE

    assert state(production, step_id) == "done"
    assert [message.kind for message in production.broker.messages] == ["check"]


def test_a_duplicate_message_finds_nothing_to_do(production: Production, step_id: str) -> None:
    performed(production, step_id, step_code(performing.StepKind.GENERATE))
    before = production.everything()

    assert performed(production, step_id, raising(AssertionError("it ran twice"))) is Ended.NOTHING_TO_DO

    assert production.everything() == before


@pytest.mark.parametrize(
    "error",
    [BackendUnavailable("the storage does not answer."), OSError(28, "No space left"), ZeroDivisionError("a fault")],
)
def test_what_may_pass_is_tried_again_later(production: Production, step_id: str, error: Exception) -> None:
    assert performed(production, step_id, raising(error)) is Ended.WILL_RETRY

    assert state(production, step_id) == "due"
    assert str(error) in production.value("SELECT error FROM steps")


def test_an_outage_however_long_kills_no_step_and_uses_up_no_attempt(production: Production, step_id: str) -> None:
    waits: list[float] = []
    for _ in range(12):
        assert performed(production, step_id, raising(OSError(28, "No space left"))) is Ended.WILL_RETRY
        with production.studio.database.read() as session:
            waits.append((session.get_one(StepRow, step_id).not_before - production.clock()).total_seconds())
        production.clock.advance(400)

    assert production.value("SELECT attempts FROM steps") == 0
    assert waits[:4] == [2, 4, 8, 16]
    assert max(waits) == waits[-1] == 300
    status = cut_status(production.studio, production.value("SELECT id FROM cuts"))
    assert "No space left" in status.shots[0].reason


@pytest.mark.parametrize("error", [ConfigurationError("no such engine."), MediaError("it can't be decoded.")])
def test_what_will_not_pass_fails_for_good_with_its_reason_on_the_shot(
    production: Production, step_id: str, error: Exception
) -> None:
    assert performed(production, step_id, raising(error)) is Ended.FAILED

    assert state(production, step_id) == "dead"
    assert str(error) in production.value("SELECT reason FROM shots")


def test_a_cancelled_step_ends_without_an_effect(production: Production, step_id: str) -> None:
    def cancelled_meanwhile(_work: Work) -> Any:
        cancel(production.studio, production.value("SELECT id FROM cuts"))
        return lambda _session: pytest.fail("its effect was written")

    assert performed(production, step_id, cancelled_meanwhile) is Ended.TAKEN_OVER

    assert state(production, step_id) == "dead"


def test_code_that_notices_that_it_was_taken_over_changes_nothing(production: Production, step_id: str) -> None:
    assert performed(production, step_id, raising(StaleLease("gone."))) is Ended.TAKEN_OVER


def test_a_worker_that_is_shut_down_gives_the_step_back_and_stops(production: Production, step_id: str) -> None:
    with pytest.raises(SystemExit):
        performed(production, step_id, raising(SystemExit(0)))

    assert state(production, step_id) == "due"
    assert production.value("SELECT attempts FROM steps") == 0


def test_a_worker_that_is_shut_down_stops_even_if_its_step_was_cancelled(production: Production, step_id: str) -> None:
    def cancelled_and_shut_down(_work: Work) -> Any:
        cancel(production.studio, production.value("SELECT id FROM cuts"))
        raise SystemExit(0)

    with pytest.raises(SystemExit):
        performed(production, step_id, cancelled_and_shut_down)


def test_a_worker_that_is_shut_down_stops_even_if_the_database_does_not_answer(
    production: Production, step_id: str
) -> None:
    gone = BackendUnavailable("the database does not answer.")

    with mock.patch.object(performing, "give_back", side_effect=gone), pytest.raises(SystemExit):
        performed(production, step_id, raising(SystemExit(0)))


def test_a_lease_is_renewed_again_after_an_error_that_nobody_expected(production: Production, step_id: str) -> None:
    held = production.claim(step_id)
    assert held is not None
    studio = replace(production.studio, settings=replace(production.studio.settings, lease_s=0.03))
    keeper = working.LeaseKeeper(studio, held)

    with mock.patch.object(working, "renew", side_effect=[ZeroDivisionError("a fault"), False]) as renewed:
        keeper.start()
        keeper._lost.wait(20)
        keeper.stop()

    assert renewed.call_count == 2
    with pytest.raises(StaleLease):
        keeper.progress(0.5)


def test_a_take_whose_outcome_is_unknown_waits_for_a_person_and_keeps_its_price(production: Production) -> None:
    production.submit(board(1))
    step_id = production.deliver().step_id

    def lost_reply(work: Work) -> Any:
        planned = plan_take(work)

        def effect(session: Session) -> None:
            take = session.get_one(TakeRow, planned.take_id)
            take.state, take.reason = TakeState.UNKNOWN, "the connection broke"

        return effect

    assert performed(production, step_id, lost_reply) is Ended.DONE

    (shot,) = production.rows("SELECT * FROM shots")
    assert (shot.state, production.value("SELECT state FROM cuts")) == ("needs_attention", "needs_attention")
    assert "unknown (the connection broke)" in shot.reason
    assert production.broker.messages == []
    retry(production.studio, production.value("SELECT id FROM cuts"))
    production.run()
    assert production.value("SELECT state FROM cuts") == "delivered"
    takes = production.rows("SELECT * FROM takes ORDER BY number")
    assert [take.state for take in takes] == ["unknown", "accepted"]
    kinds = production.rows("SELECT kind FROM ledger WHERE take_id = ? ORDER BY kind", takes[0].id)
    assert [row.kind for row in kinds] == ["reserve"]


def test_an_effect_that_breaks_leaves_nothing_half_written(production: Production, step_id: str) -> None:
    def half(session: Any) -> None:
        session.get_one(CutRow, production.value("SELECT id FROM cuts")).reason = "half written"
        session.flush()
        raise ZeroDivisionError

    assert performed(production, step_id, lambda _work: half) is Ended.WILL_RETRY

    assert production.value("SELECT reason FROM cuts") == ""
    assert state(production, step_id) == "due"


def test_a_broker_that_is_down_when_a_step_ends_loses_nothing(production: Production, step_id: str) -> None:
    production.broker.down = True

    assert performed(production, step_id, step_code(performing.StepKind.GENERATE)) is Ended.DONE

    assert production.value("SELECT state FROM steps WHERE kind = 'check'") == "due"


def test_the_steps_folder_is_gone_afterwards_whatever_happened(production: Production, step_id: str) -> None:
    def leaves_files(work: Work) -> Any:
        (work.scratch / "half.mp4").write_bytes(b"half")
        raise OSError

    performed(production, step_id, leaves_files)

    assert list(production.studio.settings.scratch.iterdir()) == []
