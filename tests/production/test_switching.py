from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Trouble
from tests.support.farm import FAST, FINE, FINE_PRICE
from tests.support.production import Fate, board
from tests.support.remote import RemoteProduction, open_remote, remote_surroundings


@pytest.fixture
def remote(tmp_path: Path, template: Path) -> Iterator[RemoteProduction]:
    opened = open_remote(tmp_path, template, models=(FAST, FINE))
    with remote_surroundings(opened):
        yield opened
    opened.base.close()


def routed(remote: RemoteProduction, *models: str, **fields: Any) -> None:
    remote.routing.write_text(json.dumps({"format": 1, "default": {"draft": models}, **fields}))


def choices(remote: RemoteProduction) -> list[tuple[str, int, str]]:
    """Return model, place in the chain and end of each take, in the order in which they were planned."""
    return [
        (take.model, json.loads(take.routing)["choice"]["position"], take.state)
        for take in sorted(remote.takes(), key=lambda take: take.number)
    ]


def test_after_two_rejections_the_next_model_gets_the_shot(remote: RemoteProduction) -> None:
    remote.base.submit(board(1, budget={"max_attempts": 4}))

    remote.run(fate=lambda _held: Fate(gate_rejects=True))

    assert choices(remote) == [
        (FAST, 1, "rejected"),
        (FAST, 1, "rejected"),
        (FINE, 2, "rejected"),
        (FINE, 2, "rejected"),
    ]
    left = json.loads(remote.takes()[-1].routing)["choice"]["left"]
    assert "2 times rejected, at last: It is too dark." in left[0]["why"]


def test_a_fallback_that_is_too_dear_for_what_is_left_is_not_tried(remote: RemoteProduction) -> None:
    remote.base.submit(board([{"max_cost_usd": (FINE_PRICE + 50_000) / 1e6}], budget={"max_attempts": 3}))

    remote.run(fate=lambda _held: Fate(gate_rejects=True))

    assert [model for model, _, _ in choices(remote)] == [FAST, FAST, FAST]
    fine = json.loads(remote.takes()[-1].routing)["candidates"][1]
    assert "is left for the shot" in fine["reason"]


def test_a_model_that_is_taken_out_or_gets_dearer_between_two_takes_counts_from_the_next_on(
    remote: RemoteProduction,
) -> None:
    remote.base.submit(board(1, budget={"max_attempts": 3}))
    changes = iter([lambda: remote.registry(prices={FAST: 180_000, FINE: 250_000}), lambda: remote.route(FINE)])

    def reject_and_change(held: Any) -> Fate:
        if held.kind == "check":
            next(changes, lambda: None)()
        return Fate(gate_rejects=held.kind == "check")

    remote.run(fate=reject_and_change)

    takes = sorted(remote.takes(), key=lambda take: take.number)
    assert [(take.model, take.price_micro_usd) for take in takes] == [
        (FAST, 100_000),
        (FAST, 180_000),
        (FINE, 250_000),
    ]
    routings = [json.loads(take.routing) for take in takes]
    assert len({each["registry_hash"] for each in routings}) == 2
    assert len({each["table_hash"] for each in routings}) == 2


def test_after_a_refusal_the_same_model_is_asked_with_milder_words_if_the_table_says_so(
    remote: RemoteProduction,
) -> None:
    soften = {"words": {"picture": "drawing"}, "template": "A stage play: {prompt}"}
    routed(remote, FAST, FINE, switching={"refused": ["rephrase", "next-model"], "soften": soften})
    remote.provider.replies.extend([Trouble.REFUSED, Trouble.REFUSED])
    remote.base.submit(board(1, budget={"max_attempts": 3}))

    remote.run()

    takes = sorted(remote.takes(), key=lambda take: take.number)
    prompts = [json.loads(take.request)["prompt"] for take in takes]
    assert [take.model for take in takes] == [FAST, FAST, FINE]
    assert ["stage play" in prompt for prompt in prompts] == [False, True, False]
    assert "drawing" in prompts[1]
    assert "put more mildly after a refusal" in json.loads(takes[1].facts)["notes"][0]


def test_when_a_tier_has_nothing_left_its_shots_go_up_if_the_table_says_so(remote: RemoteProduction) -> None:
    remote.routing.write_text(
        json.dumps(
            {
                "format": 1,
                "stages": {"preview": None},
                "default": {"speed": [FAST], "premium": [FINE]},
                "switching": {"rejections": 1, "escalate": {"speed": "premium"}},
            }
        )
    )
    remote.base.submit(board([{"tier": "speed"}], budget={"max_attempts": 3}))

    remote.run(fate=lambda _held: Fate(gate_rejects=True))

    takes = sorted(remote.takes(), key=lambda take: take.number)
    assert [take.model for take in takes] == [FAST, FINE, FINE]
    second = json.loads(takes[1].routing)
    assert (second["tier_asked"], second["tier_used"]) == ("speed", "premium")
    assert any("escalated to the premium tier" in note for note in second["notes"])


def test_what_was_accepted_is_adopted_whatever_learned_routing_would_draw(remote: RemoteProduction) -> None:
    routed(remote, FAST, FINE, strategy="learned")
    remote.base.submit(board(1))
    remote.run()
    asked = len(remote.provider.asked)

    remote.base.submit(board([{}, {}]))
    remote.run()

    first = remote.base.rows("SELECT source_take_id FROM takes WHERE source_take_id IS NOT NULL")
    assert len(first) == 1
    assert len(remote.provider.asked) == asked + 1
