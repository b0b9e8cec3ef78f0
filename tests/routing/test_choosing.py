from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.routing.health import Breaker, Standing
from pipeline.routing.switching import (
    Choice,
    Exhausted,
    Outage,
    Result,
    Softening,
    Switching,
    Tried,
    Wait,
    choose,
    left_by,
)
from pipeline.storyboard.schema import Tier

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
CHAIN = ("a/1", "b/2", "c/3")


def down(seconds: float) -> Standing:
    return Standing(breaker=Breaker.OPEN, until=NOW + timedelta(seconds=seconds), reason="no answer")


def chosen(
    *history: tuple[str, Result],
    rule: Switching | None = None,
    standings: dict[str, Standing] | None = None,
    softened: int = 0,
    chain: tuple[str, ...] = CHAIN,
    hours_left: float | None = None,
    insist: bool = False,
) -> Choice | Wait | Exhausted:
    made = [
        Tried(model, Tier.STANDARD, result, f"it was {result}", softened=place >= len(history) - softened)
        for place, (model, result) in enumerate(history)
    ]
    return choose(
        chain,
        made,
        rule or Switching(),
        standings or {},
        NOW,
        longest=3,
        tier=Tier.STANDARD,
        hours_left=hours_left,
        insist=insist,
    )


def model(outcome: Choice | Wait | Exhausted) -> str:
    assert isinstance(outcome, Choice), outcome
    return outcome.model


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], "a/1"),
        ([Result.REJECTED], "a/1"),
        ([Result.REJECTED, Result.REJECTED], "b/2"),
        ([Result.FAILED], "b/2"),
        ([Result.REFUSED], "b/2"),
        ([Result.USELESS], "b/2"),
        ([Result.OUTAGE, Result.OUTAGE], "a/1"),
        ([Result.REJECTED, Result.OUTAGE, Result.REJECTED], "b/2"),
    ],
)
def test_each_kind_of_end_leaves_a_model_after_its_own_number(history: list[Result], expected: str) -> None:
    assert model(chosen(*(("a/1", result) for result in history))) == expected


def test_a_choice_says_where_in_the_chain_it_is_and_why_the_earlier_ones_were_left() -> None:
    outcome = chosen(("a/1", Result.REJECTED), ("a/1", Result.REJECTED), ("b/2", Result.REFUSED))

    assert isinstance(outcome, Choice)
    assert (outcome.model, outcome.position) == ("c/3", 3)
    assert [(each.model, each.useless) for each in outcome.left] == [("a/1", False), ("b/2", True)]
    assert "2 times rejected" in outcome.why
    assert "it was refused" in outcome.why


def test_when_all_were_left_the_last_goes_on_unless_it_is_useless() -> None:
    history = (("a/1", Result.FAILED), ("b/2", Result.FAILED), ("c/3", Result.REFUSED))

    assert isinstance(chosen(*history), Exhausted)
    assert model(chosen(*history, insist=True)) == "b/2"
    assert isinstance(chosen(("a/1", Result.REFUSED), chain=("a/1",), insist=True), Exhausted)


def test_a_refusal_is_followed_by_milder_words_or_another_model_as_the_table_says() -> None:
    words_first, model_first = (
        Switching(refused=("rephrase", "next-model")),
        Switching(refused=("next-model", "rephrase")),
    )
    refused = ("a/1", Result.REFUSED)

    milder = chosen(refused, rule=words_first)
    then = chosen(refused, refused, rule=words_first, softened=1)
    other = chosen(refused, rule=model_first)
    last = chosen(refused, ("b/2", Result.REFUSED), ("c/3", Result.REFUSED), rule=model_first)

    assert isinstance(milder, Choice)
    assert (milder.model, milder.softened) == ("a/1", True)
    assert model(then) == "b/2"
    assert (model(other), isinstance(other, Choice) and other.softened) == ("b/2", False)
    assert (model(last), isinstance(last, Choice) and last.softened) == ("a/1", True)


def test_a_short_outage_is_waited_for_and_a_long_one_falls_back() -> None:
    short, long = chosen(standings={"a/1": down(50)}), chosen(standings={"a/1": down(70)})
    hurried = chosen(standings={"a/1": down(50)}, hours_left=0.5)

    assert isinstance(short, Wait)
    assert short.until == NOW + timedelta(seconds=50)
    assert "a/1 is the best for it" in short.reason
    assert model(long) == model(hurried) == "b/2"
    assert isinstance(long, Choice)
    assert [each.model for each in long.passed_over] == ["a/1"]


