"""Many workers, sweeps and people at once, on SQLite and on PostgreSQL: each step claimed once, no deadlock."""

from __future__ import annotations

import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.errors import BackendUnavailable, DailiesError, InputError, StaleLease
from pipeline.production import leases
from pipeline.production.leases import Claim
from pipeline.production.states import RESTING_CUTS, CutState
from pipeline.production.steer import cancel, pause, resume, retry
from pipeline.production.sweep import send, sweep
from pipeline.production.views import lock_cut
from pipeline.production.watching import give_jobs_back, keep_jobs, note_progress
from pipeline.store.tables import CutRow, JobRow, StepRow, TakeRow
from tests.support.production import Fate, Production, board, opened, settings_in, simulated_surroundings

THREADS = 7
ACTS = 45
"""Of each thread: some three hundred in all."""


@pytest.fixture(params=["sqlite", "postgresql"])
def production(request: pytest.FixtureRequest, tmp_path: Path, template: Path, priced: Path) -> Iterator[Production]:
    if request.param == "sqlite":
        shutil.copy(template, tmp_path / "dailies.db")
        url = None
    else:
        url = request.getfixturevalue("postgres").emptied_database()
    made = opened(settings_in(tmp_path, priced, url))
    with simulated_surroundings(made.fate):
        yield made
    made.close()


def at_once(actions: list[Callable[[], Any]]) -> list[Any]:
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        barrier.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def test_two_sweeps_at_once_publish_every_step_that_is_due_once(production: Production) -> None:
    production.broker.down = True
    production.submit(board(40))
    production.broker.down = False

    swept = at_once([lambda: sweep(production.studio)] * 4)

    assert sum(each.due for each in swept) == 40
    sent = Counter(message.step_id for message in production.broker.published)
    assert len(sent) == 40
    assert set(sent.values()) == {1}


def test_a_sweep_passes_over_what_another_one_holds_instead_of_waiting_for_it(production: Production) -> None:
    if production.studio.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time: there is nothing to pass over")
    production.broker.down = True
    production.submit(board(3))
    production.broker.down = False
    with production.studio.database.write() as session:
        held = session.scalars(select(StepRow.id).order_by(StepRow.id).limit(1).with_for_update()).one()

        swept = sweep(production.studio)

        assert swept.due == 2
        assert held not in {message.step_id for message in production.broker.published}
    assert sweep(production.studio).due == 1


def test_a_broker_that_is_away_makes_nobody_wait_for_a_step_that_another_one_holds(production: Production) -> None:
    if production.studio.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time: there is nothing to pass over")
    production.submit(board(3))
    messages = list(production.broker.messages)
    production.broker.down = True
    with production.studio.database.write() as session:
        held = session.scalars(select(StepRow.id).order_by(StepRow.id).limit(1).with_for_update()).one()

        with pytest.raises(BackendUnavailable, match="simulated"):
            send(production.studio, messages)

        states = {step.id: step.state for step in production.rows("SELECT id, state FROM steps")}
    assert states.pop(held) == "published", "it counts as sent, and is missed by a later sweep"
    assert set(states.values()) == {"due"}


def test_a_watcher_never_waits_for_one_of_its_jobs_with_the_others_in_its_hands(production: Production) -> None:
    if production.studio.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time: there is nothing to pass over")
    held, free = jobs_of(production, "watcher", 2)
    until = production.clock()
    with production.studio.database.write() as session:
        session.scalars(select(JobRow).where(JobRow.take_id == held).with_for_update()).one()

        kept = keep_jobs(production.studio, "watcher", lease_s=60)
        note_progress(production.studio, "watcher", [(take, 0, 0.5, 0, until) for take in (held, free)])
        give_jobs_back(production.studio, "watcher")

    assert set(kept) == {held, free}, "what is passed over is the watcher's own all the same"
    jobs = {job.take_id: job for job in production.rows("SELECT * FROM jobs")}
    assert (jobs[held].lease_owner, jobs[held].progress) == ("watcher", 0)
    assert (jobs[free].lease_owner, jobs[free].progress) == (None, 0.5)


def jobs_of(production: Production, owner: str, count: int) -> list[str]:
    """Make jobs at a provider that somebody watches; return their takes."""
    production.submit(board(count))
    for _ in range(count):
        claim = production.claim(production.deliver().step_id)
        assert claim is not None
        production.work(claim)
    now = production.clock()
    with production.studio.database.write() as session:
        takes = session.scalars(select(TakeRow).order_by(TakeRow.id)).all()
        for take in takes:
            job = JobRow(
                take_id=take.id,
                cut_id=take.cut_id,
                engine="far",
                model="far/away",
                share=take.cut_id,
                state="running",
                provider_job=f"job of {take.id}",
                ticket={},
                lease_owner=owner,
                lease_expires_at=now,
                next_poll_at=now,
            )
            session.add(job)
        return [take.id for take in takes]


def test_a_person_who_waited_for_a_cut_finds_it_as_it_is_then(production: Production) -> None:
    (receipt,) = production.submit(board(1))
    database = production.studio.database
    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            cut = lock_cut(session, receipt.cut_id)
            waits = pool.submit(lambda: cancel(production.studio, receipt.cut_id))
            _wait_until_blocked(production, waits.done)
            cut.state, cut.finished_at = CutState.DELIVERED, production.clock()
        with pytest.raises(InputError, match="delivered"):
            waits.result()

    assert production.value("SELECT state FROM cuts") == "delivered"


