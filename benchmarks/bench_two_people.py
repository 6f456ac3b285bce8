"""Two people, two processes, one relay: from an invitation to thousands of durable messages.

Each person is a whole client with its own vault; only the stretching of the passphrase is the
cheapest. Beside it, in the same run: a bare aiortc data channel between two processes (ORTC, no
SDP, stock SCTP, uvloop), which neither seals nor stores, and what one commit of the vault takes.

"Said" is durable at the author. "Readable" is durable at the other person and handed to whoever
follows the circle there. "Acknowledged" is durable at the other person, and the author's vault owes
it no more. A round trip "until acknowledged" therefore holds two commits on its way and no more; an
answered one (said, readable, said, readable) holds four.

CPU is that of the whole process, per message: beyond one core's worth per second no machine with a
core for each person would go. The relay carries the first messages, then the data channel does.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from benchmarks.bare_process import a_bare_pair
from benchmarks.bench_link import BULK_SIZE
from benchmarks.figures import Figure, print_figures
from benchmarks.people import Answer, Line, a_person, a_relay, meet, newest

SMALL: Final = 200
"""Bytes of a small text."""

COUNT: Final = 8_000
AT_ONCE: Final = 128
"""How many `say` wait for their commit at any time: as many as the page and the commands of one
busy person together, and more. One at a time is the round trip's business."""

ROUNDS: Final = 15
TRIPS: Final = 20
"""Each kind of round trip is made so many times in turn, so that all see the same disk."""

BARE_TRIPS: Final = 1_000
BARE_COUNT: Final = 4_000

BULK: Final = ((16_000, 600), (60_000, 200))
"""Bytes of a long text, and how many."""

BARE_BULK_COUNT: Final = 800
TRIP_NAME: Final = "bare round trip p50, and two commits"
FOUR_NAME: Final = "bare round trip p50, and four commits"


def bare_figures() -> tuple[float, list[Figure]]:
    """Measure the bare channel; return its round trip in milliseconds, and figures."""
    ours, theirs = a_bare_pair()
    try:
        theirs.ask("echo", on=True)
        trip = median(ours.ask("ping", size=SMALL, count=BARE_TRIPS)["took"]) * 1e3
        theirs.ask("echo", on=False)
        small = _bare_rate(ours, theirs, SMALL, BARE_COUNT)
        bulk = _bare_rate(ours, theirs, BULK_SIZE, BARE_BULK_COUNT) * BULK_SIZE / 1e6
    finally:
        ours.end()
        theirs.end()
    return trip, [
        Figure("bare channel, round trip p50", trip, "ms", f"{SMALL} B"),
        Figure("bare channel, small messages", small, "/s", f"{SMALL} B, neither sealed nor kept"),
        Figure("bare channel, bulk", bulk, "MB/s", "16 KiB messages"),
    ]


def _bare_rate(ours: Line, theirs: Line, size: int, count: int) -> float:
    theirs.ask("expect", count=count)
    theirs.begin("receive")
    began = ours.ask("send", size=size, count=count)["began"]
    return count / (float(theirs.answer()["at"]) - float(began))


def meeting(met: list[Answer]) -> list[Figure]:
    """Say how long it took from `join` on; the middle of several circles."""
    steps = (
        ("knocked", "the facilitator sees who is at the door"),
        ("admitted", "let in, by a facilitator who needs no time to think"),
        ("said", "the first message is durable at its author"),
        ("readable", "and can be read by who joined: the aim is 500 ms"),
        ("direct", "both use the data channel"),
    )
    return [
        Figure(f"join until {name}", median(one[name] for one in met) * 1e3, "ms", note)
        for name, note in steps
    ]


def round_trips(ours: Line, theirs: Line, circle: str, bare: float) -> list[Figure]:
    """Measure single messages, beside what they cannot do without."""
    committed: list[float] = []
    acked: list[float] = []
    echoed: list[float] = []
    for _ in range(ROUNDS):  # in turns: a disk under load is five times slower a second later
        committed += ours.ask("commits", circle=circle, count=TRIPS)["took"]
        acked += ours.ask("delivered", circle=circle, size=SMALL, count=TRIPS)["took"]
        theirs.begin("echo", circle=circle, count=TRIPS, after=newest(theirs, circle))
        echoed += ours.ask("ping", circle=circle, size=SMALL, count=TRIPS)["took"]
        theirs.answer()
    commit = median(committed) * 1e3
    return [
        Figure("one commit", commit, "ms", "of a received message, to the thread and back, median"),
        Figure(TRIP_NAME, bare + 2 * commit, "ms"),
        Figure("said until acknowledged, p50", _p(acked, 50), "ms", "aim: 1.5", TRIP_NAME),
        Figure("said until acknowledged, p95", _p(acked, 95), "ms", "", TRIP_NAME),
        Figure(FOUR_NAME, bare + 4 * commit, "ms"),
        Figure("said until the answer is readable, p50", _p(echoed, 50), "ms", "", FOUR_NAME),
        Figure("said until the answer is readable, p95", _p(echoed, 95), "ms", "", FOUR_NAME),
    ]


def _p(took: list[float], percent: int) -> float:
    return quantiles(took, n=100)[percent - 1] * 1e3


def one_way(ours: Line, theirs: Line, circle: str) -> list[Figure]:
    """Measure many small messages, one way."""
    said, read = many(ours, theirs, circle, SMALL, COUNT)
    spans = {
        "said": said["said"] - said["began"],
        "readable": read["at"] - said["began"],
        "acknowledged": said["acked"] - said["began"],
    }
    note = f"{SMALL} B, {AT_ONCE} at once"
    figures = [
        Figure(f"messages {name}", COUNT / span, "/s", note, "bare channel, small messages")
        for name, span in spans.items()
    ]
    per_message = 1e6 / COUNT
    return [
        *figures,
        Figure("CPU of the author", said["cpu"] * per_message, "µs", "per message"),
        Figure("CPU of the reader", read["cpu"] * per_message, "µs", "per message"),
    ]


def bulk(ours: Line, theirs: Line, circle: str) -> list[Figure]:
    """Measure long texts, one way."""
    figures = []
    for size, count in BULK:
        said, read = many(ours, theirs, circle, size, count)
        rate = size * count / 1e6 / (read["at"] - said["began"])
        name = f"texts of {size // 1000} kB readable"
        figures.append(Figure(name, rate, "MB/s", "aim: 0.8", "bare channel, bulk"))
    return figures


def many(ours: Line, theirs: Line, circle: str, size: int, count: int) -> tuple[Answer, Answer]:
    """Have one say much and the other read it; return what both say of it."""
    theirs.begin("readable", circle=circle, count=count, after=newest(theirs, circle))
    said = ours.ask("say_many", circle=circle, size=size, count=count, at_once=AT_ONCE)
    return said, theirs.answer()


def main() -> list[Figure]:
    """Measure everything."""
    trip, figures = bare_figures()
    with tempfile.TemporaryDirectory() as scratch, a_relay(Path(scratch)) as (relay, _pid):
        with ExitStack() as running:
            ours = a_person(Path(scratch), "ours")
            running.callback(ours.end)
            theirs = a_person(Path(scratch), "theirs")
            running.callback(theirs.end)
            met = [meet(ours, theirs, relay, name=f"circle {number}") for number in range(5)]
            circle = met[-1]["circle"]
            figures += meeting(met)
            figures += round_trips(ours, theirs, circle, trip)
            figures += one_way(ours, theirs, circle)
            figures += bulk(ours, theirs, circle)
    return figures


if __name__ == "__main__":
    print_figures(main())
