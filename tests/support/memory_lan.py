"""A local network in memory, for tests of meeting in virtual time. `MemoryHost` fulfils `ports.lan.Lan`.

Each host has one address on one network. Multicast can be blocked, hosts can walk away, and everything
that was ever sent is kept for whoever wants to look at it.
"""

from __future__ import annotations

import math
from itertools import count

import trio
from attrs import define, field, frozen

from toheal_p2p.ports.lan import LanFailed, LanStream, Segment

DELAY = 0.001
"""Seconds a packet takes."""


@frozen
class Sent:
    """Something that was on the network: a packet to the group, or bytes of a stream."""

    at: float
    host: str
    to: str
    bytes: bytes


@define(eq=False)
class MemoryNetwork:
    """One room's network."""

    blocks_multicast: bool = False
    sent: list[Sent] = field(factory=list)
    spots: list[MemorySpot] = field(factory=list)
    streams: list[MemoryLanStream] = field(factory=list)
    _hosts: count[int] = field(factory=lambda: count(1))
    _ports: count[int] = field(factory=lambda: count(40_000))

    def host(self) -> MemoryHost:
        """Let one more machine join."""
        return MemoryHost(self, f"192.0.2.{next(self._hosts)}")

    def packets(self) -> list[Sent]:
        """Everything that was said to the group."""
        return [one for one in self.sent if one.to == "group"]


@define(eq=False)
class MemoryHost:
    """One machine's view of its networks."""

    network: MemoryNetwork
    address: str
    is_here: bool = True

    def segments(self) -> tuple[Segment, ...]:
        return (Segment("room0", 1, self.address, 24),) if self.is_here else ()

    async def open(self, segment: Segment) -> MemorySpot:
        await trio.lowlevel.checkpoint()
        if not self.is_here:
            raise LanFailed("gone")
        spot = MemorySpot(self, next(self.network._ports))
        self.network.spots.append(spot)
        return spot

    def walk_away(self) -> None:
        """Out of reach at once; what is on its way is lost, and nobody is told."""
        self.is_here = False

    def come_back(self) -> None:
        self.is_here = True


@define(eq=False)
class MemorySpot:
    """Fulfils `ports.lan.Spot`."""

    host: MemoryHost
    port: int
    _heard: trio.MemorySendChannel[tuple[bytes, str]] = field(init=False)
    _hearing: trio.MemoryReceiveChannel[tuple[bytes, str]] = field(init=False)
    _came: trio.MemorySendChannel[MemoryLanStream] = field(init=False)
    _coming: trio.MemoryReceiveChannel[MemoryLanStream] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._heard, self._hearing = trio.open_memory_channel(1000)
        self._came, self._coming = trio.open_memory_channel(math.inf)

    async def tell(self, packet: bytes) -> None:
        await trio.sleep(DELAY)
        network = self.host.network
        if not self.host.is_here:
            raise LanFailed("gone")
        network.sent.append(Sent(trio.current_time(), self.host.address, "group", packet))
        for spot in list(network.spots):
            is_own_machine = spot.host is self.host
            if spot.host.is_here and (is_own_machine or not network.blocks_multicast):
                spot.take(packet, self.host.address)

    def take(self, packet: bytes, host: str) -> None:
        """Have it hear a packet."""
        try:
            self._heard.send_nowait((packet, host))
        except (trio.WouldBlock, trio.BrokenResourceError):
            pass  # as a full socket buffer: lost

    async def hear(self) -> tuple[bytes, str]:
        try:
            return await self._hearing.receive()
        except trio.EndOfChannel:
            raise LanFailed("closed") from None

    async def accept(self) -> LanStream:
        try:
            return await self._coming.receive()
        except trio.EndOfChannel:
            raise LanFailed("closed") from None

    async def connect(self, host: str, port: int) -> LanStream:
        await trio.sleep(DELAY)
        network = self.host.network
        for spot in network.spots:
            is_it = spot.host.address == host and spot.port == port
            if is_it and spot.host.is_here and self.host.is_here:
                ours, theirs = (
                    MemoryLanStream(self.host, host),
                    MemoryLanStream(spot.host, self.host.address),
                )
                ours.other, theirs.other = theirs, ours
                network.streams += [ours, theirs]
                spot._came.send_nowait(theirs)
                return ours
        raise LanFailed("nobody there")

    async def aclose(self) -> None:
        if self in self.host.network.spots:
            self.host.network.spots.remove(self)
        self._heard.close()
        self._came.close()
        await trio.lowlevel.checkpoint()


@define(eq=False)
class MemoryLanStream:
    """Fulfils `ports.lan.LanStream`."""

    owner: MemoryHost
    host: str
    other: MemoryLanStream | None = None
    is_closed: bool = False
    is_at_end: bool = False
    _unread: bytearray = field(factory=bytearray)
    _changed: trio.Event = field(factory=trio.Event)

    async def send_all(self, some: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_closed or self.other is None or self.other.is_closed:
            raise LanFailed("lost")
        network = self.owner.network
        network.sent.append(Sent(trio.current_time(), self.owner.address, self.host, some))
        if self.owner.is_here and self.other.owner.is_here:
            self.other._unread += some
            self.other._changed.set()

    async def receive_some(self, most: int) -> bytes:
        while not self._unread:
            if self.is_closed:
                raise LanFailed("closed")
            if self.is_at_end:
                return b""
            self._changed = trio.Event()
            await self._changed.wait()
        await trio.lowlevel.checkpoint()
        some = bytes(self._unread[:most])
        del self._unread[:most]
        return some

    async def aclose(self) -> None:
        self.is_closed = True
        self._changed.set()
        other = self.other
        if other is not None and self.owner.is_here and other.owner.is_here:
            other.is_at_end = True
            other._changed.set()
        await trio.lowlevel.checkpoint()
