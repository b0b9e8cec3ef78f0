from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from pipeline.registry.load import load_registry
from pipeline.registry.model import Model
from pipeline.registry.prices import Rate, Surcharge
from pipeline.registry.refresh import Comparison, Outcome, Published, Terms, compare, overlay_text
from tests.support.registry_samples import PAID, write

TODAY = date(2026, 11, 25)
HELD = Terms(
    (Rate(unit="second", usd=Decimal("0.20"), resolution="1080p"), Rate(unit="second", usd=Decimal("0.123457"))),
    (
        Surcharge(unit="second", usd=Decimal("0.01"), audio=True),
        Surcharge(unit="reference-image", usd=Decimal("0.04"), beyond=1),
    ),
    Decimal("0.50"),
)


@pytest.fixture
def one(tmp_path: Path) -> Model:
    return load_registry(write(tmp_path, PAID)).get("acme/one")


def against(model: Model, said: Published) -> Comparison:
    [found] = compare([model], [said], TODAY, "https://acme.example/prices")
    return found


def test_the_same_prices_written_otherwise_are_confirmed(one: Model) -> None:
    rewritten = Terms(
        tuple(
            Rate(unit="second", usd=usd + (Decimal("0.01") if sound else 0), resolution=name, audio=sound)
            for name, usd in (("1080p", Decimal("0.20")), ("720p", Decimal("0.123457")))
            for sound in (True, False)
        ),
        (HELD.surcharges[1],),
        HELD.minimum_usd,
    )

    found = against(one, Published("acme/one", rewritten))

    assert found.outcome is Outcome.CONFIRMED
    assert found.prices[-1].verified == TODAY
    assert found.prices[-1].rates == one.prices[-1].rates


def test_a_price_that_differs_anywhere_is_a_change_from_today_on(one: Model) -> None:
    dearer = Terms((HELD.rates[0], Rate(unit="second", usd=Decimal("0.13"))), HELD.surcharges, HELD.minimum_usd)

    found = against(one, Published("acme/one", dearer))

    assert found.outcome is Outcome.CHANGED
    assert "$0.123457 per second" in found.before
    assert "$0.13 per second" in found.after
    *_, ended, fresh = found.prices
    assert (ended.until, fresh.from_, fresh.until) == (TODAY, TODAY, None)
    assert fresh.batch_discount == Decimal("0.5")  # no list tells it, so it stays
    assert fresh.source == "https://acme.example/prices"


def test_a_minimum_is_a_change_where_a_job_can_cost_less_and_none_where_not(one: Model) -> None:
    higher = against(one, Published("acme/one", Terms(HELD.rates, HELD.surcharges, Decimal(5))))
    without = against(one, Published("acme/one", Terms(HELD.rates, HELD.surcharges)))

    assert higher.outcome is Outcome.CHANGED
    assert without.outcome is Outcome.CONFIRMED  # the shortest clip costs more than the minimum anyway
    assert without.prices[-1].minimum_usd == HELD.minimum_usd


def test_one_line_of_many_proves_nothing(one: Model) -> None:
    among = against(one, Published("acme/one", one=("second", Decimal("0.20"))))
    other = against(one, Published("acme/one", one=("second", Decimal("0.21"))))

    assert among.outcome is other.outcome is Outcome.UNCLEAR
    assert "stands here among others" in among.why
    assert "is none of those here" in other.why


def test_one_line_is_a_price_where_there_is_only_one() -> None:
    model = load_registry().get("bfl/flux-kontext-pro")

    same = against(model, Published(model.id, one=("image", Decimal("0.04"))))
    dearer = against(model, Published(model.id, one=("image", Decimal("0.05"))))

    assert same.outcome is Outcome.CONFIRMED
    assert dearer.outcome is Outcome.CHANGED
    assert dearer.after == ("$0.05 per image",)


def test_models_that_only_one_side_knows_and_retired_ones_are_told_apart(tmp_path: Path) -> None:
    models = [each for each in load_registry(write(tmp_path, PAID)).models.values() if each.engine == "acme"]

    found = compare(models, [Published("acme/new")], TODAY, "x")

    assert [(each.model, each.outcome) for each in found] == [
        ("acme/one", Outcome.UNLISTED),
        ("acme/new", Outcome.NEW),
    ]


def test_an_overlay_with_the_change_loads_and_keeps_what_stood_there(tmp_path: Path, one: Model) -> None:
    dearer = Terms((Rate(unit="second", usd=Decimal("0.30")),), (), None)
    found = against(one, Published("acme/one", dearer))
    existing = PAID.lstrip() + "# mine\n"

    text = overlay_text(existing, [found], "overlay.yaml")
    registry = load_registry(write(tmp_path, text, "new.yaml"))

    assert "# mine" in text
    assert registry.get("acme/one").prices == found.prices
    assert registry.get("acme/old").retires == date(2026, 11, 21)


def test_a_new_overlay_holds_the_format_and_the_prices_alone() -> None:
    model = load_registry().get("bfl/flux-kontext-pro")
    found = against(model, Published(model.id, one=("image", Decimal("0.05"))))

    text = overlay_text("", [found], "overlay.yaml")

    assert text.startswith("format: 1\nmodels:\n  bfl/flux-kontext-pro:\n    prices:\n")
    assert "usd: '0.05'" in text


@pytest.mark.parametrize("existing", ["a: [", "- 1", "format: 2\n"])
def test_what_is_no_overlay_is_not_written_over(existing: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        overlay_text(existing, [], "mine.yaml")

    assert caught.value.where == "mine.yaml"
