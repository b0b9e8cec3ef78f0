from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigurationError
from pipeline.registry.files import content_hash, patched
from pipeline.registry.load import load_registry, registry_of
from tests.support.registry_samples import PAID, write


def test_the_shipped_animatic_models_cost_nothing_and_can_do_everything() -> None:
    registry = load_registry()

    assert {"animatic/painted", "animatic/pencil"} <= set(registry.models)
    for name in ("animatic/painted", "animatic/pencil"):
        model = registry.get(name)
        assert model.capabilities.aspect_ratios == "any"
        assert {"text-to-video", "image-to-video", "first-last-frame"} <= set(model.capabilities.modes)
        assert model.prices[0].rates[0].usd == 0
        assert model.charges.failed == "no"


def test_an_overlay_adds_models(tmp_path: Path) -> None:
    registry = load_registry(write(tmp_path, PAID))

    model = registry.get("acme/one")
    assert model.name == "one"
    assert model.charges.refused_input == "yes"
    assert model.charges.refused_output == "unknown"
    assert model.limits.concurrent == 5
    assert "animatic/painted" in registry.models


def test_what_a_provider_bills_for_a_take_that_came_to_nothing_is_yes_unless_it_says_no(tmp_path: Path) -> None:
    charges = load_registry(write(tmp_path, PAID)).get("acme/one").charges

    assert not charges.bills("failed")
    assert charges.bills("refused_input")
    assert charges.bills("cancelled")  # nobody knows, so the money counts as spent


def test_yes_and_no_mean_the_same_as_true_and_false(tmp_path: Path) -> None:
    said = load_registry(write(tmp_path, PAID, "a.yaml"))
    true = load_registry(
        write(tmp_path, PAID.replace("seed: no", "seed: false").replace("prompt: yes", "prompt: true"), "b.yaml")
    )

    assert said.hash == true.hash


def test_an_overlay_patches_single_facts_and_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    write(tmp_path / "registry", PAID, "10-acme.yaml")
    write(
        tmp_path / "registry",
        """
        format: 1
        models:
          acme/one:
            capabilities: {durations: {max_s: 8}, seed: null}
            limits: {concurrent: 9}
            retires: 2027-01-01
        """,
        "20-mine.yaml",
    )

    model = load_registry(tmp_path / "registry").get("acme/one")

    assert model.capabilities.durations.max_s == 8
    assert model.capabilities.seed == "unknown"
    assert model.capabilities.negative_prompt == "yes"
    assert (model.limits.concurrent, model.limits.per_minute) == (9, 60)
    assert model.retires == date(2027, 1, 1)


def test_an_overlay_replaces_and_removes_whole_entries(tmp_path: Path) -> None:
    overlay = write(
        tmp_path,
        """
        format: 1
        models:
          animatic/pencil: {remove: true}
          animatic/painted:
            replace: true
            engine: animatic
            provider: me
            kind: video
            capabilities: {modes: [text-to-video]}
        """,
    )

    registry = load_registry(overlay)

    assert "animatic/pencil" not in registry.models
    assert registry.get("animatic/painted").prices == ()


def test_the_hash_changes_with_the_content_and_not_with_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    one = load_registry(write(tmp_path, PAID))
    same = load_registry(write(tmp_path / "a", PAID, "other.json.yaml"))
    other = load_registry(write(tmp_path / "a", PAID.replace("0.20", "0.21"), "third.yaml"))

    assert one.hash == same.hash
    assert one.hash != other.hash
    assert registry_of(one.models.values(), one.accounts).hash == one.hash


