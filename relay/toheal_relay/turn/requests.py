"""What a client may ask for: Allocate, Refresh, CreatePermission, ChannelBind.

Each answers with attributes, or with a `Refusal`. Who asks was settled before (see `door`).

Source: RFC 8656, sections 7, 8, 10 and 12.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, TypeAlias

from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import Instant
from toheal_protocol.wire.codec import u32
from toheal_protocol.wire.stun import (
    MESSAGE_INTEGRITY,
    MESSAGE_INTEGRITY_SHA256,
    NONCE,
    OPTIONAL,
    REALM,
    USERNAME,
    StunMessage,
    decode_xor_address,
)
from toheal_protocol.wire.turn import (
    ADDITIONAL_ADDRESS_FAMILY,
    CHANNEL_NUMBER,
    DATA,
    EVEN_PORT,
    LIFETIME,
    REQUESTED_ADDRESS_FAMILY,
    REQUESTED_TRANSPORT,
    RESERVATION_TOKEN,
    UDP,
    XOR_PEER_ADDRESS,
    Refusal,
    decode_channel_number,
    decode_lifetime,
    decode_requested_transport,
)
from toheal_relay.shares import Source
from toheal_relay.turn.allocation import (
    CHANNEL_LIFE,
    DEFAULT_LIFETIME,
    LONGEST_LIFETIME,
    PERMISSION_LIFE,
    Allocation,
    Client,
    PeerAddress,
)
from toheal_relay.turn.answers import Attributes, allocated
from toheal_relay.turn.door import Asker
from toheal_relay.turn.packets import Packets
from toheal_relay.turn.rules import is_ipv6
from toheal_relay.turn.table import Table

Outcome: TypeAlias = Attributes | Refusal

_KNOWN: Final = frozenset(
    {
        USERNAME,
        MESSAGE_INTEGRITY,
        MESSAGE_INTEGRITY_SHA256,
        REALM,
        NONCE,
        CHANNEL_NUMBER,
        LIFETIME,
        XOR_PEER_ADDRESS,
        DATA,
        REQUESTED_ADDRESS_FAMILY,
        EVEN_PORT,
        REQUESTED_TRANSPORT,
        RESERVATION_TOKEN,
    }
)
"""What we understand, if only to refuse it. DONT-FRAGMENT is not among it: it would be a lie."""

_IPV4: Final = b"\x01"
_IPV6: Final = b"\x02"
_RESERVE: Final = b"\x80"
"""In EVEN-PORT: and keep the next port for me (RFC 8656, section 18.6)."""


def unknown_attributes(message: StunMessage) -> tuple[int, ...]:
    """Return the demands of a message that we do not understand (RFC 8489, section 6.3.1)."""
    return tuple(name for name, _ in message.attributes if name < OPTIONAL and name not in _KNOWN)


def read_peer(value: bytes, request: StunMessage, allocation: Allocation) -> PeerAddress | Refusal:
    """Read an XOR-PEER-ADDRESS, which has to be of the family of the allocation's port.

    An IPv4 address that is dressed up as IPv6 is IPv6, and never somebody's on the internet.
    """
    try:
        host, port = decode_xor_address(value, request.transaction)
    except MalformedFrame:
        return Refusal.BAD_REQUEST
    if _family_of(host) != _family_of(allocation.port.address[0]):
        return Refusal.PEER_FAMILY_MISMATCH
    return host, port


class Requests:
    """Carries requests out. `hosts` is where others reach our ports: one address of a family at most."""

    def __init__(self, table: Table, packets: Packets, *, hosts: Collection[str]) -> None:
        self.is_closing = False
        """Whether no new allocations are made, because the relay goes away."""
        self._table = table
        self._packets = packets
        self._hosts = {_family_of(host): host for host in hosts}

    def allocate(
        self, request: StunMessage, client: Client, source: Source, asker: Asker, *, now: Instant
    ) -> Outcome:
        """Give a client a port (RFC 8656, section 7.2). The same request again: the same answer."""
        no_ipv6 = request.find(ADDITIONAL_ADDRESS_FAMILY) is not None
        existing = self._table.find(client.key, now)
        if existing is not None:
            if existing.transaction != request.transaction:
                return Refusal.ALLOCATION_MISMATCH
            left = int(existing.expires_at - now)
            return allocated(existing, left, no_ipv6=no_ipv6)
        refused = _refuse_allocate(request) or self._refuse_more(source, asker)
        if refused is not None:
            return refused
        try:
            lifetime = _lifetime(request)
        except MalformedFrame:
            return Refusal.BAD_REQUEST
        host = self._hosts.get((request.find(REQUESTED_ADDRESS_FAMILY) or _IPV4)[:1])
        if host is None:
            return Refusal.ADDRESS_FAMILY_NOT_SUPPORTED
        port = self._table.open_port(host, even=request.find(EVEN_PORT) is not None)
        if port is None:
            return Refusal.INSUFFICIENT_CAPACITY
        allocation = Allocation(
            client=client,
            port=port,
            source=source,
            quota=self._table.quota_of(source),
            username=asker.username,
            key=asker.key,
            transaction=request.transaction,
            expires_at=Instant(now + lifetime),
        )
        self._table.add(allocation)
        return allocated(allocation, lifetime, no_ipv6=no_ipv6)

    def refresh(self, request: StunMessage, allocation: Allocation, *, now: Instant) -> Outcome:
        """Lengthen, shorten or end an allocation (section 8.2)."""
        family = request.find(REQUESTED_ADDRESS_FAMILY)
        if family is not None and family[:1] != _family_of(allocation.port.address[0]):
            return Refusal.PEER_FAMILY_MISMATCH
        try:
            lifetime = _lifetime(request, may_end=True)
        except MalformedFrame:
            return Refusal.BAD_REQUEST
        if lifetime == 0:
            self._table.remove(allocation)
        else:
            self._table.set_expiry(allocation, Instant(now + lifetime))
        return ((LIFETIME, u32(lifetime)),)

    def create_permission(
        self, request: StunMessage, allocation: Allocation, *, now: Instant
    ) -> Outcome:
        """Let packets from and to some addresses through: all that are named, or none (10.2)."""
        hosts = set()
        for name, value in request.attributes:
            if name == XOR_PEER_ADDRESS:
                peer = read_peer(value, request, allocation)
                if isinstance(peer, Refusal):
                    return peer
                if self._packets.is_refused_wholly(peer[0]):
                    return Refusal.FORBIDDEN
                hosts.add(peer[0])
        if not hosts:
            return Refusal.BAD_REQUEST
        return self._permit(allocation, hosts, now)

    def bind_channel(
        self, request: StunMessage, allocation: Allocation, *, now: Instant
    ) -> Outcome:
        """Give a peer a number, which permits its address as well (section 12.2)."""
        number, value = request.find(CHANNEL_NUMBER), request.find(XOR_PEER_ADDRESS)
        if number is None or value is None:
            return Refusal.BAD_REQUEST
        try:
            prefix = decode_channel_number(number).to_bytes(2, "big")
        except MalformedFrame:
            return Refusal.BAD_REQUEST
        address = read_peer(value, request, allocation)
        if isinstance(address, Refusal):
            return address
        return self._bind(allocation, prefix, address, now)

    def _bind(
        self, allocation: Allocation, prefix: bytes, address: PeerAddress, now: Instant
    ) -> Outcome:
        holder = allocation.channels.get(prefix)
        if holder is not None and holder.address != address and holder.channel_until > now:
            return Refusal.BAD_REQUEST
        if self._packets.is_refused(address):
            return Refusal.FORBIDDEN
        peer = self._packets.find_peer(allocation, address, now)
        if peer is None:
            return Refusal.INSUFFICIENT_CAPACITY
        if peer.channel_until > now and peer.prefix != prefix:
            return Refusal.BAD_REQUEST
        permitted = self._permit(allocation, {address[0]}, now)
        if permitted == ():
            allocation.unbind(peer)
            allocation.channels[prefix] = peer
            peer.prefix, peer.channel_until = prefix, Instant(now + CHANNEL_LIFE)
        return permitted

    def _permit(self, allocation: Allocation, hosts: set[str], now: Instant) -> Outcome:
        live = {host: until for host, until in allocation.permissions.items() if until > now}
        if not self._packets.fits(len(live.keys() | hosts)):
            return Refusal.INSUFFICIENT_CAPACITY
        allocation.permissions = live | dict.fromkeys(hosts, Instant(now + PERMISSION_LIFE))
        return ()

    def _refuse_more(self, source: Source, asker: Asker) -> Refusal | None:
        if self.is_closing or self._table.is_full():
            return Refusal.INSUFFICIENT_CAPACITY
        if self._table.has_its_share(source, asker.username):
            return Refusal.ALLOCATION_QUOTA
        return None


def _refuse_allocate(request: StunMessage) -> Refusal | None:
    """Return why a request can never be fulfilled here, in the order of RFC 8656, section 7.2."""
    transport = request.find(REQUESTED_TRANSPORT)
    family, second = request.find(REQUESTED_ADDRESS_FAMILY), request.find(ADDITIONAL_ADDRESS_FAMILY)
    has_token = request.find(RESERVATION_TOKEN) is not None
    even = request.find(EVEN_PORT)
    if transport is None or len(transport) != 4:
        return Refusal.BAD_REQUEST
    if decode_requested_transport(transport) != UDP:
        return Refusal.UNSUPPORTED_TRANSPORT
    if has_token and (even is not None or family is not None or second is not None):
        return Refusal.BAD_REQUEST
    if second is not None and (family is not None or even is not None or second[:1] != _IPV6):
        return Refusal.BAD_REQUEST
    if family is not None and len(family) != 4:
        return Refusal.BAD_REQUEST
    # no pairs of ports and no reservations: RTP of old wanted them, WebRTC does not
    wants_pair = even is not None and even[:1] >= _RESERVE
    return Refusal.INSUFFICIENT_CAPACITY if has_token or wants_pair else None


def _family_of(host: str) -> bytes:
    return _IPV6 if is_ipv6(host) else _IPV4


def _lifetime(request: StunMessage, *, may_end: bool = False) -> int:
    """Return for how many seconds an allocation lives from now on.

    Raises:
        MalformedFrame: the LIFETIME is none.
    """
    value = request.find(LIFETIME)
    if value is None:
        return DEFAULT_LIFETIME
    wanted = decode_lifetime(value)
    if wanted == 0 and may_end:
        return 0
    return min(max(wanted, DEFAULT_LIFETIME), LONGEST_LIFETIME)
