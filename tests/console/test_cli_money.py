"""costs, resolve, campaigns and what doctor says of the books."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.boards import board as storyboard
from tests.support.spending import Spending, open_spending

if TYPE_CHECKING:
    from tests.console.conftest import Dailies, Said, Write


@pytest.fixture
def spending(dailies: Dailies, home: Path, board: Path) -> Iterator[Spending]:
    """The database that the commands use, with one free cut in it."""
    dailies("submit", board)
    opened = open_spending(f"sqlite:///{home / 'dailies.db'}")
    yield opened
    opened.database.close()


def found(said: Said, subject: str) -> list[dict[str, str]]:
    return [each for each in said.document["findings"] if each["subject"] == subject]


def test_costs_add_up_and_are_printed_to_the_micro_dollar(dailies: Dailies, spending: Spending) -> None:
    cut = spending.cut(key="sea", expected=500_000, worst=2_000_000)
    spending.spend(cut, 400_001, state="rejected")
    spending.spend(cut, 400_002)

    said, scripted = dailies("costs", "--by", "storyboard"), dailies("costs", "--by", "storyboard", "--json")

    for told in ("$0.800003", "$0.50", "$2.00", "1 of 2", "2.00"):
        assert told in said.out
    assert said.code == scripted.code == 0
    assert scripted.document["rows"] == [
        {
            "storyboard": "sea",
            "billed_micro_usd": 800_003,
            "reserved_micro_usd": 0,
            "attempts": 2,
            "billed_attempts": 2,
            "accepted": 1,
            "regeneration_multiplier": 2.0,
            "per_accepted_micro_usd": 800_003,
            "quoted_expected_micro_usd": 500_000,
            "quoted_worst_micro_usd": 2_000_000,
        }
    ]
    assert scripted.document["total"]["billed_micro_usd"] == 800_003
    assert dailies("costs", "--month", "2026-10", "--json").document["rows"] == []
    spent = sum(each["spent_micro_usd"] for each in dailies("status", "--json").document["cuts"])
    assert spent == 800_003


def test_money_is_shown_whole_on_a_narrow_terminal(
    dailies: Dailies, spending: Spending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    cut = spending.cut(expected=12_345_678, worst=98_765_432)
    spending.spend(cut, 23_456_789, model="openai_compatible/a-model-with-a-long-name")

    said = dailies("costs")

    assert said.out.count("$23.456789") == 4  # of the model and in all: billed, and each
    assert said.out.count("$12.345678") == said.out.count("$98.765432") == 2
    assert max(map(len, said.out.splitlines())) <= 80


def test_costs_where_nothing_was_ever_submitted_make_no_state_folder(dailies: Dailies, home: Path) -> None:
    said = dailies("costs", "--json")

    assert said.code == 0
    assert (said.document["by"], said.document["rows"], said.document["cuts"]) == ("model", [], 0)
    assert "Nothing was reserved or spent." in dailies("costs").out
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--by", "user"], "accounts, which are not in this version"),
        (["--by", "colour"], "model, tier, class, campaign, storyboard"),
        (["--month", "2026-13"], "Write it as 2026-11"),
        (["--month", "last"], "Write it as 2026-11"),
    ],
)
def test_costs_that_cant_be_told_are_bad_input(dailies: Dailies, words: list[str], told: str) -> None:
    said = dailies("costs", *words, "--json")

    assert said.code == said.error["exit_code"] == 2
    assert told in f"{said.error['what']} {said.error['remedy']}"


def test_an_unknown_take_is_listed_everywhere_with_the_command_that_settles_it(
    dailies: Dailies, spending: Spending
) -> None:
    cut = spending.cut(key="sea", body=storyboard({}).model_dump(mode="json"))
    take = spending.hold(cut, 420_000)

    whole, listing, doctor = (dailies(*words, "--json") for words in (["status", cut], ["status"], ["doctor"]))

    (told,) = listing.document["unknown_takes"]
    assert whole.document["unknown_takes"] == [told]
    assert (told["take"], told["shot"], told["held_micro_usd"]) == (take, "s0", 420_000)
    assert told["since"].endswith("Z")
    (warning,) = found(doctor, "Unknown takes")
    assert (warning["level"], warning["remedy"]) == ("warning", told["remedy"])
    assert doctor.code == 0
    for words in (["status", cut], ["status"], ["doctor"]):
        said = dailies(*words)
        assert f"dailies resolve {take} --charged|--not-charged" in said.out
        assert "$0.42" in said.out
        assert "The answer was lost." in said.out


@pytest.mark.parametrize(("word", "charged"), [("--charged", 420_000), ("--not-charged", 0)])
def test_a_persons_word_settles_it_and_says_what_to_do_next(
    dailies: Dailies, spending: Spending, word: str, charged: int
) -> None:
    cut = spending.cut(key="sea")
    take, other = spending.hold(cut, 420_000), spending.hold(spending.cut(), 5)

    scripted, said = dailies("resolve", take, word, "--json"), dailies("resolve", other, word)

    assert scripted.document == {
        "take": take,
        "cut": cut,
        "shot": "s0",
        "held_micro_usd": 420_000,
        "charged_micro_usd": charged,
        "retry": f"dailies retry {cut} --shot s0",
    }
    assert ("counts as spent" in said.out) == bool(charged)
    assert "dailies retry" in said.out
    assert dailies("status", "--json").document["unknown_takes"] == []
    assert dailies("resolve", take, word).code == 2


def test_a_word_that_is_missing_or_of_no_take_is_bad_input(dailies: Dailies, home: Path, board: Path) -> None:
    before = dailies("resolve", "abc", "--charged", "--json")
    assert not home.exists()
    dailies("submit", board)
    unsaid, nobody = dailies("resolve", "abc", "--json"), dailies("resolve", "abc", "--charged", "--json")

    assert before.code == unsaid.code == nobody.code == 2
    assert "--not-charged" in unsaid.error["remedy"]
    assert nobody.error["where"] == "abc"


def test_books_that_agree_are_told_so_and_others_are_a_fault(dailies: Dailies, home: Path, spending: Spending) -> None:
    take = spending.spend(spending.cut(), 400_000)

    right = dailies("doctor", "--json")
    with sqlite3.connect(home / "dailies.db") as connection:
        connection.execute("UPDATE ledger SET amount_micro_usd = 1 WHERE kind = 'settle'")
    connection.close()
    wrong = dailies("doctor", "--json")

    (line,) = found(right, "Books")
    assert (line["level"], line["found"]) == (
        "ok",
        "3 entries, $0.40 spent, $0.00 reserved; ledger, takes and 2 purses agree",
    )
    assert wrong.code == 5
    assert any(take in each["found"] for each in found(wrong, "Books"))


def test_doctor_makes_no_database_to_look_into(dailies: Dailies, home: Path) -> None:
    said = dailies("doctor", "--json")

    assert found(said, "Books") == []
    assert not (home / "dailies.db").exists()


def test_storyboards_are_submitted_as_a_campaign(dailies: Dailies, board: Path, write: Write, priced: None) -> None:
    other = write("other.yaml", board.read_text().replace("id: tiny", "id: other"))
    words = ["submit", board, "--campaign", "autumn", "--campaign-cap"]

    first = dailies(*words, "50", "--json")
    refused = dailies("submit", other, "--campaign", "autumn", "--campaign-cap", "1", "--json")
    unnamed = dailies("submit", board, "--campaign-cap", "50", "--json")
    odd = dailies("submit", board, "--campaign", "a b", "--json")

    assert first.document["cuts"][0]["campaign"] == "autumn"
    assert "campaign autumn" in dailies(*words, "50").out
    assert refused.code == refused.error["exit_code"] == 3
    assert "of $1.00. Nothing was enqueued." in refused.error["what"]
    assert len(dailies("status", "--json").document["cuts"]) == 1
    assert unnamed.code == odd.code == 2


def test_the_accounts_cap_is_held_at_submission(
    dailies: Dailies, board: Path, priced: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAILIES_ACCOUNT_CAP_USD", "1.50")

    said = dailies("submit", board, "--json")
    monkeypatch.setenv("DAILIES_ACCOUNT_CAP_USD", "plenty")
    odd = dailies("submit", board, "--json")

    assert said.code == 3
    assert said.error["where"] == "DAILIES_ACCOUNT_CAP_USD"
    assert odd.code == 5
    assert odd.error["where"] == "DAILIES_ACCOUNT_CAP_USD"
