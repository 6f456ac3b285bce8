"""What open links cost when nobody says anything: fourteen, as in a circle of fifteen.

One process holds one side of all of them, another process the other side; over loopback. What is
left is ICE's consent checks and our pings, both ways. The figures are those of the first process,
beside the same process with no link.
"""

from __future__ import annotations

from typing import Final

from benchmarks.figures import Figure, print_figures
from benchmarks.many_links import two_sides

LINKS: Final = 14
REST: Final = 20.0
"""Seconds: two pings of each link, and several consent checks."""
REST_BEFORE: Final = 5.0


def main() -> list[Figure]:
    """Open them, and leave them alone."""
    sides = two_sides()
    ours, theirs = sides
    try:
        before = ours.ask("rest", seconds=REST_BEFORE)
        blobs = [side.ask("prepare", count=LINKS)["blobs"] for side in sides]
        theirs.begin("connect", blobs=blobs[0])
        took = max(ours.ask("connect", blobs=blobs[1])["took"], theirs.answer()["took"])
        ours.ask("rest", seconds=2.0)
        after = ours.ask("rest", seconds=REST)
    finally:
        for side in sides:
            side.end()
    share = after["cpu"] / REST * 100
    each = (after["memory"] - before["memory"]) / LINKS
    return [
        Figure(f"open {LINKS} links at once", took * 1e3, "ms", "aim for a circle: 3000"),
        Figure("CPU without a link", before["cpu"] / REST_BEFORE * 100, "%"),
        Figure(f"CPU of {LINKS} idle links", share, "%", "aim: 1"),
        Figure("memory of a link", each / 1e3, "kB"),
    ]


if __name__ == "__main__":
    print_figures(main())
