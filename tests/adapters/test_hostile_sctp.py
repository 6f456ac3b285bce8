"""A connected peer that attacks: what it costs us, and what it gets."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import struct
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.sctp_wire import Pair, chunk, sign
from toheal_p2p.adapters import sctp
from toheal_p2p.adapters.ortc import stock
from toheal_p2p.adapters.sctp import (
    FIRST_RTO,
    LONGEST_RTO,
    MAX_CWND,
    MAX_HELD_CHUNKS,
    MAX_PACKET_SIZE,
    MAX_TSN_AHEAD,
    MOST_FIRST_RTO,
    RECEIVE_WINDOW,
    SHORTEST_RTO,
    WINDOW_OVERRUN,
    GuardedSctp,
    check_packet,
)
from toheal_p2p.adapters.sctp_flow import SACK_DELAY
from toheal_p2p.adapters.webrtc import OPENING_LONGEST
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.wire.link_record import MAX_RECORD_SIZE

COST_MOST = 0.05
HELD_MOST = 2_000_000


def under_attack(attack, *, peer_class=stock.RTCSctpTransport):
    """Run one attack on an open association; return whether it is over, and what it received.

    Without the garbage collector, whose turns cost what the whole test run has piled up.
    """

    async def run():
        pair = Pair(peer_class)
        await pair.open()
        try:
            await attack(pair)
            await asyncio.sleep(0)
        finally:
            state = pair.ours.is_over, list(pair.ours.messages)
            await pair.stop()
        return state

    gc.disable()
    try:
        return asyncio.run(run())
    finally:
        gc.enable()


async def deliver(pair, *packets):
    """Give packets to our side, each within the time one packet may cost."""
    for packet in packets:
        started = time.thread_time()
        await pair.ours.sctp._handle_data(packet)
        assert time.thread_time() - started < COST_MOST, "one packet froze the loop"
        assert all(len(answer) <= MAX_PACKET_SIZE for answer in pair.ours.wire.sent)
        pair.ours.wire.sent.clear()


async def have_sent(pair, count=60):
    """Let our side have `count` chunks in flight."""
    pair.ours.sctp._cwnd = MAX_CWND
    for _ in range(count):
        pair.ours.channel.send(bytes(1000))
    for _ in range(count):
        await asyncio.sleep(0)
    pair.ours.wire.sent.clear()
    assert len(pair.ours.sctp._sent_queue) >= 4


def parameter_of_length_zero(kind):
    fixed = bytes(16) if kind in (1, 2) else b""
    return chunk(kind, fixed + struct.pack("!HHHH", 1, 0, 0, 0))


def test_records_pass_between_two_guarded_sides():
    async def talk(pair):
        records = [bytes([n]) * size for n, size in enumerate((1, 1160, 1161, MAX_RECORD_SIZE))]
        for record in records * 20:
            pair.ours.channel.send(record)
            pair.theirs.channel.send(record)
        await pair.carry()
        assert pair.ours.messages == pair.theirs.messages == records * 20
        await asyncio.sleep(2 * SACK_DELAY)
        await pair.carry()
        await asyncio.wait_for(pair.ours.sctp.quiet(), 5)

    for peer_class in (GuardedSctp, stock.RTCSctpTransport):
        assert not under_attack(talk, peer_class=peer_class)[0]


def test_records_pass_over_a_network_that_loses_repeats_and_reorders():
    async def talk(pair):
        records = [b"%d " % number * 400 for number in range(12)]
        for record in records:
            pair.theirs.channel.send(record)
        for _ in range(200):
            await asyncio.sleep(0)
        packets = list(pair.theirs.wire.sent)
        pair.theirs.wire.sent.clear()
        await deliver(pair, *packets[::-1], *packets)
        pair.theirs.sctp._t3_expired()
        await pair.carry()
        assert pair.ours.messages == records

    assert not under_attack(talk)[0]


def test_a_sack_with_huge_gap_blocks_is_dropped():
    async def attack(pair):
        await have_sent(pair)
        blocks = [(1, 65535)] * 280
        await deliver(pair, *[pair.packet(pair.sack(*blocks))] * 20)
        assert pair.ours.sctp._sent_queue

    assert not under_attack(attack)[0]


@pytest.mark.parametrize(
    "gaps",
    [
        [(0, 0)],
        [(0, 1)],
        [(2, 1)],
        [(1, 61)],
        [(1, 30), (2, 30)],
        [(5, 6), (3, 4)],
        [(65535, 65535)],
    ],
)
def test_a_sack_that_acknowledges_what_was_not_sent_is_dropped(gaps):
    async def attack(pair):
        await have_sent(pair)
        before = pair.ours.sctp._flight_size
        await deliver(pair, pair.packet(pair.sack(*gaps)))
        assert pair.ours.sctp._flight_size == before

    assert not under_attack(attack)[0]


def test_a_sack_beyond_what_was_sent_does_not_silence_the_lawful_ones():
    async def attack(pair):
        await have_sent(pair, 4)
        beyond = pair.ours.sctp._sent_queue[-1].tsn + 1
        await deliver(pair, pair.packet(pair.sack(cumulative=beyond)))
        assert pair.ours.sctp._sent_queue
        await deliver(pair, pair.packet(pair.sack(cumulative=beyond - 1)))
        assert not pair.ours.sctp._sent_queue

    assert not under_attack(attack)[0]


def test_a_flood_of_lawful_sacks_costs_little():
    async def attack(pair):
        await have_sent(pair)
        outstanding = len(pair.ours.sctp._sent_queue)
        blocks = [(number, number) for number in range(2, outstanding + 1, 2)]
        started = time.thread_time()
        await deliver(pair, *[pair.packet(pair.sack(*blocks))] * 300)
        assert time.thread_time() - started < 300 * 0.005

    assert not under_attack(attack)[0]


@pytest.mark.parametrize("kind", [1, 2, 4, 5, 6, 9, 130, 192])
def test_a_parameter_of_length_zero_does_not_stop_the_world(kind):
    async def attack(pair):
        await deliver(pair, pair.packet(parameter_of_length_zero(kind)))
        await deliver(pair, sign(0, parameter_of_length_zero(kind)))

    assert not under_attack(attack)[0]


@pytest.mark.parametrize("size", [1, 1100])
def test_a_message_that_never_ends_ends_the_association(size):
    async def attack(pair):
        tracemalloc.start()
        await deliver(pair, pair.packet(pair.part(size, flags=2)))
        for _ in range(20_000):
            await deliver(pair, pair.packet(pair.part(size, flags=0)))
            if pair.ours.is_over:
                break
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < HELD_MOST
        assert not pair.ours.sctp._message

    assert under_attack(attack) == (True, [])


def test_a_message_beyond_the_record_limit_ends_the_association():
    async def attack(pair):
        pair.theirs.channel.send(bytes(3_000_000))
        await pair.carry()

    assert under_attack(attack) == (True, [])


def test_a_message_just_beyond_the_limit_does_too():
    async def attack(pair):
        pair.theirs.channel.send(bytes(MAX_RECORD_SIZE + 1))
        await pair.carry()

    assert under_attack(attack) == (True, [])


@pytest.mark.parametrize("size", [1, 1100])
def test_parts_kept_from_being_put_together_are_bounded(size):
    async def attack(pair):
        tracemalloc.start()
        for ahead in range(1, MAX_TSN_AHEAD):
            await deliver(pair, pair.packet(pair.part(size, ahead=ahead)))
            if pair.ours.is_over:
                break
            assert len(pair.ours.sctp._held) <= MAX_HELD_CHUNKS
            assert len(pair.ours.sctp._held) * size <= RECEIVE_WINDOW + WINDOW_OVERRUN
        held, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < HELD_MOST
        assert held < HELD_MOST / 4, "an association that is over keeps nothing"

    assert under_attack(attack) == (True, [])


def test_many_parts_in_one_packet_are_bounded_in_time():
    async def attack(pair):
        for first in range(2, MAX_HELD_CHUNKS * 2, 2 * 58):
            parts = [pair.part(1, ahead=first + 2 * number) for number in range(58)]
            await deliver(pair, pair.packet(*parts))

    assert under_attack(attack)[1] == []


def test_our_acknowledgement_of_a_thousand_gaps_fits_a_packet():
    async def attack(pair):
        for number in range(MAX_HELD_CHUNKS - 24):
            await deliver(pair, pair.packet(pair.part(1, ahead=1 + 2 * number)))
        repeats = [pair.part(1, ahead=1)] * 60
        await deliver(pair, pair.packet(*repeats))

    assert not under_attack(attack)[0]


def test_a_part_too_far_ahead_ends_the_association():
    async def attack(pair):
        await deliver(pair, pair.packet(pair.part(ahead=MAX_TSN_AHEAD)))

    assert under_attack(attack) == (True, [])


def test_an_old_part_is_only_a_repeat():
    async def attack(pair):
        await deliver(pair, pair.packet(pair.part(ahead=-1)), pair.packet(pair.part(ahead=-9999)))

    assert under_attack(attack) == (False, [])


@pytest.mark.parametrize(
    "oddity",
    [
        {"stream": 1},
        {"stream": 65535},
        {"protocol": stock.WEBRTC_STRING},
        {"protocol": stock.WEBRTC_DCEP},
        {"protocol": 0},
        {"flags": 7},
        {"flags": 1},
    ],
    ids=repr,
)
def test_another_stream_or_kind_of_message_ends_the_association(oddity):
    async def attack(pair):
        await deliver(pair, pair.packet(pair.part(20, **oddity)))
        await deliver(pair, pair.packet(pair.part(20)))

    assert under_attack(attack) == (True, [])


def test_a_message_that_begins_inside_another_ends_the_association():
    async def attack(pair):
        await deliver(pair, pair.packet(pair.part(flags=2)), pair.packet(pair.part(flags=2)))

    assert under_attack(attack) == (True, [])


def test_streams_cannot_be_reset_or_skipped():
    async def attack(pair):
        reset = struct.pack("!HHLLLH", 13, 18, 7, 0, 0, 0) + bytes(2)
        await deliver(
            pair,
            pair.packet(chunk(130, reset)),
            pair.packet(chunk(192, struct.pack("!L", pair.next_tsn + 9))),
            pair.packet(pair.part(4)),
        )

    assert under_attack(attack) == (False, [bytes(4)])


@pytest.mark.parametrize("kind", [6, 7, 8])
def test_an_end_from_below_is_an_end_above(kind):
    async def attack(pair):
        await deliver(pair, pair.packet(chunk(kind, bytes(4) if kind == 7 else b"")))
        await deliver(pair, pair.packet(pair.part(4)))

    assert under_attack(attack) == (True, [])


def test_starting_over_changes_nothing():
    async def attack(pair):
        init = struct.pack("!LLHHL", 99, 0, 65535, 65535, 12345)
        await deliver(pair, *[sign(0, chunk(1, init))] * 5)
        assert not pair.ours.wire.sent
        await deliver(pair, pair.packet(pair.part(4)))

    assert under_attack(attack) == (False, [bytes(4)])


def test_what_arrives_before_the_handshake_changes_nothing():
    async def run():
        pair = Pair()
        await pair.ours.sctp.start(stock.RTCSctpCapabilities(maxMessageSize=0), 5000)
        pair.next_tsn = 1
        early = [pair.part(4), pair.sack(), chunk(10, bytes(24)), chunk(11, b"")]
        await deliver(pair, *map(pair.packet, early))
        assert not pair.ours.messages
        assert pair.ours.sctp._association_state is GuardedSctp.State.COOKIE_WAIT
        await pair.stop()

    asyncio.run(run())


def test_what_arrives_after_the_end_changes_nothing():
    async def attack(pair):
        abort_and_more = pair.packet(chunk(6, b""), pair.part(4), chunk(4, b""))
        await pair.ours.sctp._handle_data(abort_and_more)
        for packet in (pair.packet(pair.part(4)), *pair.carried):
            await pair.ours.sctp._handle_data(packet)
        assert not pair.ours.wire.sent
        assert pair.ours.sctp._association_state is GuardedSctp.State.CLOSED

    assert under_attack(attack) == (True, [])


def test_the_congestion_window_stays_where_buffers_hold_it():
    async def talk(pair):
        for _ in range(200):
            pair.ours.channel.send(bytes(MAX_RECORD_SIZE))
        await pair.carry()
        assert pair.ours.sctp._cwnd <= MAX_CWND + stock.USERDATA_MAX_LENGTH
        assert len(pair.theirs.messages) == 200

    assert not under_attack(talk)[0]


def test_a_lost_transport_raises_nowhere():
    async def attack(pair):
        async def refuse(_packet):
            raise ConnectionError

        pair.ours.wire._send_data = refuse
        pair.ours.channel.send(b"into nothing")
        await asyncio.sleep(0)
        await deliver(pair, pair.packet(pair.part(4)))

    assert under_attack(attack) == (False, [bytes(4)])


packets_to_maul = st.integers(0, 10_000)
changes = st.lists(
    st.tuples(
        st.integers(0, 1300),
        st.sampled_from(["flip", "cut", "grow", "zero"]),
        st.binary(max_size=8),
    ),
    max_size=6,
)


def mauled(packet, changes_to_it):
    """Change a packet's chunks and sign it again, so that it passes the checksum."""
    body = bytearray(packet[12:])
    for at, change, fresh in changes_to_it:
        at %= len(body) + 1
        if change == "flip":
            body[at : at + len(fresh)] = fresh
        elif change == "cut":
            del body[at:]
        elif change == "grow":
            body[at:at] = fresh
        else:
            body[at : at + 4] = bytes(4)
    return sign(struct.unpack_from("!L", packet, 4)[0], bytes(body))


