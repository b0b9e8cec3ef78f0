"""Submits storyboards: everything is checked and priced first, then one transaction, then the messages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pipeline.production.campaigns import Campaign, join, open_campaign, require_room
from pipeline.production.decide import MoveShot, OpenStep, ShotView, decide_shot, generate_step
from pipeline.production.opening import step_values
from pipeline.production.outbox import StepMessage
from pipeline.production.quoting import Quoted, quote_boards
from pipeline.production.reuse import Saving, saving
from pipeline.production.states import CutState, ShotState, StepState
from pipeline.production.studio import Studio
from pipeline.production.sweep import offer
from pipeline.production.views import lock_cut
from pipeline.routing.decide import require_routes
from pipeline.routing.quote import require_budget
from pipeline.routing.stage import Stage
from pipeline.store.tables import Base, CampaignRow, CutRow, ShotRow, StepRow, StoryboardRow
from pipeline.storyboard.load import LoadedStoryboard
from pipeline.storyboard.schema import Storyboard
from pipeline.units import MicroUsd

_OVERTAKEN = 4
"""So often others may submit some of the same storyboards at the same time, before it is an error."""

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
        campaign: Name of the campaign that it belongs to; empty if none.
    """

    cut_id: str
    storyboard: str
    stage: Stage
    state: CutState
    shots: int
    existed: bool
    quoted: Quoted
    campaign: str = ""


def submit(
    studio: Studio,
    boards: Sequence[LoadedStoryboard],
    *,
    stage: Stage,
    priority: int = STANDARD,
    budget: MicroUsd | None = None,
    not_before: datetime | None = None,
    campaign: Campaign | None = None,
) -> list[Receipt]:
    """Enqueue storyboards.

    The same storyboard at the same stage is one cut, however often it is submitted. Two or more new ones without a
    named campaign get one of their own: what is submitted in one go shares one share of what providers allow, or
    whoever submits a hundred would be served before everybody else a hundred times over.

    Args:
        studio: Everything a use case may reach.
        boards: Checked storyboards.
        stage: What the cuts are for.
        priority: 0 is served first.
        budget: What each cut may cost, beside the storyboard's own limit.
        not_before: When generation may begin.
        campaign: What all of them belong to from now on, also those that were submitted before.

    Raises:
        NoModelAvailable: If a shot has no model that may serve it; nothing is enqueued.
        BudgetRefused: If a cut is expected to cost more than it may, or all the new ones together more than is left
            of the campaign's or the account's cap; what they adopt from earlier cuts is free. Nothing is enqueued.
        BackendUnavailable: If the database or the storage does not answer; nothing is enqueued. If only
            the broker does not answer the work is kept, and goes out when it does.
    """
    quotes = quote_boards(
        studio.settings,
        [board.storyboard for board in boards],
        stage=stage,
        today=studio.clock().date(),
        budget=budget,
        require=False,
    )
    savings = _require_beginnings(studio, boards, quotes, capped=campaign is not None)
    pictures = [_keep_pictures(studio, board) for board in boards]

    def write() -> tuple[list[Receipt], list[StepMessage]]:
        opening = _Opening(studio, stage, priority, budget, not_before)
        with studio.database.write() as session:
            opening.find(session, boards)
            opening.gather(session, campaign, boards, quotes, savings)
            receipts = [opening.open(*each) for each in zip(boards, pictures, quotes, strict=True)]
            opening.insert(session)
        return receipts, opening.messages()

    for _ in range(_OVERTAKEN):
        try:
            receipts, messages = write()
            break
        except IntegrityError:
            # Where writers are not serialised, others may submit the same storyboards after we have
            # looked for them: their rows are refused to us, and the next look finds them.
            continue
    else:
        receipts, messages = write()
    offer(studio, messages)
    return receipts


def _require_beginnings(
    studio: Studio, boards: Sequence[LoadedStoryboard], quotes: Sequence[Quoted], *, capped: bool
) -> list[Saving]:
    """Refuse work that can't begin; return what each storyboard adopts, where some limit makes that matter.

    Raises:
        NoModelAvailable: If a shot has no model.
        BudgetRefused: If a cut is expected to cost more than it may, without what it adopts.
    """
    for quoted in quotes:
        if not quoted.quote.complete:
            require_routes(quoted.decisions)
    capped = capped or studio.settings.account_cap is not None
    if not capped and not any(each.quote.refusal for each in quotes):
        return [Saving()] * len(quotes)
    with studio.database.read() as session:
        savings = [saving(studio, session, *each) for each in zip(boards, quotes, strict=True)]
    for quoted, saved in zip(quotes, savings, strict=True):
        limit = min((each.amount_micro_usd for each in quoted.quote.limits), default=None)
        if limit is None or quoted.quote.expected_micro_usd - saved.amount > limit:
            require_budget(quoted.quote)
    return savings