FAULTS = {
    "an unknown field": (
        "seed: no",
        "sede: no",
        "models.acme/one.capabilities.sede: there is no such field; did you mean seed?",
    ),
    "an inexact amount": ('usd: "0.20"', "usd: 0.20", "prices.1.rates.0.usd: an amount of money is written in quotes"),
    "an unknown mode": ("[text-to-video, image-to-video]", "[text-to-vidoe]", "capabilities.modes.0: "),
    "overlapping prices": ("until: 2026-11-21", "until: 2026-11-22", "two prices hold on 2026-11-21"),
    "an end before the begin": ("until: 2026-11-21", "until: 2025-11-21", "until is not after from"),
    "a foreign id": ("engine: acme", "engine: other", "does not begin with its engine's name, other"),
    "another format": ("format: 1", "format: 2", "the file says 2"),
    "a price without a source": ("source: https://acme.example/pricing\n        verified", "verified", "source: "),
    "a wrong kind": ("kind: video", "kind: image", "capabilities.modes don't suit the kind image"),
    "broken YAML": ("fps: [24]", "fps: [24", "it is not valid YAML"),
    "an impossible rate": ("fps: [24]", "fps: [0]", "frame rate"),
    "an unknown top field": ("provider: Acme", "provider: Acme\nmodel: 3", "did you mean models?"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_names_the_file_the_field_and_the_remedy(tmp_path: Path, fault: str) -> None:
    right, wrong, said = FAULTS[fault]
    assert right in PAID
    path = write(tmp_path, PAID.replace(right, wrong, 1))

    with pytest.raises(ConfigurationError) as caught:
        load_registry(path)

    assert caught.value.where.startswith(str(path))
    assert said in str(caught.value)
    assert caught.value.remedy


def test_all_faults_of_an_entry_are_named_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, PAID.replace("seed: no", "sede: no").replace("audio: optional", "audio: loud"))

    with pytest.raises(ConfigurationError, match=r"(?s)audio.*sede|sede.*audio"):
        load_registry(path)


@pytest.mark.parametrize("kind", ["missing", "empty folder", "a list", "binary", "too large"])
def test_a_path_that_holds_no_registry_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "overlay.yaml"
    if kind == "empty folder":
        path.mkdir()
    elif kind == "a list":
        path.write_text("- 1")
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    elif kind == "too large":
        path.write_text("a: " + "x" * 8_000_001)

    with pytest.raises(ConfigurationError) as caught:
        load_registry(path)

    assert caught.value.remedy


def test_removing_what_is_not_there_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "format: 1\nmodels: {animatic/pencel: {remove: true}}")

    with pytest.raises(ConfigurationError, match="Did you mean animatic/pencil"):
        load_registry(path)


def test_a_model_that_does_not_exist_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean animatic/painted"):
        load_registry().get("animatic/paint")


json_values = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.sampled_from("abcd"), json_values, max_size=4)


@given(base=mappings, patch=mappings)
def test_patching_twice_is_patching_once_and_what_the_patch_says_stands(base: dict, patch: dict) -> None:
    once = patched(base, patch)

    assert patched(once, patch) == once
    assert patched(base, {}) == base
    for key, value in patch.items():
        assert isinstance(value, dict) or once[key] == value
    assert content_hash(once) == content_hash(dict(reversed(once.items())))


def test_what_an_account_may_ask_is_told_for_its_engine_and_patched_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    write(
        tmp_path / "registry",
        PAID.replace("models:", "account: {concurrent: 20, per_minute: 60}\nmodels:", 1),
        "1.yaml",
    )
    before = load_registry(tmp_path / "registry")
    write(tmp_path / "registry", "format: 1\nengine: acme\naccount: {concurrent: null}\n", "2.yaml")

    after = load_registry(tmp_path / "registry")

    assert (before.accounts["acme"].concurrent, before.accounts["acme"].per_minute) == (20, 60)
    assert (after.accounts["acme"].concurrent, after.accounts["acme"].per_minute) == (None, 60)
    assert "animatic" not in after.accounts
    assert before.hash != after.hash
    assert registry_of(after.models.values(), after.accounts).hash == after.hash


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format: 1\naccount: {concurrent: 3}\n", "does not say whose"),
        (
            "format: 1\nengine: acme\naccount: {concurent: 3}\n",
            "account.concurent: there is no such field; did you mean",
        ),
        ("format: 1\nengine: acme\naccount: {concurrent: 0}\n", "account.concurrent"),
    ],
)
def test_a_wrong_account_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_registry(write(tmp_path, text))

    assert said in str(caught.value)
    assert caught.value.where.endswith("overlay.yaml")


def test_wire_is_part_of_a_model_and_patched_like_everything(tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    write(
        tmp_path / "registry",
        PAID.replace("    retires:", "    wire: {seed: true, fields: {a: 1}}\n    retires:"),
        "1.yaml",
    )
    before = load_registry(tmp_path / "registry")
    write(tmp_path / "registry", "format: 1\nmodels: {acme/old: {wire: {seed: null, fields: {b: 2}}}}", "2.yaml")

    after = load_registry(tmp_path / "registry")

    assert after.get("acme/old").wire == {"fields": {"a": 1, "b": 2}}
    assert before.hash != after.hash
