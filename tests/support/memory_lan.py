"""A local network in memory, for tests of meeting in virtual time. `MemoryHost` fulfils `ports.lan.Lan`.

Each host has one address on one network. Whoever opens a spot is told at once who is announced there
under the same label, and they are told of it. Multicast can be blocked, hosts can walk away, and
everything that was ever announced or sent is kept for whoever wants to look at it.
"""

from __future__ import annotations

import math
from itertools import count

import trio
from attrs import define, evolve, field, frozen

from toheal_p2p.ports.lan import Appeared, LanFailed, LanStream, Segment, Vanished
from toheal_protocol.machines.lan_names import Names

DELAY = 0.001
"""Seconds a packet takes."""

SOMEBODY = Names("a" * 14, "b" * 16, "c" * 16, 40_000)
"""Names for whoever needs no others."""


@frozen
class Sent:
    """Bytes of a stream."""

    at: float
    host: str
    to: str
    bytes: bytes


@frozen
class Announced:
    """Somebody was announced; `names` with the port where they listen."""

    at: float
    host: str
    names: Names


@define(eq=False)
class MemoryNetwork:
    """One room's network."""

    blocks_multicast: bool = False
    announced: list[Announced] = field(factory=list)
    sent: list[Sent] = field(factory=list)
    spots: list[MemorySpot] = field(factory=list)
    streams: list[MemoryLanStream] = field(factory=list)
    _hosts: count[int] = field(factory=lambda: count(1))

    def host(self) -> MemoryHost:
        """Let one more machine join."""
        return MemoryHost(self, f"192.0.2.{next(self._hosts)}")


@define(eq=False)
class MemoryHost:
    """One machine's view of its networks."""

    network: MemoryNetwork
    address: str
    is_here: bool = True
    more: tuple[Segment, ...] = ()
    """Further addresses of it, on the same network."""

    def segments(self) -> tuple[Segment, ...]:
        return (Segment("room0", 1, self.address, 24), *self.more) if self.is_here else ()

    async def look(self, segment: Segment, label: str) -> MemorySpot:
        await trio.sleep(DELAY)
        if not self.is_here:
            raise LanFailed("gone")
        spot = MemorySpot(self, evolve(SOMEBODY, label=label), is_hidden=True)
        spot.announce()
        return spot

    async def open(
        self, segment: Segment, names: Names, *, heard: tuple[str, ...] = ()
    ) -> MemorySpot:
        await trio.sleep(DELAY)
        if not self.is_here:
            raise LanFailed("gone")
        taken = {spot.port for spot in self.network.spots if spot.host is self}
        port = next(port for port in count(names.port) if port not in taken)
        spot = MemorySpot(self, evolve(names, port=port), heard, address=segment.host)
        spot.announce()
        return spot

    def walk_away(self) -> None:
        """Out of reach at once; what is on its way is lost, and nobody is told."""
        self.is_here = False

    def come_back(self) -> None:
        self.is_here = True


@define(eq=False)
class MemorySpot:
    """Fulfils `ports.lan.Spot`, and hidden `ports.lan.Lookout`."""

    host: MemoryHost
    names: Names
    heard: tuple[str, ...] = ()
    """Labels that are listened for; who said them before this was opened is not told of."""
    is_hidden: bool = False
    address: str = ""
    has_heard_others: bool = False
    _heard: trio.MemorySendChannel[Appeared | Vanished] = field(init=False)
    _hearing: trio.MemoryReceiveChannel[Appeared | Vanished] = field(init=False)
    _came: trio.MemorySendChannel[MemoryLanStream] = field(init=False)
    _coming: trio.MemoryReceiveChannel[MemoryLanStream] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._heard, self._hearing = trio.open_memory_channel(1000)
        self._came, self._coming = trio.open_memory_channel(math.inf)

    @property
    def port(self) -> int:
        return self.names.port

    @property
    def shown(self) -> Appeared:
        """What others hear of it."""
        return Appeared(self.names.instance, self.address, self.port)

    def announce(self) -> None:
        network = self.host.network
        network.spots.append(self)
        if not self.is_hidden:
            network.announced.append(Announced(trio.current_time(), self.host.address, self.names))
        for other in network.spots:
            if self._is_heard_by(other):
                if not self.is_hidden:
                    other.take(self, self.shown)
                if not other.is_hidden and other.names.label == self.names.label:
                    self.take(other, other.shown)

    def announce_again(self) -> None:
        """Say it once more, as the real one does each minute."""
        for other in self.host.network.spots:
            if self._is_heard_by(other) and self.names.label in other.heard and not self.is_hidden:
                other.take(self, self.shown)

    def take(self, sender: MemorySpot, news: Appeared | Vanished) -> None:
        """Have it hear something of somebody's."""
        self.has_heard_others = self.has_heard_others or sender.host is not self.host
        if sender.names.label in (self.names.label, *self.heard):
            self.tell(news)

    def tell(self, news: Appeared | Vanished) -> None:
        """Have it hear this, whoever said it."""
        try:
            self._heard.send_nowait(news)
        except (trio.WouldBlock, trio.BrokenResourceError):
            pass  # as the real one: lost

    def _is_heard_by(self, other: MemorySpot) -> bool:
        is_own_machine = other.host is self.host
        are_here = self.host.is_here and other.host.is_here
        return are_here and (is_own_machine or not self.host.network.blocks_multicast)

    async def hear(self) -> Appeared | Vanished:
        try:
            while True:
                with trio.move_on_after(60):
                    return await self._hearing.receive()
                self.announce_again()
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
            is_it = spot.address == host and spot.port == port and not spot.is_hidden
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
            for other in self.host.network.spots:
                if self._is_heard_by(other) and not self.is_hidden:
                    other.take(self, Vanished(self.names.instance))
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
