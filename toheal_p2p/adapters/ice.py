"""aioice, closed to strangers: what arrives at our sockets from whoever did not authenticate.

Anybody who finds an open port can send to it. Stock aioice 0.13 queues every datagram without
bound, an empty one ends the connection above it, a malformed STUN attribute raises through the
event loop, and an unauthenticated request is answered. Here strangers get silence, datagrams count
only from addresses that passed a connectivity check, and nothing grows without bound.

It overrides methods and uses attributes of aioice that are not documented: `tests/adapters`
checks that they exist, and the lock file pins the version.

Spec: docs/protocol/link.md, section 7.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Sequence
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any, Final

from aioice import Candidate, Connection, TransportPolicy, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, StunProtocol

from toheal_p2p.adapters.turn import QuickTransaction
from toheal_p2p.adapters.turn_race import Numeric, allocate_first
from toheal_p2p.ports.channels import ServerKind
from toheal_protocol.machines.events import LinkWay

GATHER_LONGEST: Final = 1.2
"""Seconds for the relays' answers where we have addresses of our own as well. Where UDP is blocked,
this much is lost at most."""
TURN_LONGEST: Final = 4.0
"""Seconds for an address at a relay where nothing else will do. The first one ends the wait; this is
for TLS on a slow line, and for a lost packet."""
DIRECT_FIRST: Final = 0.7
"""Seconds that pairs without a relay are ahead of the others: a NAT needs a packet from inside first,
and one lost that way is repeated after a quarter of a second."""
MAX_STUN_SERVERS: Final = 3
"""Relays asked for our outer address."""
MAX_ADDRESSES: Final = 6
"""Interfaces that get a socket; beyond it are container bridges more than ways to a peer."""
MAX_REMOTE_ADDRESSES: Final = 24
"""Addresses a peer may have: its eight candidates, and others its NAT shows during the checks."""
MAX_DATAGRAM_SIZE: Final = 1600
"""Bytes. Ours have 1300 at most; a long one only packs many records into one turn of the loop."""
RECEIVE_BUFFER: Final = 256 * 1024
"""Bytes the kernel keeps for one socket: twice what a peer may have in flight."""
MAX_QUEUED: Final = 1024
"""Datagrams between the socket and DTLS. They are taken in the same turn of the loop."""

LOOPBACK: Final = "127.0.0.1"

_LAST_OF_STUN: Final = 3
"""The largest first byte of a STUN message (RFC 7983)."""

# aioice writes the addresses of both sides at INFO, and never anything worse than that.
logging.getLogger("aioice").setLevel(logging.CRITICAL)


class GuardedStun(StunProtocol):
    """One socket."""

    receiver: GuardedIce

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Pass on STUN, and anything else only from an address that passed a check."""
        assert isinstance(data, bytes)
        if not 0 < len(data) <= MAX_DATAGRAM_SIZE:
            return
        if data[0] > _LAST_OF_STUN:
            if self.receiver.knows(addr[0], addr[1]):
                self.receiver.data_received(data, self.local_candidate.component)
            return
        try:
            super().datagram_received(data, addr)
        except Exception:  # noqa: BLE001, S110  a stranger chose these bytes; it learns and ends nothing
            pass

    async def request(
        self,
        request: stun.Message,
        addr: tuple[str, int],
        integrity_key: bytes | None = None,
        retransmissions: int | None = None,
    ) -> tuple[stun.Message, tuple[str, int]]:
        """Ask somebody; a lost packet is repeated sooner than aioice would."""
        if integrity_key is not None:
            request.add_message_integrity(integrity_key)
        transaction = QuickTransaction(
            request, addr, self, retransmissions=retransmissions, integrity_key=integrity_key
        )
        self.transactions[request.transaction_id] = transaction
        try:
            return await transaction.run()
        finally:
            del self.transactions[request.transaction_id]


