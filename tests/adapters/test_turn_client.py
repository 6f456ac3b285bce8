"""Our channels through somebody else's TURN server, and what a hostile one can do to us."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import aioice.ice
import aioice.turn
import pytest
import trio
from attrs import define, evolve, field

from tests.support.channels import check_channel_contract, connected
from tests.support.coturn import Coturn, a_coturn, free_port
from tests.support.guest import guest_run
from tests.support.relays import relay_process
from toheal_p2p.adapters import turn_race
from toheal_p2p.adapters.bridge import aio
from toheal_p2p.adapters.relay_tls import dial
from toheal_p2p.adapters.turn import (
    QuickTransaction,
    RelayedSocket,
    TcpTurn,
    UdpTurn,
    open_udp,
)
from toheal_p2p.adapters.turn_race import Numeric
from toheal_p2p.adapters.webrtc import WebRtcChannels
from toheal_p2p.ports.channels import Channel, ChannelFailed, RelayServer, ServerKind
from toheal_p2p.services.relay_connection import RelayConnection, RelayUp
from toheal_p2p.services.turn_leave import TurnLeave
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.wire.connection_blob import (
    Candidate,
    CandidateKind,
    decode_blob,
    encode_blob,
)

pytestmark = [pytest.mark.real]
in_guest = pytest.mark.trio(run=guest_run)

LOOPBACK = WebRtcChannels(include_loopback=True)
TURN_KINDS = (ServerKind.UDP, ServerKind.TCP, ServerKind.TLS)
every_transport = pytest.mark.parametrize("kind", TURN_KINDS, ids=lambda kind: kind.name)


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with a_coturn(tmp_path_factory.mktemp("coturn")) as running:
        yield running


async def prepare(way: LinkWay, *servers: RelayServer, controlling: bool = True):
    return await LOOPBACK.prepare(controlling=controlling, way=way, servers=servers)


def nobody(kind: ServerKind) -> RelayServer:
    """A service where nothing listens: what a network that blocks it looks like, or quicker."""
    return RelayServer("127.0.0.1", free_port(), kind, "user", "password")


@pytest.mark.coturn
@every_transport
@in_guest
async def test_channels_through_a_relay_keep_the_contract(coturn: Coturn, kind: ServerKind) -> None:
    with trio.fail_after(20):
        await check_channel_contract(
            LOOPBACK, LOOPBACK, way=LinkWay.TURN, servers=[coturn.server(kind)]
        )


@pytest.mark.coturn
@every_transport
@in_guest
async def test_what_a_peer_is_told_on_the_way_turn_is_an_address_of_the_relays(
    coturn: Coturn, kind: ServerKind
) -> None:
    prepared = await prepare(LinkWay.TURN, coturn.server(kind), coturn.server(ServerKind.STUN))
    [only] = decode_blob(prepared.blob).candidates
    assert only.kind is CandidateKind.RELAYED
    [protocol] = prepared._ice._connection._protocols
    assert protocol.transport.get_extra_info("related_address") is None
    assert protocol.local_candidate.related_address is None
    await prepared.aclose()


@pytest.mark.coturn
@in_guest
async def test_on_the_way_turn_nothing_is_sent_to_an_address_that_no_relay_lent(
    coturn: Coturn,
) -> None:
    """Neither from here nor from the relay, whatever a member names."""
    with trio.socket.socket(type=socket.SOCK_DGRAM) as service:
        await service.bind(("127.0.0.1", 0))
        prepared = await prepare(LinkWay.TURN, coturn.server(ServerKind.UDP))
        for kind in (CandidateKind.HOST, CandidateKind.REFLEXIVE):
            lure = Candidate(kind, *service.getsockname()[:2])
            blob = encode_blob(evolve(decode_blob(prepared.blob), candidates=(lure,)))
            with trio.move_on_after(0.5), pytest.raises(ChannelFailed):
                await prepared.connect(blob)
            with trio.move_on_after(0.05):
                assert not await service.recv(2000), "a member made us send to a local service"
            prepared = await prepare(LinkWay.TURN, coturn.server(ServerKind.UDP))
        await prepared.aclose()


@pytest.mark.coturn
@in_guest
async def test_the_quickest_transport_wins_and_the_others_are_given_back(coturn: Coturn) -> None:
    with trio.fail_after(10):
        ours, theirs = await connected(
            LOOPBACK, LOOPBACK, ways=(LinkWay.TURN, LinkWay.TURN), servers=coturn.servers()
        )
    for channel in (ours, theirs):
        [protocol] = channel._ice._connection._protocols
        assert isinstance(protocol.transport._client, UdpTurn)
        await channel.aclose()
    await trio.sleep(0.1)
    assert not asyncio.all_tasks()


class Lent:
    """An address that somebody may give back."""

    def __init__(self) -> None:
        self.is_given_back = False
        self.transport = self

    def close(self) -> None:
        self.is_given_back = True


@in_guest
async def test_of_two_addresses_that_come_at_once_one_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lent: list[Lent] = []

    async def lend(*_: object) -> Lent:
        one = Lent()
        lent.append(one)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            one.close()  # as the real one does
            raise
        return one

    monkeypatch.setattr(turn_race, "_allocate", lend)
    servers = [Numeric(RelayServer("127.0.0.1", port, 0), "127.0.0.1") for port in range(1, 6)]
    kept = await aio(partial(turn_race.allocate_first, servers, Lent, within=1.0))
    assert [one.is_given_back for one in lent].count(False) == 1
    assert not kept.is_given_back  # type: ignore[union-attr]


@pytest.mark.coturn
@pytest.mark.parametrize("blocked", [(ServerKind.UDP,), (ServerKind.UDP, ServerKind.TCP)])
@in_guest
async def test_what_is_blocked_costs_a_moment(
    coturn: Coturn, blocked: tuple[ServerKind, ...]
) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        black_hole = RelayServer(*silent.getsockname(), ServerKind.UDP, "user", "password")
        servers = [black_hole if kind is ServerKind.UDP else nobody(kind) for kind in blocked]
        servers += [coturn.server(kind) for kind in TURN_KINDS if kind not in blocked]
        started = time.monotonic()
        prepared = await prepare(LinkWay.TURN, *servers)
        took = time.monotonic() - started
    [protocol] = prepared._ice._connection._protocols
    assert isinstance(protocol.transport._client, TcpTurn)
    assert took < 0.3 * len(blocked) + 1.0
    await prepared.aclose()


@pytest.mark.coturn
@in_guest
async def test_a_relay_that_shows_another_key_is_sent_nothing(coturn: Coturn) -> None:
    right = coturn.server(ServerKind.TLS)
    wrong = RelayServer(
        right.host, right.port, right.transport, "a-name-nobody-sees", "secret", bytes(32)
    )
    with pytest.raises(ChannelFailed), trio.fail_after(10):
        await prepare(LinkWay.TURN, wrong)
    assert not coturn.has_logged("a-name-nobody-sees")


@pytest.mark.coturn
@every_transport
@in_guest
async def test_credentials_that_are_over_or_wrong_get_no_address(
    coturn: Coturn, kind: ServerKind
) -> None:
    right = coturn.server(kind)
    over = coturn.server(kind, life=-10)
    wrong = RelayServer(right.host, right.port, kind, right.username, "not it", right.fingerprint)
    for server in (over, wrong):
        started = time.monotonic()
        with pytest.raises(ChannelFailed):
            await prepare(LinkWay.TURN, server)
        assert time.monotonic() - started < 2


@pytest.mark.coturn
@in_guest
async def test_a_side_that_is_direct_meets_one_that_is_hidden_at_its_relay(coturn: Coturn) -> None:
    """The two may differ for a moment in what they know of each other's consent."""
    for ways in ((LinkWay.DIRECT, LinkWay.TURN), (LinkWay.TURN, LinkWay.DIRECT)):
        with trio.fail_after(10):
            ours, theirs = await connected(LOOPBACK, LOOPBACK, ways=ways, servers=coturn.servers())
        assert ours.is_relayed is theirs.is_relayed is True
        await ours.aclose()
        await theirs.aclose()


