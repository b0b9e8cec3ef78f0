"""What a take depends on, as a key: the same key means that there is nothing to generate anew."""

from __future__ import annotations

import hashlib
import json

from pipeline.control.request import GenerationRequest


def spec_key(request: GenerationRequest, model_id: str, engine_version: str, *, first_seed: int) -> str:
    """Return the key of all takes of a shot by one model: everything but the take's own seed.

    Args:
        request: The request of any of the takes.
        model_id: The model.
        engine_version: Version of its engine.
        first_seed: The shot's first seed, which all its takes' seeds are derived from.

    Returns:
        64 hexadecimal digits.
    """
    return _digest(request, model_id, engine_version, {"first_seed": first_seed})


def take_key(request: GenerationRequest, model_id: str, engine_version: str) -> str:
    """Return the key of one take: everything that its picture depends on, its seed included."""
    return _digest(request, model_id, engine_version, {"seed": request.seed})


def _digest(request: GenerationRequest, model_id: str, engine_version: str, seed: dict[str, int]) -> str:
    content = {
        "request": request.model_dump(mode="json", exclude={"seed"}),
        "model": model_id,
        "engine": engine_version,
        **seed,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
