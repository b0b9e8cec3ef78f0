"""Caps: how much may be spent, for whom, and whether a reservation stays below all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.units import FREE, MicroUsd, format_usd


class Scope(StrEnum):
    """Whom a cap is for."""

    ACCOUNT = "account"
    """Everything that is spent within one calendar month (UTC)."""
    CAMPAIGN = "campaign"
    """All storyboards of a campaign."""
    STORYBOARD = "storyboard"
    """One storyboard."""
    SHOT = "shot"
    """All attempts of one shot."""


Caps = Mapping[Scope, MicroUsd]
"""Scope to the most that may be spent; a scope left out has no cap."""

Committed = Mapping[Scope, MicroUsd]
"""Scope to what is spent and reserved in it so far; a scope left out has spent nothing."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The reservation stays below every cap."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The reservation would go over a cap.

    Attributes:
        scope: The first scope whose cap it would go over, from the account down.
        cap: That cap.
        committed: What is spent and reserved in the scope so far.
        amount: What was to be reserved.
    """

    scope: Scope
    cap: MicroUsd
    committed: MicroUsd
    amount: MicroUsd

    @property
    def left(self) -> MicroUsd:
        """What may still be reserved; nothing if a charge, or a lowered cap, went beyond it."""
        return MicroUsd(max(0, self.cap - self.committed))

    @property
    def reason(self) -> str:
        """The refusal in words."""
        return (
            f"{format_usd(self.amount)} more would go over the {self.scope}'s cap of {format_usd(self.cap)}: "
            f"{format_usd(self.committed)} is spent or reserved, {format_usd(self.left)} is left"
        )


def check_reservation(amount: MicroUsd, caps: Caps, committed: Committed) -> Allowed | Refused:
    """Return whether an amount may be reserved.

    The caller reads ``committed`` and writes the reservation in one transaction that no other
    reservation of the same scopes can enter, or the answer is worth nothing.

    Args:
        amount: What is to be reserved: the worst case. Nothing is always allowed.
        caps: The caps.
        committed: What is spent and reserved so far, by scope.

    Raises:
        ValueError: If the amount is negative.
    """
    if amount < 0:
        message = f"a reservation is never negative: {amount}"
        raise ValueError(message)
    if amount == 0:
        return Allowed()
    for scope in Scope:
        cap = caps.get(scope)
        used = committed.get(scope, FREE)
        if cap is not None and used + amount > cap:
            return Refused(scope, cap, used, amount)
    return Allowed()


def money_left(caps: Caps, committed: Committed) -> MicroUsd | None:
    """Return how much may still be reserved under every cap, or ``None`` if there is none."""
    left = [max(0, cap - committed.get(scope, FREE)) for scope, cap in caps.items()]
    return MicroUsd(min(left)) if left else None
