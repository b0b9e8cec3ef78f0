from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.captions import Cue, Speech, cues, to_srt, to_vtt
from pipeline.media.plan import FilmPlan, FilmShot, plan_film
from pipeline.storyboard.schema import TransitionKind as Kind

STAMP = re.compile(r"(\d\d):(\d\d):(\d\d)[,.](\d\d\d) --> (\d\d):(\d\d):(\d\d)[,.](\d\d\d)")


def film(count: int = 3, frames: int = 96) -> FilmPlan:
    shots = [FilmShot(f"s{i}", frames, Kind.CROSSFADE, 12) for i in range(count)]
    return plan_film(shots, (Kind.CUT, 0), Fraction(24))


def parsed(text: str) -> list[tuple[int, int, list[str]]]:
    """Read SRT or WebVTT by their rules: blocks between blank lines, times in the first line with an arrow."""
    found = []
    for block in re.split(r"\n\n+", text.strip()):
        lines = block.split("\n")
        while lines and not STAMP.fullmatch(lines[0]):
            lines.pop(0)
        if lines:
            match = STAMP.fullmatch(lines[0])
            assert match
            h, m, s, ms, h2, m2, s2, ms2 = map(int, match.groups())
            begin, end = ((h * 60 + m) * 60 + s) * 1000 + ms, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2
            found.append((begin, end, lines[1:]))
    return found


def test_cues_stand_where_the_shots_stand_in_the_film() -> None:
    said = cues(film(), {"s1": [("a", "Hello there.", 1.0, 2.5)], "s0": [("", "Once.", 0.0, 2.0)]}, {"a": "Ana"})

    assert said == [Cue(0, 2000, ("Once.",)), Cue(4500, 6000, ("Ana: Hello there.",))]


def test_a_name_is_shown_when_the_speaker_changes() -> None:
    lines: list[Speech] = [("a", "One.", 0, 1), ("a", "Two.", 1, 2), ("Bo", "Three.", 2, 3)]

    said = cues(film(), {"s0": lines}, {"a": "Ana"})

    assert [cue.lines for cue in said] == [("Ana: One.",), ("Two.",), ("Bo: Three.",)]


def test_a_line_ends_half_way_over_into_the_next_shot() -> None:
    said = cues(film(), {"s0": [("", "Long", 0.0, 9.0)]})

    assert said[0].end_ms == 3750


def test_long_lines_become_several_cues_of_two_balanced_lines() -> None:
    words = "The lighthouse keeper counts the ships that never came back from the long winter crossing. " * 2

    said = cues(film(), {"s0": [("", words, 0.0, 3.5)]})

    assert len(said) > 1
    assert " ".join(line for cue in said for line in cue.lines) == words.strip()
    assert all(len(line) <= 42 for cue in said for line in cue.lines)
    assert max(abs(len(c.lines[0]) - len(c.lines[1])) for c in said if len(c.lines) == 2) < 15


def test_short_lines_stay_long_enough_to_be_read_where_there_is_room() -> None:
    said = cues(film(), {"s0": [("", "Hi.", 1.0, 1.1), ("", "Ho.", 1.4, 1.5)]})

    assert (said[0].end_ms, said[1].begin_ms) == (1400, 1400)
    assert said[1].end_ms - said[1].begin_ms == 833


def test_marks_of_the_formats_in_the_words_stay_words() -> None:
    said = cues(film(), {"s0": [("", "a <b>&c</b> --> {x}\n\nWEBVTT", 0.0, 2.0)]})

    vtt, srt = to_vtt(said), to_srt(said)

    assert vtt.startswith("WEBVTT\n\n")
    assert "a &lt;b&gt;&amp;c&lt;/b&gt; --&gt; {x} WEBVTT" in vtt
    assert srt.count("-->") == vtt.count("-->") == 1
    assert "<b>" not in srt
    assert len(parsed(srt)) == len(parsed(vtt)) == 1


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=160)
LINES = st.lists(st.tuples(st.sampled_from(["", "a", "b"]), TEXT, st.floats(0, 5), st.floats(0, 6)), max_size=6)


@given(st.dictionaries(st.sampled_from(["s0", "s1", "s2"]), LINES))
def test_cues_are_ordered_apart_inside_the_film_and_parse_back(dialogue: dict[str, list[Speech]]) -> None:
    plan = film()

    said = cues(plan, dialogue)

    at = 0
    for cue in said:
        assert at <= cue.begin_ms < cue.end_ms <= round(plan.duration_s * 1000)
        assert 1 <= len(cue.lines) <= 2
        at = cue.end_ms
    for text in (to_srt(said), to_vtt(said)):
        assert [(b, e, len(lines)) for b, e, lines in parsed(text)] == [
            (c.begin_ms, c.end_ms, len(c.lines)) for c in said
        ]


def test_a_player_reads_both_files(tmp_path: Path) -> None:
    said = cues(film(), {"s0": [("", "One & <two>", 0.5, 1.5), ("", "Three", 2.0, 3.0)]})
    for name, text in (("c.srt", to_srt(said)), ("c.vtt", to_vtt(said))):
        (tmp_path / name).write_text(text, encoding="utf-8")

        with av.open(str(tmp_path / name)) as container:
            packets = [p for p in container.demux(subtitles=0) if p.size]

        assert [float(p.pts * p.time_base) for p in packets] == [0.5, 2.0]
