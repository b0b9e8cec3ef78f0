"""Submits storyboards: everything is checked and priced first, then one transaction, then the messages."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pipeline.production.decide import MoveShot, OpenStep, ShotView, decide_shot, generate_step
from pipeline.production.opening import step_values
from pipeline.production.outbox import StepMessage
from pipeline.production.quoting import Quoted, quote_boards
from pipeline.production.states import CutState, ShotState, StepState
from pipeline.production.studio import Studio
from pipeline.production.sweep import offer
from pipeline.routing.stage import Stage
from pipeline.store.tables import CutRow, ShotRow, StepRow, StoryboardRow
from pipeline.storyboard.load import LoadedStoryboard
from pipeline.units import MicroUsd

INTERACTIVE, STANDARD, BATCH = 0, 3, 6
PRIORITIES = {"interactive": INTERACTIVE, "standard": STANDARD, "batch": BATCH}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a submitted storyboard.

    Attributes:
        cut_id: Its cut.
        storyboard: The storyboard's own id.
        stage: What the cut is for.
        state: Where the cut stands.
        shots: Number of shots in the film.
        existed: Whether the same storyboard was submitted before: then its cut goes on.
        quoted: Routes and price.
    """

    cut_id: str
    storyboard: str
    stage: Stage
    state: CutState
    shots: int
    existed: bool
    quoted: Quoted


def submit(
    studio: Studio,
    boards: Sequence[LoadedStoryboard],
    *,
    stage: Stage,
    priority: int = STANDARD,
    budget: MicroUsd | None = None,
    not_before: datetime | None = None,
) -> list[Receipt]:
    """Enqueue storyboards.

    The same storyboard at the same stage is one cut, however often it is submitted.

    Args:
        studio: Everything a use case may reach.
        boards: Checked storyboards.
        stage: What the cuts are for.
        priority: 0 is served first.
        budget: What each cut may cost, beside the storyboard's own limit.
        not_before: When generation may begin.

    Raises:
        NoModelAvailable: If a shot has no model that may serve it; nothing is enqueued.
        BudgetRefused: If a cut is expected to cost more than it may; nothing is enqueued.
        BackendUnavailable: If the database or the storage does not answer; nothing is enqueued. If only
            the broker does not answer the work is kept, and goes out when it does.
    """
    quotes = quote_boards(
        studio.settings,
        [board.storyboard for board in boards],
        stage=stage,
        today=studio.clock().date(),
        budget=budget,
    )
    pictures = [_keep_pictures(studio, board) for board in boards]

    def write() -> tuple[list[Receipt], list[StepMessage]]:
        receipts: list[Receipt] = []
        rows: dict[type[Any], list[dict[str, Any]]] = {ShotRow: [], StepRow: []}
        with studio.database.write() as session:
            for board, kept, quoted in zip(boards, pictures, quotes, strict=True):
                opening = _Opening(studio, session, board, stage, priority, quoted, not_before)
                receipts.append(opening.open(kept, budget, rows))
            session.flush()
            for table, values in rows.items():
                if values:
                    session.connection().execute(insert(table.__table__), values)
        return receipts, [
            StepMessage(row["id"], row["kind"], row["queue"], row["priority"], row["label"], row["cut_id"])
            for row in rows[StepRow]
            if row["state"] == StepState.PUBLISHED
        ]

    try:
        receipts, messages = write()
    except IntegrityError:
        # Where writers are not serialised, another process may submit the same storyboard after we have
        # looked for it: its rows are refused to us, and the second look finds them.
        receipts, messages = write()
    offer(studio, messages)
    return receipts


def submitted_cut(studio: Studio, board: LoadedStoryboard, stage: Stage) -> str | None:
    """Return the id of the cut that submitting a storyboard would go on with, ``None`` if it would be a new one."""
    with studio.database.read() as session:
        return session.scalar(select(CutRow.id).where(CutRow.identity == _identity(board, stage)))


def _identity(board: LoadedStoryboard, stage: Stage) -> str:
    return hashlib.sha256(f"{board.content_hash} {stage}".encode()).hexdigest()


def _keep_pictures(studio: Studio, board: LoadedStoryboard) -> dict[str, dict[str, str]]:
    """Store the storyboard's pictures by content, so that every worker can fetch them."""
    kept: dict[str, dict[str, str]] = {}
    for written, path in board.images.items():
        artifact = studio.artifacts.add(path)
        kept[written] = {"sha256": artifact.sha256, "suffix": artifact.suffix}
    return kept


