from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import os
import socket
import struct
import sys
import time
import tracemalloc
from contextlib import asynccontextmanager

import aioice.ice
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.support.channels import check_channel_contract, connected
from tests.support.guest import guest_run
from tests.support.links import key_pair
from toheal_p2p.adapters.bridge import aio, run
from toheal_p2p.adapters.dtls import QuickDtls
from toheal_p2p.adapters.ice import GATHER_LONGEST, MAX_REMOTE_ADDRESSES, GuardedIce
from toheal_p2p.adapters.ortc import RTCDtlsTransport, RTCSctpTransport, stock
from toheal_p2p.adapters.webrtc import OPENING_LONGEST, WebRtcChannels
from toheal_p2p.ports.channels import ChannelFailed, RelayServer, ServerKind
from toheal_p2p.services.link import Link
from toheal_protocol.errors import LocalError
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.machines.link import Ending
from toheal_protocol.machines.link_parts import PING_EVERY, SILENCE_LONGEST
from toheal_protocol.model import Frame
from toheal_protocol.wire.connection_blob import (
    Candidate,
    CandidateKind,
    decode_blob,
    encode_blob,
)
from toheal_protocol.wire.link_record import MAX_RECORD_SIZE

pytestmark = [pytest.mark.real]
in_guest = pytest.mark.trio(run=guest_run)

LOOPBACK = WebRtcChannels(include_loopback=True)


async def prepare(*, controlling):
    return await LOOPBACK.prepare(controlling=controlling, way=LinkWay.DIRECT, servers=())


@asynccontextmanager
async def open_channels():
    with trio.fail_after(20):
        ours, theirs = await connected(LOOPBACK, LOOPBACK)
    try:
        yield ours, theirs
    finally:
        await theirs.aclose()
        await ours.aclose()


@asynccontextmanager
async def open_links():
    with trio.fail_after(20):
        ends = await connected(LOOPBACK, LOOPBACK)
    links = [Link(*end) for end in zip(ends, key_pair(), strict=True)]
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as opening:
            for link in links:
                opening.start_soon(nursery.start, link.run)
        yield links
        nursery.cancel_scope.cancel()


def rewritten(blob, **changes):
    return encode_blob(evolve(decode_blob(blob), **changes))


def sockets_of(channel):
    return [protocol.transport for protocol in channel._ice._connection._protocols]


@in_guest
async def test_the_real_channels_keep_the_contract():
    with trio.fail_after(20):
        await check_channel_contract(LOOPBACK, LOOPBACK)


def test_they_keep_it_without_uvloop_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)

    async def main():
        assert type(asyncio.get_running_loop()).__module__.startswith("asyncio")
        with trio.fail_after(20):
            await check_channel_contract(LOOPBACK, LOOPBACK)

    run(main)


@pytest.mark.parametrize("late", [True, False], ids=["controlling", "controlled"])
@in_guest
async def test_the_side_that_connects_first_waits_for_the_other(late):
    ours, theirs = await prepare(controlling=late), await prepare(controlling=not late)
    channels = []

    async def connect(prepared, blob):
        channels.append(await prepared.connect(blob))

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect, theirs, ours.blob)
            await trio.sleep(0.3)
            nursery.start_soon(connect, ours, theirs.blob)
    assert channels[0].exporter == channels[1].exporter
    for channel in channels:
        await channel.aclose()


@in_guest
async def test_two_thousand_frames_pass_each_way_and_both_sides_drain():
    frames = [Frame(b"%d " % number + bytes(150)) for number in range(2000)]
    received = {0: [], 1: []}

    async def send(link):
        for frame in frames:
            await link.room()
            link.send_nowait(frame)

    async def read(link, side):
        async for batch in link.incoming:
            received[side].extend(batch)

    with trio.fail_after(20):
        async with open_links() as links:
            async with trio.open_nursery() as readers:
                for side, link in enumerate(links):
                    readers.start_soon(read, link, side)
                async with trio.open_nursery() as senders:
                    for link in links:
                        senders.start_soon(send, link)
                assert 0 < links[0].round_trip < 5
                await links[0].drain()
    assert received == {0: frames, 1: frames}
    assert links[0].ending is links[1].ending is Ending.DRAINED


