"""Guidance on one scale: 0 lets the model wander, 1 holds it to the prompt, on every model."""

from __future__ import annotations

from pipeline.registry.capabilities import Capabilities, GuidanceScale


def model_guidance(able: Capabilities, guidance: float | None) -> float | None:
    """Return the value on the model's own scale, or ``None`` to leave it at the model's default.

    Linear between the model's values for 0 and 1 (a model whose scale runs downwards has ``high < low``).
    """
    if guidance is None or able.guidance in {"no", "unknown"}:
        return None
    scale = able.guidance if isinstance(able.guidance, GuidanceScale) else GuidanceScale(low=0.0, high=1.0)
    return round(scale.low + (scale.high - scale.low) * guidance, 4)


def takes_guidance(able: Capabilities) -> bool:
    """Return whether the model has a guidance scale."""
    return able.guidance not in {"no", "unknown"}
