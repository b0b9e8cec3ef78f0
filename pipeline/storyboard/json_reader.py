"""JSON (RFC 8259) to nodes with places; strict, bounded, without recursion.

The standard library's parser is of no use here: it keeps no places, merges duplicate keys, accepts
``NaN``, and recurses.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from json import JSONDecodeError, JSONDecoder
from typing import NoReturn

from pipeline.storyboard.nodes import (
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

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORD = re.compile(r"[^\s,:\[\]{}\"]+")
_WORDS = {"true": True, "false": False, "null": None}
_STRINGS = JSONDecoder()  # only ever asked for single strings
_GENERAL = "Check commas, quotes and brackets; JSON has no comments and no comma after the last entry."


class _Reader:
    """Reads one text from front to back."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._nodes = 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._stack: list[tuple[Listing | Mapping, Node | None]] = []

    def read(self) -> Node:
        node = self._next()
        while True:
            # A finished value goes into the list or mapping around it, until one of those goes on.
            while self._stack:
                container, key = self._stack.pop()
                following = self._put(container, key, node)
                if following is not None:
                    node = following
                    break
                node = container
            else:
                self._skip()
                if self._at < len(self._text):
                    self._fail("something follows the end of the storyboard")
                return node

    def _next(self) -> Node:
        """Return the next complete value; lists and mappings on the way to it are put on the stack."""
        while True:
            self._skip()
            line, column = self._place()
            self._nodes += 1
            if self._nodes > MAX_NODES:
                self._fail(f"more than {MAX_NODES} values", "Split the storyboard.")
            sign = self._text[self._at : self._at + 1]
            if sign not in {"{", "["}:
                return self._scalar(line, column)
            if len(self._stack) >= MAX_DEPTH:
                self._fail(f"lists and mappings are nested deeper than {MAX_DEPTH}", "Flatten it.")
            self._at += 1
            self._skip()
            closing = "}" if sign == "{" else "]"
            node = Mapping(line, column) if sign == "{" else Listing(line, column)
            if self._text.startswith(closing, self._at):
                self._at += 1
                return node
            self._stack.append((node, self._key() if isinstance(node, Mapping) else None))

    def _put(self, container: Listing | Mapping, key: Node | None, node: Node) -> Node | None:
        """Add a value; return the next one of the same container, ``None`` at the container's end."""
        container.size += node.size
        if isinstance(container, Mapping):
            if key is not None:
                container.pairs.append((key, node))
            closing = "}"
        else:
            container.items.append(node)
            closing = "]"
        self._skip()
        sign = self._text[self._at : self._at + 1]
        if sign == closing:
            self._at += 1
            return None
        if sign != ",":
            self._fail(f"expected ',' or '{closing}'")
        self._at += 1
        self._skip()
        self._stack.append((container, self._key() if isinstance(container, Mapping) else None))
        return self._next()

    def _key(self) -> Node:
        line, column = self._place()
        if not self._text.startswith('"', self._at):
            self._fail("expected a key in double quotes")
        key = self._scalar(line, column)
        self._skip()
        if not self._text.startswith(":", self._at):
            self._fail("expected ':' after the key")
        self._at += 1
        return key

    def _scalar(self, line: int, column: int) -> Scalar:
        if self._text.startswith('"', self._at):
            try:
                value, self._at = _STRINGS.raw_decode(self._text, self._at)
            except JSONDecodeError as error:
                self._at = min(error.pos, len(self._text))
                self._fail(error.msg[:1].lower() + error.msg[1:].removesuffix(" at"))
            return Scalar(line, column, value=value)
        number = _NUMBER.match(self._text, self._at)
        word = _WORD.match(self._text, self._at)
        if number and word and number.end() == word.end():
            self._at = number.end()
            return _number(number, line, column)
        if word and word[0] in _WORDS:
            self._at = word.end()
            return Scalar(line, column, value=_WORDS[word[0]], text=word[0])
        found = shorten(word[0], 20) if word else "none"
        return self._fail(f"expected a value, found {found}")

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    def _place(self) -> tuple[int, int]:
        line = bisect_right(self._line_starts, self._at)
        return line, self._at - self._line_starts[line - 1] + 1

    def _fail(self, message: str, remedy: str = _GENERAL) -> NoReturn:
        raise UnreadableError(f"not well-formed JSON: {message}", remedy, *self._place())


def read_json(text: str) -> Node:
    """Return the root node of a JSON text.

    Args:
        text: The whole file, decoded.

    Raises:
        UnreadableError: If it isn't one well-formed JSON value within the bounds.
    """
    if not text.strip():
        raise UnreadableError("the file is empty", "Begin with schema_version, an id and shots.")
    return _Reader(text).read()


def _number(match: re.Match[str], line: int, column: int) -> Scalar:
    text = match[0]
    whole = match[2] is None and match[3] is None
    if whole and len(text.lstrip("-")) <= MAX_INTEGER_DIGITS:
        return Scalar(line, column, value=int(text), text=text)
    value = math.inf if whole or len(text) > 400 else float(text)
    if not math.isfinite(value):
        fault = (
            f"the number {shorten(text)} is absurdly large",
            "Write a smaller number, or text in quotes.",
        )
        return Scalar(line, column, fault=fault, text=text)
    return Scalar(line, column, value=value, text=text)
