"""Which relay, and over what: all of them race, and the first address that is lent wins.

UDP starts at once, TCP a moment later, TLS after another moment, and IPv6 right behind IPv4; so a
network that blocks one of them costs that moment and no more. Whoever comes in second is given back.
What is lent is the same either way: over which family we reach a relay is between us and it.

TLS is pinned: the relay must show the key its address names before anything is sent to it.

Source: RFC 8305 for the idea. Spec: docs/protocol/link.md, section 7.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from aioice.ice import StunProtocol
from attrs import frozen

from toheal_p2p.adapters.turn import RelayedSocket, TurnClient, open_stream, open_udp
from toheal_p2p.ports.channels import RelayServer, ServerKind
from toheal_protocol.crypto import equal
from toheal_protocol.crypto.certificates import key_fingerprint
from toheal_protocol.errors import RemoteError

HEAD_START: Final = 0.3
"""Seconds before the next transport joins the race: longer than UDP needs on most lines (two round
trips), and short enough not to be felt where it is blocked."""
SECOND_RELAY: Final = 0.1
"""Seconds before the circle's next relay joins over the same transport."""
OTHER_FAMILY: Final = 0.05
"""Seconds before a relay's IPv6 address joins after its IPv4 one: where one of the two leads nowhere,
as on a phone's network, this is all it costs (RFC 8305 has 0.25, and no third party that lends)."""
MAX_SERVERS: Final = 24
"""Services that race: three transports at four relays of two families."""


@frozen
class Numeric:
    """A service with its host looked up: one address of IPv4 or IPv6."""

    server: RelayServer
    host: str

    @property
    def address(self) -> tuple[str, int]:
        """Where it is."""
        return self.host, self.server.port


async def allocate_first(
    servers: Sequence[Numeric],
    make_receiver: Callable[[], StunProtocol],
    *,
    within: float,
) -> StunProtocol | None:
    """Return the receiver of the first address a relay lends us; None if none does.

    Runs in asyncio.

    Args:
        within: seconds.
    """
    racing = {
        asyncio.create_task(_allocate(numeric, make_receiver(), wait))
        for numeric, wait in _starts(servers)
    }
    winner: StunProtocol | None = None
    deadline = asyncio.get_running_loop().time() + within
    try:
        while racing and winner is None:
            left = deadline - asyncio.get_running_loop().time()
            done, racing = await asyncio.wait(
                racing, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            for task in done:
                winner = _keep_one(winner, task.result())
    finally:
        for task in racing:
            task.cancel()
        for late in await asyncio.gather(*racing, return_exceptions=True):
            if not isinstance(late, BaseException):
                winner = _keep_one(winner, late)
    return winner


def _starts(servers: Sequence[Numeric]) -> list[tuple[Numeric, float]]:
    """Return who runs, and how many seconds after the start."""
    starts: list[tuple[Numeric, float]] = []
    known: dict[int, list[RelayServer]] = {}
    for numeric in servers:
        kind = numeric.server.transport
        if kind == ServerKind.STUN:
            continue
        before = known.setdefault(kind, [])
        is_other_family = numeric.server in before[-1:]
        if not is_other_family:
            before.append(numeric.server)
        place = kind * HEAD_START + (len(before) - 1) * SECOND_RELAY
        starts.append((numeric, place + is_other_family * OTHER_FAMILY))
    first = min((wait for _, wait in starts), default=0.0)
    soonest = sorted(starts, key=lambda one: one[1])[:MAX_SERVERS]
    return [(numeric, wait - first) for numeric, wait in soonest]


def _keep_one(kept: StunProtocol | None, other: StunProtocol | None) -> StunProtocol | None:
    if kept is None or other is None:
        return kept or other
    other.transport.close()
    return kept


async def _allocate(numeric: Numeric, receiver: StunProtocol, wait: float) -> StunProtocol | None:
    await asyncio.sleep(wait)
    try:
        client = await _open(numeric)
    except OSError:
        return None
    relayed = RelayedSocket(client, receiver)
    try:
        await relayed.allocate()
    except asyncio.CancelledError:
        relayed.close()  # the relay may have lent it already
        raise
    except Exception:  # noqa: BLE001  refused, or an answer that is none: the relay chose it
        relayed.abort()
        return None
    return receiver


async def _open(numeric: Numeric) -> TurnClient:
    server = numeric.server
    if server.transport == ServerKind.UDP:
        return await open_udp(numeric.address, server.username, server.password)

    def check(transport: asyncio.BaseTransport) -> None:
        if server.transport == ServerKind.TLS:
            _check_key(transport, server.fingerprint)

    tls = {"ssl": _context(), "server_hostname": _server_name(server.host)}
    return await open_stream(
        numeric.address,
        server.username,
        server.password,
        check=check,
        **(tls if server.transport == ServerKind.TLS else {}),
    )


def _check_key(transport: asyncio.BaseTransport, fingerprint: bytes) -> None:
    shown = transport.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
    try:
        is_right = equal(key_fingerprint(shown), fingerprint)
    except RemoteError:
        is_right = False
    if not is_right:
        raise ConnectionError("somebody else answers there")


@cache
def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # coturn 4.6 has no more; ours takes 1.3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the key is checked instead, before anything is sent
    return context


def _server_name(host: str) -> str:
    """Name the relay in the clear only where a name was dialled: port sharing needs it."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return ""
