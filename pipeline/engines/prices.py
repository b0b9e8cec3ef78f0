"""Price lists that providers publish for machines, read and put into the registry's words.

OpenRouter lists its video models with their prices (``GET /videos/models``, no key needed); fal tells one price for
each endpoint (``GET /v1/models/pricing``, with the key). Nothing here decides or writes: see
:mod:`pipeline.registry.refresh`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final, cast
from urllib.parse import urlencode

from pipeline.engines.classify import Service
from pipeline.engines.http import Wire
from pipeline.engines.skus import Unreadable, terms_of
from pipeline.errors import ConfigurationError, ProviderError, Trouble
from pipeline.registry.files import nearest
from pipeline.registry.model import Model
from pipeline.registry.prices import Unit
from pipeline.registry.refresh import Published

_BATCH: Final = 50
"""fal answers for so many endpoints at once."""
_PAGES: Final = 20
"""No list has more pages."""

_UNITS: Final[Mapping[str, Unit]] = MappingProxyType(
    {
        "image": "image",
        "images": "image",
        "second": "second",
        "seconds": "second",
        "video_second": "second",
        "video_seconds": "second",
        "video": "clip",
        "videos": "clip",
        "megapixel": "megapixel",
        "megapixels": "megapixel",
    }
)
"""fal's words for what it bills by; others (compute seconds, tokens) are not what a job's price can be told from."""


@dataclass(frozen=True, slots=True)
class PriceList:
    """A provider's list of prices.

    Attributes:
        address: Where it is.
        address_setting: The setting that replaces the address.
        path: Where in the address.
        key_setting: The setting that holds the key.
        key_needed: Whether nothing is told without it.
        authorization: What precedes the key.
        read: How it is read.
    """

    address: str
    address_setting: str
    path: str
    key_setting: str
    key_needed: bool
    authorization: str
    read: Callable[[_Source, Sequence[Model]], Awaitable[list[Published]]]


@dataclass(frozen=True, slots=True)
class _Source:
    engine: str
    wire: Wire
    service: Service
    url: str
    headers: Mapping[str, str]


def listed_engines() -> tuple[str, ...]:
    """Return the engines whose provider publishes prices for machines."""
    return tuple(sorted(LISTS))


def price_source(engine: str, environment: Mapping[str, str]) -> str:
    """Return the address of an engine's price list.

    Raises:
        ConfigurationError: If its provider publishes none.
    """
    known = _list_of(engine)
    base = environment.get(known.address_setting) or known.address
    return base.rstrip("/") + known.path


def missing_key(engine: str, environment: Mapping[str, str]) -> str:
    """Return the setting that has to be set before an engine's prices can be read; nothing if none has to.

    Raises:
        ConfigurationError: If its provider publishes none.
    """
    known = _list_of(engine)
    return known.key_setting if known.key_needed and not environment.get(known.key_setting) else ""


async def read_prices(
    engine: str, models: Sequence[Model], wire: Wire, environment: Mapping[str, str]
) -> list[Published]:
    """Return what an engine's provider publishes of its prices.

    Args:
        engine: The engine.
        models: Its models in the registry, for providers that have to be asked by name.
        wire: The HTTP client.
        environment: Where to look up the address and the key.

    Raises:
        ConfigurationError: If its provider publishes none, or the key is missing.
        ProviderError: If the list can't be had or is none.
    """
    known = _list_of(engine)
    if missing_key(engine, environment):
        raise ConfigurationError(
            f"{engine} tells its prices only to its customers.",
            where=known.key_setting,
            remedy=f"Set {known.key_setting}, or name another engine with --engine.",
        )
    key = environment.get(known.key_setting, "").strip()
    service = Service(
        engine,
        environment.get(known.address_setting) or known.address,
        key_setting=known.key_setting,
        secrets=(key,) if key else (),
    )
    headers = {"Authorization": f"{known.authorization} {key}"} if key else {}
    return await known.read(_Source(engine, wire, service, price_source(engine, environment), headers), models)


def _list_of(engine: str) -> PriceList:
    if engine not in LISTS:
        raise ConfigurationError(
            f"the provider of {engine!r} publishes no prices for machines.",
            where="--engine",
            remedy=nearest(engine, LISTS) or f"Prices can be read from: {', '.join(listed_engines())}.",
        )
    return LISTS[engine]


async def _openrouter(source: _Source, models: Sequence[Model]) -> list[Published]:
    """Read OpenRouter's list of video models; its price keys are in :mod:`pipeline.engines.skus`."""
    reply = await source.wire.read(source.service, source.url, headers=source.headers)
    entries = reply.data.get("data")
    if not isinstance(entries, list):
        raise _no_list(source)
    images = {model.id for model in models if model.kind == "image"}
    found = [_openrouter_model(source.engine, each) for each in cast("list[Any]", entries) if isinstance(each, dict)]
    told = [each for each in found if each is not None]
    return told + [Published(name, unclear="the list has video models only") for name in sorted(images)]


