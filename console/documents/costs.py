"""JSON document of what was spent. Amounts are integer micro-USD; an average is rounded up to a whole one."""

from __future__ import annotations

import math
from typing import Any

from pipeline.production.costs import CostReport, Costs


def report(found: CostReport) -> dict[str, Any]:
    """Return the document: a row for each group, the dearest first, and the total."""
    return {
        "by": found.by.value,
        "month": found.month,
        "cuts": found.cuts,
        "rows": [{found.by.value: group, **_costs(costs)} for group, costs in found.rows.items()],
        "total": _costs(found.total),
    }


def _costs(costs: Costs) -> dict[str, Any]:
    multiplier, average = costs.multiplier, costs.per_accepted
    return {
        "billed_micro_usd": costs.billed_micro_usd,
        "reserved_micro_usd": costs.reserved_micro_usd,
        "attempts": costs.attempts,
        "billed_attempts": costs.billed_attempts,
        "accepted": costs.accepted,
        "regeneration_multiplier": None if multiplier is None else round(float(multiplier), 4),
        "per_accepted_micro_usd": None if average is None else math.ceil(average),
        "quoted_expected_micro_usd": costs.expected_micro_usd,
        "quoted_worst_micro_usd": costs.worst_micro_usd,
    }