def _wait_until_blocked(production: Production, done: Callable[[], bool]) -> None:
    """Wait until the other transaction waits for ours; SQLite's waits at its begin and has read nothing."""
    if production.studio.database.engine.dialect.name == "sqlite":
        return
    while not done() and not production.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        pass


def test_a_lock_reads_a_row_again_that_was_read_without(production: Production) -> None:
    (receipt,) = production.submit(board(1))
    with production.studio.database.write() as session:
        seen = session.get_one(CutRow, receipt.cut_id)
        before = seen.reason
        session.connection().exec_driver_sql("UPDATE cuts SET reason = 'changed meanwhile'")

        locked = lock_cut(session, receipt.cut_id)

        assert (before, locked.reason) == ("", "changed meanwhile")


class Crowd:
    """Threads that do what workers, sweeps and people do, in no order; what they may not see is an error."""

    def __init__(self, production: Production, cuts: list[str]) -> None:
        self.production = production
        self.cuts = cuts
        self.claims: list[tuple[str, int]] = []
        self.acts: Counter[str] = Counter()

    def live(self, seed: int) -> None:
        chance, held = random.Random(seed), []
        for _ in range(ACTS):
            act = chance.choice([self.claim] * 4 + [self.answer] * 5 + [self.sweep, self.steer, self.disturb])
            try:
                act(chance, held)
            except (StaleLease, InputError):
                self.acts["refused"] += 1
            except BackendUnavailable as error:
                if "simulated" not in str(error):
                    raise  # not the broker's but the database's: a deadlock
            else:
                self.acts[act.__name__] += 1

    def claim(self, chance: random.Random, held: list[Claim]) -> None:
        messages = self.production.broker.messages
        try:
            message = messages.pop(chance.randrange(len(messages) or 1))
        except IndexError:
            return
        if chance.random() < 0.3:
            messages.append(message)  # delivered twice
        claim = self.production.claim(message.step_id)
        if claim is not None:
            self.claims.append((claim.step_id, claim.fence))
            held.append(claim)

    def answer(self, chance: random.Random, held: list[Claim]) -> None:
        if not held:
            return
        claim = held.pop(chance.randrange(len(held)))
        studio = self.production.studio
        match chance.choice(["completes"] * 6 + ["renews", "fails", "is lost", "gives back", "postpones"]):
            case "completes":
                self.complete(claim, Fate(chance.random() < 0.1, chance.random() < 0.1))
            case "renews":
                leases.renew(studio, claim, 0.5)
                held.append(claim)
            case "fails":
                self.production.fail(claim, for_good=chance.random() < 0.3)
            case "gives back":
                leases.give_back(studio, claim)
            case "postpones":
                leases.postpone(studio, claim, "The disk is full.")
            case _:
                pass

    def complete(self, claim: Claim, fate: Fate) -> None:
        try:
            effect = self.production.work(claim, fate)
        except (StaleLease, BackendUnavailable):
            raise
        except DailiesError as error:  # no money is left, say
            self.production.fail(claim, str(error), for_good=True)
        else:
            self.production.complete(claim, effect)

    def sweep(self, *_: object) -> None:
        sweep(self.production.studio)

    def steer(self, chance: random.Random, _held: list[Claim]) -> None:
        what = chance.choice([pause, resume, resume, retry, retry, cancel])
        what(self.production.studio, chance.choice(self.cuts))

    def disturb(self, chance: random.Random, _held: list[Claim]) -> None:
        match chance.choice(["time passes", "a lease runs out", "messages are lost", "the broker is away"]):
            case "time passes":
                self.production.clock.advance(9)
            case "a lease runs out":
                self.production.clock.advance(31)
            case "messages are lost":
                self.production.broker.messages.clear()
            case _:
                self.production.broker.down = not self.production.broker.down


def test_a_crowd_claims_each_step_once_loses_nothing_and_nobody_waits_for_ever(production: Production) -> None:
    boards = [board(4, name=name, deliverables=2, budget={"limit_usd": 3}) for name in ("one", "two", "three")]
    crowd = Crowd(production, [receipt.cut_id for receipt in production.submit(*boards)])

    at_once([lambda n=n: crowd.live(n) for n in range(THREADS)])

    assert max(Counter(crowd.claims).values()) == 1, "two hold the same step under the same fence"
    assert crowd.acts["claim"] > 50
    assert crowd.acts["sweep"] > 5
    bring_to_rest(production)
    books_balance(production)


def bring_to_rest(production: Production) -> None:
    production.broker.down = False
    for cut in production.rows("SELECT id FROM cuts WHERE paused"):
        resume(production.studio, cut.id)
    for _ in range(40):
        production.run()
        states = {CutState(cut.state) for cut in production.rows("SELECT state FROM cuts")}
        if states <= set(RESTING_CUTS):
            return
        production.clock.advance(301)
        sweep(production.studio)
    raise AssertionError("a cut never comes to rest")


def books_balance(production: Production) -> None:
    assert not production.rows(
        "SELECT shot_id FROM takes GROUP BY shot_id, round, candidate, attempt HAVING count(*) > 1"
    )
    takes = production.rows(
        "SELECT t.id, t.state, t.charged_micro_usd AS charged, coalesce(sum(l.amount_micro_usd * CASE l.kind"
        " WHEN 'reserve' THEN 1 ELSE -1 END), 0) AS open, coalesce(sum(CASE l.kind WHEN 'settle' THEN"
        " l.amount_micro_usd ELSE 0 END), 0) AS settled FROM takes t LEFT JOIN ledger l ON l.take_id = t.id"
        " GROUP BY t.id, t.state, t.charged_micro_usd"
    )
    assert takes
    assert all(take.open == 0 and take.settled == take.charged for take in takes), takes
