"""The random histories of simulated worlds: which kinds there are, and how many of each are run.

A history is told by its kind and its number alone, so every failure replays:

    python -m tests.network.soak KIND NUMBER 1
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from attrs import frozen

from tests.network import test_governed_world, test_hostile_world
from tests.network.test_sync_world import Schedule
from tests.network.whole_world import History

FEW: Final = (*[3] * 8, 4, 4, 5, 6)
"""How many people are in a short history: what breaks among eight breaks among three, ten times cheaper."""

SHORT: Final = (6, 10, 16)
"""How much happens in a short history."""

WHEEL: Final = (0, 0, 0, 16, 5, 6, 7, 7, 8, 8, 9, 10, 11, 12, 13, 13, 13, 14, 14, 15, 15, 15)
"""What happens in a short history of parts: losses and older disks come more often than in a long one."""

LONG: Final = 200


def run_whole(number: int) -> None:
    """Membership, roles, charter and words while everything fails and somebody lies."""
    History(number).run()


def run_parts(number: int) -> None:
    """Words alone: parts of a circle, people gone for ever, a liar, an older disk put back."""
    schedule = Schedule(number, gather=test_hostile_world.gather_quickly, counts=FEW, wheel=WHEEL)
    schedule.run(SHORT[number % len(SHORT)])


def run_hostile(number: int) -> None:
    """Two to four people and a network, a relay and a room that fail in every way."""
    test_hostile_world.run_schedule(
        number, length=SHORT[number % len(SHORT)], gather=test_hostile_world.gather_quickly
    )


def run_governed(number: int) -> None:
    """A long history of acts, mutes and terms."""
    chance = random.Random(number)
    count, is_direct = chance.choice([3, 4, 5, 6, 8]), chance.random() < 0.3
    world = test_governed_world.gather_quickly(number, count, is_direct=is_direct)
    test_governed_world.go_on(world, chance, length=LONG, acts=12 if number % 2 else 17)


@frozen
class Kind:
    """One kind of history: how to run one, and how many `make test` and `make soak` run."""

    run: Callable[[int], None]
    ordinary: int
    soak: int


KINDS: Final = {
    "whole": Kind(run_whole, 2000, 80_000),
    "parts": Kind(run_parts, 500, 10_000),
    "hostile": Kind(run_hostile, 500, 8_000),
    "governed": Kind(run_governed, 0, 2_000),
}
