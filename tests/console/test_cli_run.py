"""`dailies run` as people use it: a process of its own, with real Redis and real workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from console.cli import main

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120
FILM = """\
    schema_version: 1
    id: short
    title: Short
    deliverables:
      - {name: main, aspect_ratio: "16:9", resolution: 160x90, fps: 12}
      - {name: tall, aspect_ratio: "9:16", resolution: 90x160, fps: 12}
    shots:
      - {id: a, prompt: A lighthouse at dusk, duration_s: 0.5, dialogue: [{text: Light the lamp}]}
      - {id: b, prompt: The sea at night, duration_s: 0.5}
    """


class Person:
    """Somebody at a terminal, with a state folder and a storyboard."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.board = folder / "short.yaml"
        self.out = folder / "films" / "short.mp4"
        self.board.write_text(textwrap.dedent(FILM), encoding="utf-8")

    def start(self, *words: object) -> subprocess.Popen[str]:
        code = "import sys; from console.cli import main; sys.exit(main())"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("DAILIES_", "AWS_"))}
        environment |= {
            "DAILIES_HOME": str(self.home),
            "DAILIES_WORKERS": "2",
            "DAILIES_LEASE_S": "5",
            "COLUMNS": "200",
        }
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, words)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: object) -> tuple[int, str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out, err

    def left_behind(self) -> list[str]:
        """Processes that were started for this home and still run."""
        mine = f"DAILIES_HOME={self.home}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mine in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(tmp_path_factory.mktemp("person"))


@pytest.mark.stack
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_a_film_is_begun_stopped_gone_on_with_and_made_only_once(
    person: Person, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ctrl-C in the middle: how to go on, and nothing left running.
    begun = person.start("run", person.board, "-o", person.out)
    told = ""
    for line in begun.stderr:
        told += line
        if "generating shots" in line:
            begun.send_signal(signal.SIGINT)
            break
    out, err = begun.communicate(timeout=PATIENCE_S)
    assert begun.returncode == 130, told + err
    assert "same command again" in err
    assert "Traceback" not in err
    assert out == ""
    assert person.left_behind() == []
    assert not (person.home / "stack.json").exists()

    # The same command goes on with the same cut, and copies the films and their sidecars out.
    code, out, err = person.run("run", person.board, "-o", person.out, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert (document["state"], document["existed"], document["takes_generated"]) == ("delivered", True, 2)
    assert document["cut"] in told + err
    names = {Path(each).name for each in document["files"]}
    assert names == {path.name for path in person.out.parent.iterdir()}
    assert names >= {"short.mp4", "short.srt", "short.vtt", "short.sheet.jpg", "short.manifest.json"}
    assert names >= {"short.tall.mp4", "short.tall.srt"}
    assert document["files"][0] == str(person.out)
    assert all(Path(each).stat().st_size for each in document["files"])
    assert document["films"][0]["duration_s"] == pytest.approx(1.0, abs=0.05)
    assert person.left_behind() == []

    # A third time there is nothing to do: nothing is started, the film is where it is wanted.
    logs = {path: path.stat().st_size for path in (person.home / "logs").iterdir()}
    monkeypatch.setenv("DAILIES_HOME", str(person.home))
    monkeypatch.setenv("COLUMNS", "200")
    for setting in ("DAILIES_BROKER_URL", "DAILIES_DATABASE_URL", "DAILIES_STORAGE_URL"):
        monkeypatch.delenv(setting, raising=False)
    other = person.out.with_name("again.mp4")
    assert main(["run", str(person.board), "-o", str(other)]) == 0
    again = capsys.readouterr()
    assert "Delivered before" in again.out
    assert "2 takes generated" in again.out
    assert other.read_bytes() == person.out.read_bytes()
    assert {path: path.stat().st_size for path in (person.home / "logs").iterdir()} == logs

    # Without -o it says where the film lies in the storage.
    assert main(["run", str(person.board)]) == 0
    shown = capsys.readouterr().out
    places = [word for word in shown.split() if word.startswith(str(person.home)) and word.endswith(".mp4")]
    assert len(places) == 2
    assert all(Path(place).is_file() for place in places)

    # And watching what is over tells the same, with the same exit code.
    assert main(["watch", document["cut"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "delivered"
