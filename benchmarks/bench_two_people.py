"""Two people, two processes, one relay: from an invitation to thousands of durable messages.

Each person is a whole client with its own vault; only the stretching of the passphrase is the
cheapest. Beside it, by turns in the same run: raw aiortc, and what one commit of the vault takes.
Raw aiortc is two processes with an `RTCPeerConnection` and a data channel each, as it comes from the
package index, on uvloop: nothing of ours is in it, and it neither seals nor stores.

"Said" is durable at the author. "Readable" is durable at the other person and handed to whoever
follows the circle there. "Acknowledged" is durable at the other person, and the author knows it. A
round trip "until acknowledged" therefore holds two commits on its way and no more; an answered one
(said, readable, said, readable) holds four. Each begins at rest.

CPU is that of the whole process, per message: beyond one core's worth per second no machine with a
core for each person would go. The relay carries the first messages, then the data channel does.

Everything is measured in rounds, by turns; a figure is the median of the rounds, and the note says
between which values they lay.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from attrs import define, field

from benchmarks.bare_process import a_bare_pair
from benchmarks.bench_link import BULK_SIZE
from benchmarks.figures import Figure, print_figures
from benchmarks.lines import Answer, Line
from benchmarks.people import a_person, a_relay, meet, newest

ROUNDS: Final = 5
SMALL: Final = 200
"""Bytes of a small text."""

COUNT: Final = 4_000
AT_ONCE: Final = 128
"""How many `say` wait for their commit at any time: as many as the page and the commands of one
busy person together, and more. One at a time is the round trip's business."""

TRIPS: Final = 60
"""Trips of each kind in a round: a disk under load is five times slower a second later."""

BARE_TRIPS: Final = 200
BARE_COUNT: Final = 2_000

BULK: Final = ((16_000, 400), (60_000, 120))
"""Bytes of a long text, and how many."""

BARE_BULK_COUNT: Final = 400
BARE_TRIP: Final = "raw aiortc, round trip"
BARE_SMALL: Final = "raw aiortc, small messages"
BARE_BULK: Final = "raw aiortc, bulk"
TRIP_NAME: Final = "bare round trip, and two commits"
FOUR_NAME: Final = "bare round trip, and four commits"


@define
class Measured:
    """What the rounds gave, by name, in the order in which the names came."""

    values: dict[str, list[float]] = field(factory=dict)
    told: dict[str, tuple[str, str, str]] = field(factory=dict)

    def add(self, name: str, value: float, unit: str, note: str = "", than: str = "") -> None:
        """Take the value of one round."""
        self.values.setdefault(name, []).append(value)
        self.told[name] = unit, note, than

    def figures(self) -> list[Figure]:
        """Return the median of each."""
        return [
            Figure(name, median(values), *self._told(name)) for name, values in self.values.items()
        ]

    def _told(self, name: str) -> tuple[str, str, str]:
        unit, note, than = self.told[name]
        low, high = min(self.values[name]), max(self.values[name])
        spread = f"{low:.3g} to {high:.3g}"
        return unit, f"{note}; {spread}" if note else spread, than


def bare(measured: Measured) -> float:
    """Measure raw aiortc; return its round trip in milliseconds.

    On a fresh channel each time: after losses its congestion window stays small for long.
    """
    ours, theirs = a_bare_pair()
    try:
        return _bare(ours, theirs, measured)
    finally:
        ours.end()
        theirs.end()


def _bare(ours: Line, theirs: Line, measured: Measured) -> float:
    theirs.ask("echo", on=True)
    took: list[float] = ours.ask("ping", size=SMALL, count=BARE_TRIPS)["took"]
    trip = median(took) * 1e3
    theirs.ask("echo", on=False)
    measured.add(BARE_TRIP, trip, "ms", f"{SMALL} B, p50")
    small = _bare_rate(ours, theirs, SMALL, BARE_COUNT)
    measured.add(BARE_SMALL, small, "/s", f"{SMALL} B, neither sealed nor kept")
    bulk = _bare_rate(ours, theirs, BULK_SIZE, BARE_BULK_COUNT) * BULK_SIZE / 1e6
    measured.add(BARE_BULK, bulk, "MB/s", "16 KiB messages")
    return trip


def _bare_rate(ours: Line, theirs: Line, size: int, count: int) -> float:
    theirs.ask("expect", count=count)
    theirs.begin("receive")
    began = ours.ask("send", size=size, count=count)["began"]
    return count / (float(theirs.answer()["at"]) - float(began))


