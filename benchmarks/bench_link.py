"""A link beside raw aiortc: both over loopback, in one process, on one loop.

Raw aiortc is two of its `RTCPeerConnection`s with a data channel, as it comes from the package index:
nothing of ours is in it, no records, no seal, no credit. Both ends of each run in this process, so
the figures are those of a sender and a receiver sharing one core. The two are measured by turns.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterable

import trio

from benchmarks.bare import Bare, connect
from benchmarks.figures import Figure, print_figures
from tests.support.channels import connected
from toheal_p2p.adapters.bridge import aio, run
from toheal_p2p.adapters.webrtc import WebRtcChannels
from toheal_p2p.services.link import Link
from toheal_protocol.machines import link as machine
from toheal_protocol.machines.link_parts import WINDOW
from toheal_protocol.model import Frame, Instant
from toheal_protocol.wire.link_record import FRAME_OVERHEAD, derive_link_keys

ROUNDS = 3
ROUND_TRIPS = 400
SMALL_SIZE, SMALL_COUNT = 200, 10_000
BARE_SMALL_COUNT = 2_000
BULK_SIZE, BULK_COUNT = 16 * 1024 - 64, 500
"""Bytes and number: one record of ours, one message of the bare channel."""


async def _bare() -> tuple[float, float, float]:
    """Measure the bare channel: seconds per round trip, small messages/s, bulk MB/s."""
    ours, theirs = Bare(offers=True), Bare(offers=False)
    await connect(ours, theirs)

    async def rate(message: bytes, count: int) -> float:
        started = time.perf_counter()
        arrived = asyncio.ensure_future(theirs.receive_all(count))
        await ours.send_all(message, count)
        await arrived
        return count / (time.perf_counter() - started)

    theirs.answer = theirs.channel.send
    trips = []
    for _ in range(ROUND_TRIPS):
        started = time.perf_counter()
        back = asyncio.ensure_future(ours.receive_all(1))
        await asyncio.sleep(0)
        ours.channel.send(bytes(SMALL_SIZE))
        await back
        trips.append(time.perf_counter() - started)
    theirs.answer = None
    bulk = await rate(bytes(BULK_SIZE), BULK_COUNT)
    small = await rate(bytes(SMALL_SIZE), BARE_SMALL_COUNT)
    await ours.stop()
    await theirs.stop()
    return statistics.median(trips), small, bulk * BULK_SIZE / 1e6


async def _ours() -> tuple[float, float, float]:
    """Measure two links: the same three."""
    channels = WebRtcChannels(include_loopback=True)
    ends = await connected(channels, channels)
    secrets = bytes(32), bytes([1]) * 32
    links = [
        Link(end, derive_link_keys(*secrets, is_controlling=side))
        for end, side in zip(ends, (True, False), strict=True)
    ]
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as opening:
            for link in links:
                opening.start_soon(nursery.start, link.run)
        ours, theirs = links
        trip = await _round_trip(ours, theirs)
        bulk = await _rate(ours, theirs, Frame(bytes(BULK_SIZE)), BULK_COUNT)
        small = await _rate(ours, theirs, Frame(bytes(SMALL_SIZE)), SMALL_COUNT)
        nursery.cancel_scope.cancel()
    return trip, small, bulk * BULK_SIZE / 1e6


async def _round_trip(ours: Link, theirs: Link) -> float:
    async def echo() -> None:
        async for batch in theirs.incoming:
            for frame in batch:
                theirs.send_nowait(frame)

    trips = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(echo)
        for _ in range(ROUND_TRIPS):
            started = time.perf_counter()
            ours.send_nowait(Frame(bytes(SMALL_SIZE)))
            await ours.incoming.receive()
            trips.append(time.perf_counter() - started)
        nursery.cancel_scope.cancel()
    return statistics.median(trips)


async def _rate(ours: Link, theirs: Link, frame: Frame, count: int) -> float:
    async def send() -> None:
        for _ in range(count):
            try:
                ours.send_nowait(frame)
            except trio.WouldBlock:
                await ours.room()
                ours.send_nowait(frame)

    started = time.perf_counter()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        received = 0
        while received < count:
            received += len(await theirs.incoming.receive())
    return count / (time.perf_counter() - started)


def _machine_rate() -> float:
    """Small frames per second through two machines and their seals, without any channel."""
    now = Instant(0.0)
    sender, receiver = _open_machines(now)
    batch = tuple([Frame(bytes(SMALL_SIZE))] * 75)
    steps = WINDOW // (75 * (SMALL_SIZE + FRAME_OVERHEAD))
    started = time.perf_counter()
    for _ in range(steps):
        sender, effects = machine.step(sender, machine.FramesReady(batch), now=now)
        for record in _records(effects):
            receiver, delivered = machine.step(receiver, machine.RecordArrived(record), now=now)
            assert isinstance(delivered[0], machine.Deliver)
            receiver, _ = machine.step(receiver, machine.Consumed(delivered[0].size), now=now)
    return steps * len(batch) / (time.perf_counter() - started)


def _open_machines(now: Instant) -> list[machine.State]:
    states: list[machine.State] = []
    mail: tuple[list[bytes], list[bytes]] = ([], [])
    for side in (0, 1):
        keys = derive_link_keys(bytes(32), bytes(32), is_controlling=side == 0)
        state, effects = machine.begin(keys, exporter=bytes(32), now=now)
        states.append(state)
        mail[1 - side].extend(_records(effects))
    while mail[0] or mail[1]:
        for side in (0, 1):
            while mail[side]:
                arrived = machine.RecordArrived(mail[side].pop(0))
                states[side], effects = machine.step(states[side], arrived, now=now)
                mail[1 - side].extend(_records(effects))
    return states


def _records(effects: Iterable[machine.Effect]) -> list[bytes]:
    return [r for effect in effects if isinstance(effect, machine.Transmit) for r in effect.records]


def main() -> list[Figure]:
    """Measure both, and the machine alone."""

    async def both() -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
        rounds = [(await aio(_bare), await _ours()) for _ in range(ROUNDS)]
        return [one for one, _ in rounds], [other for _, other in rounds]

    bare, ours = ([statistics.median(one) for one in zip(*side, strict=True)] for side in run(both))
    note = f"{SMALL_SIZE} B"
    return [
        Figure("raw aiortc, round trip p50", bare[0] * 1e6, "µs", note),
        Figure("link, round trip p50", ours[0] * 1e6, "µs", note, "raw aiortc, round trip p50"),
        Figure("raw aiortc, small messages", bare[1], "/s", note),
        Figure("link, small frames", ours[1], "/s", note, "raw aiortc, small messages"),
        Figure("raw aiortc, bulk", bare[2], "MB/s", "16 KiB messages"),
        Figure("link, bulk", ours[2], "MB/s", "16 KiB frames", "raw aiortc, bulk"),
        Figure("link machine and seal alone", _machine_rate(), "/s", f"{note}, 75 in a record"),
    ]


if __name__ == "__main__":
    print_figures(main())
