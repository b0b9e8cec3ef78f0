"""The names of the gate's measures, for storyboards that change a threshold or skip a measure.

What they mean and what they ask for is in ``checks/thresholds.yaml``. A storyboard is checked before anything
is measured, and a misspelt name that were found at the gate would have cost a take.
"""

from __future__ import annotations

MEASURES = (
    "resolution",
    "fps",
    "duration",
    "frames",
    "variable_rate",
    "black",
    "frozen",
    "motion",
    "flicker",
    "blur",
    "scene_cut",
    "too_dark",
    "too_bright",
    "contrast",
    "audio_present",
    "silent",
    "clipping",
    "audio_length",
)
"""All measures, in the order of the gate's reports."""