@settings(max_examples=80)
@given(st.lists(st.tuples(packets_to_maul, changes), min_size=1, max_size=12))
def test_mauled_packets_end_the_association_or_change_nothing(attempts):
    async def attack(pair):
        for _ in range(4):
            pair.ours.channel.send(bytes(3000))
            pair.theirs.channel.send(bytes(3000))
        await pair.carry()
        await have_sent(pair, 8)
        samples = [*pair.carried, pair.packet(pair.part(9)), pair.packet(pair.sack((2, 3)))]
        samples.append(pair.packet(chunk(4, struct.pack("!HH4s", 1, 8, b"beat"))))
        for number, changes_to_it in attempts:
            await deliver(pair, mauled(samples[number % len(samples)], changes_to_it))
            ours = pair.ours.sctp
            assert ours._advertised_rwnd >= -WINDOW_OVERRUN - MAX_PACKET_SIZE
            assert sum(len(part.user_data) for part in ours._held.values()) <= (
                RECEIVE_WINDOW + WINDOW_OVERRUN + MAX_PACKET_SIZE
            )

    under_attack(attack)


@given(st.binary(max_size=200))
def test_any_chunks_are_parsed_or_refused(chunks):
    packet = sign(7, chunks)
    try:
        check_packet(packet)
    except MalformedFrame:
        return
    stock.parse_packet(packet)