def test_when_all_are_left_alone_the_best_waits_with_the_reason_and_is_tried_when_due() -> None:
    everywhere = {each: down(500 + place) for place, each in enumerate(CHAIN)}

    waits = chosen(standings=everywhere)
    due = chosen(standings={**everywhere, "a/1": Standing(breaker=Breaker.HALF_OPEN, reason="no answer")})
    probed = chosen(
        standings={each: Standing(breaker=Breaker.HALF_OPEN, in_flight=1, reason="no answer") for each in CHAIN}
    )

    assert isinstance(waits, Wait)
    assert waits.until == NOW + timedelta(seconds=500)
    assert all(each in waits.reason for each in (*CHAIN, "no answer"))
    assert model(due) == "a/1"
    assert isinstance(probed, Wait)
    assert probed.until > NOW


RESULTS = st.sampled_from(Result)
STANDINGS = st.dictionaries(
    st.sampled_from(CHAIN),
    st.builds(Standing, breaker=st.sampled_from(Breaker), in_flight=st.integers(0, 1)).map(
        lambda each: (
            each.model_copy(update={"until": NOW + timedelta(seconds=90)}) if each.breaker is Breaker.OPEN else each
        )
    ),
)


@given(data=st.data(), results=st.lists(RESULTS, max_size=14), rejections=st.none() | st.integers(1, 3))
def test_a_shot_never_returns_to_a_model_that_it_left_and_tries_no_more_than_the_chain_is_long(
    data: st.DataObject, results: list[Result], rejections: int | None
) -> None:
    rule = Switching(rejections=rejections, outage=Outage(wait_s=0))
    history: list[Tried] = []
    gone: set[str] = set()
    wide = ("a/1", "b/2", "c/3", "d/4", "e/5")

    for result in results:
        standings = data.draw(st.dictionaries(st.sampled_from(wide), STANDINGS.map(lambda s: s.get("a/1", Standing()))))
        chain = tuple(data.draw(st.permutations(wide)))
        outcome = choose(chain, history, rule, standings, NOW, longest=3, tier=Tier.STANDARD)
        if isinstance(outcome, Exhausted):
            break
        if isinstance(outcome, Wait):
            assert outcome.until > NOW
            assert outcome.reason
            continue
        assert outcome.model not in gone
        assert standings.get(outcome.model, Standing()).usable
        assert outcome.why
        history.append(Tried(outcome.model, Tier.STANDARD, result))
        gone |= {each.model for each in left_by(history, rule)}
        tried = list(dict.fromkeys(each.model for each in history))
        assert len(tried) <= 3
        assert outcome.position == tried.index(outcome.model) + 1


@given(standings=STANDINGS)
def test_while_anything_may_serve_a_shot_it_is_never_given_up(standings: dict[str, Standing]) -> None:
    outcome = chosen(standings=standings, rule=Switching(outage=Outage(wait_s=0)))

    usable = [each for each in CHAIN if standings.get(each, Standing()).usable]
    assert not isinstance(outcome, Exhausted)
    assert isinstance(outcome, Choice) == bool(usable)
    if usable:
        assert model(outcome) == usable[0]


def test_softening_replaces_whole_words_whatever_their_case_and_says_so() -> None:
    mild = Softening(
        words={"blood": "red paint", "gun": "", "blood moon": "red moon"}, template="A stage play: {prompt}"
    )

    text, changes = mild.soften("BLOOD on the gun under a blood moon, gunmetal sky")

    assert text == "A stage play: red paint on the under a red moon, gunmetal sky"
    assert len(changes) == 4
    assert mild.soften("Blood")[0] == mild.soften("blood")[0], "it has to be deterministic"
    assert Softening().soften("a cat") == ("a cat", ())


@pytest.mark.parametrize(
    "fields",
    [
        {"escalate": {"speed": "standard", "standard": "speed"}},
        {"escalate": {"speed": "speed"}},
        {"soften": {"template": "no place for it"}},
        {"rejections": 0},
    ],
)
def test_a_table_whose_switching_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Switching.model_validate(fields)
