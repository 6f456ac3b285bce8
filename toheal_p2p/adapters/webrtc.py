"""Channels over WebRTC: ICE, DTLS and SCTP from aiortc's ORTC objects, without SDP.

    GuardedIce -> RTCIceTransport -> FlowDtls -> GuardedSctp -> RTCDataChannel 0

A connection has its own certificate, sockets and ICE secrets, so that two connections of one
person have nothing in common but the address. No server is asked that the caller did not name:
aiortc's own default would be a public STUN server.

Nothing of aiortc leaves `adapters`.

Spec: docs/protocol/link.md, sections 2 and 7.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from typing import Final

import trio
from aioice.candidate import candidate_priority
from attrs import define
from OpenSSL import SSL

from toheal_p2p.adapters.bridge import aio
from toheal_p2p.adapters.dtls_flow import FlowDtls
from toheal_p2p.adapters.ice import GuardedIce
from toheal_p2p.adapters.ortc import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
    SRTPProtectionProfile,
)
from toheal_p2p.adapters.turn_race import Numeric
from toheal_p2p.adapters.webrtc_channel import WebRtcChannel, stop_transports
from toheal_p2p.ports.channels import ChannelFailed, RelayServer
from toheal_protocol.errors import LocalError, RemoteError
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.wire.connection_blob import (
    MAX_CANDIDATES,
    Candidate,
    CandidateKind,
    ConnectionBlob,
    decode_blob,
    encode_blob,
    is_usable,
)

OPENING_LONGEST: Final = 10.0
"""Seconds for ICE, DTLS and SCTP together. ICE alone would try for more than a minute."""
RESOLVING_LONGEST: Final = 0.7
"""Seconds to look up a relay's name for STUN; a name that takes longer is left out."""

_CIPHERS: Final = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305"

# A peer that breaks a parser makes aiortc log a traceback: anybody could fill a log that way.
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
        self, *, controlling: bool, way: LinkWay, servers: Sequence[RelayServer]
    ) -> PreparedWebRtc:
        """Open sockets, ask the relays, and draw a certificate; see `ports.channels.Channels`.

        Raises:
            ChannelFailed: no usable address.
        """
        numeric = await _resolve(servers) if way is not LinkWay.LAN else []
        ice = GuardedIce(
            controlling=controlling,
            way=way,
            servers=numeric,
            include_loopback=self.include_loopback,
        )
        prepared = PreparedWebRtc(ice, way, controlling, self.include_loopback)
        try:
            await aio(prepared.gather)
        except BaseException:
            await prepared.aclose()
            raise
        return prepared


class PreparedWebRtc:
    """`ports.channels.PreparedChannel`: sockets, a certificate, and what the peer must know of them."""

    def __init__(
        self, ice: GuardedIce, way: LinkWay, controlling: bool, include_loopback: bool
    ) -> None:
        self.blob = b""
        self._way = way
        self._certificate = _Certificate.generateCertificate()
        self._gatherer = RTCIceGatherer(iceServers=[])
        self._gatherer._connection = ice
        self._ice = RTCIceTransport(self._gatherer)
        self._dtls = FlowDtls(self._ice, [self._certificate])
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
            raise ChannelFailed(_NO_ADDRESS[self._way])
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
                await aio(stop_transports, self._ice, self._dtls, None)

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
        if self._way is LinkWay.TURN and candidate.kind is not CandidateKind.RELAYED:
            return False  # a relay that is asked to reach a private address may end everything
        is_local = ipaddress.ip_address(candidate.host).is_loopback
        return self._include_loopback or not is_local


async def _resolve(servers: Sequence[RelayServer]) -> list[Numeric]:
    """Look up the relays' addresses, one of each family, all at once; leave out what takes too long."""
    found: dict[str, dict[int, str]] = {}

    async def look_up(host: str) -> None:
        try:
            answers = await trio.socket.getaddrinfo(host, None, type=trio.socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            return
        # the first of a family is the one the system would take
        found[host] = {family: str(address[0]) for family, *_, address in reversed(answers)}

    with trio.move_on_after(RESOLVING_LONGEST):
        async with trio.open_nursery() as nursery:
            for host in {one.host for one in servers}:
                nursery.start_soon(look_up, host)
    families = (trio.socket.AF_INET, trio.socket.AF_INET6)
    return [
        Numeric(one, found[one.host][family])
        for one in servers
        for family in families
        if family in found.get(one.host, ())
    ]


_NAMES: Final = {
    CandidateKind.HOST: "host",
    CandidateKind.REFLEXIVE: "srflx",
    CandidateKind.RELAYED: "relay",
}
_KINDS: Final = {name: kind for kind, name in _NAMES.items()}

_NO_ADDRESS: Final = {
    LinkWay.TURN: "no relay of the circle lends us an address",
    LinkWay.DIRECT: "no address a peer could reach",
    LinkWay.LAN: "this machine is in no local network",
}


def _kind(candidate: RTCIceCandidate) -> CandidateKind:
    return _KINDS[candidate.type]


def _to_aiortc(candidate: Candidate, number: int) -> RTCIceCandidate:
    kind = _NAMES[candidate.kind]
    return RTCIceCandidate(
        component=1,
        foundation=str(number),
        ip=candidate.host,
        port=candidate.port,
        priority=candidate_priority(1, kind),
        protocol="udp",
        type=kind,
    )
