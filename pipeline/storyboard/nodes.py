"""What a storyboard file says, before anyone asks what it means: values with their places.

Both readers (YAML and JSON) build these nodes, within the same bounds, so that everything after them
knows one shape and can name line and column of each value and each key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

MAX_NODES = 150_000
"""Values in a file, aliases counted as often as they are used (a billion-laughs file stops here)."""
MAX_DEPTH = 24
"""Nested lists and mappings; the schema itself needs about ten."""
MAX_ALIASES = 500
MAX_INTEGER_DIGITS = 15
"""Whole numbers up to this many digits are exact everywhere (JSON readers use doubles)."""

Path = tuple[str | int, ...]
"""Keys and indexes from the root to a value."""


class UnreadableError(Exception):
    """The file can't be read any further.

    Args:
        message: What is wrong.
        remedy: What to do.
        line: 1-based line, 0 for none.
        column: 1-based column, 0 for none.
    """

    def __init__(self, message: str, remedy: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.line = line
        self.column = column


@dataclass(slots=True, eq=False)
class Node:
    """A value in the file.

    Attributes:
        line: 1-based line of its first character.
        column: 1-based column of its first character.
        size: Values in it, itself included, aliases expanded.
        fault: What is wrong with the value by itself and what to do, empty if nothing.
    """

    line: int
    column: int
    size: int = 1
    fault: tuple[str, str] | None = None


@dataclass(slots=True, eq=False)
class Scalar(Node):
    """A single value.

    Attributes:
        value: The value.
        text: Its source text, if it stands without quotes.
    """

    value: str | int | float | bool | None = None
    text: str | None = None


@dataclass(slots=True, eq=False)
class Listing(Node):
    """A list."""

    items: list[Node] = field(default_factory=list[Node])


@dataclass(slots=True, eq=False)
class Mapping(Node):
    """Keys with values, in file order; a key may stand twice (which ``to_data`` reports)."""

    pairs: list[tuple[Node, Node]] = field(default_factory=list[tuple[Node, Node]])


Data: TypeAlias = str | int | float | bool | list["Data"] | dict[str, "Data"] | None
Report = Callable[[Node, Path, str, str], None]
"""Takes the node at fault, its path, what is wrong, and the remedy."""


def to_data(node: Node, path: Path, report: Report) -> Data:
    """Return the plain value of a node; faults of single values and keys are reported on the way.

    What is at fault is left out, or ``None`` where its place must be kept.
    """
    if node.fault:
        report(node, path, *node.fault)
    if isinstance(node, Mapping):
        return _mapping(node, path, report)
    if isinstance(node, Listing):
        return [to_data(item, (*path, index), report) for index, item in enumerate(node.items)]
    if isinstance(node, Scalar) and not node.fault:
        return node.value
    return None


def key_of(node: Node) -> str | None:
    """Return the name that a key stands for, ``None`` if it can't be one."""
    if not isinstance(node, Scalar) or node.fault:
        return None
    if isinstance(node.value, str):
        return node.value
    return node.text if is_plain_integer(node) else None


def is_plain_integer(node: Node) -> bool:
    """Return whether a value is a whole number written the one usual way, so that its text is certain."""
    return (
        isinstance(node, Scalar)
        and isinstance(node.value, int)
        and not isinstance(node.value, bool)
        and node.text == str(node.value)
    )


def find(root: Node, path: Path) -> tuple[Node, Node | None, Path]:
    """Return the node that a path leads to, or the nearest one above it.

    Returns:
        The node, the node of its key (``None`` in a list), and how much of the path was found.
    """
    node: Node = root
    key: Node | None = None
    for depth, piece in enumerate(path):
        if isinstance(node, Mapping):
            pair = next((pair for pair in node.pairs if key_of(pair[0]) == piece), None)
            if pair is None:
                return node, key, path[:depth]
            key, node = pair
        elif isinstance(node, Listing) and isinstance(piece, int) and piece < len(node.items):
            key, node = None, node.items[piece]
        else:
            return node, key, path[:depth]
    return node, key, path


def dotted(path: Path) -> str:
    """Return a path as people write it, such as ``shots[2].camera.move``."""
    text = ""
    for piece in path:
        if isinstance(piece, int):
            text += f"[{piece}]"
        else:
            text += f".{piece}" if text else piece
    return text


def describe(node: Node) -> str:
    """Return what a value is, for a message."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Listing):
        return "a list"
    value = node.value if isinstance(node, Scalar) else None
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {shorten(value)}"
    return f"the number {node.text if isinstance(node, Scalar) and node.text else value}"


def shorten(text: str, most: int = 60) -> str:
    """Return a text in quotes, cut to a length that fits a message."""
    return repr(text if len(text) <= most else text[: most - 3] + "...")


def _mapping(node: Mapping, path: Path, report: Report) -> dict[str, Data]:
    data: dict[str, Data] = {}
    first: dict[str, Node] = {}
    for key, value in node.pairs:
        name = key_of(key)
        if name is None:
            fault = key.fault or (
                f"the key is {describe(key)}, not a name",
                "Write a name, in quotes if need be.",
            )
            report(key, path, *fault)
        elif name in first:
            report(
                key,
                (*path, name),
                f"is written twice; the first one is in line {first[name].line}",
                "Keep one of them.",
            )
        else:
            first[name] = key
            data[name] = to_data(value, (*path, name), report)
    return data
