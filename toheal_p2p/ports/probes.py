"""What the doctor needs from the world: a look at one relay, and at this machine's network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from attrs import frozen

from toheal_p2p.ports.relays import Reason
from toheal_protocol.wire.relay_address import RelayAddress

Udp: TypeAlias = Literal["works", "blocked", "not_sent"]
"""Whether a relay's own port answers a datagram; `not_sent` where none may be."""

InterfaceKind: TypeAlias = Literal["wired", "wireless", "mobile", "vpn", "other"]
"""What a network interface is, without its name or address."""


@frozen
class RelayProbe:
    """What came of knocking at one relay. Times are whole milliseconds from the first packet.

    Attributes:
        reason: why it is of no use now; None: it said hello, with the right key.
        has_tcp: its port (or the proxy's way to it) opened.
        milliseconds: until it said hello.
        udp_milliseconds: until it answered a datagram.
        is_behind_nat: it sees another address of ours than we do; None where nobody said.
    """

    reason: Reason | None
    has_tcp: bool = False
    milliseconds: int = 0
    udp: Udp = "not_sent"
    udp_milliseconds: int = 0
    is_behind_nat: bool | None = None


class Probe(Protocol):
    """A way to look at a relay."""

    async def __call__(self, address: RelayAddress, /) -> RelayProbe:
        """Knock at a relay; contacts nobody else. Never raises for what a relay does."""
        ...


Interfaces: TypeAlias = Callable[[], tuple[InterfaceKind, ...]]
"""Returns which kinds of interfaces are up, each once; loopback is none."""
