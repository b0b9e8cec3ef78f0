"""Does a cut look like one film: takes of one place, or with one character, are compared with each other.

What is compared is how pictures look (colour, contrast, style), taken from the signatures; nobody's
identity is. Pure and deterministic, whatever the order of the takes.

Within a group each metric gives every take a value; for colours it is the CIEDE2000 distance to the
group's median colour, for others the difference from the group's median. A take stands out if its
robust z-score (Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993: distance over
1.4826 times the median absolute deviation, here with a floor) and the distance itself are both beyond
their limits: the first alone would blame the least alike of near twins, the second alone a scene
that is varied by design. Twice the limit stands out of any group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import median

import numpy as np

from pipeline.checks.measurements import Frozen, Signature
from pipeline.checks.metrics import METRICS, Metric
from pipeline.checks.thresholds import ConsistencyLimits, MetricLimit, Thresholds

MAD_TO_DEVIATION = 1.4826
VARIED_FACTOR = 2.0


class TakeSignature(Frozen):
    """An accepted take, as the consistency check sees it.

    Attributes:
        shot_id: Its shot.
        location: Id of the shot's location, if it names one.
        characters: Ids of who is in it.
        variant: Time of day, or another change of light or place that was intended; takes of one place
            are compared only within one variant.
        signature: How it looks.
    """

    shot_id: str
    location: str | None = None
    characters: tuple[str, ...] = ()
    variant: str = ""
    signature: Signature


class Deviation(Frozen):
    """A take that stands out of its group in one metric.

    Attributes:
        shot_id: The take's shot; for a pair, the one that comes first by id.
        other_shot_id: The other of a pair; empty where the group says which one stands out.
        group: What the takes have in common, in words.
        metric: Name of the metric.
        value: The take's own value; its distance for colours.
        median: The group's median of the value; 0 for a pair.
        distance: How far the take is from the group.
        limit: How far it may be.
        z: Robust z-score, 0 for a pair.
        unit: Unit of value, median, distance and limit.
        reason: A sentence for the producer.
    """

    shot_id: str
    other_shot_id: str = ""
    group: str
    metric: str
    value: float
    median: float
    distance: float
    limit: float
    z: float
    unit: str
    reason: str


class Ranked(Frozen):
    """A shot's place: the largest of its distances over their limits; 1 and more stands out."""

    shot_id: str
    score: float
    metric: str
    group: str


class ConsistencyReport(Frozen):
    """The consistency check of a cut.

    Attributes:
        passed: Whether nothing stands out; ``None`` if nothing could be compared.
        deviations: What stands out, worst first.
        ranking: Every shot that was compared with another, the least alike first.
        not_compared: Shots that were not compared with any other, and why.
    """

    passed: bool | None
    deviations: tuple[Deviation, ...]
    ranking: tuple[Ranked, ...]
    not_compared: dict[str, str]

    @property
    def outliers(self) -> tuple[str, ...]:
        """Shots that their group says stand out, worst first; pairs are not blamed on either."""
        return tuple(dict.fromkeys(d.shot_id for d in self.deviations if not d.other_shot_id))


def compare(
    takes: Sequence[TakeSignature], thresholds: Thresholds, *, unseen: Mapping[str, str] | None = None
) -> ConsistencyReport:
    """Compare a cut's takes by location, by character, and as a whole.

    Args:
        takes: One accepted take of each shot, in any order.
        thresholds: Their ``consistency`` part is used.
        unseen: Shots of the cut without a signature, and why they have none.
    """
    limits = thresholds.consistency
    ordered = sorted(takes, key=lambda take: (take.shot_id, take.model_dump_json()))
    deviations: list[Deviation] = []
    scores: dict[str, Ranked] = {}
    for group, members, factor in _groups(ordered, limits):
        for metric, limit in limits.metrics.items():
            measure = METRICS.get(metric)
            if measure is None:
                continue
            wider = limit.model_copy(update={"limit": limit.limit * factor})
            judge = _judge_group if len(members) >= limits.least_group else _judge_pairs
            for deviation, score in judge(group, metric, measure, wider, members, limits):
                for shot_id in filter(None, (deviation.shot_id, deviation.other_shot_id)):
                    if shot_id not in scores or score > scores[shot_id].score:
                        scores[shot_id] = Ranked(shot_id=shot_id, score=score, metric=metric, group=group)
                if score > 1:
                    deviations.append(deviation)
    deviations.sort(key=lambda d: (-d.distance / d.limit, d.shot_id, d.other_shot_id, d.group, d.metric))
    alone = {take.shot_id: "no other take shares its cut" for take in ordered if take.shot_id not in scores}
    return ConsistencyReport(
        passed=not deviations if scores else None,
        deviations=tuple(deviations),
        ranking=tuple(sorted(scores.values(), key=lambda ranked: (-ranked.score, ranked.shot_id))),
        not_compared={**alone, **(unseen or {})},
    )


