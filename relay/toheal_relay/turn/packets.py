"""Passing packets on: the part that runs for every one of them, so it is written to be quick.

    client ──ChannelData, Send──▶ relay               ──▶ peer      (bursts, by a way that is known)
                                  channel_data, send  ──▶           (one by one, and a way is learned)
    client ◀──ChannelData, Data── from_peer           ◀──           (bursts)

A peer that is a port of ours belongs to another client: its packets never leave this process.

Source: RFC 8656, sections 11 and 12.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Final

from toheal_protocol.model import Instant
from toheal_protocol.wire.codec import u16, u32
from toheal_protocol.wire.stun import (
    COOKIE,
    HEADER_SIZE,
    MAX_STUN_SIZE,
    StunMessage,
)
from toheal_protocol.wire.turn import CHANNEL_HEADER, DATA, XOR_PEER_ADDRESS, Kind, Method
from toheal_relay.limits import Limits
from toheal_relay.turn.allocation import Allocation, Outgoing, Peer, PeerAddress, Route
from toheal_relay.turn.frames import hand_over, indication, is_ice_check
from toheal_relay.turn.quotas import Quotas
from toheal_relay.turn.rules import PeerRules
from toheal_relay.turn.table import Table

MAX_PACKET: Final = MAX_STUN_SIZE
"""Bytes of a packet we pass on: what is longer fits no ordinary path and was cut when it was read."""

_SEND: Final = u16(Method.SEND | Kind.INDICATION)
_XOR_ADDRESS_HEADER: Final = u16(XOR_PEER_ADDRESS) + u16(8)
_ADDRESS: Final = slice(20, 32)
"""Where the first attribute of a message is, if that is an address of IPv4."""

_DATA_TYPE: Final = slice(32, 34)
_SEND_HEADER: Final = 36
"""Bytes before the packet in a Send indication that has nothing but an address of IPv4 and DATA."""


class Packets:
    """Passes packets on between clients and peers. `hosts` is where others reach our ports."""

    def __init__(
        self, limits: Limits, table: Table, rules: PeerRules, *, hosts: Collection[str]
    ) -> None:
        self.quotas = Quotas(limits)
        self._allowed = self.quotas.allowed
        self._limits = limits
        self._table = table
        self._routes = table.routes
        self._rules = rules
        self._hosts = hosts

    def relay(self, client: Hashable, messages: list[bytes], now: Instant) -> Outgoing | None:
        """Pass on ChannelData by a channel whose route is known; None for everything else.

        The messages are of one size and begin with the same four bytes, so what is true of the first
        is true of all. Most packets come this way, so there is no call in it that is not needed.
        """
        first = messages[0]
        route = self._routes.get((client, first[:2]))
        if route is None:
            return self._relay_sends(client, messages, now) if first[:2] == _SEND else None
        until, allocation, send, to, prefix = route
        size = len(first) - CHANNEL_HEADER
        if now >= until or size <= 0 or first[2] << 8 | first[3] != size:
            return None
        allowed = self._allowed(allocation, size, len(messages), now)
        if allowed == 1:  # most come alone
            block = first[CHANNEL_HEADER:] if prefix is None else prefix + first[2:]
            return send, block, len(block), to
        if allowed < len(messages):
            if not allowed:
                return None
            messages = messages[:allowed]
        if prefix is None:
            return send, b"".join([each[CHANNEL_HEADER:] for each in messages]), size, to
        block = b"".join([prefix + each[2:] for each in messages])
        return send, block, CHANNEL_HEADER + size, to

    def channel_data(self, client: Hashable, message: bytes, now: Instant) -> Outgoing | None:
        """Pass on what a client sent by a channel (RFC 8656, section 12.6)."""
        allocation = self._table.find(client, now)
        prefix = message[:2]
        peer = None if allocation is None else allocation.channels.get(prefix)
        if allocation is None or peer is None or peer.channel_until <= now:
            return None
        size = int.from_bytes(message[2:CHANNEL_HEADER], "big")
        packet = message[CHANNEL_HEADER : CHANNEL_HEADER + size]
        if len(message) < CHANNEL_HEADER or len(packet) != size:
            return None
        self._learn((client, prefix), self._route(allocation, peer))
        return self._to_peer(allocation, peer, packet, now)

    def send(
        self, allocation: Allocation, peer: Peer, message: StunMessage, packet: bytes, now: Instant
    ) -> Outgoing | None:
        """Pass on what a client sent in an indication to a permitted peer (section 11.2)."""
        address = message.datagram[_ADDRESS]
        is_plain = address[:4] == _XOR_ADDRESS_HEADER and self._neighbour(peer.address) is None
        if is_plain and peer.has_answered and not peer.is_port_of_ours:
            until = min(allocation.expires_at, allocation.permissions[peer.address[0]])
            route = (until, allocation, allocation.port.send, peer.address, None)
            self._learn((allocation.client.key, address), route)
        return self._to_peer(allocation, peer, packet, now)

    def _relay_sends(
        self, client: Hashable, messages: list[bytes], now: Instant
    ) -> Outgoing | None:
        """Pass on Send indications for a peer whose route is known; None for everything else.

        They hold an XOR-PEER-ADDRESS and DATA, in this order and nothing else, as most clients write
        them. All that may differ is the transaction, which nobody looks at, and the packet.
        """
        first = messages[0]
        route = self._routes.get((client, first[_ADDRESS]))
        size = int.from_bytes(first[_SEND_HEADER - 2 : _SEND_HEADER], "big")
        end = _SEND_HEADER + size
        if route is None or now >= route[0] or len(first) != end + -size % 4 or not size:
            return None
        whole = _SEND + u16(len(first) - HEADER_SIZE) + u32(COOKIE)
        if first[_DATA_TYPE] != u16(DATA) or any(
            each[:8] != whole or each[20:_SEND_HEADER] != first[20:_SEND_HEADER]
            for each in messages
        ):
            return None
        _, allocation, send, to, _ = route
        allowed = self._allowed(allocation, size, len(messages), now)
        if not allowed:
            return None
        return send, b"".join([each[_SEND_HEADER:end] for each in messages[:allowed]]), size, to

    def _learn(self, key: tuple[Hashable, bytes], route: Route | None) -> None:
        """Remember a route. There are not many more than peers, however often these change."""
        if route is None:
            return
        if len(self._routes) >= self._limits.peers_per_allocation * len(self._table):
            self._routes.clear()
        self._routes[key] = route

    def _to_peer(
        self, allocation: Allocation, peer: Peer, packet: bytes, now: Instant
    ) -> Outgoing | None:
        """Pass one packet on to a peer that may have it, if quotas allow."""
        if not self._allowed(allocation, len(packet), 1, now):
            return None
        neighbour = self._neighbour(peer.address)
        if neighbour is not None:
            sender = allocation.port.address
            back = neighbour.peers.get(sender)
            frame = self._frame(neighbour, back, sender, len(packet), now)
            return None if frame is None else hand_over(neighbour.client, frame, [packet])
        if peer.is_port_of_ours:
            return None
        if not peer.has_answered and not self.quotas.may_risk(allocation, peer, now):
            return None
        return allocation.port.send, packet, len(packet), peer.address

    def from_peer(
        self, allocation: Allocation, sender: PeerAddress, packets: list[bytes], now: Instant
    ) -> Outgoing | None:
        """Pass on what came from a peer elsewhere, if it is permitted, as far as quotas allow.

        The packets are of one size.
        """
        size, peer = len(packets[0]), allocation.peers.get(sender)
        frame = self._frame(allocation, peer, sender, size, now)
        if frame is None:
            return None
        allowed = self._allowed(allocation, size, len(packets), now)
        if allowed < len(packets):
            if not allowed:
                return None
            packets = packets[:allowed]
        if peer is not None and not peer.has_answered:
            peer.has_answered = any(map(is_ice_check, packets))
        return hand_over(allocation.client, frame, packets)

    def _frame(
        self,
        allocation: Allocation,
        peer: Peer | None,
        sender: PeerAddress,
        size: int,
        now: Instant,
    ) -> tuple[bytes, bytes] | None:
        """Return what stands before and after a packet for a client, by the channel of its sender or as
        a Data indication; None if the client may not have it."""
        if allocation.expires_at <= now or size > MAX_PACKET:
            return None
        if peer is not None and peer.channel_until > now:
            return peer.prefix + size.to_bytes(2, "big"), b""
        return indication(sender, size) if allocation.permits(sender[0], now) else None

    def _neighbour(self, address: PeerAddress) -> Allocation | None:
        """Return the allocation whose relayed address this is, if it is one of ours."""
        return self._table.by_port.get(address)

    def _route(self, allocation: Allocation, peer: Peer) -> Route | None:
        """Work out where a channel leads, if that can be known for a while."""
        neighbour = self._neighbour(peer.address)
        until = min(allocation.expires_at, peer.channel_until)
        if neighbour is None:
            is_known = peer.has_answered and not peer.is_port_of_ours
            return (
                (until, allocation, allocation.port.send, peer.address, None) if is_known else None
            )
        back = neighbour.peers.get(allocation.port.address)
        if back is None:  # an indication is put together each time
            return None
        client = neighbour.client
        until = min(until, neighbour.expires_at, back.channel_until)
        return until, allocation, client.send, client.to, back.prefix

    def find_peer(self, allocation: Allocation, address: PeerAddress, now: Instant) -> Peer | None:
        """Return what is known of a peer, new if it is; None if it is refused or one too many."""
        peer = allocation.peers.get(address)
        if peer is not None:
            return peer
        if self.is_refused(address) or not self._has_room(allocation, now):
            return None
        peer = allocation.peers[address] = Peer(address, self._rules.refuses(*address))
        return peer

    def is_refused(self, address: PeerAddress) -> bool:
        """Say whether nobody may send there: a peer that is no port of ours, by the rules."""
        return self._neighbour(address) is None and self._rules.refuses(*address)

    def is_refused_wholly(self, host: str) -> bool:
        """Say whether no port of an address can be a peer."""
        return host not in self._hosts and self._rules.refuses(host, None)

    def fits(self, count: int) -> bool:
        """Say whether one allocation may have so many peers, or permissions."""
        return count <= self._limits.peers_per_allocation

    def _has_room(self, allocation: Allocation, now: Instant) -> bool:
        """Make room for one more peer, by forgetting one without a live channel if need be."""
        if len(allocation.peers) < self._limits.peers_per_allocation:
            return True
        for address, peer in allocation.peers.items():
            if peer.channel_until <= now:
                del allocation.peers[address]
                allocation.unbind(peer)
                return True
        return False
