"""Run very many histories of simulated worlds, in one process, and say how it goes.

    nice -n 19 python -m tests.network.soak                     every kind, as many as a soak asks for
    nice -n 19 python -m tests.network.soak KIND                all of one kind
    nice -n 19 python -m tests.network.soak KIND FIRST COUNT    these; a soak that was ended goes on so

Every history that fails is named with the command that repeats it; the exit code is 1 if any did.
Run one on each core, each with a kind or numbers of its own.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Final

from tests.network.histories import KINDS

PROGRESS_EVERY: Final = 500
"""Histories between two lines that say how far it is."""


def main(words: list[str]) -> int:
    """Run what the words ask for; return how many failed."""
    if not words:
        return sum(run(name, 0, kind.soak) for name, kind in KINDS.items())
    name = words[0]
    first, count = map(int, words[1:]) if words[1:] else (0, KINDS[name].soak)
    return run(name, first, count)


def run(name: str, first: int, count: int) -> int:
    """Run histories of one kind; return how many failed."""
    failed, begun = 0, _cpu()
    for done, number in enumerate(range(first, first + count), 1):
        failed += _fails(name, number)
        if done % PROGRESS_EVERY == 0 or done == count:
            each = (_cpu() - begun) / done
            print(
                f"{name}: {done} of {count} done, next is {number + 1}; {failed} failed; "
                f"{each * 1000:.0f} ms of CPU each",
                flush=True,
            )
    return failed


def _fails(name: str, number: int) -> bool:
    try:
        KINDS[name].run(number)
    except Exception:  # noqa: BLE001 - whatever it is, it is counted and the soak goes on
        print(f"failed: python -m tests.network.soak {name} {number} 1", flush=True)
        traceback.print_exc()
        return True
    return False


def _cpu() -> float:
    spent = os.times()
    return spent.user + spent.system


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
