"""Storyboards of other tools in, clean YAML out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import Problem, StoryboardError
from pipeline.storyboard import nodes, vimax
from pipeline.storyboard.load import read_nodes
from pipeline.storyboard.schema import Storyboard
from pipeline.storyboard.yaml_reader import resolved

_WIDTH = 100
_FLOW_WIDTH = 88
# Letters first, and nothing that YAML reads as a sign: what matches needs no quotes.
_PLAIN = re.compile(r"[^\W\d][\w ./()'+-]*")
_PLAIN_IN_BLOCK = re.compile(r"[^\W\d][\w ./()'+,;!?&%-]*")


def import_board(path: Path) -> tuple[Storyboard, tuple[Problem, ...]]:
    """Read another tool's storyboard; the format is told by the content.

    Args:
        path: The file: JSON or YAML.

    Returns:
        The storyboard, and what could not be taken over.

    Raises:
        StoryboardError: If the format isn't known, or the file has faults; all of them are named.
    """
    root = read_nodes(path)
    faults: list[Problem] = []

    def report(node: nodes.Node, field: nodes.Path, message: str, remedy: str) -> None:
        faults.append(Problem(str(path), node.line, node.column, nodes.dotted(field), f"{message}.", remedy))

    data = nodes.to_data(root, (), report)
    if faults:
        raise StoryboardError(tuple(faults))
    if vimax.is_vimax(data):
        return vimax.read_vimax(root, data, path)
    own = isinstance(data, dict) and "schema_version" in data
    message = "this is a Dailies storyboard already." if own else "this is no storyboard that can be imported."
    remedy = "Use it as it is." if own else "Formats known are: ViMax (JSON with scenes and shots)."
    raise StoryboardError((Problem(str(path), root.line, root.column, "", message, remedy),))


def write_yaml(storyboard: Storyboard, path: Path, schema_comment: str = "") -> None:
    """Write a storyboard as YAML that a person can go on with.

    Args:
        storyboard: The storyboard.
        path: The file; replaced if it exists.
        schema_comment: Address or relative path of the JSON Schema, for completion in editors.
    """
    path.write_text(to_yaml(storyboard, schema_comment), encoding="utf-8")


def to_yaml(storyboard: Storyboard, schema_comment: str = "") -> str:
    """Return a storyboard as YAML: only what differs from the defaults, in the schema's order.

    Loading the text gives an equal storyboard.
    """
    data = storyboard.model_dump(mode="json", exclude_defaults=True)
    lines = [f"# yaml-language-server: $schema={schema_comment}"] if schema_comment else []
    for key, value in data.items():
        lines.extend(_entry(_text(key), value, 0))
    return "\n".join(lines) + "\n"


def _entry(head: str, value: Any, indent: int) -> Iterator[str]:
    """Yield the lines of ``head: value``."""
    pad = "  " * indent
    flow = _flow(value)
    if flow is not None and len(pad) + len(head) + 2 + len(flow) <= _FLOW_WIDTH:
        yield f"{pad}{head}: {flow}"
    elif isinstance(value, dict) and value:
        yield f"{pad}{head}:"
        for key, item in value.items():
            yield from _entry(_text(key), item, indent + 1)
    elif isinstance(value, list) and value:
        yield f"{pad}{head}:"
        for item in value:
            yield from _listed(item, indent + 1)
    elif isinstance(value, str):
        yield from _long_text(f"{pad}{head}: ", value, indent + 1)
    else:
        yield f"{pad}{head}: {flow}"


def _listed(value: Any, indent: int) -> Iterator[str]:
    """Yield the lines of a list's entry."""
    pad = "  " * indent
    flow = _flow(value)
    if flow is not None and len(pad) + 2 + len(flow) <= _FLOW_WIDTH:
        yield f"{pad}- {flow}"
    elif isinstance(value, dict) and value:
        lines = [line for key, item in value.items() for line in _entry(_text(key), item, indent + 1)]
        yield f"{pad}- {lines[0].lstrip()}"
        yield from lines[1:]
    elif isinstance(value, list) and value:
        lines = [line for item in value for line in _listed(item, indent + 1)]
        yield f"{pad}- {lines[0].lstrip()}"
        yield from lines[1:]
    elif isinstance(value, str):
        yield from _long_text(f"{pad}- ", value, indent + 1)
    else:
        yield f"{pad}- {flow}"


def _flow(value: Any) -> str | None:
    """Return a value on one line, ``None`` if it reads better on several."""
    if isinstance(value, str):
        return _text(value, block=True) if "\n" not in value else None
    if isinstance(value, dict):
        if any(isinstance(item, dict | list) and item for item in value.values()):
            return None
        parts = [f"{_text(key)}: {_atom(item)}" for key, item in value.items()]
        # A shot or a character with all its text on one line is no pleasure to edit.
        return "{" + ", ".join(parts) + "}" if not any("\n" in part for part in parts) else None
    if isinstance(value, list):
        if any(isinstance(item, dict | list) for item in value):
            return None if value else "[]"
        return "[" + ", ".join(map(_atom, value)) + "]"
    return _atom(value)


def _atom(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    return json.dumps(value)


def _text(value: str, *, block: bool = False) -> str:
    """Return a text on one line: bare where that is unmistakable, else in quotes.

    A JSON string is a double-quoted YAML scalar, escapes included.
    """
    plain = _PLAIN_IN_BLOCK if block else _PLAIN
    if plain.fullmatch(value) and not value.endswith(" ") and isinstance(resolved(value), str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _long_text(head: str, value: str, indent: int) -> Iterator[str]:
    """Yield a long text as a block: folded if it is one line, literal if it has several."""
    pad = "  " * indent
    lines = value.split("\n")
    # Blocks drop or change blanks at the ends of lines; a text with such is kept in quotes.
    blanks = any(line != line.strip() or "\t" in line for line in lines)
    if blanks or not lines[0] or not lines[-1]:
        yield head + json.dumps(value, ensure_ascii=False)
    elif all(len(line) <= _WIDTH for line in lines):
        yield f"{head}|-"
        yield from (f"{pad}{line}" if line else "" for line in lines)
    elif "  " in value:  # folding would make one blank of two
        yield head + json.dumps(value, ensure_ascii=False)
    else:
        yield f"{head}>-"
        for number, line in enumerate(lines):
            if number:
                yield ""
            yield from (f"{pad}{row}" for row in _wrapped(line, max(40, _WIDTH - len(pad))))


def _wrapped(line: str, width: int) -> Iterator[str]:
    """Yield a line's words in rows; breaks at single spaces only, which folding turns back into one."""
    row = ""
    for word in line.split(" ") if line else ():
        if row and len(row) + 1 + len(word) > width:
            yield row
            row = word
        else:
            row = f"{row} {word}" if row else word
    if row:
        yield row
