"""What a person should look at in the registry: changes by the overlay, last days, prices missing, unverified or old.

Pure: the day is handed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final, cast

from pipeline.registry.load import Registry
from pipeline.registry.model import Model
from pipeline.registry.prices import Price, price_on

SOON_DAYS: Final = 30
OLD_DAYS: Final = 90


class Matter(StrEnum):
    """What a remark is about, the most pressing first."""

    RETIRED = "retired"
    """It is gone, so it is refused."""
    RETIRES_SOON = "retires soon"
    """It is gone within thirty days, or its provider may take it away by then."""
    PRICE_ENDS = "price ends"
    """Its price holds for less than thirty days more, and none follows."""
    UNPRICED = "unpriced"
    """It has no price for today, so it is refused."""
    UNVERIFIED = "price unverified"
    """Nobody compared its price with the provider's own page."""
    OLD = "not looked at for 90 days"
    """Its price or its capabilities were last compared more than ninety days ago."""
    ADDED = "added"
    """The overlay adds it."""
    CHANGED = "changed"
    """The overlay changes it."""
    REMOVED = "removed"
    """The overlay removes it."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to look at.

    Attributes:
        matter: What it is about.
        subject: A model's id; of what holds for a whole account, the engine and ``(account)``.
        said: What was found, in words.
    """

    matter: Matter
    subject: str
    said: str


def review(registry: Registry, today: date, *, shipped: Registry | None = None) -> tuple[Remark, ...]:
    """Return what should be looked at.

    Args:
        registry: The registry in use.
        today: The UTC day.
        shipped: The registry without the overlay; nothing is said of changes if it is not given.

    Returns:
        The remarks, by matter and subject.
    """
    remarks = [remark for model in registry.models.values() for remark in _of_model(model, today)]
    if shipped is not None and shipped.hash != registry.hash:
        remarks += _changes(shipped, registry)
    order = list(Matter)
    return tuple(sorted(remarks, key=lambda each: (order.index(each.matter), each.subject)))


def differences(before: Any, after: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two JSON values differ: the dotted place, the value before and the value after."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        old, new = cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", after)
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif before != after:
        yield place, before, after


def _of_model(model: Model, today: date) -> Iterator[Remark]:
    after = f"; use {model.successor}" if model.successor else "; it names no successor"
    if model.is_retired(today):
        yield Remark(Matter.RETIRED, model.id, f"gone since {model.retires}{after}")
        return
    if model.retires_within(today, SOON_DAYS):
        yield Remark(Matter.RETIRES_SOON, model.id, f"gone on {model.retires}{after}")
    elif model.may_retire_within(today, SOON_DAYS):
        said = f"its provider keeps it until {model.may_retire} at least, and names no last day{after}"
        yield Remark(Matter.RETIRES_SOON, model.id, said)
    price = price_on(model.prices, today)
    if price is None:
        later = min((each.from_ for each in model.prices if each.from_ > today), default=None)
        yield Remark(Matter.UNPRICED, model.id, f"it has one from {later} on" if later else "it has no price")
    else:
        yield from _of_price(model, price, today)
    if not isinstance(model.verified, str) and (today - model.verified).days > OLD_DAYS:
        yield Remark(Matter.OLD, model.id, f"its capabilities were last compared on {model.verified}")


def _of_price(model: Model, price: Price, today: date) -> Iterator[Remark]:
    last = price.until if all(each.from_ != price.until for each in model.prices) else None
    if last is not None and (last - today).days <= SOON_DAYS and (model.retires is None or last < model.retires):
        yield Remark(Matter.PRICE_ENDS, model.id, f"its price holds until {last}, and none follows")
    if isinstance(price.verified, str):
        yield Remark(Matter.UNVERIFIED, model.id, price.source)
    elif (today - price.verified).days > OLD_DAYS:
        yield Remark(Matter.OLD, model.id, f"its price was last compared on {price.verified} ({price.source})")


def _changes(shipped: Registry, registry: Registry) -> Iterator[Remark]:
    for model_id in sorted({*shipped.models, *registry.models}):
        before, after = shipped.find(model_id), registry.find(model_id)
        if before is None:
            yield Remark(Matter.ADDED, model_id, "the overlay adds it")
        elif after is None:
            yield Remark(Matter.REMOVED, model_id, "the overlay removes it")
        elif before != after:
            yield Remark(Matter.CHANGED, model_id, _told(_plain(before), _plain(after)))
    for engine in sorted({*shipped.accounts, *registry.accounts}):
        before_account, after_account = shipped.accounts.get(engine), registry.accounts.get(engine)
        if before_account != after_account:
            said = _told(
                {} if before_account is None else before_account.model_dump(mode="json"),
                {} if after_account is None else after_account.model_dump(mode="json"),
            )
            yield Remark(Matter.CHANGED, f"{engine} (account)", said)


def _plain(model: Model) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _told(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    return "; ".join(f"{place}: {_word(old)} -> {_word(new)}" for place, old, new in differences(before, after))


def _word(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        entries = cast("list[Any]", value)
        if any(isinstance(each, Mapping) for each in entries):
            return f"{len(entries)} line{'s' if len(entries) != 1 else ''}"
        return ", ".join(str(each) for each in entries)
    return str(value)
