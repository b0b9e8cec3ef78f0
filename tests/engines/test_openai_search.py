"""What a server's list tells of an order; whatever the server does, nothing is guessed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.base import Found
from pipeline.engines.openai_search import MAX_PAGES, Listing, Looks, looked_for

ASKED = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW = ASKED + timedelta(seconds=400)
SETTLED_S = 240.0
LOOKS = Looks("wan", "a red kite", "4", "1280x720", None, "", "take-1")


def job(number: int, at_s: float = 1.0, **changes: Any) -> dict[str, Any]:
    """Return a job that looks like the order, created so many seconds after it was asked."""
    values = {
        "id": f"video_{number}",
        "created_at": int(ASKED.timestamp() + at_s),
        "model": "wan",
        "prompt": "a red kite",
        "seconds": "4",
        "size": "1280x720",
    }
    return values | changes


def other(number: int, at_s: float = 1.0) -> dict[str, Any]:
    return job(number, at_s, prompt="a blue boat")


Pages = Callable[[str], dict[str, Any]]


def listed(pages: Pages, *, now: datetime = NOW, theirs: datetime | None = None) -> Listing:
    """Read a list as the engine does."""
    listing, after = Listing(ASKED, lambda: now), ""
    headers = {"date": format_datetime(theirs or now, usegmt=True)}
    for _ in range(MAX_PAGES):
        after = listing.take(pages(after), headers)
        if not after:
            break
    return listing


def paged(jobs: list[dict[str, Any]], size: int = 2, *, tells_more: bool = True) -> Pages:
    def page(after: str) -> dict[str, Any]:
        start = [each["id"] for each in jobs].index(after) + 1 if after else 0
        more = {"has_more": start + size < len(jobs)} if tells_more else {}
        return {"object": "list", "data": jobs[start : start + size], **more}

    return page


def outcome(listing: Listing, *, alone: bool = True, ours: frozenset[str] = frozenset(), looks: Looks = LOOKS) -> Any:
    return looked_for(looks, listing, ours, alone=alone, settled_s=SETTLED_S)


@pytest.mark.parametrize("tells_more", [True, False])
def test_a_job_is_found_on_a_later_page(tells_more: bool) -> None:
    jobs = [other(n, 50 - n) for n in range(5)] + [job(9, 1)] + [other(n, -n) for n in range(10, 14)]

    assert outcome(listed(paged(jobs, tells_more=tells_more))) == (Found.FOUND, "video_9")


def test_reading_ends_where_jobs_are_older_than_the_order() -> None:
    asked: list[str] = []
    jobs = [other(1, 5)] + [other(n, -300 - n) for n in range(2, 100)]  # newest first, as anybody can see
    pages = paged(jobs)

    def page(after: str) -> dict[str, Any]:
        asked.append(after)
        return pages(after)

    listing = listed(page)

    assert listing.complete
    assert asked == [""]
    assert outcome(listing) == (Found.ABSENT, None)


def test_a_list_that_is_not_newest_first_is_read_to_its_end() -> None:
    jobs = [other(n, -1000 + n) for n in range(8)] + [job(9, 1)]

    assert outcome(listed(paged(jobs))) == (Found.FOUND, "video_9")


def again(_: str) -> dict[str, Any]:
    return {"data": [other(1), other(2)], "has_more": True}


def endless(after: str) -> dict[str, Any]:
    return {"data": [other(int((after or "_0").split("_")[1]) + 1)], "has_more": True}


UNTOLD: dict[str, Pages] = {
    "pages are not understood": again,
    "it never ends": endless,
    "it holds no list": lambda _: {"data": None},
    "it is something else": lambda _: {"videos": []},
    "it holds what is no job": lambda _: {"data": [other(1), "video_2"], "has_more": False},
    "a job tells no prompt": lambda _: {"data": [job(1, prompt=None)], "has_more": False},
    "a job does not tell when it was made": lambda _: {"data": [job(1, created_at=None)], "has_more": False},
    "two look alike": lambda _: {"data": [job(1), job(2)], "has_more": False},
}


@pytest.mark.parametrize("why", UNTOLD)
def test_a_list_that_can_not_be_trusted_tells_nothing(why: str) -> None:
    assert outcome(listed(UNTOLD[why])) == (Found.UNTOLD, None)


def test_a_match_in_a_list_that_is_not_complete_is_none_unless_it_tells_our_reference() -> None:
    def match(**changes: Any) -> Pages:
        return lambda _: {"data": [job(1, **changes), other(2)], "has_more": True}

    assert outcome(listed(match())) == (Found.UNTOLD, None)
    assert outcome(listed(match(idempotency_key="take-1"))) == (Found.FOUND, "video_1")


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "wan-mini"},
        {"prompt": "a red kit"},
        {"seconds": "8"},
        {"size": "720x1280"},
        {"idempotency_key": "take-2"},
        {"created_at": ASKED.timestamp() - 121},
    ],
)
def test_what_disagrees_in_one_thing_is_another_job(changes: dict[str, Any]) -> None:
    assert outcome(listed(lambda _: {"data": [job(1, **changes)], "has_more": False})) == (Found.ABSENT, None)


def test_a_server_that_keeps_our_reference_and_does_not_tell_it_leaves_a_look_alike_untold() -> None:
    looks = Looks("wan", "a red kite", "4", "1280x720", None, "user", "take-1")

    assert outcome(listed(lambda _: {"data": [job(1)], "has_more": False}), looks=looks) == (Found.UNTOLD, None)


def test_another_seed_is_another_job() -> None:
    looks = Looks("wan", "a red kite", "4", "1280x720", 7, "", "take-1")
    page = {"data": [job(1, seed="7"), job(2, seed="8")], "has_more": False}

    assert outcome(listed(lambda _: page), looks=looks) == (Found.FOUND, "video_1")


@pytest.mark.parametrize(("seconds", "found"), [(239, Found.UNTOLD), (241, Found.ABSENT)])
def test_nothing_is_absent_before_it_can_not_come_any_more(seconds: int, found: Found) -> None:
    listing = listed(lambda _: {"data": [], "has_more": False}, now=ASKED + timedelta(seconds=seconds))

    assert outcome(listing)[0] is found


@pytest.mark.parametrize("off_s", [-70, 70])
def test_nothing_is_absent_by_a_clock_that_differs(off_s: int) -> None:
    listing = listed(lambda _: {"data": []}, theirs=NOW + timedelta(seconds=off_s))

    assert outcome(listing)[0] is Found.UNTOLD


def test_nothing_is_absent_where_no_time_is_told() -> None:
    listing = Listing(ASKED, lambda: NOW)
    listing.take({"data": []}, {})

    assert outcome(listing)[0] is Found.UNTOLD


@given(
    kinds=st.lists(st.sampled_from(["ours", "twin", "other", "vague", "old"]), max_size=8),
    size=st.integers(1, 4),
    alone=st.booleans(),
    newest_first=st.booleans(),
)
def test_the_law_of_looking(kinds: list[str], size: int, *, alone: bool, newest_first: bool) -> None:
    makers: dict[str, Callable[[int, float], dict[str, Any]]] = {
        "ours": job,
        "twin": job,
        "other": other,
        "vague": lambda n, at: job(n, at, prompt=None),
        "old": lambda n, _: job(n, -500 - 10 * n),
    }
    jobs = [makers[kind](n, 100 - n) for n, kind in enumerate(kinds)]
    known = frozenset(each["id"] for each, kind in zip(jobs, kinds, strict=True) if kind == "ours")

    in_order = sorted(jobs, key=lambda each: each["created_at"], reverse=newest_first)
    found, which = outcome(listed(paged(in_order, size)), alone=alone, ours=known)

    possible = [each["id"] for each, kind in zip(jobs, kinds, strict=True) if kind in ("twin", "vague")]
    if found is Found.FOUND:
        assert alone
        assert possible == [which]
    if found is Found.ABSENT:
        assert possible == []
    assert (which is None) == (found is not Found.FOUND)