def meeting(met: list[Answer], measured: Measured) -> None:
    """Say how long it took from `join` on, in several circles."""
    steps = (
        ("knocked", "the facilitator sees who is at the door"),
        ("admitted", "let in, by a facilitator who needs no time to think"),
        ("said", "the first message is durable at its author"),
        ("readable", "and can be read by who joined: the aim is 500 ms"),
        ("direct", "both use the data channel"),
    )
    for name, note in steps:
        for one in met:
            measured.add(f"join until {name}", one[name] * 1e3, "ms", note)


def round_trips(ours: Line, theirs: Line, circle: str, trip: float, measured: Measured) -> None:
    """Measure single messages, beside what they cannot do without."""
    committed = ours.ask("commits", circle=circle, count=TRIPS)["took"]
    acked = ours.ask("delivered", circle=circle, size=SMALL, count=TRIPS)["took"]
    theirs.begin("echo", circle=circle, count=TRIPS, after=newest(theirs, circle))
    echoed = ours.ask("ping", circle=circle, size=SMALL, count=TRIPS)["took"]
    theirs.answer()
    commit = median(committed) * 1e3
    note = "of a received message, to the thread and back, p50"
    measured.add("one commit", commit, "ms", note)
    measured.add(TRIP_NAME, trip + 2 * commit, "ms")
    name = "said until acknowledged"
    measured.add(f"{name}, p50", _p(acked, 50), "ms", "aim: 1.5", TRIP_NAME)
    measured.add(f"{name}, p95", _p(acked, 95), "ms", "", TRIP_NAME)
    measured.add(FOUR_NAME, trip + 4 * commit, "ms")
    name = "said until the answer is readable"
    measured.add(f"{name}, p50", _p(echoed, 50), "ms", "", FOUR_NAME)
    measured.add(f"{name}, p95", _p(echoed, 95), "ms", "", FOUR_NAME)


def _p(took: list[float], percent: int) -> float:
    return quantiles(took, n=100)[percent - 1] * 1e3


def one_way(ours: Line, theirs: Line, circle: str, measured: Measured) -> None:
    """Measure many small messages, one way."""
    said, read = many(ours, theirs, circle, SMALL, COUNT)
    spans = {
        "said": said["said"] - said["began"],
        "readable": read["at"] - said["began"],
        "acknowledged": said["acked"] - said["began"],
    }
    note = f"{SMALL} B, {AT_ONCE} at once"
    for name, span in spans.items():
        measured.add(f"messages {name}", COUNT / span, "/s", note, BARE_SMALL)
    per_message = 1e6 / COUNT
    measured.add("CPU of the author", said["cpu"] * per_message, "µs", "per message")
    measured.add("CPU of the reader", read["cpu"] * per_message, "µs", "per message")


def bulk(ours: Line, theirs: Line, circle: str, measured: Measured) -> None:
    """Measure long texts, one way."""
    for size, count in BULK:
        said, read = many(ours, theirs, circle, size, count)
        rate = size * count / 1e6 / (read["at"] - said["began"])
        name = f"texts of {size // 1000} kB readable"
        measured.add(name, rate, "MB/s", "aim: 0.8", BARE_BULK)


def many(ours: Line, theirs: Line, circle: str, size: int, count: int) -> tuple[Answer, Answer]:
    """Have one say much and the other read it; return what both say of it."""
    theirs.begin("readable", circle=circle, count=count, after=newest(theirs, circle))
    said = ours.ask("say_many", circle=circle, size=size, count=count, at_once=AT_ONCE)
    return said, theirs.answer()


def main() -> list[Figure]:
    """Measure everything."""
    measured = Measured()
    with tempfile.TemporaryDirectory() as scratch, a_relay(Path(scratch)) as (relay, _pid):
        with ExitStack() as running:
            ours, theirs = (a_person(Path(scratch), name) for name in ("ours", "theirs"))
            for end in (ours, theirs):
                running.callback(end.end)
            met = [meet(ours, theirs, relay, name=f"circle {one}") for one in range(ROUNDS)]
            meeting(met, measured)
            circle = met[-1]["circle"]
            for _ in range(ROUNDS):
                trip = bare(measured)
                round_trips(ours, theirs, circle, trip, measured)
                one_way(ours, theirs, circle, measured)
                bulk(ours, theirs, circle, measured)
    return measured.figures()


if __name__ == "__main__":
    print_figures(main())
