"""The sockets a relay listens on, and the host it tells others."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import TracebackType
from typing import Final, Self

import trio
from attrs import frozen

from toheal_relay.turn.rules import is_ipv6, is_special

BACKLOG: Final = 2048
"""Connections the kernel keeps for us until we accept them: everybody comes back at once after a
restart (a backlog of 50 once took a peer project 65 s for 5 000 of them)."""

_UDP_BUFFER: Final = 1024 * 1024
"""Bytes of datagrams that may wait while we are busy."""

_TRIES: Final = 16
"""Free TCP ports we try until one is free for UDP as well."""


_NOBODYS: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses that no machine has (RFC 5737, RFC 3849)."""

_ALL_OF: Final = {socket.AF_INET: ("0.0.0.0", "::"), socket.AF_INET6: ("::",)}
"""What a socket is bound to that takes what comes to any address of a family; the first one that only."""

_PREFERENCES: Final = 72
"""Linux: IPV6_ADDR_PREFERENCES (linux/in6.h; not in Python 3.11)."""

_LASTING: Final = 0x2
"""IPV6_PREFER_SRC_PUBLIC (RFC 5014)."""


class CannotListen(Exception):
    """The address cannot be listened on; the message is for the operator."""


@frozen
class Listening:
    """A TCP and a UDP socket on the same port, both non-blocking."""

    tcp: socket.socket
    udp: socket.socket

    @property
    def host(self) -> str:
        """The address of both, as the sockets tell it."""
        return plain_host(self.udp.getsockname()[0])

    @property
    def port(self) -> int:
        """The port of both."""
        port: int = self.tcp.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop_accepting()
        self.udp.close()

    def stop_accepting(self) -> None:
        """Close the TCP socket; who waits for it is woken."""
        if self.tcp.fileno() >= 0:
            trio.lowlevel.notify_closing(self.tcp)
            self.tcp.close()


def listen(host: str | None, port: int) -> Listening:
    """Listen on a host, or on everything (IPv6 and IPv4) if it is None; port 0 means a free one.

    Raises:
        CannotListen: in use, not allowed, or not an address of this machine.
    """
    for _ in range(_TRIES if port == 0 else 1):
        try:
            return _listen_once(host, port)
        except OSError as problem:
            reason = problem.strerror or str(problem)
    raise CannotListen(f"cannot listen on {host or 'any address'} port {port}: {reason.lower()}")


def host_for_others(host: str | None) -> str:
    """Return the host we are likely to be reached at: `host`, or the address we go out with."""
    if host is not None and not _is_wildcard(host):
        return host.lower()
    return _outgoing(socket.AF_INET) or _outgoing(socket.AF_INET6) or "127.0.0.1"


def plain_host(host: str) -> str:
    """Return an address as a socket names it without zone, and IPv4 without its IPv6 clothes."""
    return host.partition("%")[0].removeprefix("::ffff:")


def relayed_hosts(bound: str, public: str | None, told: str | None) -> dict[str, str]:
    """Return the addresses others reach our relayed ports at, one of a family at most, and what each of
    them is bound to.

    Args:
        bound: the address we listen on, as the socket tells it.
        public: what others reach us at, if that is something else; a name tells nothing.
        told: what the operator says that others reach these ports at.
    """
    found: dict[str, str] = {}
    for is_one, family in ((_is_ipv4, socket.AF_INET), (_is_ipv6, socket.AF_INET6)):
        candidates = [told]
        if is_one(bound) or bound in _ALL_OF[family]:
            candidates += (public, bound, _outgoing(family))
        host = next((each for each in candidates if each is not None and is_one(each)), None)
        if host is not None:
            found[host] = bound if is_one(bound) else _ALL_OF[family][0]
    return found


def own_addresses(known: Collection[str]) -> Callable[[str], bool]:
    """Return what tells an address of this machine.

    Args:
        known: those that we are reached at. A NAT's may be among them, which nobody can bind to and
            which leads back to this machine, or to the NAT.
    """
    if any(map(is_own_address, _NOBODYS.values())):  # some let anybody bind to any address
        return known.__contains__
    return lambda host: host in known or is_own_address(host)


def is_own_address(host: str) -> bool:
    """Say whether an address is one of this machine, by trying to bind to it."""
    try:
        with socket.socket(_family(host), socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def _outgoing(family: socket.AddressFamily) -> str | None:
    """Return the address we go out with; None if there is none. Of IPv6 one that is the internet's, and
    where the system knows the difference not one of those that it changes every day."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            if family == socket.AF_INET6 and sys.platform == "linux":
                probe.setsockopt(socket.IPPROTO_IPV6, _PREFERENCES, _LASTING)
            probe.connect((_NOBODYS[family], 9))  # sends nothing: it only chooses a route
            host = str(probe.getsockname()[0])
    except OSError:
        return None
    return None if family == socket.AF_INET6 and is_special(host) else host


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if is_ipv6(host) else socket.AF_INET


def _is_ipv4(host: str) -> bool:
    try:
        return not IPv4Address(host).is_unspecified
    except ValueError:
        return False


def _is_ipv6(host: str) -> bool:
    try:
        return not IPv6Address(host).is_unspecified
    except ValueError:
        return False


def _is_wildcard(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _listen_once(host: str | None, port: int) -> Listening:
    family, address = _resolve(host, port)
    tcp = _make_socket(family, socket.SOCK_STREAM)
    try:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind(address)
        tcp.listen(BACKLOG)
        udp = _make_socket(family, socket.SOCK_DGRAM)
        try:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UDP_BUFFER)
            udp.bind((address[0], tcp.getsockname()[1], *address[2:]))
        except OSError:
            udp.close()
            raise
    except OSError:
        tcp.close()
        raise
    return Listening(tcp, udp)


def _resolve(host: str | None, port: int) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    if host is None:
        if socket.has_dualstack_ipv6():
            return socket.AF_INET6, ("::", port, 0, 0)
        return socket.AF_INET, ("0.0.0.0", port)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return family, address


def _make_socket(family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(family, kind)
    made.setblocking(False)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return made