@pytest.mark.coturn
@in_guest
async def test_two_who_are_direct_use_no_relay_where_they_need_none(coturn: Coturn) -> None:
    servers = (coturn.server(ServerKind.STUN), *coturn.servers())
    with trio.fail_after(10):
        ours, theirs = await connected(LOOPBACK, LOOPBACK, servers=servers)
    assert ours.is_relayed is theirs.is_relayed is False
    await ours.aclose()
    await theirs.aclose()


@pytest.mark.coturn
@in_guest
async def test_the_lan_asks_no_relay(coturn: Coturn) -> None:
    before = coturn.log.stat().st_size
    prepared = await prepare(LinkWay.LAN, *coturn.servers())
    assert {one.kind for one in decode_blob(prepared.blob).candidates} == {CandidateKind.HOST}
    await prepared.aclose()
    assert coturn.log.stat().st_size == before


@in_guest
async def test_without_a_relay_that_lends_there_is_no_channel_and_it_says_so() -> None:
    for servers in ((), tuple(map(nobody, TURN_KINDS))):
        started = time.monotonic()
        with pytest.raises(ChannelFailed, match="lends"):
            await prepare(LinkWay.TURN, *servers)
        assert time.monotonic() - started < 4.5
    assert not asyncio.all_tasks()


@asynccontextmanager
async def leave_of_our_relay(folder: Path) -> AsyncIterator[tuple[RelayServer, ...]]:
    """What a relay of ours in a process of its own gives to whoever asks over a mailbox connection."""
    with relay_process(folder) as running:
        connection = RelayConnection(running.address, dial=dial)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            async for event in connection.events:
                assert isinstance(event, RelayUp)
                break
            yield await TurnLeave(connection).servers()
            nursery.cancel_scope.cancel()


