"""Takes that are asked of a provider: what each answer, crash and steering leads to, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from pipeline.engines.base import JobState
from pipeline.errors import BackendUnavailable, InputError, Trouble
from pipeline.production import asking
from pipeline.production.books import audit
from pipeline.production.leases import Claim, Parked
from pipeline.production.planning import plan_take
from pipeline.production.resolve import resolve
from pipeline.production.states import RESTING_CUTS, CutState
from pipeline.production.steer import cancel, pause, resume, retry
from pipeline.production.sweep import sweep
from pipeline.production.work import Work
from tests.support.farm import FAST, FAST_PRICE, FINE, FINE_PRICE, POINTS, Call, Made
from tests.support.production import Fate, board
from tests.support.remote import LEASE_S, RemoteProduction, open_remote, remote_surroundings

LATER_S = 130.0
"""After so long a call that was not answered is taken for lost, and its provider's list is complete."""


@pytest.fixture
def remote(tmp_path: Path, template: Path) -> Iterator[RemoteProduction]:
    """A production whose drafts are asked of the provider's fast model, then of its fine one."""
    opened = open_remote(tmp_path, template, models=(FAST, FINE))
    with remote_surroundings(opened):
        yield opened
    opened.base.close()


def submitted(remote: RemoteProduction, shots: Any = 1, **words: Any) -> str:
    """Submit a storyboard; return its cut's id."""
    (receipt,) = remote.base.submit(board(shots, **words))
    return receipt.cut_id


def claimed(remote: RemoteProduction) -> Claim:
    held = remote.base.claim(remote.base.deliver().step_id)
    assert held is not None
    return held


def stopped_at(remote: RemoteProduction, point: str) -> tuple[Claim, Call]:
    """Let a worker stand still in its create call."""
    remote.provider.stops = {point}
    held = claimed(remote)
    call = remote.attempt(held)
    remote.provider.stops = set()
    assert call is not None
    return held, call


def later(remote: RemoteProduction, seconds: float = LATER_S) -> None:
    remote.base.clock.advance(seconds)
    sweep(remote.base.studio)
    remote.deliver()


def the_only(remote: RemoteProduction) -> Made:
    (job,) = remote.provider.jobs.values()
    return job


def cut_state(remote: RemoteProduction) -> str:
    return remote.base.value("SELECT state FROM cuts")


def shot(remote: RemoteProduction) -> Any:
    return remote.base.rows("SELECT * FROM shots")[0]


# All is well


def test_a_take_is_reserved_asked_watched_collected_settled_and_checked(remote: RemoteProduction) -> None:
    submitted(remote)

    remote.deliver()
    asked = remote.take()
    in_flight = (remote.reserved(), remote.charged())
    remote.run()

    assert (asked.state, asked.job, in_flight) == ("generating", "running", (FAST_PRICE, 0))
    assert cut_state(remote) == CutState.DELIVERED
    assert remote.take().state == "accepted"
    assert (remote.reserved(), remote.charged()) == (0, FAST_PRICE)
    remote.books_agree()


def test_what_the_provider_says_that_it_charged_is_what_the_ledger_has(remote: RemoteProduction) -> None:
    remote.provider.tells = True
    submitted(remote, 2)

    remote.run(outcome=lambda job: remote.provider.finish(job, 70_000))

    assert remote.charged() == 140_000
    remote.books_agree()


def test_a_shot_that_continues_another_is_asked_for_when_that_one_is_accepted(remote: RemoteProduction) -> None:
    submitted(remote, [{}, {"continues": "s00"}])
    remote.deliver()
    before = list(remote.provider.jobs)

    remote.run()

    first, second = remote.takes()
    assert len(before) == 1
    assert (first.shot, second.shot, second.state) == ("s00", "s01", "accepted")
    assert first.last_frame_sha256 in second.request
    remote.books_agree()


def test_each_candidate_is_asked_for_and_paid(remote: RemoteProduction) -> None:
    submitted(remote, candidates=3)

    remote.run()

    assert remote.charged() == 3 * FAST_PRICE
    assert [take.candidate for take in remote.takes()] == [0, 1, 2]
    remote.books_agree()


def test_a_take_that_is_adopted_asks_nothing(remote: RemoteProduction) -> None:
    submitted(remote, name="one")
    remote.run()
    again = board(1, name="one", deliverables=2)
    remote.base.submit(again)

    remote.run()

    assert len(remote.provider.asked) == 1
    assert [take.job for take in remote.takes()] == ["ended", None]
    assert remote.charged() == FAST_PRICE


