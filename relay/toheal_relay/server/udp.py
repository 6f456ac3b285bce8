"""The relay's UDP port, and how datagrams are read.

What makes this quick: many datagrams per wake-up, from raw sockets; no parsing of what is only to be
passed on; and never a word to any log.

Spec: docs/protocol/turn.md, section 2.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Hashable
from typing import Final, Protocol, TypeAlias

import trio
from attrs import define

from toheal_protocol.errors import RemoteError
from toheal_protocol.model import Instant
from toheal_protocol.wire.stun import MAX_STUN_SIZE
from toheal_relay.server.sockets import plain_host
from toheal_relay.server.turn_stream import Dirty
from toheal_relay.turn.allocation import Client, Outgoing

DRAIN: Final = 64
"""Datagrams read per wake-up: a wake-up costs as much as several of them."""

Relay: TypeAlias = Callable[[Hashable, bytes, Instant], Outgoing | None]


class Receive(Protocol):
    """Takes any message of a client."""

    def __call__(self, client: Client, message: bytes, *, now: Instant) -> Outgoing | None:
        """Return what is to be sent because of it."""


@define(eq=False)
class UdpPort:
    """The one port that clients know.

    `relay` is the quick way for what is only passed on, `receive` takes all the rest; `note_fault`
    counts a datagram that found a bug of ours.
    """

    udp: socket.socket
    receive: Receive
    relay: Relay
    dirty: Dirty
    note_fault: Callable[[], None]

    async def serve(self) -> None:
        """Serve until cancelled."""
        await serve_datagrams(self.udp, self._drain, self.dirty, self.note_fault)

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


async def serve_datagrams(
    bound: socket.socket,
    drain: Callable[[Instant], None],
    dirty: Dirty,
    note_fault: Callable[[], None],
) -> None:
    """Have `drain` called whenever something has come, until the socket is closed here.

    `drain` reads until an `OSError`, or a while: there is nothing more, or an ICMP error came back.
    """
    while bound.fileno() >= 0:  # it may be closed before we begin to wait
        try:
            await trio.lowlevel.wait_readable(bound)
        except trio.ClosedResourceError:
            return
        try:
            drain(Instant(trio.current_time()))
        except OSError:
            pass
        except Exception:  # noqa: BLE001 - the border of one datagram: should it find a bug of ours, everybody else's relay goes on; it is counted, never logged
            note_fault()
        dirty.flush()
