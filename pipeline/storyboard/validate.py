"""Nodes to a ``Storyboard``: what pydantic finds, said in the words of the person who wrote the file."""

from __future__ import annotations

import copy
import json
import re
import types
from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pipeline.storyboard import nodes, vocabulary
from pipeline.storyboard.nodes import Data, Node, Path, Scalar, dotted, shorten
from pipeline.storyboard.schema import Storyboard

MAX_FAULTS = 200
"""A file with more faults than this isn't corrected one by one."""
_MAX_SUGGESTED = 64
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong at a path.

    Attributes:
        path: Where; may end in a name that is missing there.
        message: What is wrong.
        remedy: What to write instead.
        at_key: Whether the key is at fault, not its value.
    """

    path: Path
    message: str
    remedy: str
    at_key: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of validation.

    Attributes:
        storyboard: The model; with faults, a repaired one that is only good for further checks, or ``None``.
        faults: What is wrong.
        touched: Paths that the repair left out or made up.
    """

    storyboard: Storyboard | None
    faults: tuple[Fault, ...]
    touched: tuple[Path, ...] = ()


def validate(root: Node, data: Data) -> Outcome:
    """Validate a storyboard's data.

    With faults, the values at fault are taken out and the rest is validated again, so that the checks
    across fields can be made in the same go.

    Args:
        root: The nodes, for what was written and where.
        data: Their plain value (``nodes.to_data``).
    """
    if not isinstance(data, dict):
        fault = Fault((), f"the file holds {nodes.describe(root)}, not a storyboard", "Begin with schema_version: 1.")
        return Outcome(None, (fault,))
    first: tuple[Fault, ...] | None = None
    touched: list[Path] = []
    data = copy.deepcopy(data)
    for _ in range(_ROUNDS):
        storyboard, errors = _attempt(data)
        # A whole number where text is meant (id: 7) is certain enough to be taken as text.
        retyped = [path for path in map(_text_wanted, errors) if path and _as_text(root, data, path)]
        if retyped:
            storyboard, errors = _attempt(data)
        if first is None:
            first = _faults(root, data, errors)
        if storyboard is not None:
            return Outcome(storyboard, first, tuple(touched))
        paths = [(_path_of(root, error), error) for error in errors if not _follows(data, error)]
        repaired = [path for path, error in paths if _repair(data, path, missing=error["type"] == "missing")]
        if not repaired or len(touched) > MAX_FAULTS:
            break
        touched.extend(repaired)
    return Outcome(None, first or ())


def did_you_mean(word: str, known: Lookup[str, object] | tuple[str, ...]) -> str:
    """Return a sentence with the nearest of the known words, or nothing."""
    if len(word) > _MAX_SUGGESTED:
        return ""
    near = get_close_matches(word.lower(), {name.lower(): 0 for name in known}, n=1, cutoff=0.6)
    return next((f"Did you mean {name!r}?" for name in known if near and name.lower() == near[0]), "")


def _attempt(data: Data) -> tuple[Storyboard | None, list[Any]]:
    try:
        # As JSON, so that strict types still take lists for tuples and words for enums.
        return Storyboard.model_validate_json(json.dumps(data), strict=True), []
    except ValidationError as caught:
        return None, caught.errors(include_url=False)


def _text_wanted(error: Any) -> Path | None:
    return tuple(error["loc"]) if error["type"] == "string_type" else None


def _as_text(root: Node, data: Data, path: Path) -> bool:
    """Put the text of a plainly written whole number in its place."""
    node, _, found = nodes.find(root, path)
    if found != path or not isinstance(node, Scalar) or node.text is None or not nodes.is_plain_integer(node):
        return False
    _parent(data, path)[path[-1]] = node.text
    return True


def _parent(data: Any, path: Path) -> Any:
    for piece in path[:-1]:
        data = data[piece]
    return data