def test_a_rejected_take_was_charged_and_another_is_asked_for(remote: RemoteProduction) -> None:
    submitted(remote, budget={"max_attempts": 2})
    verdicts = iter([True, False])

    remote.run(fate=lambda held: Fate(gate_rejects=held.kind == "check" and next(verdicts)))

    assert [take.state for take in remote.takes()] == ["rejected", "accepted"]
    assert remote.charged() == 2 * FAST_PRICE
    remote.books_agree()


# What a create call can meet


@pytest.mark.parametrize("kind", [Trouble.TRANSIENT, Trouble.CAPACITY])
def test_what_may_pass_parks_the_step_and_the_same_take_is_asked_for_later(
    remote: RemoteProduction, kind: Trouble
) -> None:
    submitted(remote)
    remote.provider.replies.append(kind)

    remote.deliver()
    (step,) = remote.steps()
    waiting = remote.take()
    remote.run()

    assert (waiting.state, waiting.job) == ("planned", "waiting")
    assert (step.state, step.waiting_for, step.attempts) == ("due", FAST, 0)
    assert (remote.take().id, remote.take().state) == (waiting.id, "accepted")
    assert len(remote.provider.asked) == 2
    remote.books_agree()


@pytest.mark.parametrize("kind", [Trouble.REFUSED, Trouble.INVALID, Trouble.OUT_OF_FUNDS, Trouble.RETIRED])
def test_a_model_that_will_not_make_it_is_not_asked_again_in_this_round(
    remote: RemoteProduction, kind: Trouble
) -> None:
    submitted(remote)
    remote.provider.replies.append(kind)

    remote.run()

    first, second = remote.takes()
    assert (first.state, first.trouble, first.charged_micro_usd, first.model) == ("failed", kind, 0, FAST)
    assert (second.state, second.model) == ("accepted", FINE)
    remote.books_agree()


def test_no_model_left_needs_attention_and_names_what_each_said(remote: RemoteProduction) -> None:
    submitted(remote)
    remote.provider.replies.extend([Trouble.REFUSED, Trouble.OUT_OF_FUNDS])

    remote.run()

    assert cut_state(remote) == CutState.NEEDS_ATTENTION
    assert "refused" in shot(remote).reason
    assert "out_of_funds" in shot(remote).reason
    assert remote.charged() == remote.reserved() == 0


def test_a_refusal_that_is_billed_is_in_the_ledger(tmp_path: Path, template: Path) -> None:
    remote = open_remote(tmp_path, template, models=(FAST,), bills=frozenset({"refused_input"}))
    with remote_surroundings(remote):
        submitted(remote)
        remote.provider.replies.append(Trouble.REFUSED)

        remote.run()

        assert remote.charged() == FAST_PRICE
        remote.books_agree()
    remote.base.close()


@pytest.mark.parametrize("reply", [Trouble.UNCERTAIN, ZeroDivisionError("a fault of the engine"), "lost"])
def test_an_answer_that_is_lost_leaves_the_job_unsure_and_nothing_is_asked_again(
    remote: RemoteProduction, reply: Any
) -> None:
    submitted(remote)
    remote.provider.replies.append(reply)

    remote.deliver()
    later(remote)

    assert (remote.take().state, remote.take().job) == ("generating", "unsure")
    assert remote.reserved() == FAST_PRICE
    assert len(remote.provider.asked) <= 1


@pytest.mark.parametrize("kind", [Trouble.INVALID, Trouble.REFUSED])
def test_a_refusal_counts_although_the_cut_was_cancelled_meanwhile(remote: RemoteProduction, kind: Trouble) -> None:
    """Or a job that certainly costs nothing would be held, and wait for a person."""
    remote.provider.reconciles = False
    cut = submitted(remote)
    held, call = stopped_at(remote, "sent")
    cancel(remote.base.studio, cut)
    remote.provider.replies.append(kind)

    remote.hand_in(held, call.go_on)

    assert (remote.take().state, remote.take().job) == ("cancelled", "ended")
    remote.books_agree()


