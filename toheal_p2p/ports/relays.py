"""What the connection to a relay needs from the world: a way to dial, and whole messages then.

An adapter makes it of TCP, TLS and WebSocket (`adapters.relay_tls`), directly or through a proxy
(`adapters.socks`), and a test of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from toheal_protocol.wire.relay_address import RelayAddress

Reason: TypeAlias = Literal[
    "unreachable",
    "wrong_fingerprint",
    "full",
    "refused",
    "closed",
    "proxy_unreachable",
    "proxy_refused",
]
"""Why a relay cannot be used just now.

unreachable         nobody answers there, or not with TLS and WebSocket
wrong_fingerprint   somebody else answers there
full                it has no place for us
refused             it says that we broke its rules
closed              the connection ended: the relay went away, or the network did
proxy_unreachable   the proxy that we go through does not answer as one
proxy_refused       it does not let us in, or not to this relay
"""


class RelayLost(Exception):
    """There is no channel to the relay, or there is none any more."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class RelayChannel(Protocol):
    """An open way to one relay whose fingerprint was checked. One reader, one writer."""

    async def send(self, messages: Sequence[bytes]) -> None:
        """Send messages, in order.

        Raises:
            RelayLost: the channel is lost, before or while sending.
        """
        ...

    async def receive(self) -> Sequence[bytes]:
        """Wait for messages and return all that have arrived, at least one.

        Raises:
            RelayLost: the channel is lost, and all that arrived before has been returned.
        """
        ...

    async def aclose(self) -> None:
        """Close it, without waiting for anybody. A second call does nothing."""
        ...


class Dial(Protocol):
    """How to reach a relay."""

    async def __call__(self, address: RelayAddress, /) -> RelayChannel:
        """Connect and check the fingerprint; nothing is sent to anybody with another one.

        Raises:
            RelayLost: it cannot be reached, or is somebody else.
        """
        ...
