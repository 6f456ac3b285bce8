"""Links over a bad network: opening one, and how late a message is, at two climates.

Both ends are in this process; between them stands a proxy in user space (`tests/support/lossy.py`)
that keeps every packet for so long **each way** and loses some, from a seed. So a round trip is
twice the delay, and no message can be earlier than the delay. A message is 200 bytes, five a second
on each of ten links at once, each one measured alone: from `send_nowait` to the other end's
`incoming`. Opening is from the blobs to a proven link: ICE, DTLS, SCTP and the first record; an
opening that failed counts as the longest one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Final

import trio
from attrs import frozen

from benchmarks.figures import Figure, print_figures
from tests.support.links import key_pair
from tests.support.lossy import Climate, Weather, bad_weather
from tests.support.rewritten import through
from toheal_p2p.adapters.bridge import run
from toheal_p2p.adapters.webrtc import OPENING_LONGEST, WebRtcChannels
from toheal_p2p.ports.channels import ChannelFailed, PreparedChannel
from toheal_p2p.services.link import Link
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.model import Frame
from toheal_protocol.wire.link_record import LinkKeys

CLIMATES: Final = (
    ("40 ms, 2 % loss", Climate(delay=0.040, loss=0.02), "aim: 60 p50, 600 p99", ""),
    ("100 ms, 5 % loss", Climate(delay=0.100, loss=0.05), "", "aim: 2000 p50"),
)
OPENINGS: Final = 50
AT_ONCE: Final = 10
MESSAGES: Final = 60
"""On each of the links that are open at once."""
EVERY: Final = 0.2
"""Seconds between two messages of one link."""
SIZE: Final = 200


@frozen
class Sample:
    """What was measured in one climate. Seconds."""

    openings: list[float]
    failed: int
    latencies: list[float]


async def open_pair(weather: Weather, nursery: trio.Nursery) -> tuple[float, Link, Link]:
    """Open one link through the proxy; return how long that took, and both ends.

    Raises:
        ChannelFailed: it did not open.
    """
    channels = WebRtcChannels(include_loopback=True)
    ours = await channels.prepare(controlling=True, way=LinkWay.LAN, servers=())
    theirs = await channels.prepare(controlling=False, way=LinkWay.LAN, servers=())
    as_ours, as_theirs = through(weather, ours.blob, theirs.blob)
    links: dict[PreparedChannel, Link] = {}

    async def connect(prepared: PreparedChannel, blob: bytes, keys: LinkKeys) -> None:
        links[prepared] = Link(await prepared.connect(blob), keys)
        await nursery.start(links[prepared].run)

    began = time.perf_counter()
    try:
        async with trio.open_nursery() as opening:
            for prepared, blob, keys in zip(
                (ours, theirs), (as_theirs, as_ours), key_pair(), strict=True
            ):
                opening.start_soon(connect, prepared, blob, keys)
    except* ChannelFailed as failed:
        raise ChannelFailed("it did not open") from failed
    return time.perf_counter() - began, links[ours], links[theirs]


async def measure(climate: Climate) -> Sample:
    """Open many links, some at once; talk over the last of them."""
    sample = Sample([], 0, [])
    failed = 0
    with bad_weather(climate) as weather:
        for left in range(OPENINGS, 0, -AT_ONCE):
            pairs: list[tuple[Link, Link]] = []
            async with trio.open_nursery() as living:

                async def one(
                    living: trio.Nursery = living, pairs: list[tuple[Link, Link]] = pairs
                ) -> None:
                    nonlocal failed
                    try:
                        took, *ends = await open_pair(weather, living)
                    except ChannelFailed:
                        failed += 1
                        took = OPENING_LONGEST
                    else:
                        pairs.append((ends[0], ends[1]))
                    sample.openings.append(took)

                async with trio.open_nursery() as opening:
                    for _ in range(min(AT_ONCE, left)):
                        opening.start_soon(one)
                if left <= AT_ONCE:
                    await _talk(pairs, sample.latencies)
                living.cancel_scope.cancel()
    return Sample(sample.openings, failed, sample.latencies)


async def _talk(pairs: Sequence[tuple[Link, Link]], latencies: list[float]) -> None:
    async def listen(link: Link, sent: list[float]) -> None:
        heard = 0
        while heard < MESSAGES:
            for _frame in await link.incoming.receive():
                latencies.append(time.perf_counter() - sent[heard])
                heard += 1

    async def speak(link: Link, sent: list[float]) -> None:
        for _ in range(MESSAGES):
            sent.append(time.perf_counter())
            link.send_nowait(Frame(bytes(SIZE)))
            await trio.sleep(EVERY)

    async with trio.open_nursery() as nursery:
        for number, (ours, theirs) in enumerate(pairs):
            sent: list[float] = []
            nursery.start_soon(listen, theirs, sent)
            await trio.sleep(EVERY / len(pairs) * (number > 0))  # not all in the same instant
            nursery.start_soon(speak, ours, sent)


def figures(name: str, sample: Sample, message_aim: str, opening_aim: str) -> list[Figure]:
    """Say it in milliseconds."""
    opening, late = ([1e3 * one for one in some] for some in (sample.openings, sample.latencies))
    count = f"{len(late)} messages"
    return [
        Figure(f"{name}: open, p50", statistics.median(opening), "ms", opening_aim),
        Figure(f"{name}: open, p90", quantile(opening, 90), "ms", f"{len(opening)} openings"),
        Figure(f"{name}: openings that failed", sample.failed, "", "within ten seconds"),
        Figure(f"{name}: message, p50", statistics.median(late), "ms", message_aim or count),
        Figure(f"{name}: message, p99", quantile(late, 99), "ms", count),
    ]


def quantile(values: Sequence[float], percent: int) -> float:
    """Return the value below which so many percent are."""
    return statistics.quantiles(values, n=100)[percent - 1]


def main() -> list[Figure]:
    """Measure both climates."""
    found: list[Figure] = []
    for name, climate, message_aim, opening_aim in CLIMATES:

        async def one(climate: Climate = climate) -> Sample:
            return await measure(climate)

        found += figures(name, run(one), message_aim, opening_aim)
    return found


if __name__ == "__main__":
    print_figures(main())