@in_guest
async def test_a_connection_opens_quickly_and_shares_nothing_with_the_next():
    blobs = []
    for _ in range(2):
        ours, theirs = await prepare(controlling=True), await prepare(controlling=False)
        blobs += [decode_blob(ours.blob), decode_blob(theirs.blob)]
        assert len(ours.blob) < 300
        await ours.aclose()
        await theirs.aclose()
    for part in ("fingerprint", "ufrag", "password"):
        assert len({getattr(blob, part) for blob in blobs}) == 4


@in_guest
async def test_the_wrong_fingerprint_fails_both_sides_at_once():
    ours, theirs = await prepare(controlling=True), await prepare(controlling=False)
    forged = rewritten(theirs.blob, fingerprint=hashlib.sha256(b"somebody else").digest())
    failed = []

    async def fails(prepared, blob):
        with pytest.raises(ChannelFailed):
            await prepared.connect(blob)
        failed.append(prepared)

    started = time.monotonic()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fails, ours, forged)
        nursery.start_soon(fails, theirs, ours.blob)
    assert len(failed) == 2
    assert time.monotonic() - started < OPENING_LONGEST / 2


def test_nobody_there_fails_within_the_deadline():
    async def main():
        ours, theirs = await prepare(controlling=True), await prepare(controlling=False)
        blob = theirs.blob
        await theirs.aclose()
        started = trio.current_time()
        with pytest.raises(ChannelFailed):
            await ours.connect(blob)
        return trio.current_time() - started

    assert run(main, clock=MockClock(rate=20)) < OPENING_LONGEST + 5


@in_guest
async def test_a_malformed_blob_fails_at_once_and_frees_everything():
    ours = await prepare(controlling=True)
    with pytest.raises(ChannelFailed):
        await ours.connect(b"\x01garbage")
    assert not ours._ice._connection._protocols
    await ours.aclose()
    with pytest.raises(LocalError):
        await ours.connect(b"")


@pytest.mark.parametrize("who", [0, 1], ids=["controlling", "controlled"])
@pytest.mark.parametrize("which", [1, 2], ids=["first", "second"])
@in_guest
async def test_a_datagram_of_the_handshake_that_is_lost_is_sent_again_as_it_was(who, which):
    prepared = [await prepare(controlling=True), await prepare(controlling=False)]
    dtls, sent = prepared[who]._dtls, []
    send = dtls.transport._send

    async def lossy_send(data):
        sent.append(data)
        if len(sent) != which:
            await send(data)

    dtls.transport._send = lossy_send
    channels = []

    async def connect(mine):
        channels.append(await prepared[mine].connect(prepared[1 - mine].blob))

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect, 0)
            nursery.start_soon(connect, 1)
    assert sent.count(sent[which - 1]) > 1
    assert channels[0].exporter == channels[1].exporter
    for channel in channels:
        await channel.aclose()


@in_guest
async def test_a_cancelled_connect_frees_everything():
    ours, theirs = await prepare(controlling=True), await prepare(controlling=False)
    with trio.move_on_after(0.05):
        await ours.connect(theirs.blob)
    assert not ours._ice._connection._protocols
    await theirs.aclose()
    await trio.sleep(0.01)
    assert len(asyncio.all_tasks()) == 0


@in_guest
async def test_without_any_address_there_is_no_channel(monkeypatch):
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: [])
    with pytest.raises(ChannelFailed):
        await WebRtcChannels().prepare(controlling=True, way=LinkWay.DIRECT, servers=())


@in_guest
async def test_loopback_is_neither_offered_nor_tried_unless_asked_for():
    try:
        ours = await WebRtcChannels().prepare(controlling=True, way=LinkWay.DIRECT, servers=())
    except ChannelFailed:
        return  # a machine with nothing but loopback
    assert all(c.host != "127.0.0.1" for c in decode_blob(ours.blob).candidates)
    with trio.socket.socket(type=socket.SOCK_DGRAM) as service:
        await service.bind(("127.0.0.1", 0))
        lure = Candidate(CandidateKind.HOST, *service.getsockname()[:2])
        blob = rewritten(ours.blob, candidates=(lure,))
        with trio.move_on_after(0.3):
            with pytest.raises(ChannelFailed):
                await ours.connect(blob)
        with trio.move_on_after(0.05):
            assert not await service.recv(2000), "a peer made us send to a local service"


def reflexive_answer(request, mapped):
    ip, port = mapped
    body = struct.pack("!BBH", 0, 1, port ^ 0x2112)
    body += bytes(a ^ b for a, b in zip(socket.inet_aton(ip), b"\x21\x12\xa4\x42", strict=True))
    attribute = struct.pack("!HH", 0x0020, len(body)) + body
    return struct.pack("!HH", 0x0101, len(attribute)) + request[4:20] + attribute


