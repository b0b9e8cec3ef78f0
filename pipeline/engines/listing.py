"""Looking for a job in a provider's list, page by page, by our own reference that the list tells again.

The rules of what is found, and what is certainly absent, are those of :mod:`pipeline.engines.openai_search`: a list
that does not tell the reference proves nothing, and then nothing is called absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from pipeline.engines.base import Found, Order, Reconciled
from pipeline.engines.hosted import HostedEngine, deep
from pipeline.engines.openai_search import MAX_PAGES, PAGE, Listing, Looks, looked_for
from pipeline.engines.wording import Wording

W = TypeVar("W", bound=Wording)

SETTLES_S: Final = 60.0
"""Seconds after the longest create call in which a request on its way may still arrive."""
REFERENCE: Final = "reference"
"""The name under which :attr:`Pages.entry` tells our own reference."""


@dataclass(frozen=True, slots=True)
class Pages:
    """A provider's list of jobs.

    Attributes:
        path: Where, after the provider's address.
        number: The query's field for the page, counted from 1.
        size: The query's field for the jobs of a page.
        items: Where the jobs stand in a page.
        entry: Returns ``id``, ``created_at`` (seconds since the epoch) and ``reference`` of a listed job, as far as it
            tells them; nothing else, because what a list tells of a model's name or prompt may not be as we sent it.
        query: What else the query says.
    """

    path: str
    number: str
    size: str
    items: str
    entry: Callable[[Mapping[str, Any]], dict[str, Any]]
    query: Mapping[str, str] = field(default_factory=dict[str, str])


async def looked_up(
    engine: HostedEngine[W], pages: Pages, order: Order, ours: frozenset[str], **data: Any
) -> Reconciled:
    """Look for an order's job in a list.

    Args:
        engine: Whose provider is asked.
        pages: The list.
        order: What was asked for.
        ours: Jobs that are known to be other takes'.
        data: What the ticket has to hold if the job is found.

    Raises:
        ProviderError: If the provider does not say.
    """
    listing = Listing(asked_at=order.asked_at, clock=engine.wire.clock)
    for number in range(1, MAX_PAGES + 1):
        params = {**pages.query, pages.number: str(number), pages.size: str(PAGE)}
        url = f"{engine.base}{pages.path}"
        reply = await engine.wire.read(engine.service, url, headers=engine.headers, params=params)
        items = deep(reply.data, pages.items)
        entries = (
            [
                pages.entry(cast("Mapping[str, Any]", item))
                for item in cast("list[Any]", items)
                if isinstance(item, dict)
            ]
            if isinstance(items, list)
            else None
        )
        # No page counts as the last but an empty one: a short one may only be shorter than we asked for.
        if not listing.take({"data": entries}, reply.headers):
            break
    looks = Looks(
        model=order.model,
        prompt=order.request.prompt,
        seconds=None,
        size=None,
        seed=None,
        reference=REFERENCE,
        intent=order.intent,
    )
    settled_s = engine.wire.times.ask + SETTLES_S
    found, job = looked_for(looks, listing, ours, alone=False, settled_s=settled_s)
    if found is Found.FOUND and job is not None:
        return Reconciled(found, engine.ticket(order, job, **data))
    return Reconciled(found)
