"""Campaigns: storyboards with one cap and one share of what providers allow."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from pipeline.errors import BudgetRefused, InputError
from pipeline.production.money import committed
from pipeline.production.purses import account_purse, campaign_purse, period_of, set_cap, shift, standing
from pipeline.production.studio import Studio
from pipeline.store.tables import CampaignRow, CutRow, LedgerRow
from pipeline.units import MicroUsd, format_usd

_NAME = re.compile(r"\w[\w.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as a person names it.

    Attributes:
        name: Its name, which makes it the same campaign whenever it is given.
        cap: What its storyboards may cost together from now on; ``None`` leaves it as it is.

    Raises:
        InputError: If the name can't be one.
    """

    name: str
    cap: MicroUsd | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"{self.name!r} can't be a campaign's name.",
                where="--campaign",
                remedy="Use at most 64 letters, digits, dots, hyphens and underscores, such as autumn-2026.",
            )


def open_campaign(studio: Studio, session: Session, campaign: Campaign) -> str:
    """Return the id of a campaign, which is made if there is none of its name, and let its cap count.

    Cuts that the transaction changes must be locked before: whoever reserves locks them before the campaign's purse.
    """
    insert = (postgresql if session.get_bind().dialect.name == "postgresql" else sqlite).insert
    session.execute(
        insert(CampaignRow)
        .values(id=studio.new_id(), key=campaign.name, created_at=studio.clock())
        .on_conflict_do_nothing(index_elements=[CampaignRow.key])
    )
    campaign_id = session.scalars(select(CampaignRow.id).where(CampaignRow.key == campaign.name)).one()
    if campaign.cap is not None:
        set_cap(session, campaign_purse(campaign_id), campaign.cap)
    return campaign_id


def join(session: Session, cuts: Iterable[CutRow], campaign_id: str) -> None:
    """Bring cuts into a campaign, with all that they have spent and reserved; their rows must be locked."""
    moved = [cut for cut in cuts if cut.campaign_id != campaign_id]
    changes: dict[str, int] = {}
    for cut in moved:
        amount = committed(session, LedgerRow.cut_id == cut.id)
        if cut.campaign_id is not None:
            changes[cut.campaign_id] = changes.get(cut.campaign_id, 0) - amount
        changes[campaign_id] = changes.get(campaign_id, 0) + amount
    # Before the cuts are moved, for a purse that is made now begins with those that are in the campaign already.
    for owner in sorted(changes):
        shift(session, [campaign_purse(owner)], changes[owner])
    for cut in moved:
        cut.campaign_id = campaign_id


def require_room(studio: Studio, session: Session, expected: MicroUsd, campaign_id: str | None) -> None:
    """Refuse new work that is expected to cost more than is left under the caps it would count against.

    Args:
        studio: Settings and clock.
        session: The database.
        expected: What all the new cuts are expected to cost.
        campaign_id: The campaign that they would belong to, if any.

    Raises:
        BudgetRefused: Says which cap, how much is left, and what helps.
    """
    if expected == 0:
        return
    period = period_of(studio.clock())
    cap = studio.settings.account_cap
    if cap is not None:
        _, used = standing(session, account_purse(period, studio.settings))
        _require(
            expected,
            cap,
            used,
            what=f"the account's cap for {period}",
            where="DAILIES_ACCOUNT_CAP_USD",
            remedy="Raise it, wait for the next month (UTC), or choose cheaper tiers.",
        )
    if campaign_id is not None:
        own, used = standing(session, campaign_purse(campaign_id))
        if own is not None:
            name = session.scalars(select(CampaignRow.key).where(CampaignRow.id == campaign_id)).one()
            _require(
                expected,
                own,
                used,
                what=f"the cap of campaign {name}",
                where=f"--campaign {name}",
                remedy="Raise it with --campaign-cap, or choose cheaper tiers.",
            )


def _require(expected: MicroUsd, cap: MicroUsd, used: MicroUsd, *, what: str, where: str, remedy: str) -> None:
    left = max(0, cap - used)
    if expected > left:
        raise BudgetRefused(
            f"the expected cost of {format_usd(expected)} is beyond what is left of {what}: {format_usd(left)} of "
            f"{format_usd(cap)}. Nothing was enqueued.",
            where=where,
            remedy=remedy,
        )
