"""What of a storyboard costs nothing, because takes of earlier cuts will be adopted: asked before work is refused.

It asks as planning a take does (``pipeline.production.planning``), for the model that is tried first. Only what is
certain counts: takes of every candidate that are stored, and that were accepted by the same gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.control.compile import compile_shot
from pipeline.control.framing import framing_of
from pipeline.control.keys import spec_key
from pipeline.control.request import Image
from pipeline.control.seeds import first_seed
from pipeline.engines.catalog import engine_class
from pipeline.production.boards import Board, Picture
from pipeline.production.planning import gate_of
from pipeline.production.quoting import Quoted
from pipeline.production.rules import current_rules
from pipeline.production.states import TakeState
from pipeline.production.studio import Studio
from pipeline.registry.fit import Misfit
from pipeline.routing.decision import RouteDecision
from pipeline.store.files import sha256_of
from pipeline.store.tables import TakeRow
from pipeline.storyboard.load import LoadedStoryboard
from pipeline.storyboard.schema import Shot
from pipeline.units import FREE, MicroUsd


@dataclass(frozen=True, slots=True)
class Saving:
    """What is adopted.

    Attributes:
        shots: Number of shots that are.
        amount: What was quoted for them as expected.
    """

    shots: int = 0
    amount: MicroUsd = FREE


def saving(studio: Studio, session: Session, loaded: LoadedStoryboard, quoted: Quoted) -> Saving:
    """Return what a storyboard's cut will adopt from earlier cuts."""
    search = _Search(studio, session, loaded, quoted.routes)
    adopted = [each for each in quoted.quote.shots if search.found(each.shot_id) is not None]
    return Saving(len(adopted), MicroUsd(sum(each.expected_micro_usd or 0 for each in adopted)))


class _Search:
    """Looks for takes that a storyboard's shots will adopt, each once."""

    def __init__(
        self, studio: Studio, session: Session, loaded: LoadedStoryboard, routes: Mapping[str, RouteDecision]
    ) -> None:
        self._studio = studio
        self._session = session
        self._routes = routes
        self._board = Board(
            id="",
            content_hash=loaded.content_hash,
            source="",
            storyboard=loaded.storyboard,
            pictures={written: Picture(sha256_of(path), path.suffix) for written, path in loaded.images.items()},
            shots={shot.id: shot for shot in loaded.storyboard.shots},
        )
        self._continued = {shot.continues for shot in loaded.storyboard.enabled_shots}
        self._found: dict[str, TakeRow | None] = {}

    def found(self, shot_id: str) -> TakeRow | None:
        """Return the take that becomes the shot's own, ``None`` if it is not certain that one is adopted."""
        if shot_id not in self._found:
            self._found[shot_id] = None  # what continues itself in a circle is never adopted
            self._found[shot_id] = self._look(self._board.shots[shot_id])
        return self._found[shot_id]

    def _look(self, shot: Shot) -> TakeRow | None:
        route = self._routes[shot.id]
        before = self.found(shot.continues) if shot.continues else None
        if route.model is None or (shot.continues and before is None):
            return None
        key = self._key(shot, route.model, before.last_frame_sha256 if before is not None else None)
        if key is None:
            return None
        candidates = self._board.storyboard.candidates_of(shot)
        _, gate = gate_of(self._board, shot, route.tier_used.value)
        takes = [self._take(key, gate, candidate) for candidate in range(candidates)]
        usable = [take for take in takes if take is not None]
        if len(usable) < candidates or (shot.id in self._continued and not all(t.last_frame_sha256 for t in usable)):
            return None
        return usable[0]

    def _key(self, shot: Shot, model_id: str, first_frame: str | None) -> str | None:
        storyboard, model = self._board.storyboard, current_rules(self._studio.settings).registry.get(model_id)
        framing = framing_of(storyboard, shot, model)
        if isinstance(framing, Misfit):
            return None
        first = first_seed(storyboard, shot)
        compiled = compile_shot(
            storyboard,
            shot,
            model=model,
            seed=first,
            size=(framing.width, framing.height),
            rate=framing.rate,
            images={written: picture.sha256 for written, picture in self._board.pictures.items()},
            first_frame_override=Image(sha256=first_frame, view="first frame") if first_frame else None,
        )
        return spec_key(compiled.request, model.id, engine_class(model.engine).version, first_seed=first)

    def _take(self, key: str, gate: str, candidate: int) -> TakeRow | None:
        newest = (
            select(TakeRow)
            .where(
                TakeRow.spec_key == key,
                TakeRow.candidate == candidate,
                TakeRow.state == TakeState.ACCEPTED,
                TakeRow.clip_sha256.is_not(None),
            )
            .order_by(TakeRow.created_at.desc())
            .limit(1)
        )
        take = self._session.scalars(newest).one_or_none()
        if take is None or take.gate_hash != gate or not self._studio.artifacts.has(take.clip_sha256 or "", ".mp4"):
            return None
        return take
