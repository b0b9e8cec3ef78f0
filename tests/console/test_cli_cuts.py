"""submit, status and steering on a machine where nothing runs: the work is kept in the database."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from console.controllers.submitting import PRIORITIES
from console.requests import Priority
from pipeline.production import submit

if TYPE_CHECKING:
    from tests.console.conftest import Dailies, Write


def test_asking_where_things_stand_makes_no_state_folder(dailies: Dailies, home: Path) -> None:
    said = dailies("status", "--json")

    assert said.code == 0
    assert said.document == {"cuts": [], "unknown_takes": []}
    assert not home.exists()


def test_an_unknown_id_is_bad_input(dailies: Dailies, home: Path, board: Path) -> None:
    assert dailies("status", "nope").code == 2
    dailies("submit", board)

    said = dailies("status", "nope", "--json")

    assert said.code == 2
    assert said.error["where"] == "nope"


def test_without_a_broker_a_submission_waits_and_says_so(dailies: Dailies, board: Path) -> None:
    said = dailies("submit", board, "--json")

    assert said.code == 0
    assert "dailies up" in said.document["waiting"]
    (cut,) = said.document["cuts"]
    assert (cut["storyboard"], cut["shots"], cut["existed"]) == ("tiny", 2, False)
    assert dailies("status", cut["cut"], "--json").document["state"] == "generating"


def test_the_same_storyboard_is_one_cut(dailies: Dailies, board: Path) -> None:
    first = dailies("submit", board, "--json").document["cuts"][0]

    second = dailies("submit", board, "--json").document["cuts"][0]

    assert second["existed"]
    assert second["cut"] == first["cut"]
    assert len(dailies("status", "--json").document["cuts"]) == 1


def test_of_several_storyboards_all_or_none_are_submitted(dailies: Dailies, board: Path, write: Write) -> None:
    bad = write("bad.yaml", "schema_version: 1\nid: bad\nshots: []\n")
    worse = write("worse.yaml", "schema_version: 1\nid: worse\nshot: []\n")

    said = dailies("submit", board, bad, worse, "--json")

    assert said.code == 2
    assert {problem["file"] for problem in said.error["problems"]} == {str(bad), str(worse)}
    assert dailies("status", "--json").document["cuts"] == []


def test_a_cut_is_paused_resumed_cancelled_and_retried(dailies: Dailies, board: Path) -> None:
    cut = dailies("submit", board, "--json").document["cuts"][0]["cut"]

    states = [dailies(word, cut[:6], "--json").document for word in ("pause", "resume", "cancel", "retry")]

    assert [each["done"] for each in states] == ["pause", "resume", "cancel", "retry"]
    assert [(each["state"], each["paused"]) for each in states] == [
        ("generating", True),
        ("generating", False),
        ("cancelled", False),
        ("generating", False),
    ]
    assert states[-1]["shots"] == 2


def test_steering_what_is_over_is_bad_input_with_a_remedy(dailies: Dailies, board: Path) -> None:
    cut = dailies("submit", board, "--json").document["cuts"][0]["cut"]
    dailies("cancel", cut)

    said = dailies("pause", cut, "--json")

    assert said.code == 2
    assert "retry" in said.error["remedy"]


def test_a_retry_names_the_shots_there_are(dailies: Dailies, board: Path) -> None:
    cut = dailies("submit", board, "--json").document["cuts"][0]["cut"]

    said = dailies("retry", cut, "--shot", "z")

    assert said.code == 2
    assert "a, b" in said.err


def test_a_database_that_does_not_answer_is_the_environment(
    dailies: Dailies, board: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "folder.db").mkdir()
    monkeypatch.setenv("DAILIES_DATABASE_URL", f"sqlite:///{tmp_path / 'folder.db'}")

    said = dailies("submit", board, "--json")

    assert said.code == said.error["exit_code"] == 5
    assert "DAILIES_DATABASE_URL" in said.error["remedy"]


def test_a_broker_that_does_not_answer_keeps_the_submission(
    dailies: Dailies, board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAILIES_BROKER_URL", "redis://127.0.0.1:1/0")

    said = dailies("submit", board, "--json")

    assert said.code == 0
    assert "does not answer" in said.document["waiting"]
    assert len(dailies("status", "--json").document["cuts"]) == 1


@pytest.mark.parametrize("command", ["run", "up"])
def test_a_broker_that_does_not_answer_ends_what_would_wait_for_it(
    dailies: Dailies, board: Path, home: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("DAILIES_BROKER_URL", "redis://127.0.0.1:1/0")

    said = dailies("run", board, "--json") if command == "run" else dailies("up")

    assert said.code == 5
    assert "does not answer" in (said.error["what"] if command == "run" else said.err)
    assert not (home / "logs" / "worker.log").exists(), "a worker was started that could do nothing"


def test_a_cut_that_needs_attention_says_why_and_what_helps_and_exits_with_4(
    dailies: Dailies, board: Path, home: Path
) -> None:
    cut = dailies("submit", board, "--json").document["cuts"][0]["cut"]
    with sqlite3.connect(home / "dailies.db") as connection:
        connection.execute("UPDATE steps SET state = 'dead'")
        connection.execute("UPDATE shots SET state = 'needs_attention', reason = 'Too blurred.' WHERE key = 'b'")
        connection.execute("UPDATE shots SET state = 'ready' WHERE key = 'a'")
        connection.execute("UPDATE cuts SET state = 'needs_attention', reason = 'Of 2 shots, 1 needs attention.'")
    connection.close()

    said, scripted = dailies("run", board), dailies("run", board, "--json")
    watched = dailies("watch", cut)

    assert said.code == scripted.code == scripted.document["exit_code"] == watched.code == 4
    assert "Too blurred." in said.out
    assert f"dailies retry {cut} --shot b" in said.out
    assert f"dailies retry {cut} --placeholder" in said.out
    assert [shot["id"] for shot in scripted.document["shots"] if shot["reason"]] == ["b"]
    assert not (home / "redis").exists(), "the stack was started for a cut that waits for a person"


@pytest.mark.parametrize("out", ["film.mkv", "film", "/dev/null/film.mp4"])
def test_a_film_that_could_not_be_written_is_refused_before_any_work(
    dailies: Dailies, board: Path, home: Path, tmp_path: Path, out: str
) -> None:
    said = dailies("run", board, "-o", tmp_path / out)

    assert said.code == 2
    assert "-o" in said.err
    assert not home.exists()


def test_the_priorities_are_productions_own() -> None:
    assert {each.value: PRIORITIES[each] for each in Priority} == submit.PRIORITIES


def test_the_list_and_the_cut_are_shown_to_people(dailies: Dailies, board: Path) -> None:
    cut = dailies("submit", board, "--json").document["cuts"][0]["cut"]

    listing, whole = dailies("status"), dailies("status", cut)

    assert cut in listing.out
    assert "0/2" in listing.out
    assert "Tiny" in whole.out
    assert json.dumps(cut) not in whole.out