class _Opening:
    """Opens one storyboard's cut, in the transaction of all."""

    def __init__(
        self,
        studio: Studio,
        session: Session,
        board: LoadedStoryboard,
        stage: Stage,
        priority: int,
        quoted: Quoted,
        not_before: datetime | None,
    ) -> None:
        self._studio = studio
        self._session = session
        self._board = board
        self._stage = stage
        self._priority = priority
        self._quoted = quoted
        self._not_before = not_before
        self._now = studio.clock()

    def open(
        self,
        pictures: dict[str, dict[str, str]],
        budget: MicroUsd | None,
        rows: dict[type[Any], list[dict[str, Any]]],
    ) -> Receipt:
        """Insert the storyboard and its cut, and add the rows of its shots and first steps."""
        identity = _identity(self._board, self._stage)
        cut = self._session.scalars(select(CutRow).where(CutRow.identity == identity)).one_or_none()
        existed = cut is not None
        limit = min((each.amount_micro_usd for each in self._quoted.quote.limits), default=None)
        if cut is None:
            cut = CutRow(
                id=self._studio.new_id(),
                storyboard_id=self._storyboard(pictures),
                identity=identity,
                stage=self._stage,
                state=CutState.GENERATING,
                priority=self._priority,
                budget_micro_usd=limit,
                not_before=self._not_before,
                quote=self._quoted.quote.model_dump(mode="json"),
                created_at=self._now,
            )
            self._session.add(cut)
            self._session.flush()
            self._shots(cut, rows)
        elif budget is not None:
            cut.budget_micro_usd = limit
        return Receipt(
            cut_id=cut.id,
            storyboard=self._board.storyboard.id,
            stage=self._stage,
            state=CutState(cut.state),
            shots=len(self._board.storyboard.enabled_shots),
            existed=existed,
            quoted=self._quoted,
        )

    def _storyboard(self, pictures: dict[str, dict[str, str]]) -> str:
        known = self._session.scalar(
            select(StoryboardRow.id).where(StoryboardRow.content_hash == self._board.content_hash)
        )
        if known is not None:
            return known
        storyboard = self._board.storyboard
        row = StoryboardRow(
            id=self._studio.new_id(),
            key=storyboard.id,
            title=storyboard.title,
            content_hash=self._board.content_hash,
            source=str(self._board.path),
            body=storyboard.model_dump(mode="json", exclude_defaults=True),
            images=pictures,
            created_at=self._now,
        )
        self._session.add(row)
        self._session.flush()
        return row.id

    def _shots(self, cut: CutRow, rows: dict[type[Any], list[dict[str, Any]]]) -> None:
        storyboard = self._board.storyboard
        continued = {shot.continues for shot in storyboard.enabled_shots if shot.continues}
        tiers = {decision.shot_id: decision.tier_used.value for decision in self._quoted.decisions}
        for position, shot in enumerate(storyboard.enabled_shots):
            shot_id = self._studio.new_id()
            candidates, max_attempts = storyboard.candidates_of(shot), storyboard.max_attempts_of(shot)
            state, attempts = _beginning(candidates, max_attempts, waits=shot.continues is not None)
            rows[ShotRow].append(
                {
                    "id": shot_id,
                    "cut_id": cut.id,
                    "position": position,
                    "key": shot.id,
                    "state": state.value,
                    "tier": tiers[shot.id],
                    "continues": shot.continues,
                    "continued": shot.id in continued,
                    "candidates": candidates,
                    "max_attempts": max_attempts,
                    "round": 0,
                    "placeholder": False,
                    "reason": "",
                }
            )
            rows[StepRow] += [
                step_values(
                    generate_step(shot_id, 0, candidate, attempt),
                    step_id=self._studio.new_id(),
                    cut_id=cut.id,
                    board=storyboard.id,
                    shot=shot.id,
                    tier=tiers[shot.id],
                    priority=cut.priority,
                    now=self._now,
                    not_before=self._not_before,
                    paused=False,
                )
                for candidate, attempt in attempts
            ]


@lru_cache(maxsize=256)
def _beginning(candidates: int, max_attempts: int, *, waits: bool) -> tuple[ShotState, tuple[tuple[int, int], ...]]:
    """Let deciding say how a new shot begins: its state, and candidate and attempt of each first step."""
    view = ShotView("", "", ShotState.WAITING, candidates=candidates, max_attempts=max_attempts, waits_for=waits)
    attempts: list[tuple[int, int]] = []
    while actions := decide_shot(view):
        payloads = [dict(action.payload) for action in actions if isinstance(action, OpenStep)]
        attempts += [(int(payload["candidate"]), int(payload["attempt"])) for payload in payloads]
        moves = [action for action in actions if isinstance(action, MoveShot)]
        if not moves:
            break
        view = replace(view, state=moves[-1].to)
    return view.state, tuple(attempts)
