"""Looking for a job in a provider's list: found and absent are certain, or nothing is said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import utc_now
from pipeline.engines import listing
from pipeline.engines.base import Found, Order, Reconciled
from pipeline.engines.catalog import engine_class, remote_engine
from pipeline.engines.hosted import HostedEngine
from pipeline.engines.http import Wire
from pipeline.errors import ProviderError, Trouble
from tests.engines.contract import request
from tests.support.provider import Provider, running_provider

ARK = {"duration": "yes", "reference": "safety_identifier"}
KLING = {"duration": {"form": "text"}}


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path / "p", tiny=True, fsync=False, duration_s=60) as provider:
        yield provider


def order(intent: str, wire: dict[str, Any], *, age_s: float = 900) -> Order:
    return Order(intent, "model", request(), {}, wire, utc_now() - timedelta(seconds=age_s), alone=True)


def lost(
    provider: Provider, name: str, asked: Order, *, before: int = 0, after: int = 0, find: bool = True
) -> Reconciled:
    """Lose an order's answer between other jobs that are answered, and look for it."""

    async def nap(_: float) -> None:
        await asyncio.sleep(0)

    async def run() -> Reconciled:
        async with Wire(sleep=nap) as wire:
            kind = engine_class(name)
            assert issubclass(kind, HostedEngine)
            settings = {kind.key_setting: "key", kind.address_setting: provider.base_url_of(name)}
            engine = remote_engine(name, wire, settings)
            for number in range(before):
                await engine.create(replace(asked, intent=f"before-{number}"))
            provider.script("lose_reply" if find else "reset_before")
            with pytest.raises(ProviderError) as caught:
                await engine.create(asked)
            assert caught.value.trouble is Trouble.UNCERTAIN
            for number in range(after):
                await engine.create(replace(asked, intent=f"after-{number}"))
            return await engine.reconcile(asked, frozenset())

    return asyncio.run(run())


def job_of(provider: Provider, asked: Order) -> str:
    (job,) = provider.accepted_by_intent()[asked.intent]
    return job.job


def test_a_job_is_found_on_a_later_page(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    asked = order("ours", ARK)

    outcome = lost(provider, "ark", asked, before=1, after=5)

    assert outcome.found is Found.FOUND
    assert outcome.ticket is not None
    assert outcome.ticket.job == job_of(provider, asked)


def test_a_job_is_absent_when_every_page_was_read_and_no_request_can_still_arrive(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)

    assert lost(provider, "ark", order("ours", ARK), after=5, find=False).found is Found.ABSENT
    assert lost(provider, "ark", order("new", ARK, age_s=100), find=False).found is Found.UNTOLD


def test_a_list_that_is_not_read_to_its_end_proves_nothing(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    monkeypatch.setattr(listing, "MAX_PAGES", 2)

    assert lost(provider, "ark", order("ours", ARK), after=5, find=False).found is Found.UNTOLD


@pytest.mark.parametrize("find", [True, False])
def test_a_list_that_does_not_tell_our_reference_proves_nothing(provider: Provider, find: bool) -> None:
    asked = order("ours", ARK | {"reference": "a_field_that_is_not_told_again"})

    assert lost(provider, "ark", asked, after=1, find=find).found is Found.UNTOLD


def test_kling_finds_in_its_list_what_it_does_not_find_by_our_id(provider: Provider) -> None:
    asked = order("ours", KLING)
    provider.script("poll_missing times=2; lose_reply", match="a red kite")

    async def run() -> Reconciled:
        async with Wire(sleep=lambda _: asyncio.sleep(0)) as wire:
            settings = {"KLING_API_KEY": "key", "DAILIES_KLING_BASE_URL": provider.base_url_of("kling")}
            engine = remote_engine("kling", wire, settings)
            with pytest.raises(ProviderError):
                await engine.create(asked)
            return await engine.reconcile(asked, frozenset())

    outcome = asyncio.run(run())

    assert outcome.found is Found.FOUND
    assert outcome.ticket is not None
    assert (outcome.ticket.job, outcome.ticket.data) == (job_of(provider, asked), {"kind": "text2video"})
