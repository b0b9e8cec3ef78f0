"""Who may work on what, and whose result counts: with threads and processes on one database."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.errors import BudgetRefused, StaleLease
from pipeline.production import leases
from pipeline.production.leases import Claim
from pipeline.production.steer import cancel, pause
from pipeline.production.sweep import sweep
from tests.support.production import Fate, Production, board, submit_in_a_process


def at_once(actions: list[Callable[[], Any]]) -> list[Any]:
    """Run actions in threads that start together; return their results, or what they raised."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return action()
        except StaleLease as stale:
            return stale

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def test_of_eight_claimers_of_one_step_one_gets_it(production: Production) -> None:
    production.submit(board(1))
    step_id = production.deliver().step_id

    claims = at_once([lambda n=n: production.claim(step_id, f"worker{n}") for n in range(8)])

    (won,) = [claim for claim in claims if claim is not None]
    (step,) = production.rows("SELECT * FROM steps")
    assert (step.state, step.attempts, step.fence) == ("running", 1, won.fence)


def test_eight_workers_share_eight_steps_without_sharing_one(production: Production) -> None:
    production.submit(board(8))
    step_ids = [message.step_id for message in production.broker.messages]

    claims = at_once([lambda n=n: [production.claim(step_id, f"worker{n}") for step_id in step_ids] for n in range(4)])

    held = [claim.step_id for each in claims for claim in each if claim is not None]
    assert sorted(held) == sorted(step_ids)


def test_of_two_completions_of_one_claim_one_is_stale(production: Production) -> None:
    held = _claimed(production)
    effect = production.work(held)

    results = at_once([lambda: leases.complete(production.studio, held, effect)] * 2)

    assert sum(isinstance(result, StaleLease) for result in results) == 1
    assert production.value("SELECT count(*) FROM ledger WHERE kind = 'settle'") == 1
    assert production.value("SELECT count(*) FROM steps WHERE kind = 'check'") == 1


def test_two_workers_that_plan_the_same_step_plan_one_take(production: Production) -> None:
    held = _claimed(production)

    at_once([lambda: production.work(held)] * 2)

    assert production.value("SELECT count(*) FROM takes") == 1
    assert production.value("SELECT count(*) FROM ledger WHERE kind = 'reserve'") == 1


def test_shots_that_end_together_make_the_cut_go_on_exactly_once(production: Production) -> None:
    production.submit(board(4))
    while message := next((m for m in production.broker.messages if m.kind != "conform"), None):
        production.broker.messages.remove(message)
        production.perform(message.step_id)
    helds = [production.claim(production.deliver().step_id) for _ in range(4)]
    ready = [(held, production.work(held)) for held in helds if held is not None]

    at_once([lambda held=held, effect=effect: production.complete(held, effect) for held, effect in ready])

    assert production.value("SELECT count(*) FROM steps WHERE kind = 'match'") == 1
    assert len(production.broker.messages) == 1


def test_processes_that_submit_the_same_storyboard_at_once_share_one_cut(production: Production) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        cut_ids = pool.map(submit_in_a_process, [(production.studio.settings, 6)] * 4)

    assert len(set(cut_ids)) == 1
    assert production.value("SELECT count(*) FROM cuts") == 1
    assert production.value("SELECT count(*) FROM shots") == 6
    assert production.value("SELECT count(*) FROM steps") == 6


def test_a_worker_that_froze_past_its_lease_changes_nothing(production: Production) -> None:
    held = _claimed(production)
    effect = production.work(held)
    production.clock.advance(31)
    sweep(production.studio)
    before = production.everything()

    with pytest.raises(StaleLease):
        leases.complete(production.studio, held, effect)
    with pytest.raises(StaleLease):
        leases.fail(production.studio, held, "late", for_good=True)
    with pytest.raises(StaleLease):
        production.work(held)
    leases.give_back(production.studio, held)
    assert not leases.renew(production.studio, held, 0.9)

    assert production.everything() == before


def test_the_worker_that_took_over_finishes_the_take_that_the_first_one_planned(production: Production) -> None:
    first = _claimed(production)
    late = production.work(first)
    production.clock.advance(31)
    sweep(production.studio)
    second = production.claim(first.step_id, "second")
    assert second is not None
    assert second.fence > first.fence

    production.complete(second, production.work(second))

    with pytest.raises(StaleLease):
        leases.complete(production.studio, first, late)
    production.run()
    assert [take.state for take in production.rows("SELECT * FROM takes")] == ["accepted"]
    assert production.value("SELECT sum(amount_micro_usd) FROM ledger WHERE kind = 'settle'") == 50_000


def test_a_late_worker_cannot_answer_for_the_one_that_is_working_on_its_step_now(production: Production) -> None:
    first = _claimed(production)
    late = production.work(first)
    production.clock.advance(31)
    sweep(production.studio)
    second = production.claim(first.step_id, "second")
    assert second is not None
    before = production.everything()

    with pytest.raises(StaleLease):
        leases.complete(production.studio, first, late)
    with pytest.raises(StaleLease):
        leases.fail(production.studio, first, "late", for_good=False)
    with pytest.raises(StaleLease):
        production.work(first)
    leases.give_back(production.studio, first)
    assert not leases.renew(production.studio, first, 0.9)

    assert production.everything() == before


