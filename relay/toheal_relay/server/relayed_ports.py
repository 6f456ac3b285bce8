"""Relayed UDP ports: one socket and one task for each allocation.

Spec: docs/protocol/turn.md, section 2.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Final

import trio

from toheal_protocol.model import Instant
from toheal_relay.server.bursts import DatagramSender
from toheal_relay.server.lookout import Lookout
from toheal_relay.server.turn_stream import Dirty
from toheal_relay.server.udp import serve_datagrams
from toheal_relay.turn.allocation import Port, Send
from toheal_relay.turn.machine import Turn

_TRIES: Final = 16
"""Ports we try until one is even: one in 65 000 requests for that is refused for nothing."""

_PORT_BUFFER: Final = 256 * 1024
"""Bytes of datagrams that may wait at a relayed port while we are busy."""


class RelayedPort:
    """One relayed port: a socket of its own."""

    __slots__ = ("number", "send", "socket")

    def __init__(self, bound: socket.socket) -> None:
        self.socket = bound
        self.number: int = bound.getsockname()[1]
        self.send: Send = DatagramSender(bound).send


class RelayedPorts:
    """Opens and closes relayed ports. They are served in `nursery`, on the address `host`."""

    def __init__(
        self,
        nursery: trio.Nursery,
        lookout: Lookout,
        host: str,
        dirty: Dirty,
        note_fault: Callable[[], None],
    ) -> None:
        self.turn: Turn | None = None
        """Who takes what comes to them; set before the first is opened."""
        self._nursery = nursery
        self._lookout = lookout
        self._host = host
        self._dirty = dirty
        self._note_fault = note_fault
        self._open: dict[int, RelayedPort] = {}

    def open(self, even: bool, /) -> RelayedPort | None:
        """Return a fresh port, of an even number if wanted; None if this machine has none left."""
        port = self._bind(_TRIES if even else 1)
        if port is not None:
            self._open[port.number] = port
            self._nursery.start_soon(self._serve, port)
        return port

    def close(self, port: Port) -> None:
        """Give a port back; who serves it is woken and ends."""
        self._lookout.close(self._open.pop(port.number).socket)

    def _bind(self, tries: int) -> RelayedPort | None:
        """Bind to a port that the system chooses, holding on to odd ones until an even one comes."""
        odd = []
        try:
            for _ in range(tries):
                port = self._bind_once()
                if port is None or tries == 1 or port.number % 2 == 0:
                    return port
                odd.append(port)
        finally:
            for each in odd:
                each.socket.close()
        return None

    def _bind_once(self) -> RelayedPort | None:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            bound.setblocking(False)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PORT_BUFFER)
            bound.bind((self._host, 0))
        except OSError:
            bound.close()
            return None
        return RelayedPort(bound)

    async def _serve(self, port: RelayedPort) -> None:
        try:
            take = partial(self._take, port)
            await serve_datagrams(
                self._lookout, port.socket, 0, take, self._dirty, self._note_fault
            )
        finally:
            port.socket.close()

    def _take(
        self, port: RelayedPort, sender: tuple[str, int], packets: list[bytes], now: Instant
    ) -> None:
        assert self.turn is not None
        out = self.turn.from_peer(port, sender, packets, now=now)
        if out is not None:
            send, block, size, to = out
            send(block, size, to)
