"""Limits of providers, shared by the whole fleet: never exceeded, shared out fairly, and never leaked."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import BackendUnavailable, Trouble
from pipeline.production.campaigns import Campaign
from pipeline.production.lanes import grant, share_out
from pipeline.production.steer import cancel, pause, resume
from pipeline.production.sweep import offer, sweep
from tests.support.farm import FARM, FAST, FAST_PRICE, FINE, FINE_PRICE
from tests.support.production import board
from tests.support.remote import LEASE_S, RemoteProduction, open_remote, remote_surroundings

INTERACTIVE, BATCH = 0, 6


@contextmanager
def opened(home: Path, template: Path, **words: Any) -> Generator[RemoteProduction]:
    remote = open_remote(home, template, **words)
    with remote_surroundings(remote):
        yield remote
    remote.base.close()


@pytest.fixture
def remote(tmp_path: Path, template: Path) -> Iterator[RemoteProduction]:
    """A production whose provider makes two of the fast model's takes at a time."""
    with opened(tmp_path, template, limits={FAST: {"concurrent": 2}}) as production:
        yield production


def submitted(remote: RemoteProduction, shots: int, name: str, **words: Any) -> str:
    (receipt,) = remote.base.submit(board(shots, name=name), **words)
    return receipt.cut_id


def asked_of(remote: RemoteProduction) -> list[str]:
    """Return the storyboards whose takes were asked for, in order."""
    rows = remote.base.rows("SELECT t.id, b.key FROM takes t JOIN cuts c ON c.id = t.cut_id"
                            " JOIN storyboards b ON b.id = c.storyboard_id")  # fmt: skip
    boards = {row.id: row.key for row in rows}
    return [boards[intent] for intent, _, _ in remote.provider.asked]


def parked(remote: RemoteProduction) -> int:
    return remote.base.value("SELECT count(*) FROM steps WHERE waiting_for IS NOT NULL AND state = 'due'")


def end_one(remote: RemoteProduction) -> None:
    """Let the oldest job end, be collected, and whatever follows be done."""
    remote.provider.finish(remote.provider.running[0])
    remote.base.clock.advance(6)
    remote.watcher(f"at {remote.base.clock.now}").tick()
    remote.deliver()
    remote.base.clock.advance(LEASE_S + 1)  # each watcher here looks once, and is gone


def look_again(remote: RemoteProduction) -> None:
    """Let a step that was granted a slot of one model, and is routed to another now, have one of that."""
    sweep(remote.base.studio)
    remote.deliver()


def blocked_for(remote: RemoteProduction) -> float:
    until = datetime.fromisoformat(remote.base.value("SELECT blocked_until FROM lanes WHERE engine = ?", FARM))
    return (until - remote.base.clock.now.replace(tzinfo=None)).total_seconds()


# Who gets what is free

shares = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 6), max_size=6)


@given(free=st.integers(0, 12), waiting=shares, in_use=st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 5)))
def test_free_slots_go_one_by_one_to_whoever_has_the_fewest(
    free: int, waiting: Mapping[str, int], in_use: Mapping[str, int]
) -> None:
    steps = {share: [f"{share}{n}" for n in range(count)] for share, count in waiting.items()}

    chosen = share_out(free, steps, in_use)

    assert len(chosen) == len(set(chosen)) == min(free, sum(waiting.values()))
    used = Counter(in_use)
    left = dict(steps)
    for step in chosen:
        share = step[0]
        assert left[share][0] == step, "one passed by who waited longer"
        assert used[share] == min(used[each] for each, rest in left.items() if rest), "one got more than its share"
        first = next(each for each, rest in left.items() if rest and used[each] == used[share])
        assert first == share, "of those with as few, one passed by who waited longer"
        left[share] = left[share][1:]
        used[share] += 1


def test_what_a_campaign_has_in_flight_counts_against_it(remote: RemoteProduction) -> None:
    submitted(remote, 6, "large")
    remote.deliver()
    submitted(remote, 2, "small")
    remote.deliver()

    end_one(remote)
    end_one(remote)

    assert asked_of(remote) == ["large", "large", "small", "large"]


def test_storyboards_of_one_campaign_share_one_share(remote: RemoteProduction) -> None:
    night = Campaign("night")
    for name in ("one", "two", "three"):
        submitted(remote, 2, name, campaign=night)
    remote.deliver()
    submitted(remote, 2, "alone")
    remote.deliver()

    for _ in range(3):
        end_one(remote)

    # The campaign has one in flight when "alone" has none, and one each from then on.
    assert asked_of(remote)[2:] == ["alone", asked_of(remote)[3], "alone"]