def test_a_step_of_a_paused_cut_is_due_again_instead_of_claimed(production: Production) -> None:
    (receipt,) = production.submit(board(1))
    pause(production.studio, receipt.cut_id)

    assert production.claim(production.deliver().step_id) is None

    assert production.value("SELECT state FROM steps") == "due"


def test_a_worker_whose_clock_is_behind_does_what_was_published(production: Production) -> None:
    production.submit(board(1))
    production.clock.advance(-2)

    assert production.claim(production.deliver().step_id) is not None


def test_a_step_of_a_cancelled_cut_and_one_that_is_unknown_cannot_be_claimed(production: Production) -> None:
    (receipt,) = production.submit(board(1))
    cancel(production.studio, receipt.cut_id)

    assert production.claim(production.deliver().step_id) is None
    assert production.claim("no such step") is None


def test_transient_failures_wait_longer_each_time_until_the_step_dies(production: Production) -> None:
    production.submit(board(1, budget={"max_attempts": 1}))
    step_id = production.deliver().step_id
    waits = []

    for _ in range(4):
        held = production.claim(step_id)
        assert held is not None
        production.work(held)
        production.fail(held, "the disk is full", for_good=False)
        (step,) = production.rows("SELECT * FROM steps WHERE id = ?", step_id)
        if step.state == "due":
            assert production.claim(step_id) is None, "claimed before its time"
            until = datetime.fromisoformat(step.not_before).replace(tzinfo=UTC)
            waits.append((until - production.clock.now).total_seconds())
            production.clock.now = until

    assert waits == sorted(waits) == list(leases.RETRY_AFTER_S)
    (shot,) = production.rows("SELECT * FROM shots")
    assert (shot.state, "the disk is full" in shot.reason) == ("needs_attention", True)
    entries = production.rows("SELECT * FROM ledger WHERE amount_micro_usd > 0")
    assert {entry.kind: entry.amount_micro_usd for entry in entries} == {"reserve": 50_000, "release": 50_000}


def test_a_worker_that_shuts_down_gives_its_attempt_back(production: Production) -> None:
    held = _claimed(production)

    leases.give_back(production.studio, held)

    (step,) = production.rows("SELECT * FROM steps")
    assert (step.state, step.attempts, step.lease_owner) == ("due", 0, None)
    assert production.claim(held.step_id) is not None


def test_an_engine_that_fails_hands_the_shot_to_the_next_model_and_costs_nothing(production: Production) -> None:
    held = _claimed(production)

    production.complete(held, production.work(held, Fate(engine_fails=True)))
    production.run()

    takes = production.rows("SELECT * FROM takes ORDER BY number")
    assert [(take.model, take.state, take.charged_micro_usd) for take in takes] == [
        ("animatic/painted", "failed", 0),
        ("animatic/pencil", "accepted", 80_000),
    ]
    assert "simulated engine can't" in takes[0].reason
    entries = production.rows("SELECT * FROM ledger WHERE take_id = ? AND amount_micro_usd > 0", takes[0].id)
    assert {entry.kind: entry.amount_micro_usd for entry in entries} == {"reserve": 50_000, "release": 50_000}


def test_a_rejected_take_is_tried_again_with_another_seed_and_is_charged(production: Production) -> None:
    production.submit(board(1))
    verdicts = iter([True, False])

    production.run(lambda held: Fate(gate_rejects=held.kind == "check" and next(verdicts)))

    takes = production.rows("SELECT * FROM takes ORDER BY number")
    assert [(take.state, take.charged_micro_usd) for take in takes] == [("rejected", 50_000), ("accepted", 50_000)]
    assert takes[0].seed != takes[1].seed


def test_a_reservation_beyond_the_budget_stops_the_shot_and_no_other(production: Production) -> None:
    production.submit(board(2, budget={"limit_usd": 0.12}))
    shots = {shot.key: shot.id for shot in production.rows("SELECT * FROM shots")}

    _run_until_refused(production, shots["s00"])

    states = {shot.key: (shot.state, shot.reason) for shot in production.rows("SELECT * FROM shots")}
    assert states["s01"][0] == "ready"
    assert states["s00"][0] == "needs_attention"
    assert "cap of $0.12" in states["s00"][1]
    assert production.value("SELECT sum(amount_micro_usd) FROM ledger WHERE kind = 'settle'") == 100_000


def _run_until_refused(production: Production, rejected_shot: str) -> None:
    """Work on everything; the takes of one shot are rejected, and what a budget refuses fails for good."""
    while production.broker.messages:
        held = production.claim(production.deliver().step_id)
        if held is None:
            continue
        try:
            effect = production.work(held, Fate(gate_rejects=held.shot_id == rejected_shot))
        except BudgetRefused as refused:
            production.fail(held, str(refused), for_good=True)
        else:
            production.complete(held, effect)


def _claimed(production: Production) -> Claim:
    production.submit(board(1))
    held = production.claim(production.deliver().step_id)
    assert held is not None
    return held
