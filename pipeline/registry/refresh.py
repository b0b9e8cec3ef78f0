"""Prices that providers publish, compared with the registry's, and written into an overlay once a person wants them.

Pure: who publishes what is read by :mod:`pipeline.engines.prices`, and the day is handed in. Two price lists are
compared by what jobs cost by them, not by how they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from io import StringIO
from typing import Any, Final, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import ConfigurationError
from pipeline.registry.capabilities import Capabilities, DurationRange
from pipeline.registry.document import rate_words, surcharge_words
from pipeline.registry.files import check_format
from pipeline.registry.model import Model
from pipeline.registry.prices import Job, NoPrice, Price, Rate, Surcharge, Unit, price_job, price_on
from pipeline.registry.words import nearest_class, pixels, short_side

NEARLY: Final = Decimal("0.005")
"""Prices that differ by no more than this share count as the same: lists are rounded."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a provider publishes of a model's price.

    Attributes:
        rates: Its lines, the special ones first.
        surcharges: What is added.
        minimum_usd: What a job costs at least.
    """

    rates: tuple[Rate, ...]
    surcharges: tuple[Surcharge, ...] = ()
    minimum_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """What a provider publishes of one model.

    Attributes:
        model: The model's id in the registry.
        terms: Its whole price list, if the provider publishes it and it was understood.
        one: A unit and its price, where the provider publishes only one of perhaps several lines.
        unclear: Why there is neither, in words.
    """

    model: str
    terms: Terms | None = None
    one: tuple[Unit, Decimal] | None = None
    unclear: str = ""


class Outcome(StrEnum):
    """What a comparison came to."""

    CHANGED = "changed"
    """Other than the registry says."""
    FIRST = "first price"
    """The registry has none for today."""
    CONFIRMED = "confirmed"
    """As the registry says."""
    UNCLEAR = "unclear"
    """It can't be compared."""
    UNLISTED = "not listed"
    """The provider's list does not have the model."""
    NEW = "not in the registry"
    """The registry does not have the model."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One model's price, as the registry has it and as it is published.

    Attributes:
        model: Its id.
        outcome: What came of it.
        before: The registry's lines in words.
        after: The published lines in words.
        why: What is unclear.
        prices: The model's price lists with the published one from today on, if that can be written.
    """

    model: str
    outcome: Outcome
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    why: str = ""
    prices: tuple[Price, ...] = ()


def compare(
    models: Iterable[Model], published: Iterable[Published], today: date, source: str
) -> tuple[Comparison, ...]:
    """Return how an engine's models compare with what is published.

    Args:
        models: The engine's models in the registry; retired ones are left out.
        published: What its provider publishes.
        today: The UTC day, from which new prices hold.
        source: Where it is published.
    """
    said = {each.model: each for each in published}
    known = {model.id: model for model in models}
    found = [
        _compared(model, said.get(model.id), today, source) for model in known.values() if not model.is_retired(today)
    ]
    found += [Comparison(name, Outcome.NEW) for name in said if name not in known]
    order = list(Outcome)
    return tuple(sorted(found, key=lambda each: (order.index(each.outcome), each.model)))


def _compared(model: Model, said: Published | None, today: date, source: str) -> Comparison:
    held = price_on(model.prices, today)
    before = words_of(Terms(held.rates, held.surcharges, held.minimum_usd)) if held is not None else ()
    if said is None:
        return Comparison(model.id, Outcome.UNLISTED, before)
    terms, why = _whole(model, held, said)
    if terms is None:
        return Comparison(model.id, Outcome.UNCLEAR, before, why=why)
    fresh = _price(terms, held, today, source)
    prices = _woven(model.prices, fresh, today)
    if held is None:
        return Comparison(model.id, Outcome.FIRST, before, words_of(terms), prices=prices)
    if same_price(model.capabilities, held, fresh):
        confirmed = held.model_copy(update={"from_": today, "source": source, "verified": today})
        return Comparison(model.id, Outcome.CONFIRMED, before, before, prices=_woven(model.prices, confirmed, today))
    return Comparison(model.id, Outcome.CHANGED, before, words_of(terms), prices=prices)


def _whole(model: Model, held: Price | None, said: Published) -> tuple[Terms | None, str]:
    """Return the whole price list that is published, or why one line does not make one."""
    if said.terms is not None or said.one is None:
        return said.terms, said.unclear
    unit, amount = said.one
    line = Terms((Rate(unit=unit, usd=amount),))
    told = f"one line is published, ${amount.normalize():f} per {unit}"
    if held is not None:
        lone = len(held.rates) == 1 and not held.surcharges and not _conditions(held.rates[0])
        if lone and held.rates[0].unit == unit:
            return line, ""
        here = any(rate.unit == unit and _near(rate.usd, amount) for rate in held.rates)
        return None, f"{told}, which {'stands here among others' if here else 'is none of those here'}"
    able = model.capabilities
    if isinstance(able.resolutions, tuple) and len(able.resolutions) == 1 and able.audio in {"no", "yes"}:
        return line, ""
    return None, f"{told}, and it may differ by resolution or sound"