@pytest.mark.parametrize(
    "chunks",
    [
        b"",
        chunk(11, b"") * 65,
        chunk(3, bytes(11)),
        chunk(3, struct.pack("!LLHH", 1, 1, 1, 0)),
        chunk(3, struct.pack("!LLHH", 1, 1, 0, 65535)),
        chunk(0, bytes(12)),
        chunk(1, bytes(15)),
        chunk(1, bytes(16)) * 2,
        chunk(7, bytes(3)),
        chunk(7, bytes(8)),
        chunk(99, b""),
        bytes(1300),
    ],
    ids=range(12),
)
def test_a_packet_that_no_stack_sends_is_refused_before_it_is_parsed(chunks):
    with pytest.raises(MalformedFrame):
        check_packet(sign(7, chunks))


def test_random_packets_cost_little():
    async def attack(pair):
        for size in range(4, 1268, 16):
            await deliver(pair, pair.packet(os.urandom(size)), os.urandom(size))

    under_attack(attack)


def test_a_lost_message_is_repeated_soon_and_then_ever_later_within_bounds():
    async def main():
        pair = Pair()
        ours = pair.ours.sctp
        ours._update_rto(0.02)
        waited = [ours._rto]
        for _ in range(5):
            ours._t3_expired()
            waited.append(ours._rto)
        assert waited == [
            SHORTEST_RTO,
            2 * SHORTEST_RTO,
            4 * SHORTEST_RTO,
            8 * SHORTEST_RTO,
            *[LONGEST_RTO] * 2,
        ]
        ours._update_rto(60.0)
        assert ours._rto == LONGEST_RTO
        ours._update_rto(0.02)
        assert ours._rto > SHORTEST_RTO, "one quick answer does not make it forget a slow one"

    asyncio.run(main())


