"""One side of many links in a process of its own, driven line by line over its standard input.

`python -m benchmarks.many_links controlling|controlled` answers each line, as the processes of
`people.py` do: `prepare` with the blobs of so many connections, `connect` when all are open, `rest`
with the CPU seconds and the memory after some seconds of doing nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import trio
from attrs import define, field

from benchmarks.lines import Answer, Line, tell
from tests.support.links import key_pair
from toheal_p2p.adapters.bridge import run
from toheal_p2p.adapters.webrtc import WebRtcChannels
from toheal_p2p.ports.channels import PreparedChannel
from toheal_p2p.services.link import Link
from toheal_protocol.machines.events import LinkWay

SIDES = ("controlling", "controlled")


def two_sides() -> tuple[Line, Line]:
    """Start both processes."""
    ours, theirs = (Line(("benchmarks.many_links", side)) for side in SIDES)
    for one in (ours, theirs):
        one.answer()
    return ours, theirs


@define(eq=False)
class OneSide:
    """What such a process does."""

    is_controlling: bool
    nursery: trio.Nursery
    channels: WebRtcChannels = field(factory=lambda: WebRtcChannels(include_loopback=True))
    prepared: list[PreparedChannel] = field(factory=list)

    async def prepare(self, count: int) -> Answer:
        self.prepared = [
            await self.channels.prepare(
                controlling=self.is_controlling, way=LinkWay.LAN, servers=()
            )
            for _ in range(count)
        ]
        return {"blobs": [one.blob.hex() for one in self.prepared]}

    async def connect(self, blobs: list[str]) -> Answer:
        began = time.monotonic()

        async def one(prepared: PreparedChannel, blob: str) -> None:
            channel = await prepared.connect(bytes.fromhex(blob))
            keys = key_pair()[0 if self.is_controlling else 1]
            await self.nursery.start(Link(channel, keys).run)

        async with trio.open_nursery() as opening:
            for prepared, blob in zip(self.prepared, blobs, strict=True):
                opening.start_soon(one, prepared, blob)
        return {"took": time.monotonic() - began}

    async def rest(self, seconds: float) -> Answer:
        used = time.process_time()
        await trio.sleep(seconds)
        return {"cpu": time.process_time() - used, "memory": _memory()}


def _memory() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def live(*, is_controlling: bool) -> None:
    """Answer lines until there are no more."""
    async with trio.open_nursery() as nursery:
        side = OneSide(is_controlling, nursery)
        tell({})
        lines = trio.wrap_file(os.fdopen(0, "rb", buffering=0))
        while line := await lines.readline():
            asked = json.loads(line)
            tell(await getattr(side, asked.pop("ask"))(**asked))
        nursery.cancel_scope.cancel()


def main(side: str) -> None:
    async def one() -> None:
        await live(is_controlling=side == SIDES[0])

    run(one)


if __name__ == "__main__":
    main(sys.argv[1])
