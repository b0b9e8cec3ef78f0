"""What was spent on what, read from the ledger: every sum here is a sum of its entries, to the micro-USD.

A month is that of the reservations, as for the account's cap: a take that was reserved on the 30th and billed on the
1st belongs to the month that it was reserved in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from sqlalchemy import and_, case, func, literal, or_, select
from sqlalchemy.orm import Session

from pipeline.ledger.costs import regeneration_multiplier
from pipeline.production.boards import board_of
from pipeline.production.states import TakeState
from pipeline.production.studio import Studio
from pipeline.store.tables import CampaignRow, CutRow, LedgerRow, ShotRow, StoryboardRow, TakeRow
from pipeline.units import FREE, MicroUsd

_MADE = (TakeState.GENERATED, TakeState.ACCEPTED, TakeState.REJECTED)
NO_CAMPAIGN = "(no campaign)"


class By(StrEnum):
    """What costs are told apart by."""

    MODEL = "model"
    TIER = "tier"
    CLASS = "class"
    CAMPAIGN = "campaign"
    STORYBOARD = "storyboard"


@dataclass(frozen=True, slots=True)
class Costs:
    """What was spent on something.

    Attributes:
        billed_micro_usd: What was charged.
        reserved_micro_usd: What is reserved now and neither charged nor released.
        attempts: Takes that were generated or billed.
        billed_attempts: Those of them that were billed.
        accepted: Takes that were generated and accepted; those adopted from earlier cuts cost nothing and are left out.
        expected_micro_usd: What was quoted as expected.
        worst_micro_usd: What was quoted as the worst case.
    """

    billed_micro_usd: MicroUsd = FREE
    reserved_micro_usd: MicroUsd = FREE
    attempts: int = 0
    billed_attempts: int = 0
    accepted: int = 0
    expected_micro_usd: MicroUsd = FREE
    worst_micro_usd: MicroUsd = FREE

    @property
    def multiplier(self) -> Fraction | None:
        """Attempts per accepted take; ``None`` while none is accepted."""
        return regeneration_multiplier(self.attempts, self.accepted)

    @property
    def per_accepted(self) -> Fraction | None:
        """What an accepted take cost, in micro-USD, with all that was rejected; ``None`` while none is accepted."""
        return Fraction(self.billed_micro_usd, self.accepted) if self.accepted else None

    def __add__(self, other: Costs) -> Costs:
        """Return the costs of both."""
        return Costs(
            MicroUsd(self.billed_micro_usd + other.billed_micro_usd),
            MicroUsd(self.reserved_micro_usd + other.reserved_micro_usd),
            self.attempts + other.attempts,
            self.billed_attempts + other.billed_attempts,
            self.accepted + other.accepted,
            MicroUsd(self.expected_micro_usd + other.expected_micro_usd),
            MicroUsd(self.worst_micro_usd + other.worst_micro_usd),
        )


@dataclass(frozen=True, slots=True)
class CostReport:
    """Costs of a time, in all and apart.

    Attributes:
        by: What they are told apart by.
        month: The month (UTC) as ``2026-11``; ``None`` for all time.
        rows: Costs by model, tier and so on; the dearest first.
        total: Their sum.
        cuts: Number of cuts that took part.
    """

    by: By
    month: str | None
    rows: Mapping[str, Costs]
    total: Costs
    cuts: int


def cost_report(studio: Studio, by: By, month: str | None = None) -> CostReport:
    """Return what was spent.

    What was quoted is that of the cuts that took part. By model it is the quote of the shots for which a model was
    first choice: what a fallback spent stands with the fallback.

    Args:
        studio: The database.
        by: What to tell the costs apart by.
        month: Only what was reserved in this month, ``2026-11``; all of it if not given.
    """
    sums: dict[str, Costs] = defaultdict(Costs)
    with studio.database.read() as session:
        spent = list(_spent(session, month))
        cuts = _cuts(session, by, month)  # after it: the ledger only grows, so that none is missing
        for cut_id, model, tier, costs in spent:
            sums[cuts[cut_id].group(by, model, tier)] += costs
        for cut in cuts.values():
            for group, expected, worst in cut.quoted(by):
                sums[group] += Costs(expected_micro_usd=MicroUsd(expected), worst_micro_usd=MicroUsd(worst))
    dearest = sorted(sums.items(), key=lambda each: (-each[1].billed_micro_usd, -each[1].reserved_micro_usd, each[0]))
    return CostReport(by, month, dict(dearest), sum(sums.values(), Costs()), len(cuts))


@dataclass(frozen=True, slots=True)
class _Cut:
    """What is needed of a cut."""

    storyboard: str
    campaign: str
    content_class: str
    quote: Mapping[str, object] = field(repr=False)

    def group(self, by: By, model: str, tier: str) -> str:
        """Return where a take of the cut belongs."""
        match by:
            case By.MODEL:
                return model
            case By.TIER:
                return tier
            case _:
                return self._own(by)

    def quoted(self, by: By) -> Iterable[tuple[str, int, int]]:
        """Return where the cut's quote belongs: group, expected and worst cost."""
        if by not in (By.MODEL, By.TIER):
            return [(self._own(by), _amount(self.quote, "expected"), _amount(self.quote, "worst"))]
        shots = self.quote.get("shots")
        listed = [each for each in shots if isinstance(each, dict)] if isinstance(shots, list) else []
        return [
            (str(each[by.value]), _amount(each, "expected"), _amount(each, "worst"))
            for each in listed
            if each.get(by.value)
        ]

    def _own(self, by: By) -> str:
        match by:
            case By.CLASS:
                return self.content_class
            case By.CAMPAIGN:
                return self.campaign
            case _:
                return self.storyboard


