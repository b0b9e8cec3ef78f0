"""The JSON Schema (draft 2020-12) of storyboards, made from the models, for editors and other tools.

Run ``python -m pipeline.storyboard.jsonschema`` to write docs/storyboard.schema.json, and with
``--check`` to see whether it is current.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from pipeline.storyboard import vocabulary
from pipeline.storyboard.schema import Storyboard

SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "storyboard.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema; it has no ``$id``, so that a relative path to it works anywhere."""
    schema = Storyboard.model_json_schema(mode="validation", schema_generator=GenerateJsonSchema)
    camera: dict[str, Any] = schema["$defs"]["Camera"]["properties"]
    for field in vocabulary.VOCABULARY:
        # Examples, not an enum: other words are passed on, with a warning.
        camera[field]["examples"] = list(vocabulary.names(field))
    return {"$schema": DIALECT, **_tidy(schema)}


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the schema, or with ``--check`` compare it; return the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m pipeline.storyboard.jsonschema [--check]\n")
        return 2
    current = schema_text()
    if arguments:
        if SCHEMA_PATH.is_file() and SCHEMA_PATH.read_text(encoding="utf-8") == current:
            return 0
        sys.stderr.write(f"{SCHEMA_PATH.name} is not current: run python -m pipeline.storyboard.jsonschema\n")
        return 1
    SCHEMA_PATH.write_text(current, encoding="utf-8")
    return 0


def _tidy(value: Any, *, names: bool = False) -> Any:
    """Return the schema without generated titles, and with texts on one line.

    Args:
        value: A part of the schema.
        names: Whether its keys are names of fields (where ``title`` is one of them), not keywords.
    """
    if isinstance(value, dict):
        return {
            key: _tidy(item, names=key == "properties" and not names)
            for key, item in value.items()
            if names or key != "title" or item == "Dailies storyboard"
        }
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    return " ".join(value.split()) if isinstance(value, str) and "\n" in value else value


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
