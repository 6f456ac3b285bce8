"""The local network by real sockets, on the loopback interface; and wires over streams, real or not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import evolve

from tests.support.channels import check_channel_pair
from tests.support.guest import guest_run
from tests.support.memory_lan import MemoryNetwork
from toheal_p2p.adapters.lan_interfaces import find_segments, is_on
from toheal_p2p.adapters.lan_sockets import SocketLan, SocketSpot
from toheal_p2p.ports.channels import ChannelFailed
from toheal_p2p.ports.lan import Appeared, Lan, LanFailed, LanStream, Segment, Spot, Vanished
from toheal_p2p.services.lan_channel import LanChannel
from toheal_protocol.machines.lan_names import Names

pytestmark = [pytest.mark.trio(run=guest_run), pytest.mark.real]

MINE = Names("a" * 14, "b" * 16, "c" * 16, 50_001)
YOURS = Names("a" * 14, "d" * 16, "e" * 16, 50_002)


def loopback() -> Segment:
    found = find_segments(include_loopback=True)
    return next(one for one in found if one.host == "127.0.0.1")


@asynccontextmanager
async def two_spots(lan: str) -> AsyncIterator[tuple[Spot, Spot]]:
    """Two who are on one network."""
    ours: Lan
    theirs: Lan
    if lan == "memory":
        network = MemoryNetwork()
        ours, theirs = network.host(), network.host()
        segments = ours.segments()[0], theirs.segments()[0]
    else:
        ours = theirs = SocketLan(include_loopback=True)
        segments = loopback(), loopback()
    spots = await ours.open(segments[0], MINE), await theirs.open(segments[1], YOURS)
    try:
        yield spots
    finally:
        for spot in spots:
            await spot.aclose()


async def connected(ours: Spot, theirs: Spot, host: str) -> tuple[LanStream, LanStream]:
    streams: list[LanStream] = []
    async with trio.open_nursery() as nursery:

        async def accept() -> None:
            streams.append(await theirs.accept())

        nursery.start_soon(accept)
        stream = await ours.connect(host, theirs.port)
    return stream, streams[0]


async def heard_of(spot: Spot, names: Names) -> Appeared | Vanished:
    """Wait for news of one instance."""
    while (news := await spot.hear()).instance != names.instance:
        pass
    return news


async def until_it_ends(call: Callable[[], Awaitable[object]]) -> None:
    while True:
        await call()


def host_of(lan: str) -> str:
    return "192.0.2.2" if lan == "memory" else "127.0.0.1"


@pytest.mark.parametrize("lan", ["memory", "sockets"])
async def test_the_contract_of_a_spot(lan: str) -> None:
    """Both kinds: two hear of each other, and of the end; and streams carry bytes both ways."""
    with trio.fail_after(10):
        async with two_spots(lan) as (ours, theirs):
            assert ours.port != theirs.port
            assert await heard_of(theirs, MINE) == Appeared(
                MINE.instance, "127.0.0.1" if lan == "sockets" else "192.0.2.1", ours.port
            )
            assert await heard_of(ours, YOURS) == Appeared(
                YOURS.instance, host_of(lan), theirs.port
            )
            assert ours.has_heard_others == theirs.has_heard_others == (lan == "memory")
            mine, yours = await connected(ours, theirs, host_of(lan))
            assert mine.host == host_of(lan)
            for one, other in ((mine, yours), (yours, mine)):
                await one.send_all(b"x" * 1000)
                got = b""
                while len(got) < 1000:
                    got += await other.receive_some(600)
            await mine.aclose()
            await mine.aclose()
            assert await yours.receive_some(10) == b""
            with pytest.raises(LanFailed):
                await mine.receive_some(10)
            with pytest.raises(LanFailed):
                await mine.send_all(b"x")
            await yours.aclose()
            with pytest.raises(LanFailed):
                await ours.connect(host_of(lan), 1)
            await theirs.aclose()
            await theirs.aclose()
            assert await heard_of(ours, YOURS) == Vanished(YOURS.instance)
            for call in (theirs.hear, theirs.accept):
                with pytest.raises(LanFailed):
                    await until_it_ends(call)


@pytest.mark.parametrize("lan", ["memory", "sockets"])
async def test_a_wire_fulfils_the_contract_of_a_channel(lan: str) -> None:
    with trio.fail_after(20):
        async with two_spots(lan) as (ours, theirs), trio.open_nursery() as nursery:
            streams = await connected(ours, theirs, host_of(lan))
            channels = [LanChannel(stream, b"e" * 32) for stream in streams]
            for channel in channels:
                nursery.start_soon(channel.run)
            await check_channel_pair(*channels)


@pytest.mark.parametrize("length", [0, 16 * 1024 + 1, 65535])
async def test_a_length_that_no_record_has_ends_a_wire(length: int) -> None:
    async with two_spots("memory") as (ours, theirs), trio.open_nursery() as nursery:
        mine, yours = await connected(ours, theirs, "192.0.2.2")
        channel = LanChannel(mine, b"e" * 32)
        nursery.start_soon(channel.run)
        await yours.send_all(length.to_bytes(2, "big") + b"x" * 100)
        with pytest.raises(ChannelFailed):
            await channel.receive()
        await channel.aclose()


async def test_who_never_reads_is_cut_off() -> None:
    async with two_spots("sockets") as (ours, theirs), trio.open_nursery() as nursery:
        mine, yours = await connected(ours, theirs, "127.0.0.1")
        channel = LanChannel(mine, b"e" * 32)
        nursery.start_soon(channel.run)
        with trio.fail_after(20):
            while True:
                channel.send_nowait(b"x" * 16_000)
                await trio.lowlevel.checkpoint()
                if channel._is_lost:
                    break
        with pytest.raises(ChannelFailed):
            await channel.room()
        await channel.aclose()
        await yours.aclose()


async def test_a_spot_has_no_way_off_its_network() -> None:
    """An address elsewhere is not even tried: nobody can point us at a third machine."""
    spot = await SocketLan(include_loopback=True).open(loopback(), MINE)
    assert isinstance(spot, SocketSpot)
    for host in ("192.0.2.1", "fe80::1", "example.org", "", "127.255.255.255"):
        with pytest.raises(LanFailed):
            await spot.connect(host, 80)
    await spot.aclose()


async def test_which_addresses_are_on_a_network() -> None:
    segment = Segment("room0", 1, "192.168.7.5", 24)
    assert is_on(segment, "192.168.7.99")
    assert not is_on(segment, "192.168.8.99")
    assert not is_on(segment, "fe80::1")
    assert not is_on(segment, "not an address")
    assert not is_on(segment, "192.168.7.255")
    assert not is_on(segment, "192.168.7.0")
    assert not is_on(Segment("room0", 1, "198.18.0.5", 0), "8.8.8.8"), "a network is no licence"
    assert is_on(Segment("room0", 1, "fe80::5", 64), "fe80::99")
    assert not is_on(Segment("room0", 1, "fe80::5", 64), "2001:db8::1")


async def test_loopback_is_met_on_for_trying_out_only() -> None:
    assert "lo" in {one.name for one in find_segments(include_loopback=True)}
    assert not any(one.host.startswith("127.") for one in find_segments(include_loopback=False))
    for one in find_segments(include_loopback=False):
        assert not one.is_v6 or one.host.startswith("fe80:")


@pytest.mark.parametrize("host", ["192.0.2.77", "fe80::77"])
async def test_an_interface_that_is_gone_says_so(host: str) -> None:
    with pytest.raises(LanFailed):
        await SocketLan().open(Segment("none0", 9999, host, 64), MINE)


async def test_a_port_that_is_taken_is_replaced_by_another() -> None:
    lan = SocketLan(include_loopback=True)
    ours = await lan.open(loopback(), MINE)
    theirs = await lan.open(loopback(), evolve(YOURS, port=ours.port))
    assert ours.port == MINE.port
    assert theirs.port not in (0, ours.port)
    for spot in (ours, theirs):
        await spot.aclose()
