"""What people do to a cut: cancel, pause, resume, retry, placeholders. Each is possible, or refused in a sentence."""

from __future__ import annotations

import pytest

from pipeline.errors import InputError, StaleLease, UnknownId
from pipeline.production import leases
from pipeline.production.leases import Claim
from pipeline.production.steer import cancel, pause, resume, retry
from pipeline.production.sweep import sweep
from tests.support.production import Fate, Production, board


def states(production: Production) -> dict[str, str]:
    return {shot.key: shot.state for shot in production.rows("SELECT * FROM shots ORDER BY position")}


def submitted(production: Production, *arguments: object, **options: object) -> str:
    (receipt,) = production.submit(board(*arguments, **options))
    return receipt.cut_id


def stuck(production: Production, shots: int = 3) -> str:
    """Return a cut of which the first shot needs attention and the others are ready."""
    cut = submitted(production, shots, budget={"max_attempts": 1})
    (bad,) = production.rows("SELECT id FROM shots WHERE key = 's00'")
    production.run(lambda held: Fate(gate_rejects=held.shot_id == bad.id))
    return cut


def test_one_bad_shot_needs_attention_with_its_reason_and_the_others_are_ready(production: Production) -> None:
    stuck(production)

    assert states(production) == {"s00": "needs_attention", "s01": "ready", "s02": "ready"}
    reason = production.value("SELECT reason FROM shots WHERE key = 's00'")
    assert "too dark" in reason
    assert production.value("SELECT state FROM cuts") == "needs_attention"


def test_a_retry_makes_one_new_take_of_the_bad_shot_and_delivers(production: Production) -> None:
    cut = stuck(production)

    assert retry(production.studio, cut) == 1
    production.run()

    assert production.value("SELECT state FROM cuts") == "delivered"
    assert production.value("SELECT count(*) FROM takes") == 4
    first, second = production.rows("SELECT * FROM takes t WHERE shot_id = (SELECT id FROM shots WHERE key = 's00')")
    assert first.seed != second.seed


def test_a_placeholder_finishes_the_cut_without_a_new_take(production: Production) -> None:
    cut = stuck(production)

    retry(production.studio, cut, placeholder=True)
    production.run()

    assert production.value("SELECT state FROM cuts") == "delivered"
    assert production.value("SELECT count(*) FROM takes") == 3
    assert production.value("SELECT count(*) FROM shots WHERE placeholder") == 1


def test_a_placeholder_that_cannot_be_conformed_can_be_tried_again_and_again(production: Production) -> None:
    cut = stuck(production)

    for _ in range(4):
        retry(production.studio, cut, placeholder=True)
        held = production.claim(production.deliver().step_id)
        assert held is not None
        production.fail(held, "no font", for_good=True)
        assert production.value("SELECT state FROM cuts") == "needs_attention"
    retry(production.studio, cut, placeholder=True)
    production.run()

    assert production.value("SELECT state FROM cuts") == "delivered"


def test_a_placeholder_for_a_shot_that_has_a_take_is_refused(production: Production) -> None:
    cut = stuck(production)

    with pytest.raises(InputError, match="does not need a placeholder"):
        retry(production.studio, cut, ["s01"], placeholder=True)


def test_a_retry_of_one_shot_takes_along_what_continues_it_and_nothing_else(production: Production) -> None:
    cut = submitted(production, [{}, {"continues": "s00"}, {"continues": "s01"}, {}])
    production.run()

    assert retry(production.studio, cut, ["s00"]) == 3
    production.run()

    rounds = {shot.key: shot.round for shot in production.rows("SELECT * FROM shots")}
    assert rounds == {"s00": 1, "s01": 1, "s02": 1, "s03": 0}
    assert production.value("SELECT state || edition FROM cuts") == "delivered2"


def test_a_cancelled_cut_goes_on_with_the_takes_that_it_had(production: Production) -> None:
    cut = submitted(production, 4)
    for _ in range(6):
        production.perform(production.deliver().step_id)
    accepted = production.value("SELECT count(*) FROM takes WHERE state = 'accepted'")
    assert accepted == 2

    cancel(production.studio, cut)
    assert production.run() == 0
    retry(production.studio, cut)
    production.run()

    assert production.value("SELECT state FROM cuts") == "delivered"
    assert production.value("SELECT count(*) FROM takes WHERE state = 'accepted'") == 4
    paid = production.value("SELECT sum(amount_micro_usd) FROM ledger WHERE kind = 'settle'")
    unchecked = production.value("SELECT count(*) FROM takes WHERE state = 'cancelled' AND charged_micro_usd > 0")
    assert paid == (4 + unchecked) * 50_000


