"""What a take is charged when it ends: what the provider says, else what its rule says, and never too little.

A ledger that is above the provider's bill stops work early; one that is below it spends beyond a budget. So whatever
is not known counts as spent: a price that nobody confirmed is settled at its worst case, an ending whose rule is not
known counts as billed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Protocol

from pipeline.units import FREE, MicroUsd

Nothing = Literal["failed", "refused_input", "refused_output", "cancelled"]
"""How a take can come to nothing at a provider: the registry's words for it."""


class Ending(StrEnum):
    """How a take ended, as far as its price goes."""

    SUCCEEDED = "succeeded"
    """The provider made it, whatever we think of it afterwards."""
    FAILED = "failed"
    """The provider took it and could not make it."""
    REFUSED_INPUT = "refused_input"
    """Moderation refused it before generation."""
    REFUSED_OUTPUT = "refused_output"
    """Moderation refused what was generated."""
    CANCELLED = "cancelled"
    """We stopped it while it ran."""
    UNTOLD = "untold"
    """The provider took it and no longer says what became of it."""
    NOT_ACCEPTED = "not_accepted"
    """The provider certainly never took it."""


class BillingRule(Protocol):
    """Which takes that came to nothing are billed all the same; a registry entry's ``charges`` is one."""

    def bills(self, ending: Nothing, /) -> bool:
        """Return whether a take that ended so is to be counted as billed; unknown counts as billed."""
        ...


def charge_for(ending: Ending, *, reserved: MicroUsd, reported: MicroUsd | None, rule: BillingRule) -> MicroUsd:
    """Return what to settle for a take.

    Args:
        ending: How it ended.
        reserved: Its price at the worst case. That is what a billed take without a reported charge is settled at: the
            expected price is the likelier one, but where the two differ the provider bills by something that only it
            knows, and what is reported too low is found out too late.
        reported: What the provider says that it charged; ``None`` if it does not say. It counts as it is, be it
            nothing for a take that was made or more than was reserved. Less than nothing says nothing: a refund for
            something else is no price of this take.
        rule: The model's rule for takes that came to nothing.
    """
    if reported is not None and reported >= 0:
        return reported
    match ending:
        case Ending.SUCCEEDED | Ending.UNTOLD:
            return reserved
        case Ending.NOT_ACCEPTED:
            return FREE
        case Ending.FAILED:
            billed = rule.bills("failed")
        case Ending.REFUSED_INPUT:
            billed = rule.bills("refused_input")
        case Ending.REFUSED_OUTPUT:
            billed = rule.bills("refused_output")
        case Ending.CANCELLED:
            billed = rule.bills("cancelled")
    return reserved if billed else FREE
