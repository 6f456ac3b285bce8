"""TURN on loopback, beside coturn: CPU of the server's process per packet from end to end.

Both servers run in processes of their own, one worker each, on one core, and the same client on
another core drives them by turns with packets of 1 000 bytes. CPU is user and system time of all
their threads as the scheduler counts it, per packet that arrived; the median of the rounds, and
their range beside it. coturn counts rates and quotas as we do; its relayed ports have a fixed buffer
for some 56 packets, so that it loses some of a window of 64 there and none of 48.

*To elsewhere*: from a client to a peer that is no client of the server. *From elsewhere*: back.
*Both ways*: half of the window each. *Two members*: both ends have an allocation at it. *Window 64*:
so many packets are under way at once, and the server wakes up once for them; *one at a time*: each
waits for the one before, so that the server sleeps between any two. Channels unless it says
indications; UDP unless it says TCP or TLS (the client's side; peers have UDP). Linux only.

Other programs change this less than the clock, but they do: between two wake-ups they take the caches,
and a wake-up of ours touches more memory than one of coturn's. Read the figures of a quiet machine.
"""

from __future__ import annotations

import sys
from statistics import median
from typing import Final

from attrs import frozen

from benchmarks.figures import Figure, print_figures, shown
from benchmarks.turn_servers import Server, turn_servers
from benchmarks.turn_traffic import pass_windows, traffic

ROOM: Final = 48
"""Packets that coturn's relayed ports have room for: of windows of 64 it loses some, and the time
until the next window is at its expense."""
PACKETS: Final = {64: 6_400, ROOM: 6_384, 1: 300}
"""Packets of one round by window."""
ROUNDS: Final = 5
ELSEWHERE: Final = ("to elsewhere", "from elsewhere")


@frozen
class Case:
    """One kind of traffic."""

    way: str
    window: int
    transport: str = "UDP"
    form: str = "channels"

    @property
    def name(self) -> str:
        size = "one at a time" if self.window == 1 else f"window {self.window}"
        marks = [self.transport] * (self.transport != "UDP")
        marks += [self.form] * (self.form != "channels")
        return ", ".join([*marks, self.way, size])


CASES: Final = (
    *(Case(way, 64) for way in (*ELSEWHERE, "both ways", "two members")),
    Case("from elsewhere", ROOM),
    *(Case(way, 1) for way in (*ELSEWHERE, "two members")),
    *(Case(way, window, form="indications") for way in ELSEWHERE for window in (ROOM, 1)),
    *(Case(way, window, t) for t in ("TCP", "TLS") for way in ELSEWHERE for window in (ROOM, 1)),
)


@frozen
class Round:
    """What one round gave: microseconds of CPU per packet, packets per sleep, and losses."""

    cost: float
    batch: float
    lost: int


def main() -> list[Figure]:
    """Measure every kind of traffic."""
    return measure(CASES)


def measure(cases: tuple[Case, ...]) -> list[Figure]:
    """Measure some kinds of traffic, all servers by turns."""
    with turn_servers() as servers:
        return [figure for case in cases for figure in _compare(servers, case)]


def _compare(servers: list[Server], case: Case) -> list[Figure]:
    rounds: dict[str, list[Round]] = {server.name: [] for server in servers}
    for number in range(ROUNDS):
        for server in servers if number % 2 else servers[::-1]:
            rounds[server.name].append(_measure(server, case))
    return [
        Figure(
            f"{server.name}, {case.name}",
            median(each.cost for each in rounds[server.name]),
            "µs",
            note=_note(rounds[server.name]),
            compared_to="" if server is servers[0] else f"{servers[0].name}, {case.name}",
        )
        for server in servers
    ]


def _note(rounds: list[Round]) -> str:
    costs = [each.cost for each in rounds]
    lost = sum(each.lost for each in rounds)
    batch = median(each.batch for each in rounds)
    note = f"{shown(min(costs))} to {shown(max(costs))}; {shown(batch)} packets per sleep"
    return f"{note}; {lost} lost" if lost else note


def _measure(server: Server, case: Case) -> Round:
    with traffic(server, case.transport, case.form, case.way) as flows:
        pass_windows(flows, count=case.window * 20, window=case.window)  # warm
        before, count = server.spent(), PACKETS[case.window]
        arrived = pass_windows(flows, count=count, window=case.window)
        spent = server.spent().since(before)
    arrived = max(arrived, 1)
    return Round(spent.cpu / arrived * 1e6, arrived / max(spent.sleeps, 1), count - arrived)


if __name__ == "__main__":
    named = sys.argv[1:]
    chosen = tuple(case for case in CASES if not named or case.name in named)
    print_figures(measure(chosen))
