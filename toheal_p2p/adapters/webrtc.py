"""Channels over WebRTC: ICE, DTLS and SCTP from aiortc's ORTC objects, without SDP.

    GuardedIce -> RTCIceTransport -> RTCDtlsTransport -> GuardedSctp -> RTCDataChannel 0

A connection has its own certificate, sockets and ICE secrets, so that two connections of one
person have nothing in common but the address. No server is asked that the caller did not name:
aiortc's own default would be a public STUN server.

Nothing of aiortc leaves this file. Its callbacks only note what happened and set events.

Spec: docs/protocol/link.md, sections 2 and 7.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import deque
from collections.abc import Sequence
from typing import Final

import trio
from aioice.candidate import candidate_priority
from aiortc import (
    RTCCertificate,
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
    RTCSctpCapabilities,
)
from aiortc.rtcdtlstransport import SRTPProtectionProfile
from attrs import define, field
from OpenSSL import SSL

from toheal_p2p.adapters.bridge import aio
from toheal_p2p.adapters.ice import GuardedIce
from toheal_p2p.adapters.sctp import GuardedSctp
from toheal_p2p.ports.channels import BUFFER_LOW, EXPORTER_SIZE, ChannelFailed
from toheal_protocol.errors import LocalError, RemoteError
from toheal_protocol.wire.connection_blob import (
    MAX_CANDIDATES,
    Candidate,
    CandidateKind,
    ConnectionBlob,
    decode_blob,
    encode_blob,
    is_usable,
)
from toheal_protocol.wire.link_record import MAX_RECORD_SIZE

OPENING_LONGEST: Final = 10.0
"""Seconds for ICE, DTLS and SCTP together. ICE alone would try for more than a minute."""
RESOLVING_LONGEST: Final = 0.7
"""Seconds to look up a relay's name for STUN; a name that takes longer is left out."""
LINGER_LONGEST: Final = 1.0
"""Seconds that closing waits for what was sent to be acknowledged."""
ARRIVED_MOST: Final = 512 * 1024
"""Bytes that may wait to be received: twice a link's credit. Whoever sends more is cut off."""
UNSENT_MOST: Final = 1024 * 1024
"""Bytes that may wait to be sent: only a peer that asks and never acknowledges gets there."""
EXPORTER_LABEL: Final = b"EXPERIMENTAL-toheal-th1"
"""RFC 5705 reserves this beginning for labels that are not registered."""

_SCTP_PORT: Final = 5000
_CIPHERS: Final = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305"

# A broken peer makes aiortc log a traceback; DEBUG lines hold addresses and packets.
logging.getLogger("aiortc").setLevel(logging.CRITICAL)


