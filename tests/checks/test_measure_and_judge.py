from pathlib import Path

from pipeline.checks.gate import judge
from pipeline.checks.measures import measure
from pipeline.checks.thresholds import for_shot
from tests.checks.clips import ASKED, make


def test_a_clean_clip_passes_every_measure(tmp_path: Path) -> None:
    clip = make(tmp_path / "clean.mp4")

    verdict = judge(measure(clip), ASKED, for_shot("standard", "general"))

    assert verdict.passed, verdict.reason
    assert all(finding.passed for finding in verdict.findings)


def test_a_black_section_fails_and_says_where_and_how_long(tmp_path: Path) -> None:
    clip = make(tmp_path / "black.mp4", filters="drawbox=c=black:t=fill:enable='between(n,12,23)'")

    verdict = judge(measure(clip), ASKED, for_shot("standard", "general"))

    assert [finding.measure for finding in verdict.failures] == ["black"]
    assert verdict.reason == "the picture is black from 0.5 s to 1.0 s (12 frames; at most 2 allowed)"
