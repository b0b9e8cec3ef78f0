"""validate, quote, route and import: exit codes, documents, and what a person is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.console.conftest import Dailies, Write

VIMAX = {
    "title": "A short walk",
    "scenes": [{"scene_id": 1, "shots": [{"shot_id": 1, "visual_content": "A man walks over a bridge at dawn"}]}],
}


def test_a_valid_storyboard_is_called_valid(dailies: Dailies, board: Path) -> None:
    said = dailies("validate", board)

    assert said.code == 0
    assert "Valid" in said.out
    assert "2 shots" in said.out
    assert said.err == ""


def test_the_length_that_is_said_is_the_films_crossfades_overlap(dailies: Dailies, write: Write) -> None:
    faded = write(
        "faded.yaml",
        """schema_version: 1
id: faded
defaults: {duration_s: 2, transition: {kind: crossfade, duration_s: 0.5}}
shots: [{id: a, prompt: one}, {id: b, prompt: two}, {id: c, prompt: three, transition: {kind: cut}}]
""",
    )

    said = dailies("validate", faded)

    assert "3 shots, about 5.5 s" in said.out


def test_a_valid_storyboards_document_names_its_shots(dailies: Dailies, board: Path) -> None:
    said = dailies("validate", board, "--json")

    assert said.code == 0
    assert [shot["id"] for shot in said.document["shots"]] == ["a", "b"]
    assert said.document["deliverables"] == [{"name": "main", "width": 160, "height": 90, "fps": "12"}]


def test_every_problem_of_a_storyboard_is_shown_with_its_line_and_remedy(dailies: Dailies, board: Path) -> None:
    board.write_text(board.read_text().replace("prompt: A lighthouse", "promt: A lighthouse").replace("0.5}", "900}"))

    said = dailies("validate", board)

    assert said.code == 2
    assert said.out == ""
    assert f"{board}:7:" in said.err
    assert f"{board}:8:" in said.err
    assert "shots[1].duration_s" in said.err
    assert "Did you mean" in said.err


def test_problems_are_one_document_on_standard_output(dailies: Dailies, board: Path) -> None:
    board.write_text(board.read_text().replace("prompt: A lighthouse", "promt: A lighthouse"))

    said = dailies("validate", "--json", board)

    assert said.code == said.error["exit_code"] == 2
    assert any(problem["line"] == 7 and problem["remedy"] for problem in said.error["problems"])
    assert said.err == ""


def test_warnings_go_to_standard_error_and_into_the_document(dailies: Dailies, board: Path) -> None:
    board.write_text(board.read_text().replace("duration_s: 0.5}", "duration_s: 0.5, camera: {move: wibble}}", 1))

    said = dailies("validate", board, "--json")

    assert said.code == 0
    assert "wibble" in said.err
    assert len(said.document["warnings"]) == 1


def test_a_file_that_is_not_there_is_bad_input(dailies: Dailies, tmp_path: Path) -> None:
    said = dailies("quote", tmp_path / "nothing.yaml")

    assert said.code == 2
    assert "does not exist" in said.err


def test_a_quote_names_the_model_and_the_sums(dailies: Dailies, board: Path, priced: None) -> None:
    said = dailies("quote", board, "--json")

    assert said.code == 0
    assert said.document["shots"][0]["model"] == "animatic/painted"
    assert said.document["worst_micro_usd"] == 2 * 3 * 2_000_000
    assert "$12.00" in dailies("quote", board).out


def test_a_quote_beyond_the_budget_is_shown_and_exits_with_3(dailies: Dailies, board: Path, priced: None) -> None:
    said = dailies("quote", board, "--budget", "0.50")

    assert said.code == 3
    assert "animatic/painted" in said.out
    assert "--budget of $0.50" in said.out


def test_work_beyond_the_budget_is_refused_with_3_before_anything_is_made(
    dailies: Dailies, board: Path, priced: None, home: Path
) -> None:
    said = dailies("run", board, "--budget", "0.50", "--json")

    assert said.code == said.error["exit_code"] == 3
    assert "$0.50" in said.error["what"]
    assert not (home / "logs").exists(), "the stack was started for work that is refused"


def test_a_tier_without_a_model_is_refused_with_5_naming_the_shots(dailies: Dailies, board: Path, home: Path) -> None:
    said = dailies("run", board, "--stage", "final")

    assert said.code == 5
    assert "shots a, b" in said.err
    assert "DAILIES_REGISTRY" in said.err
    assert not (home / "logs").exists()


def test_a_quote_without_a_model_exits_with_5(dailies: Dailies, board: Path) -> None:
    said = dailies("quote", board, "--stage", "final", "--json")

    assert said.code == 5
    assert said.document["complete"] is False


def test_a_route_says_why_each_model_has_its_part(dailies: Dailies, board: Path) -> None:
    said = dailies("route", board)

    assert said.code == 0
    assert "a, b" in said.out, "shots that are decided alike are told once"
    assert "best ranked" in said.out
    assert "fallback" in said.out


def test_routes_as_a_document_hold_every_candidate(dailies: Dailies, board: Path) -> None:
    said = dailies("route", board, "--json")

    assert [shot["shot_id"] for shot in said.document["shots"]] == ["a", "b"]
    assert [each["role"] for each in said.document["shots"][0]["candidates"]] == ["first", "fallback"]


def test_a_route_without_a_model_exits_with_5(dailies: Dailies, board: Path) -> None:
    assert dailies("route", board, "--stage", "final").code == 5


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    found = sorted((Path(__file__).parents[1] / "data").rglob("*.json"))
    path = tmp_path / "vimax.json"
    path.write_bytes(found[0].read_bytes()) if found else path.write_text(json.dumps(VIMAX))
    return path


def test_another_tools_storyboard_is_written_as_one_that_can_be_run(
    dailies: Dailies, foreign: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "board.yaml"

    said = dailies("import", foreign, "-o", out, "--json")

    assert said.code == 0, said
    assert said.document["shots"] >= 1
    assert dailies("validate", out).code == 0
    assert [path.name for path in out.parent.iterdir()] == ["board.yaml"]


def test_an_import_replaces_a_file_only_when_told_to(dailies: Dailies, foreign: Path, tmp_path: Path) -> None:
    out = tmp_path / "board.yaml"
    out.write_text("somebody's work")

    said = dailies("import", foreign, "-o", out)

    assert said.code == 2
    assert "--force" in said.err
    assert out.read_text() == "somebody's work"
    assert dailies("import", foreign, "-o", out, "--force").code == 0
    assert "schema_version" in out.read_text()


def test_what_is_no_foreign_storyboard_is_not_imported(dailies: Dailies, board: Path, tmp_path: Path) -> None:
    said = dailies("import", board, "-o", tmp_path / "copy.yaml")

    assert said.code == 2
    assert not (tmp_path / "copy.yaml").exists()


def test_what_to_run_after_an_import_can_be_copied_from_a_narrow_terminal(
    dailies: Dailies, foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = tmp_path / "a walk.yaml"

    said = dailies("import", foreign, "-o", out)

    assert said.code == 0
    assert f"dailies run '{out}' -o 'a walk.mp4'" in said.out


def test_a_word_that_is_none_of_the_choices_is_named_with_them(dailies: Dailies, board: Path) -> None:
    said = dailies("quote", board, "--stage", "prev")

    assert said.code == 2
    assert "'prev' is not one of 'preview', 'final'." in said.err
    assert "Value error" not in said.err
