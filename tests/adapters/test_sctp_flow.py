"""How many packets an association needs, and that none of the savings loses a record."""

from __future__ import annotations

import asyncio
import inspect
import random
from functools import partial

import pytest
from aioice import ice
from google_crc32c import value as crc32c

from tests.support.sctp_wire import Pair
from toheal_p2p.adapters import sctp_flow
from toheal_p2p.adapters.dtls_flow import FlowDtls, _is_one_record
from toheal_p2p.adapters.ortc import RTCDtlsTransport, RTCIceTransport, stock
from toheal_p2p.adapters.sctp import GuardedSctp
from toheal_p2p.adapters.sctp_flow import PACKET_MOST, SACK_DELAY, QuickSctp
from toheal_protocol.errors import LocalError
from toheal_protocol.wire.link_record import MAX_RECORD_SIZE

SACK, DATA = stock.SackChunk.type, stock.DataChunk.type


def talking(talk, peer_class=GuardedSctp):
    async def run():
        pair = Pair(peer_class)
        await pair.open()
        try:
            await talk(pair)
        finally:
            await pair.stop()

    asyncio.run(run())


async def sent_by(side):
    for _ in range(5):
        await asyncio.sleep(0)
    packets = list(side.wire.sent)
    side.wire.sent.clear()
    return packets


def kinds(packets):
    return [[kind for kind, _, _ in sctp_flow._chunks_of(packet)] for packet in packets]


def test_packets_that_arrive_together_get_one_acknowledgement():
    async def talk(pair):
        pair.theirs.channel.send(bytes(3 * 1200))
        packets = await sent_by(pair.theirs)
        assert len(packets) > 2
        await pair.ours.sctp.take_packets(packets)
        assert kinds(await sent_by(pair.ours)) == [[SACK]]

    talking(talk)


def test_the_acknowledgement_of_one_packet_waits_a_moment():
    async def talk(pair):
        pair.theirs.channel.send(b"one")
        await pair.ours.sctp.take_packets(await sent_by(pair.theirs))
        assert await sent_by(pair.ours) == []
        await asyncio.sleep(2 * SACK_DELAY)
        assert kinds(await sent_by(pair.ours)) == [[SACK]]

    talking(talk)


def test_it_travels_with_an_answer():
    async def talk(pair):
        pair.theirs.channel.send(b"one")
        await pair.ours.sctp.take_packets(await sent_by(pair.theirs))
        pair.ours.channel.send(b"answer")
        packets = await sent_by(pair.ours)
        assert kinds(packets) == [[SACK, DATA]]
        await pair.theirs.sctp.take_packets(packets)
        assert pair.theirs.messages == [b"answer"]
        assert not pair.theirs.sctp._sent_queue
        await asyncio.sleep(2 * SACK_DELAY)
        assert await sent_by(pair.ours) == []

    talking(talk)


def test_a_stock_peer_takes_both_from_one_packet():
    async def talk(pair):
        pair.theirs.channel.send(b"one")
        await pair.ours.sctp.take_packets(await sent_by(pair.theirs))
        pair.ours.channel.send(b"answer")
        for packet in await sent_by(pair.ours):
            await pair.theirs.sctp._handle_data(packet)
        assert pair.theirs.messages == [b"answer"]
        assert not pair.theirs.sctp._sent_queue

    talking(talk, stock.RTCSctpTransport)


def test_no_packet_becomes_larger_by_it():
    async def talk(pair):
        pair.theirs.channel.send(b"one")
        await pair.ours.sctp.take_packets(await sent_by(pair.theirs))
        pair.ours.channel.send(bytes(1200))
        assert max(map(len, await sent_by(pair.ours))) <= PACKET_MOST

    talking(talk)


def test_the_second_packet_is_acknowledged_at_once():
    async def talk(pair):
        for _ in range(2):
            pair.theirs.channel.send(b"one")
            await pair.ours.sctp.take_packets(await sent_by(pair.theirs))
        assert kinds(await sent_by(pair.ours)) == [[SACK]]

    talking(talk)


def test_what_comes_out_of_order_or_twice_is_told_at_once():
    async def talk(pair):
        for text in (b"one", b"two"):
            pair.theirs.channel.send(text)
        first, second = await sent_by(pair.theirs)
        await pair.ours.sctp.take_packets([second])
        [sack] = await sent_by(pair.ours)
        assert stock.parse_packet(sack)[3][0].gaps == [(2, 2)]
        await pair.ours.sctp.take_packets([first])
        await sent_by(pair.ours)
        await pair.ours.sctp.take_packets([first])
        [sack] = await sent_by(pair.ours)
        assert len(stock.parse_packet(sack)[3][0].duplicates) == 1
        assert pair.ours.messages == [b"one", b"two"]

    talking(talk)


