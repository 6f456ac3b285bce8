"""Associations without DTLS and sockets: what one side sends, a test carries, keeps or mauls."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from typing import Any, cast

from google_crc32c import value as crc32c

from toheal_p2p.adapters.ortc import (
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCSctpCapabilities,
    stock,
)
from toheal_p2p.adapters.sctp import GuardedSctp


class Wire:
    """As much of an RTCDtlsTransport as SCTP sees."""

    def __init__(self, role: str) -> None:
        self.state = "connected"
        self._role = role
        self._ssl = None
        self.sent: deque[bytes] = deque()
        self.receiver: Any = None

    async def _send_data(self, packet: bytes) -> None:
        self.sent.append(packet)

    def _register_data_receiver(self, receiver: Any) -> None:
        self.receiver = receiver

    def _unregister_data_receiver(self, receiver: Any) -> None:
        self.receiver = None


class Side:
    """One association with its data channel, and what that received."""

    def __init__(self, sctp_class: type[stock.RTCSctpTransport], role: str) -> None:
        self.wire = Wire(role)
        if sctp_class is GuardedSctp:
            self.sctp: Any = GuardedSctp(cast(Any, self.wire))
        else:
            self.sctp = sctp_class(cast(Any, self.wire))
        self.channel = RTCDataChannel(self.sctp, RTCDataChannelParameters(negotiated=True, id=0))
        self.messages: list[bytes] = []
        self.channel.on("message", self.messages.append)

    @property
    def is_over(self) -> bool:
        return self.channel.readyState == "closed"


class Pair:
    """A guarded side, and a stock one that plays the peer until a test plays it."""

    def __init__(self, peer_class: type[stock.RTCSctpTransport] = stock.RTCSctpTransport) -> None:
        self.ours = Side(GuardedSctp, "server")
        self.theirs = Side(peer_class, "client")
        self.carried: list[bytes] = []
        """Every packet that reached us, to maul."""

    async def open(self) -> None:
        for side in (self.ours, self.theirs):
            await side.sctp.start(RTCSctpCapabilities(maxMessageSize=0), 5000)
        await self.carry()
        assert self.ours.channel.readyState == self.theirs.channel.readyState == "open"
        self.next_tsn = self.theirs.sctp._local_tsn

    async def carry(self) -> None:
        """Carry packets both ways until both sides are quiet."""
        for _ in range(10_000):
            await asyncio.sleep(0)
            if not (self.ours.wire.sent or self.theirs.wire.sent):
                await asyncio.sleep(0)
                if not (self.ours.wire.sent or self.theirs.wire.sent):
                    return
            while self.theirs.wire.sent:
                self.carried.append(self.theirs.wire.sent.popleft())
                await self.ours.sctp._handle_data(self.carried[-1])
            while self.ours.wire.sent:
                await self.theirs.sctp._handle_data(self.ours.wire.sent.popleft())
        raise AssertionError("the two sides never fall quiet")

    async def stop(self) -> None:
        for side in (self.ours, self.theirs):
            await side.sctp.stop()

    def packet(self, *chunks: bytes) -> bytes:
        """A packet for us with these chunks, well signed."""
        return sign(self.ours.sctp._local_verification_tag, b"".join(map(padded, chunks)))

    def part(
        self,
        size: int = 1,
        *,
        flags: int = 3,
        ahead: int | None = None,
        stream: int = 0,
        protocol: int = stock.WEBRTC_BINARY,
    ) -> bytes:
        """A DATA chunk: the next one in order, or one that is `ahead` of it."""
        if ahead is None:
            tsn = self.next_tsn
            self.next_tsn = (tsn + 1) % 2**32
        else:
            tsn = (self.next_tsn + ahead) % 2**32
        body = struct.pack("!LHHL", tsn, stream, 0, protocol) + bytes(size)
        return chunk(stock.DataChunk.type, body, flags)

    def sack(self, *gaps: tuple[int, int], cumulative: int | None = None) -> bytes:
        """A SACK of what we have sent, up to the last acknowledged chunk unless told."""
        tsn = self.ours.sctp._last_sacked_tsn if cumulative is None else cumulative
        body = struct.pack("!LLHH", tsn % 2**32, 2**17, len(gaps), 0)
        return chunk(stock.SackChunk.type, body + b"".join(struct.pack("!HH", *g) for g in gaps))


def chunk(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("!BBH", kind, flags, len(body) + 4) + body


def padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % 4)


def sign(tag: int, chunks: bytes) -> bytes:
    """Put the common header with its checksum before chunks."""
    head = struct.pack("!HHL", 5000, 5000, tag)
    return head + struct.pack("<L", crc32c(head + bytes(4) + chunks)) + chunks
