"""The tables of ``docs/checks.md``, made from the table of thresholds so that they stay true.

``python -m pipeline.checks.reference docs/checks.md`` writes them between the page's markers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.checks.thresholds import ThresholdTable, load_thresholds

BEGIN = "<!-- generated from pipeline/checks/thresholds.yaml: begin -->"
END = "<!-- generated: end -->"


def tables(table: ThresholdTable) -> str:
    """Return the tables as Markdown."""
    lines = ["| measure | value | passes | unit | fails a take |", "|---|---|---|---|---|"]
    for name, limit in table.limits.items():
        counts = "no, advisory" if limit.advisory else "yes"
        lines.append(f"| `{name}` | {limit.means} | {limit.sense} {limit.threshold:g} | {limit.unit} | {counts} |")
    lines += ["", "| tier or content class | differs in |", "|---|---|"]
    for kind in (table.tiers, table.content_classes):
        for name, changes in kind.items():
            said = ", ".join(f"`{measure}` {value:g}" for measure, value in changes.items())
            lines.append(f"| {name} | {said or 'nothing'} |")
    lines += ["", "| consistency | metric | limit | least spread | unit |", "|---|---|---|---|---|"]
    for name, metric in table.consistency.metrics.items():
        lines.append(f"| `{name}` | {metric.means} | {metric.limit:g} | {metric.floor:g} | {metric.unit} |")
    return "\n".join(lines)


def with_tables(page: str, table: ThresholdTable) -> str:
    """Return the page with its generated part brought up to date."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{tables(table)}\n\n{END}{tail}"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(with_tables(target.read_text(encoding="utf-8"), load_thresholds()), encoding="utf-8")