@pytest.mark.parametrize("peer_class", [GuardedSctp, stock.RTCSctpTransport])
@pytest.mark.parametrize("seed", range(6))
def test_everything_arrives_over_a_network_that_loses_and_reorders(seed, peer_class):
    chance = random.Random(seed)
    records = [bytes([number]) * chance.randint(1, MAX_RECORD_SIZE) for number in range(25)]

    async def carry(source, target):
        packets = [p for p in await sent_by(source) if chance.random() > 0.15]
        if chance.random() < 0.3:
            chance.shuffle(packets)
        if isinstance(target.sctp, GuardedSctp):
            await target.sctp.take_packets(packets)
        else:
            for packet in packets:
                await target.sctp._handle_data(packet)

    async def talk(pair):
        for record in records:
            pair.ours.channel.send(record)
            pair.theirs.channel.send(record)
        for turn in range(3000):
            await carry(pair.ours, pair.theirs)
            await carry(pair.theirs, pair.ours)
            if len(pair.ours.messages) == len(pair.theirs.messages) == len(records):
                break
            for side in (pair.ours, pair.theirs):
                side.sctp._t3_at = 0.0  # the second has passed
                if turn % 20 == 19 and side.sctp._sent_queue:
                    side.sctp._t3_cancel()
                    side.sctp._t3_expired()
        assert pair.ours.messages == pair.theirs.messages == records

    talking(talk, peer_class)


def test_a_timer_that_was_put_off_does_not_ring_early():
    async def talk(pair):
        side = pair.ours.sctp
        pair.ours.channel.send(b"one")
        await sent_by(pair.ours)
        side._t3_handle.cancel()
        side._t3_expired()
        assert side._t3_handle is not None
        assert not side._looks_back
        side._t3_cancel()
        side._t3_at = 0.0
        side._t3_expired()
        assert side._looks_back
        await asyncio.sleep(0)
        assert kinds(await sent_by(pair.ours)) == [[DATA]]

    talking(talk)


def test_after_a_loss_it_stops_looking_back_once_all_is_sent_again():
    async def talk(pair):
        for _ in range(6):
            pair.ours.channel.send(bytes(900))
        packets = await sent_by(pair.ours)
        await pair.theirs.sctp.take_packets(packets[1:])
        await pair.carry()
        pair.ours.sctp._t3_at = 0.0
        pair.ours.sctp._t3_cancel()
        pair.ours.sctp._t3_expired()
        await pair.carry()
        await asyncio.sleep(2 * SACK_DELAY)
        await pair.carry()
        assert len(pair.theirs.messages) == 6
        pair.ours.channel.send(b"more")
        await pair.carry()
        assert not pair.ours.sctp._looks_back

    talking(talk)


def test_a_record_leaves_in_the_moment_it_is_sent():
    async def talk(pair):
        for number in range(3):
            pair.ours.channel.send(b"record")
            assert len(pair.ours.wire.sent) == number + 1
        await pair.carry()
        assert len(pair.theirs.messages) == 3

    talking(talk)


def test_a_way_to_the_socket_that_waits_is_a_bug_of_ours():
    async def talk(pair):
        async def wait(_packet):
            await asyncio.sleep(0)

        carries = pair.ours.wire._send_data
        pair.ours.wire._send_data = wait
        with pytest.raises(LocalError):
            pair.ours.channel.send(b"record")
        pair.ours.wire._send_data = carries

    talking(talk)


@pytest.mark.parametrize("size", [1, 1199, 1200, 1201, 2400, 2401, 16384])
def test_a_message_is_cut_as_aiortc_cuts_it(size):
    async def talk(pair):
        message = random.Random(size).randbytes(size)
        pair.ours.channel.send(message)
        pair.ours.channel.send(b"another")
        await pair.carry()
        assert pair.theirs.messages == [message, b"another"]

    talking(talk, stock.RTCSctpTransport)


TSN = 16
"""Where the number of a chunk stands, which is drawn anew for each association."""


def changed_at(packet, place, value):
    """Return a packet with another byte in one place, and the sum that fits it."""
    fresh = bytearray(packet)
    if place == TSN:
        tsn = int.from_bytes(packet[TSN : TSN + 4], "big") + value - 20
        fresh[TSN : TSN + 4] = (tsn % 2**32).to_bytes(4, "big")
    elif place in range(4, 8):  # a tag is drawn anew as well
        fresh[place] ^= value
    else:
        fresh[place] = value
    fresh[8:12] = bytes(4)
    fresh[8:12] = crc32c(bytes(fresh)).to_bytes(4, "little")
    return bytes(fresh)