@pytest.mark.parametrize("kind", [Trouble.TRANSIENT, Trouble.CAPACITY, Trouble.INVALID])
@pytest.mark.parametrize("reconciles", [True, False])
def test_a_definite_answer_that_comes_late_ends_the_doubt(
    remote: RemoteProduction, kind: Trouble, reconciles: bool
) -> None:
    remote.provider.reconciles = reconciles
    submitted(remote)
    held, call = stopped_at(remote, "sent")
    later(remote)
    if not reconciles:
        remote.watcher().tick()
    doubted = remote.take().job
    remote.provider.replies.append(kind)

    remote.hand_in(held, call.go_on)

    assert doubted == ("unsure" if reconciles else "held")
    assert (remote.takes()[0].state, remote.takes()[0].job) == ("failed", "ended")
    assert remote.charged() == 0
    assert reconciles or "resolve" not in shot(remote).reason


# Crashes


@pytest.mark.parametrize("point", POINTS[:3])
def test_whoever_dies_in_a_create_call_is_not_followed_by_a_second_one(remote: RemoteProduction, point: str) -> None:
    submitted(remote)
    _, call = stopped_at(remote, point)

    call.die()
    remote.base.clock.advance(LEASE_S + 1)
    sweep(remote.base.studio)
    again = remote.deliver()
    doubted = remote.take()
    remote.run()

    assert (again, doubted.job, doubted.state) == (1, "unsure", "generating")
    accepted = point == "answered"
    assert len(remote.provider.of(doubted.id)) == accepted
    assert [take.state for take in remote.takes()] == (["accepted"] if accepted else ["failed", "accepted"])
    remote.books_agree()


def test_a_worker_that_dies_before_it_asks_has_its_step_done_by_another(remote: RemoteProduction) -> None:
    submitted(remote)
    claimed(remote)

    later(remote, LEASE_S + 1)
    remote.run()

    assert len(remote.provider.asked) == 1
    assert cut_state(remote) == CutState.DELIVERED


def test_a_caller_that_was_frozen_too_long_sends_nothing(remote: RemoteProduction) -> None:
    submitted(remote)
    held, call = stopped_at(remote, "to be sent")

    remote.base.clock.advance(asking.SEND_WITHIN_S + 1)
    remote.hand_in(held, call.go_on)

    assert remote.provider.asked == []
    assert remote.take().job == "waiting"


def test_an_answer_that_comes_after_its_job_was_doubted_is_what_counts(remote: RemoteProduction) -> None:
    submitted(remote)
    held, call = stopped_at(remote, "answered")
    later(remote)

    remote.hand_in(held, call.go_on)

    assert (remote.take().job, remote.take().provider_job) == ("running", the_only(remote).id)
    remote.run()
    remote.books_agree()


def test_an_answer_that_comes_after_its_job_was_found_and_ended_changes_nothing(remote: RemoteProduction) -> None:
    submitted(remote)
    held, call = stopped_at(remote, "answered")
    later(remote)
    remote.run()
    before = remote.base.everything(), remote.take()

    remote.hand_in(held, call.go_on)

    assert (remote.base.everything(), remote.take()) == before


def test_an_answer_that_comes_after_its_job_was_held_brings_it_back(remote: RemoteProduction) -> None:
    remote.provider.reconciles = False
    submitted(remote)
    held, call = stopped_at(remote, "answered")
    later(remote)
    remote.watcher().tick()
    given_up = remote.take(), cut_state(remote)

    remote.hand_in(held, call.go_on)
    remote.run()
    remote.run()

    assert (given_up[0].state, given_up[0].job, given_up[1]) == ("unknown", "held", CutState.NEEDS_ATTENTION)
    assert (remote.take().state, cut_state(remote)) == ("accepted", CutState.DELIVERED)
    remote.books_agree()


@pytest.mark.parametrize("billed", [True, False])
def test_a_job_that_is_accepted_after_all_was_over_is_stopped_and_its_charge_booked(
    tmp_path: Path, template: Path, billed: bool
) -> None:
    remote = open_remote(tmp_path, template, bills=frozenset({"cancelled"} if billed else ()))
    with remote_surroundings(remote):
        submitted(remote)
        held, call = stopped_at(remote, "sent")
        later(remote)
        remote.watcher().tick()
        over = remote.takes()[0]
        assert (over.job, over.outcome) == ("ended", "not_accepted")

        remote.hand_in(held, call.go_on)
        remote.run(outcome=lambda job: None if job.intent == over.id else remote.provider.finish(job))

        (late,) = remote.provider.of(over.id)
        assert (late.state, late.stopped) == (JobState.CANCELLED, True)
        assert remote.charged(over.id) == (FAST_PRICE if billed else 0)
        remote.books_agree()
        assert audit(remote.base.studio).faults == ()
    remote.base.close()


