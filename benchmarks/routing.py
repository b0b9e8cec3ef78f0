"""Learned routing against other ways to choose a model: dollars per accepted shot where acceptances are unknown.

Simulated: shots of three content classes come in, day after day, with at most four takes each. Five models have list
prices, and for each class an acceptance that nobody is told; it is drawn anew for each world, in a wide range in
which dearer models tend to be better. In some worlds acceptances drift (one model gets much better in the middle, the
best one much worse), in some the cheapest model's provider is down for a tenth of the time. A shot without an accepted
take costs what the table says (``learned.failed_shot_usd``), and counts as not completed. The shipped weights were
chosen on worlds 0 to 2; those that are reported are others.

What chooses is the shipped code: ``learned`` is ``pipeline.routing.learned`` over the same verdicts that production
reads from its rows, ``ladder`` is ``pipeline.routing.switching`` with two rejections per model. Baselines: the dearest
(best) model always; the cheapest always; the ladder over the models by price (what the table does); a weighted sum of
observed acceptance and price, as routers with hand-set weights do; and an oracle that knows every acceptance at every
moment. All see the same worlds, shots and luck.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pipeline.routing.learned import Evidence, Learning, Option, Seen, discounted, valued
from pipeline.routing.switching import Choice, Result, Switching, Tried, choose
from pipeline.storyboard.schema import Tier
from pipeline.units import MicroUsd, usd

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PRICES = {"a/fast": "0.20", "b/lite": "0.35", "c/plain": "0.60", "d/fine": "1.20", "e/best": "2.00"}
RANGES = {
    "a/fast": (0.15, 0.60),
    "b/lite": (0.20, 0.70),
    "c/plain": (0.30, 0.80),
    "d/fine": (0.50, 0.90),
    "e/best": (0.70, 0.95),
}
CLASSES = ("narrative", "product", "action")
ASSUMED, ATTEMPTS, RULE, SWITCHING = 0.6, 4, Learning(), Switching()
MODELS = tuple(PRICES)
COST = {model: int(usd(price)) for model, price in PRICES.items()}
FAILED = int(usd(RULE.failed_shot_usd))
KEPT = 300
FIRST_WORLD = 100


@dataclass
class World:
    """Acceptances that nobody is told, and when a provider is down."""

    kind: str
    seed: int
    shots: int
    truth: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        self.truth = {(m, c): chance.uniform(*RANGES[m]) for c in CLASSES for m in MODELS}
        self.better, self.worse = "b/lite", {c: self._best(c) for c in CLASSES}

    def _best(self, content: str) -> str:
        return min(MODELS, key=lambda m: COST[m] / self.truth[m, content])

    def acceptance(self, model: str, content: str, shot: int) -> float:
        """Return how often a model's takes are accepted at a moment."""
        known = self.truth[model, content]
        if self.kind != "drift" or shot < self.shots // 2:
            return known
        if model == self.worse[content]:
            return known * 0.4
        return 1 - (1 - known) * 0.4 if model == self.better else known

    def is_down(self, model: str, shot: int) -> bool:
        """Return whether a model's provider is down at a moment."""
        return self.kind == "outage" and model == "a/fast" and 0.4 <= shot / self.shots < 0.5


@dataclass
class Books:
    """What a way to choose has seen: the same verdicts that production reads from its rows."""

    now: datetime = BEGIN
    seen: dict[tuple[str, str], deque[Seen]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=KEPT)))

    def evidence(self, model: str, content: str) -> Evidence:
        """Return what the verdicts so far are worth."""
        return discounted(self.seen[model, content], RULE, self.now)


@dataclass
class Turn:
    """One take to be chosen."""

    world: World
    books: Books
    content: str
    shot: int
    history: list[Tried]
    up: list[str]
    chance: random.Random

    @property
    def left(self) -> int:
        """Takes that the shot may still have."""
        return ATTEMPTS - len(self.history)


Chooser = Callable[[Turn], str]


def best_always(turn: Turn) -> str:
    return max(turn.up, key=lambda m: COST[m])


def cheapest(turn: Turn) -> str:
    return min(turn.up, key=lambda m: COST[m])


def ladder(turn: Turn) -> str:
    outcome = choose(turn.up, turn.history, SWITCHING, {}, BEGIN, longest=len(MODELS), tier=Tier.STANDARD)
    return outcome.model if isinstance(outcome, Choice) else turn.up[-1]


def weighted(turn: Turn) -> str:
    def score(model: str) -> float:
        known = turn.books.evidence(model, turn.content)
        mean = (known.accepted + 1) / (known.weight + 2)
        return 0.5 * mean + 0.5 * (1 - COST[model] / max(COST.values()))

    return max(turn.up, key=score)


