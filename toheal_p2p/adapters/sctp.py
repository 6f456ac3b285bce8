"""aiortc's SCTP, closed to a hostile peer: one ordered stream, bounded in memory and in time.

The peer behind DTLS is a member of the circle, and still a stranger's program. Stock aiortc 1.16
lets it freeze the event loop with one SACK (gap blocks up to 65535 each) or one parameter of
length zero, hold 15 MB with a message that never ends, and open 65535 streams. Here every packet
is checked before aiortc parses it, chunks that one ordered stream does not need are refused, and
messages are put together by a bounded list of our own.

It overrides private methods: `aiortc==1.16.*` is pinned, and a test checks that the names exist.

Spec: docs/protocol/link.md, section 7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from OpenSSL import SSL

from toheal_p2p.adapters.ortc import RTCDtlsTransport, RTCSctpTransport, stock
from toheal_p2p.adapters.sctp_flow import QuickSctp
from toheal_p2p.adapters.turn import SOON_AGAIN
from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.wire.link_record import MAX_RECORD_SIZE

MAX_PACKET_SIZE: Final = 1280
"""Bytes: aiortc sends 1189, and an answer must fit the 1500 bytes its DTLS layer moves at once."""
MAX_CHUNKS: Final = 64
"""Chunks in a packet. aiortc sends one; without a limit a packet could hold 317."""
MAX_CWND: Final = 96 * 1024
"""Bytes in flight. More overflows a receive buffer of 208 KiB and costs a second per loss."""
RECEIVE_WINDOW: Final = 256 * 1024
"""Bytes of messages we put together at a time."""
WINDOW_OVERRUN: Final = 64 * 1024
"""Bytes beyond the window that a peer may have had in flight."""
MAX_TSN_AHEAD: Final = 4096
"""Chunks a peer may be ahead of the first missing one: 96 KiB of 24-byte messages."""
MAX_HELD_CHUNKS: Final = 1024
"""Chunks that wait for an earlier one. Each costs about 600 bytes, however small."""
MAX_SACK_BLOCKS: Final = 128
"""Gap blocks in a SACK of ours: more would not fit a packet. The rest waits for the next."""
FIRST_RTO: Final = 0.4
"""Seconds before a lost handshake packet is repeated (RFC 9260, section 16, has one; aiortc three)."""
MOST_FIRST_RTO: Final = 1.0
"""Seconds between its repetitions at most: there are eight, and opening takes ten seconds at most."""
SHORTEST_RTO: Final = 0.3
"""Seconds before a lost packet is repeated that nothing follows. RFC 9260 has one; TCP on the same
line waits 0.2, and a receiver of ours keeps an acknowledgement back for 20 ms at most."""
LONGEST_RTO: Final = 4.0
"""Seconds between repetitions at most: who comes back soon is heard soon."""

_HEADER_SIZE: Final = 12
_CHUNK_HEADER_SIZE: Final = 4
_TSNS: Final = 2**32
_BINARY: Final = stock.WEBRTC_BINARY
_FIRST, _LAST = stock.SCTP_DATA_FIRST_FRAG, stock.SCTP_DATA_LAST_FRAG


class BrokeTheRules(RemoteError):
    """The peer did what no program of ours does: the association ends."""


class GuardedSctp(QuickSctp):
    """One association with one stream, over which each message is a record."""

    def __init__(self, transport: RTCDtlsTransport) -> None:
        super().__init__(transport)
        self._advertised_rwnd = RECEIVE_WINDOW
        self._inbound_streams_max = 1
        self._local_partial_reliability = False
        self._outbound_streams_count = 1
        self._rto = FIRST_RTO
        self._held: dict[int, stock.DataChunk] = {}
        self._message: list[bytes] = []
        self._message_size = 0
        self._has_received = False
        self._quiet = asyncio.Event()

    async def quiet(self) -> None:
        """Wait until the peer has acknowledged everything, or the association is over."""
        while not self._is_quiet():
            self._quiet.clear()
            await self._quiet.wait()

    def _is_quiet(self) -> bool:
        is_over = self._association_state != self.State.ESTABLISHED
        is_empty = not (self._data_channel_queue or self._outbound_queue or self._sent_queue)
        return is_over or is_empty

    async def _handle_data(self, data: bytes) -> None:
        """Take everything that came in one datagram. Never raises: that would end DTLS silently."""
        packet = data
        while packet:
            await self._take_packet(packet)
            packet = self._next_packet()
        if self._is_quiet():
            self._quiet.set()

    async def take_packets(self, packets: Sequence[bytes]) -> None:
        """Take packets that arrived together. Never raises, as `_handle_data`."""
        await super().take_packets(packets)
        if self._is_quiet():
            self._quiet.set()

    async def _take_packet(self, packet: bytes) -> None:
        try:
            if len(packet) <= MAX_PACKET_SIZE and (part := self._read_next(packet)) is not None:
                await self._take_next(*part)
                return
            check_packet(packet)
        except MalformedFrame:
            return
        except Exception:  # noqa: BLE001  the peer chose these bytes, and whatever they met ends here
            await self._give_up()
            return
        try:
            await super()._handle_data(packet)
        except Exception:  # noqa: BLE001  the peer chose these bytes, and whatever they met ends here
            await self._give_up()

    def _next_packet(self) -> bytes:
        """Return the next DTLS record of the same datagram, which stock aiortc leaves to pile up."""
        try:
            return bytes(self.transport._ssl.recv(1500)) if self.transport._ssl else b""
        except SSL.Error:
            return b""

    async def _give_up(self) -> None:
        if self._association_state != self.State.CLOSED:
            await self._abort()
        self._set_state(self.State.CLOSED)
        self._held.clear()
        self._message.clear()

    async def _receive_chunk(self, chunk: stock.Chunk) -> None:
        if self._association_state == self.State.CLOSED:
            return
        match chunk:
            case stock.InitChunk() if self._is_settled():
                return  # a repeat, or an attempt to start over: our peers open a new connection
            case stock.DataChunk() | stock.SackChunk() if self._last_received_tsn is None:
                return
            case stock.ShutdownChunk() | stock.ShutdownAckChunk():
                raise BrokeTheRules("a shutdown, which aiortc would leave half open")
        await super()._receive_chunk(chunk)

    def _is_settled(self) -> bool:
        return self._association_state == self.State.ESTABLISHED or self._has_received

    async def _receive_data_chunk(self, chunk: stock.DataChunk) -> None:
        """Put messages together in the order of their TSNs, which is the order of one stream."""
        assert self._last_received_tsn is not None
        before = self._last_received_tsn
        self._check_chunk(chunk, ahead=(chunk.tsn - before) % _TSNS)
        self._sack_needed = True
        self._has_received = True
        if self._mark_received(chunk.tsn):
            return
        self._held[chunk.tsn] = chunk
        self._advertised_rwnd -= len(chunk.user_data)
        if self._advertised_rwnd < -WINDOW_OVERRUN or len(self._held) > MAX_HELD_CHUNKS:
            raise BrokeTheRules("more than a receiver holds")
        for step in range(1, (self._last_received_tsn - before) % _TSNS + 1):
            chunk = self._held.pop((before + step) % _TSNS)
            await self._append(chunk.flags, chunk.user_data)

    def _check_chunk(self, chunk: stock.DataChunk, *, ahead: int) -> None:
        if chunk.stream_id != 0 or chunk.protocol != _BINARY:
            raise BrokeTheRules("another stream or kind of message")
        if chunk.flags & ~(_FIRST | _LAST):
            raise BrokeTheRules("unordered, or a flag nobody sets")
        if MAX_TSN_AHEAD < ahead < _TSNS // 2:
            raise BrokeTheRules("too far ahead")

    async def _take_next(self, flags: int, part: bytes) -> None:
        """Take the next part of all; nothing is held before it, so nothing waits for it."""
        self._has_received = True
        self._advertised_rwnd -= len(part)
        await self._append(flags, part)
        if not self._is_gathering:
            await self._send_sack()

    async def _append(self, flags: int, part: bytes) -> None:
        if bool(flags & _FIRST) == bool(self._message):
            raise BrokeTheRules("a message inside another, or without a beginning")
        self._message.append(part)
        self._message_size += len(part)
        if self._message_size > MAX_RECORD_SIZE:
            raise BrokeTheRules("a message longer than a record")
        if flags & _LAST:
            message = b"".join(self._message)
            self._message.clear()
            self._message_size = 0
            self._advertised_rwnd += len(message)
            await self._receive(0, _BINARY, message)

    async def _receive_sack_chunk(self, chunk: stock.SackChunk) -> None:
        if self._is_lawful(chunk):
            await super()._receive_sack_chunk(chunk)

    def _is_lawful(self, sack: stock.SackChunk) -> bool:
        """Tell whether it acknowledges what was sent, and no more: aiortc counts it one by one."""
        last_sent = self._sent_queue[-1].tsn if self._sent_queue else self._last_sacked_tsn
        outstanding: int = (last_sent - sack.cumulative_tsn) % _TSNS
        if outstanding >= _TSNS // 2:
            return False
        previous = 0
        for first, last in sack.gaps:
            if not previous < first <= last <= outstanding:
                return False
            previous = last
        return True

    def _update_rto(self, R: float) -> None:  # noqa: N803 - aiortc's name
        """Measure; a short line is not waited for as for a long one."""
        super()._update_rto(R)
        if self._srtt is not None and self._rttvar is not None:
            shortest = max(SHORTEST_RTO, self._srtt + 4 * self._rttvar)
            self._rto = min(shortest, LONGEST_RTO)

    def _t1_start(self, chunk: stock.Chunk) -> None:
        """Begin to wait for the answer to a packet of the handshake, which goes out once more soon."""
        super()._t1_start(chunk)
        asyncio.get_running_loop().call_later(SOON_AGAIN, self._t1_again, chunk)

    def _t1_again(self, chunk: stock.Chunk) -> None:
        if self._t1_chunk is chunk:
            again = self._send_chunk(chunk)
            self._again = asyncio.get_running_loop().create_task(again)  # asyncio keeps none alive

    def _t1_expired(self) -> None:
        """Repeat a lost handshake packet, and wait longer for the next time."""
        self._rto = min(2 * self._rto, MOST_FIRST_RTO)
        super()._t1_expired()

    def _before_repeating(self) -> None:
        """Wait twice as long for the next time (RFC 9260, section 6.3.3)."""
        self._rto = min(2 * self._rto, LONGEST_RTO)

    async def _transmit(self) -> None:
        self._cwnd = min(self._cwnd, MAX_CWND)
        await super()._transmit()

    async def _send_chunk(self, chunk: stock.Chunk) -> None:
        if isinstance(chunk, stock.SackChunk):
            chunk.gaps = chunk.gaps[:MAX_SACK_BLOCKS]
        try:
            await super()._send_chunk(chunk)
        except ConnectionError:
            pass  # aiortc calls this from tasks nobody waits for; the DTLS transport tells its end

    def _set_state(self, state: RTCSctpTransport.State) -> None:
        super()._set_state(state)
        self._quiet.set()


def check_packet(packet: bytes) -> None:
    """Check a packet's layout, so that aiortc's parser meets no length it does not expect.

    Raises:
        MalformedFrame: too long, a length that does not fit, a chunk we have no use for, or more
            chunks than anybody sends.

    Source: RFC 9260, section 3.
    """
    if not _HEADER_SIZE + _CHUNK_HEADER_SIZE <= len(packet) <= MAX_PACKET_SIZE:
        raise MalformedFrame("a packet of no lawful size")
    kinds: list[int] = []
    at = _HEADER_SIZE
    while at + _CHUNK_HEADER_SIZE <= len(packet):
        length = int.from_bytes(packet[at + 2 : at + 4], "big")
        if length < _CHUNK_HEADER_SIZE or at + length > len(packet) or len(kinds) == MAX_CHUNKS:
            raise MalformedFrame("a chunk longer than its packet, or too many")
        kinds.append(packet[at])
        _check_body(packet[at], packet[at + _CHUNK_HEADER_SIZE : at + length])
        at += length + -length % 4
    if stock.InitChunk.type in kinds and len(kinds) > 1:
        raise MalformedFrame("an INIT in company")


def _check_body(kind: int, body: bytes) -> None:
    if kind in _WITH_PARAMETERS:
        fixed = _WITH_PARAMETERS[kind]
        if len(body) < fixed:
            raise MalformedFrame("a chunk shorter than its layout")
        _check_parameters(body[fixed:])
    elif kind == stock.DataChunk.type:
        if len(body) <= 12:
            raise MalformedFrame("a message part without content")
    elif kind == stock.SackChunk.type:
        if len(body) < 12 or len(body) != 12 + 4 * _count_blocks(body):
            raise MalformedFrame("an acknowledgement of the wrong length")
    elif kind == stock.ShutdownChunk.type:
        if len(body) != 4:
            raise MalformedFrame("a shutdown of the wrong length")
    elif kind not in _PLAIN:
        raise MalformedFrame("a chunk that one ordered stream does not need")


def _count_blocks(body: bytes) -> int:
    return int.from_bytes(body[8:10], "big") + int.from_bytes(body[10:12], "big")


def _check_parameters(body: bytes) -> None:
    at = 0
    while at + 4 <= len(body):
        length = int.from_bytes(body[at + 2 : at + 4], "big")
        if length < 4 or at + length > len(body):
            raise MalformedFrame("a parameter of no lawful length")
        at += length + -length % 4


_WITH_PARAMETERS: Final = {
    stock.InitChunk.type: 16,
    stock.InitAckChunk.type: 16,
    stock.HeartbeatChunk.type: 0,
    stock.HeartbeatAckChunk.type: 0,
    stock.AbortChunk.type: 0,
    stock.ErrorChunk.type: 0,
}
"""Chunks that end in parameters, and the bytes before those."""

_PLAIN: Final = frozenset(
    {
        stock.CookieEchoChunk.type,
        stock.CookieAckChunk.type,
        stock.ShutdownAckChunk.type,
        stock.ShutdownCompleteChunk.type,
    }
)
"""Chunks whose body is nothing or opaque. Not among them: RE-CONFIG and FORWARD TSN."""
