"""What is generated is current, and what is shown works."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from pipeline.errors import StoryboardError
from pipeline.storyboard import jsonschema as generator
from pipeline.storyboard import reference, templates
from pipeline.storyboard.load import load_storyboard
from pipeline.storyboard.schema import Shot, Storyboard

ROOT = Path(__file__).parents[2]
EXAMPLES = [ROOT / "examples" / "ten-lines.yaml", ROOT / "examples" / "lighthouse" / "storyboard.yaml"]
PAGE = (ROOT / "docs" / "storyboard.md").read_text(encoding="utf-8")


def plain(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def test_the_json_schema_in_docs_is_current() -> None:
    assert generator.SCHEMA_PATH.read_text(encoding="utf-8") == generator.schema_text()
    assert generator.main(["--check"]) == 0


def test_the_reference_in_docs_is_current_and_names_every_field() -> None:
    assert reference.main(["--check"]) == 0
    for field in (*Storyboard.model_fields, *Shot.model_fields):
        assert f"| `{field}` |" in PAGE


def test_the_json_schema_is_valid_and_describes_every_field() -> None:
    schema = generator.json_schema()

    jsonschema.Draft202012Validator.check_schema(schema)
    for name, part in schema["$defs"].items():
        for field, described in part.get("properties", {}).items():
            assert described.get("description") or "$ref" in described, f"{name}.{field}"
    assert schema["properties"]["title"]["description"] == "Title."
    assert "push-in" in schema["$defs"]["Camera"]["properties"]["move"]["examples"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_loads_without_warnings_and_names_its_schema(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert load_storyboard(path).warnings == ()
    jsonschema.Draft202012Validator(generator.json_schema()).validate(plain(text))
    comment = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert comment
    assert (path.parent / comment[1]).resolve() == generator.SCHEMA_PATH


def test_the_json_schema_refuses_what_loading_refuses() -> None:
    validator = jsonschema.Draft202012Validator(generator.json_schema())
    board: dict[str, Any] = {"schema_version": 1, "id": "a", "shots": [{"id": "a", "prompt": "x"}]}
    validator.validate(board)

    for change in ({"fps": 24}, {"shots": []}, {"id": "a b"}, {"schema_version": 2}, {"seed": {"base": -1}}):
        assert not validator.is_valid({**board, **change})


def test_the_demo_film_shows_the_whole_format_and_is_short() -> None:
    board = load_storyboard(EXAMPLES[1]).storyboard
    seconds = sum(board.duration_of(shot) for shot in board.shots)
    moves = {board.camera_of(shot).move for shot in board.shots}
    kinds = {board.transition_of(shot).kind for shot in board.shots}

    assert len(board.shots) == 12
    assert 36 <= seconds <= 42
    assert len(moves) >= 10
    assert len(kinds) == 5
    assert any(shot.continues for shot in board.shots)
    assert {line.speaker for shot in board.shots for line in shot.dialogue} == set(board.characters)
    assert [deliverable.size for deliverable in board.deliverables] == [(1280, 720), (540, 960)]
    values = {**dict.fromkeys(templates.SHOT_WORDS, "x"), **board.variables}
    assert "soft morning light" in templates.fill(board.templates["painted"], values)


def test_the_storyboard_shown_in_docs_is_the_ten_line_example() -> None:
    shown = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

    assert shown
    assert shown[1] == EXAMPLES[0].read_text(encoding="utf-8")


def test_the_errors_shown_in_docs_are_what_the_loader_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("board.yaml").write_text(
        "schema_version: 1\nid: film\nlocations:\n  coast: {}\nfps: 24\nshots:\n"
        "  - id: hill\n    prompt: a hill\n"
        "    tier: standrd\n    location: cost\n    duration_s: -3\n"
        "  - id: kite\n    prompt: a kite\n    continues: kit\n"
    )

    with pytest.raises(StoryboardError) as caught:
        load_storyboard(Path("board.yaml"))

    shown = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert shown
    assert str(caught.value) == shown[1].rstrip()