def _amount(quote: Mapping[str, object], which: str) -> int:
    found = quote.get(f"{which}_micro_usd")
    return found if isinstance(found, int) else 0


def _cuts(session: Session, by: By, month: str | None) -> dict[str, _Cut]:
    """Return the cuts that have entries in the ledger."""
    booked = select(LedgerRow.cut_id)
    if month is not None:
        booked = booked.where(LedgerRow.period == month)
    rows = session.execute(
        select(CutRow.id, CutRow.quote, CutRow.storyboard_id, StoryboardRow.key, CampaignRow.key)
        .join(StoryboardRow, StoryboardRow.id == CutRow.storyboard_id)
        .outerjoin(CampaignRow, CampaignRow.id == CutRow.campaign_id)
        .where(CutRow.id.in_(booked))
    ).all()
    return {
        cut_id: _Cut(
            storyboard=storyboard,
            campaign=campaign or NO_CAMPAIGN,
            content_class=_content_class(session, storyboard_id) if by is By.CLASS else "",
            quote=quote,
        )
        for cut_id, quote, storyboard_id, storyboard, campaign in rows
    }


def _content_class(session: Session, storyboard_id: str) -> str:
    return board_of(session, storyboard_id).storyboard.content_class.value


def _spent(session: Session, month: str | None) -> Iterable[tuple[str, str, str, Costs]]:
    """Return the takes' costs by cut, model and tier: the money by entries, the takes by their first reservation."""
    amount = LedgerRow.amount_micro_usd
    reserve, settle, release = (LedgerRow.kind == kind for kind in ("reserve", "settle", "release"))
    first = and_(reserve, LedgerRow.key == literal("reserve:") + TakeRow.id)
    billed = TakeRow.charged_micro_usd > 0
    statement = (
        select(
            LedgerRow.cut_id,
            LedgerRow.model,
            ShotRow.tier,
            func.sum(case((settle, amount), else_=0)),
            func.sum(case((reserve, amount), (or_(settle, release), -amount), else_=0)),
            func.sum(case((and_(first, or_(billed, TakeRow.state.in_(_MADE))), 1), else_=0)),
            func.sum(case((and_(first, billed), 1), else_=0)),
            func.sum(case((and_(first, TakeRow.state == TakeState.ACCEPTED), 1), else_=0)),
        )
        .join(TakeRow, TakeRow.id == LedgerRow.take_id)
        .join(ShotRow, ShotRow.id == LedgerRow.shot_id)
        .group_by(LedgerRow.cut_id, LedgerRow.model, ShotRow.tier)
    )
    if month is not None:
        statement = statement.where(LedgerRow.period == month)
    for cut_id, model, tier, settled, reserved, attempts, charged, accepted in session.execute(statement):
        yield (
            cut_id,
            model,
            tier,
            Costs(MicroUsd(int(settled)), MicroUsd(int(reserved)), int(attempts), int(charged), int(accepted)),
        )