def _identity(content_hash: str, stage: Stage) -> str:
    return hashlib.sha256(f"{content_hash} {stage}".encode()).hexdigest()


def _keep_pictures(studio: Studio, board: LoadedStoryboard) -> dict[str, dict[str, str]]:
    """Store the storyboard's pictures by content, so that every worker can fetch them."""
    kept: dict[str, dict[str, str]] = {}
    for written, path in board.images.items():
        artifact = studio.artifacts.add(path)
        kept[written] = {"sha256": artifact.sha256, "suffix": artifact.suffix}
    return kept


class _Opening:
    """Opens the cuts of one submission: a few statements for all of them, however many they are."""

    def __init__(
        self, studio: Studio, stage: Stage, priority: int, budget: MicroUsd | None, not_before: datetime | None
    ) -> None:
        self._studio = studio
        self._stage = stage
        self._priority = priority
        self._budget = budget
        self._not_before = not_before
        self._now = studio.clock()
        self._cuts: dict[str, CutRow] = {}
        self._storyboards: dict[str, str] = {}
        self._rows: dict[type[Base], list[dict[str, Any]]] = {
            table: [] for table in (StoryboardRow, CutRow, ShotRow, StepRow)
        }
        self._opened: dict[str, Receipt] = {}
        self._campaign: str | None = None
        self._campaigns: dict[str, str] = {}

    def find(self, session: Session, boards: Sequence[LoadedStoryboard]) -> None:
        """Find what was submitted before."""
        hashes = [board.content_hash for board in boards]
        for some in _chunks(hashes):
            identities = [_identity(content_hash, self._stage) for content_hash in some]
            for cut in session.scalars(select(CutRow).where(CutRow.identity.in_(identities))):
                self._cuts[cut.identity] = cut
            found = select(StoryboardRow.content_hash, StoryboardRow.id).where(StoryboardRow.content_hash.in_(some))
            self._storyboards.update((content_hash, row_id) for content_hash, row_id in session.execute(found))

    def gather(
        self,
        session: Session,
        campaign: Campaign | None,
        boards: Sequence[LoadedStoryboard],
        quotes: Sequence[Quoted],
        savings: Sequence[Saving],
    ) -> None:
        """Find or make the campaign that the cuts belong to, and see that there is room for the new ones.

        Raises:
            BudgetRefused: If there is not.
        """
        known = list(self._cuts.values())
        if campaign is not None or self._budget is not None:
            # In one order, and before any purse: whoever reserves for one of them holds it, too.
            for cut_id in sorted(cut.id for cut in known):
                lock_cut(session, cut_id)
        expected = {
            identity: quoted.quote.expected_micro_usd - saved.amount
            for board, quoted, saved in zip(boards, quotes, savings, strict=True)
            if (identity := _identity(board.content_hash, self._stage)) not in self._cuts
        }
        if campaign is not None:
            self._campaign = open_campaign(self._studio, session, campaign)
            join(session, known, self._campaign)
        elif len(expected) > 1:
            self._campaign = open_campaign(self._studio, session, Campaign(f"batch-{self._studio.new_id()}"))
        require_room(self._studio, session, MicroUsd(sum(expected.values())), self._campaign)
        wanted = {cut.campaign_id for cut in known} | {self._campaign}
        for some in _chunks([each for each in wanted if each is not None]):
            names = select(CampaignRow.id, CampaignRow.key).where(CampaignRow.id.in_(some))
            self._campaigns.update((campaign_id, key) for campaign_id, key in session.execute(names))

    def open(self, board: LoadedStoryboard, pictures: dict[str, dict[str, str]], quoted: Quoted) -> Receipt:
        """Return the receipt of one storyboard; add the rows of its cut, unless it has one already."""
        identity = _identity(board.content_hash, self._stage)
        if identity in self._opened:  # the same storyboard twice in one submission
            return replace(self._opened[identity], existed=True)
        cut = self._cuts.get(identity)
        limit = min((each.amount_micro_usd for each in quoted.quote.limits), default=None)
        if cut is not None:
            if self._budget is not None:
                cut.budget_micro_usd = limit
            receipt = self._receipt(board, cut.id, CutState(cut.state), quoted, existed=True)
            return replace(receipt, campaign=self._campaigns.get(cut.campaign_id or "", ""))
        cut_id = self._studio.new_id()
        self._rows[CutRow].append(
            {
                "id": cut_id,
                "storyboard_id": self._storyboard(board, pictures),
                "campaign_id": self._campaign,
                "identity": identity,
                "stage": self._stage.value,
                "state": CutState.GENERATING.value,
                "priority": self._priority,
                "budget_micro_usd": limit,
                "not_before": self._not_before,
                "quote": quoted.quote.model_dump(mode="json"),
                "created_at": self._now,
            }
        )
        self._shots(board.storyboard, cut_id, quoted)
        receipt = self._receipt(board, cut_id, CutState.GENERATING, quoted, existed=False)
        self._opened[identity] = receipt
        return receipt

    def insert(self, session: Session) -> None:
        """Write all the rows."""
        # In one order, whoever submits: two that insert the same storyboards wait for each other, but not in a circle.
        self._rows[StoryboardRow].sort(key=itemgetter("content_hash"))
        self._rows[CutRow].sort(key=itemgetter("identity"))
        for table, values in self._rows.items():
            if values:
                session.connection().execute(insert(Base.metadata.tables[table.__tablename__]), values)

    def messages(self) -> list[StepMessage]:
        """Return the messages to send after the commit."""
        return [
            StepMessage(row["id"], row["kind"], row["queue"], row["priority"], row["label"], row["cut_id"])
            for row in self._rows[StepRow]
            if row["state"] == StepState.PUBLISHED
        ]

    def _receipt(
        self, board: LoadedStoryboard, cut_id: str, state: CutState, quoted: Quoted, *, existed: bool
    ) -> Receipt:
        return Receipt(
            cut_id=cut_id,
            storyboard=board.storyboard.id,
            stage=self._stage,
            state=state,
            shots=len(quoted.routes),
            existed=existed,
            quoted=quoted,
            campaign=self._campaigns.get(self._campaign or "", ""),
        )

    def _storyboard(self, board: LoadedStoryboard, pictures: dict[str, dict[str, str]]) -> str:
        known = self._storyboards.get(board.content_hash)
        if known is not None:
            return known
        row_id = self._storyboards[board.content_hash] = self._studio.new_id()
        self._rows[StoryboardRow].append(
            {
                "id": row_id,
                "key": board.storyboard.id,
                "title": board.storyboard.title,
                "content_hash": board.content_hash,
                "source": str(board.path),
                "body": board.storyboard.model_dump(mode="json", exclude_defaults=True),
                "images": pictures,
                "created_at": self._now,
            }
        )
        return row_id

    def _shots(self, storyboard: Storyboard, cut_id: str, quoted: Quoted) -> None:
        continued = {shot.continues for shot in storyboard.enabled_shots if shot.continues}
        for position, shot in enumerate(storyboard.enabled_shots):
            # Ids that follow from the cut's: rows that belong together lie together in every index.
            shot_id, tier = f"{cut_id}-{position:04d}", quoted.routes[shot.id].tier_used.value
            candidates, max_attempts = storyboard.candidates_of(shot), storyboard.max_attempts_of(shot)
            state, attempts = _beginning(candidates, max_attempts, waits=shot.continues is not None)
            self._rows[ShotRow].append(
                {
                    "id": shot_id,
                    "cut_id": cut_id,
                    "position": position,
                    "key": shot.id,
                    "state": state.value,
                    "tier": tier,
                    "continues": shot.continues,
                    "continued": shot.id in continued,
                    "candidates": candidates,
                    "max_attempts": max_attempts,
                }
            )
            self._rows[StepRow] += [
                step_values(
                    generate_step(shot_id, 0, candidate, attempt),
                    step_id=f"{shot_id}-{candidate}",
                    cut_id=cut_id,
                    board=storyboard.id,
                    shot=shot.id,
                    tier=tier,
                    priority=self._priority,
                    now=self._now,
                    not_before=self._not_before,
                    paused=False,
                )
                for candidate, attempt in attempts
            ]


def _chunks(values: list[str], size: int = 500) -> Iterator[list[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


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
