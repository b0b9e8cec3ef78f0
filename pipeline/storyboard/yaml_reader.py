"""YAML 1.2 (core schema) to nodes, from the event stream: bounded, without tags, without recursion.

ruamel.yaml scans and parses; composing and resolving are done here, because a storyboard may come from
a stranger: anchors are counted as often as they are used before anything is expanded, and no tag can
ask for an object. The core schema (https://yaml.org/spec/1.2.2/#103-core-schema) has none of YAML
1.1's traps: ``no`` and ``16:9`` are texts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from pipeline.storyboard.nodes import (
    MAX_ALIASES,
    MAX_DEPTH,
    MAX_INTEGER_DIGITS,
    MAX_NODES,
    Listing,
    Mapping,
    Node,
    Scalar,
    UnreadableError,
    shorten,
)

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o([0-7]+)|0x([0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

# What people run into, by a piece of the parser's message.
_REMEDIES = (
    (
        "cannot start any token",
        "Indent with spaces, not tabs, and put text that begins with a sign in quotes.",
    ),
    ("mapping values are not allowed", 'Put text that contains ": " in quotes.'),
    ("flow", "Close every bracket, and put colours in quotes: a bare # begins a comment."),
    ("expected ',' or", "Close every bracket, and put colours in quotes: a bare # begins a comment."),
    ("quoted scalar", "Close the quotes."),
    ("undefined alias", "Anchor it with & above its first use."),
    ("block", "Give lines that belong together the same indentation."),
    ("could not find expected ':'", "Write a colon after the key, and indent text that goes on."),
)


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end hasn't come yet."""

    node: Listing | Mapping
    anchor: str | None
    key: Node | None = None


class _Builder:
    """Builds nodes from events, within bounds."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._aliases = 0
        self._nodes = 0

    def take(self, event: Any) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        match event:
            case DocumentStartEvent():
                self._document(event, line, column)
            case ScalarEvent():
                self._add(_scalar(event, line, column), event.anchor)
            case SequenceStartEvent():
                self._open(Listing(line, column, fault=_tag_fault(event)), event.anchor)
            case MappingStartEvent():
                self._open(Mapping(line, column, fault=_tag_fault(event)), event.anchor)
            case SequenceEndEvent() | MappingEndEvent():
                done = self._stack.pop()
                self._add(done.node, done.anchor)
            case AliasEvent():
                self._alias(event.anchor, line, column)
            case _:
                pass

    def _document(self, event: Any, line: int, column: int) -> None:
        if self.root is not None:
            raise UnreadableError("a second document begins here", "Keep one storyboard per file.", line, column)
        if event.tags:
            raise UnreadableError("%TAG directives are not allowed", "Remove the line.", line, column)

    def _open(self, node: Listing | Mapping, anchor: str | None) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise UnreadableError(
                f"lists and mappings are nested deeper than {MAX_DEPTH}",
                "A storyboard needs no such depth; flatten it.",
                node.line,
                node.column,
            )
        self._stack.append(_Open(node, anchor))

    def _alias(self, anchor: str, line: int, column: int) -> None:
        self._aliases += 1
        node = self._anchors.get(anchor)
        if node is None:
            raise UnreadableError(
                f"*{anchor[:40]} stands for nothing that is complete above it",
                "Anchor it with & before its first use, and outside of itself.",
                line,
                column,
            )
        if self._aliases > MAX_ALIASES:
            raise UnreadableError(
                f"more than {MAX_ALIASES} aliases",
                "Use defaults:, characters: and locations: for what repeats.",
                line,
                column,
            )
        self._add(node, None)

    def _add(self, node: Node, anchor: str | None) -> None:
        self._nodes += 1
        if not self._stack:
            self.root = node
        else:
            self._put(self._stack[-1], node)
        if max(self._nodes, self._stack[-1].node.size if self._stack else node.size) > MAX_NODES:
            raise UnreadableError(
                f"more than {MAX_NODES} values, aliases expanded",
                "Split the storyboard, and use fewer aliases.",
                node.line,
                node.column,
            )
        if anchor:
            self._anchors[anchor] = node

    @staticmethod
    def _put(parent: _Open, node: Node) -> None:
        parent.node.size += node.size
        if isinstance(parent.node, Listing):
            parent.node.items.append(node)
        elif parent.key is None:
            parent.key = node
            if isinstance(node, Scalar) and node.text == "<<":
                node.fault = (
                    "merge keys (<<) are not part of YAML 1.2",
                    "Use defaults:, or repeat the fields.",
                )
        else:
            parent.node.pairs.append((parent.key, node))
            parent.key = None


def read_yaml(text: str) -> Node:
    """Return the root node of a YAML text.

    Args:
        text: The whole file, decoded.

    Raises:
        UnreadableError: If it isn't one well-formed YAML document within the bounds.
    """
    builder = _Builder()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        raise _readable(error) from error
    except YAMLError as error:
        raise UnreadableError(f"not readable as YAML: {str(error)[:200]}", "Correct the line.") from error
    except (
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
        KeyError,
        AssertionError,
        NotImplementedError,
    ) as error:
        # The scanner itself fails on some malformed escapes and directives instead of saying so.
        raise UnreadableError("not readable as YAML", "Check quotes, escapes and directives (%).") from error
    if builder.root is None:
        raise UnreadableError(
            "the file is empty", "Begin with schema_version: 1, an id and shots (docs/storyboard.md)."
        )
    return builder.root


def _readable(error: MarkedYAMLError) -> UnreadableError:
    mark: Any = error.problem_mark or error.context_mark
    said = ", ".join(str(part) for part in (error.context, error.problem) if part)
    remedy = next((remedy for piece, remedy in _REMEDIES if piece in said), "Correct the line, or the one above it.")
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return UnreadableError(f"not well-formed YAML: {said[:200]}", remedy, line, column)


def _tag_fault(event: Any) -> tuple[str, str] | None:
    tag = event.tag
    if not tag:
        return None
    return f"the tag {shorten(str(tag))} is not allowed", "Remove the tag; put text in quotes instead."


def _scalar(event: Any, line: int, column: int) -> Scalar:
    text: str = event.value
    fault = _tag_fault(event)
    if fault or event.style is not None:
        return Scalar(line, column, fault=fault, value=text)
    try:
        return Scalar(line, column, value=resolved(text), text=text)
    except UnreadableError as error:
        return Scalar(line, column, fault=(error.message, error.remedy), text=text)


def resolved(text: str) -> str | int | float | bool | None:
    """Return what a text without quotes stands for in the core schema."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    based = _BASED.fullmatch(text)
    if based or _INTEGER.fullmatch(text):
        if len(text.lstrip("+-")) > MAX_INTEGER_DIGITS:
            raise UnreadableError(
                f"the number {shorten(text)} is absurdly long", "If it is meant as text, put it in quotes."
            )
        if based:
            return int(based[1], 8) if based[1] else int(based[2], 16)
        return int(text)
    if _FLOAT.fullmatch(text):
        value = float(text) if len(text) <= 400 else math.inf
        if math.isfinite(value):
            return value
        raise UnreadableError(f"the number {shorten(text)} is too large", "Write a smaller number.")
    if _NOT_FINITE.fullmatch(text):
        raise UnreadableError(f"{text} is not a number to work with", "Write a finite number.")
    return text
