"""The gate: what was measured against what was asked gives a verdict with a reason for each measure.

Pure: values in, values out. Every measure is listed, those that passed too; a measure that could not
be made says so and, unless it is advisory, keeps the take from passing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field

from pipeline.checks.measurements import Frozen, Measurements
from pipeline.checks.readings import READERS, Reading
from pipeline.checks.thresholds import Limit, Thresholds


class Asked(Frozen):
    """What a take was asked to be.

    Attributes:
        width: Pixels.
        height: Pixels.
        fps: Frames per second as ``num/den``.
        frames: Length in frames.
        audio: Whether sound was asked for.
        fades: Black frames allowed at the begin and at the end, for fades that were asked for.
        moving: Whether motion was asked for (a static camera on a still subject is none).
        skip: Measures that don't count.
        overrides: Thresholds that differ from the tier's, by measure.
    """

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    fps: str
    frames: int = Field(ge=1)
    audio: bool = True
    fades: tuple[int, int] = (0, 0)
    moving: bool = True
    skip: tuple[str, ...] = ()
    overrides: Mapping[str, float] = {}


class Severity(StrEnum):
    """How much a finding counts."""

    MANDATORY = "mandatory"
    """Must have been measured and be within its threshold."""
    ADVISORY = "advisory"
    """Is shown to people; does not decide."""
    NOT_ASKED = "not-asked"
    """Has no meaning for this take (for example silence where no sound was asked for)."""
    SKIPPED = "skipped"
    """The storyboard said that it does not count."""


class Finding(Frozen):
    """One measure held against its threshold.

    Attributes:
        measure: Name of the measure.
        passed: Whether it is within the threshold; ``None`` if it was not measured.
        value: What was measured.
        threshold: What it was held against.
        unit: Unit of both.
        start_s: Begin of the place in the clip, if it has one.
        end_s: End of it.
        reason: A sentence for the producer.
        severity: How much it counts.
    """

    measure: str
    passed: bool | None
    value: float | None
    threshold: float
    unit: str
    start_s: float | None = None
    end_s: float | None = None
    reason: str
    severity: Severity


class Verdict(Frozen):
    """The gate's word on a take.

    Attributes:
        passed: Whether every mandatory measure was made and is within its threshold.
        findings: One for each measure, in the table's order.
        thresholds_hash: Names the thresholds that it was judged by, overrides included.
    """

    passed: bool
    findings: tuple[Finding, ...]
    thresholds_hash: str

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that keep the take from passing."""
        return tuple(f for f in self.findings if f.severity is Severity.MANDATORY and f.passed is not True)

    @property
    def reason(self) -> str:
        """One line: why it failed, or that it passed."""
        if self.passed:
            return f"all {len(self.findings)} checks passed"
        return "; ".join(finding.reason for finding in self.failures)


def judge(measured: Measurements, asked: Asked, thresholds: Thresholds) -> Verdict:
    """Hold what was measured against what was asked.

    Raises:
        InputError: If ``asked`` overrides or skips a measure that does not exist.
    """
    effective = thresholds.with_overrides(asked.overrides, asked.skip)
    findings = tuple(
        _finding(name, limit, measured, asked, skipped=name in asked.skip) for name, limit in effective.limits.items()
    )
    passed = bool(findings) and all(
        finding.passed is True for finding in findings if finding.severity is Severity.MANDATORY
    )
    return Verdict(passed=passed, findings=findings, thresholds_hash=effective.hash)


def _finding(name: str, limit: Limit, measured: Measurements, asked: Asked, *, skipped: bool) -> Finding:
    reader = READERS.get(name)
    if reader is None:
        reading = Reading(missing=f"this version can't measure {name}")
    elif name in measured.not_measured:
        reading = Reading(missing=measured.not_measured[name])
    else:
        reading = reader(measured, asked, limit.threshold)
    not_asked = _not_asked(name, asked)
    severity = Severity.ADVISORY if limit.advisory else Severity.MANDATORY
    if skipped:
        severity = Severity.SKIPPED
    elif not_asked:
        severity = Severity.NOT_ASKED
    if reading.value is None or not math.isfinite(reading.value):
        passed, value = None, None
        reason = f"{name} could not be measured: {reading.missing or 'the value is no number'}"
    else:
        passed, value = limit.allows(reading.value), reading.value
        reason = reading.good if passed else reading.bad
    if skipped:
        reason = f"skipped as the storyboard asks ({reason})"
    elif not_asked:
        reason = not_asked
    return Finding(
        measure=name,
        passed=passed,
        value=value,
        threshold=limit.threshold,
        unit=limit.unit,
        start_s=reading.start_s,
        end_s=reading.end_s,
        reason=reason,
        severity=severity,
    )


_SOUND = frozenset(("audio_present", "silent", "clipping", "audio_length"))
_MOTION = frozenset(("frozen", "motion"))


def _not_asked(name: str, asked: Asked) -> str:
    if name in _SOUND and not asked.audio:
        return "no sound was asked for"
    if name in _MOTION and not asked.moving:
        return "no motion was asked for"
    return ""