def test_a_put_off_that_comes_while_its_step_is_run_again_leaves_the_step_waiting(remote: RemoteProduction) -> None:
    """Between planning and looking for the job its first caller's answer is written down: ask again, later."""
    submitted(remote)
    first, call = stopped_at(remote, "sent")
    remote.base.clock.advance(LEASE_S + 1)
    sweep(remote.base.studio)
    second = claimed(remote)
    work = Work(remote.base.studio, second, Path(), lambda _share: None)
    planned = plan_take(work)
    remote.provider.replies.append(Trouble.CAPACITY)
    remote.hand_in(first, call.go_on)

    with pytest.raises(Parked):
        asking.look_for(work, planned)

    assert remote.steps()[0].waiting_for == FAST
    remote.run()
    assert cut_state(remote) == CutState.DELIVERED


# Looking for what was lost


def lost(remote: RemoteProduction, reply: str = "lost") -> str:
    cut = submitted(remote, budget={"max_attempts": 1})
    remote.provider.replies.append(reply)
    remote.deliver()
    return cut


def test_what_is_found_runs_on(remote: RemoteProduction) -> None:
    lost(remote)

    remote.watcher().tick()

    assert (remote.take().job, remote.take().provider_job) == ("running", the_only(remote).id)
    remote.run()
    remote.books_agree()


def test_what_was_certainly_never_accepted_is_no_attempt_and_costs_nothing(remote: RemoteProduction) -> None:
    lost(remote, "vanished")

    remote.run()

    first, second = remote.takes()
    assert (first.state, first.trouble, first.outcome) == ("failed", "transient", "not_accepted")
    assert (second.state, second.model) == ("accepted", FAST)
    remote.books_agree()


def test_what_a_provider_never_accepts_is_not_tried_for_ever(remote: RemoteProduction) -> None:
    submitted(remote, budget={"max_attempts": 1})
    remote.provider.replies.extend(["vanished"] * 50)

    remote.run(step_s=60)

    assert cut_state(remote) == CutState.NEEDS_ATTENTION
    assert len(remote.takes()) == 6
    assert remote.charged() == remote.reserved() == 0


@pytest.mark.parametrize("able", [True, False])
def test_what_nobody_can_tell_is_held_with_its_reservation_and_says_what_to_do(
    remote: RemoteProduction, able: bool
) -> None:
    remote.provider.reconciles = able
    remote.provider.unreachable = able
    lost_before = remote.provider.replies
    submitted(remote)
    lost_before.append(ZeroDivisionError("the line is dead"))
    remote.deliver()
    watcher = remote.watcher()

    for _ in range(12):
        watcher.tick()
        remote.base.clock.advance(LATER_S)

    take = remote.take()
    assert (take.state, take.job, cut_state(remote)) == ("unknown", "held", CutState.NEEDS_ATTENTION)
    assert (remote.reserved(), remote.charged()) == (FAST_PRICE, 0)
    assert f"dailies resolve {take.id}" in shot(remote).reason


@pytest.mark.parametrize("charged", [True, False])
def test_a_held_take_is_settled_by_a_persons_word_and_its_shot_retried(remote: RemoteProduction, charged: bool) -> None:
    remote.provider.reconciles = False
    cut = lost(remote, "lost" if charged else "vanished")
    remote.watcher().tick()
    take = remote.take()
    for job in remote.provider.running:
        remote.provider.finish(job)

    resolve(remote.base.studio, take.id, charged=charged)
    retry(remote.base.studio, cut)
    remote.run()

    assert cut_state(remote) == CutState.DELIVERED
    assert remote.charged(take.id) == (FAST_PRICE if charged else 0)
    remote.books_agree()


def test_a_retry_leaves_an_unknown_take_held_and_asks_for_another(remote: RemoteProduction) -> None:
    remote.provider.reconciles = False
    cut = lost(remote)
    remote.watcher().tick()

    retry(remote.base.studio, cut)
    remote.run()

    assert [take.state for take in remote.takes()] == ["unknown", "accepted"]
    assert (remote.reserved(), remote.charged()) == (FAST_PRICE, FAST_PRICE)
    remote.books_agree()


