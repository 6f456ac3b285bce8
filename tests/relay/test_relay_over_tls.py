"""A real relay on loopback: what it does for clients, and what nobody can do to it."""

from __future__ import annotations

import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import evolve

from tests.support.relays import Caller, calling, running_relay
from toheal_p2p.adapters.relay_tls import dial
from toheal_p2p.ports.relays import Reason, RelayLost
from toheal_p2p.services.relay_session import MailArrived
from toheal_protocol.wire.mailbox import MAX_COMMAND_SIZE
from toheal_protocol.wire.mailbox_answers import MAX_ANSWER_SIZE, WINDOW
from toheal_protocol.wire.relay_address import RelayAddress
from toheal_relay.limits import Limits
from toheal_relay.server.connection import GOODBYE
from toheal_relay.server.relay import RunningRelay

pytestmark = pytest.mark.real

WIDE = evolve(
    Limits(),
    arrivals_burst=1e5,
    commands_per_second=1e6,
    commands_burst=1e6,
    bytes_per_second=1e9,
    bytes_burst=1e9,
    items_per_mailbox=20_000,
    bytes_per_mailbox=2**30,
)
PATIENCE = 20
"""Seconds after which a test has hung."""


async def open_slowly(host: str, port: int) -> trio.SocketStream:
    """Open a stream whose kernel takes very little ahead of its reader."""
    slow = trio.socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await slow.connect((host, port))
    return trio.SocketStream(slow)


@asynccontextmanager
async def tls_to(address: RelayAddress) -> AsyncIterator[trio.SSLStream[trio.SocketStream]]:
    """Open TLS and nothing more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    tcp = await trio.open_tcp_stream(address.host, address.port)
    stream = trio.SSLStream(tcp, context, https_compatible=True)
    try:
        await stream.do_handshake()
        yield stream
    finally:
        await trio.aclose_forcefully(stream)


async def is_still_serving(relay: RunningRelay) -> bool:
    """Tell whether others are served as before."""
    async with calling(relay.address) as reader, calling(relay.address) as writer:
        await reader.open()
        await writer.deposit(reader, b"still here")
        mail = await reader.next_mail()
    return mail.frame == b"still here" and relay.desk.holdings().faults == 0


async def ends(stream: trio.abc.ReceiveStream) -> bool:
    """Wait until the other side closes."""
    try:
        while await stream.receive_some(65536):
            pass
    except trio.BrokenResourceError:
        pass
    return True


async def reason_of_the_end(caller: Caller) -> Reason:
    """Receive until the relay ends it, and return what it says why."""
    while True:
        try:
            await caller.receive()
        except RelayLost as lost:
            return lost.reason


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that the relay does not announce."""
    while not is_so():  # noqa: ASYNC110
        await trio.sleep(0.01)


@pytest.mark.trio
async def test_ten_thousand_pipelined_deposits_arrive_in_order(tmp_path: Path) -> None:
    frames = [number.to_bytes(4, "big") * 16 for number in range(10_000)]
    with trio.fail_after(PATIENCE):
        async with (
            running_relay(tmp_path, limits=WIDE) as relay,
            calling(relay.address) as reader,
            calling(relay.address) as writer,
            trio.open_nursery() as nursery,
        ):
            await reader.open()
            nursery.start_soon(writer.deposit, reader, *frames[:5_000])
            arrived = [(await reader.next_mail()).frame for _ in range(1_000)]
            nursery.start_soon(writer.settle)
            arrived += [(await reader.next_mail()).frame for _ in range(4_000)]
            await writer.deposit(reader, *frames[5_000:])
            arrived += [(await reader.next_mail()).frame for _ in range(5_000)]
            await writer.settle()
            assert arrived == frames
            assert writer.count_stored() == 10_000


@pytest.mark.trio
async def test_a_catch_up_of_ten_thousand_items_cuts_nobody(tmp_path: Path) -> None:
    """The reader reads, and takes its time to take over: nothing is pushed beyond its credit."""
    limits = evolve(WIDE, write_deadline=0.5)
    frames = [number.to_bytes(4, "big") * 64 for number in range(10_000)]
    with trio.fail_after(PATIENCE):
        async with running_relay(tmp_path, limits=limits) as relay:
            async with calling(relay.address) as reader:
                async with calling(relay.address) as writer:
                    unwatched = evolve(reader.mailbox, is_watched=False)
                    await reader.say(*reader.session.open([unwatched]))
                    await reader.settle()
                    for start in range(0, 10_000, 1_000):
                        await writer.deposit(reader, *frames[start : start + 1_000])
                        await writer.settle()
                await reader.open()
                with trio.move_on_after(1.0):
                    await reason_of_the_end(reader)
                assert sum(len(mail.frame) for mail in reader.events) == WINDOW
                arrived = [(await reader.next_mail()).frame for _ in range(10_000)]
                assert arrived == frames


