"""A picture of ten megabytes between two processes on one machine, beside long texts.

"Fetched" is from asking until every chunk was checked against the file id, is durable in the reader's vault,
and was opened once. The vault's own sealing, the session's and the link's are all in it. While the same picture comes a
second time, the author says small texts: how long until they are acknowledged, in the middle of it.
"""

from __future__ import annotations

import random
import struct
import tempfile
import zlib
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.bench_two_people import SMALL, many
from benchmarks.figures import Figure, print_figures
from benchmarks.people import Line, a_person, a_relay, meet

SIDE: Final = 1860
"""Pixels on each side of a picture of noise, which nothing makes smaller: 10.4 MB."""

LONG: Final = 60_000
LONG_COUNT: Final = 200
TEXTS: Final = 20
LONG_NAME: Final = "texts of 60 kB readable"


def a_picture(path: Path) -> None:
    """Write a PNG of noise, without a library for pictures."""
    chance = random.Random(1)
    rows = b"".join(b"\0" + chance.randbytes(SIDE * 3) for _ in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    chunks = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def fetched(ours: Line, theirs: Line, circle: str, path: Path) -> list[Figure]:
    """Measure a file on its own, and texts beside it."""
    said = ours.ask("attach", circle=circle, path=str(path))
    theirs.ask("readable_file", circle=circle, message=said["id"])
    before = ours.ask("cpu")["cpu"]
    got = theirs.ask("fetch", circle=circle, message=said["id"])
    served = ours.ask("cpu")["cpu"] - before
    megabytes = got["size"] / 1e6
    again = ours.ask("attach", circle=circle, path=str(path))
    theirs.ask("readable_file", circle=circle, message=again["id"])
    theirs.begin("fetch", circle=circle, message=again["id"])
    beside = ours.ask("delivered", circle=circle, size=SMALL, count=TEXTS)["took"]
    theirs.answer()
    return [
        Figure("file cleaned", said["cleaning"], "s", f"{megabytes:.1f} MB PNG, other process"),
        Figure("file sealed, kept, announced", said["took"], "s"),
        Figure("file fetched", megabytes / got["took"], "MB/s", "", LONG_NAME),
        Figure("CPU of the author", served / megabytes * 1e3, "ms", "per MB"),
        Figure("CPU of the reader", got["cpu"] / megabytes * 1e3, "ms", "per MB"),
        Figure("text until acknowledged, beside a file", median(beside) * 1e3, "ms", "p50"),
        Figure("the slowest of them", max(beside) * 1e3, "ms", f"of {TEXTS}"),
    ]


def texts(ours: Line, theirs: Line, circle: str) -> list[Figure]:
    """Measure long texts, as many bytes as the file has."""
    said, read = many(ours, theirs, circle, LONG, LONG_COUNT)
    megabytes = LONG * LONG_COUNT / 1e6
    return [
        Figure(LONG_NAME, megabytes / (read["at"] - said["began"]), "MB/s"),
        Figure("CPU of their author", said["cpu"] / megabytes * 1e3, "ms", "per MB"),
        Figure("CPU of their reader", read["cpu"] / megabytes * 1e3, "ms", "per MB"),
    ]


def main() -> list[Figure]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as scratch, a_relay(Path(scratch)) as (relay, _pid):
        path = Path(scratch) / "picture.png"
        a_picture(path)
        with ExitStack() as running:
            ours = a_person(Path(scratch), "ours")
            running.callback(ours.end)
            theirs = a_person(Path(scratch), "theirs")
            running.callback(theirs.end)
            circle = meet(ours, theirs, relay, name="circle")["circle"]
            return [*texts(ours, theirs, circle), *fetched(ours, theirs, circle, path)]


if __name__ == "__main__":
    print_figures(main())
