"""Laws of deciding, over every view that random histories reach. No database, no mock: values in, values out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import IllegalTransition
from pipeline.production.decide import (
    ChooseTake,
    CutView,
    FailTake,
    MoveCut,
    MoveShot,
    OpenStep,
    ShotView,
    TakeView,
    cut_step_key,
    decide_cut,
    decide_shot,
    generate_key,
)
from pipeline.production.states import (
    ENDED_TAKES,
    MOVES,
    OPEN_STEPS,
    RESTING_CUTS,
    CutState,
    ShotState,
    StepKind,
    StepState,
    TakeState,
    require_move,
)

RESTING_SHOTS = {ShotState.READY, ShotState.NEEDS_ATTENTION, ShotState.CANCELLED}


@dataclass
class Shot:
    """A shot with what happened to it, changed by actions and by what workers report."""

    view: ShotView
    kinds: dict[str, OpenStep] = field(default_factory=dict)

    def settle(self) -> None:
        """Carry out what is decided until nothing more is, checking each action against the laws."""
        for _ in range(20):
            actions = decide_shot(self.view)
            assert actions == decide_shot(self.view), "the same view gave other actions"
            if not actions:
                return
            for action in actions:
                self._apply(action)
        pytest.fail("deciding never ends")

    def open_steps(self) -> list[str]:
        return [key for key, state in self.view.steps.items() if state in OPEN_STEPS]

    def end(self, key: str, outcome: str) -> None:
        """Let a worker report how a step ended."""
        opened = self.kinds[key]
        if outcome == "running":
            self._step(key, StepState.RUNNING)
            return
        dead = outcome == "dead"
        if not dead and self.view.steps[key] is not StepState.RUNNING:
            self._step(key, StepState.RUNNING)
        self._step(key, StepState.DEAD if dead else StepState.DONE)
        if dead:
            self.view = replace(self.view, errors={**self.view.errors, key: "it broke"})
        match opened.kind:
            case StepKind.GENERATE:
                self._generated(opened, outcome)
            case StepKind.CHECK if not dead:
                state = TakeState.ACCEPTED if outcome == "good" else TakeState.REJECTED
                self._take(opened.take_id, state, "too dark" if outcome != "good" else "")
            case StepKind.CONFORM if not dead:
                format_ = str(dict(opened.payload)["format"])
                self.view = replace(self.view, conformed=self.view.conformed | {format_})
            case _:
                pass

    def _generated(self, opened: OpenStep, outcome: str) -> None:
        payload = dict(opened.payload)
        state = {
            "good": TakeState.GENERATED,
            "bad": TakeState.FAILED,
            "adopted": TakeState.ACCEPTED,
            "dead": TakeState.GENERATING,
            "lost reply": TakeState.UNKNOWN,
        }[outcome]
        if outcome == "dead" and int(payload["attempt"]) % 2:
            return  # refused before a take was planned, as for its price
        number = len(self.view.takes)
        take = TakeView(
            id=f"take{number}",
            candidate=int(payload["candidate"]),
            attempt=int(payload["attempt"]),
            state=state,
            clip=f"clip{number}",
            reason="the engine can't" if state is TakeState.FAILED else "",
        )
        self.view = replace(self.view, takes=(*self.view.takes, take))

    def _apply(self, action: object) -> None:
        match action:
            case OpenStep():
                assert action.key not in self.view.steps, "a step was opened twice"
                assert action.shot_id == self.view.id
                self.kinds[action.key] = action
                self._step(action.key, StepState.PUBLISHED)
            case MoveShot():
                require_move(self.view.state, action.to)
                if action.to is ShotState.NEEDS_ATTENTION:
                    assert action.reason, "it needs attention without a reason"
                self.view = replace(self.view, state=action.to)
            case ChooseTake():
                (take,) = [take for take in self.view.takes if take.id == action.take_id]
                assert take.state is TakeState.ACCEPTED
                self.view = replace(self.view, accepted=take.id, source=take.clip)
            case FailTake():
                assert self.view.steps, "a take was given up without a step"
                self._take(action.take_id, action.to, action.reason)
            case _:
                pytest.fail(f"a shot does not decide {action}")

    def _step(self, key: str, state: StepState) -> None:
        if key in self.view.steps:
            require_move(self.view.steps[key], state)
        self.view = replace(self.view, steps={**self.view.steps, key: state})

    def _take(self, take_id: str | None, state: TakeState, reason: str) -> None:
        takes = []
        for take in self.view.takes:
            if take.id == take_id:
                require_move(take.state, state)
                takes.append(replace(take, state=state, reason=reason))
            else:
                takes.append(take)
        self.view = replace(self.view, takes=tuple(takes))


def check_laws(shot: Shot) -> None:
    view = shot.view
    assert decide_shot(view) == (), "something is left to do after everything was done"
    for candidate in range(view.candidates):
        attempts = [take.attempt for take in view.takes if take.candidate == candidate]
        assert len(attempts) <= view.max_attempts
        assert sorted(attempts) == list(range(len(attempts))), "an attempt is missing or there twice"
    if view.state not in RESTING_SHOTS:
        assert shot.open_steps() or view.waits_for, f"nothing will ever happen to {view}"
    if view.state in (ShotState.ACCEPTED, ShotState.READY):
        assert view.accepted or view.placeholder
    if view.state is ShotState.READY:
        assert view.conformed >= set(view.formats)


@st.composite
def beginnings(draw: st.DrawFn) -> ShotView:
    return ShotView(
        id="shot",
        key="s01",
        state=ShotState.WAITING,
        round=draw(st.integers(0, 2)),
        candidates=draw(st.integers(1, 3)),
        max_attempts=draw(st.integers(1, 3)),
        waits_for=draw(st.booleans()),
        formats=("wide", "tall")[: draw(st.integers(1, 2))],
    )


@given(beginnings(), st.data())
def test_every_history_of_a_shot_ends_within_its_caps_by_moves_of_the_table(
    view: ShotView, data: st.DataObject
) -> None:
    shot = Shot(view)

    shot.settle()
    check_laws(shot)
    if shot.view.waits_for:
        abandoned = data.draw(st.booleans())
        shot.view = replace(shot.view, waits_for=abandoned, abandoned=abandoned)
        shot.settle()
        check_laws(shot)
    for _ in range(200):
        open_steps = shot.open_steps()
        if not open_steps:
            break
        key = data.draw(st.sampled_from(open_steps))
        outcomes = ["good", "good", "bad", "dead", "running"]
        if shot.kinds[key].kind is StepKind.GENERATE:
            outcomes += ["adopted", "lost reply"]
        shot.end(key, data.draw(st.sampled_from([o for o in outcomes if o != shot.view.steps[key]])))
        shot.settle()
        check_laws(shot)

    assert shot.view.state in RESTING_SHOTS


@given(beginnings().filter(lambda view: not view.waits_for))
def test_a_shot_whose_every_step_dies_ends_in_need_of_attention_and_says_why(view: ShotView) -> None:
    shot = Shot(view)
    shot.settle()

    while open_steps := shot.open_steps():
        shot.end(open_steps[0], "dead")
        shot.settle()

    assert shot.view.state is ShotState.NEEDS_ATTENTION


@given(beginnings().filter(lambda view: not view.waits_for))
def test_a_shot_whose_every_take_is_rejected_uses_exactly_its_attempts(view: ShotView) -> None:
    shot = Shot(view)
    shot.settle()

    while open_steps := shot.open_steps():
        kind = shot.kinds[open_steps[0]].kind
        shot.end(open_steps[0], "good" if kind is StepKind.GENERATE else "bad")
        shot.settle()

    assert shot.view.state is ShotState.NEEDS_ATTENTION
    assert len(shot.view.takes) == view.candidates * view.max_attempts


@given(beginnings().filter(lambda view: not view.waits_for))
def test_a_take_of_unknown_outcome_needs_attention_and_is_never_asked_for_again(view: ShotView) -> None:
    shot = Shot(view)
    shot.settle()

    while open_steps := shot.open_steps():
        shot.end(open_steps[0], "lost reply")
        shot.settle()

    assert shot.view.state is ShotState.NEEDS_ATTENTION
    assert len(shot.view.takes) == view.candidates


def test_the_reason_of_an_unknown_outcome_says_what_is_known_and_what_to_do() -> None:
    take = TakeView("take", 0, 1, TakeState.UNKNOWN, reason="the provider hung up")
    view = ShotView("shot", "s01", ShotState.GENERATING, takes=(take,), max_attempts=3)

    (move,) = decide_shot(view)

    assert isinstance(move, MoveShot)
    assert move.to is ShotState.NEEDS_ATTENTION
    assert "attempt 2 is unknown (the provider hung up)" in move.reason
    assert "retry the shot" in move.reason


def test_a_take_of_unknown_outcome_is_waited_for_while_its_step_is_open() -> None:
    key = generate_key("shot", 0, 0, 0)
    take = TakeView("take", 0, 0, TakeState.UNKNOWN)
    view = ShotView("shot", "s01", ShotState.GENERATING, takes=(take,), steps={key: StepState.RUNNING})

    assert decide_shot(view) == ()


def test_an_accepted_candidate_is_used_though_another_has_an_unknown_outcome() -> None:
    lost = TakeView("lost", 0, 0, TakeState.UNKNOWN)
    good = TakeView("good", 1, 0, TakeState.ACCEPTED, clip="clip")
    view = ShotView("shot", "s01", ShotState.GENERATING, takes=(lost, good), candidates=2)

    assert decide_shot(view) == (ChooseTake("shot", "good"), MoveShot("shot", ShotState.ACCEPTED))


@pytest.mark.parametrize("broken", ["wide", "tall"])
def test_a_shot_with_one_format_that_cannot_be_conformed_needs_attention(broken: str) -> None:
    take = TakeView("take", 0, 0, TakeState.ACCEPTED, clip="clip")
    view = ShotView("shot", "s01", ShotState.ACCEPTED, takes=(take,), accepted="take", source="clip")
    shot = Shot(replace(view, formats=("wide", "tall")))
    shot.settle()

    (key,) = [key for key, step in shot.kinds.items() if ("format", broken) in step.payload]
    shot.end(key, "dead")
    shot.settle()

    assert shot.view.state is ShotState.NEEDS_ATTENTION


@pytest.mark.parametrize("state", sorted(RESTING_SHOTS))
def test_nothing_happens_to_a_shot_at_rest(state: ShotState) -> None:
    view = ShotView("shot", "s01", state, formats=("wide",))

    assert decide_shot(view) == ()


def test_a_second_round_asks_under_other_keys_than_the_first() -> None:
    first = ShotView("shot", "s01", ShotState.GENERATING)
    (opened,) = decide_shot(first)
    assert isinstance(opened, OpenStep)

    again = replace(first, round=1, steps={opened.key: StepState.DEAD}, errors={opened.key: "cancelled"})
    (reopened,) = decide_shot(again)

    assert isinstance(reopened, OpenStep)
    assert reopened.key == generate_key("shot", 1, 0, 0) != opened.key


# The cut

shot_counts = st.dictionaries(st.sampled_from(ShotState), st.integers(0, 3), min_size=1)


@given(shot_counts, st.integers(1, 3), st.data())
def test_every_history_of_a_cut_ends_by_moves_of_the_table(
    counts: dict[ShotState, int], films: int, data: st.DataObject
) -> None:
    names = tuple(f"film{n}" for n in range(films))
    view = CutView("cut", CutState.GENERATING, shots=counts, deliverables=names)

    for _ in range(50):
        view = settled(view)
        open_steps = [key for key, state in view.steps.items() if state in OPEN_STEPS]
        if not open_steps:
            break
        key = data.draw(st.sampled_from(open_steps))
        dead = data.draw(st.integers(0, 5)) == 0
        view = replace(view, steps={**view.steps, key: StepState.DEAD if dead else StepState.DONE})
        if dead:
            view = replace(view, errors={**view.errors, key: "the disk is full"})
        elif key.startswith("stitch:"):
            view = replace(view, stitched=view.stitched | {key.rsplit(":", 1)[1]})

    working = sum(counts.get(s, 0) for s in (ShotState.WAITING, ShotState.GENERATING, ShotState.ACCEPTED))
    incomplete = sum(counts.get(s, 0) for s in (ShotState.NEEDS_ATTENTION, ShotState.CANCELLED))
    died = StepState.DEAD in view.steps.values()
    if working:
        assert (view.state, view.steps) == (CutState.GENERATING, {})
    elif incomplete or died:
        assert view.state is CutState.NEEDS_ATTENTION
    else:
        assert view.state is CutState.DELIVERED
        assert view.stitched == set(names)


def settled(view: CutView) -> CutView:
    for _ in range(20):
        actions = decide_cut(view)
        assert actions == decide_cut(view)
        if not actions:
            return view
        for action in actions:
            match action:
                case OpenStep():
                    assert action.key not in view.steps, "a step was opened twice"
                    view = replace(view, steps={**view.steps, action.key: StepState.PUBLISHED})
                case MoveCut():
                    require_move(view.state, action.to)
                    assert action.to is not CutState.NEEDS_ATTENTION or action.reason
                    view = replace(view, state=action.to)
                case _:
                    pytest.fail(f"a cut does not decide {action}")
    pytest.fail("deciding never ends")


@pytest.mark.parametrize("state", RESTING_CUTS)
def test_nothing_happens_to_a_cut_at_rest(state: CutState) -> None:
    view = CutView("cut", state, shots={ShotState.READY: 1}, deliverables=("main",))

    assert decide_cut(view) == ()


def test_the_steps_of_two_editions_are_not_the_same() -> None:
    first, second = CutView("cut", CutState.MATCHING), CutView("cut", CutState.MATCHING, edition=2)

    assert cut_step_key(first, StepKind.STITCH, "main") != cut_step_key(second, StepKind.STITCH, "main")


# The tables


@pytest.mark.parametrize("machine", MOVES)
def test_every_state_of_a_machine_is_in_its_table_and_can_be_reached_or_left(machine: type) -> None:
    table = MOVES[machine]
    reached = {after for afters in table.values() for after in afters}

    assert set(table) == set(machine)
    assert all(state in reached or table[state] for state in machine)


@given(st.sampled_from(sorted(MOVES, key=lambda machine: machine.__name__)), st.data())
def test_a_move_is_allowed_exactly_if_the_table_has_it(machine: type, data: st.DataObject) -> None:
    before, after = data.draw(st.sampled_from(list(machine))), data.draw(st.sampled_from(list(machine)))

    if after in MOVES[machine][before]:
        require_move(before, after)
    else:
        with pytest.raises(IllegalTransition) as refused:
            require_move(before, after)
        assert before in refused.value.what
        assert after in refused.value.what


def test_ended_takes_and_steps_can_go_nowhere() -> None:
    assert all(not MOVES[TakeState][state] for state in ENDED_TAKES)
    assert all(not MOVES[StepState][state] for state in StepState if state not in OPEN_STEPS)


def test_a_person_can_bring_every_cut_at_rest_on_again() -> None:
    assert all(CutState.GENERATING in MOVES[CutState][state] for state in RESTING_CUTS)