@every_transport
@in_guest
async def test_channels_through_our_own_relay_keep_the_contract(
    tmp_path: Path, kind: ServerKind
) -> None:
    with trio.fail_after(30):
        async with leave_of_our_relay(tmp_path) as servers:
            assert [one.transport for one in servers] == [ServerKind.STUN, *TURN_KINDS]
            chosen = [one for one in servers if one.transport == kind]
            await check_channel_contract(LOOPBACK, LOOPBACK, way=LinkWay.TURN, servers=chosen)


@in_guest
async def test_two_who_use_a_relay_each_meet_between_them(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with trio.fail_after(30):
        async with (
            leave_of_our_relay(tmp_path / "one") as one,
            leave_of_our_relay(tmp_path / "two") as two,
        ):
            prepared = [
                await LOOPBACK.prepare(controlling=True, way=LinkWay.TURN, servers=one),
                await LOOPBACK.prepare(controlling=False, way=LinkWay.TURN, servers=two),
            ]
            channels: dict[int, Channel] = {}

            async def connect(mine: int) -> None:
                channels[mine] = await prepared[mine].connect(prepared[1 - mine].blob)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(connect, 0)
                nursery.start_soon(connect, 1)
            channels[0].send_nowait(b"across")
            assert await channels[1].receive() == (b"across",)
            for channel in channels.values():
                await channel.aclose()


@pytest.mark.coturn
@in_guest
async def test_a_lost_relay_ends_the_link_over_a_stream_at_once(tmp_path: Path) -> None:
    with a_coturn(tmp_path) as running, trio.fail_after(20):
        ours, theirs = await connected(
            LOOPBACK,
            LOOPBACK,
            ways=(LinkWay.TURN, LinkWay.TURN),
            servers=[running.server(ServerKind.TCP)],
        )
        for transport in [p.transport._client.transport for p in ours._ice._connection._protocols]:
            transport.abort()
        with trio.fail_after(2), pytest.raises(ChannelFailed):
            await ours.receive()
        await ours.aclose()
        await theirs.aclose()


@in_guest
async def test_a_relay_that_answers_with_nonsense_gets_nowhere() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"\x00\xff" + b"\xff" * 70_000)

    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        async with trio.open_nursery() as nursery:
            serving = partial(trio.serve_tcp, serve, 0, host="127.0.0.1")
            [listener] = await nursery.start(serving)
            nursery.start_soon(_answer_nonsense, udp)
            port = listener.socket.getsockname()[1]
            servers = (
                RelayServer(*udp.getsockname(), ServerKind.UDP, "user", "password"),
                RelayServer("127.0.0.1", port, ServerKind.TCP, "user", "password"),
            )
            with trio.fail_after(6), pytest.raises(ChannelFailed):
                await prepare(LinkWay.TURN, *servers)
            nursery.cancel_scope.cancel()
    assert not asyncio.all_tasks()


