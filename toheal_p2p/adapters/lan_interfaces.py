"""Which networks this machine is on, as segments one could meet on.

Spec: docs/protocol/lan.md, section 3.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from typing import Final

import ifaddr

from toheal_p2p.ports.lan import Segment

MOST_SEGMENTS: Final = 8
"""Networks that are met on at one time; a laptop has two or three."""

_NOT_A_ROOM: Final = ("docker", "virbr", "veth", "br-", "vmnet", "utun", "tun", "tap", "ppp", "wg")
"""How the names of interfaces begin that lead to containers, virtual machines or tunnels."""

_SIOCGIFFLAGS: Final = 0x8913
_UP, _LOOPBACK, _POINT_TO_POINT, _MULTICAST = 0x1, 0x8, 0x10, 0x1000


def find_segments(*, include_loopback: bool) -> tuple[Segment, ...]:
    """Return the networks that are up, can multicast, and are no tunnels.

    Of IPv6 only link-local addresses count, of IPv4 only private and link-local ones: others would
    be announced to a network that is perhaps no room.
    """
    found: list[Segment] = []
    for adapter in ifaddr.get_adapters():
        if adapter.index is None or not _is_room(adapter.name, include_loopback=include_loopback):
            continue
        for address in adapter.ips:
            host = address.ip if isinstance(address.ip, str) else address.ip[0]
            if _is_usable(host, include_loopback=include_loopback):
                prefix = address.network_prefix
                found.append(Segment(adapter.name, adapter.index, host, prefix))
    return tuple(found[:MOST_SEGMENTS])


def is_on(segment: Segment, host: str) -> bool:
    """Say whether an address belongs to a machine of this network, and leads nowhere else."""
    try:
        network = ipaddress.ip_network(f"{segment.host}/{segment.prefix}", strict=False)
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if address not in network or not _is_local(address):
        return False
    if address.version == 6 or network.prefixlen >= 31:
        return True
    return address not in (network.network_address, network.broadcast_address)


def _is_usable(host: str, *, include_loopback: bool) -> bool:
    address = ipaddress.ip_address(host.partition("%")[0])
    if address.is_loopback:
        return include_loopback and address.version == 4
    return address.is_link_local if address.version == 6 else _is_local(address)


def _is_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Say whether an address is private or link-local: nobody outside can have it."""
    is_machine = not (address.is_unspecified or address.is_multicast)
    return is_machine and (address.is_private or address.is_link_local)


def _is_room(name: str, *, include_loopback: bool) -> bool:
    flags = _flags(name)
    if flags is None:
        return not name.startswith(_NOT_A_ROOM)
    if flags & _LOOPBACK:
        return include_loopback
    can_meet = flags & _UP and flags & _MULTICAST and not flags & _POINT_TO_POINT
    return bool(can_meet) and not name.startswith(_NOT_A_ROOM)


def _flags(name: str) -> int | None:
    """Ask the system about an interface; None where it cannot be asked this way."""
    if sys.platform != "linux":
        return None
    import fcntl

    request = struct.pack("16sH14x", name.encode()[:15], 0)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            answer = fcntl.ioctl(asking, _SIOCGIFFLAGS, request)
    except OSError:
        return None
    flags: int = struct.unpack("16sH14x", answer)[1]
    return flags
