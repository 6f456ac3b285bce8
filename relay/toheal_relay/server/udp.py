"""The relay's UDP port, and how datagrams are served.

What makes this quick: many datagrams per wake-up, from raw sockets; bursts that are looked at once; no
parsing of what is only to be passed on; and never a word to any log.

Spec: docs/protocol/turn.md, section 2.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Hashable
from typing import Any, Final, Protocol, TypeAlias

import trio
from attrs import define, field

from toheal_protocol.errors import RemoteError
from toheal_protocol.model import Instant
from toheal_protocol.wire.turn import CHANNEL_HEADER
from toheal_relay.server.bursts import DatagramSender, read_bursts, read_first
from toheal_relay.server.lookout import Lookout
from toheal_relay.server.sockets import plain_host
from toheal_relay.server.turn_stream import Dirty
from toheal_relay.turn.allocation import Client, Outgoing

SINGLES: Final = 7
"""Wake-ups for one datagram each after one that found nothing more: to hear that again costs as much as to
pass a packet on. Only so many, for what waits behind one is found by looking for it."""

Relay: TypeAlias = Callable[[Hashable, list[bytes], Instant], Outgoing | None]

Take: TypeAlias = Callable[[Any, list[bytes], Instant], None]
"""Deals with a burst: who sent it, its packets, and the time."""


class Receive(Protocol):
    """Takes any message of a client."""

    def __call__(self, client: Client, message: bytes, *, now: Instant) -> Outgoing | None:
        """Return what is to be sent because of it."""


@define(eq=False)
class UdpPort:
    """The one port that clients know.

    `relay` is the quick way for what is only passed on, `receive` takes all the rest; `note_fault`
    counts a burst that found a bug of ours.
    """

    udp: socket.socket
    receive: Receive
    relay: Relay
    dirty: Dirty
    note_fault: Callable[[], None]
    lookout: Lookout
    _sender: DatagramSender = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._sender = DatagramSender(self.udp)

    async def serve(self) -> None:
        """Serve until cancelled."""
        await serve_datagrams(
            self.lookout, self.udp, CHANNEL_HEADER, self._take, self.dirty, self.note_fault
        )

    def _take(self, sender: tuple[str, int], messages: list[bytes], now: Instant) -> None:
        out = self.relay(sender, messages, now)
        if out is not None:
            send, block, size, to = out
            send(block, size, to)
            return
        client = Client(sender, self._sender.send, sender, plain_host(sender[0]), sender[1])
        for message in messages:
            take_message(client, message, self.receive, now)


def take_message(client: Client, message: bytes, receive: Receive, now: Instant) -> None:
    """Have any message of a client dealt with; what breaks the rules of a datagram is dropped."""
    try:
        out = receive(client, message, now=now)
    except RemoteError:
        return
    if out is not None:
        send, block, size, to = out
        send(block, size, to)


async def serve_datagrams(
    lookout: Lookout,
    bound: socket.socket,
    alike: int,
    take: Take,
    dirty: Dirty,
    note_fault: Callable[[], None],
) -> None:
    """Have `take` called with every burst that comes, until the socket is closed by `lookout`.

    Args:
        alike: so many bytes at the beginning are the same in all packets of a burst.
    """
    looks, clock = 0, trio.lowlevel.current_clock().current_time

    def look() -> None:
        nonlocal looks
        now = Instant(clock())
        if looks:
            looks, bursts = looks - 1, read_first(bound)
        else:
            bursts = read_bursts(bound, alike)
            looks = SINGLES if len(bursts) == 1 == len(bursts[0][1]) else 0
        for sender, packets in bursts:
            try:
                take(sender, packets, now)
            except Exception:  # noqa: BLE001 - the border of one burst: should it find a bug of ours, everybody else's relay goes on; it is counted, never logged
                note_fault()
        if dirty.streams:
            dirty.flush()

    await lookout.watch(bound, look)
