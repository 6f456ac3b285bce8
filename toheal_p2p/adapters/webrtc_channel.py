"""One open WebRTC data channel as a `ports.channels.Channel`: what aiortc tells, and how it ends.

aiortc's callbacks only note what happened and set events; none of them ever raises, for that would
end DTLS without anybody noticing. Everything aiortc says of a connection's end comes together in
`_lose`.

Spec: docs/protocol/link.md, section 7.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import trio
from attrs import define, field
from OpenSSL import SSL

from toheal_p2p.adapters.bridge import aio
from toheal_p2p.adapters.ice import GuardedIce
from toheal_p2p.adapters.ortc import (
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCDtlsTransport,
    RTCIceTransport,
    RTCSctpCapabilities,
)
from toheal_p2p.adapters.sctp import GuardedSctp
from toheal_p2p.ports.channels import BUFFER_LOW, EXPORTER_SIZE, ChannelFailed
from toheal_protocol.wire.link_record import MAX_RECORD_SIZE

LINGER_LONGEST: Final = 1.0
"""Seconds that closing waits for what was sent to be acknowledged."""
ARRIVED_MOST: Final = 512 * 1024
"""Bytes that may wait to be received: twice a link's credit. Whoever sends more is cut off."""
UNSENT_MOST: Final = 1024 * 1024
"""Bytes that may wait to be sent: only a peer that asks and never acknowledges gets there."""
EXPORTER_LABEL: Final = b"EXPERIMENTAL-toheal-th1"
"""RFC 5705 reserves this beginning for labels that are not registered."""

_SCTP_PORT: Final = 5000


@define(eq=False, init=False)
class WebRtcChannel:
    """`ports.channels.Channel` over one data channel."""

    exporter: bytes = field(repr=False)
    is_open: bool
    _ice: RTCIceTransport
    _dtls: RTCDtlsTransport
    _sctp: GuardedSctp
    _stream: RTCDataChannel
    _arrived: deque[bytes] = field(repr=False)
    _arrived_size: int
    _is_lost: bool
    _is_closed: bool
    _decided: asyncio.Event
    _may_receive: trio.Event
    _may_send: trio.Event

    def __init__(self, ice: RTCIceTransport, dtls: RTCDtlsTransport) -> None:
        """Make the data channel and listen to it in one step: aiortc drops what nobody hears."""
        self.exporter, self.is_open = b"", False
        self._ice, self._dtls, self._sctp = ice, dtls, GuardedSctp(dtls)
        self._arrived, self._arrived_size = deque(), 0
        self._is_lost = self._is_closed = False
        self._decided = asyncio.Event()
        self._may_receive, self._may_send = trio.Event(), trio.Event()
        parameters = RTCDataChannelParameters(negotiated=True, id=0)
        self._stream = RTCDataChannel(self._sctp, parameters)
        self._stream.bufferedAmountLowThreshold = BUFFER_LOW - 1
        self._stream.on("message", self._take)
        self._stream.on("bufferedamountlow", self._tell_room)
        self._stream.on("open", self._decided.set)
        self._stream.on("close", self._lose)
        dtls.on("statechange", self._watch)

    @property
    def is_relayed(self) -> bool:
        """Whether what is sent passes a relay just now; see `ports.channels.Channel`."""
        ice = self._ice._connection
        return isinstance(ice, GuardedIce) and ice.is_relayed

    @property
    def progress(self) -> int:
        """The last part that the peer acknowledged; see `ports.channels.Channel`."""
        return self._sctp._last_sacked_tsn

    async def open(self) -> None:
        """Start SCTP over connected DTLS and wait until the data channel is open. Runs in asyncio.

        Raises:
            ChannelFailed: it was lost before.
        """
        ssl = self._dtls._ssl
        assert ssl is not None
        self._dtls._rx_srtp = None  # type: ignore[assignment]  # nobody speaks RTP: parse none
        self.exporter = ssl.export_keying_material(EXPORTER_LABEL, EXPORTER_SIZE)
        # no await before SCTP listens: what the peer sends earlier would cost it a second
        await self._sctp.start(RTCSctpCapabilities(MAX_RECORD_SIZE), _SCTP_PORT)
        await self._decided.wait()
        if self._is_lost:
            raise ChannelFailed("the peer closed the connection while it opened")
        self.is_open = True

    def send_nowait(self, record: bytes) -> None:
        """Send one message; see `ports.channels.Channel`."""
        if self._stream.readyState != "open" or self._is_lost:
            return
        if self._stream.bufferedAmount > UNSENT_MOST:
            self._lose()
            return
        self._stream.send(record)

    async def room(self) -> None:
        """Wait until less than `BUFFER_LOW` bytes are held; see `ports.channels.Channel`."""
        while not self._is_lost:
            if self._stream.bufferedAmount < BUFFER_LOW:
                return
            if self._may_send.is_set():
                self._may_send = trio.Event()
            await self._may_send.wait()
        raise ChannelFailed("the channel is lost")

    async def receive(self) -> tuple[bytes, ...]:
        """Return all messages that have arrived; see `ports.channels.Channel`."""
        if self._arrived:
            await trio.lowlevel.checkpoint()
        while not self._arrived:
            if self._is_lost:
                raise ChannelFailed("the channel is lost")
            self._may_receive = trio.Event()
            await self._may_receive.wait()
        arrived = tuple(self._arrived)
        self._arrived.clear()
        self._arrived_size = 0
        return arrived

    async def aclose(self) -> None:
        """Close, after a moment for what was sent; see `ports.channels.Channel`."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if not self._is_lost:
                with trio.move_on_after(LINGER_LONGEST):
                    await aio(self._sctp.quiet)
        finally:
            self._lose()
            with trio.CancelScope(shield=True):
                await aio(stop_transports, self._ice, self._dtls, self._sctp)

    def _take(self, message: bytes | str) -> None:
        if not isinstance(message, bytes) or self._is_lost:
            return
        self._arrived.append(message)
        self._arrived_size += len(message)
        self._may_receive.set()
        if self._arrived_size > ARRIVED_MOST:
            self._lose()

    def _tell_room(self) -> None:
        self._may_send.set()

    def _watch(self) -> None:
        if self._dtls.state in ("closed", "failed"):
            self._lose()

    def _lose(self) -> None:
        self._is_lost = True
        self._decided.set()
        self._may_receive.set()
        self._may_send.set()


async def stop_transports(
    ice: RTCIceTransport, dtls: RTCDtlsTransport, sctp: GuardedSctp | None
) -> None:
    """Close from the top down. Also tells a peer whose certificate was the wrong one."""
    try:
        if sctp is not None:
            await sctp.stop()
        if dtls.state == "failed" and dtls._ssl is not None:
            dtls._ssl.shutdown()
            await dtls._write_ssl()
        await dtls.stop()
    except (SSL.Error, ConnectionError):
        pass  # there was nobody left to tell
    finally:
        dtls.remove_all_listeners()
        await ice.stop()
