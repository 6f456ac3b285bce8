"""TURN over real sockets: aioice's client, all ways in, and nobody who spoils it for others."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trio
from attrs import evolve

from tests.support.aioice_turn import ask_grant, exchange, pinned, server_by, turn_end
from tests.support.relays import HOST, RelayProcess, calling, relay_process, running_relay
from tests.support.turn_client import TO_UDP, TurnClient
from toheal_protocol.crypto.turn import turn_password
from toheal_protocol.wire.stun import (
    BINDING_REQUEST,
    XOR_MAPPED_ADDRESS,
    StunMessage,
    binding_request,
    decode_stun,
    decode_xor_address,
)
from toheal_protocol.wire.stun_integrity import sign_stun
from toheal_protocol.wire.turn import (
    LIFETIME,
    REQUESTED_ADDRESS_FAMILY,
    Method,
    encode_channel_data,
)
from toheal_protocol.wire.turn_grant import TurnTransport
from toheal_relay.limits import Limits
from toheal_relay.server.control import ask_holdings
from toheal_relay.server.relay import RelayConfig, RunningRelay, serve_relay
from toheal_relay.turn.config import TurnConfig

pytestmark = pytest.mark.real

SECRET = b"0123456789abcdef"
ICE_CHECK = sign_stun(StunMessage(BINDING_REQUEST, bytes(12)), b"a password")
NAME = f"{int(time.time()) + 3600}:test"


def udp_client(
    address: tuple[str, int], family: int = socket.AF_INET
) -> tuple[socket.socket, TurnClient]:
    """Return a client over UDP, by hand, with credentials of `SECRET`."""
    end = socket.socket(family, socket.SOCK_DGRAM)
    end.settimeout(5)
    end.connect(address)

    def exchange_one(request: bytes) -> bytes:
        end.send(request)
        return end.recv(2048)

    return end, TurnClient(exchange_one, NAME, turn_password(SECRET, NAME))


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("theirs", TurnTransport)
@pytest.mark.parametrize("ours", TurnTransport)
def test_two_members_meet_whichever_way_each_came(
    tmp_path: Path, ours: TurnTransport, theirs: TurnTransport
) -> None:
    with relay_process(tmp_path) as relay:
        grants = [ask_grant(relay.address) for _ in range(2)]
        certificate = tmp_path / "relay.pem"

        async def meet() -> None:
            one, other = (
                turn_end(grant, server_by(grant, way), HOST, certificate)
                for grant, way in zip(grants, (ours, theirs), strict=True)
            )
            async with one as first, other as second:
                assert first.relayed[0] == second.relayed[0] == HOST
                await exchange(first, second)
                assert ask_holdings(tmp_path)["allocations"] == 2

        asyncio.run(asyncio.wait_for(meet(), 20))
        held = ask_holdings(tmp_path)
        assert (held["allocations"], held["faults"]) == (0, 0)


def test_a_peer_elsewhere_is_reached_from_a_relayed_port(tmp_path: Path, secret_file: Path) -> None:
    """`--allow-loopback` makes this machine an elsewhere."""
    with relay_process(tmp_path, "--turn-secret", str(secret_file)) as relay:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind((HOST, 0))
            peer.settimeout(5)
            end, client = udp_client((HOST, relay.address.port))
            with end:
                relayed = client.allocate()
                client.bind(0x4001, *peer.getsockname())
                end.send(encode_channel_data(0x4001, b"there"))
                assert peer.recvfrom(100) == (b"there", relayed)
                peer.sendto(b"back", relayed)
                assert end.recv(100) == encode_channel_data(0x4001, b"back")


def test_mailboxes_and_turn_share_one_port_and_do_not_mind(tmp_path: Path) -> None:
    with relay_process(tmp_path) as relay:
        for hostile in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x05\x01\x00",
            os.urandom(200),
            b"\x00\x01" + os.urandom(100),
            b"\x00\x03\x00\x00\x21\x12\xa4\x42" + bytes(12),
            b"\x40\x01\x00\x04abcd",
        ):
            with socket.create_connection((HOST, relay.address.port)) as tcp:
                tcp.settimeout(5)
                tcp.sendall(hostile)
                tcp.shutdown(socket.SHUT_WR)
                with suppress(ConnectionResetError):  # it hung up before it had read everything
                    while tcp.recv(4096):
                        pass
        still_serves(relay, tmp_path)


def test_inside_tls_turn_is_told_from_a_websocket_by_its_first_byte(tmp_path: Path) -> None:
    with relay_process(tmp_path) as relay:
        tcp = socket.create_connection((HOST, relay.address.port))
        with pinned(tmp_path / "relay.pem").wrap_socket(tcp) as tls:
            tls.settimeout(5)
            tls.sendall(binding_request(bytes(12)))
            assert decode_stun(tls.recv(2048)).transaction == bytes(12)
        still_serves(relay, tmp_path)


def still_serves(relay: RelayProcess, state: Path) -> None:
    """See that mailboxes and TURN are served and that no fault was counted."""

    async def mailboxes() -> None:
        async with calling(relay.address) as reader, calling(relay.address) as writer:
            await reader.open()
            await writer.deposit(reader, b"still here")
            assert (await reader.next_mail()).frame == b"still here"

    trio.run(mailboxes)
    grant = ask_grant(relay.address)

    async def meet() -> None:
        way = server_by(grant, TurnTransport.UDP)
        async with turn_end(grant, way, HOST, state / "relay.pem") as one:
            async with turn_end(grant, way, HOST, state / "relay.pem") as other:
                await exchange(one, other, count=5)

    asyncio.run(asyncio.wait_for(meet(), 20))
    assert ask_holdings(state)["faults"] == 0


def test_a_port_that_is_given_back_in_the_same_breath_harms_nobody(
    tmp_path: Path, secret_file: Path
) -> None:
    """The port's task begins after the socket was closed."""
    with relay_process(tmp_path, "--turn-secret", str(secret_file)) as relay:
        end, client = udp_client((HOST, relay.address.port))
        with end:
            client.allocate()
            client.refresh(0)
            both = [
                client.write(Method.ALLOCATE, TO_UDP, transaction=b"a" * 12),
                client.write(Method.REFRESH, (LIFETIME, bytes(4)), transaction=b"b" * 12),
            ]
            relay.process.send_signal(signal.SIGSTOP)
            for request in both * 20:
                end.send(request)
            relay.process.send_signal(signal.SIGCONT)
            for _ in both * 20:
                assert decode_stun(end.recv(2048)).type in (0x0103, 0x0104)
        still_serves(relay, tmp_path)


