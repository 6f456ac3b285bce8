"""Saying something to seven others, all on one machine: until all of them have it on their disk.

Beside it magic-wormhole does the nearest it can, by turns in the same run: a sender with a wormhole to each of seven
receivers, a process each, by its own mailbox server on loopback. **It is less than ours**: a receiver has a message
in memory and not on disk, the seven wormholes are seven separate pairs and no group, nothing is ordered between
them, and each message goes under one fixed key. Its mailbox server keeps messages in an SQLite file meanwhile. toxcore would have to be built
from its C source and was not. Where magic-wormhole cannot be installed, the figures beside ours are left out and the last line says why.

Eight whole clients, a process each, with their own vaults and data channels over loopback between
all of them (on a busy machine one of the 28 may go through the relay's TURN); a relay carried what came before the channels were open. "Committed" is durable at a
reader and handed to whoever follows the circle there; the figure is the last of the seven. "The
author knows" is when all seven acknowledgements are in. Each message begins at rest.

Eight clients share the cores of one machine, and each message is some ten milliseconds of work for
all of them together: with fewer cores than clients this measures the machine as much as the client.
The processor time of everybody for one message is given beside it, and what it would take if each
client had a core of its own cannot be less than the author's and one reader's part of it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from benchmarks.figures import Figure, print_figures
from benchmarks.lines import Answer, Line
from benchmarks.people import a_person, a_relay, newest
from benchmarks.wormholes import NotInstalled, install, some_wormholes

OTHERS: Final = 7
SIZE: Final = 700
COUNT: Final = 20
"""Messages of a round."""
ROUNDS: Final = 3
"""Rounds that are measured, ours and theirs by turns, after one of each that is not."""

PAUSE: Final = 0.06
"""Seconds between two messages of a lively circle: what nobody waits for is then written together."""

ALONE: Final = 1.2
"""Seconds between two messages that have not even a transaction in common. What seven links cost
in the time between is in their processor time."""

AIM: Final = "; aim: 10"

OURS: Final = "committed by"
OURS_ALONE: Final = "alone, committed by"
THEIRS: Final = "magic-wormhole, in the memory of"

Rounds = Sequence[tuple[Answer, list[Answer]]]
"""What the author said of each round, and the readers."""


def gather(author: Line, others: list[Line], relay: str) -> str:
    """Make a circle of all, and wait until everybody has a channel to everybody."""
    circle: str = author.ask("create", name="evening", relay=relay)["circle"]
    for other in others:
        link = author.ask("invite", circle=circle)["link"]
        other.ask("look", link=link)
        author.begin("admit_first", circle=circle)
        other.ask("join", link=link)
        author.answer()
    for one in (author, *others):
        one.ask("await_all_linked", circle=circle, count=len(others))
    return circle


def say_at_rest(
    author: Line, others: list[Line], circle: str, *, pause: float = PAUSE
) -> tuple[Answer, list[Answer]]:
    """Say some things, one at a time, and ask everybody when they had it."""
    for other in others:
        other.begin("read_times", circle=circle, count=COUNT, after=newest(other, circle))
    said = author.ask("say_at_rest", circle=circle, size=SIZE, count=COUNT, pause=pause)
    return said, [other.answer() for other in others]


def figures(rounds: Rounds, had: str, *, aim: str = "", beside: str = "") -> list[Figure]:
    """Say what came of all rounds; `had` is what they had a message as."""
    first_has, all_have, author_knows, cpu = [], [], [], [0.0] * (OTHERS + 1)
    for said, answers in rounds:
        for began, *at in zip(said["began"], *[one["at"] for one in answers], strict=True):
            first_has.append(min(at) - began)
            all_have.append(max(at) - began)
        author_knows += said["took"]
        cpu = [one + more["cpu"] for one, more in zip(cpu, (said, *answers), strict=True)]
    each = [one / len(all_have) * 1e3 for one in cpu]
    note = f"every {ALONE if had == OURS_ALONE else PAUSE} s, {SIZE} B to {OTHERS}, {os.cpu_count()} cores for {OTHERS + 1} clients"
    return [
        Figure(f"{had} the first, p50", _p(first_has, 50), "ms", note),
        Figure(f"{had} all, p50", _p(all_have, 50), "ms", f"{note}{aim}", beside),
        Figure(f"{had} all, p95", _p(all_have, 95), "ms", note),
        Figure(f"{had} all, and the author knows, p50", _p(author_knows, 50), "ms", note),
        Figure(f"{had} all: processor time of the author", each[0], "ms", "per message"),
        Figure(f"{had} all: of a reader", median(each[1:]), "ms", "per message"),
        Figure(f"{had} all: of everybody", sum(each), "ms", "per message, answers included"),
    ]


def _p(took: list[float], percent: int) -> float:
    return quantiles(took, n=100)[percent - 1] * 1e3


def main() -> list[Figure]:
    """Measure, by turns."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as running:
        folder = Path(scratch)
        relay, _ = running.enter_context(a_relay(folder))
        people = []
        for number in range(OTHERS + 1):
            people.append(a_person(folder, f"person {number}"))
            running.callback(people[-1].end)
        author, *others = people
        circle = gather(author, others, relay)
        try:
            python = install(folder / "environment")
        except NotInstalled as why:
            left_out = f"{AIM}; magic-wormhole is left out: {why}"
            rounds = [say_at_rest(author, others, circle) for _ in range(ROUNDS + 1)]
            beside = figures(rounds[1:], OURS, aim=left_out)
        else:
            with some_wormholes(python, folder, OTHERS) as wormholes:
                by_turns = [
                    (say_at_rest(author, others, circle), wormholes.say_at_rest(SIZE, COUNT))
                    for _ in range(ROUNDS + 1)
                ]
            ours, theirs = zip(*by_turns[1:], strict=True)
            beside = [
                *figures(ours, OURS, aim=AIM, beside=f"{THEIRS} all, p50"),
                *figures(theirs, THEIRS),
            ]
        alone = say_at_rest(author, others, circle, pause=ALONE)
        return [*beside, *figures([alone], OURS_ALONE, aim=AIM)]


if __name__ == "__main__":
    print_figures(main())
