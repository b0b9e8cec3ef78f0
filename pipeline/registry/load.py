"""The registry: the shipped entries with the operator's overlay laid over them.

A registry file looks like this; ``engine`` and ``provider`` hold for all its models::

    format: 1
    engine: acme
    provider: Acme
    models:
      acme/one: {kind: video, capabilities: {...}, prices: [...]}

In an overlay (``DAILIES_REGISTRY``, a file or a folder whose files are read in the order of their names)
an id that exists already is patched: mappings merge key by key, everything else (a list of prices, too)
replaces what stood there, ``null`` restores the default. ``replace: true`` starts the entry from nothing,
``remove: true`` takes it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from pipeline.errors import ConfigurationError
from pipeline.registry.files import (
    check_format,
    content_hash,
    data_files,
    nearest,
    parse,
    patched,
    read_mapping,
)
from pipeline.registry.model import Model

SHIPPED: Final = Path(__file__).parent / "models"
SETTING: Final = "DAILIES_REGISTRY"


class RegistryFile(BaseModel):
    """A registry file, before its entries are looked at."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    engine: str = ""
    provider: str = ""
    models: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Registry:
    """Every model that is known.

    Attributes:
        models: Id to model, sorted by id.
        hash: SHA-256 of the content; the same entries have the same hash wherever they come from.
    """

    models: Mapping[str, Model]
    hash: str

    def find(self, model_id: str) -> Model | None:
        """Return a model, or ``None`` if there is no such entry."""
        return self.models.get(model_id)

    def get(self, model_id: str) -> Model:
        """Return a model.

        Raises:
            ConfigurationError: If there is no such entry; names the nearest id.
        """
        model = self.models.get(model_id)
        if model is None:
            raise ConfigurationError(
                f"the registry has no model {model_id!r}.",
                where=model_id,
                remedy=nearest(model_id, self.models) or f"Add it to the registry overlay ({SETTING}).",
            )
        return model


def load_registry(overlay: Path | None = None) -> Registry:
    """Return the shipped registry with an overlay laid over it.

    Args:
        overlay: File or folder (``DAILIES_REGISTRY``).

    Raises:
        ConfigurationError: Names the file, the field and the remedy.
    """
    entries: dict[str, dict[str, Any]] = {}
    origin: dict[str, str] = {}
    for path in data_files(SHIPPED, setting="pipeline/registry/models"):
        for model_id, entry in _entries(path):
            if model_id in entries:
                raise ConfigurationError(
                    f"models.{model_id}: it stands in {origin[model_id]} too.",
                    where=str(path),
                    remedy="Keep one of the two.",
                )
            _lay(entries, origin, model_id, entry, path)
    for path in data_files(overlay, setting=SETTING) if overlay is not None else ():
        for model_id, entry in _entries(path):
            _lay(entries, origin, model_id, entry, path)
    return registry_of(
        parse(Model, {**entry, "id": model_id}, file=origin[model_id], prefix=f"models.{model_id}")
        for model_id, entry in entries.items()
    )


def registry_of(models: Iterable[Model]) -> Registry:
    """Return a registry of some models."""
    by_id = {model.id: model for model in sorted(models, key=lambda m: m.id)}
    content = {key: model.model_dump(mode="json", by_alias=True) for key, model in by_id.items()}
    return Registry(MappingProxyType(by_id), content_hash(content))


def _entries(path: Path) -> list[tuple[str, dict[str, Any]]]:
    value = read_mapping(path)
    check_format(value, file=str(path))
    file = parse(RegistryFile, value, file=str(path))
    shared = {"engine": file.engine, "provider": file.provider}
    return [(model_id, {**{k: v for k, v in shared.items() if v}, **entry}) for model_id, entry in file.models.items()]


def _lay(
    entries: dict[str, dict[str, Any]],
    origin: dict[str, str],
    model_id: str,
    entry: dict[str, Any],
    path: Path,
) -> None:
    what = {key: entry[key] for key in entry if key not in {"replace", "remove"}}
    if entry.get("remove") is True:
        if entries.pop(model_id, None) is None:
            raise ConfigurationError(
                f"models.{model_id}: there is no such entry to remove.",
                where=str(path),
                remedy=nearest(model_id, entries) or "Leave it out.",
            )
        return
    below = {} if entry.get("replace") is True else entries.get(model_id, {})
    entries[model_id] = patched(below, what)
    origin[model_id] = str(path)
