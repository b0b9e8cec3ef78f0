"""The reference part of docs/storyboard.md: every field and every camera word, made from the models.

Run ``python -m pipeline.storyboard.reference`` to write it, and with ``--check`` to see whether it is
current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.storyboard import templates, vocabulary
from pipeline.storyboard.jsonschema import json_schema

PAGE = Path(__file__).parents[2] / "docs" / "storyboard.md"
BEGIN = "<!-- reference: made by python -m pipeline.storyboard.reference -->"
END = "<!-- end of reference -->"


def reference_markdown() -> str:
    """Return the reference: a table per part of the schema, and one per camera field."""
    schema = json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    lines = [*_part("Storyboard", schema, definitions)]
    for name, part in definitions.items():
        if "properties" in part:
            lines.extend(_part(name, part, definitions))
    lines.extend(("### Camera vocabulary", ""))
    for field, words in vocabulary.VOCABULARY.items():
        lines.extend((f"**{field}**", "", "| word | meaning | also understood |", "| --- | --- | --- |"))
        lines.extend(
            f"| `{word.name}` | {word.meaning} | {', '.join(alias.replace('-', ' ') for alias in word.aliases)} |"
            for word in words
        )
        lines.append("")
    filled = ", ".join(f"`{{{name}}}`" for name in templates.SHOT_WORDS)
    lines.extend(("### Words that every shot fills in a template", "", f"{filled}."))
    return "\n".join(lines)


def page_with(reference: str, page: str) -> str:
    """Return a page with its reference replaced.

    Raises:
        ValueError: If the page lacks the two marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/{PAGE.name} needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{reference}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the reference, or with ``--check`` compare it; return the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m pipeline.storyboard.reference [--check]\n")
        return 2
    page = PAGE.read_text(encoding="utf-8")
    current = page_with(reference_markdown(), page)
    if not arguments:
        PAGE.write_text(current, encoding="utf-8")
        return 0
    if page != current:
        sys.stderr.write(f"docs/{PAGE.name} is not current: run python -m pipeline.storyboard.reference\n")
        return 1
    return 0


def _part(name: str, part: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield str(part.get("description", "")).replace("``", "`")
    yield ""
    yield "| field | value | default | meaning |"
    yield "| --- | --- | --- | --- |"
    required: list[str] = part.get("required", [])
    for field, schema in part["properties"].items():
        default = "**required**" if field in required else _default(schema.get("default"))
        kind, meaning = _kind(schema, definitions), _meaning(schema, definitions)
        yield f"| `{field}` | {kind} | {default} | {meaning} |"
    yield ""


def _default(value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, dict | list):
        return "see there"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _meaning(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    # Pydantic leaves out a field's description that says the same as the part's.
    part: dict[str, Any] = definitions.get(str(schema.get("$ref")).rpartition("/")[2], {})
    said = str(schema.get("description", part.get("description", "")))
    return said.replace("``", "`").replace("|", "\\|")


def _kind(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return what a value may be, in a few words."""
    if "anyOf" in schema:
        kinds = (_kind(option, definitions) for option in schema["anyOf"] if option.get("type") != "null")
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        words: list[str] = definitions[name].get("enum", [])
        return ", ".join(f"`{word}`" for word in words) or f"[{name}](#{name.lower()})"
    kind = schema.get("type")
    if "const" in schema:
        text = f"`{schema['const']}`"
    elif kind == "array":
        text = f"list of {_kind(schema['items'], definitions)}, at most {schema['maxItems']}"
    elif kind == "object":
        values = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
        text = f"name: {_kind(values, definitions)}" if isinstance(values, dict) and values else "name: value"
    elif kind in {"number", "integer"}:
        text = "number" if kind == "number" else "whole number"
        if "minimum" in schema and "maximum" in schema:
            text += f", {_number(schema['minimum'])} to {_number(schema['maximum'])}"
    else:
        text = {"string": "text", "boolean": "true or false"}.get(str(kind), "anything plain")
    return text


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
