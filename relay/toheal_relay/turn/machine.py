"""One TURN server without its sockets: a message in, what is to be sent out.

    relay       alike messages of a client, if they are ChannelData by a channel in use: the quick way
    receive     any message of a client: a request is answered, a packet passed on
    from_peer   packets that came to a relayed port from one peer
    leave       a client's stream is gone

Source: RFC 8656. Spec: docs/protocol/turn.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from typing import Final

from toheal_protocol.model import Instant
from toheal_protocol.wire.stun import BINDING_REQUEST, StunMessage, decode_stun
from toheal_protocol.wire.turn import (
    DATA,
    XOR_PEER_ADDRESS,
    Kind,
    Method,
    Refusal,
    read_type,
)
from toheal_relay.admission import Admission
from toheal_relay.limits import Limits
from toheal_relay.turn.allocation import Client, Outgoing, Port
from toheal_relay.turn.answers import CHALLENGE_SIZE, challenge, refusal, success
from toheal_relay.turn.binding import Strangers
from toheal_relay.turn.credentials import Credentials
from toheal_relay.turn.door import Asker, Door
from toheal_relay.turn.nonces import Nonces
from toheal_relay.turn.packets import Packets
from toheal_relay.turn.requests import Outcome, Requests, read_peer, unknown_attributes
from toheal_relay.turn.rules import PeerRules
from toheal_relay.turn.table import Table

_KEY_SIZE: Final = 32

_LAST_STUN: Final = b"\x03"
"""First byte of a message: STUN begins with two zero bits, and its methods are few."""

_CHALLENGES: Final = frozenset({Refusal.UNAUTHENTICATED, Refusal.STALE_NONCE})


class Turn:
    """A TURN server.

    Args:
        hosts: the addresses at which others reach our relayed ports, one of a family at most.
        credentials: whose are good.
        admission: names sources, and says how often strangers may be answered.
        open_port, close_port: give and take back relayed ports.
        draw: gives fresh random bytes.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        hosts: Collection[str],
        credentials: Credentials,
        admission: Admission,
        rules: PeerRules,
        open_port: Callable[[str, bool], Port | None],
        close_port: Callable[[Port], None],
        draw: Callable[[int], bytes],
    ) -> None:
        self._admission = admission
        self._strangers = Strangers(admission)
        self._table = Table(limits, open_port=open_port, close_port=close_port)
        self._packets = Packets(limits, self._table, rules, hosts=hosts)
        self._requests = Requests(self._table, self._packets, hosts=hosts)
        self._door = Door(credentials, Nonces(draw(_KEY_SIZE)))
        self.relay = self._packets.relay
        """Pass on ChannelData in use, given a client's key, alike messages and the time."""

    @property
    def allocations(self) -> int:
        """How many there are."""
        return len(self._table)

    @property
    def relayed_bytes(self) -> int:
        """How much was relayed since the start, in steps of 32 kB."""
        return self._packets.quotas.granted

    def receive(self, client: Client, message: bytes, *, now: Instant) -> Outgoing | None:
        """Take any message of a client; return what is to be sent because of it, if anything.

        Raises:
            MalformedFrame: it is neither ChannelData nor STUN.
        """
        if message[:1] > _LAST_STUN:
            return self._packets.channel_data(client.key, message, now)
        request = decode_stun(message)
        if request.type == BINDING_REQUEST:
            return self._strangers.receive(client, message, now=now)
        match read_type(request.type):
            case Method.SEND, Kind.INDICATION:
                return self._send(client, request, now)
            case method, Kind.REQUEST if method not in (Method.SEND, Method.DATA):
                return self._ask(client, method, request, now)
            case _:
                return None

    def from_peer(
        self, port: Port, sender: tuple[str, int], packets: list[bytes], *, now: Instant
    ) -> Outgoing | None:
        """Take packets of one size that came to a relayed port from one sender."""
        allocation = self._table.by_port.get(port.address)
        if allocation is None:
            return None
        return self._packets.from_peer(allocation, sender, packets, now)

    def has_allocation(self, client: Hashable) -> bool:
        """Say whether a client has one, by its key."""
        return client in self._table.by_client

    def leave(self, client: Hashable) -> None:
        """Forget the allocation of a client whose stream has ended (RFC 8656, section 7)."""
        allocation = self._table.by_client.get(client)
        if allocation is not None:
            self._table.remove(allocation)

    def sweep(self, *, now: Instant) -> None:
        """Forget everything whose time is over. To be called every few seconds."""
        self._table.sweep(now)

    def close(self) -> None:
        """Make no new allocations; those there are go on."""
        self._requests.is_closing = True

    def _ask(
        self, client: Client, method: Method, request: StunMessage, now: Instant
    ) -> Outgoing | None:
        allocation = self._table.find(client.key, now)
        asker = self._door.let_in(request, client, allocation, now=now)
        if isinstance(asker, Refusal):
            return self._turn_away(client, method, request, asker, now)
        key, integrity = asker.key, asker.integrity
        if unknown := unknown_attributes(request):
            why = Refusal.UNKNOWN_ATTRIBUTE
            answer = refusal(method, request, why, key=key, integrity=integrity, unknown=unknown)
        else:
            outcome = self._carry_out(client, method, request, asker, now)
            if isinstance(outcome, Refusal):
                answer = refusal(method, request, outcome, key=key, integrity=integrity)
            else:
                answer = success(method, request, outcome, key, integrity)
        return client.send, answer, len(answer), client.to

    def _carry_out(
        self, client: Client, method: Method, request: StunMessage, asker: Asker, now: Instant
    ) -> Outcome:
        allocation = self._table.find(client.key, now)
        if allocation is not None and allocation.username != asker.username:
            return Refusal.WRONG_CREDENTIALS
        if method is Method.ALLOCATE:
            source = self._admission.source_of(client.host, now=now)
            return self._requests.allocate(request, client, source, asker, now=now)
        if allocation is None:
            return Refusal.ALLOCATION_MISMATCH
        match method:
            case Method.REFRESH:
                return self._requests.refresh(request, allocation, now=now)
            case Method.CREATE_PERMISSION:
                return self._requests.create_permission(request, allocation, now=now)
            case _:
                return self._requests.bind_channel(request, allocation, now=now)

    def _turn_away(
        self, client: Client, method: Method, request: StunMessage, why: Refusal, now: Instant
    ) -> Outgoing | None:
        """Answer somebody of whom we know nothing: briefly, and over UDP not often."""
        asked = len(request.datagram)
        if not self._strangers.may_answer(client, asked, CHALLENGE_SIZE, now=now):
            return None
        if why in _CHALLENGES:
            nonce = self._door.nonce_for(client, now=now)
            answer = challenge(method, request, why, nonce)
        else:
            answer = refusal(method, request, why)
        return client.send, answer, len(answer), client.to

    def _send(self, client: Client, message: StunMessage, now: Instant) -> Outgoing | None:
        """Pass on a Send indication; what is wrong with it is told nobody (RFC 8656, section 11.2)."""
        allocation = self._table.find(client.key, now)
        value, packet = message.find(XOR_PEER_ADDRESS), message.find(DATA)
        if allocation is None or value is None or packet is None or unknown_attributes(message):
            return None
        address = read_peer(value, message, allocation)
        if isinstance(address, Refusal) or not allocation.permits(address[0], now):
            return None
        peer = self._packets.find_peer(allocation, address, now)
        if peer is None:
            return None
        return self._packets.send(allocation, peer, message, packet, now)
