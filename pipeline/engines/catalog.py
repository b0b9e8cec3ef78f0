"""Which engines there are, and where. An engine's code is imported when it is first used, not before.

What an engine has to have configured stands here as data, so that routing can ask about every engine
without importing one. A package of somebody else's adds an engine with an entry point of the group
``dailies.engines``::

    [project.entry-points."dailies.engines"]
    acme = "acme_dailies.engine:AcmeEngine"

Such an engine is asked for its missing settings itself, and thus imported, but only where a model names it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pipeline.engines.base import Engine, LocalEngine, RemoteEngine
from pipeline.errors import ConfigurationError
from pipeline.registry.files import nearest

if TYPE_CHECKING:
    from pipeline.engines.http import Wire

GROUP: Final = "dailies.engines"
"""Entry point group of engines in other packages."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An engine that Dailies ships.

    Attributes:
        target: ``module:Class``.
        settings: What has to be configured; of each group one setting is enough.
        remote: Whether it works with a provider.
    """

    target: str
    settings: tuple[tuple[str, ...], ...] = ()
    remote: bool = True


SHIPPED: Final[Mapping[str, Listed]] = MappingProxyType(
    {
        "animatic": Listed("pipeline.engines.animatic:AnimaticEngine", remote=False),
        "ark": Listed("pipeline.engines.ark:ArkEngine", settings=(("ARK_API_KEY",),)),
        "dashscope": Listed("pipeline.engines.dashscope:DashScopeEngine", settings=(("DASHSCOPE_API_KEY",),)),
        "fal": Listed("pipeline.engines.fal:FalEngine", settings=(("FAL_KEY",),)),
        "kling": Listed("pipeline.engines.kling:KlingEngine", settings=(("KLING_API_KEY",),)),
        "luma": Listed("pipeline.engines.luma:LumaEngine", settings=(("LUMA_AGENTS_API_KEY",),)),
        "minimax": Listed("pipeline.engines.minimax:MiniMaxEngine", settings=(("MINIMAX_API_KEY",),)),
        "openai_compatible": Listed(
            "pipeline.engines.openai_compatible:OpenAICompatibleEngine",
            settings=(("DAILIES_OPENAI_COMPATIBLE_BASE_URL",),),
        ),
        "openrouter": Listed("pipeline.engines.openrouter:OpenRouterEngine", settings=(("OPENROUTER_API_KEY",),)),
        "runway": Listed("pipeline.engines.runway:RunwayEngine", settings=(("RUNWAYML_API_SECRET",),)),
    }
)


def engine_names() -> tuple[str, ...]:
    """Return the names of all engines, shipped and added, sorted."""
    return tuple(sorted({*SHIPPED, *_added()}))


def engine_class(name: str) -> type[Engine]:
    """Return an engine's class, imported now if it wasn't yet.

    Raises:
        ConfigurationError: If there is no such engine, or its code can't be imported or is no engine.
    """
    if name in SHIPPED:
        module, _, attribute = SHIPPED[name].target.partition(":")
        found: object = getattr(importlib.import_module(module), attribute)
    else:
        found = _load_added(name)
    if not (isinstance(found, type) and issubclass(found, Engine)):
        raise ConfigurationError(
            f"the engine {name!r} is no subclass of pipeline.engines.base.Engine.",
            where=f"entry point {name} of {GROUP}",
            remedy="Correct or uninstall the package that adds it.",
        )
    return found


def load_engine(name: str) -> LocalEngine:
    """Return a new engine that renders on this machine.

    Raises:
        ConfigurationError: As :func:`engine_class`, and if the engine works remotely.
    """
    found = engine_class(name)
    if not issubclass(found, LocalEngine):
        raise ConfigurationError(f"the engine {name!r} does not render on this machine.", where=name)
    return found()


def remote_engine(name: str, wire: Wire, environment: Mapping[str, str]) -> RemoteEngine:
    """Return a new engine that speaks to a provider.

    Raises:
        ConfigurationError: As :func:`engine_class`, and if the engine does not work remotely.
    """
    found = engine_class(name)
    if not issubclass(found, RemoteEngine):
        raise ConfigurationError(f"the engine {name!r} works with no provider.", where=name)
    return found(wire, environment)


def works_remotely(name: str) -> bool:
    """Return whether an engine asks a provider instead of rendering on this machine.

    Raises:
        ConfigurationError: As :func:`engine_class`, of an engine that was added.
    """
    return SHIPPED[name].remote if name in SHIPPED else issubclass(engine_class(name), RemoteEngine)


def missing_settings(name: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return what must be configured before an engine can work, such as ``A_KEY`` or ``A_KEY or B_KEY``.

    Raises:
        ConfigurationError: If there is no such engine, or an added one can't be imported.
    """
    if name in SHIPPED:
        groups = SHIPPED[name].settings
        return tuple(" or ".join(group) for group in groups if not any(environment.get(each) for each in group))
    return engine_class(name).missing_settings(environment)


def available(environment: Mapping[str, str], names: Iterable[str] | None = None) -> Mapping[str, tuple[str, ...]]:
    """Return engine -> the settings that it still lacks, none if it can work.

    Args:
        environment: Where to look settings up.
        names: The engines to ask about (those that the registry's models name); all if not given.
            Names without an engine, and added engines that can't be imported, are left out.
    """
    found: dict[str, tuple[str, ...]] = {}
    known = set(engine_names())
    for name in sorted(known if names is None else known & set(names)):
        try:
            found[name] = missing_settings(name, environment)
        except ConfigurationError:
            # `dailies doctor` loads the engine and says why it can't be; one bad package stops no cut.
            continue
    return MappingProxyType(found)


@cache
def _added() -> Mapping[str, EntryPoint]:
    """Return the entry points of other packages; a shipped engine of the same name wins.

    Read once per process: looking through every installed package takes about ten milliseconds.
    """
    return {point.name: point for point in entry_points(group=GROUP)}


def _load_added(name: str) -> object:
    points = _added()
    if name not in points:
        raise ConfigurationError(
            f"there is no engine {name!r}.",
            where=name,
            remedy=nearest(name, {*SHIPPED, *points})
            or f"Engines: {', '.join(engine_names())}. Install the package that adds it.",
        )
    try:
        return points[name].load()
    except Exception as error:
        package = points[name].value
        raise ConfigurationError(
            f"the engine {name!r} ({package}) can't be imported: {error}.",
            where=f"entry point {name} of {GROUP}",
            remedy="Repair or uninstall the package.",
        ) from error
