"""A relay is reached over IPv6 where IPv4 leads nowhere, and members of both families meet at it."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trio
from attrs import evolve, frozen

from tests.support.aioice_turn import ask_grant
from tests.support.channels import connected
from tests.support.guest import guest_run
from tests.support.relays import relay_process
from toheal_p2p.adapters import webrtc
from toheal_p2p.adapters.turn_race import HEAD_START, OTHER_FAMILY, SECOND_RELAY, Numeric, _starts
from toheal_p2p.adapters.webrtc import WebRtcChannels
from toheal_p2p.ports.channels import Channel, PreparedChannel, RelayServer, ServerKind
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.wire.relay_address import RelayAddress
from toheal_protocol.wire.turn_grant import TurnGrant

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6"),
]
in_guest = pytest.mark.trio(run=guest_run)

LOOPBACK = WebRtcChannels(include_loopback=True)
FOUR, SIX = "127.0.0.1", "::1"
only_ipv6 = pytest.mark.parametrize("relay", [("--host", SIX)], indirect=True)
TURN_KINDS = (ServerKind.UDP, ServerKind.TCP, ServerKind.TLS)


@pytest.fixture(params=[("--host", "::", "--turn-address", FOUR)])
def relay(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[RelayAddress, TurnGrant]]:
    """A relay that listens there, and leave to use its TURN, which is asked for over IPv6."""
    with relay_process(tmp_path, *request.param) as process:
        address = evolve(process.address, host=SIX)
        yield address, ask_grant(address)


def service(relay: tuple[RelayAddress, TurnGrant], kind: ServerKind, host: str) -> RelayServer:
    address, grant = relay
    pinned = address.fingerprint if kind is ServerKind.TLS else b""
    return RelayServer(host, address.port, kind, grant.username, grant.password, pinned)


@frozen
class By:
    """Channels of somebody who knows these services only."""

    known: RelayServer

    async def prepare(
        self, *, controlling: bool, way: LinkWay, servers: Sequence[RelayServer]
    ) -> PreparedChannel:
        known = (*servers, self.known)
        return await LOOPBACK.prepare(controlling=controlling, way=way, servers=known)


async def meet(ours: RelayServer, theirs: RelayServer) -> tuple[Channel, Channel]:
    """Connect two ends over TURN, each by its own service."""
    return await connected(By(ours), By(theirs), ways=(LinkWay.TURN, LinkWay.TURN))


@pytest.mark.parametrize("kind", TURN_KINDS)
@in_guest
async def test_members_of_both_families_talk(
    relay: tuple[RelayAddress, TurnGrant], kind: ServerKind
) -> None:
    with trio.fail_after(20):
        ours, theirs = await meet(service(relay, kind, SIX), service(relay, ServerKind.UDP, FOUR))
        for speaker, listener in ((ours, theirs), (theirs, ours)):
            speaker.send_nowait(b"hello")
            assert await listener.receive() == (b"hello",)
        await ours.aclose()
        await theirs.aclose()


class Names(trio.abc.HostnameResolver):
    """Knows one name, with an address of each family."""

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # type: ignore[no-untyped-def,override]
        assert host == b"relay.example"
        four = (socket.AF_INET, type, 17, "", ("127.0.0.2", 0))
        six = [(socket.AF_INET6, type, 17, "", (each, 0, 0, 0)) for each in (SIX, "::2")]
        return [*six, four, four]

    async def getnameinfo(self, sockaddr, flags):  # type: ignore[no-untyped-def,override]
        raise NotImplementedError


@only_ipv6
@in_guest
async def test_a_relay_that_has_ipv6_alone_lends_that(
    relay: tuple[RelayAddress, TurnGrant],
) -> None:
    with trio.fail_after(20):
        ends = await meet(service(relay, ServerKind.UDP, SIX), service(relay, ServerKind.TLS, SIX))
        for speaker, listener in (ends, ends[::-1]):
            [protocol] = speaker._ice._connection._protocols  # type: ignore[attr-defined]
            assert protocol.local_candidate.host == SIX
            speaker.send_nowait(b"hello")
            assert await listener.receive() == (b"hello",)
        for channel in ends:
            await channel.aclose()


@only_ipv6
@in_guest
async def test_a_name_whose_ipv4_address_leads_nowhere_is_reached_by_the_other(
    relay: tuple[RelayAddress, TurnGrant],
) -> None:
    """As on a phone's network without IPv4. Something takes packets at 127.0.0.2 and says nothing."""
    trio.socket.set_custom_hostname_resolver(Names())
    address, _ = relay
    with socket.socket(type=socket.SOCK_DGRAM) as silent, trio.fail_after(20):
        silent.bind(("127.0.0.2", address.port))
        both = service(relay, ServerKind.UDP, "relay.example")
        found = await webrtc._resolve([both])
        assert [one.host for one in found] == ["127.0.0.2", SIX]
        ends = await meet(both, both)
        for channel in ends:
            [protocol] = channel._ice._connection._protocols  # type: ignore[attr-defined]
            assert protocol.transport._client.server == (SIX, address.port)
            await channel.aclose()


@in_guest
async def test_nobody_asks_over_ipv6_where_they_come_from() -> None:
    """Such addresses are not translated, and a socket of IPv4 could not ask."""
    stun = RelayServer(SIX, 9, ServerKind.STUN)
    prepared = await LOOPBACK.prepare(controlling=True, way=LinkWay.DIRECT, servers=[stun])
    assert prepared._ice._connection._stun_servers == ()
    await prepared.aclose()


def test_the_other_family_is_right_behind_and_holds_no_other_relay_up() -> None:
    relays = [
        RelayServer(name, 1, kind)
        for name in ("a", "b")
        for kind in (ServerKind.UDP, ServerKind.TCP)
    ]
    racing = [Numeric(one, host) for one in relays for host in (FOUR, SIX)]
    waits = {(one.server.host, one.server.transport, one.host): at for one, at in _starts(racing)}
    for number, name in enumerate(("a", "b")):
        for kind in (ServerKind.UDP, ServerKind.TCP):
            alone = number * SECOND_RELAY + kind * HEAD_START
            assert waits[name, kind, FOUR] == pytest.approx(alone)
            assert waits[name, kind, SIX] == pytest.approx(alone + OTHER_FAMILY)
    [(_, only)] = _starts([Numeric(relays[0], SIX)])
    assert only == 0