def judged(packet_of):
    """Return what becomes of a packet: what was received, whether that ended it, what is missing."""
    found = []

    async def talk(pair):
        pair.theirs.channel.send(b"one")
        [packet] = await sent_by(pair.theirs)
        await pair.ours.sctp.take_packets([packet_of(packet)])
        sctp = pair.ours.sctp
        state = sctp._advertised_rwnd, bool(sctp._message), sctp._last_received_tsn is None
        found.append((list(pair.ours.messages), pair.ours.is_over, *state))

    talking(talk)
    return found[0]


@pytest.mark.parametrize("place", [*range(TSN + 1), *range(TSN + 4, 28)])
def test_the_short_way_of_a_packet_ends_where_the_long_one_does(place, monkeypatch):
    for value in (0, 1, 2, 3, 4, 7, 19, 20, 21, 22, 53, 130, 255):
        packet_of = partial(changed_at, place=place, value=value)
        with monkeypatch.context() as patch:
            short = judged(packet_of)
            patch.setattr(QuickSctp, "_read_next", lambda _self, _packet: None)
            assert judged(packet_of) == short


def test_a_changed_packet_is_dropped():
    async def talk(pair):
        pair.theirs.channel.send(b"one")
        [packet] = await sent_by(pair.theirs)
        for place in (5, 9, len(packet) - 1):
            changed = bytearray(packet)
            changed[place] ^= 1
            await pair.ours.sctp.take_packets([bytes(changed)])
        assert not pair.ours.messages
        assert not pair.ours.is_over
        await pair.ours.sctp.take_packets([packet])
        assert pair.ours.messages == [b"one"]

    talking(talk)


def test_a_datagram_is_known_to_be_one_record():
    record = bytes([23, 254, 253]) + bytes(8) + (5).to_bytes(2, "big") + b"12345"
    assert _is_one_record(record)
    assert not _is_one_record(record * 2)
    assert not _is_one_record(b"\x15" + record[1:])
    assert not _is_one_record(b"\x2f" + record[1:])
    assert not _is_one_record(record[:12])


def test_what_we_override_and_lean_on_exists_in_the_pinned_versions():
    for ours, theirs in ((QuickSctp, stock.RTCSctpTransport), (FlowDtls, RTCDtlsTransport)):
        for name, value in vars(ours).items():
            if inspect.isfunction(value) and hasattr(theirs, name) and name != "__init__":
                base = getattr(theirs, name)
                assert [*inspect.signature(value).parameters] == [
                    *inspect.signature(base).parameters
                ]
                assert inspect.iscoroutinefunction(value) == inspect.iscoroutinefunction(base)
    assert {"_recv_next"} <= vars(FlowDtls).keys() & vars(RTCDtlsTransport).keys()
    sources = {
        RTCDtlsTransport: ("self._data_receiver", "self._write_ssl", "self.encrypted", "self._ssl"),
        RTCIceTransport: ("self._connection", "self._recv", "self._send = self._connection.send"),
        ice.Connection: ("self._queue", "put_nowait(None)", "put_nowait((data, component))"),
        stock.RTCSctpTransport: (
            "self._advanced_peer_ack_tsn",
            "self._fast_recovery_exit",
            "self._flight_size",
            "self._partial_bytes_acked",
            "self._sack_duplicates",
            "self._sack_misordered",
            "self._ssthresh",
            "self._t3_handle",
            "chunk._book_size",
            "chunk._sent_time",
        ),
    }
    for owner, names in sources.items():
        source = inspect.getsource(owner)
        for name in names:
            assert name in source
    assert len(bytes(stock.SackChunk())) == 16


def test_one_timer_is_enough_for_many_lost_packets():
    async def talk(pair):
        pair.ours.sctp._cwnd = 20_000
        for _ in range(4):
            pair.ours.channel.send(bytes(900))
        assert len(await sent_by(pair.ours)) == 4  # and none arrives
        pair.ours.sctp._t3_at = 0.0
        pair.ours.sctp._t3_cancel()
        pair.ours.sctp._t3_expired()
        for _ in range(8):
            await pair.carry()
            await asyncio.sleep(1.2 * SACK_DELAY)
        assert len(pair.theirs.messages) == 4

    talking(talk)


def test_an_acknowledgement_makes_room_once():
    async def talk(pair):
        side = pair.ours.sctp
        side._cwnd = 60_000
        for _ in range(3):
            pair.ours.channel.send(bytes(MAX_RECORD_SIZE))
        for _ in range(2):
            await pair.theirs.sctp.take_packets(await sent_by(pair.ours))
            await side.take_packets(await sent_by(pair.theirs))
        before = side._flight_size
        await sent_by(pair.ours)
        await side._transmit()
        assert side._flight_size - before <= sctp_flow.BURST
        assert side._made_room == 0

    talking(talk)
