"""Chaos runs: ``make chaos``, or ``python -m tests.chaos --seed 7 --runs 20 --database both``."""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.conductor import Outcome, run
from tests.support.postgres import postgres_server


def main() -> int:
    """Do runs until one is wrong or all are done; print what they came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of the first run; the next ones follow it")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seconds", type=float, default=20.0, help="of havoc in each run")
    parser.add_argument("--keep", type=Path, default=None, help="keep everything of the runs in this folder")
    parser.add_argument("--verbose", action="store_true")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO if asked.verbose else logging.ERROR, format="%(message)s")
    seed = random.SystemRandom().randrange(1_000_000) if asked.seed is None else asked.seed
    print(f"chaos: seed {seed}, {asked.runs} runs, {asked.database}", flush=True)
    outcomes: list[Outcome] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # everything that was started is ended
    with ExitStack() as stack:
        folder = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dailies-chaos-")))
        postgres = stack.enter_context(postgres_server()) if asked.database != "sqlite" else None
        for number in range(asked.runs):
            wanted = postgres if asked.database == "postgresql" or (asked.database == "both" and number % 2) else None
            home = folder / f"run{seed + number}"
            shutil.rmtree(home, ignore_errors=True)
            began = time.monotonic()
            outcome = run(seed + number, home, postgres=wanted, havoc_s=asked.seconds)
            outcomes.append(outcome)
            print(_line(outcome, time.monotonic() - began), flush=True)
            if not asked.keep:
                shutil.rmtree(home, ignore_errors=True)
    print(summary(outcomes))
    return 1 if any(outcome.faults for outcome in outcomes) else 0


def _line(outcome: Outcome, seconds: float) -> str:
    figures = outcome.figures
    head = (
        f"seed {outcome.seed} {outcome.database:10} reconcile {outcome.reconcile:17} {figures.shots:3} shots "
        f"{figures.ready_at_once:3} ready, {figures.ready:3} in the end, {figures.jobs:3} jobs {outcome.kills:3} kills "
        f"{outcome.freezes:2} frozen {figures.held:2} held, quiet after {outcome.settled_s:3.0f} s, {seconds:3.0f} s"
    )
    return "\n".join(
        [f"{'ok  ' if not outcome.faults else 'FAIL'} {head}", *(f"     {each}" for each in outcome.faults)]
    )


def summary(outcomes: list[Outcome]) -> str:
    """Return the figures of all runs together, as a Markdown table."""
    havoc = sum((outcome.havoc for outcome in outcomes), Counter[str]())
    figures = [outcome.figures for outcome in outcomes]
    rows = {
        "Runs": len(outcomes),
        "of them on PostgreSQL": sum(outcome.database == "postgresql" for outcome in outcomes),
        "Shots": sum(each.shots for each in figures),
        "Shots ready without a person": sum(each.ready_at_once for each in figures),
        "Shots ready after a person settled and retried": sum(each.ready for each in figures),
        "Films delivered": sum(each.delivered for each in figures),
        "Jobs accepted by the provider": sum(each.jobs for each in figures),
        "Processes killed by -9": sum(outcome.kills for outcome in outcomes),
        "Processes frozen past their lease": sum(outcome.freezes for outcome in outcomes),
        "Other faults": sum(havoc.values()) - sum(outcome.kills + outcome.freezes for outcome in outcomes),
        "Lost": sum(each.lost for each in figures),
        "Repeated": sum(each.repeated for each in figures),
        "Held for a person": sum(each.held for each in figures),
        "Charged by the provider, USD": f"{sum(each.charged_micro_usd for each in figures) / 1e6:.2f}",
        "Difference of the ledgers, micro-USD": sum(abs(each.difference_micro_usd) for each in figures),
        "Runs with a fault": sum(bool(outcome.faults) for outcome in outcomes),
    }
    lines = ["", "| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows.items()), ""]
    lines += [f"{number:5} {name}" for name, number in sorted(havoc.items(), key=lambda each: -each[1])]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
