"""DTLS once the handshake is over: everything that has arrived is taken at once.

Stock aiortc asks OpenSSL three times for each datagram, twice to hear that there is nothing, sends
through five functions, and lets SCTP answer each packet by itself. Here the datagrams that wait are decrypted one after the
other and go up together, and OpenSSL is asked again only where it may have something to say.

It overrides private methods: `aiortc==1.16.*` is pinned, and a test checks that the names exist.

Spec: docs/protocol/link.md, section 7.
"""

from __future__ import annotations

from typing import Final

from OpenSSL import SSL

from toheal_p2p.adapters.dtls import QuickDtls
from toheal_p2p.adapters.ortc import State
from toheal_p2p.adapters.sctp import GuardedSctp

MOST_AT_ONCE: Final = 64
"""Datagrams taken in one turn of the loop: what a window of 96 KiB holds, nearly."""

_LONGEST: Final = 1500
"""Bytes of a datagram, and of what it holds."""
_APPLICATION_DATA: Final = 23
_RECORD_HEADER: Final = 13


class FlowDtls(QuickDtls):
    """One connection; everything but the way of its data is as in a handshake."""

    _is_settled = False
    _has_ended = False
    _may_answer = False
    """OpenSSL met something that is no data: it may have written an alert or a handshake's flight."""

    async def _recv_next(self) -> None:
        """Take what has arrived; wait for it if there is nothing."""
        receiver = self._data_receiver
        if not isinstance(receiver, GuardedSctp) or not self._is_past_handshake():
            await super()._recv_next()
            return
        packets = self._open(await self.transport._recv())
        self._flight = b""  # the peer has the handshake's last flight
        waiting = self.transport._connection._queue
        while len(packets) < MOST_AT_ONCE and not waiting.empty():
            arrived = waiting.get_nowait()
            if arrived is None:  # aioice's word for a socket that is gone: the next wait meets it
                waiting.put_nowait(None)
                break
            packets += self._open(arrived[0])
        if packets:
            await receiver.take_packets(packets)
        await self._answer()

    async def _send_data(self, data: bytes) -> None:
        """Encrypt a packet and send it: one record, one datagram."""
        if self._ssl is None or self._state is not State.CONNECTED:
            raise ConnectionError("Cannot send encrypted data, not connected")
        self._ssl.send(data)
        try:
            datagram = self._ssl.bio_read(_LONGEST)
        except SSL.Error:
            return
        await self.transport._send(datagram)

    def _is_past_handshake(self) -> bool:
        """Say whether no flight of the handshake can be lost any more: aiortc repeats those."""
        if not self._is_settled and self.encrypted and self._ssl is not None:
            self._is_settled = self._ssl.DTLSv1_get_timeout() is None
        return self._is_settled

    def _open(self, datagram: bytes) -> list[bytes]:
        """Decrypt a datagram's records. One that does not open is passed over, as in stock aiortc."""
        assert self._ssl is not None
        if not 20 <= datagram[0] < 64:
            return []  # no DTLS; nobody speaks RTP here
        self._ssl.bio_write(datagram)
        packets: list[bytes] = []
        try:
            packets.append(self._ssl.recv(_LONGEST))
            while not _is_one_record(datagram):
                packets.append(self._ssl.recv(_LONGEST))
        except SSL.ZeroReturnError:
            self._has_ended = True
        except SSL.Error:
            self._may_answer = True
        return packets

    async def _answer(self) -> None:
        if self._may_answer or self._has_ended:
            self._may_answer = False
            await self._write_ssl()
        if self._has_ended:
            raise ConnectionError  # what stock aiortc raises when the peer has said goodbye


def _is_one_record(datagram: bytes) -> bool:
    """Tell whether a datagram is one record of application data, as nearly all are.

    Source: RFC 6347, section 4.1. Records of DTLS 1.3 begin otherwise, and may hold anything.
    """
    if datagram[0] != _APPLICATION_DATA:
        return False
    return _RECORD_HEADER + int.from_bytes(datagram[11:13], "big") == len(datagram)
