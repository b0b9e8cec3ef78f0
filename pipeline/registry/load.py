"""The registry: the shipped entries with the operator's overlay laid over them.

A registry file looks like this; ``engine`` and ``provider`` hold for all its models::

    format: 1
    engine: acme
    provider: Acme
    models:
      acme/one: {kind: video, capabilities: {...}, prices: [...]}
    account: {concurrent: 20, per_minute: 60}

``account`` is what the provider allows for all models of the file's ``engine`` together.

In an overlay (``DAILIES_REGISTRY``, a file or a folder whose files are read in the order of their names)
an id that exists already is patched: mappings merge key by key, everything else (a list of prices, too)
replaces what stood there, ``null`` restores the default. ``replace: true`` starts the entry from nothing,
``remove: true`` takes it out. ``account`` is patched key by key, too; an overlay may hold nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

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
from pipeline.registry.model import Limits, Model
from pipeline.registry.shipped import read_shipped

SETTING: Final = "DAILIES_REGISTRY"


class RegistryFile(BaseModel):
    """A registry file, before its entries are looked at."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    engine: str = ""
    provider: str = ""
    models: dict[str, dict[str, Any]] = Field(default_factory=dict)
    account: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """Every model that is known.

    Attributes:
        models: Id to model, sorted by id.
        accounts: Engine to what its provider allows for all its models together; engines of which nothing is said
            are left out.
        hash: SHA-256 of the content; the same entries have the same hash wherever they come from.
    """

    models: Mapping[str, Model]
    hash: str
    accounts: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))

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
    accounts: dict[str, dict[str, Any]] = {}
    account_origin: dict[str, str] = {}
    for path, said in read_shipped():
        file = _file(said, path)
        _lay_account(accounts, account_origin, file, path)
        for model_id, entry in _entries(file):
            if model_id in entries:
                raise ConfigurationError(
                    f"models.{model_id}: it stands in {origin[model_id]} too.",
                    where=str(path),
                    remedy="Keep one of the two.",
                )
            _lay(entries, origin, model_id, entry, path)
    for path in data_files(overlay, setting=SETTING) if overlay is not None else ():
        file = _file(read_mapping(path), path)
        _lay_account(accounts, account_origin, file, path)
        for model_id, entry in _entries(file):
            _lay(entries, origin, model_id, entry, path)
    return registry_of(
        (
            parse(Model, {**entry, "id": model_id}, file=origin[model_id], prefix=f"models.{model_id}")
            for model_id, entry in entries.items()
        ),
        {
            engine: parse(Limits, limits, file=account_origin[engine], prefix="account")
            for engine, limits in accounts.items()
        },
    )


def registry_of(models: Iterable[Model], accounts: Mapping[str, Limits] | None = None) -> Registry:
    """Return a registry of some models and accounts."""
    by_id = {model.id: model for model in sorted(models, key=lambda m: m.id)}
    of_engine = dict(sorted((accounts or {}).items()))
    content = {
        "models": {key: model.model_dump(mode="json", by_alias=True) for key, model in by_id.items()},
        "accounts": {engine: limits.model_dump(mode="json") for engine, limits in of_engine.items()},
    }
    return Registry(MappingProxyType(by_id), content_hash(content), MappingProxyType(of_engine))


def _file(value: Mapping[str, Any], path: Path) -> RegistryFile:
    check_format(value, file=str(path))
    return parse(RegistryFile, value, file=str(path))


def _lay_account(accounts: dict[str, dict[str, Any]], origin: dict[str, str], file: RegistryFile, path: Path) -> None:
    if file.account is None:
        return
    if not file.engine:
        raise ConfigurationError(
            "account: the file does not say whose.", where=str(path), remedy="Add the line: engine: <name>"
        )
    accounts[file.engine] = {**accounts.get(file.engine, {}), **file.account}
    origin[file.engine] = str(path)


def _entries(file: RegistryFile) -> list[tuple[str, dict[str, Any]]]:
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
