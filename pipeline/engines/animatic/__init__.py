"""The animatic engine: shots drawn on this machine, free and fast."""

from pipeline.engines.animatic.engine import AnimaticEngine

__all__ = ["AnimaticEngine"]
