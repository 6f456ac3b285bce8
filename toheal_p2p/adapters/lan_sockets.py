"""The local network by real sockets: `ports.lan` over UDP multicast and TCP.

One socket per spot hears the group of mDNS on one interface and nothing else; it is bound to the
group's own address where the system allows that, so that nothing sent to us alone comes in by it.

Source: RFC 6762, section 11. Spec: docs/protocol/lan.md, sections 3 and 5.
"""

from __future__ import annotations

import errno
import socket as constants
import struct
import sys
from contextlib import suppress
from typing import Any, Final

import trio
from attrs import define, field

from toheal_p2p.adapters.lan_interfaces import find_segments, is_on
from toheal_p2p.ports.lan import LanFailed, Segment

MDNS_PORT: Final = 5353
GROUP_V4: Final = "224.0.0.251"
GROUP_V6: Final = "ff02::fb"

PACKET_MOST: Final = 9000
"""Bytes of a packet that are read: more than are looked at, so that a long one is seen to be one."""

SILENCE_LONGEST: Final = 5000
"""Milliseconds data may go unanswered before TCP gives up: who has left the room is noticed soon."""

BACKLOG: Final = 32
"""Connections that wait to be accepted."""

CROWDED_PAUSE: Final = 0.2
"""Seconds to wait when the system has no room for another connection."""

_TTL: Final = 255
_TCP_USER_TIMEOUT: Final = 18
_IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 49, 29
_NO_ROOM: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ECONNABORTED}


@define
class SocketLan:
    """`ports.lan.Lan` over the real network."""

    include_loopback: bool = False
    """Meet on 127.0.0.1 too: for tests, and for trying things out on one machine."""

    def segments(self) -> tuple[Segment, ...]:
        """Return the networks one could meet on just now."""
        return find_segments(include_loopback=self.include_loopback)

    async def open(self, segment: Segment) -> SocketSpot:
        """Open a spot; see `ports.lan.Lan`."""
        await trio.lowlevel.checkpoint()
        group = listener = None
        try:
            group = _group_socket(segment)
            listener = await _listen(segment)
            return SocketSpot(segment, group, listener, int(listener.getsockname()[1]))
        except OSError as failure:
            for opened in (group, listener):
                if opened is not None:
                    opened.close()
            raise LanFailed(failure.strerror or "no socket") from None


@define(eq=False)
class SocketSpot:
    """`ports.lan.Spot` on one interface."""

    segment: Segment
    _group: trio.socket.SocketType = field(repr=False)
    _listener: trio.socket.SocketType = field(repr=False)
    port: int

    async def tell(self, packet: bytes) -> None:
        """Send a packet to the group; see `ports.lan.Spot`."""
        group = GROUP_V6 if self.segment.is_v6 else GROUP_V4
        try:
            await self._group.sendto(packet, _address(self.segment, group, MDNS_PORT))
        except OSError as failure:
            raise LanFailed(failure.strerror or "not sent") from None

    async def hear(self) -> tuple[bytes, str]:
        """Wait for a packet of a machine on the segment; see `ports.lan.Spot`."""
        while True:
            try:
                packet, sender = await self._group.recvfrom(PACKET_MOST)
            except OSError as failure:
                raise LanFailed(failure.strerror or "not heard") from None
            host = _host_of(sender)
            if is_on(self.segment, host):
                return packet, host

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
        """Stop hearing and listening; see `ports.lan.Spot`."""
        self._group.close()
        self._listener.close()
        await trio.lowlevel.checkpoint()


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


async def _listen(segment: Segment) -> trio.socket.SocketType:
    socket = trio.socket.socket(_family(segment), constants.SOCK_STREAM)
    try:
        await socket.bind(_address(segment, segment.host, 0))
        socket.listen(BACKLOG)
    except BaseException:
        socket.close()
        raise
    return socket


def _group_socket(segment: Segment) -> trio.socket.SocketType:
    """Open a socket that hears the group on one interface, and speaks to it there."""
    plain = constants.socket(_family(segment), constants.SOCK_DGRAM)
    try:
        plain.setsockopt(constants.SOL_SOCKET, constants.SO_REUSEADDR, 1)
        if hasattr(constants, "SO_REUSEPORT"):  # other programs hear the group as well
            plain.setsockopt(constants.SOL_SOCKET, constants.SO_REUSEPORT, 1)
        _join_v6(plain, segment) if segment.is_v6 else _join_v4(plain, segment)
        return trio.socket.from_stdlib_socket(plain)
    except BaseException:
        plain.close()
        raise


def _join_v4(plain: constants.socket, segment: Segment) -> None:
    ip = constants.IPPROTO_IP
    plain.bind(("" if sys.platform == "win32" else GROUP_V4, MDNS_PORT))
    group, ours = constants.inet_aton(GROUP_V4), constants.inet_aton(segment.host)
    if sys.platform == "linux":
        by_index = struct.pack("4s4si", bytes(4), ours, segment.index)
        plain.setsockopt(ip, constants.IP_MULTICAST_IF, by_index)
        plain.setsockopt(ip, _IP_MULTICAST_ALL, 0)
        membership = struct.pack("4s4si", group, bytes(4), segment.index)
    else:
        plain.setsockopt(ip, constants.IP_MULTICAST_IF, ours)
        membership = group + ours
    plain.setsockopt(ip, constants.IP_ADD_MEMBERSHIP, membership)
    plain.setsockopt(ip, constants.IP_MULTICAST_TTL, _TTL)
    plain.setsockopt(ip, constants.IP_MULTICAST_LOOP, 1)


def _join_v6(plain: constants.socket, segment: Segment) -> None:
    ip = constants.IPPROTO_IPV6
    plain.setsockopt(ip, constants.IPV6_V6ONLY, 1)
    host = "" if sys.platform == "win32" else GROUP_V6
    plain.bind((host, MDNS_PORT, 0, segment.index))
    if sys.platform == "linux":
        with suppress(OSError):  # older kernels hear other interfaces too; the address tells
            plain.setsockopt(ip, _IPV6_MULTICAST_ALL, 0)
    membership = constants.inet_pton(constants.AF_INET6, GROUP_V6) + struct.pack(
        "@I", segment.index
    )
    plain.setsockopt(ip, constants.IPV6_JOIN_GROUP, membership)
    plain.setsockopt(ip, constants.IPV6_MULTICAST_IF, segment.index)
    plain.setsockopt(ip, constants.IPV6_MULTICAST_HOPS, _TTL)
    plain.setsockopt(ip, constants.IPV6_MULTICAST_LOOP, 1)


def _family(segment: Segment) -> constants.AddressFamily:
    return constants.AF_INET6 if segment.is_v6 else constants.AF_INET


def _address(segment: Segment, host: str, port: int) -> tuple[Any, ...]:
    return (host, port, 0, segment.index) if segment.is_v6 else (host, port)


def _host_of(sender: Any) -> str:
    """Return the numeric address in what the system told of a sender, without a scope."""
    return str(sender[0]).partition("%")[0]
