"""Loading the routing table: the shipped one with the operator's overlay laid over it."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from pipeline.errors import ConfigurationError
from pipeline.registry.files import check_format, data_files, nearest, parse, patched, read_mapping
from pipeline.registry.load import Registry
from pipeline.routing.table import RoutingTable

SHIPPED: Final = Path(__file__).parent / "table.yaml"
SETTING: Final = "DAILIES_ROUTING"


def load_table(overlay: Path | None = None, *, registry: Registry | None = None) -> RoutingTable:
    """Return the shipped routing table with an overlay laid over it.

    Mappings of the overlay merge key by key, lists (a tier's ranking) replace what stood there. An
    overlay that names no ``version`` of its own gets the shipped one with ``+overlay``.

    Args:
        overlay: File or folder (``DAILIES_ROUTING``); a folder's files are laid one over the other.
        registry: If given, every model that the table names has to stand in it.

    Raises:
        ConfigurationError: Names the file, the field and the remedy.
    """
    value = read_mapping(SHIPPED)
    check_format(value, file=str(SHIPPED))
    named: dict[str, str] = {model: str(SHIPPED) for model in _named(value)}
    file = str(SHIPPED)
    for path in data_files(overlay, setting=SETTING) if overlay is not None else ():
        patch = read_mapping(path)
        file = str(path)
        check_format(patch, file=file)
        unversioned = "version" not in patch and not str(value["version"]).endswith("+overlay")
        value = patched(value, patch)
        if unversioned:
            value["version"] = f"{value['version']}+overlay"
        named.update(dict.fromkeys(_named(patch), file))
    table = _parsed(value, file)
    if registry is not None:
        _check_models(table, registry, named)
    return table


def _parsed(value: dict[str, Any], file: str) -> RoutingTable:
    """Return a table; faults of rules are told by the rule's name, not by its place in the list.

    Raises:
        ConfigurationError: Names every wrong field.
    """
    try:
        return parse(RoutingTable, value, file=file)
    except ConfigurationError as error:
        written = value.get("rules")
        rules = written if isinstance(written, list) else []

        def name(found: re.Match[str]) -> str:
            place = int(found.group(1))
            rule = rules[place] if place < len(rules) else None
            named = rule.get("name") if isinstance(rule, dict) else None
            return f"rules.{named}" if isinstance(named, str) else f"rules.{place + 1} (it has no name)"

        raise ConfigurationError(
            re.sub(r"\brules\.(\d+)(?=[.:])", name, error.what),
            where=error.where,
            remedy="Correct what is named (see docs/routing.md).",
        ) from error


def _named(value: dict[str, Any]) -> set[str]:
    """Return every model id in a table's file, however malformed the file still is."""
    rows = [value.get("default")]
    classes = value.get("classes")
    if isinstance(classes, dict):
        rows += list(classes.values())
    lists = [ranked for row in rows if isinstance(row, dict) for ranked in row.values()]
    rules = value.get("rules")
    for rule in rules if isinstance(rules, list) else ():
        then = rule.get("then") if isinstance(rule, dict) else None
        effects = then.values() if isinstance(then, dict) else ()
        lists += [effect.get("models") for effect in effects if isinstance(effect, dict)]
    return {str(model) for ranked in lists if isinstance(ranked, list) for model in ranked}


def _check_models(table: RoutingTable, registry: Registry, named: dict[str, str]) -> None:
    rows = [("default", table.default), *((f"classes.{name}", row) for name, row in table.classes.items())]
    listed = [(f"{field}.{tier}", ranked) for field, row in rows for tier, ranked in row.items()]
    listed += [
        (f"rules.{rule.name}.then.{effect}.models", which.models)
        for rule in table.rules
        for effect, which in (
            ("prefer", rule.then.prefer),
            ("avoid", rule.then.avoid),
            ("require", rule.then.require),
            ("exclude", rule.then.exclude),
        )
        if which is not None
    ]
    for field, models in listed:
        for model in models:
            if not _known(model, registry):
                raise ConfigurationError(
                    f"{field}: the registry has no model {model!r}.",
                    where=named.get(model, str(SHIPPED)),
                    remedy=nearest(model, registry.models)
                    or "Add it to the registry overlay (DAILIES_REGISTRY), or take it out of the table.",
                )


def _known(model: str, registry: Registry) -> bool:
    """Return whether the registry has a model, or any that a pattern of a rule means."""
    if set(model) & set("*?"):
        return any(fnmatchcase(each, model) for each in registry.models)
    return registry.find(model) is not None