def test_a_flood_of_garbage_harms_nobody(tmp_path: Path) -> None:
    with relay_process(tmp_path) as relay:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
            flood.connect((HOST, relay.address.port))
            for number in range(20_000):
                first = bytes([number % 256])
                flood.send(first + os.urandom(number % 300))
        still_serves(relay, tmp_path)


def test_a_stream_reader_who_does_not_read_loses_packets_and_holds_nobody_up(
    tmp_path: Path,
) -> None:
    with relay_process(tmp_path) as relay:
        grant = ask_grant(relay.address)
        slow = socket.create_connection((HOST, relay.address.port))
        with slow:

            def exchange_one(request: bytes) -> bytes:
                slow.sendall(request)
                return slow.recv(2048)

            reader = TurnClient(exchange_one, grant.username, grant.password)
            relayed = reader.allocate()
            end, _ = udp_client((HOST, relay.address.port))
            with end:
                writer = TurnClient(_over(end), grant.username, grant.password)
                ours = writer.allocate()
                reader.bind(0x4001, *ours)
                writer.bind(0x4001, *relayed)
                message = encode_channel_data(0x4001, bytes(1000))
                for number in range(20_000):  # 20 MB to somebody who reads none of it
                    end.send(message)
                    if number % 64 == 0:
                        time.sleep(0.001)
                assert memory_of(relay) < 150e6
                still_serves(relay, tmp_path)
                assert writer.refresh(600) == 600


def _over(end: socket.socket):  # type: ignore[no-untyped-def]
    def exchange_one(request: bytes) -> bytes:
        end.send(request)
        return end.recv(2048)

    return exchange_one


