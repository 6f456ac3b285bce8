"""What links need from the world: channels to one peer, made from two exchanged blobs.

A channel carries whole messages of at most 16 KiB, each once and in order, to the other side's
channel, or it is lost. It promises nothing about who is at the other end beyond the blob's
fingerprint; the link on top proves that (docs/protocol/link.md, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, Protocol

from attrs import field, frozen

from toheal_protocol.machines.events import LinkWay

EXPORTER_SIZE: Final = 32
"""Bytes of keying material both ends of a channel share."""
BUFFER_LOW: Final = 64 * 1024
"""Bytes a channel may hold before `room` waits: enough to keep it busy, so little that a ping
given now is not held up for long."""


class ServerKind(IntEnum):
    """What a relay does for a channel, and over what we speak with it. The first three are TURN."""

    UDP = 0
    TCP = 1
    TLS = 2
    STUN = 3
    """It only tells our outer address, over UDP."""


@frozen
class RelayServer:
    """One service of a relay of the circle. None but such servers are ever asked anything.

    Attributes:
        host: a name or a numeric address.
        username, password: ephemeral; empty for STUN.
        fingerprint: 32 bytes that name the key it shows over TLS; empty otherwise.
        until: monotonic seconds when the credentials end. What was lent under them ends as well.
    """

    host: str
    port: int
    transport: int = field(converter=ServerKind)
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    fingerprint: bytes = b""
    until: float = math.inf


class ChannelFailed(Exception):
    """There is no channel, or there is none any more. Says nothing about the peer's identity."""


class Channel(Protocol):
    """An open way to one peer. Used by one reader and any number of senders."""

    @property
    def exporter(self) -> bytes:
        """32 bytes of DTLS keying material, equal on both ends if nobody stands between."""
        ...

    @property
    def is_relayed(self) -> bool:
        """Whether what is sent goes through a relay's TURN service just now."""
        ...

    @property
    def progress(self) -> int:
        """A number that becomes another one whenever the peer has taken more of what was sent."""
        ...

    def send_nowait(self, record: bytes) -> None:
        """Send one message of 1 to 16384 bytes. A lost channel swallows it: `receive` tells."""
        ...

    async def room(self) -> None:
        """Wait until less than `BUFFER_LOW` bytes are held here; return at once if that is so.

        Raises:
            ChannelFailed: the channel is lost.
        """
        ...

    async def receive(self) -> tuple[bytes, ...]:
        """Wait for messages and return all that have arrived, at least one.

        Raises:
            ChannelFailed: the channel is lost, and all that arrived before has been returned.
        """
        ...

    async def aclose(self) -> None:
        """Close both directions and free everything.

        Waits a second at most for what was sent to arrive. Cancelled, it does not wait and still
        frees everything. A second call does nothing.
        """
        ...


class PreparedChannel(Protocol):
    """Our half of a channel, ready to be told to a peer."""

    @property
    def blob(self) -> bytes:
        """Our side's `ConnectionBlob`, encoded. It holds addresses: only for the peer's eyes."""
        ...

    async def connect(self, their_blob: bytes) -> Channel:
        """Connect, once, within ten seconds.

        A failure or cancellation frees everything, as `aclose` does.

        Raises:
            ChannelFailed: their blob is malformed, nobody answers at its addresses, or whoever
                answers has another fingerprint.
        """
        ...

    async def aclose(self) -> None:
        """Free everything, unless `connect` has handed out the channel. A repeat does nothing."""
        ...


class Channels(Protocol):
    """Where channels come from."""

    async def prepare(
        self, *, controlling: bool, way: LinkWay, servers: Sequence[RelayServer]
    ) -> PreparedChannel:
        """Open sockets and learn our addresses: at once on the LAN, else within four seconds.

        Args:
            controlling: which of the two sides we are; the peer prepares with the opposite.
            way: TURN takes addresses at the relays only and sends to nobody else. DIRECT takes the
                machine's own too, and what STUN shows of them. LAN takes the machine's own alone.
            servers: the relays' services, best first. None but these are asked.

        Raises:
            ChannelFailed: no address this way; says why in plain words.
        """
        ...