@in_guest
async def test_the_outer_address_comes_from_the_servers_we_named_and_no_other():
    with trio.socket.socket(type=socket.SOCK_DGRAM) as server:
        await server.bind(("127.0.0.1", 0))
        asked = []

        async def answer():
            while True:
                request, address = await server.recvfrom(2000)
                asked.append(address)
                await server.sendto(reflexive_answer(request, ("203.0.113.9", 40404)), address)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            with trio.fail_after(5):
                ours = await LOOPBACK.prepare(
                    controlling=True,
                    way=LinkWay.DIRECT,
                    servers=[RelayServer(*server.getsockname()[:2], ServerKind.STUN)],
                )
            nursery.cancel_scope.cancel()
    assert asked
    expected = Candidate(CandidateKind.REFLEXIVE, "203.0.113.9", 40404)
    assert decode_blob(ours.blob).candidates[0] == expected
    await ours.aclose()


@in_guest
async def test_silent_or_unknown_stun_servers_cost_a_second_and_no_more():
    with trio.socket.socket(type=socket.SOCK_DGRAM) as silent:
        await silent.bind(("127.0.0.1", 0))
        started = time.monotonic()
        ours = await LOOPBACK.prepare(
            controlling=True,
            way=LinkWay.DIRECT,
            servers=[
                RelayServer(*silent.getsockname()[:2], ServerKind.STUN),
                RelayServer("relay.invalid", 3478, ServerKind.STUN),
            ],
        )
        assert time.monotonic() - started < GATHER_LONGEST + 1.5
    assert all(c.kind is CandidateKind.HOST for c in decode_blob(ours.blob).candidates)
    await ours.aclose()


def test_a_peer_that_dies_silently_is_noticed_by_our_own_ping():
    """Once the link is open, trio's clock runs a hundred times faster than the peer's machine."""
    clock = MockClock(rate=1)

    async def main():
        async with open_links() as (ours, theirs):
            clock.rate = 100
            await trio.sleep(1)
            for transport in sockets_of(theirs.channel):
                transport.abort()
            died_at = trio.current_time()
            await ours.closed.wait()
            return ours.ending, trio.current_time() - died_at

    ending, took = run(main, clock=clock)
    assert ending is Ending.SILENT
    assert took <= PING_EVERY + SILENCE_LONGEST + 5


@in_guest
async def test_a_peer_that_closes_is_noticed_at_once():
    with trio.fail_after(10):
        async with open_links() as (ours, theirs):
            await theirs.aclose()
            await ours.closed.wait()
            assert ours.ending is Ending.LOST


@in_guest
async def test_a_dtls_transport_that_stops_is_a_lost_channel_and_no_zombie():
    async with open_channels() as (ours, _):
        ours._dtls._task.cancel()
        with trio.fail_after(5), pytest.raises(ChannelFailed):
            await ours.receive()
        with pytest.raises(ChannelFailed):
            await ours.room()


@in_guest
async def test_strangers_at_the_socket_learn_nothing_and_end_nothing(caplog):
    binding_request = struct.pack("!HHI12s", 1, 0, 0x2112A442, os.urandom(12))
    bad_attribute = struct.pack("!HHI12sHH4s", 1, 8, 0x2112A442, bytes(12), 0x24, 3, bytes(4))
    client_hello_like = b"\x16\xfe\xfd" + os.urandom(60)
    async with open_channels() as (ours, theirs):
        with socket.socket(type=socket.SOCK_DGRAM) as stranger:
            stranger.settimeout(0.05)
            for transport in sockets_of(ours):
                address = transport.get_extra_info("sockname")
                if address[0] != "127.0.0.1":
                    continue
                for packet in (b"", binding_request, bad_attribute, client_hello_like, bytes(9000)):
                    stranger.sendto(packet, address)
            await trio.sleep(0.05)
            with pytest.raises(TimeoutError):
                stranger.recv(2000)
        theirs.send_nowait(b"still here")
        with trio.fail_after(5):
            assert await ours.receive() == (b"still here",)
        assert ours._ice._connection._queue.qsize() == 0
    assert not caplog.records


