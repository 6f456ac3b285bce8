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
from aioice.ice import StunProtocol

GATHER_LONGEST: Final = 1.2
"""Seconds for the STUN servers' answers. Where UDP is blocked, exactly this much is lost."""
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


class GuardedIce(Connection):
    """The connectivity checks of one connection."""

    def __init__(
        self,
        *,
        controlling: bool,
        stun_servers: Sequence[tuple[str, int]],
        include_loopback: bool,
    ) -> None:
        """Make one; nothing is sent before `gather_candidates`.

        Args:
            controlling: which of the two sides we are.
            stun_servers: numeric IPv4 addresses and ports.
            include_loopback: offer 127.0.0.1 too, for tests and the demo.
        """
        super().__init__(ice_controlling=controlling, transport_policy=TransportPolicy.ALL)
        self._stun_servers = tuple(stun_servers)[:MAX_STUN_SERVERS]
        self._include_loopback = include_loopback

    def knows(self, host: str, port: int) -> bool:
        """Tell whether it is an address the peer named, or from which it passed a check."""
        return any(
            known.port == port and known._network_host == host for known in self._remote_candidates
        )

    async def get_component_candidates(
        self, component: int, addresses: list[str], timeout: int = 5
    ) -> list[Candidate]:
        """Open a socket per address and ask every STUN server, with our own time limit."""
        if self._include_loopback:
            addresses = [LOOPBACK, *addresses]
        opened = [await self._open(component, host) for host in addresses[:MAX_ADDRESSES]]
        sockets = [socket for socket in opened if socket is not None]
        reflexive = await self._ask_stun_servers(sockets)
        return reflexive + [socket.local_candidate for socket in sockets]

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
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", bound_host),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "host"),
            host=bound_host,
            port=port,
            type="host",
        )
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
    return Candidate(
        foundation=candidate_foundation("srflx", "udp", ours.host),
        component=ours.component,
        transport="udp",
        priority=candidate_priority(ours.component, "srflx"),
        host=host,
        port=port,
        type="srflx",
    )


def _may_reach_relays(host: str) -> bool:
    """IPv6 addresses are not translated, so only IPv4 ones are asked about."""
    return ipaddress.ip_address(host).version == 4
