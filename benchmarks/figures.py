"""What a benchmark hands back, and the two things every benchmark needs.

A benchmark is a module `benchmarks/bench_<part>.py` with `def main() -> list[Figure]`.
See benchmarks/README.md.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from attrs import frozen


@frozen
class Figure:
    """One measured number.

    `compared_to` names another figure of the same module, in the same unit: the report then shows
    `value / that value`, which survives a change of machine better than either number.
    `note` says what a reader must know to read it: sizes, counts, what was left out.
    """

    name: str
    value: float
    unit: str
    note: str = ""
    compared_to: str = ""


def print_figures(figures: list[Figure]) -> None:
    """Print one line per figure, for whoever runs one benchmark alone."""
    for figure in figures:
        note = f"  ({figure.note})" if figure.note else ""
        print(f"{figure.name}: {shown(figure.value)} {figure.unit}{note}")


def shown(value: float) -> str:
    """Write a number with three significant digits and no exponent."""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.{2 - math.floor(math.log10(abs(value)))}f}"


def seconds_per_call(act: Callable[[], object], *, for_seconds: float = 1.0) -> float:
    """Call `act` again and again for about `for_seconds` and return the best mean of five rounds.

    The best round, not the mean of all: other load on the machine only ever adds.
    """
    act()
    started = time.perf_counter()
    act()
    once = max(time.perf_counter() - started, 1e-7)
    calls = max(1, int(for_seconds / 5 / once))
    return min(_mean(act, calls) for _ in range(5))


def _mean(act: Callable[[], object], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        act()
    return (time.perf_counter() - started) / calls