@in_guest
async def test_a_stranger_cannot_fill_the_queue_of_a_connection_that_waits():
    ours = await prepare(controlling=True)
    address = next(
        (c.host, c.port) for c in decode_blob(ours.blob).candidates if c.host == "127.0.0.1"
    )
    with socket.socket(type=socket.SOCK_DGRAM) as stranger:
        for number in range(300):
            stranger.sendto(bytes([number % 256]) * 1000, address)
        await trio.sleep(0.05)
    assert ours._ice._connection._queue.qsize() == 0
    await ours.aclose()


@in_guest
async def test_a_peer_cannot_add_addresses_without_bound():
    async with open_channels() as (ours, theirs):
        ice, peer = ours._ice._connection, theirs._ice._connection
        pair = next(iter(peer._nominated.values()))
        target = pair.remote_addr
        for _ in range(MAX_REMOTE_ADDRESSES + 20):
            request = peer.build_request(pair, nominate=False)
            request.add_message_integrity(ice.local_password.encode())
            with socket.socket(type=socket.SOCK_DGRAM) as other:
                other.bind((pair.local_addr[0], 0))
                other.sendto(bytes(request), target)
        await trio.sleep(0.05)
        assert MAX_REMOTE_ADDRESSES >= len(ice._remote_candidates) > 2


@in_guest
async def test_many_dtls_records_in_one_datagram_leave_nothing_behind():
    async with open_channels() as (ours, theirs):
        theirs.send_nowait(b"first")
        with trio.fail_after(5):
            assert await ours.receive() == (b"first",)
            sent, kept_back = [], []
            send = theirs._ice._send

            async def keep_back(datagram):
                kept_back.append(datagram)

            theirs._ice._send = keep_back
            for number in range(8):
                theirs.send_nowait(b"record %d" % number)
            theirs._ice._send = send
            await aio(send, b"".join(kept_back))
            while len(sent) < 8:
                sent += await ours.receive()
        assert sent == [b"record %d" % number for number in range(8)]


@in_guest
async def test_a_peer_that_overruns_the_credit_is_cut_off():
    """Below the link's own rule: whoever floods a reader that does not read is dropped."""
    async with open_channels() as (ours, theirs):
        with trio.fail_after(10):
            for _ in range(200):
                theirs.send_nowait(bytes(MAX_RECORD_SIZE))
                with trio.move_on_after(0.2):
                    await theirs.room()
            while not ours._is_lost:
                await trio.testing.wait_all_tasks_blocked(0.01)
        assert ours._arrived_size < 600_000


@in_guest
async def test_logs_hold_no_address_and_no_content(caplog):
    with caplog.at_level(logging.DEBUG):
        async with open_channels() as (ours, theirs):
            ours.send_nowait(b"something private")
            await theirs.receive()
    text = caplog.text
    assert "127.0.0.1" not in text
    assert "private" not in text


def test_what_we_lean_on_exists_in_the_pinned_aioice_and_aiortc():
    for name in (
        "get_component_candidates",
        "data_received",
        "check_incoming",
        "respond_error",
        "request_received",
    ):
        assert name in vars(aioice.ice.Connection)
        assert name in vars(GuardedIce) or name == "request_received"

    for name in ("_recv_next", "_do_handshake", "_write_ssl"):
        assert name in vars(RTCDtlsTransport)
        assert name in vars(QuickDtls)
    assert "_update_rto" in vars(RTCSctpTransport)

    async def main():
        async with open_channels() as (ours, _):
            assert ours._dtls._ssl is not None
            assert callable(ours._dtls._write_ssl)
            assert ours._dtls._rx_srtp is None
            assert ours._ice._connection._remote_candidates
            assert ours._dtls._role in ("server", "client")
            assert ours._sctp._rto < stock.SCTP_RTO_MIN
            return ours._dtls._ssl.get_protocol_version_name()

    assert run(main) in ("DTLSv1.2", "DTLSv1.3")


@pytest.mark.soak
def test_three_hundred_connections_leave_nothing_behind():
    async def main():
        sizes, files = [], []
        for round_ in range(3):
            for _ in range(100):
                ours, theirs = await connected(LOOPBACK, LOOPBACK)
                ours.send_nowait(b"hello")
                await theirs.receive()
                await ours.aclose()
                await theirs.aclose()
            await trio.sleep(0.1)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
            files.append(len(os.listdir("/proc/self/fd")))
            assert len(asyncio.all_tasks()) == 0, round_
        return sizes, files

    tracemalloc.start()
    try:
        sizes, files = run(main)
    finally:
        tracemalloc.stop()
    assert sizes[2] - sizes[1] < 200_000
    assert files[2] == files[1]
