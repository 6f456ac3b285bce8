"""aioice's own TURN client, which is what our client's WebRTC speaks, driven by tests."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import trio
from aioice.turn import TurnTransport as AioiceTransport
from aioice.turn import create_turn_endpoint
from attrs import Factory, define

from tests.support.relays import calling
from toheal_protocol.wire.mailbox import encode_ask_turn
from toheal_protocol.wire.mailbox_answers import decode_answer
from toheal_protocol.wire.relay_address import RelayAddress
from toheal_protocol.wire.turn_grant import TurnGrant, TurnServer, TurnTransport

HELLO: Final = b"hello"
"""What both ends say until each has heard the other."""


def ask_grant(address: RelayAddress) -> TurnGrant:
    """Ask a real relay for TURN over its mailbox connection."""

    async def ask() -> TurnGrant:
        with trio.fail_after(10):
            async with calling(address) as caller:
                await caller.say(encode_ask_turn(1))
                (answer,) = map(decode_answer, await caller.channel.receive())
                assert isinstance(answer, TurnGrant)
                return answer

    return trio.run(ask)


def pinned(certificate: Path) -> ssl.SSLContext:
    """Return a TLS context that takes one self-signed certificate and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(certificate)
    return context


def server_by(grant: TurnGrant, transport: TurnTransport) -> TurnServer:
    """Return the server that a grant names for a transport."""
    return next(server for server in grant.servers if server.transport is transport)


@define(eq=False)
class End(asyncio.DatagramProtocol):
    """One end: what arrived through its allocation."""

    arrived: asyncio.Queue[tuple[bytes, Any]] = Factory(asyncio.Queue)
    transport: Any = None
    is_over: asyncio.Event = Factory(asyncio.Event)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over.set()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.arrived.put_nowait((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.arrived.put_nowait((repr(exc).encode(), None))

    @property
    def relayed(self) -> tuple[str, int]:
        address: tuple[str, int] = self.transport.get_extra_info("sockname")
        return address


@asynccontextmanager
async def turn_end(
    grant: TurnGrant, server: TurnServer, host: str, certificate: Path
) -> AsyncIterator[End]:
    """Have an allocation for as long as the block lasts."""
    is_udp = server.transport is TurnTransport.UDP
    transport: AioiceTransport
    transport, end = await create_turn_endpoint(
        End,
        (server.host or host, server.port),
        grant.username,
        grant.password,
        ssl=pinned(certificate) if server.transport is TurnTransport.TLS else None,
        transport="udp" if is_udp else "tcp",
    )
    try:
        yield end
    finally:
        transport.close()  # aioice gives the allocation back in a task of its own, and hangs up after that
        await asyncio.wait_for(end.is_over.wait(), 10)


async def exchange(one: End, other: End, *, count: int = 50) -> None:
    """Send both ways and see that everything arrives, in order, from where it should."""
    await greet(one, other)
    for number in range(count):
        one.transport.sendto(b"there %d" % number, other.relayed)
        other.transport.sendto(b"back %d" % number, one.relayed)
        for end, sender, packet in (
            (other, one, b"there %d" % number),
            (one, other, b"back %d" % number),
        ):
            assert await hear(end) == (packet, sender.relayed)


async def greet(one: End, other: End) -> None:
    """Have both channels bound: what is sent to an end that has none yet is lost."""
    while one.arrived.empty() or other.arrived.empty():
        one.transport.sendto(HELLO, other.relayed)
        other.transport.sendto(HELLO, one.relayed)
        await asyncio.sleep(0.02)


async def hear(end: End) -> tuple[bytes, Any]:
    """Wait for the next packet that is no greeting."""
    while (heard := await asyncio.wait_for(end.arrived.get(), 5))[0] == HELLO:
        pass
    return heard