def test_the_more_urgent_go_first_however_long_others_have_waited(remote: RemoteProduction) -> None:
    submitted(remote, 5, "night", priority=BATCH)
    remote.deliver()
    submitted(remote, 3, "now", priority=INTERACTIVE)
    remote.deliver()

    for _ in range(4):
        end_one(remote)

    assert asked_of(remote) == ["night", "night", "now", "now", "now", "night"]


# Limits


@pytest.mark.parametrize(
    ("limits", "account"),
    [
        ({FAST: {"concurrent": 2}}, {}),
        ({}, {"concurrent": 2}),
        ({FAST: {"concurrent": 5}}, {"concurrent": 2}),
        ({FAST: {"concurrent": 2}}, {"concurrent": 5}),
    ],
)
def test_no_more_jobs_are_in_flight_than_model_and_account_allow(
    tmp_path: Path, template: Path, limits: Any, account: Any
) -> None:
    with opened(tmp_path, template, limits=limits, account=account) as remote:
        submitted(remote, 5, "board")
        in_flight = []

        remote.deliver()
        while remote.provider.running:
            in_flight.append(len(remote.provider.running))
            end_one(remote)

        assert in_flight == [2, 2, 2, 2, 1]


def test_an_account_is_shared_by_its_models(tmp_path: Path, template: Path) -> None:
    with opened(tmp_path, template, account={"concurrent": 3}) as remote:
        submitted(remote, 2, "fast")
        remote.deliver()
        remote.route(FINE)
        submitted(remote, 4, "fine")
        remote.deliver()

        assert Counter(model for _, model, _ in remote.provider.asked) == {"fast": 2, "fine": 1}


@settings(max_examples=10)
@given(
    per_minute=st.integers(1, 4),
    account=st.integers(2, 6),
    concurrent=st.sampled_from([None, 2]),
    waits=st.lists(st.sampled_from([0.3, 1.0, 7.0, 19.0, 31.0, 59.9, 60.0, 60.1]), min_size=5, max_size=25),
)
def test_in_no_sixty_seconds_is_more_asked_for_than_a_minute_allows(
    template: Path, per_minute: int, account: int, concurrent: int | None, waits: list[float]
) -> None:
    limits = {FAST: {"per_minute": per_minute, "concurrent": concurrent}}
    with (
        tempfile.TemporaryDirectory() as home,
        opened(Path(home), template, limits=limits, account={"per_minute": account}) as remote,
    ):
        submitted(remote, 8, "fast")
        remote.route(FINE)
        submitted(remote, 8, "fine")
        watcher = remote.watcher()
        for wait in waits:
            remote.deliver()
            for job in remote.provider.running[:2]:
                remote.provider.finish(job)
            watcher.tick()
            remote.base.clock.advance(wait)
            offer(remote.base.studio, grant(remote.base.studio))

        for limit, models in ((per_minute, {"fast"}), (account, {"fast", "fine"})):
            moments = [at for _, model, at in remote.provider.asked if model in models]
            for at in moments:
                assert sum(at - timedelta(seconds=60) < each <= at for each in moments) <= limit
        assert remote.provider.asked


def test_a_minute_passes_and_what_waited_is_asked_for_although_nothing_ended(tmp_path: Path, template: Path) -> None:
    with opened(tmp_path, template, limits={FAST: {"per_minute": 2}}) as remote:
        submitted(remote, 3, "board")
        remote.deliver()
        before = len(remote.provider.asked)

        remote.base.clock.advance(60)
        sweep(remote.base.studio)
        remote.deliver()

        assert (before, len(remote.provider.asked)) == (2, 3)


# Nobody passes by, and nobody holds what he doesn't use


def test_nobody_passes_by_a_step_that_waits(remote: RemoteProduction) -> None:
    submitted(remote, 3, "first")
    remote.deliver()
    remote.base.tamper("UPDATE jobs SET state = 'ended' WHERE take_id = ?", remote.takes()[0].id)
    submitted(remote, 1, "second", priority=INTERACTIVE)

    remote.deliver()

    assert asked_of(remote) == ["first", "first"]
    assert parked(remote) == 2


