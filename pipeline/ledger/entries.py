"""The ledger's entries and the laws that they obey. Pure: storing them is the store's work.

Money moves in three steps, each of which can happen once, by its key: a take's price is *reserved* at
its worst case before the engine is asked; on the verdict what was really charged is *settled* and the
rest *released*. After the end, for every intent,

    sum(reserve) == sum(settle) + sum(release)

and what was spent is the sum of what was settled. A provider that charges more than the worst case makes an
*overrun*: a second reservation of the difference, so that the law holds and the ledger still equals
what was billed. A charge that comes to light after the end is a *correction*: reserved and settled in one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pipeline.units import FREE, MicroUsd


class EntryKind(StrEnum):
    """What an entry does."""

    RESERVE = "reserve"
    """Sets money aside for one take."""
    SETTLE = "settle"
    """Charges what the take really cost."""
    RELEASE = "release"
    """Gives back what the take did not cost."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Attributes:
        key: Unique; a second entry of the same key is the same entry.
        kind: What it does.
        intent: The take that it is for.
        amount: Not negative.
    """

    key: str
    kind: EntryKind
    intent: str
    amount: MicroUsd

    def __post_init__(self) -> None:
        if self.amount < 0:
            message = f"an entry's amount is never negative: {self.key} {self.amount}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Balance:
    """Where the money of some entries is.

    Attributes:
        reserved: Set aside and neither settled nor released yet.
        spent: Settled.
        released: Given back.
    """

    reserved: MicroUsd = FREE
    spent: MicroUsd = FREE
    released: MicroUsd = FREE

    @property
    def committed(self) -> MicroUsd:
        """What counts against a cap: spent and still reserved."""
        return MicroUsd(self.reserved + self.spent)


def reserve(intent: str, amount: MicroUsd) -> Entry:
    """Return the entry that sets money aside for a take, at its worst case."""
    return Entry(f"reserve:{intent}", EntryKind.RESERVE, intent, amount)


def settle(intent: str, reserved: MicroUsd, charged: MicroUsd) -> tuple[Entry, ...]:
    """Return the entries that end a reservation.

    Args:
        intent: The take.
        reserved: What was set aside for it.
        charged: What it really cost; 0 for a take that came to nothing and was not billed.
    """
    settled = Entry(f"settle:{intent}", EntryKind.SETTLE, intent, charged)
    released = Entry(f"release:{intent}", EntryKind.RELEASE, intent, MicroUsd(max(0, reserved - charged)))
    if charged <= reserved:
        return settled, released
    overrun = Entry(f"reserve:{intent}:overrun", EntryKind.RESERVE, intent, MicroUsd(charged - reserved))
    return overrun, settled, released


def correct(intent: str, booked: MicroUsd, charged: MicroUsd) -> tuple[Entry, ...]:
    """Return the entries that book a charge which came to light after the end; nothing if no more was charged.

    Args:
        intent: The take.
        booked: What it was settled at.
        charged: What it really cost, in all. The key holds it, so that the same word counts once.
    """
    if charged <= booked:
        return ()
    more = MicroUsd(charged - booked)
    return (
        Entry(f"reserve:{intent}:late:{charged}", EntryKind.RESERVE, intent, more),
        Entry(f"settle:{intent}:late:{charged}", EntryKind.SETTLE, intent, more),
    )


def charged(entries: Iterable[Entry]) -> MicroUsd | None:
    """Return what an ended intent was charged, by its own entries; ``None`` while its reservation stands."""
    amounts = [entry.amount for entry in entries if entry.kind is EntryKind.SETTLE]
    return MicroUsd(sum(amounts)) if amounts else None


def balance(entries: Iterable[Entry]) -> Balance:
    """Return where the money of some entries is; entries of the same key count once."""
    sums: dict[EntryKind, int] = defaultdict(int)
    for entry in {entry.key: entry for entry in entries}.values():
        sums[entry.kind] += entry.amount
    spent, released = sums[EntryKind.SETTLE], sums[EntryKind.RELEASE]
    return Balance(MicroUsd(sums[EntryKind.RESERVE] - spent - released), MicroUsd(spent), MicroUsd(released))


def faults(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Return every law that some entries break, in words; nothing if the books are right.

    Entries of an intent that has not ended yet are right as long as nothing came back from them.
    """
    found: list[str] = []
    by_key: dict[str, Entry] = {}
    by_intent: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        known = by_key.setdefault(entry.key, entry)
        if known != entry:
            found.append(f"{entry.key} stands twice, with {known.amount} and {entry.amount}")
        elif known is entry:
            by_intent[entry.intent].append(entry)
    for intent, own in by_intent.items():
        kinds = {entry.kind for entry in own}
        ended = {EntryKind.SETTLE, EntryKind.RELEASE} <= kinds
        if EntryKind.RESERVE not in kinds:
            found.append(f"{intent} was never reserved")
        elif kinds != {EntryKind.RESERVE} and not ended:
            found.append(f"{intent} is settled but not released, or the reverse")
        elif ended and balance(own).reserved:
            found.append(f"{intent}: reserve - settle - release is {balance(own).reserved}, not 0")
    return tuple(found)
