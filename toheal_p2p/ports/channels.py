"""What links need from the world: channels to one peer, made from two exchanged blobs.

A channel carries whole messages of at most 16 KiB, each once and in order, to the other side's
channel, or it is lost. It promises nothing about who is at the other end beyond the blob's
fingerprint; the link on top proves that (docs/protocol/link.md, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

EXPORTER_SIZE: Final = 32
"""Bytes of keying material both ends of a channel share."""
BUFFER_LOW: Final = 64 * 1024
"""Bytes a channel may hold before `room` waits: enough to keep it busy, so little that a ping
given now is not held up for long."""


class ChannelFailed(Exception):
    """There is no channel, or there is none any more. Says nothing about the peer's identity."""


class Channel(Protocol):
    """An open way to one peer. Used by one reader and any number of senders."""

    @property
    def exporter(self) -> bytes:
        """32 bytes of DTLS keying material, equal on both ends if nobody stands between."""
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
        self, *, controlling: bool, stun_servers: Sequence[tuple[str, int]]
    ) -> PreparedChannel:
        """Open sockets and learn our addresses, within two seconds.

        Args:
            controlling: which of the two sides we are; the peer prepares with the opposite.
            stun_servers: (host, port) of relays that tell us our outer address. None but these
                are asked; empty means that only the machine's own addresses are found.

        Raises:
            ChannelFailed: this machine has no usable address.
        """
        ...
