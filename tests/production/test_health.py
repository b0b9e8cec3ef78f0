from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Trouble
from pipeline.production import asking
from pipeline.production.health import evidence, standings
from pipeline.production.leases import Parked
from pipeline.production.planning import plan_take
from pipeline.production.quoting import quote_boards
from pipeline.production.rules import current_rules
from pipeline.production.sweep import sweep
from pipeline.production.work import Work
from pipeline.routing.decide import Experience
from pipeline.routing.health import Breaker, Standing
from pipeline.routing.learned import Evidence
from pipeline.routing.stage import Stage
from tests.support.farm import FAST, FINE, Made
from tests.support.production import Fate, board
from tests.support.remote import RemoteProduction, open_remote, remote_surroundings

RULES = {"breaker": {"last": 6, "failures": 3, "jitter": 0.0}, "switching": {"outage": {"wait_s": 0}}}


@pytest.fixture
def remote(tmp_path: Path, template: Path) -> Iterator[RemoteProduction]:
    opened = open_remote(tmp_path, template)
    with remote_surroundings(opened):
        yield opened
    opened.base.close()


def routed(remote: RemoteProduction, *models: str, **fields: Any) -> None:
    remote.routing.write_text(json.dumps({"format": 1, "default": {"draft": models}, **RULES, **fields}))


def standing(remote: RemoteProduction, model: str = FAST) -> Standing:
    studio = remote.base.studio
    with studio.database.read() as session:
        return standings(session, (model,), current_rules(studio.settings).table, studio.clock())[model]


def ended(remote: RemoteProduction, count: int, end: Any, *, name: str) -> None:
    """Let so many shots, each with one attempt, be asked of the provider and end there in a way."""
    remote.base.submit(board(count, name=name, budget={"max_attempts": 1}))
    remote.deliver()
    for job in remote.provider.running:
        end(job)
    remote.base.clock.advance(6)
    watcher = remote.watcher(name)
    watcher.tick()
    watcher.drain()
    remote.deliver()
    assert remote.base.value("SELECT count(*) FROM jobs WHERE state != 'ended'") == 0


@pytest.mark.parametrize(
    ("end", "ill"),
    [
        ("fail", True),
        ("refuse", False),
        ("finish", False),
        ("cancel", True),  # nobody here asked for it: it took too long, or the provider gave it up
    ],
)
def test_only_what_a_provider_does_not_deliver_is_ill_health(remote: RemoteProduction, end: str, *, ill: bool) -> None:
    routed(remote, FAST)
    ends = {
        "fail": remote.provider.fail,
        "refuse": lambda job: remote.provider.fail(job, Trouble.REFUSED),
        "finish": remote.provider.finish,
        "cancel": remote.provider.cancel,
    }

    ended(remote, 4, ends[end], name="one")

    assert (standing(remote).breaker is Breaker.OPEN) == ill
    assert standing(remote).outages == (3 if ill else 0), "what ends while it is left alone is no probe"
    assert standing(remote, FINE).breaker is Breaker.CLOSED


def test_what_the_gate_rejects_is_no_ill_health_and_is_evidence(remote: RemoteProduction) -> None:
    routed(remote, FAST)
    remote.base.submit(board(4, budget={"max_attempts": 1}))

    remote.run(fate=lambda _held: Fate(gate_rejects=True))

    studio = remote.base.studio
    with studio.database.read() as session:
        table = current_rules(studio.settings).table
        known = evidence(session, (FAST, FINE), "general", table, studio.clock())
        other = evidence(session, (FAST,), "product", table, studio.clock())
    assert standing(remote).breaker is Breaker.CLOSED
    assert (known[FAST].accepted, known[FAST].rejected > 3) == (0, True)
    assert known[FINE] == other[FAST] == Evidence()


