"""What the programs cost when nobody says anything, and how soon they are there.

The real commands: `toheal-relay run`, two `toheal run` in one circle with an open data channel, and
`toheal say`. Start times are from the start of the process, so they hold Python's own, which is
given too; passphrases are the cheapest (what a real one costs is in the part about the vault).
Memory is what belongs to the process (RSS, shared pages included). Linux only.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.figures import Figure, print_figures
from tests.support.processes import ENVIRONMENT, PersonProcess, RelayProcess, Town, await_true

REST: Final = 20.0
"""Seconds of doing nothing: a ping of the link every few seconds is inside."""

STARTS: Final = 5
"""Starts of each program; the figure is the middle one."""

BARE_NAME: Final = "python, start to end"


def seconds(act: Callable[[], object]) -> float:
    """Return how long `act` took."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> float:
    """Return megabytes of memory a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def starts(town: Town, people: tuple[PersonProcess, ...], circle: str) -> list[Figure]:
    """Start everything several times."""
    bare = median(seconds(lambda: _run("-c", "")) for _ in range(STARTS))
    ours, fresh = people[0], RelayProcess(town.folder / "fresh")
    fresh.folder.mkdir()
    relay, client = [], []
    for _ in range(STARTS):
        relay.append(seconds(fresh.start))
        fresh.program.stop()
    for _ in range(STARTS):
        ours.stop()
        client.append(seconds(ours.start))
    asked = median(seconds(lambda: _say(ours, circle)) for _ in range(STARTS))
    words = median(seconds(lambda: ours.cli("--version")) for _ in range(STARTS))
    return [
        Figure(BARE_NAME, bare * 1e3, "ms", "python -c ''"),
        Figure(
            "toheal-relay run, start to ready", median(relay) * 1e3, "ms", "aim: 500", BARE_NAME
        ),
        Figure("toheal run, start to ready", median(client) * 1e3, "ms", "aim: 1000", BARE_NAME),
        Figure("toheal say, start to end", asked * 1e3, "ms", "said and durable", BARE_NAME),
        Figure("toheal --version, start to end", words * 1e3, "ms", "", BARE_NAME),
    ]


def _run(*args: str) -> None:
    subprocess.run([sys.executable, *args], env=ENVIRONMENT, check=True)


def _say(person: PersonProcess, circle: str) -> None:
    person.cli("say", circle, "hello")


def resting(town: Town, people: tuple[PersonProcess, ...]) -> list[Figure]:
    """Leave everything alone for a while."""
    programs = {"relay": town.relay.program}
    programs |= {
        f"client {number}": person.program
        for number, person in enumerate(people, 1)
        if person.program is not None
    }
    used = {name: cpu_of(program.pid) for name, program in programs.items()}
    began = time.perf_counter()
    time.sleep(REST)
    took = time.perf_counter() - began
    figures = []
    for name, program in programs.items():
        share = (cpu_of(program.pid) - used[name]) / took * 100
        is_client = name != "relay"
        figures += [
            Figure(f"{name}, memory", memory_of(program.pid), "MB", "aim: 110" * is_client),
            Figure(f"{name}, CPU at rest", share, "%", "aim: 0.2" * is_client),
        ]
    return figures


def main() -> list[Figure]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as scratch:
        town = Town(Path(scratch))
        try:
            town.relay.start()
            *people, circle = town.circle_of_two(direct=True)
            both = (people[0], people[1])
            figures = starts(town, both, circle)
            await_true(lambda: both[0].ask("links", circle=circle)[0]["link"] == "direct")
            time.sleep(3)
            return [*figures, *resting(town, both)]
        finally:
            town.end()


if __name__ == "__main__":
    print_figures(main())
