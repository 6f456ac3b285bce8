"""The client's connection against real relays on loopback, and against what is none."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import evolve

from tests.support.relays import running_relay
from toheal_p2p.adapters.relay_tls import dial
from toheal_p2p.ports.relays import RelayLost
from toheal_p2p.services.relay_connection import (
    Deposited,
    MailArrived,
    RelayConnection,
    RelayDown,
    RelayEvent,
    RelayUp,
    WatchedMailbox,
)
from toheal_protocol.crypto import SigningSeed, token_of
from toheal_protocol.model import DepositToken
from toheal_protocol.wire.mailbox import MAX_DEPOSIT_SIZE, MailboxKind
from toheal_protocol.wire.relay_address import RelayAddress
from toheal_relay.tls import fingerprint_of, load_or_make_key, server_context

pytestmark = pytest.mark.real

SEED = SigningSeed(b"r" * 32)
TOKEN = DepositToken(b"t" * 16)
MAILBOX = WatchedMailbox(SEED, token_of(TOKEN), MailboxKind.MAIL)
SECONDS = 15
"""After which a test has hung."""


def connection_to(address: RelayAddress) -> RelayConnection:
    return RelayConnection(address, dial=dial, jitter=lambda: 0.0)


async def next_of(connection: RelayConnection, kind: type[RelayEvent]) -> RelayEvent:
    while True:
        event = await connection.events.receive()
        if isinstance(event, kind):
            return event


@pytest.mark.trio
async def test_a_deposit_is_pushed_to_its_reader(tmp_path: Path) -> None:
    with trio.fail_after(SECONDS):
        async with running_relay(tmp_path) as relay, trio.open_nursery() as nursery:
            reader, writer = connection_to(relay.address), connection_to(relay.address)
            await nursery.start(reader.run)
            await nursery.start(writer.run)
            reader.watch([MAILBOX])
            writer.deposit(1, MAILBOX.address, TOKEN, b"sealed")
            assert await reader.events.receive() == RelayUp(relay.desk.boot)
            assert await writer.events.receive() == RelayUp(relay.desk.boot)
            assert await writer.events.receive() == Deposited(1)
            mail = await reader.events.receive()
            assert isinstance(mail, MailArrived)
            assert (mail.address, mail.frame) == (MAILBOX.address, b"sealed")
            reader.delete(SEED, [mail.item])
            while relay.desk.holdings().items:  # noqa: ASYNC110
                await trio.sleep(0.005)
            nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_the_largest_frames_pass_in_both_directions(tmp_path: Path) -> None:
    frames = [os.urandom(MAX_DEPOSIT_SIZE - number) for number in range(8)]
    with trio.fail_after(SECONDS):
        async with running_relay(tmp_path) as relay, trio.open_nursery() as nursery:
            connection = connection_to(relay.address)
            await nursery.start(connection.run)
            connection.watch([MAILBOX])
            for ticket, frame in enumerate(frames):
                connection.deposit(ticket, MAILBOX.address, TOKEN, frame)
            for frame in frames:
                mail = await next_of(connection, MailArrived)
                assert isinstance(mail, MailArrived)
                assert mail.frame == frame
            nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_restarted_relay_is_found_again_with_another_boot(tmp_path: Path) -> None:
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            async with running_relay(tmp_path) as first:
                connection = connection_to(first.address)
                connection.watch([MAILBOX])
                await nursery.start(connection.run)
                assert await connection.events.receive() == RelayUp(first.desk.boot)
            assert await connection.events.receive() == RelayDown("closed")
            port = first.address.port
            async with running_relay(tmp_path, port=port) as second:
                assert await next_of(connection, RelayUp) == RelayUp(second.desk.boot)
                assert second.desk.boot != first.desk.boot
                connection.deposit(1, MAILBOX.address, TOKEN, b"after")
                mail = await next_of(connection, MailArrived)
                assert isinstance(mail, MailArrived)
                assert mail.frame == b"after"
                nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_another_key_at_the_same_place_is_noticed(tmp_path: Path) -> None:
    with trio.fail_after(SECONDS):
        async with running_relay(tmp_path) as relay, trio.open_nursery() as nursery:
            connection = connection_to(evolve(relay.address, fingerprint=os.urandom(32)))
            await nursery.start(connection.run)
            assert await connection.events.receive() == RelayDown("wrong_fingerprint")
            nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_where_nobody_is_the_relay_is_unreachable() -> None:
    with trio.fail_after(SECONDS):
        nobody = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = nobody[0].socket.getsockname()[1]
        await nobody[0].aclose()
        for host in ("127.0.0.1", "no-such-host.invalid"):
            with pytest.raises(RelayLost) as lost:
                await dial(RelayAddress(host, port, bytes(32)))
            assert lost.value.reason == "unreachable"


@asynccontextmanager
async def impostor(state: Path, *, says: bytes, tls: bool = True) -> AsyncIterator[RelayAddress]:
    """Answer with the right key and the wrong words; then close."""
    key = load_or_make_key(state)
    context = server_context(key)

    async def answer(tcp: trio.SocketStream) -> None:
        stream = trio.SSLStream(tcp, context, server_side=True, https_compatible=True)
        spoken: trio.abc.Stream = stream if tls else tcp
        try:
            if tls:
                await stream.do_handshake()
            await spoken.receive_some(4096)
            await spoken.send_all(says)
        except (trio.BrokenResourceError, ssl.SSLError):
            pass
        finally:
            await trio.aclose_forcefully(tcp)

    async with trio.open_nursery() as nursery:
        listen = partial(trio.serve_tcp, answer, 0, host="127.0.0.1")
        listeners = await nursery.start(listen)
        port = listeners[0].socket.getsockname()[1]
        yield RelayAddress("127.0.0.1", port, fingerprint_of(key))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "says",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: wrong\r\n\r\n",
        b"\xff" * 5000,
        b"HTTP/1.1 101 \xff\r\nConnection: \xff\r\n\r\n",
        b"A" * 70_000,
    ],
    ids=["nothing", "a page", "not found", "wrong accept", "bytes", "not ascii", "long"],
)
@pytest.mark.trio
async def test_what_is_no_relay_is_unreachable(tmp_path: Path, says: bytes) -> None:
    with trio.fail_after(SECONDS):
        async with impostor(tmp_path, says=says) as address:
            with pytest.raises(RelayLost) as lost:
                await dial(address)
            assert lost.value.reason == "unreachable"


@pytest.mark.trio
async def test_without_tls_nobody_is_a_relay(tmp_path: Path) -> None:
    with trio.fail_after(SECONDS):
        async with impostor(tmp_path, says=b"HTTP/1.1 101 \r\n\r\n", tls=False) as address:
            with pytest.raises(RelayLost) as lost:
                await dial(address)
            assert lost.value.reason == "unreachable"
