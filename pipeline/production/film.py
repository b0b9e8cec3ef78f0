"""The plan of a cut's film in one format, the same for whoever asks: each conform, and the stitch."""

from __future__ import annotations

from pipeline.control.dialogue import timed_dialogue
from pipeline.media.captions import Cue, cues
from pipeline.media.mezzanine import MezzanineFormat
from pipeline.media.plan import FilmPlan, FilmShot, plan_film
from pipeline.production.boards import Board
from pipeline.storyboard.schema import Storyboard, Transition, TransitionKind
from pipeline.units import frames_of

_plans: dict[tuple[str, str], FilmPlan] = {}
_KEPT = 64


def film_plan(board: Board, fmt: MezzanineFormat) -> FilmPlan:
    """Return which frame of the film comes from where, in one format."""
    plan = _plans.get((board.content_hash, fmt.key))
    if plan is None:
        while len(_plans) >= _KEPT:
            _plans.pop(next(iter(_plans)))
        plan = _plans[board.content_hash, fmt.key] = _plan(board.storyboard, fmt)
    return plan


def _plan(storyboard: Storyboard, fmt: MezzanineFormat) -> FilmPlan:
    def length(transition: Transition) -> int:
        return 0 if transition.kind is TransitionKind.CUT else int(frames_of(transition.duration_s, fmt.fps))

    shots = [
        FilmShot(
            key=shot.id,
            frames=int(storyboard.frames_of(shot, fmt.fps)),
            transition=storyboard.transition_of(shot).kind,
            transition_frames=length(storyboard.transition_of(shot)),
        )
        for shot in storyboard.enabled_shots
    ]
    ending = (storyboard.ending.kind, length(storyboard.ending))
    return plan_film(shots, ending, fmt.fps, fmt.sample_rate)


def film_captions(board: Board, plan: FilmPlan) -> list[Cue]:
    """Return the film's captions, from the shots' dialogue."""
    storyboard = board.storyboard
    spoken = {
        shot.id: [
            (line.speaker, line.text, line.start_s, line.end_s)
            for line in timed_dialogue(storyboard, shot, storyboard.duration_of(shot))
        ]
        for shot in storyboard.enabled_shots
    }
    return cues(plan, spoken)