def same_price(able: Capabilities, one: Price, other: Price) -> bool:
    """Return whether all jobs that a model may do cost the same by two price lists, as nearly as lists are rounded."""
    day = max(one.from_, other.from_)
    lists = tuple(price.model_copy(update={"from_": day, "until": None}) for price in (one, other))
    for job in sample_jobs(able):
        first, second = (price_job((price,), job, day) for price in lists)
        if isinstance(first, NoPrice) or isinstance(second, NoPrice):
            if isinstance(first, NoPrice) != isinstance(second, NoPrice):
                return False
        elif not _near(Decimal(first.expected), Decimal(second.expected)):
            return False
    return True


def sample_jobs(able: Capabilities) -> Iterator[Job]:
    """Yield a job for every mode, resolution, sound and shortest and longest length, without and with a reference."""
    classes = able.resolutions if isinstance(able.resolutions, tuple) else ("720p", "1080p")
    if able.sizes:
        classes = tuple(dict.fromkeys(nearest_class(*pixels(size)) for size in able.sizes))
    sounds = {"yes": (True,), "no": (False,)}.get(able.audio, (False, True))
    references = (0, 1) if able.reference_images != 0 else (0,)
    for mode in able.modes:
        image = mode.endswith("-image")
        lengths = (Decimal(0),) if image else _lengths(able)
        for name in classes:
            height = short_side(name)
            for sound in (False,) if image else sounds:
                for length in lengths:
                    for count in references:
                        yield Job(mode, length, 1, height * 16 // 9, height, name, sound, count)


def _lengths(able: Capabilities) -> tuple[Decimal, ...]:
    match able.durations:
        case DurationRange() as span:
            return Decimal(str(max(span.min_s, 1))), Decimal(str(span.max_s))
        case "unknown":
            return (Decimal(5),)
        case lengths:
            return Decimal(str(min(lengths))), Decimal(str(max(lengths)))


def words_of(terms: Terms) -> tuple[str, ...]:
    """Return a price list in words, line by line."""
    extras = (f"plus {surcharge_words(each)}" for each in terms.surcharges)
    least = (f"at least ${terms.minimum_usd.normalize():f}",) if terms.minimum_usd is not None else ()
    return (*(rate_words(each) for each in terms.rates), *extras, *least)


def _price(terms: Terms, held: Price | None, today: date, source: str) -> Price:
    """Return the published terms as a price from today on; what lists don't tell stays as it was."""
    return Price.model_validate(
        {
            "from": today,
            "rates": terms.rates,
            "surcharges": terms.surcharges,
            "minimum_usd": terms.minimum_usd,
            "whole_seconds": held.whole_seconds if held is not None else False,
            "batch_discount": held.batch_discount if held is not None else None,
            "source": source,
            "verified": today,
        }
    )


def _woven(prices: tuple[Price, ...], fresh: Price, today: date) -> tuple[Price, ...]:
    """Return price lists of which one ends today, where another begins; what begins later stays."""
    past = [each for each in prices if each.from_ < today]
    ended = [each.model_copy(update={"until": today}) if each.covers(today) else each for each in past]
    later = sorted((each for each in prices if each.from_ > today), key=lambda each: each.from_)
    until = later[0].from_ if later else None
    return (*ended, fresh.model_copy(update={"until": until}), *later)


def overlay_text(existing: str, changes: Sequence[Comparison], file: str) -> str:
    """Return an overlay with prices written into it; comments and all else stay as they are.

    Args:
        existing: What the file holds; nothing if it is new.
        changes: Models whose ``prices`` are to be written.
        file: The file, for errors.

    Raises:
        ConfigurationError: If the file is no overlay.
    """
    yaml = YAML()
    yaml.width = 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        content: Any = yaml.load(existing) if existing.strip() else {"format": 1}
    except YAMLError as error:
        raise ConfigurationError(
            "it is not valid YAML.", where=file, remedy="Correct it, or name a new file."
        ) from error
    if not isinstance(content, dict):
        raise ConfigurationError("it holds no mapping.", where=file, remedy="Name a new file, or an overlay.")
    overlay = cast("dict[str, Any]", content)
    check_format(overlay, file=file)
    models = cast("dict[str, Any]", overlay.setdefault("models", {}))
    for change in changes:
        entry = cast("dict[str, Any]", models.setdefault(change.model, {}))
        entry["prices"] = [_written(price) for price in change.prices]
    out = StringIO()
    yaml.dump(overlay, out)
    return out.getvalue()


def _written(price: Price) -> dict[str, Any]:
    return price.model_dump(mode="python", by_alias=True, exclude_defaults=True) | {"verified": price.verified}


def _conditions(rate: Rate) -> Mapping[str, Any]:
    return rate.model_dump(exclude_none=True, exclude={"unit", "usd", "up_to_usd", "beyond"})


def _near(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= NEARLY * max(one, other)
