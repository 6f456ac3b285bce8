"""What meeting in one room needs from the world: networks, being found on them, and streams.

A *segment* is one of this machine's network interfaces with one of its addresses. On a segment a
*spot* is opened: it announces us there, says who else is announced, and listens for streams.
Everything that comes out of a spot was chosen by strangers.
"""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from toheal_protocol.machines.lan_names import Names


class LanFailed(Exception):
    """This network does not let us, or does not any more."""


@frozen
class Segment:
    """One interface with one of its addresses: `host` is numeric, without a scope."""

    name: str
    index: int
    host: str
    prefix: int
    """Bits of the address that all machines of this network have in common."""

    @property
    def is_v6(self) -> bool:
        """Whether the address is one of IPv6."""
        return ":" in self.host


@frozen
class Appeared:
    """Somebody is announced under our label, at an address of the segment: or so somebody says."""

    instance: str
    host: str
    port: int


@frozen
class Vanished:
    """An instance is announced no more, or a stranger says so."""

    instance: str


class LanStream(Protocol):
    """Bytes both ways, in order, to one machine of the segment."""

    host: str
    """The other machine's address, numeric, without a scope."""

    async def send_all(self, some: bytes) -> None:
        """Send all of it.

        Raises:
            LanFailed: the connection is lost.
        """
        ...

    async def receive_some(self, most: int) -> bytes:
        """Wait for bytes and return at most `most` of them; empty at the end.

        Raises:
            LanFailed: the connection is lost.
        """
        ...

    async def aclose(self) -> None:
        """Close it; what was sent still arrives. A second call does nothing."""
        ...


class Lookout(Protocol):
    """A view of who is announced on one segment under one label; nobody hears of us but by its question."""

    async def hear(self) -> Appeared | Vanished:
        """Wait for news; as `Spot.hear`."""
        ...

    async def connect(self, host: str, port: int) -> LanStream:
        """Connect to a machine of the segment; as `Spot.connect`."""
        ...

    async def aclose(self) -> None:
        """Ask and hear no more; streams stay. A second call does nothing."""
        ...


class Spot(Protocol):
    """Our place on one segment, until it is closed."""

    port: int
    """Where it listens."""

    @property
    def has_heard_others(self) -> bool:
        """Whether any other machine announced anything here since it was opened."""
        ...

    async def hear(self) -> Appeared | Vanished:
        """Wait for news of somebody under our label, ourselves included; the same may come again.

        Raises:
            LanFailed: the network is gone.
        """
        ...

    async def accept(self) -> LanStream:
        """Wait until somebody connects.

        Raises:
            LanFailed: the network is gone.
        """
        ...

    async def connect(self, host: str, port: int) -> LanStream:
        """Connect to a machine of the segment.

        Raises:
            LanFailed: nobody answers there, or it is not on the segment.
        """
        ...

    async def aclose(self) -> None:
        """Be announced and listen no more, after about a quarter of a second; streams stay.

        Nothing is sent afterwards. A second call does nothing.
        """
        ...


class Lan(Protocol):
    """This machine's networks."""

    def segments(self) -> tuple[Segment, ...]:
        """Return the networks one could meet on just now: up, multicast, and not point-to-point."""
        ...

    async def look(self, segment: Segment, label: str) -> Lookout:
        """Ask who is announced under a label on a segment, without being announced or listening.

        Raises:
            LanFailed: the network is gone, or the system refuses.
        """
        ...

    async def open(self, segment: Segment, names: Names, *, heard: tuple[str, ...] = ()) -> Spot:
        """Be found on a segment under these names, at their port or, if that is taken, another one.

        Args:
            heard: labels of which nothing is ever said; who announces them by themselves is told of.

        Raises:
            LanFailed: the network is gone, or the system refuses.
        """
        ...
