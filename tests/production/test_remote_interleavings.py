"""Random interleavings of everything that can happen to takes that are asked of a provider.

The provider is simulated, with its own books; all code that asks it, watches its jobs and keeps the ledger is real. A
worker or a watcher may stand still in the middle of any call, and go on long after others took over, or never. What
no fleet can see is left out: a request that arrives after its provider has said for certain that it never came, and
whose answer is lost as well.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
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

from pipeline.errors import BackendUnavailable, BudgetRefused, InputError, Trouble
from pipeline.production.books import audit
from pipeline.production.campaigns import Campaign
from pipeline.production.leases import Claim
from pipeline.production.resolve import resolve
from pipeline.production.states import ENDED_TAKES, OPEN_STEPS, RESTING_CUTS, CutState, JobPhase, StepKind, TakeState
from pipeline.production.steer import cancel, pause, resume, retry
from pipeline.production.sweep import sweep
from pipeline.storyboard.load import LoadedStoryboard
from pipeline.units import MicroUsd
from tests.support.farm import FAST, FINE, POINTS, Call, Made
from tests.support.production import Fate, Production, board
from tests.support.remote import LEASE_S, RemoteProduction, SimulatedWatcher, open_remote, remote_surroundings

MOST_CUTS = 3
REPLIES = (*(["accepted"] * 6), "lost", "lost", "vanished", *Trouble)
"""What create calls meet. ``Trouble.UNCERTAIN`` is one that was never accepted, too."""
ENDINGS = (
    "finish",
    "finish",
    "finish",
    "cheaper",
    "corrupt",
    "gone",
    *(["fail"] * 3),
    "refused",
    "out of funds",
    "stop",
)
EVENTS = ("time", "time", "time", "sweep", "sweep", "lost", "one lost", "outage", "forgotten")
JOBS_IN_FLIGHT = ("asking", "unsure", "running")


@dataclass
class Frozen:
    """A worker that stands still in a create call."""

    claim: Claim
    call: Call
    take_id: str


@dataclass(frozen=True)
class Plan:
    """What a worker meets with its message.

    Attributes:
        reply: What its create call meets.
        stops: Where in it the worker stands still.
        dies: Whether it dies as soon as it has claimed its step.
        rejects: Whether it finds a take not good enough.
    """

    reply: str
    stops: frozenset[str]
    dies: bool = False
    rejects: bool = False


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    stops = draw(st.sampled_from(["", "", "", *POINTS[:3]]))
    return Plan(
        draw(st.sampled_from(REPLIES)),
        frozenset({stops} if stops else ()),
        dies=draw(st.integers(0, 9)) == 0,
        rejects=draw(st.integers(0, 4)) == 0,
    )


@st.composite
def storyboards(draw: st.DrawFn) -> LoadedStoryboard:
    """Small storyboards with any graph of shots, any caps, and budgets that sometimes refuse."""
    count = draw(st.integers(1, 4))
    shots: list[dict[str, Any]] = [{} for _ in range(count)]
    for place in range(1, count):
        if draw(st.integers(0, 2)) == 0:
            shots[place]["continues"] = f"s{draw(st.integers(0, place - 1)):02d}"
        if draw(st.integers(0, 4)) == 0:
            shots[place]["max_cost_usd"] = draw(st.sampled_from([0.1, 0.25, 0.35]))
    candidates = draw(st.sampled_from([1, 1, 2]))
    budget: dict[str, Any] = {"max_attempts": draw(st.integers(1, 3))}
    if draw(st.booleans()):
        budget["limit_usd"] = round(0.15 * count * candidates + draw(st.sampled_from([0.0, 0.1, 0.5])), 2)
    return board(shots, name=f"board{draw(st.integers(0, 5))}", budget=budget, candidates=candidates)


class RemoteInterleavings(RuleBasedStateMachine):
    """One production, one provider, to which anything happens."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.frozen: list[Frozen] = []
        self.watchers: list[SimulatedWatcher] = []
        self.started = 0
        self.fates: dict[str, str] = {}

    # How it begins

    @initialize(
        models=st.sampled_from([(FAST,), (FAST, FINE), (FAST, "animatic/painted")]),
        concurrent=st.sampled_from([None, 1, 2]),
        per_minute=st.sampled_from([None, 2, 5]),
        account=st.sampled_from([{}, {"concurrent": 2, "per_minute": 4}]),
        bills=st.sets(st.sampled_from(["failed", "refused_input", "refused_output", "cancelled"]), max_size=2),
        abilities=st.tuples(st.booleans(), st.booleans(), st.booleans()),
        cap=st.sampled_from([None, 600_000, 1_500_000]),
        first=storyboards(),
    )
    def begin(
        self,
        models: tuple[str, ...],
        concurrent: int | None,
        per_minute: int | None,
        account: dict[str, int | None],
        bills: set[str],
        abilities: tuple[bool, bool, bool],
        cap: int | None,
        first: LoadedStoryboard,
    ) -> None:
        self.limits = {FAST: {"concurrent": concurrent, "per_minute": per_minute}}
        self.account = account
        self.remote: RemoteProduction = open_remote(
            Path(self.folder.name),
            self.template,
            models=models,
            limits=self.limits,
            account=account,
            bills=frozenset(bills),
        )
        self.base: Production = self.remote.base
        self.cap = cap
        configured = replace(self.base.studio.settings, account_cap=None if cap is None else MicroUsd(cap))
        self.base.studio = replace(self.base.studio, settings=configured)
        self.provider = self.remote.provider
        self.provider.cancels, self.provider.reconciles, self.provider.tells = abilities
        self.provider.is_late = lambda intent: self.job_state(intent) not in ("asking", "unsure")
        self.surroundings = remote_surroundings(self.remote)
        self.surroundings.__enter__()
        self.submit(first, 3, named=False)

    @rule(loaded=storyboards(), priority=st.sampled_from([0, 3, 6]), named=st.booleans())
    @precondition(lambda self: self.cuts() < MOST_CUTS)
    def submit(self, loaded: LoadedStoryboard, priority: int, named: bool) -> None:
        campaign = Campaign("night", cap=MicroUsd(800_000)) if named else None
        try:
            self.base.submit(loaded, priority=priority, campaign=campaign)
        except (BudgetRefused, InputError):
            return

    # Workers

    @rule(data=st.data(), plans=st.lists(plans(), min_size=2, max_size=8), twice=st.booleans())
    @precondition(lambda self: self.base.broker.messages)
    def workers_take_messages(self, data: st.DataObject, plans: list[Plan], twice: bool) -> None:
        """Workers take a message each, in any order, and meet what is planned for them."""
        messages = self.base.broker.messages
        for plan in plans:
            if not messages:
                return
            message = messages.pop(self.draw_index(data, messages))
            if twice:
                messages.append(message)
            self.take_message(message.step_id, plan)

    @rule(rounds=st.integers(1, 4), ending=st.sampled_from(ENDINGS), rejects=st.booleans())
    def all_goes_well_for_a_while(self, rounds: int, ending: str, rejects: bool) -> None:
        for _ in range(rounds):
            for _ in range(min(12, len(self.base.broker.messages))):
                self.take_message(self.base.deliver().step_id, Plan("accepted", frozenset(), rejects=rejects))
            self.watcher().tick()
            for job in self.provider.running[:3]:
                self.end(job, ending)
            self.base.clock.advance(6)

    @rule(
        data=st.data(),
        stop=st.sampled_from(POINTS[:3]),
        passes=st.sampled_from([130.0, 130.0, 400.0]),
        looks=st.integers(0, 3),
        again=st.one_of(st.none(), plans()),
    )
    @precondition(lambda self: self.base.broker.messages)
    def a_worker_is_given_up_in_its_call(
        self, data: st.DataObject, stop: str, passes: float, looks: int, again: Plan | None
    ) -> None:
        """It stands still in its call until others have taken over, and goes on, or never does."""
        messages = self.base.broker.messages
        before = len(self.frozen)
        self.take_message(messages.pop(self.draw_index(data, messages)).step_id, Plan("accepted", frozenset({stop})))
        for _ in range(looks):
            self.base.clock.advance(passes)
            sweep(self.base.studio)
            self.watcher().tick()
        if len(self.frozen) > before and again is not None:
            self.thaw(self.frozen[-1], again)

    @rule(data=st.data(), plan=plans())
    @precondition(lambda self: self.frozen)
    def a_frozen_worker_goes_on(self, data: st.DataObject, plan: Plan) -> None:
        self.thaw(self.frozen[self.draw_index(data, self.frozen)], plan)

    @rule(data=st.data())
    @precondition(lambda self: self.frozen)
    def a_frozen_worker_dies(self, data: st.DataObject) -> None:
        frozen = self.frozen[self.draw_index(data, self.frozen)]
        if frozen.call.point == "answered" and self.job_state(frozen.take_id) == "ended":
            return  # nobody could know of such a job
        self.frozen.remove(frozen)
        frozen.call.die()

    def take_message(self, step_id: str, plan: Plan) -> None:
        held = self.base.claim(step_id)
        if held is None or plan.dies:
            return
        self.meet(plan.reply, plan.stops)
        call = self.remote.attempt(held, Fate(gate_rejects=plan.rejects and held.kind is StepKind.CHECK))
        self.provider.replies.clear()
        if call is not None:
            take = self.base.value(
                "SELECT t.id FROM takes t JOIN steps s ON s.key = t.intent WHERE s.id = ?", held.step_id
            )
            self.frozen.append(Frozen(held, call, take))
        self.provider.stops = set()

    def thaw(self, frozen: Frozen, plan: Plan) -> None:
        if self.job_state(frozen.take_id) == "ended":
            # Nobody could know of a job that is accepted after all was over, and whose answer is lost, too.
            unheard = plan.reply in ("lost", "uncertain", "vanished")
            plan = Plan("accepted" if unheard else plan.reply, frozenset())
        self.meet(plan.reply, plan.stops)
        self.frozen.remove(frozen)
        call = self.remote.hand_in(frozen.claim, frozen.call.go_on)
        self.provider.replies.clear()
        if call is not None:
            self.frozen.append(Frozen(frozen.claim, call, frozen.take_id))
        self.provider.stops = set()

    def meet(self, reply: str, stops: Iterable[str]) -> None:
        self.provider.replies.clear()
        if reply != "accepted":
            self.provider.replies.append(reply)
        self.provider.stops = set(stops)

    # Watchers

    def watcher(self) -> SimulatedWatcher:
        """Return one that has not stood still so far; a new one if there is none."""
        if not self.watchers or self.watchers[-1].calls:
            self.started += 1
            self.watchers.append(self.remote.watcher(f"watcher{self.started}"))
        return self.watchers[-1]

    @rule(
        data=st.data(),
        most=st.sampled_from([1, 3, 100]),
        stops=st.sets(st.sampled_from(POINTS[3:]), min_size=1, max_size=3),
        waits=st.sampled_from([0.0, 6.0, 130.0]),
        after=st.sampled_from([0.0, 0.0, LEASE_S + 1, 400.0]),
        ending=st.sampled_from((*ENDINGS, "")),
        then=st.sampled_from(["goes on", "goes on", "waits", "dies", "drains"]),
    )
    @precondition(lambda self: self.provider.jobs)
    def a_watcher_stands_still(
        self, data: st.DataObject, most: int, stops: set[str], waits: float, after: float, ending: str, then: str
    ) -> None:
        """It stands still in its looks; others take over, perhaps; then it goes on, or does not."""
        self.base.clock.advance(waits)
        frozen = self.watcher()
        self.provider.stops = stops
        frozen.tick(most)
        self.provider.stops = set()
        running = self.provider.running
        if ending and running:
            self.end(running[self.draw_index(data, running)], ending)
        self.base.clock.advance(after)
        if after:
            self.watcher().tick()
        match then:
            case "goes on":
                self.go_on(data, frozen)
            case "dies" | "drains":
                self.watchers.remove(frozen)
                frozen.die() if then == "dies" else frozen.drain()
            case _:
                pass

    @rule(data=st.data(), later=st.sampled_from([0.0, LEASE_S + 1]))
    @precondition(lambda self: any(watcher.calls for watcher in self.watchers))
    def a_frozen_look_goes_on(self, data: st.DataObject, later: float) -> None:
        self.base.clock.advance(later)
        if later:
            self.watcher().tick()
        watching = [watcher for watcher in self.watchers if watcher.calls]
        self.go_on(data, watching[self.draw_index(data, watching)])

    def go_on(self, data: st.DataObject, watcher: SimulatedWatcher) -> None:
        if watcher.calls:
            watcher.go_on(sorted(watcher.calls)[self.draw_index(data, sorted(watcher.calls))])

    # The provider

    @rule(data=st.data(), endings=st.lists(st.sampled_from(ENDINGS), min_size=1, max_size=4), looks=st.booleans())
    @precondition(lambda self: self.provider.running)
    def jobs_end(self, data: st.DataObject, endings: list[str], looks: bool) -> None:
        for ending in endings:
            running = self.provider.running
            if running:
                self.end(running[self.draw_index(data, running)], ending)
        if looks:
            self.base.clock.advance(6)
            self.watcher().tick()

    def end(self, job: Made, ending: str) -> None:
        provider = self.provider
        match ending:
            case "fail" | "refused" | "out of funds":
                why = {"fail": Trouble.FAILED, "refused": Trouble.REFUSED, "out of funds": Trouble.OUT_OF_FUNDS}
                provider.fail(job, why[ending])
            case "corrupt" | "gone":
                provider.finish(job, result=ending)
            case "cheaper":
                provider.finish(job, provider.prices[job.model] // 2 if provider.tells else None)
            case "stop":
                provider.cancel(job)  # by an operator there, say
            case _:
                provider.finish(job)

    @rule(data=st.data(), happens=st.sampled_from(EVENTS), seconds=st.sampled_from([1.0, 16.0, 61.0, 130.0, 1600.0]))
    def something_happens(self, data: st.DataObject, happens: str, seconds: float) -> None:
        messages = self.base.broker.messages
        match happens:
            case "time":
                self.base.clock.advance(seconds)
            case "sweep":
                sweep(self.base.studio)
            case "lost":
                messages.clear()
            case "one lost" if messages:
                messages.pop(self.draw_index(data, messages))
            case "outage":
                self.provider.unreachable = True
                for _ in range(min(4, len(messages))):
                    self.take_message(self.base.deliver().step_id, Plan("accepted", frozenset()))
                self.base.clock.advance(seconds)
                self.watcher().tick()
                self.provider.unreachable = False
            case "forgotten" if self.provider.jobs:
                jobs = list(self.provider.jobs.values())
                job = jobs[self.draw_index(data, jobs)]
                # One whose answer was lost must be found, or its absence would be no proof.
                if self.job_state(job.intent) in ("running", "held") and not job.late:
                    job.known = not job.known
            case _:
                self.base.clock.advance(1)

    # People

    @rule(
        data=st.data(),
        what=st.sampled_from(["retry", "retry", "retry one", "placeholder", "pause", "resume", "resolve", "cancel"]),
    )
    @precondition(lambda self: self.base.broker.published)
    def a_person_steers(self, data: st.DataObject, what: str) -> None:
        cut = self.draw_cut(data)
        match what:
            case "retry" | "placeholder":
                self.steer(retry, cut, placeholder=what == "placeholder")
            case "retry one":
                keys = [shot.key for shot in self.base.rows("SELECT key FROM shots WHERE cut_id = ? ORDER BY key", cut)]
                self.steer(retry, cut, [keys[self.draw_index(data, keys)]])
            case "resolve":
                for take in self.unknown():
                    self.resolve(take)
            case _:
                self.steer({"pause": pause, "resume": resume, "cancel": cancel}[what], cut)

    def resolve(self, take: Any) -> None:
        """Say what the provider's books say of a take, if they say it in full."""
        charged = self.provider.charged_for(take.id)
        if all(not job.in_flight for job in self.provider.of(take.id)) and charged in (0, take.price_micro_usd):
            self.steer(resolve, take.id, charged=charged > 0)

    # What holds at every moment

    @invariant()
    def all_holds(self) -> None:
        if not hasattr(self, "remote"):
            return
        self.nothing_is_asked_twice()
        self.every_accepted_job_is_known()
        self.no_limit_is_exceeded()
        self.the_books_are_right()
        self.no_cap_is_exceeded()
        self.jobs_fit_their_takes()
        self.attempts_are_capped()
        self.nothing_is_open_in_a_cut_at_rest()

    def nothing_is_asked_twice(self) -> None:
        twice = [
            intent for intent, count in Counter(job.intent for job in self.provider.jobs.values()).items() if count > 1
        ]
        assert not twice

    def every_accepted_job_is_known(self) -> None:
        rows = {row.take_id: row for row in self.base.rows("SELECT * FROM jobs")}
        answered = {frozen.take_id for frozen in self.frozen if frozen.call.point == "answered"}
        for job in self.provider.jobs.values():
            row = rows[job.intent]
            known = row.provider_job == job.id or row.state in ("asking", "unsure", "held")
            by_word = row.outcome in ("charged", "not_charged")
            assert known or by_word or job.intent in answered, (job, row)

    def no_limit_is_exceeded(self) -> None:
        rows = {row.take_id: row.state for row in self.base.rows("SELECT take_id, state FROM jobs")}
        jobs = [job for job in self.provider.running if not job.late and rows[job.intent] in JOBS_IN_FLIGHT]
        window = f"{self.base.clock.now.timestamp() - 60:.6f}"
        asks = [row.model for row in self.base.rows("SELECT model, at FROM asks") if _stamp(row.at) > float(window)]
        for limits, inside in (
            (self.limits[FAST], lambda model: model == "fast"),
            (self.account, lambda _model: True),
        ):
            concurrent, per_minute = limits.get("concurrent"), limits.get("per_minute")
            assert concurrent is None or sum(inside(job.model) for job in jobs) <= concurrent
            assert per_minute is None or sum(inside(model.split("/")[1]) for model in asks) <= per_minute

    def the_books_are_right(self) -> None:
        assert audit(self.base.studio).faults == ()

    def no_cap_is_exceeded(self) -> None:
        signed = (
            "sum(CASE l.kind WHEN 'reserve' THEN 1 WHEN 'release' THEN -1 ELSE 0 END * l.amount_micro_usd) AS committed"
            # A charge that came to light after the end was spent, whatever the caps.
            " FROM ledger l JOIN cuts c ON c.id = l.cut_id WHERE l.key NOT LIKE '%:late:%'"
        )
        for cut in self.base.rows(f"SELECT c.budget_micro_usd AS cap, {signed} GROUP BY c.id"):
            assert cut.cap is None or cut.committed <= cut.cap, cut
        for campaign in self.base.rows(
            f"SELECT c.campaign_id, {signed} AND c.campaign_id IN (SELECT id FROM campaigns WHERE key = 'night')"  # noqa: S608
            " GROUP BY c.campaign_id"
        ):
            assert campaign.committed <= 800_000, campaign
        (account,) = self.base.rows(f"SELECT {signed}")
        assert self.cap is None or (account.committed or 0) <= self.cap

    def jobs_fit_their_takes(self) -> None:
        fits = {
            JobPhase.WAITING: (TakeState.PLANNED,),
            JobPhase.ASKING: (TakeState.GENERATING,),
            JobPhase.UNSURE: (TakeState.GENERATING,),
            # An ended take's job that came back from the dead is only stopped.
            JobPhase.RUNNING: (TakeState.GENERATING, TakeState.FAILED, TakeState.CANCELLED),
            JobPhase.HELD: (TakeState.UNKNOWN, TakeState.FAILED, TakeState.CANCELLED),
            JobPhase.ENDED: (TakeState.GENERATED, *ENDED_TAKES),
        }
        for take in self.remote.takes():
            assert take.job is None or take.state in fits[JobPhase(take.job)], take

    def attempts_are_capped(self) -> None:
        beyond = self.base.rows(
            "SELECT t.shot_id, count(*) AS n FROM takes t JOIN shots s ON s.id = t.shot_id"
            " WHERE t.trouble != 'transient'"
            " GROUP BY t.shot_id, t.round, t.candidate HAVING count(*) > s.max_attempts"
        )
        assert not beyond

    def nothing_is_open_in_a_cut_at_rest(self) -> None:
        for step in self.base.rows(
            "SELECT s.kind, s.state, c.state AS cut FROM steps s JOIN cuts c ON c.id = s.cut_id"
        ):
            assert CutState(step.cut) not in RESTING_CUTS or step.state not in OPEN_STEPS, step

    # How it ends

    def teardown(self) -> None:
        if not hasattr(self, "remote"):
            self.folder.cleanup()
            return
        try:
            self.everybody_goes_on()
            self.remote.run(most=400)
            self.what_is_known_but_held_is_collected()
            self.everything_is_terminal()
            self.remote.books_agree()
            self.people_settle_the_rest()
            self.all_can_be_finished_with_placeholders()
        finally:
            self.surroundings.__exit__(None, None, None)
            self.base.close()
            self.folder.cleanup()

    def everybody_goes_on(self) -> None:
        self.provider.unreachable = False
        self.provider.stops = set()
        while self.frozen:
            self.thaw(self.frozen[0], Plan("accepted", frozenset()))
        for watcher in self.watchers:
            while watcher.calls:
                watcher.go_on(next(iter(watcher.calls)))
            watcher.die()
        for cut in self.base.rows("SELECT id FROM cuts WHERE paused"):
            self.steer(resume, cut.id)
        for job in self.provider.running:
            self.provider.finish(job)
        self.all_holds()

    def what_is_known_but_held_is_collected(self) -> None:
        self.base.clock.advance(700)
        watcher = self.remote.watcher("patient")
        watcher.tick()
        watcher.drain()
        self.remote.run(most=400)

    def everything_is_terminal(self) -> None:
        for take in self.remote.takes():
            assert take.state in (*ENDED_TAKES, TakeState.UNKNOWN), take
            assert take.job in (None, "ended", "held"), take
        for shot in self.base.rows("SELECT * FROM shots"):
            assert shot.state in ("ready", "needs_attention", "cancelled"), shot
            assert shot.state != "needs_attention" or shot.reason, shot
        self.all_holds()

    def people_settle_the_rest(self) -> None:
        for take in self.unknown():
            self.resolve(take)
        for take in self.unknown():
            assert self.provider.charged_for(take.id) not in (0, take.price_micro_usd), "a held take can't be settled"
        self.remote.books_agree()

    def all_can_be_finished_with_placeholders(self) -> None:
        for cut in self.base.rows("SELECT id FROM cuts WHERE state != 'delivered'"):
            retry(self.base.studio, cut.id, placeholder=True)
        self.remote.run()
        assert {cut.state for cut in self.base.rows("SELECT state FROM cuts")} <= {CutState.DELIVERED}
        self.remote.books_agree()

    # Helpers

    def cuts(self) -> int:
        return self.base.value("SELECT count(*) FROM cuts")

    def unknown(self) -> list[Any]:
        return self.base.rows("SELECT id, price_micro_usd FROM takes WHERE state = 'unknown' ORDER BY id")

    def job_state(self, take_id: str) -> str:
        return self.base.value("SELECT state FROM jobs WHERE take_id = ?", take_id)

    def draw_index(self, data: st.DataObject, among: list[Any]) -> int:
        return data.draw(st.integers(0, len(among) - 1))

    def draw_cut(self, data: st.DataObject) -> str:
        cuts = [cut.id for cut in self.base.rows("SELECT id FROM cuts ORDER BY id")]
        return cuts[self.draw_index(data, cuts)]

    def steer(self, what: Any, *arguments: Any, **options: Any) -> None:
        """Do what a person asks; it may be refused, in a sentence."""
        try:
            what(self.base.studio, *arguments, **options)
        except InputError:
            return
        except BackendUnavailable:
            assert self.base.broker.down


def _stamp(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.timeout(7200)
def test_whatever_happens_no_take_is_paid_twice_and_no_job_is_forgotten(template: Path) -> None:
    machine = type("Remote", (RemoteInterleavings,), {"template": template})
    thorough = settings.default is not None and settings.default.max_examples > 100

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=1500 if thorough else 12,
            stateful_step_count=50 if thorough else 25,
            # Shrinking takes minutes; the thorough profile does it.
            phases=tuple(Phase) if thorough else (Phase.explicit, Phase.reuse, Phase.generate),
            report_multiple_bugs=False,
        ),
    )
