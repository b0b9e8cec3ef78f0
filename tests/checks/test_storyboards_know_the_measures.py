"""The measures that a storyboard may name are the gate's own."""

from __future__ import annotations

from pipeline.checks.thresholds import load_thresholds
from pipeline.storyboard.measures import MEASURES


def test_a_storyboard_may_name_every_measure_of_the_gate_and_no_other() -> None:
    assert tuple(load_thresholds().limits) == MEASURES