def memory_of(relay: RelayProcess) -> int:
    pages = Path(f"/proc/{relay.process.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("is_tls", [False, True])
def test_whoever_connects_and_says_nothing_is_cut(tmp_path: Path, is_tls: bool) -> None:
    async def connect() -> None:
        limits = evolve(Limits(), half_open=0.3)
        with trio.fail_after(10):
            async with running_relay(tmp_path, limits=limits) as relay:
                stream: trio.abc.Stream = await trio.open_tcp_stream(HOST, relay.address.port)
                if is_tls:
                    context = pinned(tmp_path / "relay.pem")
                    stream = trio.SSLStream(stream, context, https_compatible=True)
                    assert isinstance(stream, trio.SSLStream)
                    await stream.do_handshake()
                assert await receive_or_nothing(stream) == b""
                await trio.aclose_forcefully(stream)

    trio.run(connect)


def test_who_has_no_allocation_is_not_kept(tmp_path: Path) -> None:
    async def connect() -> None:
        limits = evolve(Limits(), turn_patience=0.3, sweep_every=0.1)
        with trio.fail_after(10):
            async with running_relay(tmp_path, limits=limits) as relay:
                async with await trio.open_tcp_stream(HOST, relay.address.port) as stream:
                    await stream.send_all(binding_request(bytes(12)))
                    assert decode_stun(await stream.receive_some(100)).transaction == bytes(12)
                    assert await receive_or_nothing(stream) == b""

    trio.run(connect)


def test_over_a_stream_channel_data_is_filled_up(tmp_path: Path, secret_file: Path) -> None:
    with relay_process(tmp_path, "--turn-secret", str(secret_file)) as relay:
        end, client = udp_client((HOST, relay.address.port))
        tcp = socket.create_connection((HOST, relay.address.port))
        with end, tcp:
            tcp.settimeout(5)

            def exchange_one(request: bytes) -> bytes:
                tcp.sendall(request)
                return tcp.recv(2048)

            other = TurnClient(exchange_one, NAME, turn_password(SECRET, NAME))
            ours, theirs = client.allocate(), other.allocate()
            client.bind(0x4001, *theirs)
            other.bind(0x4001, *ours)
            for size in range(6):
                packet = b"x" * size
                end.send(encode_channel_data(0x4001, packet))
                expected = encode_channel_data(0x4001, packet, is_stream=True)
                assert tcp.recv(2048) == expected
                tcp.sendall(expected)
                assert end.recv(2048) == encode_channel_data(0x4001, packet)


def test_clients_of_both_families_meet_at_a_relay_that_listens_on_both(tmp_path: Path) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")

    async def meet() -> None:
        async with trio.open_nursery() as nursery:
            turn = TurnConfig(secret=SECRET, address="192.0.2.9")
            relay: RunningRelay = await nursery.start(
                serve_relay, RelayConfig(tmp_path, None, turn=turn)
            )
            await trio.to_thread.run_sync(talk, relay.address.port)
            relay.stop()

    def talk(port: int) -> None:
        four, first = udp_client((HOST, port))
        six, second = udp_client(("::1", port), socket.AF_INET6)
        with four, six:
            ours, theirs = first.allocate(), second.allocate()
            assert ours[0] == theirs[0] == "192.0.2.9"
            for client, there, host in ((first, theirs, HOST), (second, ours, "::1")):
                assert client.answer is not None
                mapped = client.answer.find(XOR_MAPPED_ADDRESS) or b""
                assert decode_xor_address(mapped, client.answer.transaction)[0] == host
                client.bind(0x4001, *there)
            for sender, receiver in ((four, six), (six, four)):
                sender.send(encode_channel_data(0x4001, b"hello"))
                assert receiver.recv(100) == encode_channel_data(0x4001, b"hello")
            for client in (first, second):
                client.refresh(0)

    trio.run(meet)


def test_a_peer_elsewhere_is_reached_over_ipv6_and_ipv4_in_its_clothes_is_not(
    tmp_path: Path,
) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")
    (secret := tmp_path / "secret").write_bytes(SECRET)
    secret.chmod(0o600)
    allowed = ("--turn-allow", "::ffff:0:0/96")
    options = ("--host", "::", "--turn-address", "::1", "--turn-secret", str(secret), *allowed)
    with (
        relay_process(tmp_path / "state", *options) as relay,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as four,
    ):
        end, client = udp_client(("::1", relay.address.port), socket.AF_INET6)
        with end:
            peer.bind(("::1", 0))
            four.bind((HOST, 0))
            peer.settimeout(5)
            four.settimeout(0.2)
            host, port = client.allocate((REQUESTED_ADDRESS_FAMILY, b"\x02\0\0\0"))
            assert host == "::1"
            client.bind(0x4001, "::1", peer.getsockname()[1])
            client.bind(0x4002, "::ffff:7f00:1", four.getsockname()[1])
            for _ in range(30):  # by the way that is learned as well
                end.send(encode_channel_data(0x4001, b"there"))
                assert peer.recv(100) == b"there"
                peer.sendto(ICE_CHECK, (host, port))
                assert end.recv(2048) == encode_channel_data(0x4001, ICE_CHECK)
            end.send(encode_channel_data(0x4002, b"there"))
            with pytest.raises(TimeoutError):
                four.recv(100)
            client.refresh(0)


def test_nothing_of_whom_it_relays_for_is_written_or_printed(tmp_path: Path) -> None:
    with relay_process(tmp_path) as relay:
        still_serves(relay, tmp_path)
        held = ask_holdings(tmp_path)
        assert held["relayed_bytes"]
        del held["address"]
        assert all(isinstance(count, int) for count in held.values())
        assert sorted(path.name for path in tmp_path.iterdir()) == ["control", "relay.pem"]
        relay.process.terminate()
        out, err = relay.process.communicate(timeout=12)
        assert (out, err) == ("", "")


async def receive_or_nothing(stream: trio.abc.Stream) -> bytes:
    try:
        return bytes(await stream.receive_some(100))
    except trio.BrokenResourceError:
        return b""


def test_a_stopped_relay_relays_on_for_a_while_and_then_ends(
    tmp_path: Path, secret_file: Path
) -> None:
    with relay_process(tmp_path, "--turn-secret", str(secret_file)) as relay:
        ends = [udp_client((HOST, relay.address.port)) for _ in range(2)]
        (one, first), (other, second) = ends
        with one, other:
            theirs = second.allocate()
            ours = first.allocate()
            first.bind(0x4001, *theirs)
            second.bind(0x4001, *ours)
            relay.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            one.send(encode_channel_data(0x4001, b"still"))
            assert other.recv(100) == encode_channel_data(0x4001, b"still")
            first.refresh(0)
            second.refresh(0)
            assert relay.process.wait(3) == 0


def test_a_relay_with_conversations_ends_within_ten_seconds_all_the_same(
    tmp_path: Path, secret_file: Path
) -> None:
    with relay_process(tmp_path, "--turn-secret", str(secret_file)) as relay:
        end, client = udp_client((HOST, relay.address.port))
        with end, socket.create_connection((HOST, relay.address.port)) as tcp:
            client.allocate()
            tcp.sendall(binding_request(bytes(12)))
            tcp.recv(100)
            relay.process.send_signal(signal.SIGTERM)
            assert relay.process.wait(10) == 0


def test_a_relay_without_turn_answers_binding_and_nothing_else(tmp_path: Path) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            config = RelayConfig(tmp_path, HOST, turn=TurnConfig(is_offered=False))
            relay: RunningRelay = await nursery.start(serve_relay, config)
            with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as udp:
                await udp.connect((HOST, relay.address.port))
                await udp.send(b"\x00\x03\x00\x00\x21\x12\xa4\x42" + bytes(12))
                await udp.send(encode_channel_data(0x4001, b"packet"))
                await udp.send(binding_request(b"a" * 12))
                assert decode_stun(await udp.recv(2048)).transaction == b"a" * 12
            with trio.move_on_after(5):
                stream = await trio.open_tcp_stream(HOST, relay.address.port)
                await stream.send_all(binding_request(bytes(12)))
                assert await receive_or_nothing(stream) == b""
                await stream.aclose()
            relay.stop()

    trio.run(run)


def test_nobody_opens_a_tls_context_of_old(tmp_path: Path) -> None:
    with relay_process(tmp_path) as relay:
        context = pinned(tmp_path / "relay.pem")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection((HOST, relay.address.port)) as tcp:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(tcp)


@pytest.mark.parametrize("way", TurnTransport)
def test_many_packets_of_many_sizes_arrive_unchanged_both_ways(
    tmp_path: Path, secret_file: Path, way: TurnTransport
) -> None:
    """So quickly that they are read and sent in bursts, and in the order in which they were said."""
    sizes = [0, 1, 2, 3, 4, 900, 1200, 1200, 1200, 1472] + [1000] * 30
    packets = [os.urandom(size) for size in sizes]
    with relay_process(tmp_path, "--turn-secret", str(secret_file)) as relay:
        address = (HOST, relay.address.port)
        with near_end(address, way, tmp_path) as near, socket.socket(type=socket.SOCK_DGRAM) as far:
            far.bind((HOST, 0))
            far.settimeout(5)
            is_stream = way is not TurnTransport.UDP
            client = TurnClient(_over(near), NAME, turn_password(SECRET, NAME))
            far.connect(client.allocate())
            client.bind(0x4001, *far.getsockname())
            far.send(ICE_CHECK)
            near.recv(2048)
            for _ in range(5):
                messages = [
                    encode_channel_data(0x4001, packet, is_stream=is_stream) for packet in packets
                ]
                relay.process.send_signal(signal.SIGSTOP)
                for message in messages:
                    near.sendall(message)
                relay.process.send_signal(signal.SIGCONT)
                assert [far.recv(2048) for _ in packets] == packets
                relay.process.send_signal(signal.SIGSTOP)
                for packet in packets:
                    far.send(packet)
                relay.process.send_signal(signal.SIGCONT)
                if is_stream:
                    expected = b"".join(messages)
                    heard = b""
                    while len(heard) < len(expected):
                        heard += near.recv(65_536)
                    assert heard == expected
                else:
                    assert [near.recv(2048) for _ in packets] == messages
        assert ask_holdings(tmp_path)["faults"] == 0


@contextmanager
def near_end(address: tuple[str, int], way: TurnTransport, state: Path) -> Iterator[socket.socket]:
    """Connect to a relay as a client does."""
    if way is TurnTransport.UDP:
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.settimeout(5)
            udp.connect(address)
            yield udp
        return
    with socket.create_connection(address, timeout=5) as tcp:
        if way is TurnTransport.TCP:
            yield tcp
            return
        with pinned(state / "relay.pem").wrap_socket(tcp) as tls:
            yield tls
