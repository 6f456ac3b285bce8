"""The relay's UDP port, and the relayed ports of its clients.

What makes this quick: many datagrams per wake-up, from raw sockets; no parsing of what is only to be
passed on; and never a word to any log.

Spec: docs/protocol/turn.md, section 2.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Hashable
from typing import Any, Final, Protocol, TypeAlias

import trio
from attrs import define

from toheal_protocol.errors import RemoteError
from toheal_protocol.model import Instant
from toheal_protocol.wire.stun import MAX_STUN_SIZE
from toheal_relay.server.sockets import plain_host
from toheal_relay.server.turn_stream import Dirty
from toheal_relay.turn.allocation import Client, Outgoing, Port
from toheal_relay.turn.machine import Turn

DRAIN: Final = 64
"""Datagrams read per wake-up: a wake-up costs as much as several of them."""

_CHANNELS: Final = range(0x40, 0x80)
"""First bytes of ChannelData."""

_TRIES: Final = 16
"""Ports we try until one is even: one in 65 000 requests for that is refused for nothing."""

_PORT_BUFFER: Final = 256 * 1024
"""Bytes of datagrams that may wait at a relayed port while we are busy."""

Relay: TypeAlias = Callable[[Hashable, bytes, Instant], Outgoing | None]


class Receive(Protocol):
    """Takes any message of a client."""

    def __call__(self, client: Client, message: bytes, *, now: Instant) -> Outgoing | None:
        """Return what is to be sent because of it."""


@define(eq=False)
class UdpPort:
    """The one port that clients know.

    `relay` is the quick way for what is only passed on, `receive` takes all the rest; `note_fault` counts a datagram that found a bug of ours.
    """

    udp: socket.socket
    receive: Receive
    relay: Relay
    dirty: Dirty
    note_fault: Callable[[], None]

    async def serve(self) -> None:
        """Serve until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self.udp)
            try:
                self._drain(Instant(trio.current_time()))
            except OSError:  # empty, or an ICMP error of something sent before this
                pass
            self.dirty.flush()

    def _drain(self, now: Instant) -> None:
        receive, relay = self.udp.recvfrom, self.relay
        for _ in range(DRAIN):
            message, sender = receive(MAX_STUN_SIZE + 1)
            out = relay(sender, message, now) or self._receive(message, sender, now)
            if out is not None:
                send, to, packet = out
                try:
                    send(packet, to)
                except OSError:  # no room, or no way there: with UDP it is lost
                    pass

    def _receive(self, message: bytes, sender: tuple[str, int], now: Instant) -> Outgoing | None:
        client = Client(sender, self.udp.sendto, sender, plain_host(sender[0]), sender[1])
        try:
            return self.receive(client, message, now=now)
        except RemoteError:
            return None
        except Exception:  # noqa: BLE001 - the border of one datagram: should it find a bug of ours, everybody else's relay goes on; it is counted, never logged
            self.note_fault()
            return None


class RelayedPort:
    """One relayed port: a socket of its own."""

    __slots__ = ("number", "sendto", "socket")

    def __init__(self, bound: socket.socket) -> None:
        self.socket = bound
        self.number: int = bound.getsockname()[1]
        self.sendto: Callable[[bytes, Any], int] = bound.sendto


class RelayedPorts:
    """Opens and closes relayed ports. They are served in `nursery`, on the address `host`."""

    def __init__(self, nursery: trio.Nursery, host: str, dirty: Dirty) -> None:
        self.turn: Turn | None = None
        """Who takes what comes to them; set before the first is opened."""
        self._nursery = nursery
        self._host = host
        self._dirty = dirty
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
        bound = self._open.pop(port.number).socket
        if bound.fileno() >= 0:
            trio.lowlevel.notify_closing(bound)
            bound.close()

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
        assert self.turn is not None
        try:
            while True:
                await trio.lowlevel.wait_readable(port.socket)
                self._drain_quietly(self.turn, port)
        except trio.ClosedResourceError:
            pass
        finally:
            port.socket.close()

    def _drain_quietly(self, turn: Turn, port: RelayedPort) -> None:
        try:
            self._drain(turn, port, Instant(trio.current_time()))
        except OSError:  # empty, or an ICMP error of something sent before this
            pass
        self._dirty.flush()

    def _drain(self, turn: Turn, port: RelayedPort, now: Instant) -> None:
        receive = port.socket.recvfrom
        for _ in range(DRAIN):
            packet, sender = receive(MAX_STUN_SIZE)
            out = turn.from_peer(port, sender, packet, now=now)
            if out is not None:
                send, to, packet = out
                try:
                    send(packet, to)
                except OSError:
                    pass
