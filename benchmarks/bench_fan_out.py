"""Saying something to seven others, all on one machine: until all of them have it on their disk.

Eight whole clients, a process each, with their own vaults and data channels over loopback between
all of them; a relay carried what came before the channels were open. "Committed" is durable at a
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
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from benchmarks.figures import Figure, print_figures
from benchmarks.lines import Line
from benchmarks.people import a_person, a_relay, newest

OTHERS: Final = 7
SIZE: Final = 700
COUNT: Final = 60
"""Messages that are measured, after as many that are not."""

PAUSE: Final = 0.06
"""Seconds between two messages of a lively circle: what nobody waits for is then written together."""

ALONE: Final = 1.2
"""Seconds between two messages that have not even a transaction in common."""

ALONE_COUNT: Final = 20
"""Of these. What seven links cost in the time between is in their processor time."""


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
        one.ask("await_all_direct", circle=circle, count=len(others))
    return circle


def saying(
    author: Line, others: list[Line], circle: str, *, count: int, pause: float
) -> list[Figure]:
    """Say some things, one at a time, and ask everybody when they had it."""
    for other in others:
        other.begin("read_times", circle=circle, count=count, after=newest(other, circle))
    said = author.ask("say_at_rest", circle=circle, size=SIZE, count=count, pause=pause)
    answers = [other.answer() for other in others]
    when = ", alone" if pause == ALONE else ""
    pairs = list(zip(said["began"], *[one["at"] for one in answers], strict=True))
    all_have = [max(at) - began for began, *at in pairs]
    first_has = [min(at) - began for began, *at in pairs]
    cpu = (said["cpu"] + sum(one["cpu"] for one in answers)) / count
    note = f"every {pause} s, {SIZE} B to {len(others)}, {os.cpu_count()} cores for {len(others) + 1} clients"
    return [
        Figure(f"committed by the first{when}, p50", _p(first_has, 50), "ms", note),
        Figure(f"committed by all{when}, p50", _p(all_have, 50), "ms", f"{note}; aim: 10"),
        Figure(f"committed by all{when}, p95", _p(all_have, 95), "ms", note),
        Figure(f"the author knows{when}, p50", _p(said["took"], 50), "ms", note),
        Figure(
            f"processor time of the author{when}", said["cpu"] / count * 1e3, "ms", "per message"
        ),
        Figure(f"of a reader{when}", median([one["cpu"] for one in answers]) / count * 1e3, "ms"),
        Figure(f"of everybody{when}", cpu * 1e3, "ms", "per message, acknowledgements included"),
    ]


def _p(took: list[float], percent: int) -> float:
    return quantiles(took, n=100)[percent - 1] * 1e3


def main() -> list[Figure]:
    """Measure."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as running:
        relay, _ = running.enter_context(a_relay(Path(scratch)))
        people = []
        for number in range(OTHERS + 1):
            people.append(a_person(Path(scratch), f"person {number}"))
            running.callback(people[-1].end)
        author, *others = people
        circle = gather(author, others, relay)
        saying(author, others, circle, count=COUNT, pause=PAUSE)
        return [
            *saying(author, others, circle, count=COUNT, pause=PAUSE),
            *saying(author, others, circle, count=ALONE_COUNT, pause=ALONE),
        ]


if __name__ == "__main__":
    print_figures(main())
