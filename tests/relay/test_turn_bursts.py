"""Packets that came together: the same happens to them as if each had come alone, only cheaper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeAlias

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.support.turn_client import send_indication
from tests.support.turn_hall import FRIEND, HOST, Guest, Hall, pair
from toheal_protocol.wire.codec import u16
from toheal_protocol.wire.stun import (
    BINDING_REQUEST,
    MAX_STUN_SIZE,
    SOFTWARE,
    StunMessage,
    encode_attribute,
)
from toheal_protocol.wire.stun_integrity import sign_stun
from toheal_protocol.wire.turn import CHANNEL_HEADER, encode_channel_data
from toheal_relay.limits import Limits
from toheal_relay.server.bursts import gather
from toheal_relay.turn.quotas import CREDIT

ICE_CHECK = sign_stun(StunMessage(BINDING_REQUEST, bytes(12)), b"password")
PEER = (FRIEND, 7000)


def with_peer(hall: Hall, host: str = "9.9.9.9") -> Guest:
    """Return a guest who has a channel to a peer elsewhere that has answered."""
    guest = hall.guest(host)
    guest.allocate()
    guest.turn.bind(0x4001, *PEER)
    hall.arrive(guest.relayed[1], PEER, ICE_CHECK)
    guest.inbox.clear()
    return guest


def by_channel(packet: bytes) -> bytes:
    return encode_channel_data(0x4001, packet)


def by_indication(packet: bytes) -> bytes:
    return send_indication(*PEER, packet)


def known(guest: Guest, write: Callable[[bytes], bytes]) -> None:
    """Send one packet, so that the way is known."""
    guest.say(write(b"first"))
    guest.sent.clear()


Heard: TypeAlias = tuple[Sequence[object], ...]

SENDERS = ["one", "other", "third"]
said = st.lists(
    st.tuples(
        st.sampled_from([b"", b"aaaa1", b"aaaa2", b"aaab1", b"aa", b"aaaa22"]),
        st.sampled_from(SENDERS),
    )
)


@given(said, st.sampled_from([0, CHANNEL_HEADER]))
def test_bursts_are_alike_and_each_senders_packets_stay_in_order(
    arrived: list[tuple[bytes, str]], alike: int
) -> None:
    bursts: list[tuple[str, list[bytes]]] = []
    gather(bursts, arrived, alike)
    for sender in SENDERS:
        sent = [packet for packet, who in arrived if who == sender]
        came = [packet for who, burst in bursts if who == sender for packet in burst]
        assert came == sent
        groups = [
            list(same) for _, same in groupby(sent, key=lambda each: (len(each), each[:alike]))
        ]
        assert [burst for who, burst in bursts if who == sender] == groups


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["channel", "indication", "arrive", "member", "time"]),
        st.integers(0, 1200),
        st.integers(1, 70),
    ),
    max_size=12,
)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(),
        evolve(Limits(), relayed_burst=90_000.0, relayed_per_second=20_000.0),
        evolve(Limits(), relayed_total_burst=90_000.0, relayed_total_per_second=20_000.0),
        evolve(Limits(), stranger_packets=5),
    ],
    ids=["wide", "a poor source", "a poor relay", "shy"],
)
@given(operations=OPERATIONS, has_answered=st.booleans())
def test_what_comes_together_fares_as_if_it_had_come_one_by_one(
    limits: Limits, operations: list[tuple[str, int, int]], has_answered: bool
) -> None:
    """But for quotas, which a burst may meet a little sooner or later: never by more than one credit."""
    outcomes = [
        _outcome(limits, operations, has_answered=has_answered, is_together=is_together)
        for is_together in (True, False)
    ]
    (together, granted), (alone, granted_alone) = outcomes
    if limits == Limits():
        assert together == alone
    for one, other in zip(together, alone, strict=True):
        for came, expected in zip(one, other, strict=True):
            shorter, longer = sorted((came, expected), key=len)
            assert longer[: len(shorter)] == shorter  # what is lost is lost at the end
    assert abs(granted - granted_alone) <= 3 * CREDIT + 70 * 1204


def _outcome(
    limits: Limits, operations: list[tuple[str, int, int]], *, has_answered: bool, is_together: bool
) -> tuple[list[Heard], int]:
    """Return what left the relay with each operation, and what quotas were asked for."""
    hall = Hall(limits)
    guest, (ours, theirs) = with_peer(hall), pair(hall)
    if not has_answered:
        guest = hall.guest("9.9.9.7")
        guest.allocate()
        guest.turn.bind(0x4001, *PEER)
    ways: dict[str, Callable[..., None]] = {
        "channel": lambda *each: guest.say(*map(by_channel, each)),
        "indication": lambda *each: guest.say(*map(by_indication, each)),
        "arrive": lambda *each: hall.arrive(guest.relayed[1], PEER, *each),
        "member": lambda *each: ours.say(*map(by_channel, each)),
        "time": lambda *_: hall.pass_time(1.0),
    }
    outcome = []
    for kind, size, count in operations:
        packets = [number.to_bytes(4, "big") + bytes(size) for number in range(count)]
        for together in [packets] if is_together else [[packet] for packet in packets]:
            ways[kind](*together)
            if kind == "time":
                break
        outcome.append((list(guest.sent), guest.heard(), theirs.heard()))
        guest.sent.clear()
    return outcome, hall.turn.relayed_bytes


@pytest.mark.parametrize("write", [by_channel, by_indication])
def test_a_quota_that_ends_within_a_burst_lets_the_first_of_it_through(
    write: Callable[[bytes], bytes],
) -> None:
    hall = Hall(evolve(Limits(), relayed_burst=100_000.0, relayed_per_second=0.001))
    guest = with_peer(hall)
    known(guest, write)
    packets = [number.to_bytes(2, "big") + bytes(998) for number in range(64)]
    for _ in range(10):
        guest.say(*map(write, packets))
    went = [packet for _, packet in guest.sent]
    assert 95_000 < len(b"".join(went)) <= 100_000
    assert went == (packets * 10)[: len(went)]


def test_a_flood_from_a_peer_takes_no_more_than_its_quota_and_leaves_others_alone() -> None:
    hall = Hall(evolve(Limits(), relayed_burst=100_000.0, relayed_per_second=0.001))
    victim, other = with_peer(hall, "9.9.9.9"), with_peer(hall, "8.8.8.8")
    for _ in range(100):
        hall.arrive(victim.relayed[1], PEER, *[bytes(1000)] * 64)
    assert len(victim.inbox) <= 100
    hall.arrive(other.relayed[1], PEER, b"for the other")
    assert other.heard() == [(0x4001, b"for the other")]


def test_a_check_in_the_middle_of_a_burst_vouches_for_the_peer() -> None:
    hall = Hall(evolve(Limits(), stranger_packets=2))
    guest = hall.guest()
    guest.allocate()
    guest.turn.bind(0x4001, *PEER)
    noise = bytes(len(ICE_CHECK))
    hall.arrive(guest.relayed[1], PEER, noise, ICE_CHECK, noise)
    for _ in range(10):
        guest.say(by_channel(b"packet"))
    assert len(guest.sent) == 10


def test_a_stranger_gets_no_more_by_a_burst() -> None:
    guest = Hall(evolve(Limits(), stranger_packets=20)).guest()
    guest.allocate()
    guest.turn.bind(0x4001, *PEER)
    guest.say(*[by_channel(b"flood")] * 64)
    guest.say(*[by_indication(b"flood")] * 64)
    assert len(guest.sent) == 20


def test_an_indication_for_another_in_the_middle_of_a_burst_goes_to_the_other() -> None:
    hall = Hall()
    guest = with_peer(hall)
    guest.turn.permit(FRIEND, "6.6.6.6")
    known(guest, by_indication)
    guest.say(by_indication(b"one"), send_indication("6.6.6.6", 9, b"two"), by_indication(b"six"))
    assert list(guest.sent) == [(PEER, b"one"), (("6.6.6.6", 9), b"two"), (PEER, b"six")]


def test_the_quick_way_of_indications_ends_with_the_permission() -> None:
    hall = Hall()
    guest = with_peer(hall)
    known(guest, by_indication)
    hall.pass_time(299.9)
    guest.say(by_indication(b"just in time"))
    hall.pass_time(0.2)
    guest.say(by_indication(b"too late"))
    assert [packet for _, packet in guest.sent] == [b"just in time"]


def test_the_quick_way_of_indications_ends_with_the_allocation() -> None:
    hall = Hall()
    guest = with_peer(hall)
    known(guest, by_indication)
    port = hall.ports[guest.relayed[1]]
    guest.turn.refresh(0)
    guest.say(by_indication(b"too late"))
    assert not port.sent


def test_nobody_else_may_use_the_quick_way_of_a_client() -> None:
    hall = Hall()
    guest, other = with_peer(hall), hall.guest("8.8.8.8")
    other.allocate()
    for write in (by_channel, by_indication):
        known(guest, write)
        other.say(write(b"mine"))
    assert not guest.sent
    assert not other.sent


@pytest.mark.parametrize("at", range(44))
def test_the_quick_way_takes_no_indication_that_the_slow_way_would_not(at: int) -> None:
    """One byte is changed: what happens must not depend on whether the way was known."""
    message = bytearray(by_indication(b"12345"))
    for bit in range(8):
        message[at] ^= 1 << bit
        went = []
        for is_known in (True, False):
            guest = with_peer(Hall())
            if is_known:
                known(guest, by_indication)
            guest.say(bytes(message), bytes(message))
            went.append(list(guest.sent))
        assert went[0] == went[1]
        message[at] ^= 1 << bit


@pytest.mark.parametrize("length", range(2, 44))
def test_an_indication_that_ends_too_soon_is_nothing(length: int) -> None:
    guest = with_peer(Hall())
    known(guest, by_indication)
    guest.say(by_indication(b"12345")[:length])
    assert not guest.sent


def test_an_indication_with_more_in_it_goes_the_slow_way_and_arrives() -> None:
    guest = with_peer(Hall())
    known(guest, by_indication)
    message = by_indication(b"12345") + encode_attribute(SOFTWARE, b"x")
    message = message[:2] + u16(len(message) - 20) + message[4:]
    guest.say(message)
    assert list(guest.sent) == [(PEER, b"12345")]


def test_ways_that_are_known_are_few_however_often_peers_change() -> None:
    hall = Hall()
    guest = with_peer(hall)
    guest.turn.permit(FRIEND)
    table = hall.turn._table  # there is nothing else to see it by
    for port in range(1, 3_000):
        guest.say(send_indication(FRIEND, port, b"hello"))
        hall.arrive(guest.relayed[1], (FRIEND, port), ICE_CHECK)
        guest.say(send_indication(FRIEND, port, b"hello"))
    assert len(table.routes) <= hall.limits.peers_per_allocation


@pytest.mark.parametrize("size", [MAX_STUN_SIZE + 1, 65_000])
def test_what_is_longer_than_any_packet_is_not_passed_on(size: int) -> None:
    hall = Hall()
    guest = with_peer(hall)
    hall.arrive(guest.relayed[1], PEER, *[bytes(size)] * 3)
    assert guest.heard() == []


def test_two_members_hear_a_burst_by_channels_that_differ() -> None:
    hall = Hall()
    ours, theirs = hall.guest("9.9.9.1"), hall.guest("9.9.9.2")
    ours.allocate()
    theirs.allocate()
    ours.turn.bind(0x4001, *theirs.relayed)
    theirs.turn.bind(0x7FFE, *ours.relayed)
    ours.say(by_channel(b"0"))
    ours.say(*(by_channel(b"%d" % number) for number in range(1, 9)))
    assert theirs.heard() == [(0x7FFE, b"%d" % number) for number in range(9)]
    assert ours.relayed[0] == HOST


def test_empty_packets_are_packets() -> None:
    hall = Hall()
    guest = with_peer(hall)
    guest.say(*[by_channel(b"")] * 3)
    guest.say(*[by_channel(b"")] * 3)
    assert [packet for _, packet in guest.sent] == [b""] * 6
    hall.arrive(guest.relayed[1], PEER, b"", b"")
    assert guest.heard() == [(0x4001, b"")] * 2