def test_a_lost_handshake_packet_is_repeated_soon_and_for_some_seconds():
    async def main():
        ours = Pair().ours.sctp
        ours._t1_chunk = stock.InitChunk()
        waited = [ours._rto]
        while ours._t1_failures <= stock.SCTP_MAX_INIT_RETRANS:
            waited.append(ours._rto)
            ours._t1_expired()
        ours._t1_cancel()
        assert waited[0] == FIRST_RTO
        assert max(waited) == MOST_FIRST_RTO
        assert 6 < sum(waited) < OPENING_LONGEST

    asyncio.run(main())


def test_what_we_override_and_lean_on_exists_in_the_pinned_aiortc():
    ours, theirs = GuardedSctp, stock.RTCSctpTransport
    overridden = [
        name
        for name, value in vars(ours).items()
        if inspect.isfunction(value) and hasattr(theirs, name)
    ]
    assert set(overridden) >= {
        "_handle_data",
        "_receive_chunk",
        "_receive_data_chunk",
        "_receive_sack_chunk",
        "_send_chunk",
        "_set_state",
        "_t1_expired",
        "_transmit",
        "_update_rto",
    }
    for name in set(overridden) - {"__init__"}:
        mine, base = getattr(ours, name), getattr(theirs, name)
        assert list(inspect.signature(mine).parameters) == list(inspect.signature(base).parameters)
        assert inspect.iscoroutinefunction(mine) == inspect.iscoroutinefunction(base)
    assert inspect.iscoroutinefunction(theirs._receive)
    assert inspect.iscoroutinefunction(theirs._abort)
    assert not inspect.iscoroutinefunction(theirs._mark_received)

    async def attributes():
        pair = Pair()
        source = inspect.getsource(sctp)
        for name in vars(pair.theirs.sctp):
            assert name not in {"_held", "_message", "_message_size", "_has_received", "_quiet"}
        leaned_on = {
            "_advertised_rwnd",
            "_association_state",
            "_cwnd",
            "_data_channel_queue",
            "_inbound_streams_max",
            "_last_received_tsn",
            "_last_sacked_tsn",
            "_local_partial_reliability",
            "_outbound_queue",
            "_outbound_streams_count",
            "_rto",
            "_rttvar",
            "_sack_needed",
            "_sent_queue",
            "_srtt",
        }
        for name in leaned_on:
            assert name in source
            assert name in vars(pair.theirs.sctp)

    asyncio.run(attributes())
