"""Random interleavings of everything that can happen to a production, on the real database code.

Workers claim, work and answer in separate rules, so that a worker that dies simply never answers, one that
froze answers after others took over, and two race for the same message. Messages are delivered in any order,
twice, or never. People pause, cancel and retry in between.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipeline.errors import BackendUnavailable, BudgetRefused, DailiesError, InputError, StaleLease
from pipeline.production import leases
from pipeline.production.leases import Claim, Effect
from pipeline.production.states import (
    ENDED_TAKES,
    OPEN_STEPS,
    RESTING_CUTS,
    CutState,
    ShotState,
    StepKind,
    TakeState,
)
from pipeline.production.steer import cancel, pause, resume, retry
from pipeline.production.sweep import sweep
from pipeline.storyboard.load import LoadedStoryboard
from pipeline.units import usd
from tests.support.production import (
    PAINTED,
    Fate,
    Production,
    board,
    open_production,
    simulated_surroundings,
)

LEASE_S = 30.0
MOST_CUTS = 2
OUTCOMES = (
    *("succeeds", "succeeds", "rejected", "rejected", "engine fails", "engine fails"),
    *("fails for now", "fails for good", "is shut down"),
    *("works on", "works on", "only claims", "dies"),
)
"""What a worker does with a step. One that works on or only claimed it may answer later, or never."""
RESTING_SHOTS = {ShotState.READY, ShotState.NEEDS_ATTENTION, ShotState.CANCELLED}


@dataclass
class Held:
    """A worker at work: what it claimed, and the result that it has not handed in yet."""

    claim: Claim
    effect: Effect | None = None


@st.composite
def storyboards(draw: st.DrawFn) -> LoadedStoryboard:
    """Small storyboards with any graph of shots, any caps, and budgets that sometimes refuse."""
    count = draw(st.integers(1, 6))
    order = draw(st.permutations(range(count)))
    shots: list[dict[str, Any]] = [{} for _ in range(count)]
    for place, shot in enumerate(order):
        if place and draw(st.booleans()):
            shots[shot]["continues"] = f"s{order[draw(st.integers(0, place - 1))]:02d}"
        if draw(st.integers(0, 4)) == 0:
            shots[shot]["max_cost_usd"] = draw(st.sampled_from([0.05, 0.12]))
    candidates = draw(st.sampled_from([1, 1, 2]))
    budget: dict[str, Any] = {"max_attempts": draw(st.integers(1, 3))}
    if draw(st.booleans()):
        budget["limit_usd"] = round(0.06 * count * candidates + draw(st.sampled_from([0.0, 0.05, 0.3])), 2)
    return board(
        shots,
        name=f"board{draw(st.integers(0, 3))}",
        deliverables=draw(st.sampled_from([1, 1, 2])),
        budget=budget,
        candidates=candidates,
    )


class Interleavings(RuleBasedStateMachine):
    """One production to which anything happens."""

    template: Path
    overlay: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.production: Production = open_production(Path(self.folder.name), self.template, self.overlay)
        self.surroundings = simulated_surroundings(self.production.fate)
        self.surroundings.__enter__()
        self.workers: list[Held] = []
        self.shot_caps: dict[tuple[str, str], int] = {}
        self.generated: set[str] = set()

    # What happens

    @initialize(loaded=storyboards(), priority=st.sampled_from([0, 3, 6]))
    def begin(self, loaded: LoadedStoryboard, priority: int) -> None:
        self.submit(loaded, priority, delayed=False)

    @rule(loaded=storyboards(), priority=st.sampled_from([0, 3, 6]), delayed=st.booleans())
    @precondition(lambda self: self.cuts() < MOST_CUTS)
    def submit(self, loaded: LoadedStoryboard, priority: int, delayed: bool) -> None:
        clock = self.production.clock
        not_before = clock.now.replace(minute=(clock.now.minute + 1) % 60) if delayed else None
        before = self.cuts()
        try:
            (receipt,) = self.production.submit(loaded, priority=priority, not_before=not_before)
        except BudgetRefused:
            assert self.cuts() == before, "a refused storyboard left something behind"
        except BackendUnavailable:
            assert self.production.broker.down
        else:
            assert receipt.existed == (self.cuts() == before)
        for cut in self.production.rows(
            "SELECT c.id FROM cuts c JOIN storyboards b ON b.id = c.storyboard_id WHERE b.content_hash = ?",
            loaded.content_hash,
        ):
            for shot in loaded.storyboard.shots:
                cap = loaded.storyboard.max_cost_of(shot)
                if cap is not None:
                    self.shot_caps[cut.id, shot.id] = usd(cap)

    @rule(
        data=st.data(),
        outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=5, max_size=14),
        twice=st.booleans(),
    )
    @precondition(lambda self: self.production.broker.messages)
    def workers_take_messages(self, data: st.DataObject, outcomes: list[str], twice: bool) -> None:
        """Some workers take a message each, in any order; the last message is perhaps delivered to two."""
        messages = self.production.broker.messages
        for outcome in outcomes:
            if not messages:
                return
            message = messages.pop(self.draw_index(data, messages))
            held = self.claim(message.step_id)
            if twice:
                assert self.claim(message.step_id) is None, "two workers hold one step"
            if held is not None:
                self.answer(held, outcome)

    @rule(most=st.integers(4, 20))
    @precondition(lambda self: self.production.broker.messages)
    def healthy_workers_do_some_steps(self, most: int) -> None:
        for _ in range(most):
            if not self.production.broker.messages:
                break
            held = self.claim(self.production.deliver().step_id)
            if held is not None:
                self.answer(held, "succeeds")

    @rule(data=st.data(), outcome=st.sampled_from((*OUTCOMES, "renews", "renews")))
    @precondition(lambda self: self.workers)
    def a_slow_worker_answers(self, data: st.DataObject, outcome: str) -> None:
        self.answer(self.workers[self.draw_index(data, self.workers)], outcome)

    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES), late=st.sampled_from(OUTCOMES))
    @precondition(lambda self: self.workers)
    def a_worker_freezes_and_another_takes_over(self, data: st.DataObject, outcome: str, late: str) -> None:
        frozen = self.workers[self.draw_index(data, self.workers)]
        self.production.clock.advance(LEASE_S + 1)
        sweep(self.production.studio)
        second = self.claim(frozen.claim.step_id)
        self.answer(frozen, late)
        if second is not None:
            self.answer(second, outcome)

    @rule(data=st.data(), everything=st.booleans())
    @precondition(lambda self: self.production.broker.messages)
    def messages_are_lost_or_repeated(self, data: st.DataObject, everything: bool) -> None:
        messages = self.production.broker.messages
        if everything:
            messages.clear()
        else:
            lost = messages.pop(self.draw_index(data, messages))
            if messages:
                messages.append(messages[self.draw_index(data, messages)])
            assert lost.step_id

    @rule(seconds=st.sampled_from([1.0, 9.0, 16.0, LEASE_S + 1, 90.0]))
    def time_passes(self, seconds: float) -> None:
        self.production.clock.advance(seconds)

    @rule()
    def two_sweeps_in_a_row(self) -> None:
        sweep(self.production.studio)
        sent = len(self.production.broker.published)

        again = sweep(self.production.studio)

        assert (again.expired, again.due, again.lost) == (0, 0, 0), "the second sweep found the first one's work"
        assert len(self.production.broker.published) == sent

    @rule(data=st.data(), loaded=storyboards(), what=st.sampled_from(["sweep", "answer", "retry", "submit"]))
    def the_broker_is_away_for_a_moment(self, data: st.DataObject, loaded: LoadedStoryboard, what: str) -> None:
        self.production.broker.down = True
        match what:
            case "answer" if self.workers:
                self.answer(self.workers[self.draw_index(data, self.workers)], "succeeds")
            case "retry" if self.cuts():
                self.steer(retry, self.draw_cut(data))
            case "submit" if self.cuts() < MOST_CUTS:
                self.submit(loaded, 3, delayed=False)
            case _:
                self.steer(sweep)
        self.production.broker.down = False

    @rule(data=st.data(), what=st.sampled_from([cancel, pause, resume]))
    @precondition(lambda self: self.cuts())
    def a_person_steers(self, data: st.DataObject, what: Any) -> None:
        self.steer(what, self.draw_cut(data))

    @rule(data=st.data(), placeholder=st.booleans(), one=st.booleans())
    @precondition(lambda self: self.cuts())
    def a_person_retries(self, data: st.DataObject, placeholder: bool, one: bool) -> None:
        cut = self.draw_cut(data)
        keys = [shot.key for shot in self.production.rows("SELECT key FROM shots WHERE cut_id = ?", cut)]
        self.steer(retry, cut, [data.draw(st.sampled_from(keys))] if one else [], placeholder=placeholder)

    # What holds at every moment

    @invariant()
    def all_holds(self) -> None:
        self.no_intent_has_two_takes()
        self.attempts_are_capped()
        self.the_ledger_balances()
        self.no_cap_is_exceeded()
        self.leases_fit_the_states()
        self.an_accepted_take_is_the_shots_own()
        self.a_delivered_cut_is_whole()
        self.nothing_is_open_in_a_cut_at_rest()

    def no_intent_has_two_takes(self) -> None:
        twice = self.production.rows(
            "SELECT shot_id FROM takes GROUP BY shot_id, round, candidate, attempt HAVING count(*) > 1"
        )
        assert not twice

    def attempts_are_capped(self) -> None:
        beyond = self.production.rows(
            "SELECT t.shot_id, count(*) AS n FROM takes t JOIN shots s ON s.id = t.shot_id "
            "GROUP BY t.shot_id, t.round, t.candidate HAVING count(*) > s.max_attempts OR t.candidate >= s.candidates"
        )
        assert not beyond

    def the_ledger_balances(self) -> None:
        for take in self.production.rows(
            "SELECT t.id, t.state, t.price_micro_usd AS price, t.charged_micro_usd AS charged, t.source_take_id,"
            " sum(CASE l.kind WHEN 'reserve' THEN amount_micro_usd ELSE 0 END) AS reserved,"
            " sum(CASE l.kind WHEN 'settle' THEN amount_micro_usd ELSE 0 END) AS settled,"
            " sum(CASE l.kind WHEN 'release' THEN amount_micro_usd ELSE 0 END) AS released"
            " FROM takes t LEFT JOIN ledger l ON l.take_id = t.id GROUP BY t.id"
        ):
            ended = take.state in ENDED_TAKES or take.state == TakeState.GENERATED
            assert take.reserved == (0 if take.source_take_id else take.price), take
            assert take.settled == take.charged, take
            assert take.reserved == take.settled + take.released if ended else take.settled + take.released == 0, take
            kept = take.state in (TakeState.GENERATED, TakeState.ACCEPTED, TakeState.REJECTED)
            assert not kept or take.settled == take.price, take

    def no_cap_is_exceeded(self) -> None:
        for cut in self.production.rows(
            "SELECT c.id, c.budget_micro_usd AS budget, sum(CASE l.kind WHEN 'reserve' THEN 1 WHEN 'release' THEN -1"
            " ELSE 0 END * l.amount_micro_usd) AS committed FROM cuts c JOIN ledger l ON l.cut_id = c.id GROUP BY c.id"
        ):
            assert cut.budget is None or cut.committed <= cut.budget, cut
        for shot in self.production.rows(
            "SELECT s.cut_id, s.key, sum(CASE l.kind WHEN 'reserve' THEN 1 WHEN 'release' THEN -1"
            " ELSE 0 END * l.amount_micro_usd) AS committed FROM shots s JOIN ledger l ON l.shot_id = s.id"
            " GROUP BY s.id"
        ):
            cap = self.shot_caps.get((shot.cut_id, shot.key))
            assert cap is None or shot.committed <= cap, shot

    def leases_fit_the_states(self) -> None:
        for step in self.production.rows("SELECT * FROM steps"):
            running = step.state == "running"
            assert running == (step.lease_owner is not None) == (step.lease_expires_at is not None), step
            assert (step.state in ("done", "dead")) == (step.finished_at is not None), step
            assert step.state != "published" or step.published_at is not None, step
            assert step.attempts <= step.max_attempts, step

    def an_accepted_take_is_the_shots_own(self) -> None:
        for shot in self.production.rows(
            "SELECT s.id, s.state, s.key, s.accepted_take_id, s.source, s.placeholder, t.shot_id AS owner,"
            " t.state AS take_state, t.clip_sha256 AS clip FROM shots s LEFT JOIN takes t ON t.id = s.accepted_take_id"
        ):
            if shot.accepted_take_id is not None:
                assert (shot.owner, shot.take_state, shot.clip) == (shot.id, "accepted", shot.source), shot
            if shot.state in (ShotState.ACCEPTED, ShotState.READY):
                assert shot.source, shot
                assert bool(shot.placeholder) == (shot.accepted_take_id is None), shot

    def a_delivered_cut_is_whole(self) -> None:
        missing = self.production.rows(
            "SELECT s.key, s.state FROM shots s JOIN cuts c ON c.id = s.cut_id"
            " WHERE c.state IN ('matching', 'stitching', 'delivering', 'delivered') AND s.state != 'ready'"
        )
        assert not missing

    def nothing_is_open_in_a_cut_at_rest(self) -> None:
        for step in self.production.rows(
            "SELECT s.kind, s.state, c.state AS cut FROM steps s JOIN cuts c ON c.id = s.cut_id"
        ):
            assert CutState(step.cut) not in RESTING_CUTS or step.state not in OPEN_STEPS, step

    # How it ends

    def teardown(self) -> None:
        try:
            if self.cuts():
                self.bring_to_rest()
                self.late_answers_change_nothing()
                self.stuck_cuts_can_be_finished_with_placeholders()
        finally:
            self.surroundings.__exit__(None, None, None)
            self.production.close()
            self.folder.cleanup()

    def bring_to_rest(self) -> None:
        production = self.production
        production.broker.down = False
        for cut in production.rows("SELECT id FROM cuts WHERE paused"):
            self.steer(resume, cut.id)
        self.work_healthily()
        states = {shot.state for shot in production.rows("SELECT DISTINCT state FROM shots")}
        assert states <= RESTING_SHOTS
        self.nothing_is_open_in_a_cut_at_rest()
        for shot in production.rows("SELECT * FROM shots WHERE state = 'needs_attention'"):
            assert shot.reason, "a shot needs attention and does not say why"

    def work_healthily(self) -> None:
        """Let workers do everything that is sent, and sweep when nothing is; it ends after a bounded time."""
        for _ in range(40):
            while self.production.broker.messages:
                held = self.claim(self.production.deliver().step_id)
                if held is not None:
                    self.answer(held, "succeeds")
            if not self.unrested():
                return
            self.production.clock.advance(LEASE_S + 1)
            sweep(self.production.studio)
        raise AssertionError("a cut never comes to rest")

    def late_answers_change_nothing(self) -> None:
        for held in list(self.workers):
            self.answer(held, "succeeds")
        assert not self.unrested()

    def stuck_cuts_can_be_finished_with_placeholders(self) -> None:
        for cut in self.production.rows("SELECT id FROM cuts WHERE state != 'delivered'"):
            retry(self.production.studio, cut.id, placeholder=True)
        self.work_healthily()
        states = [cut.state for cut in self.production.rows("SELECT state FROM cuts")]
        assert set(states) == {CutState.DELIVERED}

    # Helpers

    def unrested(self) -> list[Any]:
        return [
            cut for cut in self.production.rows("SELECT id, state FROM cuts") if CutState(cut.state) not in RESTING_CUTS
        ]

    def cuts(self) -> int:
        return self.production.value("SELECT count(*) FROM cuts")

    def draw_index(self, data: st.DataObject, among: list[Any]) -> int:
        return data.draw(st.integers(0, len(among) - 1))

    def draw_cut(self, data: st.DataObject) -> str:
        cuts = [cut.id for cut in self.production.rows("SELECT id FROM cuts ORDER BY id")]
        return cuts[self.draw_index(data, cuts)]

    def steer(self, what: Any, *arguments: Any, **options: Any) -> None:
        """Do what a person asks; it may be refused, in a sentence, or find no broker. Nothing else."""
        try:
            what(self.production.studio, *arguments, **options)
        except InputError:
            return
        except BackendUnavailable:
            assert self.production.broker.down

    def claim(self, step_id: str) -> Held | None:
        claim = self.production.claim(step_id)
        if claim is None:
            return None
        state = self.production.value(
            "SELECT c.state FROM cuts c JOIN steps s ON s.cut_id = c.id WHERE s.id = ?", step_id
        )
        assert CutState(state) not in RESTING_CUTS
        self.workers.append(Held(claim))
        return self.workers[-1]

    def holds(self, claim: Claim) -> bool:
        step = self.production.rows("SELECT state, fence FROM steps WHERE id = ?", claim.step_id)[0]
        return step.state == "running" and step.fence == claim.fence

    def work(self, held: Held, fate: Fate) -> None:
        """Run the step's code; a planning that finds its lease lost changes nothing."""
        try:
            held.effect = self.production.work(held.claim, fate)
        except StaleLease:
            self.workers.remove(held)
        except DailiesError as error:
            reason = str(error)
            self.end(held, lambda: self.production.fail(held.claim, reason, for_good=True))

    def answer(self, held: Held, outcome: str) -> None:
        production, claim = self.production, held.claim
        match outcome:
            case "only claims":
                return
            case "dies":
                self.workers.remove(held)
            case "renews":
                assert leases.renew(production.studio, claim, 0.5) == self.holds(claim)
            case "fails for now" | "fails for good":
                good = outcome == "fails for good"
                self.end(held, lambda: production.fail(claim, "simulated failure", for_good=good))
            case "is shut down":
                self.end(held, lambda: leases.give_back(production.studio, claim), refused=False)
            case _:
                if held.effect is None:
                    self.work(held, Fate(outcome == "engine fails", outcome == "rejected"))
                effect = held.effect
                if effect is not None and outcome != "works on":
                    self.end(held, lambda: production.complete(claim, effect))

    def end(self, held: Held, action: Any, *, refused: bool = True) -> None:
        """Let a worker hand in what it has; if its lease is lost, nothing may change."""
        self.workers.remove(held)
        holds = self.holds(held.claim)
        before = None if holds else self.production.everything()
        stale = False
        try:
            action()
        except StaleLease:
            stale = True
        except BackendUnavailable:
            assert self.production.broker.down
        assert stale == (refused and not holds)
        if before is not None:
            assert self.production.everything() == before, "a worker that lost its lease changed something"
        elif held.claim.kind is StepKind.GENERATE:
            self.note_generated(held.claim)

    def note_generated(self, claim: Claim) -> None:
        for take in self.production.rows(
            "SELECT t.id FROM takes t JOIN steps s ON s.key = t.intent WHERE s.id = ? AND t.state = 'generated'"
            " AND t.source_take_id IS NULL",
            claim.step_id,
        ):
            assert take.id not in self.generated, "a take was generated twice"
            self.generated.add(take.id)


@pytest.mark.timeout(3600)
def test_whatever_happens_every_cut_comes_to_rest_within_its_caps(template: Path, priced: Path) -> None:
    machine = type("Interleavings", (Interleavings,), {"template": template, "overlay": priced})
    thorough = settings.default is not None and settings.default.max_examples > 100

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=600 if thorough else 12,
            stateful_step_count=50 if thorough else 25,
            # Shrinking takes minutes; the thorough profile does it.
            phases=tuple(Phase) if thorough else (Phase.explicit, Phase.reuse, Phase.generate),
            report_multiple_bugs=False,
        ),
    )


def test_prices_of_the_simulated_models_are_what_the_caps_above_assume(production: Production) -> None:
    production.submit(board(1))

    production.run()

    assert production.value("SELECT charged_micro_usd FROM takes") == PAINTED
