"""Clients over TCP, each at a real socket, noticed in both ways: who spoils it for whom."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, field

from toheal_protocol.errors import MalformedFrame
from toheal_protocol.model import Instant
from toheal_protocol.wire.turn import encode_channel_data
from toheal_relay.server.greeting import TurnCaller
from toheal_relay.server.lookout import Lookout
from toheal_relay.server.stream import PlainStream
from toheal_relay.server.turn_stream import Dirty, TurnStream
from toheal_relay.turn.allocation import Client, Outgoing

LONGEST = 20
"""Seconds after which something is lost, on the busiest of machines."""
HELLO = encode_channel_data(0x4001, b"greeting", is_stream=True)
BUG = encode_channel_data(0x4002, b"finds a bug!", is_stream=True)
NONSENSE = encode_channel_data(0x4003, b"breaks our rules", is_stream=True)
"""All of them fill their last four bytes, or what is answered would be filled up."""


@define(eq=False)
class Machine:
    """In place of a TURN server: writes down who said what, and answers it."""

    said: list[tuple[TurnStream, bytes]] = field(factory=list)
    left: list[TurnStream] = field(factory=list)

    def relay(self, client: TurnStream, messages: list[bytes], _now: Instant) -> None:
        self.said += [(client, message) for message in messages]

    def receive(self, client: Client, message: bytes, *, now: Instant) -> Outgoing:
        if message == BUG:
            raise ZeroDivisionError
        if message == NONSENSE:
            raise MalformedFrame
        return client.send, message, len(message), None

    def leave(self, client: Hashable) -> None:
        assert isinstance(client, TurnStream)
        self.left.append(client)


@define(eq=False)
class Town:
    """Streams that are served, and the other ends of them."""

    lookout: Lookout
    nursery: trio.Nursery
    machine: Machine = field(factory=Machine)
    faults: list[int] = field(factory=list)
    dirty: Dirty = field(factory=Dirty)
    ends: list[trio.SocketStream] = field(factory=list)

    def enter(self, first: bytes = HELLO) -> tuple[TurnStream, trio.SocketStream]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        stream = TurnStream(
            PlainStream(ours),
            self.machine,  # type: ignore[arg-type]
            self.dirty,
            self.nursery.start_soon,
            256 * 1024,
            5.0,
            60.0,
            self.lookout,
            lambda: self.faults.append(1),
        )
        self.nursery.start_soon(stream.run, TurnCaller(stream.stream, first), "192.0.2.1", 9)
        self.ends.append(trio.SocketStream(trio.socket.from_stdlib_socket(theirs)))
        return stream, self.ends[-1]


@asynccontextmanager
async def a_town(lookout: Lookout) -> AsyncIterator[Town]:
    """Serve streams for as long as the block lasts."""
    with trio.fail_after(LONGEST):
        async with trio.open_nursery() as nursery:
            town = Town(lookout, nursery)
            try:
                yield town
            finally:
                for end in town.ends:
                    end.socket.close()
            nursery.cancel_scope.cancel()


async def ended(end: trio.SocketStream) -> None:
    """Wait until the other side has closed it."""
    try:
        while await end.receive_some():
            pass
    except trio.BrokenResourceError:
        pass


async def read(end: trio.SocketStream, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = await end.receive_some(size - len(found))
        assert part
        found += part
    return found


@pytest.mark.trio
@pytest.mark.parametrize(("bytes_", "faults"), [(BUG, 1), (NONSENSE, 0), (b"\xff" * 8, 0)])
async def test_what_one_client_does_wrong_ends_that_client_alone(
    lookout: Lookout, bytes_: bytes, faults: int
) -> None:
    async with a_town(lookout) as town:
        bad, bad_end = town.enter()
        _, end = town.enter()
        await bad_end.send_all(bytes_)
        await ended(bad_end)
        await end.send_all(HELLO)
        assert await read(end, 2 * len(HELLO)) == HELLO * 2
        assert town.machine.left == [bad]
        assert len(town.faults) == faults


@pytest.mark.trio
async def test_who_hangs_up_has_been_heard_to_the_end_and_is_forgotten(lookout: Lookout) -> None:
    async with a_town(lookout) as town:
        stream, end = town.enter()
        await end.send_all(HELLO[:5])
        await end.send_all(HELLO[5:] + HELLO)
        await end.send_eof()
        await ended(end)
        assert town.machine.said == [(stream, HELLO)] * 3
        while not town.machine.left:  # noqa: ASYNC110 - it tells nobody
            await trio.sleep(0.001)
        assert town.machine.left == [stream]


@pytest.mark.trio
async def test_a_client_that_floods_does_not_keep_another_from_its_turn(lookout: Lookout) -> None:
    """What it sends waits at the socket: much more than is read at once."""
    flood = HELLO * (150_000 // len(HELLO))
    async with a_town(lookout) as town:
        (flooding, flood_end), (quiet, end) = town.enter(), town.enter()
        for each in (flood_end, end):
            assert await read(each, len(HELLO)) == HELLO
        town.machine.said.clear()
        flood_end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * len(flood))
        assert os.write(flood_end.socket.fileno(), flood) > 100_000  # before anybody's turn
        os.write(end.socket.fileno(), HELLO)
        assert await read(end, len(HELLO)) == HELLO
        said = [who for who, _ in town.machine.said]
        assert flooding in said
        assert said.index(quiet) * len(HELLO) <= 64 * 1024


@pytest.mark.trio
async def test_a_client_that_never_reads_is_told_what_it_asked_as_far_as_it_goes(
    lookout: Lookout,
) -> None:
    """It fills its line; another is served meanwhile, and what waited arrives when it reads."""
    async with a_town(lookout) as town:
        stream, end = town.enter()
        block = HELLO * 4096
        for _ in range(40):
            stream.send(block, len(HELLO), None)
            town.dirty.flush()
        _, other = town.enter()
        assert await read(other, len(HELLO)) == HELLO
        assert (await read(end, 100 * len(HELLO))) == HELLO * 100
