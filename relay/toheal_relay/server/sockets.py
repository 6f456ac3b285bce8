"""The sockets a relay listens on, and the host it tells others."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, ip_address
from types import TracebackType
from typing import Final, Self

import trio
from attrs import frozen

BACKLOG: Final = 2048
"""Connections the kernel keeps for us until we accept them: everybody comes back at once after a
restart (a backlog of 50 once took a peer project 65 s for 5 000 of them)."""

_UDP_BUFFER: Final = 1024 * 1024
"""Bytes of datagrams that may wait while we are busy."""

_TRIES: Final = 16
"""Free TCP ports we try until one is free for UDP as well."""


_NOBODYS: Final = "192.0.2.1"
"""An address that no machine has (RFC 5737)."""


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
    for family, somewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((somewhere, 9))  # sends nothing: it only chooses a route
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return "127.0.0.1"


def plain_host(host: str) -> str:
    """Return an address as a socket names it without zone, and IPv4 without its IPv6 clothes."""
    return host.partition("%")[0].removeprefix("::ffff:")


def relayed_host(bound: str, public: str | None) -> str | None:
    """Return the IPv4 address others reach our relayed ports at, None if there is none.

    Args:
        bound: the address we listen on, as the socket tells it.
        public: what others reach us at, if that is something else; a name tells nothing.
    """
    if not _is_wildcard(bound) and not _is_ipv4(bound):
        return None
    for candidate in (public, bound, host_for_others(None)):
        if candidate is not None and _is_ipv4(candidate):
            return candidate
    return None


def relayed_bind(bound: str) -> str:
    """Return what relayed ports are bound to: all of this machine, or the one address we listen on."""
    return bound if _is_ipv4(bound) else "0.0.0.0"


def tells_own_addresses() -> bool:
    """Say whether `is_own_address` can tell: some machines let anybody bind to any address."""
    return not is_own_address(_NOBODYS)


def is_own_address(host: str) -> bool:
    """Say whether an IPv4 address is one of this machine, by trying to bind to it."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def _is_ipv4(host: str) -> bool:
    try:
        return not IPv4Address(host).is_unspecified
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