def test_a_retry_of_one_shot_of_a_cancelled_cut_never_delivers_a_film_with_holes(production: Production) -> None:
    cut = submitted(production, 3)
    cancel(production.studio, cut)

    retry(production.studio, cut, ["s01"])
    production.run()

    assert states(production) == {"s00": "cancelled", "s01": "ready", "s02": "cancelled"}
    assert production.value("SELECT reason FROM cuts") == "Of 3 shots, 2 are cancelled."
    cancel(production.studio, cut)
    retry(production.studio, cut)
    production.run()
    assert production.value("SELECT state FROM cuts") == "delivered"


def test_what_runs_when_a_cut_is_cancelled_is_dropped_and_its_reservation_released(production: Production) -> None:
    cut = submitted(production, 1)
    held = production.claim(production.deliver().step_id)
    assert held is not None
    effect = production.work(held)

    cancel(production.studio, cut)

    with pytest.raises(StaleLease):
        leases.complete(production.studio, held, effect)
    assert production.value("SELECT state FROM takes") == "cancelled"
    money = {
        row.kind: row.total
        for row in production.rows("SELECT kind, sum(amount_micro_usd) total FROM ledger GROUP BY kind")
    }
    assert {kind: total for kind, total in money.items() if total} == {"reserve": 50_000, "release": 50_000}


def test_a_paused_cut_finishes_what_runs_and_starts_nothing_until_it_is_resumed(production: Production) -> None:
    cut = submitted(production, 2)
    held = production.claim(production.deliver().step_id)
    assert held is not None

    pause(production.studio, cut)
    production.complete(held, production.work(held))
    assert production.run() == 0
    sweep(production.studio)
    assert production.run() == 0

    resume(production.studio, cut)
    production.run()
    assert production.value("SELECT state FROM cuts") == "delivered"


def test_a_step_left_over_by_a_shot_that_failed_is_ended_with_its_cut_and_not_sent_for_ever(
    production: Production,
) -> None:
    submitted(production, 1, deliverables=2)
    while production.broker.messages[0].kind != "conform":
        production.perform(production.deliver().step_id)
    held = production.claim(production.deliver().step_id)
    assert held is not None

    production.fail(held, "the disk is full", for_good=True)

    assert sorted(step.state for step in production.rows("SELECT * FROM steps WHERE kind = 'conform'")) == ["dead"] * 2
    production.broker.messages.clear()
    production.clock.advance(3600)
    assert sweep(production.studio).lost == 0


def test_a_cut_whose_delivery_failed_is_retried_without_making_a_take(production: Production) -> None:
    cut = submitted(production, 2)
    while production.broker.messages[0].kind != "deliver":
        production.perform(production.deliver().step_id)
    held = production.claim(production.deliver().step_id)
    assert held is not None
    production.fail(held, "the bucket is gone", for_good=True)
    assert "bucket is gone" in production.value("SELECT reason FROM cuts")

    assert retry(production.studio, cut) == 0
    production.run()

    assert production.value("SELECT state FROM cuts") == "delivered"
    assert production.value("SELECT count(*) FROM takes") == 2


def test_a_step_of_the_films_old_edition_has_no_effect_on_the_new_one(production: Production) -> None:
    cut = submitted(production, 2)
    while production.broker.messages[0].kind != "stitch":
        production.perform(production.deliver().step_id)
    held: Claim | None = production.claim(production.deliver().step_id)
    assert held is not None
    effect = production.work(held)

    retry(production.studio, cut, ["s01"])

    with pytest.raises(StaleLease):
        leases.complete(production.studio, held, effect)
    production.run()
    assert production.value("SELECT edition FROM deliverables") == production.value("SELECT edition FROM cuts") == 2


@pytest.mark.parametrize("what", [pause, resume, cancel])
def test_what_makes_no_sense_for_a_delivered_cut_is_refused_in_a_sentence(production: Production, what: object) -> None:
    cut = submitted(production, 1)
    production.run()

    with pytest.raises(InputError, match=r"the cut is delivered: nothing runs. .*--shot"):
        what(production.studio, cut)


def test_unknown_ids_and_shots_are_named(production: Production) -> None:
    cut = submitted(production, 2)
    submitted(production, 2, name="other")

    with pytest.raises(UnknownId, match="no cut"):
        cancel(production.studio, "nope")
    with pytest.raises(UnknownId, match="more than one cut"):
        cancel(production.studio, "id")
    with pytest.raises(UnknownId, match="no shot 's99'"):
        retry(production.studio, cut, ["s99"])
    with pytest.raises(InputError, match="is being made"):
        retry(production.studio, cut, ["s00"])
    with pytest.raises(InputError, match="no shot needs a retry"):
        retry(production.studio, cut)