# Deadlines and providers that do not end


def long_after(remote: RemoteProduction, *, watcher: Any = None) -> None:
    watching = watcher or remote.watcher()
    for _ in range(14):
        watching.tick()
        remote.base.clock.advance(LATER_S)
        sweep(remote.base.studio)


def test_a_job_that_outlives_its_deadline_is_stopped_and_another_take_asked_for(remote: RemoteProduction) -> None:
    submitted(remote)
    remote.deliver()
    first = the_only(remote)

    long_after(remote)
    remote.run()

    assert first.stopped
    assert [take.state for take in remote.takes()] == ["failed", "accepted"]
    remote.books_agree()


def test_a_job_that_ended_while_nobody_watched_is_collected_however_long_ago_and_not_stopped(
    remote: RemoteProduction,
) -> None:
    submitted(remote)
    remote.deliver()
    first = the_only(remote)
    remote.provider.finish(first)

    remote.base.clock.advance(12 * 3600)
    remote.run()

    assert not first.stopped
    assert [take.state for take in remote.takes()] == ["accepted"]
    remote.books_agree()


def test_polls_that_failed_are_no_tries_to_collect(remote: RemoteProduction) -> None:
    submitted(remote)
    remote.deliver()
    watcher = remote.watcher()
    remote.provider.unreachable = True
    for _ in range(14):
        remote.base.clock.advance(60)
        watcher.tick()
    remote.provider.unreachable = False
    remote.provider.finish(the_only(remote), result="gone")

    remote.base.clock.advance(LATER_S)
    watcher.tick()

    assert (remote.take().state, remote.take().job) == ("generating", "running")


def test_one_that_cannot_be_stopped_is_held_and_collected_when_it_ends_after_all(remote: RemoteProduction) -> None:
    remote.provider.cancels = False
    submitted(remote)
    remote.deliver()

    long_after(remote)
    held = remote.take(), cut_state(remote), remote.reserved()
    remote.provider.finish(the_only(remote))
    remote.base.clock.advance(700)
    remote.watcher("patient").tick()
    remote.run()

    assert (held[0].state, held[0].job, *held[1:]) == ("unknown", "held", CutState.NEEDS_ATTENTION, FAST_PRICE)
    assert (remote.take().state, cut_state(remote)) == ("accepted", CutState.DELIVERED)
    remote.books_agree()


def test_a_held_job_that_fails_after_all_no_longer_asks_a_person_to_find_out(remote: RemoteProduction) -> None:
    remote.provider.cancels = False
    submitted(remote)
    remote.deliver()
    long_after(remote)

    remote.provider.fail(the_only(remote))
    remote.base.clock.advance(700)
    remote.watcher("patient").tick()

    assert (remote.take().state, remote.take().job) == ("failed", "ended")
    assert "resolve" not in shot(remote).reason
    assert "came to nothing" in shot(remote).reason
    remote.books_agree()


def test_a_job_that_its_provider_no_longer_knows_is_held(remote: RemoteProduction) -> None:
    submitted(remote)
    remote.deliver()
    the_only(remote).known = False

    remote.base.clock.advance(6)
    remote.watcher().tick()

    assert (remote.take().state, remote.reserved()) == ("unknown", FAST_PRICE)


def test_a_provider_that_cannot_be_reached_for_a_while_loses_nothing(remote: RemoteProduction) -> None:
    submitted(remote)
    remote.deliver()
    watcher = remote.watcher()
    remote.provider.unreachable = True
    for _ in range(5):
        remote.base.clock.advance(60)
        watcher.tick()

    remote.provider.unreachable = False
    remote.run(watcher)

    assert len(remote.provider.asked) == 1
    assert cut_state(remote) == CutState.DELIVERED


# Collecting


def test_a_clip_that_can_not_be_decoded_is_downloaded_thrice_and_then_paid_for_nothing(
    remote: RemoteProduction,
) -> None:
    submitted(remote, budget={"max_attempts": 1})
    remote.deliver()
    remote.provider.finish(the_only(remote), result="corrupt")
    watcher = remote.watcher()
    states = []

    for _ in range(3):
        remote.base.clock.advance(LATER_S)
        watcher.tick()
        states.append(remote.take().state)

    assert states == ["generating", "generating", "failed"]
    assert "decoded" in remote.take().reason
    assert remote.charged() == FAST_PRICE
    remote.books_agree()


