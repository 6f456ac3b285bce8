"""The local network by real sockets: `ports.lan` over TCP, with python-zeroconf to be found and to find.

Streams are trio's. What is announced is on the asyncio loop: `open` a spot under `bridge.run` only.

Spec: docs/protocol/lan.md, sections 3 and 5.
"""

from __future__ import annotations

import errno
import socket as constants
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import trio
from attrs import define, field

from toheal_p2p.adapters.lan_interfaces import find_segments, is_on
from toheal_p2p.ports.lan import Appeared, LanFailed, Segment, Vanished
from toheal_protocol.machines.lan_names import Names

if TYPE_CHECKING:
    from toheal_p2p.adapters.lan_zeroconf import Announcement

SILENCE_LONGEST: Final = 5000
"""Milliseconds data may go unanswered before TCP gives up: who has left the room is noticed soon."""

BACKLOG: Final = 32
"""Connections that wait to be accepted."""

CROWDED_PAUSE: Final = 0.2
"""Seconds to wait when the system has no room for another connection."""

_TCP_USER_TIMEOUT: Final = 18
_NO_ROOM: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ECONNABORTED}


@define
class SocketLan:
    """`ports.lan.Lan` over the real network."""

    include_loopback: bool = False
    """Meet on 127.0.0.1 too: for tests, and for trying things out on one machine."""

    def segments(self) -> tuple[Segment, ...]:
        """Return the networks one could meet on just now."""
        return find_segments(include_loopback=self.include_loopback)

    async def look(self, segment: Segment, label: str) -> SocketLookout:
        """Ask who is there; see `ports.lan.Lan`."""
        from toheal_p2p.adapters.lan_zeroconf import Announcement

        announcement = Announcement(segment, label)
        await announcement.open()
        return SocketLookout(segment, announcement)

    async def open(
        self, segment: Segment, names: Names, *, heard: tuple[str, ...] = ()
    ) -> SocketSpot:
        """Open a spot; see `ports.lan.Lan`."""
        from toheal_p2p.adapters.lan_zeroconf import Announcement  # 0.03 s, for those who meet

        try:  # first: where the address is gone, the library would leave a socket behind
            listener = await _listen(segment, names.port)
        except OSError as failure:
            raise LanFailed(failure.strerror or "no socket") from None
        port = int(listener.getsockname()[1])
        announcement = Announcement(segment, names.label, names, port, heard)
        try:
            await announcement.open()
        except BaseException:
            listener.close()
            raise
        return SocketSpot(segment, announcement, listener, port)


@define(eq=False)
class SocketLookout:
    """`ports.lan.Lookout` on one interface."""

    segment: Segment
    _announcement: Announcement = field(repr=False)

    @property
    def has_heard_others(self) -> bool:
        """Whether any other machine announced anything here."""
        return self._announcement.has_heard_others

    async def hear(self) -> Appeared | Vanished:
        """Wait for news of somebody under our label; see `ports.lan.Spot`."""
        try:
            return await self._announcement.news.receive()
        except trio.EndOfChannel:
            raise LanFailed("closed") from None

    async def connect(self, host: str, port: int) -> SocketLanStream:
        """Connect to a machine of the segment; see `ports.lan.Spot`."""
        if not is_on(self.segment, host):
            raise LanFailed("not on this network")
        socket = trio.socket.socket(_family(self.segment), constants.SOCK_STREAM)
        try:
            await socket.bind(_address(self.segment, self.segment.host, 0))
            await socket.connect(_address(self.segment, host, port))
            return _stream(socket, host)
        except OSError as failure:
            socket.close()
            raise LanFailed(failure.strerror or "not connected") from None
        except BaseException:
            socket.close()
            raise

    async def aclose(self) -> None:
        """Ask and hear no more; see `ports.lan.Lookout`."""
        await self._announcement.aclose()


@define(eq=False)
class SocketSpot(SocketLookout):
    """`ports.lan.Spot` on one interface."""

    _listener: trio.socket.SocketType = field(repr=False)
    port: int

    async def accept(self) -> SocketLanStream:
        """Wait until a machine of the segment connects; see `ports.lan.Spot`."""
        while True:
            try:
                socket, sender = await self._listener.accept()
            except OSError as failure:
                if failure.errno not in _NO_ROOM:
                    raise LanFailed(failure.strerror or "not accepted") from None
                await trio.sleep(CROWDED_PAUSE)
                continue
            if is_on(self.segment, _host_of(sender)):
                return _stream(socket, _host_of(sender))
            socket.close()

    async def aclose(self) -> None:
        """Be announced and listen no more; see `ports.lan.Spot`."""
        self._listener.close()
        await super().aclose()


@define(eq=False)
class SocketLanStream:
    """`ports.lan.LanStream` over TCP."""

    _stream: trio.SocketStream
    host: str

    async def send_all(self, some: bytes) -> None:
        """Send all of it; see `ports.lan.LanStream`."""
        try:
            await self._stream.send_all(some)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise LanFailed("the connection is lost") from None

    async def receive_some(self, most: int) -> bytes:
        """Return what has arrived; see `ports.lan.LanStream`."""
        try:
            return bytes(await self._stream.receive_some(most))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise LanFailed("the connection is lost") from None

    async def aclose(self) -> None:
        """Close it; see `ports.lan.LanStream`."""
        await self._stream.aclose()


def _stream(socket: trio.socket.SocketType, host: str) -> SocketLanStream:
    if sys.platform == "linux":
        with suppress(OSError):
            socket.setsockopt(constants.IPPROTO_TCP, _TCP_USER_TIMEOUT, SILENCE_LONGEST)
    return SocketLanStream(trio.SocketStream(socket), host)


async def _listen(segment: Segment, port: int) -> trio.socket.SocketType:
    """Listen on this port, or on another one if somebody else does."""
    for wanted in (port, 0):
        socket = trio.socket.socket(_family(segment), constants.SOCK_STREAM)
        try:
            await socket.bind(_address(segment, segment.host, wanted))
            socket.listen(BACKLOG)
            return socket
        except OSError as failure:
            socket.close()
            if failure.errno != errno.EADDRINUSE or not wanted:
                raise
        except BaseException:
            socket.close()
            raise
    raise AssertionError("a port of the system's own choice is free")


def _family(segment: Segment) -> constants.AddressFamily:
    return constants.AF_INET6 if segment.is_v6 else constants.AF_INET


def _address(segment: Segment, host: str, port: int) -> tuple[Any, ...]:
    return (host, port, 0, segment.index) if segment.is_v6 else (host, port)


def _host_of(sender: Any) -> str:
    """Return the numeric address in what the system told of a sender, without a scope."""
    return str(sender[0]).partition("%")[0]
