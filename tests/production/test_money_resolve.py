"""A take of which nobody knows whether it was charged keeps its money until a person says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import InputError, UnknownId
from pipeline.production.books import audit
from pipeline.production.resolve import all_unknown, resolve
from pipeline.store.tables import JobRow, ShotRow, TakeRow
from tests.support.spending import Spending, copy_of, open_spending


@pytest.fixture(params=["sqlite", "postgresql"])
def spending(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> Iterator[Spending]:
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres").fresh_database()
    else:
        url = copy_of(template, tmp_path)
    opened = open_spending(url)
    yield opened
    opened.database.close()


def test_what_is_unknown_is_listed_with_what_it_holds_why_and_what_to_do(spending: Spending) -> None:
    cut = spending.cut(key="sea")
    spending.spend(cut, 10)
    take = spending.hold(cut, 420_000)

    (told,) = all_unknown(spending.studio)

    assert (told.take_id, told.cut_id, told.storyboard, told.shot, told.number) == (take, cut, "sea", "s0", 2)
    assert (told.model, told.held_micro_usd, told.reason) == ("dear/one", 420_000, "The answer was lost.")
    assert told.since < spending.clock()
    assert told.remedy == f"dailies resolve {take} --charged|--not-charged"


@pytest.mark.parametrize(("charged", "amount"), [(True, 420_000), (False, 0)])
def test_a_persons_word_settles_take_job_and_money(spending: Spending, charged: bool, amount: int) -> None:
    cut = spending.cut(budget=420_000)
    take = spending.hold(cut, 420_000)

    said = resolve(spending.studio, take[:8], charged=charged)

    assert said.charged_micro_usd == amount
    assert said.retry == f"dailies retry {cut} --shot s0"
    assert set(spending.committed().values()) == {amount}
    row, job, shot = (spending.row(*each) for each in ((TakeRow, take), (JobRow, take), (ShotRow, f"{cut}-0")))
    assert (row.state, row.charged_micro_usd) == ("failed", amount)
    assert "The answer was lost." in row.reason
    assert (job.state, job.outcome) == ("ended", "charged" if charged else "not_charged")
    assert "retry the shot" in shot.reason
    assert audit(spending.studio).faults == ()
    assert all_unknown(spending.studio) == ()


def test_a_second_word_is_refused_and_changes_nothing(spending: Spending) -> None:
    take = spending.hold(spending.cut(), 420_000)
    resolve(spending.studio, take, charged=True)

    with pytest.raises(InputError, match=r"the take is failed: what became of it is known\. No take of its cut"):
        resolve(spending.studio, take, charged=False)

    assert spending.row(TakeRow, take).charged_micro_usd == 420_000


def test_a_shot_with_another_unknown_take_stands_still_until_that_one_is_settled_too(spending: Spending) -> None:
    cut = spending.cut()
    first, second = spending.hold(cut, 1), spending.hold(cut, 2)

    said = [resolve(spending.studio, take, charged=False).retry for take in (first, second)]

    assert said == ["", f"dailies retry {cut} --shot s0"]


def test_a_shot_that_a_person_has_sent_back_meanwhile_goes_on_as_it_is(spending: Spending) -> None:
    cut = spending.cut()
    take = spending.hold(cut, 1)
    with spending.database.write() as session:
        shot = session.get_one(ShotRow, f"{cut}-0")
        shot.state, shot.round = "generating", 1

    said = resolve(spending.studio, take, charged=True)

    assert said.retry == ""
    assert (spending.row(ShotRow, f"{cut}-0").state, spending.row(ShotRow, f"{cut}-0").reason) == ("generating", "")


def test_a_job_that_is_still_looked_for_is_left_to_its_watcher(spending: Spending) -> None:
    take = spending.hold(spending.cut(), 420_000)
    with spending.database.write() as session:
        session.get_one(JobRow, take).state = "unsure"

    with pytest.raises(InputError, match="still being found out"):
        resolve(spending.studio, take, charged=False)

    assert spending.entries(take) == [("reserve", 420_000)]


def test_an_id_of_no_take_or_of_several_is_refused_and_a_whole_id_counts_though_another_begins_so(
    spending: Spending,
) -> None:
    cut = spending.cut()
    short, _ = (spending.hold(cut, 1, take_id=take_id) for take_id in ("abc", "abcdef"))

    for wrong in ("", "zz", "%", "ab"):
        with pytest.raises(UnknownId):
            resolve(spending.studio, wrong, charged=False)
    said = resolve(spending.studio, short, charged=False)

    assert said.take.take_id == "abc"
