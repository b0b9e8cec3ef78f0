"""Prompt templates: text with ``{name}`` in it, and nothing cleverer.

There are no format specifications, attributes, indexes or expressions, so that a storyboard from a
stranger can do no more than place words. ``{{`` and ``}}`` stand for a brace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from pipeline.errors import InputError
from pipeline.storyboard.schema import Template

SHOT_WORDS: tuple[str, ...] = (
    "prompt",
    "look",
    "location",
    "characters",
    "props",
    "camera",
    "scene",
    "title",
    "shot",
)
"""Names that every shot fills by itself; all others are variables of the storyboard or the shot."""

_PIECE = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class TemplateError(InputError):
    """A template is malformed, or its names and the values given don't fit together."""


def names_in(template: Template) -> tuple[str, ...]:
    """Return the names that a template uses, each once, in order.

    Raises:
        TemplateError: If a brace stands alone or something other than a name is in braces.
    """
    found: dict[str, None] = {}
    for piece in _PIECE.finditer(template.text):
        if piece[0] in {"{{", "}}"}:
            continue
        found[_name(piece)] = None
    return tuple(found)


def fill(template: Template, values: Mapping[str, str]) -> str:
    """Return the template's text with every ``{name}`` replaced by its value.

    Values are put in as they are: braces in them are not looked at again.

    Args:
        template: The template.
        values: Name to text; values that the template doesn't use are fine.

    Raises:
        TemplateError: If the template is malformed, or uses a name without a value.
    """
    missing = [name for name in names_in(template) if name not in values]
    if missing:
        hints = (hint(name, values) for name in missing)
        raise TemplateError(
            f"The template uses {_listed(missing)}, which no variable sets.",
            remedy="; ".join(filter(None, hints)) or "Set it under variables: of the storyboard or the shot.",
        )

    def put(piece: re.Match[str]) -> str:
        return piece[0][0] if piece[0] in {"{{", "}}"} else values[_name(piece)]

    return _PIECE.sub(put, template.text)


def hint(name: str, known: Mapping[str, object]) -> str:
    """Return a sentence with the name that was probably meant, or nothing."""
    near = get_close_matches(name, known, n=1, cutoff=0.7)
    return f"Did you mean {{{near[0]}}}?" if near else ""


def _name(piece: re.Match[str]) -> str:
    name = piece["name"]
    if name is None:
        raise TemplateError(
            f"A single {piece[0]!r} stands at character {piece.start() + 1} of the template.",
            remedy=f"Write {piece[0] * 2} for a brace, or {{name}} for a variable.",
        )
    if not _NAME.fullmatch(name):
        raise TemplateError(
            f"{piece[0]} in the template is not a name.",
            remedy="Write {name} with letters, digits and underscores, nothing more.",
        )
    return name


def _listed(missing: list[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in missing)