def _openrouter_model(engine: str, entry: dict[str, Any]) -> Published | None:
    name = entry.get("id")
    if not isinstance(name, str) or not name:
        return None
    try:
        terms = terms_of(entry.get("pricing_skus"), entry.get("supported_resolutions"), entry.get("supported_sizes"))
    except Unreadable as error:
        return Published(f"{engine}/{name}", unclear=str(error))
    return Published(f"{engine}/{name}", terms)


async def _fal(source: _Source, models: Sequence[Model]) -> list[Published]:
    """Ask fal for the prices of the registry's endpoints, fifty at a time; for one at a time where it knows not all."""
    names = [model.name for model in models]
    told: list[Published] = []
    for start in range(0, len(names), _BATCH):
        some = names[start : start + _BATCH]
        try:
            told += await _fal_some(source, some)
        except ProviderError as error:
            if error.trouble not in (Trouble.INVALID, Trouble.RETIRED):
                raise
            for name in some:
                told += await _fal_one(source, name)
    return told


async def _fal_one(source: _Source, name: str) -> list[Published]:
    try:
        return await _fal_some(source, [name])
    except ProviderError as error:
        if error.trouble not in (Trouble.INVALID, Trouble.RETIRED):
            raise
        return [Published(f"{source.engine}/{name}", unclear=f"fal does not tell its price: {error.what}")]


async def _fal_some(source: _Source, names: Iterable[str]) -> list[Published]:
    asked = [("endpoint_id", name) for name in names]
    told: list[Published] = []
    cursor = ""
    for _ in range(_PAGES):
        query = urlencode([*asked, ("cursor", cursor)] if cursor else asked)
        reply = await source.wire.read(source.service, f"{source.url}?{query}", headers=source.headers)
        entries = reply.data.get("prices")
        if not isinstance(entries, list):
            raise _no_list(source)
        found = (_fal_price(source.engine, each) for each in cast("list[Any]", entries) if isinstance(each, dict))
        told += [each for each in found if each is not None]
        following = reply.data.get("next_cursor")
        if not reply.data.get("has_more") or not isinstance(following, str) or not following:
            break
        cursor = following
    return told


def _fal_price(engine: str, entry: dict[str, Any]) -> Published | None:
    name, currency, unit = entry.get("endpoint_id"), entry.get("currency", "USD"), entry.get("unit")
    if not isinstance(name, str) or not name:
        return None
    model = f"{engine}/{name}"
    try:
        amount = Decimal(str(entry.get("unit_price")))
    except InvalidOperation:
        return Published(model, unclear="fal tells no amount")
    if not amount.is_finite() or amount < 0:
        return Published(model, unclear="fal tells no amount")
    if str(currency).upper() != "USD":
        return Published(model, unclear=f"fal tells it in {currency}")
    known = _UNITS.get(str(unit).strip().lower().replace(" ", "_"))
    if known is None:
        return Published(model, unclear=f"fal bills it by {unit}, which no job's price can be told from")
    return Published(model, one=(known, amount))


def _no_list(source: _Source) -> ProviderError:
    return ProviderError(
        f"{source.engine} answered with no list of prices.",
        trouble=Trouble.TRANSIENT,
        where=source.url,
        remedy="Try again later; if it stays so, its API has changed.",
    )


LISTS: Final[Mapping[str, PriceList]] = MappingProxyType(
    {
        "fal": PriceList(
            "https://api.fal.ai", "DAILIES_FAL_BASE_URL", "/v1/models/pricing", "FAL_KEY",
            key_needed=True, authorization="Key", read=_fal,
        ),
        "openrouter": PriceList(
            "https://openrouter.ai/api/v1", "DAILIES_OPENROUTER_BASE_URL", "/videos/models", "OPENROUTER_API_KEY",
            key_needed=False, authorization="Bearer", read=_openrouter,
        ),
    }
)  # fmt: skip
"""Engine to its provider's list."""
