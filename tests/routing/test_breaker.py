from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.routing.health import Breaker, BreakerRule, Outcome, Standing, cool_down, standing_of, with_lane

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
RULE = BreakerRule(last=6, failures=3, share=0.5, cool_down_s=30, cool_down_at_most_s=120, jitter=0.2)
OUTCOMES = st.lists(st.tuples(st.floats(0, 5000), st.booleans()), max_size=40)


def told(*outcomes: tuple[float, bool], now: datetime = NOW, rule: BreakerRule = RULE, in_flight: int = 0) -> Standing:
    """How a model stands by outcomes so many seconds ago."""
    made = [Outcome(NOW - timedelta(seconds=ago), good, "" if good else "no answer") for ago, good in outcomes]
    return standing_of("acme/one", made, rule, now, in_flight=in_flight)


def test_a_model_of_which_nothing_is_known_is_healthy() -> None:
    assert told().usable


def test_enough_outages_open_the_breaker_until_the_cool_down_is_over() -> None:
    standing = told((3, False), (2, False), (1, False))

    assert standing.breaker is Breaker.OPEN
    assert standing.reason == "no answer"
    assert standing.until is not None
    assert timedelta(seconds=29) <= standing.until - NOW <= timedelta(seconds=36)
    assert not standing.usable


def test_two_outages_among_successes_are_bad_luck() -> None:
    assert told((5, True), (4, False), (3, True), (2, False), (1, True)).breaker is Breaker.CLOSED


def test_after_the_cool_down_one_job_at_a_time_is_the_probe() -> None:
    outages = ((103, False), (102, False), (101, False))

    assert told(*outages).breaker is Breaker.HALF_OPEN
    assert told(*outages).usable
    assert not told(*outages, in_flight=1).usable


def test_a_good_probe_closes_it_and_what_was_before_is_forgotten() -> None:
    standing = told((103, False), (102, False), (101, False), (1, True))

    assert (standing.breaker, standing.outages, standing.outcomes) == (Breaker.CLOSED, 0, 1)


def test_a_bad_probe_opens_it_for_twice_as_long() -> None:
    standing = told((103, False), (102, False), (101, False), (0, False))

    assert standing.until is not None
    assert timedelta(seconds=60) <= standing.until - NOW <= timedelta(seconds=72)


def test_an_outage_of_yesterday_says_nothing() -> None:
    assert told((90_003, False), (90_002, False), (90_001, False)).usable


def test_cool_downs_of_two_models_do_not_end_together() -> None:
    ends = {cool_down(f"acme/m{n}", NOW, 1, RULE) for n in range(20)}

    assert len(ends) == 20


def test_an_engine_that_accepts_nothing_is_left_alone_then_probed_by_one_call() -> None:
    until = NOW + timedelta(seconds=16)

    down = with_lane(Standing(), RULE, NOW, until=until, setbacks=3, asking=0, reason="refused to connect")
    due = with_lane(Standing(), RULE, until, until=until, setbacks=3, asking=0, reason="")
    asked = with_lane(Standing(), RULE, until, until=until, setbacks=3, asking=1, reason="")
    throttled = with_lane(Standing(), RULE, NOW, until=until, setbacks=2, asking=0, reason="slow down")

    assert (down.breaker, down.until, down.reason) == (Breaker.OPEN, until, "refused to connect")
    assert (due.usable, asked.usable, throttled.usable) == (True, False, True)


@given(outcomes=OUTCOMES, ahead=st.floats(0, 400))
def test_laws_of_the_breaker(outcomes: list[tuple[float, bool]], ahead: float) -> None:
    now = NOW + timedelta(seconds=ahead)

    standing = told(*outcomes, now=now)

    assert standing == told(*reversed(outcomes), now=now), "it depends on the order in which rows are read"
    bad = sum(not good for _, good in outcomes)
    if bad < RULE.failures:
        assert standing.breaker is Breaker.CLOSED
    if standing.breaker is Breaker.OPEN:
        assert standing.until is not None
        assert now < standing.until <= now + timedelta(seconds=RULE.cool_down_at_most_s * (1 + RULE.jitter))
        assert told(*outcomes, now=standing.until).breaker is Breaker.HALF_OPEN
    else:
        assert standing.until is None
    assert told(*outcomes, (-ahead - 1000, True), now=NOW + timedelta(seconds=ahead + 2000)).usable


@given(outcomes=OUTCOMES)
def test_a_success_never_opens_and_an_outage_never_closes(outcomes: list[tuple[float, bool]]) -> None:
    before = told(*outcomes)

    after_success = told(*outcomes, (0, True))
    after_outage = told(*outcomes, (0, False))

    if before.breaker is Breaker.CLOSED:
        assert after_success.breaker is Breaker.CLOSED
    else:
        assert after_outage.breaker is not Breaker.CLOSED