def test_while_half_open_one_job_at_a_time_is_asked_and_a_good_one_closes_it(remote: RemoteProduction) -> None:
    routed(remote, FAST)
    ended(remote, 3, remote.provider.fail, name="bad")
    asked = len(remote.provider.asked)
    remote.base.submit(board(5, name="good"))

    remote.deliver()
    waiting = len(remote.provider.asked) - asked
    remote.base.clock.advance(60)
    sweep(remote.base.studio)
    remote.deliver()
    probes = len(remote.provider.asked) - asked
    remote.run()

    assert (waiting, probes) == (0, 1)
    assert standing(remote).breaker is Breaker.CLOSED
    assert remote.base.value("SELECT count(*) FROM shots WHERE state = 'ready'") == 5
    remote.books_agree()


def test_when_all_are_open_the_shot_waits_with_the_reason_and_uses_no_attempt(remote: RemoteProduction) -> None:
    routed(remote, FAST)
    ended(remote, 3, remote.provider.fail, name="bad")
    remote.base.submit(board(1, name="late", budget={"max_attempts": 1}))

    remote.deliver()
    (step,) = remote.base.rows("SELECT * FROM steps WHERE kind = 'generate' AND state = 'due'")

    assert "no model can be asked now" in step.error
    assert FAST in step.error
    assert (step.attempts, step.waiting_for) == (0, None)
    assert (
        remote.base.value("SELECT count(*) FROM takes t JOIN shots s ON s.id = t.shot_id WHERE s.state = 'generating'")
        == 0
    )


def test_an_open_model_is_passed_over_and_the_take_says_so(remote: RemoteProduction) -> None:
    routed(remote, FAST)
    ended(remote, 3, remote.provider.fail, name="bad")
    routed(remote, FAST, FINE)
    remote.base.submit(board(1, name="next"))

    remote.deliver()

    take = remote.takes()[-1]
    choice = json.loads(take.routing)["choice"]
    assert take.model == FINE
    assert choice["passed_over"][0]["model"] == FAST
    assert "left alone" in choice["why"]


def test_a_take_that_its_provider_does_not_accept_goes_elsewhere_after_a_while(remote: RemoteProduction) -> None:
    routed(remote, FAST, "animatic/painted")
    remote.provider.unreachable = True
    remote.base.submit(board(1, budget={"max_attempts": 1}))

    remote.run()

    first, second = remote.takes()
    assert (first.state, first.trouble, first.model) == ("failed", "transient", FAST)
    assert "accepts nothing" in first.reason
    assert (second.state, second.model) == ("accepted", "animatic/painted")
    assert remote.provider.jobs == dict[str, Made]()
    remote.books_agree()


def test_an_explained_route_tells_how_providers_do(remote: RemoteProduction) -> None:
    routed(remote, FAST, FINE)
    ended(remote, 3, remote.provider.fail, name="bad")
    studio = remote.base.studio
    with studio.database.read() as session:
        known = standings(session, (FAST, FINE), current_rules(studio.settings).table, studio.clock())

    [quoted] = quote_boards(
        studio.settings,
        [board(1, name="asked").storyboard],
        stage=Stage.PREVIEW,
        today=studio.clock().date(),
        experience=Experience(known),
    )

    said = {each.model: each.health for each in quoted.decisions[0].candidates}
    assert said[FAST].startswith("left alone until 20:00:")
    assert "the farm says failed" in said[FAST]
    assert said[FINE].startswith("healthy")


def test_of_two_workers_that_both_planned_the_probe_one_asks(remote: RemoteProduction) -> None:
    routed(remote, FAST)
    ended(remote, 3, remote.provider.fail, name="bad")
    remote.base.clock.advance(60)
    asked = len(remote.provider.asked)
    remote.base.submit(board(2, name="two"))
    claims = [remote.base.claim(remote.base.deliver().step_id) for _ in range(2)]
    works = [Work(remote.base.studio, held, Path(), lambda _share: None) for held in claims if held is not None]

    planned = [plan_take(work) for work in works]
    asking.ask(works[0], planned[0])
    with pytest.raises(Parked):
        asking.ask(works[1], planned[1])

    assert len(remote.provider.asked) - asked == 1