class GuardedIce(Connection):
    """The connectivity checks of one connection."""

    def __init__(
        self,
        *,
        controlling: bool,
        way: LinkWay,
        servers: Sequence[Numeric],
        include_loopback: bool,
    ) -> None:
        """Make one; nothing is sent before `gather_candidates`.

        Args:
            controlling: which of the two sides we are.
            way: on TURN no socket of ours ever sends to a peer, only the relay's address does.
            servers: numeric addresses and ports.
            include_loopback: offer 127.0.0.1 too, for tests and the demo.
        """
        is_hidden = way is LinkWay.TURN
        policy = TransportPolicy.RELAY if is_hidden else TransportPolicy.ALL
        super().__init__(ice_controlling=controlling, transport_policy=policy)
        self._way = way
        self._servers = tuple(servers) if way is not LinkWay.LAN else ()
        stun_servers = [
            one.address
            for one in self._servers
            if _speaks_stun(one) and _may_reach_relays(one.host)
        ]
        self._stun_servers = tuple(dict.fromkeys(stun_servers))[:MAX_STUN_SERVERS]
        self._include_loopback = include_loopback

    @property
    def is_relayed(self) -> bool:
        """Whether what is sent now passes a relay, ours or theirs."""
        pairs = self._nominated.values()
        return self._way is LinkWay.TURN or any(_is_relayed(pair) for pair in pairs)

    def knows(self, host: str, port: int) -> bool:
        """Tell whether it is an address the peer named, or from which it passed a check."""
        return any(
            known.port == port and known._network_host == host for known in self._remote_candidates
        )

    async def get_component_candidates(
        self, component: int, addresses: list[str], timeout: int = 5
    ) -> list[Candidate]:
        """Open a socket per address and ask the relays, with our own time limit."""
        if self._way is LinkWay.TURN:
            return await self._borrow_address(component, within=TURN_LONGEST)
        if self._include_loopback:
            addresses = [LOOPBACK, *addresses]
        opened = [await self._open(component, host) for host in addresses[:MAX_ADDRESSES]]
        sockets = [socket for socket in opened if socket is not None]
        reflexive, relayed = await asyncio.gather(
            self._ask_stun_servers(sockets), self._borrow_address(component, within=GATHER_LONGEST)
        )
        return [*reflexive, *relayed, *(socket.local_candidate for socket in sockets)]

    def _pair_remote_candidate(self, remote_candidate: Candidate) -> None:
        """Pair an address of the peer's, but never a relay with somebody's private network."""
        super()._pair_remote_candidate(remote_candidate)
        self._check_list[:] = [pair for pair in self._check_list if self._makes_sense(pair)]

    async def check_start(self, pair: CandidatePair) -> None:
        """Check a pair; who decides gives those without a relay a head start."""
        may_be_direct = self._way is not LinkWay.TURN
        if may_be_direct and self.ice_controlling and _is_relayed(pair):
            self.check_state(pair, CandidatePair.State.IN_PROGRESS)
            await asyncio.sleep(DIRECT_FIRST)
        await super().check_start(pair)

    async def send(self, data: bytes) -> None:
        """Send a datagram, as aioice would after asking three objects: this is the way of each."""
        pair = self._nominated.get(1)
        if pair is None:
            raise ConnectionError("Cannot send data, not connected")
        pair.protocol.transport.sendto(data, pair.remote_addr)

    def data_received(self, data: bytes, component: int) -> None:
        """Queue a datagram for DTLS, unless it is malformed STUN or nobody takes them."""
        if data[0] > _LAST_OF_STUN and self._queue.qsize() < MAX_QUEUED:
            super().data_received(data, component)

    def check_incoming(
        self, message: stun.Message, addr: tuple[str, int], protocol: StunProtocol
    ) -> None:
        """Take a check that passed; it may not add addresses without bound."""
        if len(self._remote_candidates) < MAX_REMOTE_ADDRESSES or self.knows(*addr):
            super().check_incoming(message, addr, protocol)
            if self._way is LinkWay.TURN and "USE-CANDIDATE" in message.attributes:
                self._follow(addr, protocol)

    def _follow(self, addr: tuple[str, int], protocol: StunProtocol) -> None:
        """Take the pair that the peer decided for, without asking anything ourselves.

        Its check was signed with our password and came from an address it named, so it is there and
        wants to be spoken to: as an agent of ICE lite we may do so a round trip sooner. Between
        addresses that relays lend, nothing else could be found out (RFC 8445, section 7.3.1.5).
        """
        if self.ice_controlling or self._nominated:
            return
        for pair in self._check_list:
            if pair.protocol is protocol and pair.remote_addr == addr:
                if pair.remote_candidate.type != "relay":
                    return
                if pair.task is not None:
                    pair.task.cancel()
                pair.nominated = True
                self.check_state(pair, CandidatePair.State.SUCCEEDED)
                self.check_complete(pair)
                return

    def respond_error(
        self,
        request: stun.Message,
        addr: tuple[str, int],
        protocol: StunProtocol,
        error_code: tuple[int, str],
    ) -> None:
        """Tell a peer about a role conflict, and a stranger nothing."""
        if error_code[0] not in (400, 401):
            super().respond_error(request, addr, protocol, error_code)

    async def _borrow_address(self, component: int, *, within: float) -> list[Candidate]:
        """Take an address at the relay that answers first."""
        protocol = await allocate_first(self._servers, lambda: GuardedStun(self), within=within)
        if protocol is None:
            return []
        host, port = protocol.transport.get_extra_info("sockname")[:2]
        if ipaddress.ip_address(host).is_loopback and not self._include_loopback:
            protocol.transport.close()
            return []
        protocol.local_candidate = _candidate("relay", component, host, port)
        self._protocols.append(protocol)
        return [protocol.local_candidate]

    def _makes_sense(self, pair: CandidatePair) -> bool:
        if pair.local_candidate.type != "relay" or pair.remote_candidate.type != "host":
            return True
        return self._include_loopback or ipaddress.ip_address(pair.remote_candidate.host).is_global

    async def _open(self, component: int, host: str) -> GuardedStun | None:
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: GuardedStun(self), local_addr=(host, 0)
            )
        except OSError:
            return None  # an interface that has just gone
        self._protocols.append(protocol)
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)
        bound_host, port = transport.get_extra_info("sockname")[:2]
        protocol.local_candidate = _candidate("host", component, bound_host, port)
        return protocol

    async def _ask_stun_servers(self, sockets: list[GuardedStun]) -> list[Candidate]:
        tasks = [
            asyncio.create_task(_ask_stun_server(socket, server))
            for socket in sockets
            if _may_reach_relays(socket.local_candidate.host)
            for server in self._stun_servers
        ]
        if not tasks:
            return []
        try:
            done, _ = await asyncio.wait(tasks, timeout=GATHER_LONGEST)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        found = [task.result() for task in done if task.exception() is None]
        unique = {(candidate.host, candidate.port): candidate for candidate in found}
        return list(unique.values())


async def _ask_stun_server(socket: GuardedStun, server: tuple[str, int]) -> Candidate:
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    response, _ = await socket.request(request, server)
    ours = socket.local_candidate
    host, port = response.attributes["XOR-MAPPED-ADDRESS"]
    return _candidate("srflx", ours.component, host, port, base=ours.host)


def _candidate(kind: str, component: int, host: str, port: int, *, base: str = "") -> Candidate:
    """Make a candidate. It has no related address: what never exists cannot leak."""
    return Candidate(
        foundation=candidate_foundation(kind, "udp", base or host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, kind),
        host=host,
        port=port,
        type=kind,
    )


def _is_relayed(pair: CandidatePair) -> bool:
    return "relay" in (pair.local_candidate.type, pair.remote_candidate.type)


def _speaks_stun(one: Numeric) -> bool:
    return one.server.transport in (ServerKind.STUN, ServerKind.UDP)


def _may_reach_relays(host: str) -> bool:
    """IPv6 addresses are not translated, so only IPv4 ones are asked about, by IPv4."""
    return ipaddress.ip_address(host).version == 4
