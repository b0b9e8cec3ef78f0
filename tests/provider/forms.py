"""What a create asks for: the body's fields and files, and the clip that follows from them."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import python_multipart
from python_multipart.exceptions import FormParserError

from tests.provider.behaviour import Settings

_OWN = ("model", "prompt", "seconds", "size", "seed")
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_MAX_SIDE, _MAX_FRAMES = 4096, 3000


class RequestError(ValueError):
    """A request that can't be served; ``param`` names the field."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


@dataclass(slots=True)
class Form:
    """A body, taken apart."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_form(kind: str, body: bytes) -> Form:
    """Take a multipart or JSON body apart.

    Raises:
        RequestError: If it is neither, or broken.
    """
    form = Form()
    if kind.startswith("application/json"):
        try:
            value = json.loads(body)
        except ValueError as error:
            raise RequestError("We could not parse the JSON body of your request.") from error
        if not isinstance(value, dict):
            raise RequestError("The body must be a JSON object.")
        form.texts = {
            name: item if isinstance(item, str) else json.dumps(item)
            for name, item in value.items()
            if item is not None
        }
        return form
    if not kind.startswith("multipart/form-data"):
        raise RequestError(f"Unsupported content type: {kind or 'none'}.")

    def on_field(part: Any) -> None:
        form.texts[part.field_name.decode()] = (part.value or b"").decode()

    def on_file(part: Any) -> None:
        part.file_object.seek(0)
        content = part.file_object.read()
        form.files[part.field_name.decode()] = {
            "name": (part.file_name or b"").decode(),
            "type": str(part.content_type or ""),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }

    headers = {"Content-Type": kind.encode(), "Content-Length": str(len(body)).encode()}
    try:
        python_multipart.parse_form(headers, io.BytesIO(body), on_field, on_file)  # type: ignore[arg-type]
    except (FormParserError, ValueError) as error:
        raise RequestError(f"There was an error parsing the body: {error}") from error
    return form


def asked_for(form: Form, settings: Settings) -> dict[str, Any]:
    """Return the fields of ``ledger.Accepted`` that follow from a request, without price and account.

    Size: ``width`` and ``height``, else ``size``. Length: ``num_frames`` at ``fps``, else ``seconds``; what is
    billed is ``seconds`` if the request has it.

    Raises:
        RequestError: If something is missing or out of range.
    """
    texts = form.texts
    prompt = texts.get("prompt", "")
    if not prompt:
        raise RequestError("Missing required parameter: 'prompt'.", "prompt")
    width, height = _size(texts)
    fps = _number(texts, "fps", settings.default_fps)
    if not Fraction(1) <= fps <= 120:
        raise RequestError("'fps' must be between 1 and 120.", "fps")
    seconds = _number(texts, "seconds", "4")
    if settings.allowed_seconds and "seconds" in texts and texts["seconds"] not in settings.allowed_seconds:
        raise RequestError(
            f"Invalid value: '{texts['seconds']}'. Supported values are: {', '.join(settings.allowed_seconds)}.",
            "seconds",
        )
    frames = _number(texts, "num_frames", str(max(1, round(seconds * fps))))
    if frames.denominator != 1 or not 1 <= frames <= _MAX_FRAMES or seconds <= 0:
        raise RequestError(
            "The length asked for is out of range.", "num_frames" if "num_frames" in texts else "seconds"
        )
    billed = seconds if "seconds" in texts or "num_frames" not in texts else frames / fps
    return {
        "model": texts.get("model", ""),
        "prompt": prompt,
        "seconds": str(billed) if billed.denominator == 1 else f"{float(billed):g}",
        "width": width,
        "height": height,
        "fps": str(fps),
        "frames": int(frames),
        "seed": texts.get("seed", ""),
        "fields": {name: text for name, text in texts.items() if name not in _OWN},
        "files": form.files,
    }


def billed_seconds(asked: dict[str, Any], form: Form) -> Fraction:
    """Return the exact length that is billed."""
    if "seconds" in form.texts or "num_frames" not in form.texts:
        return Fraction(form.texts.get("seconds", "4"))
    return asked["frames"] / Fraction(asked["fps"])


def _size(texts: dict[str, str]) -> tuple[int, int]:
    if "width" in texts or "height" in texts:
        width, height = _number(texts, "width", "0"), _number(texts, "height", "0")
        name = "width"
    else:
        found = _SIZE.fullmatch(texts.get("size", "1280x720"))
        if not found:
            raise RequestError(f"Invalid value: '{texts['size']}'. 'size' must be WIDTHxHEIGHT.", "size")
        width, height = Fraction(found[1]), Fraction(found[2])
        name = "size"
    if any(side % 2 or not 16 <= side <= _MAX_SIDE for side in (width, height)):
        raise RequestError(f"The size must be even and 16 to {_MAX_SIDE} pixels on each side.", name)
    return int(width), int(height)


def _number(texts: dict[str, str], name: str, default: str) -> Fraction:
    try:
        return Fraction(texts.get(name, default))
    except (ValueError, ZeroDivisionError) as error:
        raise RequestError(f"Invalid value for '{name}': '{texts[name]}'.", name) from error
