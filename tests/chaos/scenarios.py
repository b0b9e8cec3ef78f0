"""Short runs with chosen faults, which the tests are made of."""

from __future__ import annotations

from collections import Counter

from tests.chaos.conductor import Script
from tests.chaos.havoc import Havoc
from tests.chaos.world import World

SHOTS = (6, 6)


def once(*hits: tuple[str, str]) -> Script:
    """Return a script that arms points at the beginning and does nothing more."""

    def script(havoc: Havoc, seconds: float) -> None:
        del seconds
        for point, how in hits[havoc.armed :]:
            havoc.arm((point,), how)

    return script


def quiet_provider(world: World) -> None:
    """Let the provider do what it is asked: what goes wrong is what is done to the fleet."""
    world.behaviour["chances"] = {}
    world.boards = [board for board in world.boards if board.shots]
    world.poison = ""


def reached(happened: Counter[str], *hits: tuple[str, str]) -> None:
    words = {"kill": "killed", "freeze": "frozen", "lose": "answer lost"}
    missed = [hit for hit in hits if not happened[f"{words[hit[1].split()[0]]} at {hit[0]}"]]
    assert not missed, "the test proves less than it says"
