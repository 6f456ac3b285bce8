"""Datagrams that came together: read in one go, put together where they are alike, sent in one go.

What somebody says in many packets comes as bursts of packets of one size. Everything that is looked
up, checked and counted for the first of them holds for all, and the kernel takes them in one call.

Spec: docs/protocol/turn.md, section 2. Why: docs/decisions/0071.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Hashable, Iterable
from itertools import repeat
from typing import Any, Final, TypeAlias, TypeVar

from toheal_protocol.wire.stun import MAX_STUN_SIZE

DRAIN: Final = 64
"""Datagrams read per wake-up: a wake-up costs as much as several of them, and the others wait."""

_UDP_SEGMENT: Final = 103
"""Linux: cut what one call sends into datagrams of this size (linux/udp.h; not in Python 3.11)."""

_MOST_SEGMENTS: Final = 64
"""Datagrams the kernel cuts one call into (UDP_MAX_SEGMENTS; newer kernels take twice as many)."""

_MOST_BYTES: Final = 65_507
"""Bytes of one call: what one datagram of IPv4 could hold (RFC 768 and RFC 791)."""

Sender = TypeVar("Sender", bound=Hashable)

Burst: TypeAlias = tuple[Sender, list[bytes]]
"""Packets of one sender and one size, in the order in which they came."""


def read_bursts(bound: socket.socket, alike: int) -> list[Burst[Any]]:
    """Read what has come to a socket, `DRAIN` datagrams at most, up to the first error: there is
    nothing more, or an ICMP error came back.

    What is longer than any packet we pass on is cut to one byte too many, which tells it.
    """
    bursts: list[Burst[Any]] = []
    try:
        gather(bursts, map(bound.recvfrom, repeat(MAX_STUN_SIZE + 1, DRAIN)), alike)
    except OSError:
        pass
    return bursts


def read_first(bound: socket.socket) -> list[Burst[Any]]:
    """Read one datagram, cut as in `read_bursts`; nothing if there is none."""
    try:
        packet, sender = bound.recvfrom(MAX_STUN_SIZE + 1)
    except OSError:
        return []
    return [(sender, [packet])]


def gather(
    bursts: list[Burst[Sender]], arrived: Iterable[tuple[bytes, Sender]], alike: int
) -> None:
    """Put packets together that are alike: of one sender, one size, with the same `alike` first bytes.

    What one sender sent stays in order; what several sent at the same time need not.
    """
    latest: dict[Sender, list[bytes]] = {}
    burst: list[bytes] = []
    speaker, size, head = None, -1, b""
    for packet, sender in arrived:
        if sender != speaker or len(packet) != size or packet[:alike] != head:
            speaker, size, head = sender, len(packet), packet[:alike]
            known = latest.get(sender)
            if known is None or len(known[0]) != size or known[0][:alike] != head:
                known = latest[sender] = []
                bursts.append((sender, known))
            burst = known
        burst.append(packet)


def cut(block: bytes, size: int) -> list[bytes]:
    """Return the packets of `size` bytes that a block is made of."""
    return [block[at : at + size] for at in range(0, len(block), size)]


class DatagramSender:
    """Sends from a UDP socket. What cannot be sent is lost, as anything may be over UDP."""

    __slots__ = ("_cuts", "_sendto", "_socket")

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self._sendto = bound.sendto
        self._cuts = cuts_datagrams(bound)

    def send(self, block: bytes, size: int, to: Any, /) -> None:
        """Send packets of `size` bytes, of which `block` is made; one packet if it is no longer."""
        if len(block) <= size:
            try:
                self._sendto(block, to)
            except OSError:  # no room, or no way there
                pass
            return
        step = size * min(_MOST_SEGMENTS, _MOST_BYTES // size)
        for at in range(0, len(block), step):
            self._send_several(block[at : at + step], size, to)

    def _send_several(self, part: bytes, size: int, to: Any) -> None:
        if self._cuts and len(part) > size:
            how = (socket.IPPROTO_UDP, _UDP_SEGMENT, struct.pack("=H", size))
            try:
                self._socket.sendmsg((part,), (how,), 0, to)
            except OSError:  # no room for all, or too long for this way in one piece: nothing went
                pass
            else:
                return
        for packet in cut(part, size):
            try:
                self._sendto(packet, to)
            except OSError:  # no room, or no way there
                pass


def cuts_datagrams(bound: socket.socket) -> bool:
    """Say whether the kernel cuts what one call sends into datagrams.

    It has to be asked: a kernel that does not know the word would send one datagram of 64 kB.
    """
    if sys.platform != "linux":
        return False
    try:
        bound.getsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT)
    except OSError:
        return False
    return True
