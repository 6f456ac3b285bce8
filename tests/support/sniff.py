"""Who talks to whom by what: every packet at one interface, read in place.

Only as much of Ethernet, IPv4, IPv6, UDP and TCP is understood as is needed to tell the two ends,
the transport and what it carried. Anything else counts as a packet of an unknown protocol.
Needs root on Linux.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from attrs import define, field, frozen

from tests.support.netlab import Namespace
from tests.support.parts import SKIP_PREFIX

ALL_KINDS = 0x0003
"""ETH_P_ALL: every packet, in and out."""
OUTGOING = 4
"""PACKET_OUTGOING: the kernel's word for a packet that leaves by this interface."""
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
TCP, UDP = 6, 17
PIECE = 65536
SO_RCVBUFFORCE = 33
"""Not in the `socket` module: a buffer beyond what ordinary users may have."""


@frozen
class Packet:
    """One packet. Addresses and ports are empty and 0 where it has none."""

    is_outgoing: bool
    kind: int
    """Of Ethernet: IPV4, IPV6, ARP, ..."""
    protocol: int = 0
    """Of IP: TCP, UDP, ..."""
    source: str = ""
    target: str = ""
    source_port: int = 0
    target_port: int = 0
    body: bytes = field(default=b"", repr=False)
    """What UDP or TCP carried, or all after the Ethernet header."""

    @property
    def ends(self) -> tuple[str, int, str, int]:
        return self.source, self.source_port, self.target, self.target_port


def read_packet(frame: bytes, *, is_outgoing: bool = False) -> Packet | None:
    """Read an Ethernet frame; None if it is too short to be one."""
    if len(frame) < 14:
        return None
    kind, rest = int.from_bytes(frame[12:14], "big"), frame[14:]
    read = {IPV4: _ipv4, IPV6: _ipv6}.get(kind)
    found = read(rest) if read is not None else None
    if found is None:
        return Packet(is_outgoing, kind, body=rest)
    protocol, source, target, inner, has_ports = found
    packet = Packet(is_outgoing, kind, protocol, source, target, body=inner)
    return _with_ports(packet, inner) if has_ports else packet


Found = tuple[int, str, str, bytes, bool]
"""Protocol, source, target, what follows, and whether that begins with ports."""


def _ipv4(rest: bytes) -> Found | None:
    size = (rest[0] & 15) * 4 if rest else 0
    if len(rest) < max(20, size):
        return None
    total = int.from_bytes(rest[2:4], "big")
    source, target = (str(ipaddress.IPv4Address(rest[at : at + 4])) for at in (12, 16))
    is_first = int.from_bytes(rest[6:8], "big") & 0x1FFF == 0
    return rest[9], source, target, rest[size:total], is_first


def _ipv6(rest: bytes) -> Found | None:
    if len(rest) < 40:
        return None
    total = 40 + int.from_bytes(rest[4:6], "big")
    source, target = (str(ipaddress.IPv6Address(rest[at : at + 16])) for at in (8, 24))
    return rest[6], source, target, rest[40:total], True


def _with_ports(packet: Packet, inner: bytes) -> Packet:
    header = {UDP: 8, TCP: 20}.get(packet.protocol, 0)
    if not header or len(inner) < header:
        return packet
    size = (inner[12] >> 4) * 4 if packet.protocol == TCP else header
    return Packet(
        packet.is_outgoing,
        packet.kind,
        packet.protocol,
        packet.source,
        packet.target,
        int.from_bytes(inner[:2], "big"),
        int.from_bytes(inner[2:4], "big"),
        inner[size:],
    )


@define(eq=False)
class Sniffer:
    """Everything that passed one interface while it listened."""

    _seen: list[tuple[bytes, bool]] = field(factory=list)
    _is_over: threading.Event = field(factory=threading.Event)

    def packets(self) -> list[Packet]:
        """Return the packets so far."""
        read = (read_packet(frame, is_outgoing=is_out) for frame, is_out in list(self._seen))
        return [packet for packet in read if packet is not None]

    def wanted(self, wish: Callable[[Packet], bool]) -> list[Packet]:
        return [packet for packet in self.packets() if wish(packet)]

    def contacts(self) -> set[tuple[str, int]]:
        """Return (address, IP protocol) of everything that was sent to."""
        return {(one.target, one.protocol) for one in self.packets() if one.is_outgoing} - {("", 0)}

    def pieces(self) -> list[bytes]:
        """Everything, for searches."""
        return [frame for frame, _is_outgoing in list(self._seen)]

    def streams(self) -> list[bytes]:
        """Return what each UDP or TCP flow carried in one direction, in the order it was seen.

        A repeated segment is there twice: good for searches, no reassembly.
        """
        flows: dict[tuple[object, ...], bytearray] = {}
        for one in self.packets():
            if one.protocol in (TCP, UDP):
                flows.setdefault((one.protocol, *one.ends), bytearray()).extend(one.body)
        return [bytes(flow) for flow in flows.values()]

    def listen(self, tap: socket.socket) -> None:
        tap.settimeout(0.1)
        while not self._is_over.is_set():
            try:
                frame, about = tap.recvfrom(PIECE)
            except TimeoutError:
                continue
            self._seen.append((frame, about[2] == OUTGOING))

    def end(self) -> None:
        self._is_over.set()


def _open_tap() -> socket.socket:
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_KINDS))


@contextmanager
def sniffing(interface: str, inside: Namespace | None = None) -> Iterator[Sniffer]:
    """Listen at an interface, of another namespace perhaps, until the block ends."""
    try:
        tap = inside.inside(_open_tap) if inside is not None else _open_tap()
    except (AttributeError, PermissionError):
        pytest.skip(f"{SKIP_PREFIX}netns: looking at packets needs root on Linux")
    with tap:
        tap.bind((interface, ALL_KINDS))
        tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        sniffer = Sniffer()
        thread = threading.Thread(target=sniffer.listen, args=(tap,))
        thread.start()
        try:
            yield sniffer
            time.sleep(0.05)  # what was sent last is still in the socket
        finally:
            sniffer.end()
            thread.join(10)
