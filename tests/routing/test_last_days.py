"""Real entries of the registry on fixed days: refused by name once gone, with a warning before."""

from __future__ import annotations

from datetime import date

import pytest

from pipeline.registry.load import load_registry
from pipeline.routing.eligibility import Offer, offer_of
from pipeline.routing.facts import shot_facts
from pipeline.routing.table import Bounds
from tests.support.boards import board

REGISTRY = load_registry()
ENGINES: dict[str, tuple[str, ...]] = {"gemini": (), "openai_compatible": (), "openrouter": (), "vertex": ()}


def offer(model: str, today: date) -> Offer:
    film = board({"duration_s": 4})
    return offer_of(
        REGISTRY.get(model),
        shot_facts(film, film.shots[0]),
        bounds=Bounds(),
        available_engines=ENGINES,
        today=today,
        money_left=None,
    )


@pytest.mark.parametrize(
    ("model", "day", "successor"),
    [
        ("openai_compatible/sora-2", date(2026, 9, 24), "gemini/gemini-omni-1.1-flash"),
        ("gemini/veo-3.1-generate-preview", date(2026, 10, 22), "gemini/gemini-omni-1.1-flash"),
        ("vertex/veo-3.0-generate-001", date(2026, 6, 30), "vertex/veo-3.1-generate-001"),
    ],
)
def test_a_model_that_is_gone_is_refused_naming_its_successor(model: str, day: date, successor: str) -> None:
    refused = offer(model, day)

    assert f"it was retired on {day}; use its successor {successor}" in refused.reasons


def test_a_model_warns_in_its_last_thirty_days_and_not_before() -> None:
    model = "gemini/veo-3.1-generate-preview"

    early, late = offer(model, date(2026, 9, 21)), offer(model, date(2026, 9, 22))

    assert early.reasons == late.reasons == ()
    assert not any("retires" in note for note in early.notes)
    assert "it retires on 2026-10-22; its successor is gemini/gemini-omni-1.1-flash" in late.notes


def test_a_model_whose_provider_names_no_last_day_warns_and_is_not_refused() -> None:
    found = offer("vertex/veo-3.1-generate-001", date(2026, 11, 21))

    assert found.reasons == ()
    assert any("keeps it until 2026-11-17 at least" in note for note in found.notes)
