"""What the programs cost when nobody says anything, and how soon they are there.

The real commands: `toheal-relay run`, two `toheal run` in one circle with an open data channel, and
`toheal say`; and `toheal run` without a passphrase, where the page is there first. Start times are from the start of the process, so they hold Python's own, which is
given too; passphrases are the cheapest (what a real one costs is in the part about the vault).
The CPU a start takes is given beside the time, as it says more on a busy machine. A client asks its
relays more often for a minute after something was said, and has just started and opened its link; it
rests after that. So two minutes are measured: that first one, and one at rest. Memory is what belongs
to the process (RSS, shared pages included). Linux only.
"""

from __future__ import annotations

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
from tests.support.processes import (
    ENVIRONMENT,
    PersonProcess,
    Program,
    RelayProcess,
    Town,
    await_true,
)
from toheal_p2p.services.relay_connection import LIVELY

REST: Final = 60.0
"""Seconds of doing nothing: whatever happens once in half a minute is inside."""

SETTLING: Final = max(0.0, LIVELY + 5 - REST)
"""Seconds from the end of the first minute until a client that took part in something rests."""

STARTS: Final = 5
"""Starts of each program; the figure is the middle one."""

BARE_NAME: Final = "python, start to end"

BARE_WAKES: Final = "python that wakes twice a second, CPU"
WAKING: Final = "import time\nwhile True: time.sleep(0.5)"
"""The least that a wake-up costs: several times as much where the processor sleeps in between."""

_CLOCK_OF_PROCESS: Final = 2
"""`CPUCLOCK_SCHED`: with it a process id becomes the name of its CPU clock (Linux)."""


def seconds(act: Callable[[], object]) -> float:
    """Return how long `act` took."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU a process has used, all its threads together."""
    return time.clock_gettime(~pid << 3 | _CLOCK_OF_PROCESS)


def memory_of(pid: int) -> float:
    """Return megabytes of memory a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def starts(town: Town, people: tuple[PersonProcess, ...], circle: str) -> list[Figure]:
    """Start everything several times."""
    bare = median(seconds(lambda: _run("-c", "")) for _ in range(STARTS))
    ours, fresh = people[0], RelayProcess(town.folder / "fresh")
    fresh.folder.mkdir()
    relay, client, used = [], [], []
    for _ in range(STARTS):
        relay.append(seconds(fresh.start))
        fresh.program.stop()
    for _ in range(STARTS):
        ours.stop()
        client.append(seconds(ours.start))
        used.append(_cpu(ours))
    ours.stop()
    page = [seconds_until_the_page(ours) for _ in range(STARTS)]
    ours.start()
    asked = median(seconds(lambda: _say(ours, circle)) for _ in range(STARTS))
    words = median(seconds(lambda: ours.cli("--version")) for _ in range(STARTS))
    return [
        Figure(BARE_NAME, bare * 1e3, "ms", "python -c ''"),
        Figure(
            "toheal-relay run, start to ready", median(relay) * 1e3, "ms", "aim: 500", BARE_NAME
        ),
        Figure("toheal run, start to ready", median(client) * 1e3, "ms", "aim: 1000", BARE_NAME),
        Figure("toheal run, CPU of it", median(used) * 1e3, "ms", ""),
        Figure(
            "toheal run, start to the page", median(page) * 1e3, "ms", "asks for the passphrase"
        ),
        Figure("toheal say, start to end", asked * 1e3, "ms", "said and durable", BARE_NAME),
        Figure("toheal --version, start to end", words * 1e3, "ms", "", BARE_NAME),
    ]


def seconds_until_the_page(person: PersonProcess) -> float:
    """Start a client that asks for its passphrase, until its page can be opened; end it."""
    page = Program(
        ("-m", "toheal_p2p", f"--home={person.home}", "run", "--no-browser"),
        person.folder / "page.out",
    )
    took = seconds(lambda: page.start("ready "))
    page.stop()
    return took


def _cpu(person: PersonProcess) -> float:
    assert person.program is not None
    return cpu_of(person.program.pid)


def _run(*args: str) -> None:
    subprocess.run([sys.executable, *args], env=ENVIRONMENT, check=True)


def _say(person: PersonProcess, circle: str) -> None:
    person.cli("say", circle, "hello")


def resting(town: Town, people: tuple[PersonProcess, ...]) -> list[Figure]:
    """Leave everything alone: the minute after a start and a conversation, and a minute of rest."""
    bare = subprocess.Popen([sys.executable, "-c", WAKING])
    time.sleep(1)  # its start is none of it
    pids = {"relay": town.relay.program.pid}
    pids |= {
        f"client {number}": person.program.pid
        for number, person in enumerate(people, 1)
        if person.program is not None
    }
    try:
        first = _resting(pids, bare.pid, "in the first minute")
        time.sleep(SETTLING)
        return [*first, *_resting(pids, bare.pid, "at rest")]
    finally:
        bare.kill()
        bare.wait()


def _resting(pids: dict[str, int], bare: int, when: str) -> list[Figure]:
    used = {pid: cpu_of(pid) for pid in (bare, *pids.values())}
    began = time.perf_counter()
    time.sleep(REST)
    took = time.perf_counter() - began
    share = {pid: (cpu_of(pid) - before) / took * 100 for pid, before in used.items()}
    yardstick = f"{BARE_WAKES} {when}"
    figures = [Figure(yardstick, share[bare], "%")]
    for name, pid in pids.items():
        memory, cpu = ("aim: 110", "aim: 0.2") if name != "relay" else ("", "")
        figures += [
            Figure(f"{name}, memory {when}", memory_of(pid), "MB", memory),
            Figure(f"{name}, CPU {when}", share[pid], "%", cpu, yardstick),
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
            return [*figures, *resting(town, both)]
        finally:
            town.end()


if __name__ == "__main__":
    print_figures(main())
