"""models, doctor and up, as far as they go without starting anything."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workers.stackfile import StackFile, write_stackfile

if TYPE_CHECKING:
    from tests.console.conftest import Dailies, Said, Write


def levels(said: Said) -> dict[str, str]:
    return {each["subject"]: each["level"] for each in said.document["findings"]}


def test_the_models_are_listed_with_todays_prices(dailies: Dailies, priced: None) -> None:
    said = dailies("models", "--json")

    assert said.code == 0
    painted = next(each for each in said.document["models"] if each["id"] == "animatic/painted")
    assert painted["usable"]
    assert painted["prices_today"] == ["$2 per clip"]
    assert painted["tiers"] == ["draft"]
    assert "animatic/painted" in dailies("models").out


def test_a_model_says_why_it_cant_be_used(dailies: Dailies, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay = (
        "format: 1\nengine: animatic\nprovider: D\nmodels:\n  animatic/pencil: {retires: 2020-01-01, prices: []}\n"
    )
    monkeypatch.setenv("DAILIES_REGISTRY", str(write("overlay.yaml", overlay)))

    pencil = next(each for each in dailies("models", "--json").document["models"] if each["id"] == "animatic/pencil")

    assert not pencil["usable"]
    assert "retired on 2020-01-01" in pencil["why_not"]
    assert "has no price for today" in pencil["why_not"]


def test_a_registry_that_cant_be_read_is_the_environment(
    dailies: Dailies, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DAILIES_REGISTRY", str(tmp_path / "nowhere"))

    said = dailies("models", "--json")

    assert said.code == 5
    assert said.error["where"] == "DAILIES_REGISTRY"


def test_a_healthy_machine_has_no_fault_and_keeps_no_probe(dailies: Dailies, home: Path) -> None:
    said = dailies("doctor", "--json")

    assert said.code == 0, said.out
    assert set(levels(said).values()) <= {"ok", "warning"}
    assert {"Python", "FFmpeg", "redis-server", "Broker", "Database", "Storage", "Engines", "Fonts"} <= set(
        levels(said)
    )
    assert not list((home / "storage").rglob("doctor-*"))


def test_what_is_broken_is_a_fault_and_the_rest_is_looked_at_all_the_same(
    dailies: Dailies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAILIES_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("DAILIES_STORAGE_URL", "ftp://somewhere")

    said = dailies("doctor", "--json")

    assert said.code == 5
    assert levels(said)["Broker"] == levels(said)["Storage"] == "fault"
    assert levels(said)["Database"] == levels(said)["FFmpeg"] == "ok"
    assert "DAILIES_STORAGE_URL" in dailies("doctor").out


def test_a_database_of_a_later_version_is_a_fault(dailies: Dailies, board: Path, home: Path) -> None:
    dailies("submit", board)
    with sqlite3.connect(home / "dailies.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    said = dailies("doctor", "--json")

    assert levels(said)["Database"] == "fault"


def test_the_web_console_is_said_to_be_missing(dailies: Dailies, home: Path) -> None:
    said = dailies("up", "--with", "console")

    assert said.code == 2
    assert "not in this version" in said.err
    assert not home.exists()


def test_what_up_does_not_know_is_refused(dailies: Dailies) -> None:
    said = dailies("up", "--with", "flower,wings")

    assert said.code == 2
    assert "'wings'" in said.err


def test_a_second_stack_in_the_same_home_is_refused(dailies: Dailies, home: Path) -> None:
    home.mkdir()
    parent = os.getppid()  # a process that lives, and is not this one
    write_stackfile(home, StackFile("redis://127.0.0.1:1/0", parent, {}))

    said = dailies("up")

    assert said.code == 2
    assert str(parent) in said.err
