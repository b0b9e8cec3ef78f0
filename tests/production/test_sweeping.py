"""The sweep finds what was lost, once, and leaves a healthy backlog alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from unittest import mock

import pytest

from pipeline.errors import BackendUnavailable
from pipeline.production import boards
from pipeline.production import sweep as sweeping
from pipeline.production.leases import renew
from pipeline.production.outbox import StepMessage
from pipeline.production.steer import pause, resume
from pipeline.production.submit import BATCH, INTERACTIVE, STANDARD
from pipeline.production.sweep import Swept, sweep
from tests.support.production import Production, board

NOTHING = Swept(expired=0, due=0, lost=0, stalled=0)


def ids(messages: list[StepMessage]) -> list[str]:
    return [message.step_id for message in messages]


@pytest.fixture
def backlog(production: Production) -> Production:
    """A backlog of 500 published steps, an hour old, each with its message in the broker."""
    production.submit(board(500))
    production.broker.batches.clear()
    production.clock.advance(3600)
    return production


def test_a_healthy_backlog_is_left_alone_however_old_it_is(backlog: Production) -> None:
    assert sweep(backlog.studio) == NOTHING
    assert backlog.broker.published == []


def test_an_emptied_broker_gets_every_message_again_exactly_once_in_batches(backlog: Production) -> None:
    backlog.broker.messages.clear()

    with mock.patch.object(sweeping, "BATCH", 200):
        swept = [sweep(backlog.studio).lost for _ in range(5)]

    assert swept == [200, 200, 100, 0, 0]
    assert Counter(ids(backlog.broker.published)) == Counter(step.id for step in backlog.rows("SELECT id FROM steps"))


def test_only_as_many_messages_are_sent_again_as_are_missing(backlog: Production) -> None:
    del backlog.broker.messages[:7]

    assert sweep(backlog.studio).lost == 7
    assert sweep(backlog.studio).lost == 0


def test_an_urgent_message_that_is_lost_does_not_wait_behind_a_nights_backlog(backlog: Production) -> None:
    backlog.submit(board(1, name="now"), priority=INTERACTIVE)
    lost = backlog.broker.messages.pop()
    backlog.broker.batches.clear()
    backlog.clock.advance(60)

    assert sweep(backlog.studio).lost == 1

    assert ids(backlog.broker.published) == [lost.step_id]


@pytest.mark.parametrize("stuck", ["stalled", "expired"])
def test_a_cut_that_cannot_be_advanced_keeps_no_other_from_going_on(production: Production, stuck: str) -> None:
    (bad,) = production.submit(board(1, name="bad", budget={"max_attempts": 1}))
    poison = production.deliver().step_id
    production.submit(board(1, name="good"))
    good = production.deliver().step_id
    production.tamper("UPDATE storyboards SET body = '{}' WHERE key = 'bad'")
    if stuck == "stalled":
        production.tamper("DELETE FROM steps WHERE cut_id = ?", bad.cut_id)
    else:
        production.tamper("UPDATE steps SET max_attempts = 1 WHERE cut_id = ?", bad.cut_id)
    boards._boards.clear()
    if stuck == "expired":
        assert production.claim(poison) is not None
    production.clock.advance(3600)

    swept = sweep(production.studio)

    assert swept.lost == 1
    assert ids(production.broker.messages) == [good]


def test_steps_that_have_just_come_due_do_not_count_as_lost_messages(backlog: Production) -> None:
    held = backlog.claim(backlog.deliver().step_id)
    assert held is not None
    backlog.fail(held, for_good=False)
    backlog.clock.advance(60)

    assert sweep(backlog.studio) == Swept(expired=0, due=1, lost=0, stalled=0)


def test_a_message_that_was_just_sent_is_not_missed_yet(production: Production) -> None:
    production.submit(board(3))
    production.broker.messages.clear()
    production.clock.advance(production.studio.settings.republish_after_s - 1)

    assert sweep(production.studio) == NOTHING


def test_a_broker_that_cannot_count_is_taken_to_have_lost_what_is_overdue(backlog: Production) -> None:
    with mock.patch.object(backlog.broker, "depth", return_value=None):
        swept = sweep(backlog.studio)

    assert swept.lost == 500


def test_while_the_broker_is_down_steps_are_due_and_go_out_when_it_is_back(backlog: Production) -> None:
    backlog.broker.messages.clear()
    backlog.broker.down = True

    with pytest.raises(BackendUnavailable):
        sweep(backlog.studio)

    assert backlog.value("SELECT count(*) FROM steps WHERE state = 'due' AND published_at IS NULL") == 500
    backlog.broker.down = False
    assert sweep(backlog.studio) == Swept(expired=0, due=500, lost=0, stalled=0)
    assert len(backlog.broker.messages) == 500


def test_a_submission_while_the_broker_is_down_is_kept_and_sent_later(production: Production) -> None:
    production.broker.down = True

    production.submit(board(2))

    assert production.value("SELECT count(*) FROM steps WHERE state = 'due'") == 2
    production.broker.down = False
    sweep(production.studio)
    production.run()
    assert production.value("SELECT state FROM cuts") == "delivered"


def test_a_paused_cut_is_not_sent_whether_due_or_lost(production: Production) -> None:
    (receipt,) = production.submit(board(3))
    pause(production.studio, receipt.cut_id)
    production.broker.messages.clear()
    production.broker.batches.clear()
    production.clock.advance(3600)

    assert sweep(production.studio) == NOTHING

    resume(production.studio, receipt.cut_id)
    assert len(production.broker.published) == 3


def test_a_cut_whose_time_has_not_come_is_not_sent(production: Production) -> None:
    start = production.clock.now.replace(hour=22)
    production.submit(board(2), not_before=start)

    assert production.broker.published == []
    assert sweep(production.studio) == NOTHING

    production.clock.now = start
    assert sweep(production.studio).due == 2


def test_what_is_due_goes_out_by_priority(production: Production) -> None:
    production.broker.down = True
    for name, priority in (("night", BATCH), ("now", INTERACTIVE), ("day", STANDARD)):
        production.submit(board(2, name=name), priority=priority)
    production.broker.down = False

    sweep(production.studio)

    assert [message.priority for message in production.broker.published] == [0, 0, 3, 3, 6, 6]
    assert [message.label.split("/")[0] for message in production.broker.published[:2]] == ["now", "now"]


def test_when_fewer_fit_in_a_sweep_than_are_due_the_urgent_ones_go_first(production: Production) -> None:
    production.broker.down = True
    production.submit(board(3, name="night"), priority=BATCH)
    production.submit(board(3, name="now"), priority=INTERACTIVE)
    production.broker.down = False

    with mock.patch.object(sweeping, "BATCH", 3):
        sweep(production.studio)

    assert {message.priority for message in production.broker.published} == {INTERACTIVE}


def test_a_lost_workers_step_is_free_after_its_lease_and_not_before(production: Production) -> None:
    production.submit(board(1))
    lost = production.claim(production.deliver().step_id, "worker that dies")
    assert lost is not None
    production.clock.advance(production.studio.settings.lease_s)

    assert sweep(production.studio) == NOTHING

    production.clock.advance(1)
    assert sweep(production.studio) == Swept(expired=1, due=1, lost=0, stalled=0)
    assert "worker that dies" in production.value("SELECT error FROM steps")
    production.run()
    assert production.value("SELECT state FROM cuts") == "delivered"


def test_a_step_that_kills_every_worker_dies_and_its_shot_needs_attention(production: Production) -> None:
    production.submit(board(2, budget={"max_attempts": 1}))
    poison = production.deliver().step_id
    production.run()

    for _ in range(4):
        assert production.claim(poison) is not None
        production.clock.advance(31)
        sweep(production.studio)

    assert production.value("SELECT state FROM steps WHERE id = ?", poison) == "dead"
    assert [(cut.state, cut.reason) for cut in production.rows("SELECT * FROM cuts")] == [
        ("needs_attention", "Of 2 shots, 1 needs attention.")
    ]
    assert sorted(shot.state for shot in production.rows("SELECT * FROM shots")) == ["needs_attention", "ready"]


def test_a_lease_that_is_renewed_does_not_expire(production: Production) -> None:
    production.submit(board(1))
    held = production.claim(production.deliver().step_id)
    assert held is not None

    for _ in range(5):
        production.clock.advance(20)
        assert renew(production.studio, held, 0.4)
        assert sweep(production.studio) == NOTHING
    assert production.value("SELECT progress FROM steps") == pytest.approx(0.4)


@pytest.mark.parametrize(
    "lose",
    [lambda _production: None, lambda production: production.tamper("DELETE FROM steps")],
    ids=["healthy", "stalled"],
)
def test_a_cut_for_which_nothing_is_open_is_advanced(production: Production, lose: Callable[..., None]) -> None:
    production.submit(board(1))
    production.broker.batches.clear()
    lose(production)

    swept = sweep(production.studio)

    steps = production.value("SELECT count(*) FROM steps")
    assert (steps, swept.stalled, len(production.broker.published)) in ((1, 0, 0), (1, 1, 1))
