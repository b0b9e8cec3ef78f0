"""The metrics of the consistency check: what is taken from a signature, and how two of them are apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from pipeline.checks.colour import Floats, ciede2000
from pipeline.checks.measurements import Signature, Swatch


class Metric:
    """How one metric is taken: a value per signature, and the distance between a value and a centre."""

    def __init__(
        self,
        value: Callable[[Signature], Floats],
        distance: Callable[[Floats, Floats], float],
        *,
        names_value: bool,
    ) -> None:
        self.value, self.distance, self.names_value = value, distance, names_value


def _absolute(one: Floats, other: Floats) -> float:
    return float(np.abs(one - other).max())


def _share_moved(one: Floats, other: Floats) -> float:
    return float(np.abs(one - other).sum() / 2)


def _colour_distance(one: Floats, other: Floats) -> float:
    return float(ciede2000(one, other))


def palette_distance(one: Sequence[Swatch], other: Sequence[Swatch]) -> float:
    """Return how far two palettes are apart: each colour's CIEDE2000 to the other's nearest, by share."""

    def arrays(palette: Sequence[Swatch]) -> tuple[Floats, Floats]:
        return np.array([(s.l, s.a, s.b) for s in palette]), np.array([s.share for s in palette])

    if not one or not other:
        return 0.0
    (colours, shares), (other_colours, other_shares) = arrays(one), arrays(other)
    apart = ciede2000(colours[:, None, :], other_colours[None, :, :])
    there = float(np.average(apart.min(axis=1), weights=shares))
    back = float(np.average(apart.min(axis=0), weights=other_shares))
    return (there + back) / 2


def _scalar(field: str) -> Metric:
    return Metric(lambda s: np.array([getattr(s, field)], np.float64), _absolute, names_value=True)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "colour": Metric(lambda s: np.array(s.lab_mean, np.float64), _colour_distance, names_value=False),
        "palette": Metric(
            lambda s: np.array([(w.l, w.a, w.b, w.share) for w in s.palette], np.float64).reshape(-1, 4),
            lambda one, other: palette_distance(_swatches(one), _swatches(other)),
            names_value=False,
        ),
        "contrast": _scalar("contrast"),
        "saturation": _scalar("saturation"),
        "edges": _scalar("edge_density"),
        "orientation": Metric(lambda s: np.array(s.orientations, np.float64), _share_moved, names_value=False),
        "grain": _scalar("grain"),
        "sharpness": _scalar("sharpness"),
    }
)


def _swatches(rows: Floats) -> list[Swatch]:
    return [Swatch(l=row[0], a=row[1], b=row[2], share=row[3]) for row in rows.tolist()]
