"""What a run works on, drawn from its seed: storyboards, caps, models, limits, and how the provider behaves."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import scaled

PRICES = {"wan": 50_000, "ltx": 30_000}
"""Micro-USD a second, by model. Every shot is one second long."""
FPS = 12
FRAMES = 12
SIZES = ("160x90", "128x72", "96x96")
RECONCILES = ("none", "idempotency", "list", "list by reference")
PLACES = (
    "a lighthouse",
    "a kitchen",
    "a snowy forest",
    "a desert",
    "a city",
    "a harbour",
    "a field of wheat",
    "a cave",
)

_MISHAPS: dict[str, tuple[str, ...]] = {
    "admission": (
        "slow_reply s=1.5", "throttle after=0.5", "throttle bare=yes", "queue_full after=0.5", "error_before",
        "reset_before", "refuse",
    ),
    "reply": ("lose_reply", "reset_reply", "error_after", "garbage_reply", "cut_reply", "hang s=60"),
    "job": ("slow s=6", "stuck", "fail", "refuse_job"),
    "poll": (
        "poll_error times=2", "poll_throttle", "poll_garbage", "poll_hang", "poll_reset", "poll_strange", "go_back",
    ),
    "clip": ("clip kind=corrupt", "clip kind=wrong_size", "clip kind=black", "clip kind=silent", "clip kind=frozen"),
    "download": ("truncate", "cut_off", "download_error", "download_hang", "expired times=2", "wrong_type times=1"),
    "death": (
        "die at=before_accept", "die at=after_accept", "die at=after_reply", "die at=on_poll", "die at=on_download",
    ),
}  # fmt: skip


@dataclass
class Board:
    """One storyboard of a run, and how it is submitted.

    Attributes:
        key: Its id.
        shots: What each of its shots says.
        budget_usd: Its cap, if it has one.
        campaign: The campaign that it belongs to, if any.
    """

    key: str
    size: str
    shots: list[dict[str, Any]]
    budget_usd: float | None = None
    campaign: str = ""

    @property
    def worst(self) -> int:
        """What its takes cost if each is made once by the dearest model."""
        return sum(int(shot.get("candidates", 1)) for shot in self.shots) * PRICES["wan"]

    def write(self, folder: Path) -> Path:
        """Write it into a file (YAML reads JSON)."""
        budget: dict[str, Any] = {"max_attempts": 3}
        if self.budget_usd is not None:
            budget["limit_usd"] = self.budget_usd
        path = folder / f"{self.key}.yaml"
        board = {
            "schema_version": 1,
            "id": self.key,
            "deliverables": [{"name": "film", "resolution": self.size, "fps": FPS}],
            "defaults": {"duration_s": 1.0, "tier": "standard"},
            "budget": budget,
            "shots": self.shots,
        }
        path.write_text(json.dumps(board, indent=1))
        return path


@dataclass
class World:
    """One run's circumstances.

    Attributes:
        seed: What everything here was drawn from.
        reconcile: How the provider can be asked for a job whose answer was lost.
        cancels: Whether a job can be stopped.
        concurrent: Limit of each model.
        account: Limit of all models together.
        per_minute: Limit of each model (a minute is shorter here), ``None`` for none.
        rules: What the provider charges for takes that came to nothing.
        account_cap: In micro-USD, if there is one.
        campaign_caps: In micro-USD, by campaign.
        boards: What is submitted.
        behaviour: The provider's settings.
        poison: Prompt of the shot whose first clip kills its checker; empty if there is none.
    """

    seed: int
    reconcile: str
    cancels: bool
    concurrent: int
    account: int
    per_minute: int | None
    rules: dict[str, bool]
    account_cap: int | None
    campaign_caps: dict[str, int]
    boards: list[Board]
    behaviour: dict[str, Any]
    poison: str = ""
    chances: dict[str, float] = field(default_factory=dict[str, float])

    def registry(self) -> str:
        """Return the registry overlay."""
        word = {True: "yes", False: "no"}
        models: dict[str, Any] = {}
        for name, price in PRICES.items():
            models[f"openai_compatible/{name}"] = {
                "kind": "video",
                "capabilities": {
                    "modes": ["text-to-video", "image-to-video"],
                    "durations": {"min_s": 1, "max_s": 10},
                    "resolutions": "any",
                    "aspect_ratios": "any",
                    "fps": "any",
                    "audio": "yes",
                    "seed": "yes",
                },
                "prices": [
                    {
                        "from": "2026-01-01",
                        "rates": [{"unit": "second", "usd": f"{price / 1e6:.2f}"}],
                        "source": "test",
                        "verified": "2026-11-21",
                    }
                ],
                "charges": {
                    "failed": word[self.rules["failed"]],
                    "refused_input": word[self.rules["refused_input"]],
                    "refused_output": word[self.rules["refused_output"]],
                    "cancelled": word[self.rules["cancelled"]],
                },
                "limits": {"concurrent": self.concurrent, "per_minute": self.per_minute},
                "wire": {
                    "size": "width_height",
                    "num_frames": True,
                    "fps": True,
                    "seed": True,
                    "input_reference": True,
                    "cancel": "post" if self.cancels else "none",
                    "reconcile": self.reconcile.split()[0],
                    "list_lag_s": scaled.LIST_LAG_S,
                    "reference": "client_reference" if self.reconcile == "list by reference" else "",
                },
            }
        document = {
            "format": 1,
            "engine": "openai_compatible",
            "provider": "test",
            "account": {"concurrent": self.account},
            "models": models,
        }
        return json.dumps(document, indent=1)

    @staticmethod
    def routing() -> str:
        """Return the routing table."""
        both = [f"openai_compatible/{name}" for name in PRICES]
        rows = dict.fromkeys(("draft", "speed", "standard", "premium", "character"), both)
        return json.dumps({"format": 1, "version": "chaos", "default": rows})


def drawn(seed: int, *, shots: tuple[int, int] = (8, 20)) -> World:
    """Draw a run's circumstances.

    Args:
        seed: The same one gives the same world.
        shots: Least and most shots of all storyboards together.
    """
    rng = random.Random(f"world {seed}")
    reconcile = RECONCILES[seed % len(RECONCILES)]
    boards = _boards(rng, seed, rng.randint(*shots))
    rules = {name: rng.random() < 0.4 for name in ("failed", "refused_input", "refused_output")}
    # Where a job that was to be stopped failed instead, the dearer rule is booked: here it is always that of failures.
    rules["cancelled"] = rules["failed"] and rules["refused_output"] and rng.random() < 0.6
    chances = _chances(rng)
    worst = sum(board.worst for board in boards)
    campaigns = sorted({board.campaign for board in boards if board.campaign})
    caps = {
        name: int(sum(board.worst for board in boards if board.campaign == name) * rng.uniform(1.4, 2.2))
        for name in campaigns
        if rng.random() < 0.7
    }
    behaviour: dict[str, Any] = {
        "seed": seed,
        "duration_s": [0.2, 2.0],
        "prices": {name: {"second": price, "clip": 0} for name, price in PRICES.items()},
        "idempotent": reconcile == "idempotency",
        "echo": ["prompt", "seed", "client_reference"] if reconcile == "list by reference" else ["prompt", "seed"],
        "list_lag_s": scaled.LIST_LAG_S / 2 if rng.random() < 0.5 else 0.0,
        "charge_failed": rules["failed"],
        "charge_refused": rules["refused_output"],
        "charge_refused_input": rules["refused_input"],
        "charge_cancelled": "full" if rules["cancelled"] else "no",
        "cancelled_status": rng.choice(["cancelled", "failed"]),
        "chances": chances,
    }
    poison = str(rng.choice(boards[0].shots)["prompt"]) if rng.random() < 0.3 else ""
    return World(
        seed=seed,
        reconcile=reconcile,
        cancels=rng.random() < 0.8,
        concurrent=rng.randint(2, 5),
        account=rng.randint(3, 7),
        per_minute=rng.choice([None, None, 6, 10]),
        rules=rules,
        account_cap=int(worst * rng.uniform(1.4, 2.2)) if rng.random() < 0.4 else None,
        campaign_caps=caps,
        boards=boards,
        behaviour=behaviour,
        poison=poison,
        chances=chances,
    )


def _boards(rng: random.Random, seed: int, shots: int) -> list[Board]:
    number = rng.randint(2, 4)
    boards: list[Board] = []
    for index in range(number):
        count = shots // number + (index < shots % number)
        key = f"c{seed}b{index}"
        made: list[dict[str, Any]] = []
        for n in range(count):
            shot: dict[str, Any] = {"id": f"s{n:02d}", "prompt": f"{rng.choice(PLACES)}, shot {n} of {key}"}
            if n and rng.random() < 0.25:
                shot["continues"] = f"s{n - 1:02d}"
            if rng.random() < 0.2:
                shot["candidates"] = 2
            if rng.random() < 0.15:
                shot["max_cost_usd"] = 0.11 if "candidates" in shot else 0.06
            made.append(shot)
        board = Board(key, rng.choice(SIZES), made, campaign=rng.choice(["", f"k{seed}a", f"k{seed}a", f"k{seed}b"]))
        if rng.random() < 0.4:
            board.budget_usd = round(board.worst * rng.uniform(1.4, 2.2) / 1e6, 2) + 0.01
        boards.append(board)
    return boards


def _chances(rng: random.Random) -> dict[str, float]:
    chances: dict[str, float] = {}
    for phase, mishaps in _MISHAPS.items():
        chosen = rng.sample(mishaps, min(len(mishaps), rng.randint(1, 3)))
        for mishap in chosen:
            chances[mishap] = round(rng.uniform(0.01, 0.03 if phase == "death" else 0.08), 3)
    return chances
