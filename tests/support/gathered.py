"""People who are together already: gathered once for each kind of circle, and copied for every schedule.

Letting people in takes real handshakes, more than a short schedule takes afterwards. So a process
gathers them once, and everybody who asks gets a copy with a chance of its own.
"""

from __future__ import annotations

import pickle
from functools import lru_cache
from typing import Final, Protocol

from tests.support.world import World

TOGETHER: Final = 4096
"""Schedules that begin with the same people: the ordinary suite gathers once, a soak now and then."""


class Gather(Protocol):
    """Let people in, one after the other."""

    def __call__(self, seed: int, count: int, *, is_direct: bool) -> World: ...


def copying(gather: Gather) -> Gather:
    """Return what gathers a world as `gather` does, and most times only copies one."""

    @lru_cache(maxsize=16)
    def frozen(variant: int, count: int, is_direct: bool) -> bytes:
        world = gather(variant, count, is_direct=is_direct)
        world.forget_what_went()
        return pickle.dumps(world, pickle.HIGHEST_PROTOCOL)

    def copied(seed: int, count: int, *, is_direct: bool) -> World:
        world: World = pickle.loads(frozen(seed // TOGETHER, count, is_direct))
        world.take_chance(seed)
        return world

    return copied
