"""Reading the data files that operators write: registry entries and routing tables.

Every fault is a :class:`~pipeline.errors.ConfigurationError` that names the file, the field and the
remedy; all faults of a file are named at once.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.errors import ConfigurationError

MAX_BYTES: Final = 8_000_000
"""No registry or routing file is larger; 80 models with dated prices take about 150 kB."""

SUFFIXES: Final = (".yaml", ".yml", ".json")

M = TypeVar("M", bound=BaseModel)


def data_files(path: Path, *, setting: str) -> tuple[Path, ...]:
    """Return the data files at a path: the file itself, or a folder's, sorted by name.

    Args:
        path: File or folder.
        setting: The setting that named it, for the error.

    Raises:
        ConfigurationError: If there is none.
    """
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise ConfigurationError(
            f"there is no file or folder {path}.",
            where=setting,
            remedy="Set it to a YAML file or a folder of such files, or unset it.",
        )
    found = tuple(sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and not p.name.startswith(".")))
    if not found:
        raise ConfigurationError(
            f"the folder {path} holds no YAML or JSON file.",
            where=setting,
            remedy="Put one there, or unset the setting.",
        )
    return found


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML or JSON file holds.

    Raises:
        ConfigurationError: If it can't be read, is too large, is no YAML or is no mapping.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"it can't be read: {error.strerror}.", where=str(path), remedy="Check the file's permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("it is not UTF-8 text.", where=str(path), remedy="Save it as UTF-8.") from error
    if len(raw) > MAX_BYTES:
        raise ConfigurationError(
            f"it is larger than {MAX_BYTES // 1_000_000} MB.",
            where=str(path),
            remedy="Split it into several files of one folder.",
        )
    try:
        value: object = YAML(typ="safe", pure=True).load(StringIO(text))
    except (YAMLError, ValueError, RecursionError) as error:
        raise _not_yaml(path, error) from error
    if not isinstance(value, dict):
        raise ConfigurationError("it holds no mapping.", where=str(path), remedy="Begin it with the line: format: 1")
    return cast("dict[str, Any]", value)


def _not_yaml(path: Path, error: Exception) -> ConfigurationError:
    where, what = str(path), "it is not valid YAML"
    if isinstance(error, MarkedYAMLError):
        if error.problem_mark is not None:
            where += f":{error.problem_mark.line + 1}:{error.problem_mark.column + 1}"
        what = f"it is not valid YAML: {error.problem or error.context or 'syntax error'}"
    return ConfigurationError(f"{what}.", where=where, remedy="Correct the line named.")


def parse(kind: type[M], value: Mapping[str, Any], *, file: str, prefix: str = "") -> M:
    """Return a mapping as a pydantic model.

    Args:
        kind: The model.
        value: What the file says.
        file: Where it says so.
        prefix: Dotted path of the value in the file.

    Raises:
        ConfigurationError: Names every wrong field.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        faults = list(dict.fromkeys(_fault(kind, fault, prefix) for fault in error.errors()))
        raise ConfigurationError(
            "; ".join(faults) + ".",
            where=file,
            remedy=f"Correct the field{'s' if len(faults) > 1 else ''} named (see docs/models.md).",
        ) from error


def _fault(kind: type[BaseModel], fault: Mapping[str, Any], prefix: str) -> str:
    parts = [str(part) for part in fault["loc"]]
    if fault["type"] == "extra_forbidden":
        close = difflib.get_close_matches(parts[-1], _field_names(kind), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        message = f"there is no such field{hint}"
    else:
        message = str(fault["msg"]).removeprefix("Value error, ").removesuffix(".")
    path = ".".join(part for part in (prefix, *parts) if part)
    return f"{path}: {message}" if path else message


def _field_names(kind: type[BaseModel], seen: frozenset[type] = frozenset()) -> list[str]:
    names: list[str] = []
    for name, field in kind.model_fields.items():
        names.append(field.alias or name)
        for inner in _models_in(field.annotation):
            if inner not in seen:
                names += _field_names(inner, seen | {kind, inner})
    return names


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)


def check_format(value: Mapping[str, Any], *, file: str) -> None:
    """Refuse a file of another format version.

    Raises:
        ConfigurationError: If ``format`` is not 1.
    """
    if value.get("format") != 1:
        raise ConfigurationError(
            f"format: this version of Dailies reads format 1, the file says {value.get('format', 'none')}.",
            where=file,
            remedy="Begin the file with the line: format: 1",
        )


def patched(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``patch`` laid over it.

    Mappings merge key by key; everything else, lists included, replaces what stood there; ``null``
    takes a field away, so that its default holds again.
    """
    merged = dict(base)
    for key, value in patch.items():
        below = merged.get(key)
        if value is None and key in merged:
            del merged[key]
        elif isinstance(value, dict) and isinstance(below, dict):
            merged[key] = patched(cast("dict[str, Any]", below), cast("dict[str, Any]", value))
        else:
            merged[key] = value
    return merged


def content_hash(value: Any) -> str:
    """Return the SHA-256 of a JSON value, the same for the same content in any key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ``Did you mean ...?`` with the nearest of some words, or nothing."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else ""
