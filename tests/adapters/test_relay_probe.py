"""Knocking at relays that answer, at what is none, and where datagrams do not get through."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import evolve

from tests.support.relays import running_relay
from tests.support.socks_server import SocksServer, a_proxy
from toheal_p2p.adapters.interfaces import interface_kinds
from toheal_p2p.adapters.relay_probe import UDP_PAUSES, probe_relay
from toheal_p2p.adapters.socks import ProxyAddress, open_through
from toheal_p2p.ports.probes import RelayProbe
from toheal_protocol.wire.relay_address import RelayAddress
from toheal_protocol.wire.stun import (
    BINDING_SUCCESS,
    TRANSACTION_SIZE,
    XOR_MAPPED_ADDRESS,
    StunMessage,
    encode_stun,
    encode_xor_address,
)
from toheal_relay.limits import Limits

pytestmark = [pytest.mark.real, pytest.mark.trio]

probe = partial(probe_relay, open_stream=trio.open_tcp_stream, patience=10.0, draw=os.urandom)


@asynccontextmanager
async def forwarded(
    address: RelayAddress, answer: Callable[[bytes], list[bytes]] = lambda _datagram: []
) -> AsyncIterator[RelayAddress]:
    """Pass TCP on to a relay, and no datagram: a network that blocks UDP.

    Args:
        answer: what somebody else says to a datagram.
    """

    async def carry(source: trio.SocketStream, target: trio.SocketStream) -> None:
        try:
            async for piece in source:
                await target.send_all(piece)
            await target.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def attend(stream: trio.SocketStream) -> None:
        behind = await trio.open_tcp_stream(address.host, address.port)
        async with behind, trio.open_nursery() as nursery:
            nursery.start_soon(carry, stream, behind)
            await carry(behind, stream)
            nursery.cancel_scope.cancel()

    async def speak(udp: trio.socket.SocketType) -> None:
        while True:
            datagram, sender = await udp.recvfrom(2000)
            for said in answer(datagram):
                await udp.sendto(said, sender)

    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]
        await udp.bind(("127.0.0.1", port))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, attend, [listener])
            nursery.start_soon(speak, udp)
            yield evolve(address, port=port)
            nursery.cancel_scope.cancel()


async def test_a_relay_that_works_is_well_by_tcp_and_udp(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay:
        found = await probe(relay.address)
    assert (found.reason, found.has_tcp, found.udp, found.is_behind_nat) == (
        None,
        True,
        "works",
        False,
    )
    assert 0 <= found.udp_milliseconds < 5000 and 0 < found.milliseconds < 10_000


async def test_blocked_datagrams_are_told_from_a_relay_that_is_gone(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay, forwarded(relay.address) as through:
        began = trio.current_time()
        found = await probe(through)
        assert (found.reason, found.udp) == (None, "blocked")
        assert trio.current_time() - began >= sum(UDP_PAUSES) - 0.1


async def test_no_datagram_is_sent_where_none_may_be(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay, a_proxy(SocksServer()) as server:
        proxy = ProxyAddress("127.0.0.1", server.port)
        open_stream = partial(open_through, proxy, b"me")
        found = await probe_relay(relay.address, open_stream=open_stream, patience=10.0, draw=None)
        assert (found.reason, found.udp) == (None, "not_sent")


async def test_each_trouble_has_its_reason(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay:
        other = await probe(evolve(relay.address, fingerprint=bytes(32)))
        assert (other.reason, other.has_tcp) == ("wrong_fingerprint", True)
    gone = await probe(relay.address)
    assert (gone.reason, gone.has_tcp) == ("unreachable", False)
    async with running_relay(tmp_path, limits=evolve(Limits(), connections=0)) as full:
        assert (await probe(full.address)).reason == "full"


async def test_a_login_page_in_the_place_of_a_relay_is_no_answer() -> None:
    async def page(stream: trio.SocketStream) -> None:
        await stream.receive_some(1000)
        await stream.send_all(b"HTTP/1.1 302 Found\r\nLocation: http://hotel/\r\n\r\n")

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, page, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        found = await probe(RelayAddress("127.0.0.1", port, bytes(32)))
        nursery.cancel_scope.cancel()
    assert (found.reason, found.has_tcp) == ("unreachable", True)


async def _say_nothing(_stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def test_a_relay_that_says_nothing_is_left_in_time() -> None:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, _say_nothing, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        address = RelayAddress("127.0.0.1", port, bytes(32))
        found = await probe_relay(
            address, open_stream=trio.open_tcp_stream, patience=0.3, draw=os.urandom
        )
        nursery.cancel_scope.cancel()
    assert found == RelayProbe("unreachable", has_tcp=True, milliseconds=found.milliseconds)


def of_another_request(datagram: bytes) -> list[bytes]:
    other = bytes(TRANSACTION_SIZE)
    mapped = encode_xor_address("192.0.2.1", 9, other)
    return [encode_stun(StunMessage(BINDING_SUCCESS, other, ((XOR_MAPPED_ADDRESS, mapped),)))]


def its_own_echo(datagram: bytes) -> list[bytes]:
    return [datagram]


def garbage(datagram: bytes) -> list[bytes]:
    return [b"x", datagram[:20], b"\x01\x01" + datagram[2:], bytes(1500)]


@pytest.mark.parametrize("answer", [of_another_request, its_own_echo, garbage])
async def test_what_is_no_answer_to_our_request_counts_as_silence(
    tmp_path: Path, answer: Callable[[bytes], list[bytes]]
) -> None:
    async with running_relay(tmp_path) as relay, forwarded(relay.address, answer) as through:
        assert (await probe(through)).udp == "blocked"


async def test_kinds_of_interfaces_are_told_without_names(tmp_path: Path) -> None:
    kinds = interface_kinds()
    assert set(kinds) <= {"wired", "wireless", "mobile", "vpn", "other"}
    assert not {name for _, name in socket.if_nameindex()} & set(kinds)