@pytest.mark.parametrize("stop", [pause, cancel])
def test_parked_steps_of_a_cut_that_is_stopped_hold_nothing(remote: RemoteProduction, stop: Any) -> None:
    first = submitted(remote, 4, "first")
    remote.deliver()
    stop(remote.base.studio, first)
    submitted(remote, 2, "second")
    remote.deliver()

    end_one(remote)
    end_one(remote)

    assert asked_of(remote) == ["first", "first", "second", "second"]


def test_a_grant_to_a_cut_that_is_paused_before_its_message_arrives_goes_to_others(remote: RemoteProduction) -> None:
    first = submitted(remote, 3, "first")
    remote.deliver()
    submitted(remote, 1, "second")
    remote.deliver()
    remote.provider.finish(remote.provider.running[0])
    remote.base.clock.advance(6)
    remote.base.tamper("UPDATE steps SET priority = 0 WHERE waiting_for IS NOT NULL AND cut_id = ?", first)
    remote.watcher().tick()
    granted = [message.cut_id for message in remote.base.broker.messages if message.kind == "generate"]

    pause(remote.base.studio, first)
    remote.deliver()
    sweep(remote.base.studio)
    remote.deliver()

    assert granted == [first]
    assert asked_of(remote) == ["first", "first", "second"]
    resume(remote.base.studio, first)
    remote.run()
    remote.books_agree()


def test_a_grant_whose_message_is_lost_is_sent_again(remote: RemoteProduction) -> None:
    submitted(remote, 3, "board")
    remote.deliver()
    remote.provider.finish(remote.provider.running[0])
    remote.base.clock.advance(6)
    remote.watcher().tick()
    lost = [message for message in remote.base.broker.messages if message.kind == "generate"]
    remote.base.broker.messages.clear()

    remote.base.clock.advance(remote.base.studio.settings.republish_after_s + 1)
    sweep(remote.base.studio)

    assert lost[0] in remote.base.broker.messages
    remote.deliver()
    assert len(remote.provider.asked) == 3


def test_a_slot_of_a_worker_that_died_with_its_grant_comes_back(remote: RemoteProduction) -> None:
    submitted(remote, 3, "board")
    remote.deliver()
    remote.provider.finish(remote.provider.running[0])
    remote.base.clock.advance(6)
    remote.watcher().tick()
    (message,) = [each for each in remote.base.broker.messages if each.kind == "generate"]
    assert remote.base.claim(message.step_id) is not None
    remote.base.broker.messages.clear()

    remote.base.clock.advance(LEASE_S + 1)
    sweep(remote.base.studio)
    remote.deliver()

    assert len(remote.provider.asked) == 3


def test_a_slot_of_a_worker_that_died_in_its_call_comes_back(remote: RemoteProduction) -> None:
    submitted(remote, 3, "board")
    remote.provider.stops = {"sent"}
    calls = [
        remote.attempt(held) for held in (remote.base.claim(remote.base.deliver().step_id) for _ in range(2)) if held
    ]
    remote.provider.stops = set()
    remote.deliver()
    waiting = parked(remote)

    for call in calls:
        assert call is not None
        call.die()
    remote.run()

    assert waiting == 1
    assert len(remote.provider.jobs) == 3
    remote.books_agree()


def test_jobs_of_a_watcher_that_died_are_watched_by_another(remote: RemoteProduction) -> None:
    submitted(remote, 3, "board")
    remote.deliver()
    remote.watcher("dead").tick()
    for job in remote.provider.running:
        remote.provider.finish(job)
    heir = remote.watcher("heir")
    heir.tick()
    too_early = parked(remote)

    remote.base.clock.advance(LEASE_S + 1)
    heir.tick()
    remote.deliver()

    assert too_early == 1
    assert len(remote.provider.asked) == 3


def test_steps_that_wait_for_a_model_that_is_gone_are_routed_anew(tmp_path: Path, template: Path) -> None:
    limits = {FAST: {"concurrent": 1}}
    with opened(tmp_path, template, models=(FAST, FINE), limits=limits) as remote:
        submitted(remote, 3, "board")
        remote.deliver()
        remote.registry(prices={FINE: FINE_PRICE})

        sweep(remote.base.studio)
        remote.deliver()

        assert [model for _, model, _ in remote.provider.asked] == ["fast", "fine", "fine"]


def test_a_limit_that_is_lowered_lets_what_runs_end_and_starts_no_more(tmp_path: Path, template: Path) -> None:
    with opened(tmp_path, template, limits={FAST: {"concurrent": 3}}) as remote:
        submitted(remote, 5, "board")
        remote.deliver()
        remote.registry(limits={FAST: {"concurrent": 1}})
        in_flight = []
        while remote.provider.running:
            in_flight.append(len(remote.provider.running))
            end_one(remote)

        assert in_flight == [3, 2, 1, 1, 1]