@pytest.mark.trio
async def test_a_restart_has_the_same_address_another_boot_and_no_memory(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with running_relay(tmp_path) as first, calling(first.address) as caller:
            await caller.open()
            await caller.deposit(caller, b"gone")
            await caller.settle()
            port, boot = first.address.port, caller.hello.boot
        async with running_relay(tmp_path, port=port) as second:
            assert second.address == first.address
            async with calling(second.address) as caller:
                assert caller.hello.boot != boot
            holdings = second.desk.holdings()
            assert (holdings.items, holdings.mailboxes) == (0, 0)


@pytest.mark.trio
async def test_each_connection_has_its_own_nonce(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        calling(relay.address) as one,
        calling(relay.address) as other,
    ):
        assert one.hello.nonce != other.hello.nonce
        assert one.hello.boot == other.hello.boot


@pytest.mark.trio
async def test_nothing_is_said_to_a_relay_with_another_key(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with running_relay(tmp_path) as relay:
            wrong = evolve(relay.address, fingerprint=bytes(32))
            with pytest.raises(RelayLost) as lost:
                await dial(wrong)
            assert lost.value.reason == "wrong_fingerprint"


@pytest.mark.trio
async def test_a_reader_who_does_not_read_is_cut(tmp_path: Path) -> None:
    limits = evolve(WIDE, write_deadline=0.2, send_buffer=4096)
    with trio.fail_after(PATIENCE):
        async with (
            running_relay(tmp_path, limits=limits) as relay,
            calling(relay.address, open_stream=open_slowly) as sleeper,
            calling(relay.address) as writer,
        ):
            await sleeper.open()
            await writer.deposit(sleeper, *(bytes([n]) * 60_000 for n in range(10)))
            await writer.settle()
            await until(lambda: relay.desk.holdings().connections == 1)
            assert await is_still_serving(relay)


@pytest.mark.trio
async def test_who_asks_and_never_reads_the_answers_is_cut(tmp_path: Path) -> None:
    limits = evolve(WIDE, reply_queue=10_000, send_buffer=4096)
    with trio.fail_after(GOODBYE):  # at once: who does not read does not hear a last word either
        async with (
            running_relay(tmp_path, limits=limits) as relay,
            calling(relay.address, open_stream=open_slowly) as asker,
        ):
            await ask_for_ever(asker)
            await until(lambda: relay.desk.holdings().connections == 0)
            assert await is_still_serving(relay)


async def ask_for_ever(asker: Caller) -> None:
    try:
        while True:
            await asker.say(*(asker.session.hail() for _ in range(1_000)))
    except RelayLost:
        pass


@pytest.mark.trio
async def test_half_open_connections_are_gone_after_the_deadline(tmp_path: Path) -> None:
    limits = evolve(WIDE, half_open=0.2)
    with trio.fail_after(PATIENCE):
        async with running_relay(tmp_path, limits=limits) as relay:
            silent = await trio.open_tcp_stream(relay.address.host, relay.address.port)
            async with silent, tls_to(relay.address) as without_request:
                await without_request.send_all(b"GET /th1 HTTP/1.1\r\n")
                assert await ends(silent)
                assert await ends(without_request)
            assert await is_still_serving(relay)


@pytest.mark.trio
async def test_garbage_ends_its_connection_and_nothing_else(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with running_relay(tmp_path, limits=evolve(WIDE, half_open=0.5)) as relay:
            for garbage in (
                b"\x16\x03\x01" + os.urandom(500),
                b"GET / HTTP/1.1\r\n\r\n",
                bytes(99),
            ):
                stream = await trio.open_tcp_stream(relay.address.host, relay.address.port)
                async with stream:
                    await stream.send_all(garbage)
                    assert await ends(stream)
            for request in (
                os.urandom(300),
                b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n",
                b"POST /th1 HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET /th1 HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
                b"GET /th1 HTTP/1.1\r\n" + b"X: y\r\n" * 4_000,
            ):
                async with tls_to(relay.address) as stream:
                    await stream.send_all(request)
                    assert await ends(stream)
            assert await is_still_serving(relay)


@pytest.mark.trio
async def test_who_is_gone_as_soon_as_it_came_is_no_fault(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with running_relay(tmp_path, limits=WIDE) as relay:
            for _ in range(50):
                gone = socket.create_connection((relay.address.host, relay.address.port))
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                gone.close()  # sends a reset
            assert await is_still_serving(relay)
            await until(lambda: relay.desk.holdings().connections == 0)


@pytest.mark.trio
async def test_a_fault_of_ours_ends_one_connection_and_is_counted(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with running_relay(tmp_path) as relay, calling(relay.address) as other:

            def fail(*_: object) -> None:
                raise ZeroDivisionError

            relay.desk.on_deposit = fail
            async with calling(relay.address) as unlucky:
                await unlucky.deposit(other, b"frame")
                assert await reason_of_the_end(unlucky) == "closed"
            relay.desk.on_deposit = None
            await other.open()
            assert relay.desk.holdings().faults == 1


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x00",
        b"\x01" + bytes(50),
        b"\x02" + bytes(10),
        b"\x05\xff\xff\xff\xff",
        b"\x7f" * 1000,
        bytes(MAX_COMMAND_SIZE + 1),
        b"\x02" * (MAX_ANSWER_SIZE * 3),
    ],
    ids=["empty", "zero", "open", "deposit", "credit", "unknown", "oversized", "huge"],
)
@pytest.mark.trio
async def test_every_broken_rule_ends_alike(tmp_path: Path, message: bytes) -> None:
    with trio.fail_after(PATIENCE):
        async with running_relay(tmp_path) as relay:
            async with calling(relay.address) as caller, trio.open_nursery() as nursery:
                nursery.start_soon(send_and_ignore_the_end, caller, message)
                assert await reason_of_the_end(caller) == "refused"
            assert await is_still_serving(relay)


async def send_and_ignore_the_end(caller: Caller, message: bytes) -> None:
    try:
        await caller.say(message)
    except RelayLost:
        pass


@pytest.mark.trio
async def test_a_newcomer_to_a_full_relay_is_told_so(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with running_relay(tmp_path, limits=evolve(WIDE, connections=1)) as relay:
            async with calling(relay.address) as inside:
                channel = await dial(relay.address)
                with pytest.raises(RelayLost) as lost:
                    await channel.receive()
                assert lost.value.reason == "full"
                await channel.aclose()
                await inside.open()
            await until(lambda: relay.desk.holdings().connections == 0)
            async with calling(relay.address) as outside:
                await outside.open()


@pytest.mark.trio
async def test_who_is_silent_is_pinged_and_stays_if_it_answers(tmp_path: Path) -> None:
    limits = evolve(WIDE, idle_ping=0.1, idle_cut=1.0, sweep_every=0.05)
    with trio.fail_after(PATIENCE):
        async with (
            running_relay(tmp_path, limits=limits) as relay,
            calling(relay.address) as awake,
            calling(relay.address),
            trio.open_nursery() as nursery,
        ):
            await awake.open()
            nursery.start_soon(awake.next_mail)  # reading answers pings
            await until(lambda: relay.desk.holdings().connections == 1)
            await trio.sleep(1.0)
            assert relay.desk.holdings().connections == 1
            nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_stopping_relay_finishes_what_it_was_saying(tmp_path: Path) -> None:
    frames = [number.to_bytes(4, "big") * 1024 for number in range(40)]
    with trio.fail_after(GOODBYE):
        async with running_relay(tmp_path, limits=WIDE) as relay:
            async with calling(relay.address) as reader, calling(relay.address) as writer:
                await reader.open()
                await writer.deposit(reader, *frames)
                await writer.settle()
                relay.stop()
                assert await reason_of_the_end(reader) == "closed"
                arrived = [mail.frame for mail in reader.events if isinstance(mail, MailArrived)]
                assert arrived == frames
                with pytest.raises(RelayLost) as lost:
                    await dial(relay.address)
                assert lost.value.reason == "unreachable"


@pytest.mark.trio
async def test_who_is_too_fast_is_slowed_down_and_loses_nothing(tmp_path: Path) -> None:
    limits = evolve(WIDE, commands_per_second=200.0, commands_burst=50.0, source_factor=100.0)
    with trio.fail_after(PATIENCE):
        async with running_relay(tmp_path, limits=limits) as relay:
            async with calling(relay.address) as reader, calling(relay.address) as writer:
                await reader.open()
                began = trio.current_time()
                await writer.deposit(reader, *(b"%d" % number for number in range(150)))
                await writer.settle()
                assert writer.count_stored() == 150
                assert trio.current_time() - began >= 0.3


@pytest.mark.trio
async def test_a_hundred_connections_come_and_go_and_leave_nothing(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with running_relay(tmp_path, limits=WIDE) as relay:

            async def come_and_go() -> None:
                async with calling(relay.address) as caller:
                    await caller.open()

            for _ in range(5):
                async with trio.open_nursery() as nursery:
                    for _ in range(20):
                        nursery.start_soon(come_and_go)
            await until(lambda: relay.desk.holdings().connections == 0)
            holdings = relay.desk.holdings()
            assert (holdings.watched, holdings.mailboxes, holdings.faults) == (0, 100, 0)
