"""Relayed UDP ports: one socket and one task for each allocation.

Spec: docs/protocol/turn.md, section 2.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, cast

import trio

from toheal_protocol.model import Instant
from toheal_relay.server.bursts import DatagramSender
from toheal_relay.server.lookout import Lookout
from toheal_relay.server.turn_stream import Dirty
from toheal_relay.server.udp import serve_datagrams
from toheal_relay.turn.allocation import PeerAddress, Port, Send
from toheal_relay.turn.machine import Turn
from toheal_relay.turn.rules import is_ipv6

_TRIES: Final = 16
"""Ports we try until one is even: one in 65 000 requests for that is refused for nothing."""

_PORT_BUFFER: Final = 256 * 1024
"""Bytes of datagrams that may wait at a relayed port while we are busy."""


class RelayedPort:
    """One relayed port: a socket of its own."""

    __slots__ = ("address", "send", "socket")

    def __init__(self, bound: socket.socket, host: str) -> None:
        self.socket = bound
        self.address: PeerAddress = (host, bound.getsockname()[1])
        self.send: Send = DatagramSender(bound).send


class RelayedPorts:
    """Opens and closes relayed ports. They are served in `nursery`.

    `bind_to` says for each host that others reach them at what they are bound to.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        lookout: Lookout,
        bind_to: Mapping[str, str],
        dirty: Dirty,
        note_fault: Callable[[], None],
    ) -> None:
        self.turn: Turn | None = None
        """Who takes what comes to them; set before the first is opened."""
        self._nursery = nursery
        self._lookout = lookout
        self._bind_to = bind_to
        self._dirty = dirty
        self._note_fault = note_fault
        self._open: dict[PeerAddress, RelayedPort] = {}

    def open(self, host: str, even: bool, /) -> RelayedPort | None:
        """Return a fresh port, of an even number if wanted; None if this machine has none left."""
        port = self._bind(host, _TRIES if even else 1)
        if port is not None:
            self._open[port.address] = port
            self._nursery.start_soon(self._serve, port)
        return port

    def close(self, port: Port) -> None:
        """Give a port back; who serves it is woken and ends."""
        self._lookout.close(self._open.pop(port.address).socket)

    def _bind(self, host: str, tries: int) -> RelayedPort | None:
        """Bind to a port that the system chooses, holding on to odd ones until an even one comes."""
        odd = []
        try:
            for _ in range(tries):
                port = self._bind_once(host)
                if port is None or tries == 1 or port.address[1] % 2 == 0:
                    return port
                odd.append(port)
        finally:
            for each in odd:
                each.socket.close()
        return None

    def _bind_once(self, host: str) -> RelayedPort | None:
        family = socket.AF_INET6 if is_ipv6(host) else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_DGRAM)
        try:
            bound.setblocking(False)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PORT_BUFFER)
            if family == socket.AF_INET6:  # or it would take and send packets of IPv4 as well
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((self._bind_to[host], 0))
        except OSError:
            bound.close()
            return None
        return RelayedPort(bound, host)

    async def _serve(self, port: RelayedPort) -> None:
        try:
            take = partial(self._take, port)
            await serve_datagrams(
                self._lookout, port.socket, 0, take, self._dirty, self._note_fault
            )
        finally:
            port.socket.close()

    def _take(
        self, port: RelayedPort, sender: tuple[Any, ...], packets: list[bytes], now: Instant
    ) -> None:
        assert self.turn is not None
        if len(sender) > 2:  # of IPv6; what is of one link only is no peer, whatever its zone
            sender = (sender[0].partition("%")[0], sender[1])
        out = self.turn.from_peer(port, cast(PeerAddress, sender), packets, now=now)
        if out is not None:
            send, block, size, to = out
            send(block, size, to)