def test_a_result_that_can_not_be_had_any_more_was_charged_and_its_take_failed(remote: RemoteProduction) -> None:
    submitted(remote, budget={"max_attempts": 1})

    remote.run(outcome=lambda job: remote.provider.finish(job, result="gone"), step_s=LATER_S)

    assert (remote.take().state, cut_state(remote)) == ("failed", CutState.NEEDS_ATTENTION)
    assert "could not be collected" in remote.take().reason
    assert remote.charged() == FAST_PRICE
    remote.books_agree()


@pytest.mark.parametrize("error", [BackendUnavailable("the storage does not answer."), OSError(28, "No space left")])
def test_a_storage_that_is_away_while_a_clip_is_collected_loses_nothing(
    remote: RemoteProduction, error: Exception
) -> None:
    submitted(remote)
    remote.deliver()
    remote.provider.finish(the_only(remote))
    watcher = remote.watcher()
    with mock.patch.object(type(remote.base.studio.artifacts), "add", side_effect=error):
        for _ in range(20):
            remote.base.clock.advance(30)
            watcher.tick()
    away = remote.take()

    remote.run(watcher)

    assert (away.state, away.job) == ("generating", "running")
    assert remote.take().state == "accepted"
    assert list(remote.base.studio.settings.scratch.glob("job-*")) == []
    remote.books_agree()


def test_two_watchers_that_end_the_same_job_settle_it_once(remote: RemoteProduction) -> None:
    submitted(remote)
    remote.deliver()
    take = remote.take().id
    frozen = remote.watcher("frozen")
    remote.base.clock.advance(6)
    remote.provider.finish(the_only(remote))
    remote.provider.stops = {"collecting"}
    frozen.tick()
    remote.provider.stops = set()
    remote.base.clock.advance(LEASE_S + 1)

    remote.watcher("second").tick()
    settled = remote.charged()
    frozen.go_on(take)

    assert settled == remote.charged() == FAST_PRICE
    remote.run()
    remote.books_agree()


# Steering


def test_a_cancel_is_taken_to_the_provider_and_until_it_answers_the_money_stays_reserved(
    remote: RemoteProduction,
) -> None:
    cut = submitted(remote)
    remote.deliver()

    cancel(remote.base.studio, cut)
    waiting = remote.take(), remote.reserved()
    remote.base.clock.advance(6)
    remote.watcher().tick()

    assert (waiting[0].state, waiting[1]) == ("generating", FAST_PRICE)
    assert the_only(remote).stopped
    assert (remote.take().state, cut_state(remote)) == ("cancelled", CutState.CANCELLED)
    assert remote.charged() == remote.reserved() == 0


def test_a_cancel_drops_what_was_not_asked_for(remote: RemoteProduction) -> None:
    cut = submitted(remote)
    remote.provider.replies.append(Trouble.CAPACITY)
    remote.deliver()

    cancel(remote.base.studio, cut)
    remote.run()

    assert (remote.take().state, remote.take().job) == ("cancelled", "ended")
    assert remote.reserved() == 0
    assert len(remote.provider.asked) == 1


@pytest.mark.parametrize("reply", ["accepted", "lost", "vanished", Trouble.CAPACITY])
def test_a_cancel_in_the_middle_of_a_create_call_stops_what_comes_of_it(remote: RemoteProduction, reply: Any) -> None:
    cut = submitted(remote)
    held, call = stopped_at(remote, "sent")
    cancel(remote.base.studio, cut)
    if reply != "accepted":
        remote.provider.replies.append(reply)

    remote.hand_in(held, call.go_on)
    remote.run(outcome=lambda _job: None)

    assert all(job.stopped for job in remote.provider.jobs.values())
    assert remote.take().state == "cancelled"
    assert remote.charged() == remote.reserved() == 0
    remote.books_agree()


def test_a_clip_that_was_made_before_its_cancel_arrived_is_charged_and_its_take_ends(remote: RemoteProduction) -> None:
    cut = submitted(remote)
    remote.deliver()
    cancel(remote.base.studio, cut)
    remote.provider.finish(the_only(remote))

    remote.run()

    assert (remote.take().state, cut_state(remote)) == ("cancelled", CutState.CANCELLED)
    remote.books_agree()


