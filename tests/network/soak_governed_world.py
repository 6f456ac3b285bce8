"""Many governed schedules at a third of the cost: people are gathered once for eight of them.

    nice -n 19 python -m tests.network.soak_governed_world FIRST COUNT

Says every seed that fails, with the command that repeats it; the exit code is 1 if any did. A
gathering takes a third of a schedule, so a child process is forked from each for every seed.
Run one on each core, with seeds of its own.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import traceback
from typing import Final

from tests.network.test_governed_world import gather, go_on
from tests.support.world import World

TOGETHER: Final = 8
"""Schedules that begin with the same people in the same circle."""

LENGTH: Final = 200


def begin(seed: int) -> World:
    """Gather the people of a seed and of its neighbours."""
    chance = random.Random(seed // TOGETHER)
    count, is_direct = chance.choice([3, 4, 5, 6, 8]), chance.random() < 0.3
    return gather(seed // TOGETHER, count, is_direct=is_direct)


def run_seed(world: World, seed: int) -> None:
    """Let chance take its course from a gathering on."""
    world.chance.seed(seed)
    acts = 12 if seed % 2 else 17
    go_on(world, random.Random(seed), length=LENGTH, acts=acts)


def main(first: int, count: int) -> int:
    """Run these seeds; return how many failed."""
    failed, done = 0, 0
    for group in range(first // TOGETHER, -(-(first + count) // TOGETHER)):
        world = begin(group * TOGETHER)
        gc.freeze()
        for seed in range(group * TOGETHER, (group + 1) * TOGETHER):
            if first <= seed < first + count:
                failed += _fails(world, seed)
                done += 1
        gc.unfreeze()
        if done % 200 < TOGETHER:
            spent = os.times()
            each = (spent.user + spent.system + spent.children_user + spent.children_system) / done
            print(f"{done} done, {failed} failed, {each:.2f} s of CPU each", flush=True)
    return failed


def _fails(world: World, seed: int) -> bool:
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    code = 1
    try:
        gc.disable()
        run_seed(world, seed)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the parent counts it and goes on
        print(f"seed {seed}: python -m tests.network.soak_governed_world {seed} 1", flush=True)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])) > 0)
