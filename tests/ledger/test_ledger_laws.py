"""The laws of money, over any interleaving of reservations and endings."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipeline.ledger.caps import Allowed, Refused, Scope, check_reservation, money_left
from pipeline.ledger.entries import Entry, EntryKind, balance, faults, reserve, settle
from pipeline.units import MicroUsd

amounts = st.integers(0, 10**12).map(MicroUsd)


@given(reserved=amounts, charged=amounts)
def test_after_the_end_what_was_reserved_is_settled_or_released(reserved: MicroUsd, charged: MicroUsd) -> None:
    entries = [reserve("t1", reserved), *settle("t1", reserved, charged)]

    sums = {kind: sum(e.amount for e in entries if e.kind is kind) for kind in EntryKind}
    assert sums[EntryKind.RESERVE] == sums[EntryKind.SETTLE] + sums[EntryKind.RELEASE]
    assert balance(entries).reserved == 0
    assert balance(entries).spent == charged
    assert faults(entries) == ()


@given(
    takes=st.lists(st.tuples(amounts, amounts, st.booleans()), max_size=6),
    repeats=st.lists(st.integers(0, 30), max_size=10),
    order=st.randoms(use_true_random=False),
)
def test_entries_said_twice_or_out_of_order_change_nothing(
    takes: list[tuple[MicroUsd, MicroUsd, bool]], repeats: list[int], order: random.Random
) -> None:
    entries: list[Entry] = []
    for number, (reserved, charged, ended) in enumerate(takes):
        entries.append(reserve(f"t{number}", reserved))
        entries += settle(f"t{number}", reserved, charged) if ended else ()
    shuffled = entries + [entries[i % len(entries)] for i in repeats if entries]
    order.shuffle(shuffled)

    assert balance(shuffled) == balance(entries)
    assert faults(shuffled) == ()
    assert balance(entries).spent == sum(charged for _, charged, ended in takes if ended)
    assert balance(entries).reserved == sum(reserved for reserved, _, ended in takes if not ended)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([Entry("settle:t", EntryKind.SETTLE, "t", MicroUsd(5))], "t was never reserved"),
        ([reserve("t", MicroUsd(5)), settle("t", MicroUsd(5), MicroUsd(3))[0]], "settled but not released"),
        ([reserve("t", MicroUsd(5)), reserve("t", MicroUsd(6))], "stands twice, with 5 and 6"),
        ([reserve("t", MicroUsd(5)), *settle("t", MicroUsd(7), MicroUsd(3))], "is -2, not 0"),
    ],
)
def test_books_that_are_wrong_are_found_out(entries: list[Entry], words: str) -> None:
    assert words in " ".join(faults(entries))


def test_a_negative_entry_can_not_be_made() -> None:
    with pytest.raises(ValueError, match="never negative"):
        reserve("t", MicroUsd(-1))


def test_a_charge_beyond_the_worst_case_is_an_overrun_that_the_books_show() -> None:
    entries = settle("t", MicroUsd(5), MicroUsd(8))

    assert entries[0] == Entry("reserve:t:overrun", EntryKind.RESERVE, "t", MicroUsd(3))


class Spending(RuleBasedStateMachine):
    """Takes of several shots reserve and end in any order, under caps of every scope."""

    @initialize(account=st.integers(0, 400), campaign=st.none() | st.integers(0, 300), shot=st.integers(0, 120))
    def begin(self, account: int, campaign: int | None, shot: int) -> None:
        self.caps = {Scope.ACCOUNT: MicroUsd(account), Scope.SHOT: MicroUsd(shot)}
        if campaign is not None:
            self.caps[Scope.CAMPAIGN] = MicroUsd(campaign)
        self.entries: dict[str, list[Entry]] = {"a": [], "b": []}
        self.open: list[tuple[str, str, int]] = []
        self.numbers = itertools.count()

    def committed(self, shot: str) -> dict[Scope, MicroUsd]:
        everything = balance(self.entries["a"] + self.entries["b"]).committed
        return {
            Scope.ACCOUNT: everything,
            Scope.CAMPAIGN: everything,
            Scope.SHOT: balance(self.entries[shot]).committed,
        }

    @rule(shot=st.sampled_from("ab"), amount=st.integers(0, 80))
    def reserves(self, shot: str, amount: int) -> None:
        left = money_left(self.caps, self.committed(shot))
        answer = check_reservation(MicroUsd(amount), self.caps, self.committed(shot))
        assert isinstance(answer, Allowed) == (left is None or amount <= left or amount == 0)
        if isinstance(answer, Allowed):
            intent = f"t{next(self.numbers)}"
            self.entries[shot].append(reserve(intent, MicroUsd(amount)))
            self.open.append((shot, intent, amount))

    @rule(share=st.floats(0, 1), which=st.integers(0, 100))
    def ends(self, share: float, which: int) -> None:
        if self.open:
            shot, intent, amount = self.open.pop(which % len(self.open))
            self.entries[shot] += settle(intent, MicroUsd(amount), MicroUsd(int(amount * share)))

    @invariant()
    def no_cap_is_ever_exceeded(self) -> None:
        if not hasattr(self, "caps"):
            return
        for shot in "ab":
            for scope, used in self.committed(shot).items():
                assert used <= self.caps.get(scope, 10**9)
        assert faults(self.entries["a"] + self.entries["b"]) == ()


TestSpending = Spending.TestCase


def test_a_refusal_names_the_scope_the_cap_and_what_is_committed() -> None:
    answer = check_reservation(
        MicroUsd(500_000),
        {Scope.SHOT: MicroUsd(1_000_000), Scope.STORYBOARD: MicroUsd(9_000_000)},
        {Scope.SHOT: MicroUsd(600_000), Scope.STORYBOARD: MicroUsd(600_000)},
    )

    assert isinstance(answer, Refused)
    assert answer.scope is Scope.SHOT
    assert answer.reason == (
        "$0.50 more would go over the shot's cap of $1.00: $0.60 is spent or reserved, $0.40 is left"
    )


def test_what_is_free_is_allowed_even_when_nothing_is_left() -> None:
    caps = {Scope.SHOT: MicroUsd(0)}

    assert check_reservation(MicroUsd(0), caps, {Scope.SHOT: MicroUsd(5)}) == Allowed()
    assert isinstance(check_reservation(MicroUsd(1), caps, {}), Refused)


def test_a_negative_reservation_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="never negative"):
        check_reservation(MicroUsd(-1), {}, {})
