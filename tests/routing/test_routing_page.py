from pathlib import Path

from pipeline.registry.load import load_registry
from pipeline.registry.markdown import DOCS
from pipeline.routing.document import PAGE, page
from pipeline.routing.load import load_table
from tests.support.registry_samples import write


def test_the_page_on_routing_is_current() -> None:
    assert (DOCS / PAGE).read_text() == page(load_table()), "python -m pipeline.routing.document"


def test_the_page_says_what_the_table_says(tmp_path: Path) -> None:
    changed = load_table(write(tmp_path, "format: 1\nchain_length: 5\nclasses: {product: {speed: [animatic/pencil]}}"))

    text = page(changed)

    assert "at most 5\n   models in all" in text
    assert "| product | speed | `animatic/pencil` |" in text
    assert "| any other | premium | none: add one in an overlay |" in text


def test_the_shipped_table_names_only_models_of_the_shipped_registry() -> None:
    load_table(registry=load_registry())