async def _answer_nonsense(udp: socket.socket) -> None:
    udp.setblocking(False)
    ours = trio.socket.from_stdlib_socket(udp)
    while True:
        request, address = await ours.recvfrom(2000)
        for answer in (b"", b"\x40", b"\x40\x00\xff\xff", b"\xff" * 1400, request, request[:19]):
            await ours.sendto(answer, address)


@define(eq=False)
class SlowRelay(asyncio.DatagramProtocol):
    """Lends an address and notes what it hears; it answers a bind when it is told to."""

    heard: list[str] = field(factory=list)
    binds: list[aioice.stun.Message] = field(factory=list)
    client: tuple[str, int] = ("", 0)
    transport: asyncio.DatagramTransport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.client = addr
        if aioice.turn.is_channel_data(data):
            self.heard.append(f"data {data[4:].decode()}")
            return
        request = aioice.stun.parse_message(data)
        self.heard.append(request.message_method.name.lower())
        if request.message_method == aioice.stun.Method.CHANNEL_BIND:
            self.binds.append(request)
        elif request.message_method == aioice.stun.Method.ALLOCATE:
            lent = {"LIFETIME": 600, "XOR-MAPPED-ADDRESS": addr}
            self.answer(request, {**lent, "XOR-RELAYED-ADDRESS": ("127.0.0.1", 5000)})

    def answer(self, request: aioice.stun.Message, attributes: dict[str, Any]) -> None:
        kind = (request.message_method, aioice.stun.Class.RESPONSE, request.transaction_id)
        response = aioice.stun.Message(*kind)
        response.attributes.update(attributes)
        self.transport.sendto(bytes(response), self.client)


class Hears(aioice.ice.StunProtocol):
    """Notes what peers say."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing to do."""

    def datagram_received(self, data: bytes | str, addr: tuple[str, int]) -> None:
        assert isinstance(data, bytes)
        self.said.append(data)


async def _until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


def test_what_follows_a_bind_waits_for_no_answer_and_goes_out_again_with_it() -> None:
    async def main() -> None:
        loop, peer = asyncio.get_running_loop(), ("127.0.0.1", 6000)
        _, relay = await loop.create_datagram_endpoint(SlowRelay, local_addr=("127.0.0.1", 0))
        address = relay.transport.get_extra_info("sockname")
        client, hears = await open_udp(address, "user", "password"), Hears()
        relayed = RelayedSocket(client, hears)
        await relayed.allocate()
        relayed.sendto(b"one", peer)
        await _until(lambda: "data one" in relay.heard)
        relayed.sendto(b"two", peer)
        await _until(lambda: "data two" in relay.heard)
        assert relay.heard == ["allocate", "channel_bind", "data one", "data two"]
        relay.transport.sendto(b"\x40\x00\x00\x05early", relay.client)  # it overtakes the answer
        await _until(lambda: hears.said == [b"early"])
        relay.answer(relay.binds[0], {})
        await _until(lambda: len(relay.heard) == 6)
        assert relay.heard[4:] == ["data one", "data two"]
        relayed.sendto(b"three", peer)
        await _until(lambda: relay.heard[6:] == ["data three"])
        client.refresh_task.cancel()
        relayed.abort()
        relay.transport.close()

    asyncio.run(main())


def test_what_we_lean_on_exists_in_the_pinned_aioice() -> None:
    stock = aioice.turn.TurnClientMixin(("127.0.0.1", 1), "user", "password", 600, 240)
    for name in (
        "peer_to_channel",
        "channel_to_peer",
        "channel_refresh_at",
        "peer_to_failed_channel",
        "channel_number",
        "integrity_key",
        "refresh_task",
        "transactions",
        "receiver",
        "_TurnClientMixin__add_authentication",
    ):
        assert hasattr(stock, name), name
    for name in ("check_start", "_pair_remote_candidate", "gather_candidates", "check_state"):
        assert name in vars(aioice.ice.Connection)
    assert {"refresh", "request", "datagram_received"} <= vars(aioice.turn.TurnClientMixin).keys()

    async def wait_of() -> float:
        request = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
        return QuickTransaction(request, ("127.0.0.1", 1), None)._Transaction__timeout_delay

    assert asyncio.run(wait_of()) == 0.25
