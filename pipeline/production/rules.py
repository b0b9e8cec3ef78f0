"""The registry, the routing table and the gate's thresholds, read again when their files change.

So a price, a model or a route can be changed under a running fleet: no code, no restart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipeline.engines.base import RemoteEngine
from pipeline.engines.catalog import engine_class
from pipeline.errors import ConfigurationError
from pipeline.registry.load import Registry, load_registry
from pipeline.routing.load import load_table
from pipeline.routing.table import RoutingTable
from pipeline.settings import Settings

T = TypeVar("T")
_kept: dict[tuple[str, Path | None], tuple[object, object]] = {}


@dataclass(frozen=True, slots=True)
class Rules:
    """What choices are made by."""

    registry: Registry
    table: RoutingTable


def current_rules(settings: Settings) -> Rules:
    """Return the rules as their files say now.

    Raises:
        ConfigurationError: If a file is wrong; names it, the field and the remedy.
    """
    registry = _current("registry", settings.registry_overlay, lambda: _registry(settings.registry_overlay))
    table = _current("table", settings.routing_overlay, lambda: load_table(settings.routing_overlay))
    return Rules(registry, table)


def _registry(overlay: Path | None) -> Registry:
    """Return the registry, in which every engine understands what an overlay says of the wire of its models.

    What is shipped is looked at by a test: asking an engine imports it, and a command imports none it does not use.

    Raises:
        ConfigurationError: Naming the first model of which an engine does not.
    """
    registry = load_registry(overlay)
    shipped = load_registry() if overlay is not None else registry
    for model in registry.models.values():
        known = shipped.find(model.id)
        if not model.wire or (known is not None and known.wire == model.wire):
            continue
        engine = engine_class(model.engine)
        faults = engine.check_wire(model.wire) if issubclass(engine, RemoteEngine) else ("it renders on this machine",)
        if faults:
            raise ConfigurationError(
                f"its wire is wrong: {'; '.join(faults)}",
                where=model.id,
                remedy="Correct it in the registry overlay (DAILIES_REGISTRY); docs/engines.md says what it may hold.",
            )
    return registry


def _current(what: str, overlay: Path | None, load: Callable[[], T]) -> T:
    stamp = _stamp(overlay)
    kept = _kept.get((what, overlay))
    if kept is not None and kept[0] == stamp:
        return kept[1]  # type: ignore[return-value]  # stored under its own name below
    value = load()
    _kept[what, overlay] = (stamp, value)
    return value


def _stamp(overlay: Path | None) -> object:
    """Return something that changes whenever a file of the overlay does."""
    if overlay is None or not overlay.exists():
        return None
    files = sorted(overlay.rglob("*")) if overlay.is_dir() else [overlay]
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.is_file())