def _path_of(root: Node, error: Any) -> Path:
    """Return an error's path without what pydantic adds to it (members of a union, ``[key]``)."""
    path: Path = tuple(error["loc"])
    return path if error["type"] == "missing" else nodes.find(root, path)[2]


def _faults(root: Node, data: Data, errors: list[Any]) -> tuple[Fault, ...]:
    found: dict[Path, Fault] = {}
    for error in errors[: MAX_FAULTS + 1]:
        path = _path_of(root, error)
        if path in found or _follows(data, error):
            continue
        node = nodes.find(root, path)[0]
        if node.fault:  # said already
            continue
        key = error["type"] == "extra_forbidden" or "[key]" in error["loc"]
        found[path] = Fault(path, *_words(error, path, node), at_key=key)
    return tuple(found.values())


def _follows(data: Data, error: Any) -> bool:
    """Whether an error only follows from others: a list is called too short if its entries are at fault."""
    if error["type"] != "too_short":
        return False
    value: Any = _parent(data, (*error["loc"], 0))
    return isinstance(value, list) and len(value) >= error["ctx"]["min_length"]


def _words(error: Any, path: Path, node: Node) -> tuple[str, str]:  # noqa: PLR0911 - a table with some thought in it
    kind: str = error["type"]
    context: dict[str, Any] = error.get("ctx", {})
    found = nodes.describe(node)
    if kind == "extra_forbidden":
        return "is no field here", _meant(path)
    if kind == "missing":
        if path == ("schema_version",):
            return "is missing", "Begin with schema_version: 1."
        return "is missing", f"Add {path[-1]}: {_purpose(path)}".rstrip()
    if kind == "enum":
        choices = tuple(re.findall(r"'([^']*)'", context["expected"]))
        written = node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""
        return f"{found} is none of {', '.join(choices)}", did_you_mean(written, choices) or "Choose one of them."
    if kind == "literal_error":
        return f"{found} is no version that this release reads", f"Write {context['expected']}."
    if kind == "string_pattern_mismatch":
        return f"{found} has the wrong form", _FORMS.get(context["pattern"], f"Write {context['pattern']}.")
    if kind == "value_error":
        return str(context["error"]), _VALUE_REMEDIES.get(str(path[-1]) if path else "", "Correct the value.")
    if kind in _BOUNDS:
        message, remedy = _BOUNDS[kind]
        return message.format(found=found, **context), remedy.format(**context)
    return _wrong_type(kind, path, node, found)


_FORMS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": "Use up to 64 letters, digits, dots, hyphens and underscores.",
    r"^#[0-9a-fA-F]{6}$": "Write a colour as six hexadecimal digits in quotes, such as '#1e3a5f'.",
    r"^[1-9][0-9]?:[1-9][0-9]?$": "Write width:height, such as 16:9.",
    r"^([0-9]{3,4}p|[0-9]{2,4}x[0-9]{2,4})$": "Write 720p or 1280x720.",
    r"^[a-z]{3}$": "Write an ISO 639-2 code of three letters, such as eng.",
}
_VALUE_REMEDIES = {
    "fps": "Write a rate such as 24, 25, 29.97 or 30000/1001.",
    "parameters": "Keep parameters few, flat and plain.",
}
_BOUNDS = {
    "greater_than_equal": ("{found} is too small", "Write {ge:,} or more."),
    "less_than_equal": ("{found} is too large", "Write {le:,} or less."),
    "string_too_long": ("the text is too long", "Use {max_length} characters at most."),
    "string_too_short": ("is empty", "Write at least {min_length} character(s)."),
    "too_long": ("has too many entries", "Keep {max_length} at most."),
    "too_short": ("has too few entries", "Give at least {min_length}."),
    "int_from_float": ("{found} is not a whole number", "Write a whole number."),
    "finite_number": ("{found} is not finite", "Write a finite number."),
}
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping (name: value)",
    "model_type": "a mapping (name: value)",
    "model_attributes_type": "a mapping (name: value)",
    "tuple_type": "a list",
    "list_type": "a list",
}


