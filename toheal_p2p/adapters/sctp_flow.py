"""aiortc's SCTP with fewer packets and less work for each: acknowledging, sending, timers.

Stock aiortc 1.16 acknowledges every packet by itself, looks through everything in flight for each
acknowledgement, and sends four packets at a time. What is different here, and allowed to be:

- an acknowledgement stands for all packets that were taken together; a single one waits a moment
  for data it can travel with. What comes out of order is acknowledged at once, as before.
- packets in flight are looked through after a loss only.
- what an acknowledgement makes room for may leave at once, beside the burst of four.

The stock peer of tests and other programs sees an ordinary association.

Source: RFC 9260, sections 6.1, 6.2 and 7.2.
Spec: docs/protocol/link.md, section 7.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from struct import Struct, pack, unpack_from
from typing import Any, Final

from google_crc32c import value as crc32c

from toheal_p2p.adapters.ortc import RTCDataChannel, RTCDtlsTransport, RTCSctpTransport, stock
from toheal_protocol.errors import LocalError

SACK_DELAY: Final = 0.02
"""Seconds an acknowledgement of a single packet waits for company (RFC 9260 allows 0.2)."""
PACKETS_UNACKED: Final = 2
"""Packets after which an acknowledgement waits no longer."""
PACKET_MOST: Final = 1189
"""Bytes of the largest packet aiortc sends; an acknowledgement in company may not make it larger."""
BURST: Final = 4 * stock.USERDATA_MAX_LENGTH
"""Bytes that may leave at once beside what an acknowledgement made room for."""
GROWTH_MOST: Final = 4 * stock.USERDATA_MAX_LENGTH
"""Bytes one acknowledgement may open the congestion window by while it is young."""

_TSNS: Final = 2**32
_HALF: Final = 2**31
_HEADER: Final = 12
_NO_SUM: Final = bytes(4)
_SEQUENCES: Final = 2**16
_DATA_PACKET: Final = Struct("!4xLLBBHLHHL")
"""The header of a packet, and of its first chunk if that is data."""
_DATA_HEADER: Final = 16
_ESTABLISHED: Final = RTCSctpTransport.State.ESTABLISHED
_FIRST: Final = stock.SCTP_DATA_FIRST_FRAG
_LAST: Final = stock.SCTP_DATA_LAST_FRAG


class OurChunk(stock.DataChunk):
    """A part of a message on its way; what aiortc notes of it begins as the class says."""

    _abandoned = False
    _acked = False
    _expiry: float | None = None
    _in_flight = False
    _max_retransmits: int | None = None
    _misses = 0
    _retransmit = False
    _sent_count = 0
    _sent_time: float | None = None

    def __init__(  # six numbers of one layout
        self, flags: int, tsn: int, stream_id: int, stream_seq: int, protocol: int, part: bytes
    ) -> None:
        self.flags = flags
        self.tsn = tsn
        self.stream_id = stream_id
        self.stream_seq = stream_seq
        self.protocol = protocol
        self.user_data = part
        self._book_size = len(part)


class QuickSctp(RTCSctpTransport):
    """The way of packets; what a hostile peer may not do is `GuardedSctp`'s."""

    def __init__(self, transport: RTCDtlsTransport) -> None:
        super().__init__(transport)
        assert self._loop is not None
        self._host = self._loop
        self._is_gathering = False
        self._since_sack = 0
        self._sack_handle: asyncio.TimerHandle | None = None
        self._looks_back = False
        self._t3_at = 0.0
        self._made_room = 0
        self._under_way: set[asyncio.Task[None]] = set()

    async def take_packets(self, packets: Sequence[bytes]) -> None:
        """Take packets that arrived together; one acknowledgement answers all of them."""
        self._is_gathering = True
        try:
            for packet in packets:
                await self._take_packet(packet)
        finally:
            self._is_gathering = False
        if self._sack_needed:
            await self._send_sack()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._host.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _take_packet(self, packet: bytes) -> None:
        await self._handle_data(packet)

    # ---- acknowledging

    async def _send_sack(self) -> None:
        """Acknowledge now, or leave it to the end of a batch, the next data, or a short timer."""
        if self._association_state == self.State.CLOSED:
            return
        if self._is_gathering:
            return
        is_plain = not self._sack_misordered and not self._sack_duplicates
        if is_plain and self._since_sack < PACKETS_UNACKED:
            if self._sack_handle is None:
                self._sack_handle = self._host.call_later(SACK_DELAY, self._sack_late)
            return
        await self._send_sack_now()

    async def _send_sack_now(self) -> None:
        self._stop_waiting()
        await super()._send_sack()

    def _sack_late(self) -> None:
        self._sack_handle = None
        if self._sack_needed and self._association_state == self.State.ESTABLISHED:
            self._begin(self._send_sack_now())

    def _stop_waiting(self) -> None:
        self._since_sack = 0
        if self._sack_handle is not None:
            self._sack_handle.cancel()
            self._sack_handle = None

    def _mark_received(self, tsn: int) -> bool:
        self._since_sack += 1
        last = self._last_received_tsn
        if last is None or self._sack_misordered or self._sack_duplicates:
            return super()._mark_received(tsn)
        if tsn != (last + 1) % _TSNS:
            return super()._mark_received(tsn)
        self._last_received_tsn = tsn
        return False

    async def _receive_sack_chunk(self, chunk: stock.SackChunk) -> None:
        """Take an acknowledgement; stock aiortc takes those that tell of a loss."""
        if chunk.gaps or self._looks_back or self._fast_recovery_exit is not None:
            self._looks_back = True
            await super()._receive_sack_chunk(chunk)
            return
        if (chunk.cumulative_tsn - self._last_sacked_tsn) % _TSNS >= _HALF:
            return
        self._last_sacked_tsn = self._advanced_peer_ack_tsn = chunk.cumulative_tsn
        was_full = self._flight_size >= self._cwnd
        if acked := self._forget_acked():
            self._grow(acked, was_full=was_full)
            self._made_room = acked
            if self._sent_queue:
                self._t3_restart()
        if not self._sent_queue:
            self._t3_cancel()
        await self._data_channel_flush()
        await self._transmit()
        self._made_room = 0

    def _forget_acked(self) -> int:
        """Take out of the queue what was acknowledged; return its bytes."""
        upto, acked = self._last_sacked_tsn, 0
        is_first = True
        while self._sent_queue and (upto - self._sent_queue[0].tsn) % _TSNS < _HALF:
            chunk = self._sent_queue.popleft()
            if not chunk._acked:
                acked += chunk._book_size
            if is_first and chunk._sent_count == 1 and chunk._sent_time is not None:
                self._update_rto(time.time() - chunk._sent_time)
            is_first = False
            self._flight_size_decrease(chunk)
        return acked

    def _grow(self, acked: int, *, was_full: bool) -> None:
        """Open the congestion window (RFC 9260, sections 7.2.1 and 7.2.2)."""
        if not was_full:
            return
        if self._cwnd <= self._ssthresh:
            self._cwnd += min(acked, GROWTH_MOST)
            return
        self._partial_bytes_acked += acked
        if self._partial_bytes_acked >= self._cwnd:
            self._partial_bytes_acked -= self._cwnd
            self._cwnd += stock.USERDATA_MAX_LENGTH

    # ---- sending

    def _data_channel_send(self, channel: RTCDataChannel, data: bytes | str) -> None:
        """Send a message now, as far as there is room for it, and not in the next turn of the loop."""
        if not isinstance(data, bytes) or not data:
            super()._data_channel_send(channel, data)
            return
        channel._addBufferedAmount(len(data))
        self._data_channel_queue.append((channel, stock.WEBRTC_BINARY, data))
        _finish(self._data_channel_flush())

    async def _send(
        self,
        stream_id: int,
        pp_id: int,
        user_data: bytes,
        expiry: float | None = None,
        max_retransmits: int | None = None,
        ordered: bool = True,
    ) -> None:
        """Cut a message into chunks and send what there is room for."""
        sequence = self._outbound_stream_seq.get(stream_id, 0)
        size = len(user_data)
        for at in range(0, size, stock.USERDATA_MAX_LENGTH):
            part = user_data[at : at + stock.USERDATA_MAX_LENGTH]
            flags = (0 if at else _FIRST) | (_LAST if at + len(part) == size else 0)
            self._outbound_queue.append(
                OurChunk(flags, self._local_tsn, stream_id, sequence, pp_id, part)
            )
            self._local_tsn = (self._local_tsn + 1) % _TSNS
        self._outbound_stream_seq[stream_id] = (sequence + 1) % _SEQUENCES
        await self._transmit()

    async def _transmit(self) -> None:
        if self._looks_back or self._fast_recovery_exit is not None:
            await super()._transmit()
            self._looks_back = any(chunk._retransmit for chunk in self._sent_queue)
            return
        upto = min(self._flight_size + BURST + self._made_room, self._cwnd)
        while self._outbound_queue and self._flight_size < upto:
            chunk = self._outbound_queue.popleft()
            self._sent_queue.append(chunk)
            self._flight_size_increase(chunk)
            chunk._sent_count += 1
            chunk._sent_time = time.time()
            await self._send_chunk(chunk)
            if self._t3_handle is None:
                self._t3_start()

    async def _send_chunk(self, chunk: stock.Chunk) -> None:
        body = bytes(chunk)
        if self._sack_needed and isinstance(chunk, stock.DataChunk):
            body = self._sack_in_company(len(body)) + body
        front = pack("!HHL", self._local_port, self._remote_port, self._remote_verification_tag)
        total = crc32c(front + _NO_SUM + body)
        await self.transport._send_data(front + total.to_bytes(4, "little") + body)

    def _sack_in_company(self, size: int) -> bytes:
        """Return an acknowledgement that fits before so many bytes of data, or nothing."""
        is_plain = not self._sack_misordered and not self._sack_duplicates
        if not is_plain or self._is_gathering or _HEADER + 16 + size > PACKET_MOST:
            return b""
        sack = stock.SackChunk()
        assert self._last_received_tsn is not None
        sack.cumulative_tsn = self._last_received_tsn
        sack.advertised_rwnd = max(0, self._advertised_rwnd)
        self._sack_needed = False
        self._stop_waiting()
        return bytes(sack)

    # ---- timers

    def _t3_start(self) -> None:
        self._t3_at = self._host.time() + self._rto
        super()._t3_start()

    def _t3_restart(self) -> None:
        """Note the new instant; the timer that runs looks at it when it rings."""
        if self._t3_handle is None:
            self._t3_start()
        else:
            self._t3_at = self._host.time() + self._rto

    def _t3_expired(self) -> None:
        left = self._t3_at - self._host.time()
        if left > 0.001:
            self._t3_handle = self._host.call_later(left, self._t3_expired)
            return
        self._looks_back = True
        self._before_repeating()
        super()._t3_expired()

    def _before_repeating(self) -> None:
        """Told when what is unacknowledged counts as lost, before it goes out again."""

    def _set_state(self, state: RTCSctpTransport.State) -> None:
        super()._set_state(state)
        if state == self.State.CLOSED:
            self._stop_waiting()

    # ---- receiving

    def _read_next(self, packet: bytes) -> tuple[int, bytes] | None:
        """Return flags and content of a packet that holds one chunk: the next one, as nearly all do.

        None says nothing of a packet but that it has to be looked at more closely.
        """
        if len(packet) <= _DATA_PACKET.size:
            return None
        tag, _, kind, flags, length, tsn, stream, _, protocol = _DATA_PACKET.unpack_from(packet)
        is_alone = _HEADER + length + -length % 4 == len(packet)
        if kind != stock.DataChunk.type or not is_alone or length <= _DATA_HEADER:
            return None
        if flags & ~(_FIRST | _LAST) or stream != 0 or protocol != stock.WEBRTC_BINARY:
            return None
        last = self._last_received_tsn
        is_next = last is not None and tsn == (last + 1) % _TSNS
        if not is_next or self._sack_misordered or self._sack_duplicates:
            return None
        if tag != self._local_verification_tag or self._association_state != _ESTABLISHED:
            return None
        total = crc32c(packet[:8] + _NO_SUM + packet[_HEADER:])
        if packet[8:_HEADER] != total.to_bytes(4, "little"):
            return None
        self._last_received_tsn = tsn
        self._since_sack += 1
        self._sack_needed = True
        return flags, packet[_DATA_PACKET.size : _HEADER + length]

    async def _handle_data(self, data: bytes) -> None:
        """Take a packet. One with data and acknowledgements alone needs little looking at."""
        if any(kind not in _PLAIN for kind, _, _ in _chunks_of(data)):
            await super()._handle_data(data)
            return
        if unpack_from("!L", data, 4)[0] != self._local_verification_tag:
            return
        if unpack_from("<L", data, 8)[0] != crc32c(data[:8] + _NO_SUM + data[_HEADER:]):
            return
        for kind, flags, body in _chunks_of(data):
            await self._receive_chunk(_PLAIN[kind](flags=flags, body=body))
        if self._sack_needed:
            await self._send_sack()


def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for nothing: between here and the socket nothing ever does."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise LocalError("the way of a packet waits for something")


_PLAIN: Final[dict[int, type[stock.DataChunk] | type[stock.SackChunk]]] = {
    stock.DataChunk.type: stock.DataChunk,
    stock.SackChunk.type: stock.SackChunk,
}


def _chunks_of(packet: bytes) -> list[tuple[int, int, bytes]]:
    """Cut a packet into kind, flags and body of each chunk; its layout was checked before."""
    chunks = []
    at = _HEADER
    while at + 4 <= len(packet):
        kind, flags, length = unpack_from("!BBH", packet, at)
        chunks.append((kind, flags, packet[at + 4 : at + length]))
        at += length + -length % 4
    return chunks
