"""The matrix of NATs: every pair of networks, tried in several ways, and a table to read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final

from attrs import define, field

from tests.support.ends import Answer, End, some_ends
from tests.support.netlab import Home, Internet, Nat

KINDS: Final = tuple(Nat)
Pair = tuple[Nat, Nat]
PAIRS: Final = tuple(
    (KINDS[number], KINDS[(number + step) % len(KINDS)])
    for step in range(len(KINDS))
    for number in range(len(KINDS))
)
"""All nine, in such an order that three in a row can be tried at once."""

FAILED: Final = "-"


@define(eq=False)
class Sides:
    """For each kind of NAT two homes, and something in each: an end of a link, or a person."""

    ours: dict[Nat, Home]
    theirs: dict[Nat, Home]
    our_ends: dict[Nat, End] = field(factory=dict)
    their_ends: dict[Nat, End] = field(factory=dict)

    def ends(self, pair: Pair) -> tuple[End, End]:
        return self.our_ends[pair[0]], self.their_ends[pair[1]]


def build_sides(internet: Internet) -> Sides:
    """Build the six homes."""
    ours, theirs = ({kind: internet.home(kind) for kind in KINDS} for _side in (0, 1))
    return Sides(ours, theirs)


@contextmanager
def sides_with_ends(internet: Internet) -> Iterator[Sides]:
    """Build the six homes with an end in each."""
    sides = build_sides(internet)
    homes = [*sides.ours.values(), *sides.theirs.values()]
    with some_ends([home.person.prefix for home in homes]) as ends:
        sides.our_ends = dict(zip(KINDS, ends[:3], strict=True))
        sides.their_ends = dict(zip(KINDS, ends[3:], strict=True))
        yield sides


def try_pairs(
    attempt: Callable[[Pair], Answer], pairs: Sequence[Pair], at_once: int
) -> dict[Pair, Answer]:
    """Try some pairs, so many at once; nobody is in two attempts at the same time."""
    busy = {(side, kind): threading.Lock() for side in (0, 1) for kind in KINDS}

    def alone(pair: Pair) -> Answer:
        with ExitStack() as stack:
            for side, kind in enumerate(pair):
                stack.enter_context(busy[side, kind])
            return attempt(pair)

    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(pairs, pool.map(alone, pairs), strict=True))


def seconds(answer: Answer) -> str:
    """One attempt's outcome in a cell."""
    return f"{answer['took']:.2f}" if "took" in answer else FAILED


def table(corner: str, cells: dict[Pair, str]) -> str:
    """Draw three rows (our side) and three columns (theirs)."""
    rows = [[corner, *(kind.value for kind in KINDS)]]
    rows += [[ours.value, *(cells[ours, theirs] for theirs in KINDS)] for ours in KINDS]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        " | ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