@pytest.mark.parametrize("bills", [frozenset({"failed"}), frozenset({"cancelled"}), frozenset()])
def test_a_failure_of_a_job_that_was_to_be_stopped_is_never_booked_below_the_bill(
    tmp_path: Path, template: Path, bills: frozenset[str]
) -> None:
    remote = open_remote(tmp_path, template, bills=bills)
    with remote_surroundings(remote):
        cut = submitted(remote)
        remote.deliver()
        cancel(remote.base.studio, cut)

        remote.run(outcome=remote.provider.fail)

        assert remote.charged() == (FAST_PRICE if bills else 0) >= remote.provider.charged
    remote.base.close()


def test_a_retry_after_a_cancel_does_not_wait_for_the_job_that_is_being_stopped(remote: RemoteProduction) -> None:
    cut = submitted(remote)
    remote.deliver()
    cancel(remote.base.studio, cut)

    retry(remote.base.studio, cut)
    remote.run()

    assert cut_state(remote) == CutState.DELIVERED
    assert sorted(take.state for take in remote.takes()) == ["accepted", "cancelled"]
    remote.books_agree()


def test_a_pause_keeps_a_step_from_asking_and_lets_takes_in_flight_finish(remote: RemoteProduction) -> None:
    cut = submitted(remote, 2)
    remote.attempt(claimed(remote))
    held = claimed(remote)
    pause(remote.base.studio, cut)

    remote.attempt(held)
    remote.provider.finish(the_only(remote))
    remote.base.clock.advance(6)
    remote.watcher().tick()
    paused = [take.state for take in remote.takes()], len(remote.provider.asked)
    resume(remote.base.studio, cut)
    remote.run()

    assert paused == (["generated", "planned"], 1)
    assert cut_state(remote) == CutState.DELIVERED
    remote.books_agree()


# Money


def test_what_there_is_no_money_for_leaves_nothing_reserved_and_needs_attention(remote: RemoteProduction) -> None:
    submitted(remote)
    remote.base.studio = replace(
        remote.base.studio, settings=replace(remote.base.studio.settings, account_cap=FAST_PRICE - 1)
    )

    remote.run()

    assert (cut_state(remote), remote.provider.asked) == (CutState.NEEDS_ATTENTION, [])
    assert remote.reserved() == remote.charged() == 0
    assert "account" in shot(remote).reason
    assert audit(remote.base.studio).faults == ()


def test_an_unasked_take_is_planned_anew_at_the_days_price(tmp_path: Path, template: Path) -> None:
    limits = {FAST: {"concurrent": 1}}
    remote = open_remote(tmp_path, template, limits=limits, prices={FAST: [("2000-01-01", 100_000)]})
    with remote_surroundings(remote):
        submitted(remote, 2)
        remote.deliver()
        planned = remote.takes()[1]
        remote.registry(limits=limits, prices={FAST: [("2000-01-01", 100_000), ("2026-11-22", 120_000)]})
        remote.base.clock.advance(5 * 3600)
        remote.provider.finish(the_only(remote), FAST_PRICE)
        remote.provider.prices["fast"] = 120_000

        remote.run()

        assert (planned.state, planned.price_micro_usd) == ("planned", 100_000)
        assert [take.charged_micro_usd for take in remote.takes()] == [100_000, 120_000]
        remote.books_agree()
    remote.base.close()


def test_an_unasked_take_goes_to_another_model_when_its_own_has_left_the_registry(
    tmp_path: Path, template: Path
) -> None:
    remote = open_remote(tmp_path, template, models=(FAST, FINE), limits={FAST: {"concurrent": 1}})
    with remote_surroundings(remote):
        submitted(remote, 2)
        remote.deliver()
        remote.registry(prices={FINE: FINE_PRICE})

        remote.run()

        assert [take.model for take in remote.takes()] == [FAST, FINE]
        assert cut_state(remote) == CutState.DELIVERED
    remote.base.close()


def test_a_step_that_fails_for_good_before_it_asks_costs_nothing(remote: RemoteProduction) -> None:
    submitted(remote, budget={"max_attempts": 1})
    with mock.patch("pipeline.production.asking.remote_engine", side_effect=InputError("it is not configured.")):
        remote.deliver()

    assert (remote.take().state, remote.take().job) == ("failed", "ended")
    assert CutState(cut_state(remote)) in RESTING_CUTS
    assert remote.reserved() == remote.charged() == 0