class _Certificate(RTCCertificate):
    """A fresh self-signed certificate whose connection keeps to one handshake and two ciphers."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_options(SSL.OP_NO_RENEGOTIATION)
        context.set_cipher_list(_CIPHERS)
        return context

    @property
    def fingerprint(self) -> bytes:
        """32 bytes: SHA-256 of the certificate."""
        values = {print_.algorithm: print_.value for print_ in self.getFingerprints()}
        return bytes.fromhex(values["sha-256"].replace(":", ""))


@define
class WebRtcChannels:
    """`ports.channels.Channels` over the real network. Works inside `bridge.run` only."""

    include_loopback: bool = False
    """Offer and try 127.0.0.1 too: for tests and the demo on one machine."""

    async def prepare(
        self, *, controlling: bool, stun_servers: Sequence[tuple[str, int]]
    ) -> PreparedWebRtc:
        """Open sockets, ask the STUN servers, and draw a certificate.

        Raises:
            ChannelFailed: no usable address.
        """
        numeric = await _resolve(stun_servers)
        ice = GuardedIce(
            controlling=controlling, stun_servers=numeric, include_loopback=self.include_loopback
        )
        prepared = PreparedWebRtc(ice, controlling, self.include_loopback)
        try:
            await aio(prepared.gather)
        except BaseException:
            await prepared.aclose()
            raise
        return prepared


class PreparedWebRtc:
    """`ports.channels.PreparedChannel`: sockets, a certificate, and what the peer must know of them."""

    def __init__(self, ice: GuardedIce, controlling: bool, include_loopback: bool) -> None:
        self.blob = b""
        self._certificate = _Certificate.generateCertificate()
        self._gatherer = RTCIceGatherer(iceServers=[])
        self._gatherer._connection = ice
        self._ice = RTCIceTransport(self._gatherer)
        self._dtls = RTCDtlsTransport(self._ice, [self._certificate])
        self._dtls._set_role("server" if controlling else "client")
        self._include_loopback = include_loopback
        self._is_used = False
        self._is_closed = False

    async def gather(self) -> None:
        """Fill `blob`. Runs in asyncio.

        Raises:
            ChannelFailed: no usable address.
        """
        await self._gatherer.gather()
        found = [
            Candidate(_kind(candidate), candidate.ip, candidate.port)
            for candidate in self._gatherer.getLocalCandidates()
        ]
        usable = tuple(candidate for candidate in found if is_usable(candidate))
        if not usable:
            raise ChannelFailed("no address a peer could reach")
        ours = self._gatherer.getLocalParameters()
        self.blob = encode_blob(
            ConnectionBlob(
                str(ours.usernameFragment),
                str(ours.password),
                self._certificate.fingerprint,
                usable[:MAX_CANDIDATES],
            )
        )

    async def connect(self, their_blob: bytes) -> WebRtcChannel:
        """Connect within ten seconds; see `ports.channels.PreparedChannel`."""
        if self._is_used or self._is_closed:
            raise LocalError("a prepared channel connects once")
        self._is_used = True
        channel: WebRtcChannel | None = None
        try:
            theirs = decode_blob(their_blob)
            with trio.fail_after(OPENING_LONGEST):
                channel = WebRtcChannel(self._ice, self._dtls)
                await aio(self._open, channel, theirs)
                return channel
        except (RemoteError, trio.TooSlowError) as failure:
            raise ChannelFailed(f"no channel: {type(failure).__name__}") from None
        finally:
            if channel is None:
                self._is_used = False
                await self.aclose()
            elif not channel.is_open:
                await channel.aclose()

    async def aclose(self) -> None:
        """Free sockets and tasks, unless a channel has them."""
        if not self._is_used and not self._is_closed:
            self._is_closed = True
            with trio.CancelScope(shield=True):
                await aio(_stop, self._ice, self._dtls, None)

    async def _open(self, channel: WebRtcChannel, theirs: ConnectionBlob) -> None:
        for number, candidate in enumerate(theirs.candidates):
            if self._may_try(candidate):
                await self._ice.addRemoteCandidate(_to_aiortc(candidate, number))
        await self._ice.addRemoteCandidate(None)
        await self._ice.start(RTCIceParameters(theirs.ufrag, theirs.password))
        if self._ice.state != "completed":
            raise ChannelFailed("no address of the peer answers")
        fingerprint = RTCDtlsFingerprint("sha-256", theirs.fingerprint.hex(":"))
        await self._dtls.start(RTCDtlsParameters([fingerprint]))
        if self._dtls.state != "connected":
            raise ChannelFailed("no DTLS, or somebody else's certificate")
        await channel.open()

    def _may_try(self, candidate: Candidate) -> bool:
        is_local = ipaddress.ip_address(candidate.host).is_loopback
        return self._include_loopback or not is_local


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
                await aio(_stop, self._ice, self._dtls, self._sctp)

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


async def _stop(ice: RTCIceTransport, dtls: RTCDtlsTransport, sctp: GuardedSctp | None) -> None:
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


async def _resolve(servers: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Look up the relays' IPv4 addresses, all at once; leave out what takes too long."""
    numeric: list[tuple[str, int]] = []

    async def look_up(host: str, port: int) -> None:
        try:
            found = await trio.socket.getaddrinfo(host, port, family=trio.socket.AF_INET)
        except OSError:
            return
        numeric.append((str(found[0][4][0]), port))

    with trio.move_on_after(RESOLVING_LONGEST):
        async with trio.open_nursery() as nursery:
            for host, port in servers:
                nursery.start_soon(look_up, host, port)
    return numeric


def _kind(candidate: RTCIceCandidate) -> CandidateKind:
    return CandidateKind.REFLEXIVE if candidate.type == "srflx" else CandidateKind.HOST


def _to_aiortc(candidate: Candidate, number: int) -> RTCIceCandidate:
    kind = "srflx" if candidate.kind is CandidateKind.REFLEXIVE else "host"
    return RTCIceCandidate(
        component=1,
        foundation=str(number),
        ip=candidate.host,
        port=candidate.port,
        priority=candidate_priority(1, kind),
        protocol="udp",
        type=kind,
    )
