"""What a take is charged when it ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger.charging import Ending, charge_for
from pipeline.registry.model import Charges
from pipeline.units import MicroUsd

PRICE = MicroUsd(420_000)
amounts = st.integers(0, 10**12).map(MicroUsd)
rules = st.builds(Charges, **{word: st.sampled_from(["yes", "no", "unknown"]) for word in (
    "failed", "refused_input", "refused_output", "cancelled"
)})  # fmt: skip


@pytest.mark.parametrize("ending", ["failed", "refused_input", "refused_output", "cancelled"])
@pytest.mark.parametrize(("said", "charged"), [("yes", PRICE), ("no", 0), ("unknown", PRICE)])
def test_a_take_that_came_to_nothing_is_charged_by_the_rule_of_its_own_ending(
    ending: str, said: str, charged: int
) -> None:
    others = "no" if said != "no" else "yes"
    rule = Charges.model_validate(
        dict.fromkeys(("failed", "refused_input", "refused_output", "cancelled"), others) | {ending: said}
    )

    assert charge_for(Ending(ending), reserved=PRICE, reported=None, rule=rule) == charged


@given(rule=rules, reserved=amounts)
def test_what_was_made_or_may_have_been_is_charged_at_its_worst_case_and_what_never_was_at_nothing(
    rule: Charges, reserved: MicroUsd
) -> None:
    assert charge_for(Ending.SUCCEEDED, reserved=reserved, reported=None, rule=rule) == reserved
    assert charge_for(Ending.UNTOLD, reserved=reserved, reported=None, rule=rule) == reserved
    assert charge_for(Ending.NOT_ACCEPTED, reserved=reserved, reported=None, rule=rule) == 0


@given(rule=rules, ending=st.sampled_from(Ending), reserved=amounts, reported=amounts)
def test_what_the_provider_says_it_charged_counts_whatever_the_rule(
    rule: Charges, ending: Ending, reserved: MicroUsd, reported: MicroUsd
) -> None:
    assert charge_for(ending, reserved=reserved, reported=reported, rule=rule) == reported


def test_a_negative_charge_is_no_price_and_the_rule_counts() -> None:
    refund = MicroUsd(-1)

    assert charge_for(Ending.SUCCEEDED, reserved=PRICE, reported=refund, rule=Charges()) == PRICE
    assert charge_for(Ending.FAILED, reserved=PRICE, reported=refund, rule=Charges(failed="no")) == 0
