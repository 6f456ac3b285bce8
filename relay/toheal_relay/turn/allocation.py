"""What a client has at this relay: a port of its own, and whom it may talk with through it.

    Allocation ──port──▶ Peer (permission by address, channel by address and port)

Source: RFC 8656, sections 3, 9 and 12.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, Protocol, TypeAlias

from attrs import Factory, define, field, frozen

from toheal_protocol.model import Instant
from toheal_relay.pace import Pace
from toheal_relay.shares import Source

PeerAddress: TypeAlias = tuple[str, int]
"""An address as text, in its short form, and a port."""

DEFAULT_LIFETIME: Final = 600
"""Seconds an allocation lives unless refreshed (RFC 8656, section 3.2)."""

LONGEST_LIFETIME: Final = 3600
"""Seconds a client may ask for at once: its NAT forgets it sooner than that anyway."""

PERMISSION_LIFE: Final = 300.0
"""Seconds (RFC 8656, section 9)."""

CHANNEL_LIFE: Final = 600.0
"""Seconds (RFC 8656, section 12)."""


Send: TypeAlias = Callable[[bytes, int, Any], object]
"""Sends packets to somebody: a block that is made of them, the size of each, and to whom (a stream
knows and ignores it). Handed through by what is pure, and never called there."""

Outgoing: TypeAlias = tuple[Send, bytes, int, Any]
"""Packets of one size that are to leave: how, and with what `Send` is to be called. A block that is no
longer than one packet is one packet. A bare tuple, as many are made."""


class Port(Protocol):
    """A relayed UDP port of this machine."""

    @property
    def address(self) -> PeerAddress:
        """Where others reach it."""

    @property
    def send(self) -> Send:
        """Sends from it to a peer."""


@frozen
class Client:
    """Whoever a message came from: one five-tuple (RFC 8656, section 3.2).

    `key` is what tells it from all others; `send` and `to` are how it is reached.
    """

    key: Hashable
    send: Send = field(repr=False)
    to: Any = field(repr=False)
    host: str
    port: int
    is_stream: bool = False

    @property
    def name(self) -> bytes:
        """The address as bytes, for nonces."""
        return f"{self.host} {self.port}".encode("ascii")


@define(eq=False)
class Quota:
    """What one source uses of us, over all its allocations."""

    bytes: Pace
    strangers: Pace
    allocations: int = 0

    def is_idle(self, now: Instant) -> bool:
        """Whether forgetting it changes nothing."""
        return not self.allocations and self.bytes.is_idle(now) and self.strangers.is_idle(now)


@define(eq=False)
class Peer:
    """Somebody an allocation talks with.

    `prefix` are the two bytes of its channel, good until `channel_until`; `risked` counts packets
    sent to it before it ever answered. `is_port_of_ours`: it may be reached as another allocation of
    this relay, and when that has ended not at all.
    """

    address: PeerAddress
    is_port_of_ours: bool = False
    prefix: bytes = b""
    channel_until: Instant = Instant(0.0)
    has_answered: bool = False
    risked: int = 0


@define(eq=False)
class Allocation:
    """One client's port and whom it talks with.

    `credit` are bytes it may relay before its source's quota is looked at again. `transaction` is
    of the request that made it, so that a repeat of that gets the same answer.
    """

    client: Client
    port: Port
    source: Source
    quota: Quota
    username: bytes = field(repr=False)
    key: bytes = field(repr=False)
    transaction: bytes
    expires_at: Instant
    credit: int = 0
    permissions: dict[str, Instant] = Factory(dict)
    peers: dict[PeerAddress, Peer] = Factory(dict)
    channels: dict[bytes, Peer] = Factory(dict)

    def unbind(self, peer: Peer) -> None:
        """Forget a peer's channel. Its number may be another's by now, if its time was over."""
        if self.channels.get(peer.prefix) is peer:
            del self.channels[peer.prefix]

    def permits(self, host: str, now: Instant) -> bool:
        """Say whether packets from and to an address are let through."""
        return self.permissions.get(host, 0.0) > now


Route: TypeAlias = tuple[Instant, Allocation, Send, Any, bytes | None]
"""Where a channel leads, worked out: until when that holds, whose it is, how and to whom its packets
go, and the channel they arrive by (None: bare). Worked out anew when any allocation has ended."""
