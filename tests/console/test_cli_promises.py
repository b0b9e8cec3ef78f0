"""What holds for every command: one document, no traceback, quick to start, help that is current."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from console import document, requests
from console.cli import app
from console.controllers import boards
from console.dispatch import CONTROLLERS, controller_of
from console.interrupts import Interrupted, Interrupts
from pipeline.registry.markdown import DOCS

if TYPE_CHECKING:
    from tests.console.conftest import Dailies

ROOT = Path(__file__).parents[2]
CLI = "import sys; from console.cli import main; code = main(sys.argv[1:]); "
HEAVY = ("celery", "kombu", "boto3", "botocore", "cv2", "sqlalchemy", "redis", "numpy", "av", "alembic")
COMMANDS = [each.name or each.callback.__name__ for each in app.registered_commands]


def process(code: str, *words: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, **environment}
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=60, check=False)


def test_every_request_has_a_controller_that_can_be_imported() -> None:
    kinds = {each for each in vars(requests).values() if isinstance(each, type) and issubclass(each, requests.Request)}

    assert set(CONTROLLERS) == kinds - {requests.Request}
    for kind in CONTROLLERS:
        assert callable(controller_of(kind))


@pytest.mark.parametrize("words", [["--help"], ["validate", "BOARD"], ["run", "--help"]])
def test_help_and_validate_import_nothing_heavy(board: Path, words: list[str]) -> None:
    words = [str(board) if word == "BOARD" else word for word in words]
    said = process(f"{CLI}print(code, [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)", *words)

    assert said.stderr.decode().splitlines()[-1] == "0 []"


def test_the_page_on_the_command_line_is_current() -> None:
    assert (DOCS / document.PAGE).read_text(encoding="utf-8") == document.page()


def test_the_page_names_every_command_and_its_options() -> None:
    page = document.page()

    for name in COMMANDS:
        assert f"\n## dailies {name.rstrip('_')}\n" in page
    assert "dailies run FILE [-o OUT.mp4] [--stage preview|final] [--budget USD] [--json]" in page


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(dailies: Dailies, command: str) -> None:
    said = dailies(command.rstrip("_"), "--help")

    assert said.code == 0
    assert "Usage: dailies" in said.out


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["quote", "BOARD", "--budget", "much"],
        ["quote", "BOARD", "--budget", "-1"],
        ["quote", "BOARD", "--budget", "nan"],
        ["submit", "BOARD", "--at", "soon"],
        ["run", "BOARD", "--stage", "later"],
        ["status", "--frobnicate"],
        ["nothing"],
    ],
)
def test_wrong_usage_is_one_line_or_one_document(dailies: Dailies, board: Path, words: list[str]) -> None:
    words = [str(board) if word == "BOARD" else word for word in words]

    said, scripted = dailies(*words), dailies(*words, "--json")

    assert said.code == scripted.code == scripted.error["exit_code"] == 2
    assert said.out == ""
    assert "--help" in said.err
    assert scripted.err == ""


def test_a_setting_that_cant_be_understood_is_the_environment(
    dailies: Dailies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAILIES_WORKERS", "many")

    said = dailies("models", "--json")

    assert said.code == 5
    assert said.error["where"] == "DAILIES_WORKERS"


def test_what_nobody_foresaw_is_one_line_and_its_traceback_is_kept(
    dailies: Dailies, board: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("the secret of the universe")

    monkeypatch.setattr(boards, "load_storyboard", broken)

    said, scripted = dailies("validate", board), dailies("validate", board, "--json")

    assert said.code == scripted.code == 5
    assert "Traceback" not in said.err + scripted.out
    log = home / "logs" / "console.log"
    assert str(log) in said.err
    assert scripted.error["where"] == str(log)
    assert "the secret of the universe" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_a_reader_that_goes_away_is_no_error(board: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        said = subprocess.run(
            [sys.executable, "-c", f"{CLI}sys.exit(code)", "validate", str(board)],
            cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip

    assert said.stderr == b""
    assert said.returncode == 128 + signal.SIGPIPE


def test_a_terminal_without_utf_8_is_written_to_all_the_same(board: Path) -> None:
    board.write_text(board.read_text().replace("title: Tiny", "title: 灯台守 é"), encoding="utf-8")

    shown = process(f"{CLI}sys.exit(code)", "validate", board, PYTHONIOENCODING="ascii")
    scripted = process(f"{CLI}sys.exit(code)", "validate", board, "--json", PYTHONIOENCODING="ascii")

    assert shown.returncode == scripted.returncode == 0
    assert b"Valid" in shown.stdout
    assert json.loads(scripted.stdout)["title"] == "灯台守 é"


def test_no_color_and_pipes_get_no_escape_codes(board: Path) -> None:
    coloured = process(f"{CLI}sys.exit(code)", "quote", board, FORCE_COLOR="1", NO_COLOR="")
    plain = process(f"{CLI}sys.exit(code)", "quote", board)

    assert b"\x1b[" in coloured.stdout
    assert b"\x1b[" not in plain.stdout


def test_what_comes_from_a_file_cant_steer_the_terminal(dailies: Dailies, tmp_path: Path) -> None:
    said = dailies("validate", tmp_path / "\x1b]0;owned\x07.yaml")

    assert said.code == 2
    assert "\x1b" not in said.err
    assert "\\x1b" in said.err


def test_a_signal_waits_for_the_end_of_a_held_section() -> None:
    done: list[str] = []

    def start(interrupts: Interrupts) -> None:
        with interrupts.held():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("started")
        done.append("never reached")

    with Interrupts() as interrupts, pytest.raises(Interrupted) as caught:
        start(interrupts)

    assert done == ["started"]
    assert caught.value.exit_code == 143


def test_a_second_signal_does_not_disturb_the_cleaning_up() -> None:
    cleaned = []

    with Interrupts():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except Interrupted as caught:
            os.kill(os.getpid(), signal.SIGINT)
            cleaned.append(caught.exit_code)

    assert cleaned == [130]