# Providers that want to be left alone


def test_nobody_asks_before_the_moment_that_the_provider_named(remote: RemoteProduction) -> None:
    submitted(remote, 2, "board")
    remote.provider.replies.append(Trouble.CAPACITY)
    remote.provider.retry_after_s = 90.0
    remote.deliver()
    asked = len(remote.provider.asked)

    for _ in range(8):
        remote.base.clock.advance(11)
        sweep(remote.base.studio)
        remote.deliver()
        assert len(remote.provider.asked) == asked == 1

    remote.base.clock.advance(3)
    sweep(remote.base.studio)
    remote.deliver()
    assert len(remote.provider.asked) == 3


def test_each_setback_makes_the_wait_longer_up_to_a_bound_and_a_success_ends_it(remote: RemoteProduction) -> None:
    submitted(remote, 1, "board")
    waits = []
    for _ in range(11):
        remote.provider.replies.append(Trouble.CAPACITY)
        remote.deliver()
        waits.append(blocked_for(remote))
        remote.base.clock.advance(waits[-1] + 0.1)
        sweep(remote.base.studio)

    remote.deliver()

    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    (lane,) = remote.base.rows("SELECT * FROM lanes")
    assert (lane.setbacks, lane.reason, lane.blocked_until) == (0, "", None)


def test_several_calls_that_are_throttled_at_once_are_one_setback(tmp_path: Path, template: Path) -> None:
    """Or eight workers that meet the same full queue would make everybody wait for minutes."""
    with opened(tmp_path, template) as remote:
        submitted(remote, 8, "board")
        remote.provider.stops = {"sent"}
        frozen = []
        for _ in range(8):
            held = remote.base.claim(remote.base.deliver().step_id)
            assert held is not None
            frozen.append((held, remote.attempt(held)))
        remote.provider.stops = set()

        for held, call in frozen:
            assert call is not None
            remote.provider.replies.append(Trouble.CAPACITY)
            remote.hand_in(held, call.go_on)

        assert blocked_for(remote) <= 2


def test_a_step_that_was_granted_a_slot_and_put_off_waits_for_its_own_time(remote: RemoteProduction) -> None:
    """Or a storage that is away would have its steps asked for again and again, at once."""
    submitted(remote, 3, "board")
    remote.deliver()
    remote.provider.finish(remote.provider.running[0])
    remote.base.clock.advance(6)
    remote.watcher().tick()
    with mock.patch("pipeline.production.asking.remote_engine", side_effect=BackendUnavailable("it is away.")):
        remote.deliver()
        put_off = len(remote.base.broker.published)
        offer(remote.base.studio, grant(remote.base.studio))
        again = len(remote.base.broker.published)

    assert again == put_off
    remote.run()
    assert len(remote.provider.jobs) == 3


def test_the_more_urgent_go_first_also_among_the_models_of_an_account(tmp_path: Path, template: Path) -> None:
    with opened(tmp_path, template, account={"concurrent": 1}) as remote:
        submitted(remote, 4, "night", priority=BATCH)
        remote.deliver()
        remote.route(FINE)
        submitted(remote, 2, "now", priority=INTERACTIVE)
        remote.deliver()

        for _ in range(3):
            end_one(remote)
        look_again(remote)

        assert asked_of(remote) == ["night", "now", "now", "night"]


def test_models_of_an_account_share_its_slots_between_campaigns(tmp_path: Path, template: Path) -> None:
    with opened(tmp_path, template, account={"concurrent": 2}) as remote:
        submitted(remote, 6, "large")
        remote.deliver()
        remote.route(FINE)
        submitted(remote, 2, "small")
        remote.deliver()

        end_one(remote)
        end_one(remote)
        look_again(remote)

        assert asked_of(remote) == ["large", "large", "small", "large"]


def test_prices_of_the_simulated_models_are_what_is_said(remote: RemoteProduction) -> None:
    submitted(remote, 1, "board")

    remote.run()

    assert remote.charged() == FAST_PRICE


def test_steps_that_wait_for_a_model_that_is_left_alone_are_routed_anew(remote: RemoteProduction) -> None:
    submitted(remote, 5, "board")
    remote.deliver()
    assert parked(remote) == 3

    with mock.patch("pipeline.production.lanes.may_ask", return_value=False):
        sweep(remote.base.studio)

    assert parked(remote) == 0
