"""What the shipped registry has to hold, whoever edits it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipeline.registry import shipped
from pipeline.registry.load import load_registry
from pipeline.registry.model import Model
from pipeline.registry.prices import Quoted, price_job, price_on
from pipeline.registry.refresh import sample_jobs

TODAY = date(2026, 11, 21)
MODELS = list(load_registry().models.values())
LIVE = [model for model in MODELS if not model.is_retired(TODAY)]


def test_there_are_sixty_video_models_and_fifteen_image_models_that_are_not_retired() -> None:
    assert sum(model.kind == "video" and model.engine != "animatic" for model in LIVE) >= 60
    assert sum(model.kind == "image" for model in LIVE) >= 15


def test_sixty_video_models_have_a_price_for_today() -> None:
    priced = [model for model in LIVE if model.kind == "video" and price_on(model.prices, TODAY) is not None]

    assert sum(model.engine != "animatic" for model in priced) >= 60


@pytest.mark.parametrize("model", LIVE, ids=lambda model: model.id)
def test_a_model_has_a_price_or_says_why_not(model: Model) -> None:
    assert price_on(model.prices, TODAY) is not None or "price" in model.notes or "costs" in model.notes


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_a_model_says_where_everything_comes_from(model: Model) -> None:
    assert model.title
    assert model.source
    assert all(price.source for price in model.prices)
    assert model.charges.source or model.is_retired(TODAY), "what it bills, or that nobody knows"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_nothing_was_verified_or_priced_in_the_future(model: Model) -> None:
    days = [model.verified, *(price.verified for price in model.prices)]

    assert all(isinstance(day, str) or day <= TODAY for day in days)


@pytest.mark.parametrize("model", [each for each in MODELS if each.retires or each.may_retire], ids=lambda m: m.id)
def test_a_model_with_a_last_day_names_a_successor_that_is_there(model: Model) -> None:
    successor = load_registry().find(model.successor)

    assert successor is not None
    assert successor.kind == model.kind
    assert successor.id != model.id


def test_successors_lead_to_a_model_that_is_not_retired() -> None:
    by_id = {model.id: model for model in MODELS}
    for model in MODELS:
        last, seen = model, {model.id}
        while last.is_retired(TODAY):
            last = by_id[last.successor]
            assert last.id not in seen
            seen.add(last.id)


@pytest.mark.parametrize("model", [each for each in LIVE if each.prices], ids=lambda model: model.id)
def test_a_price_list_prices_at_least_one_job_that_the_model_can_do(model: Model) -> None:
    quotes = [price_job(model.prices, job, TODAY) for job in sample_jobs(model.capabilities)]

    assert any(isinstance(quote, Quoted) and quote.worst >= quote.expected >= 0 for quote in quotes)


def test_the_compiled_copy_is_current() -> None:
    assert shipped.main(["--check"]) == 0, "python -m pipeline.registry.shipped"


def test_the_compiled_copy_says_what_the_files_say(tmp_path: Path) -> None:
    parsed = {path.name: said for path, said in shipped.read_shipped(compiled=tmp_path / "none.json")}

    read = {path.name: said for path, said in shipped.read_shipped()}

    assert list(read) == list(parsed)
    assert [sorted(said["models"]) for said in read.values()] == [sorted(said["models"]) for said in parsed.values()]
    before, after = load_registry().hash, None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "_copy", lambda _: {})
        after = load_registry().hash
    assert after == before


def test_a_file_that_was_changed_since_is_read_itself(tmp_path: Path) -> None:
    folder, compiled = tmp_path / "models", tmp_path / "compiled.json"
    folder.mkdir()
    (folder / "acme.yaml").write_text("format: 1\nengine: acme\nmodels: {}\n")
    assert shipped.main([], folder=folder, compiled=compiled) == 0
    assert shipped.main(["--check"], folder=folder, compiled=compiled) == 0

    (folder / "acme.yaml").write_text("format: 1\nengine: other\nmodels: {}\n")

    [(_, said)] = shipped.read_shipped(folder, compiled)
    assert said["engine"] == "other"
    assert shipped.main(["--check"], folder=folder, compiled=compiled) == 1


@pytest.mark.parametrize("broken", ["", "[]", "{", '{"acme.yaml": 1}'])
def test_a_broken_compiled_copy_does_no_harm(tmp_path: Path, broken: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "acme.yaml").write_text("format: 1\nengine: acme\nmodels: {}\n")
    (tmp_path / "compiled.json").write_text(broken)

    [(_, said)] = shipped.read_shipped(tmp_path / "models", tmp_path / "compiled.json")

    assert said["engine"] == "acme"
