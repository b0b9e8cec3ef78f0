from datetime import date, timedelta
from pathlib import Path

from pipeline.registry.load import load_registry, registry_of
from pipeline.registry.review import Matter, review
from tests.support.registry_samples import PAID, write

TODAY = date(2026, 11, 21)


def said(tmp_path: Path, text: str, today: date = TODAY) -> dict[tuple[Matter, str], str]:
    registry = load_registry(write(tmp_path, text))
    acme = registry_of(model for model in registry.models.values() if model.engine == "acme")
    return {(each.matter, each.subject): each.said for each in review(acme, today)}


def test_a_retired_model_is_named_with_its_successor_and_nothing_else_of_it(tmp_path: Path) -> None:
    remarks = said(tmp_path, PAID)

    assert remarks[Matter.RETIRED, "acme/old"] == "gone since 2026-11-21; use acme/one"
    assert [matter for matter, subject in remarks if subject == "acme/old"] == [Matter.RETIRED]


def test_a_model_retires_soon_in_its_last_thirty_days(tmp_path: Path) -> None:
    day = date(2026, 11, 21)

    before = said(tmp_path, PAID, day - timedelta(days=31))
    within = said(tmp_path, PAID, day - timedelta(days=30))

    assert (Matter.RETIRES_SOON, "acme/old") not in before
    assert within[Matter.RETIRES_SOON, "acme/old"] == "gone on 2026-11-21; use acme/one"


def test_a_model_that_its_provider_may_take_away_is_named_and_stays_usable(tmp_path: Path) -> None:
    text = PAID.replace("retires: 2026-11-21", "may_retire: 2026-11-17")

    remarks = said(tmp_path, text)

    assert "keeps it until 2026-11-17 at least" in remarks[Matter.RETIRES_SOON, "acme/old"]
    assert (Matter.RETIRED, "acme/old") not in remarks


def test_prices_that_are_missing_unverified_ending_or_old_are_named(tmp_path: Path) -> None:
    soon = TODAY + timedelta(days=10)
    ending = PAID.replace("from: 2026-11-21\n", f"from: 2026-11-21\n        until: {soon}\n", 1)

    assert (Matter.UNVERIFIED, "acme/one") in said(tmp_path, PAID, date(2026, 11, 20))
    assert (Matter.UNVERIFIED, "acme/one") not in said(tmp_path, PAID)
    assert "none follows" in said(tmp_path, ending)[Matter.PRICE_ENDS, "acme/one"]
    assert said(tmp_path, PAID, date(2025, 1, 1))[Matter.UNPRICED, "acme/one"] == "it has one from 2026-01-01 on"
    assert (Matter.OLD, "acme/one") not in said(tmp_path, PAID, date(2026, 11, 20) + timedelta(days=90))
    assert (
        "last compared on 2026-11-20"
        in said(tmp_path, PAID, date(2026, 11, 20) + timedelta(days=91))[Matter.OLD, "acme/one"]
    )


def test_what_an_overlay_adds_changes_and_removes_is_told(tmp_path: Path) -> None:
    overlay = write(
        tmp_path,
        """
        format: 1
        engine: kling
        account: {concurrent: 20}
        models:
          kling/kling-v3: {capabilities: {durations: {max_s: 10}}, retires: 2027-01-01}
          kling/kling-v2-6: {remove: true}
          kling/new: {provider: Kling, kind: video, capabilities: {modes: [text-to-video]}}
        """,
    )

    remarks = {each.subject: each for each in review(load_registry(overlay), TODAY, shipped=load_registry())}

    changed = {
        each.subject: each
        for each in review(load_registry(overlay), TODAY, shipped=load_registry())
        if each.matter is Matter.CHANGED
    }
    assert (
        changed["kling/kling-v3"].said == "capabilities.durations.max_s: 15.0 -> 10.0; retires: nothing -> 2027-01-01"
    )
    assert changed["kling (account)"].said == "concurrent: 5 -> 20"
    assert remarks["kling/kling-v2-6"].matter is Matter.REMOVED
    assert Matter.ADDED in {each.matter for each in review(load_registry(overlay), TODAY, shipped=load_registry())}


def test_without_an_overlay_nothing_is_changed() -> None:
    remarks = review(load_registry(), TODAY, shipped=load_registry())

    assert not {Matter.ADDED, Matter.CHANGED, Matter.REMOVED} & {each.matter for each in remarks}
    assert {Matter.RETIRED, Matter.RETIRES_SOON, Matter.UNPRICED, Matter.UNVERIFIED} <= {
        each.matter for each in remarks
    }
