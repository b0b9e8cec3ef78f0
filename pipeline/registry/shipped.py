"""The shipped registry files, read without parsing YAML: ``python -m pipeline.registry.shipped`` compiles them.

YAML is for people; reading two hundred models of it takes seconds, and every command reads them all. So what the files
say stands in ``compiled.json``, too, each file under the hash of its bytes: one that was changed since is parsed, and
nothing else. A test tells when the compiled copy is not current, and what to run.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

from pipeline.errors import ConfigurationError
from pipeline.registry.files import data_files, read_mapping

SHIPPED: Final = Path(__file__).parent / "models"
COMPILED: Final = Path(__file__).parent / "compiled.json"


def read_shipped(folder: Path = SHIPPED, compiled: Path = COMPILED) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each shipped file with what it says.

    Args:
        folder: Where the files are.
        compiled: The compiled copy; without one, everything is parsed.

    Raises:
        ConfigurationError: If a file can't be read or is wrong.
    """
    copy = _copy(compiled)
    for path in data_files(folder, setting="pipeline/registry/models"):
        known = copy.get(path.name)
        if isinstance(known, dict) and known.get("sha256") == _hash(path):
            yield path, known["says"]
        else:
            yield path, read_mapping(path)


def compiled_text(folder: Path = SHIPPED) -> str:
    """Return what ``compiled.json`` has to hold: a line for each model, so that changes can be read."""
    parts: list[str] = []
    for path in data_files(folder, setting="pipeline/registry/models"):
        value = read_mapping(path)
        models = cast("dict[str, Any]", value.pop("models", {}))
        lines = ",\n".join(f"{json.dumps(name)}: {_json(entry)}" for name, entry in models.items())
        head = "".join(f"{json.dumps(name)}: {_json(said)}, " for name, said in value.items())
        says = f'{{{head}"models": {{\n{lines}\n}}}}'
        parts.append(f'{json.dumps(path.name)}: {{"sha256": "{_hash(path)}", "says": {says}}}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main(arguments: Sequence[str], *, folder: Path = SHIPPED, compiled: Path = COMPILED) -> int:
    """Write the compiled copy, or with ``--check`` say whether it is current.

    Returns:
        0 if it is current or was written, 1 if ``--check`` found it out of date, 2 for other arguments.
    """
    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write("usage: python -m pipeline.registry.shipped [--check]\n")
        return 2
    text = compiled_text(folder)
    if not arguments:
        compiled.write_text(text, encoding="utf-8")
        return 0
    if compiled.is_file() and compiled.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("pipeline/registry/compiled.json is out of date; run: python -m pipeline.registry.shipped\n")
    return 1


def _copy(compiled: Path) -> dict[str, Any]:
    """Return the compiled copy; nothing if there is none that can be read, because the files say it all."""
    try:
        value: object = json.loads(compiled.read_bytes())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigurationError(
            f"it can't be read: {error.strerror}.", where=str(path), remedy="Check the file's permissions."
        ) from error


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False, separators=(", ", ": "))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