def learned(turn: Turn) -> str:
    options = [Option(m, MicroUsd(COST[m]), turn.books.evidence(m, turn.content)) for m in turn.up]
    return valued(options, ASSUMED, turn.left, RULE, turn.chance)[0].model


def oracle(turn: Turn) -> str:
    after = float(FAILED)
    truth = {m: turn.world.acceptance(m, turn.content, turn.shot) for m in turn.up}
    for _ in range(turn.left - 1):
        after = min(COST[m] + (1 - truth[m]) * after for m in turn.up)
    return min(turn.up, key=lambda m: COST[m] + (1 - truth[m]) * after)


WAYS: dict[str, Chooser] = {
    "best model always": best_always,
    "cheapest first": cheapest,
    "escalation ladder (table)": ladder,
    "weighted sum": weighted,
    "learned": learned,
    "oracle": oracle,
}


@dataclass
class Tally:
    """What a way to choose came to."""

    spent: int = 0
    shots: int = 0
    accepted: int = 0
    takes: int = 0

    @property
    def per_accepted(self) -> float:
        """Dollars spent on takes per accepted shot."""
        return self.spent / max(1, self.accepted) / 1_000_000

    @property
    def true_cost(self) -> float:
        """Dollars per shot, one without an accepted take at its price."""
        return (self.spent + (self.shots - self.accepted) * FAILED) / self.shots / 1_000_000

    @property
    def completion(self) -> float:
        """Share of the shots that have an accepted take."""
        return self.accepted / self.shots


def simulate(world: World, way: Chooser, tally: Tally) -> None:
    """Let one way to choose make all shots of a world."""
    books = Books()
    for shot in range(world.shots):
        books.now = BEGIN + timedelta(days=shot / 100)
        content = CLASSES[shot % len(CLASSES)]
        up = [m for m in MODELS if not world.is_down(m, shot)]
        history: list[Tried] = []
        for attempt in range(ATTEMPTS):
            chance = random.Random(f"{world.seed} {shot} {attempt}")
            model = way(Turn(world, books, content, shot, history, up, chance))
            # The same luck for whoever tries this model at this shot's attempt.
            drawn = random.Random(f"luck {world.seed} {shot} {attempt} {model}").random()
            accepted = drawn < world.acceptance(model, content, shot)
            tally.spent += COST[model]
            tally.takes += 1
            books.seen[model, content].append(Seen(books.now, accepted))
            if accepted:
                tally.accepted += 1
                break
            history.append(Tried(model, Tier.STANDARD, Result.REJECTED, "simulated"))
        tally.shots += 1


def compare(kind: str, draws: int, shots: int) -> dict[str, Tally]:
    """Return what each way came to, over several worlds of a kind."""
    tallies = {name: Tally() for name in WAYS}
    for seed in range(FIRST_WORLD, FIRST_WORLD + draws):
        for name, way in WAYS.items():
            simulate(World(kind, seed, shots), way, tallies[name])
    return tallies


def run(draws: int = 6, shots: int = 1200) -> None:
    """Print what each way costs in each kind of world, against the oracle."""
    every = {name: Tally() for name in WAYS}
    for kind in ("steady", "drift", "outage"):
        tallies = compare(kind, draws, shots)
        for name, each in tallies.items():
            both = every[name]
            both.spent, both.shots = both.spent + each.spent, both.shots + each.shots
            both.accepted, both.takes = both.accepted + each.accepted, both.takes + each.takes
        print(f"{kind}: {draws} worlds of {shots} shots")
        _print(tallies)
    print("all together")
    _print(every)
    mine, best, table = every["learned"], every["oracle"], every["escalation ladder (table)"]
    print(
        f"learned costs {mine.true_cost / best.true_cost - 1:+.1%} against the oracle (aim: at most +10%), "
        f"completes {mine.completion:.2%} (the table {table.completion:.2%}; aim: no less)"
    )


def _print(tallies: dict[str, Tally]) -> None:
    best = tallies["oracle"]
    for name, each in tallies.items():
        dollars, true = each.per_accepted / best.per_accepted - 1, each.true_cost / best.true_cost - 1
        said = f"${each.per_accepted:5.3f} per accepted shot ({dollars:+7.1%}), completed {each.completion:6.2%}"
        cost = f"true cost per shot ${each.true_cost:5.3f} ({true:+7.1%})"
        print(f"  {name:25} {said}, {cost}, {each.takes / each.shots:4.2f} takes")


if __name__ == "__main__":
    run()