def _wrong_type(kind: str, path: Path, node: Node, found: str) -> tuple[str, str]:
    expected = _EXPECTED.get(kind, "something else")
    if path and path[-1] == "fps":
        expected = "a number or a ratio"
    message = f"expected {expected}, found {found}"
    if found == "nothing":
        bare = "palette" in path
        return message, (
            "Put colours in quotes: a bare # begins a comment." if bare else "Give it a value, or remove the line."
        )
    remedy = f"Write {expected}."
    if isinstance(node, Scalar):
        written = str(node.text if node.text is not None else node.value)[:60]
        if expected == "text":
            remedy = f"Write it in quotes: '{written}'."
        elif expected == "a list":
            remedy = f"Write a list: [{written}]."
        elif path[-2:-1] == ("characters",):
            remedy = f"Write {{id: {written}}}."
        elif path[-2:-1] == ("references",):
            remedy = f"Write {{path: {written}}}."
        elif path[-1:] in (("transition",), ("ending",)):
            remedy = f"Write {{kind: {written}}}."
        elif path[-1:] == ("camera",):
            fields = (field for field in vocabulary.VOCABULARY if vocabulary.canonical(field, written) is not None)
            remedy = f"Write {{{next(fields, 'move')}: {written}}}."
    return message, remedy


# --- the models, looked at from outside -------------------------------------------------------------


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that an annotation may hold, through optionals, lists and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _model_at(path: Path) -> type[BaseModel] | None:
    """Return the model whose fields a mapping at a path has."""
    annotation: Any = Storyboard
    for piece in path:
        while get_origin(annotation) in {Annotated, Union, types.UnionType}:
            choices = [part for part in get_args(annotation) if part is not type(None)]
            annotation = choices[0]
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(piece))
            if field is None:
                return None
            annotation = field.annotation
        else:
            parts = [part for part in get_args(annotation) if part is not Ellipsis]
            annotation = parts[-1] if parts else None
    found = _models_in(annotation)
    return found[0] if found else None


def _meant(path: Path) -> str:
    """Return where an unknown field belongs, or how it is spelled."""
    name = str(path[-1])
    model = _model_at(path[:-1])
    if model is None:
        return "Remove it."
    for field, info in model.model_fields.items():
        if any(name in part.model_fields for part in _models_in(info.annotation)):
            return f"It belongs under {field}: write {dotted((*path[:-1], field))} with {shorten(name)} in it."
    near = did_you_mean(name, tuple(model.model_fields))
    return near or f"Remove it; the fields here are {', '.join(model.model_fields)}."


def _purpose(path: Path) -> str:
    model = _model_at(path[:-1])
    field = model.model_fields.get(str(path[-1])) if model else None
    return f"({field.description})" if field and field.description else ""


# --- repair, for the sake of further checks ---------------------------------------------------------

_PLACEHOLDERS: dict[str, Data] = {"prompt": "?", "text": "?", "path": "?", "schema_version": 1}


def _repair(data: Any, path: Path, *, missing: bool) -> bool:
    """Take a value at fault out, or put a harmless one where one is needed; ``False`` if it can't be done."""
    if not path:
        return False
    name = path[-1]
    try:
        parent = _parent(data, path)
        if isinstance(name, int):
            if path[-2] != "shots":
                # Taking one entry out of a list would shift the places of the others.
                grandparent = _parent(data, path[:-1])
                grandparent.pop(path[-2], None)
            else:
                parent[name] = {"id": f"fault-{name}", "prompt": "?"}
        elif name == "id":
            parent[name] = f"fault-{'-'.join(map(str, path[:-1])) or 'id'}"
        elif name in _PLACEHOLDERS:
            parent[name] = _PLACEHOLDERS[str(name)]
        elif missing:
            return False
        else:
            parent.pop(name, None)
    except (KeyError, IndexError, TypeError, AttributeError):
        return False  # taken out already, together with what was around it
    return True