def _groups(takes: Sequence[TakeSignature], limits: ConsistencyLimits) -> list[tuple[str, list[TakeSignature], float]]:
    """Return each group's name, takes and the factor on its limits; groups of one are left out."""
    found: dict[str, tuple[list[TakeSignature], float]] = {}
    for take in takes:
        variant = f", {take.variant}" if take.variant else ""
        names = [(f"location {take.location}{variant}", 1.0)] if take.location else []
        names += [(f"character {name}{variant}", _CHARACTER_FACTOR) for name in sorted(set(take.characters))]
        names.append((f"the whole cut{variant}", limits.cut_factor))
        for name, factor in names:
            found.setdefault(name, ([], factor))[0].append(take)
    return [(name, members, factor) for name, (members, factor) in sorted(found.items()) if len(members) > 1]


# A character walks through several places: what surrounds it may differ more than one place does.
_CHARACTER_FACTOR = 1.6


def _distances(metric: Metric, members: Sequence[TakeSignature]) -> tuple[list[float], list[float]]:
    """Return each take's own value (0 for colours and shares) and its distance from the group.

    Where values have no median (palettes), the distance is the median of those to the others.
    """
    values = [metric.value(take.signature) for take in members]
    if len({value.shape for value in values}) == 1 and values[0].ndim == 1:
        centre = np.median(np.stack(values), axis=0)
        distances = [metric.distance(value, centre) for value in values]
    else:
        distances = [
            median(metric.distance(value, other) for number, other in enumerate(values) if number != place)
            for place, value in enumerate(values)
        ]
    own = [
        float(value[0]) if metric.names_value else distance for value, distance in zip(values, distances, strict=True)
    ]
    return own, distances


def _judge_group(
    group: str,
    name: str,
    metric: Metric,
    limit: MetricLimit,
    members: Sequence[TakeSignature],
    limits: ConsistencyLimits,
) -> list[tuple[Deviation, float]]:
    own, distances = _distances(metric, members)
    middle = median(own)
    # For scalars the deviations are the distances; for colours the spread of the distances counts.
    usual = 0.0 if metric.names_value else median(distances)
    spread = MAD_TO_DEVIATION * median(abs(distance - usual) for distance in distances)
    spread = max(spread, limit.floor)
    results: list[tuple[Deviation, float]] = []
    for take, value, distance in zip(members, own, distances, strict=True):
        z = (distance - usual) / spread
        # Both must be beyond their limits, so the smaller of the two shares says how far it stands out.
        # However varied the group is, though, a multiple of the limit stands out of it.
        both = min(distance / limit.limit, max(0.0, z) / limits.z_limit)
        score = max(both, distance / (VARIED_FACTOR * limit.limit))
        results.append(
            (
                Deviation(
                    shot_id=take.shot_id,
                    group=group,
                    metric=name,
                    value=round(value, 4),
                    median=round(middle, 4),
                    distance=round(distance, 4),
                    limit=limit.limit,
                    z=round(z, 3),
                    unit=limit.unit,
                    reason=f"{take.shot_id} stands out of {group} ({len(members)} takes) in {name}: "
                    f"{value:.3g} {limit.unit}, the group's median is {middle:.3g} "
                    f"({distance:.3g} apart; at most {limit.limit:.3g})",
                ),
                round(score, 6),
            )
        )
    return results


def _judge_pairs(
    group: str,
    name: str,
    metric: Metric,
    limit: MetricLimit,
    members: Sequence[TakeSignature],
    limits: ConsistencyLimits,
) -> list[tuple[Deviation, float]]:
    del limits  # of the same shape as the judgement of groups, whose z-score needs them
    results: list[tuple[Deviation, float]] = []
    for one, other in combinations(members, 2):
        value, other_value = metric.value(one.signature), metric.value(other.signature)
        distance = metric.distance(value, other_value)
        results.append(
            (
                Deviation(
                    shot_id=one.shot_id,
                    other_shot_id=other.shot_id,
                    group=group,
                    metric=name,
                    value=round(distance, 4),
                    median=0.0,
                    distance=round(distance, 4),
                    limit=limit.limit,
                    z=0.0,
                    unit=limit.unit,
                    reason=f"{one.shot_id} and {other.shot_id} differ in {name} within {group}: "
                    f"{distance:.3g} {limit.unit} apart; at most {limit.limit:.3g}. "
                    f"{len(members)} takes are too few to say which of them is off.",
                ),
                round(distance / limit.limit, 6),
            )
        )
    return results
