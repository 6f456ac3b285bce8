"""The TURN server without its sockets: what RFC 8656 asks of it, and what we add."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.support.turn_client import (
    TO_UDP,
    Refused,
    Silence,
    fresh_transaction,
    peer,
    send_indication,
)
from tests.support.turn_hall import FRIEND, HOST, NOON, Guest, Hall, pair
from toheal_protocol.wire.codec import u8, u16, u32
from toheal_protocol.wire.stun import (
    BINDING_REQUEST,
    MESSAGE_INTEGRITY,
    MESSAGE_INTEGRITY_SHA256,
    UNKNOWN_ATTRIBUTES,
    XOR_MAPPED_ADDRESS,
    StunMessage,
    binding_request,
    decode_stun,
    decode_xor_address,
    encode_stun,
)
from toheal_protocol.wire.stun_integrity import sign_stun
from toheal_protocol.wire.turn import (
    ADDITIONAL_ADDRESS_FAMILY,
    ADDRESS_ERROR_CODE,
    CHANNEL_NUMBER,
    DONT_FRAGMENT,
    EVEN_PORT,
    LIFETIME,
    REQUESTED_ADDRESS_FAMILY,
    REQUESTED_TRANSPORT,
    RESERVATION_TOKEN,
    XOR_PEER_ADDRESS,
    Method,
    encode_channel_data,
)
from toheal_relay.limits import Limits
from toheal_relay.turn.credentials import LIFE
from toheal_relay.turn.quotas import CREDIT

ICE_CHECK = sign_stun(StunMessage(BINDING_REQUEST, bytes(12)), b"password")


def refused(code: int, guest: Guest, *attributes: tuple[int, bytes]) -> None:
    """Ask for an allocation with these attributes and see it refused."""
    with pytest.raises(Refused) as problem:
        guest.turn.ask(Method.ALLOCATE, *attributes)
    assert problem.value.args == (code,)


def test_a_client_gets_a_port_and_learns_its_own_address() -> None:
    hall = Hall()
    guest = hall.guest("9.9.9.9", 1234)
    host, port = guest.allocate()
    assert host == HOST
    assert port in hall.ports
    answer = guest.turn.answer
    assert answer is not None
    mapped = answer.find(XOR_MAPPED_ADDRESS) or b""
    assert decode_xor_address(mapped, answer.transaction) == ("9.9.9.9", 1234)
    assert answer.find(LIFETIME) == u32(600)
    assert hall.turn.allocations == 1


@pytest.mark.parametrize("integrity", [MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256])
def test_who_signs_by_either_hash_is_answered_by_the_same(integrity: int) -> None:
    guest = Hall().guest()
    guest.turn.integrity = integrity
    guest.allocate()


def test_the_same_allocate_again_gets_the_same_answer() -> None:
    hall = Hall()
    guest = hall.guest()
    transaction = fresh_transaction()
    with pytest.raises(Refused):
        guest.turn.refresh(600)  # learns realm and nonce
    first = guest.turn.allocate(transaction=transaction)
    answer = guest.turn.answer
    hall.pass_time(0.4)
    assert guest.turn.allocate(transaction=transaction) == first
    assert guest.turn.answer is not None
    assert answer is not None
    assert guest.turn.answer.find(XOR_MAPPED_ADDRESS) == answer.find(XOR_MAPPED_ADDRESS)
    assert hall.turn.allocations == 1


def test_a_second_allocation_of_one_five_tuple_is_a_mismatch() -> None:
    guest = Hall().guest()
    guest.allocate()
    refused(437, guest, TO_UDP)


@pytest.mark.parametrize(
    ("code", "attributes"),
    [
        (400, []),
        (400, [(REQUESTED_TRANSPORT, b"\x11")]),
        (442, [(REQUESTED_TRANSPORT, b"\x06\0\0\0")]),  # TCP to the peer
        (420, [TO_UDP, (DONT_FRAGMENT, b"")]),
        (420, [TO_UDP, (0x7ABC, b"")]),
        (440, [TO_UDP, (REQUESTED_ADDRESS_FAMILY, b"\x02\0\0\0")]),
        (400, [TO_UDP, (ADDITIONAL_ADDRESS_FAMILY, b"\x01\0\0\0")]),
        (400, [TO_UDP, (RESERVATION_TOKEN, bytes(8)), (EVEN_PORT, b"\0")]),
        (508, [TO_UDP, (RESERVATION_TOKEN, bytes(8))]),
        (508, [TO_UDP, (EVEN_PORT, b"\x80")]),
        (400, [TO_UDP, (LIFETIME, b"\0")]),
    ],
)
def test_what_we_do_not_offer_is_refused_as_the_rfc_says(
    code: int, attributes: list[tuple[int, bytes]]
) -> None:
    hall = Hall()
    refused(code, hall.guest(), *attributes)
    assert hall.turn.allocations == 0
    assert not hall.ports


def test_an_unknown_demand_is_named() -> None:
    guest = Hall().guest()
    refused(420, guest, TO_UDP, (0x7ABC, b""), (0x7ABD, b"x"))
    assert guest.turn.answer is not None
    assert guest.turn.answer.find(UNKNOWN_ATTRIBUTES) == u16(0x7ABC) + u16(0x7ABD)


def test_an_even_port_alone_can_be_had() -> None:
    _, port = Hall().guest().turn.allocate((EVEN_PORT, b"\0"))
    assert port % 2 == 0


def test_who_wants_a_second_address_of_ipv6_is_told_that_there_is_none() -> None:
    guest = Hall().guest()
    guest.turn.allocate((ADDITIONAL_ADDRESS_FAMILY, b"\x02\0\0\0"))
    assert guest.turn.answer is not None
    told = guest.turn.answer.find(ADDRESS_ERROR_CODE)
    assert told == u8(2) + u8(0) + u8(4) + u8(40)


@pytest.mark.parametrize(("wanted", "given"), [(1, 600), (600, 600), (900, 900), (90_000, 3600)])
def test_a_lifetime_has_bounds(wanted: int, given: int) -> None:
    hall = Hall()
    guest = hall.guest()
    guest.turn.ask(Method.ALLOCATE, TO_UDP, (LIFETIME, u32(wanted)))
    assert guest.turn.refresh(wanted) == given
    hall.pass_time(given - 0.5)
    assert guest.turn.refresh(0) == 0


def test_an_allocation_ends_when_its_time_is_over() -> None:
    hall = Hall()
    ours, theirs = pair(hall)
    hall.pass_time(601)
    ours.say(encode_channel_data(0x4001, b"late"))
    assert theirs.heard() == []
    with pytest.raises(Refused, match="437"):
        ours.turn.refresh(600)
    hall.turn.sweep(now=hall.now)
    assert hall.turn.allocations == 0
    assert not hall.ports


def test_an_allocation_ends_at_once_when_its_client_says_so() -> None:
    hall = Hall()
    ours, theirs = pair(hall)
    ours.say(encode_channel_data(0x4001, b"one"))
    theirs.turn.refresh(0)
    ours.say(encode_channel_data(0x4001, b"two"))
    assert theirs.heard() == [(0x4001, b"one")]
    assert hall.turn.allocations == 1
    assert len(hall.ports) == 1


def test_a_shortened_allocation_passes_nothing_on_after_its_end() -> None:
    hall = Hall()
    ours, theirs = pair(hall)
    theirs.turn.refresh(3600)
    ours.turn.refresh(3600)
    ours.say(encode_channel_data(0x4001, b"one"))
    theirs.turn.refresh(600)
    hall.pass_time(599)
    ours.turn.bind(0x4001, *theirs.relayed)
    theirs.turn.bind(0x4001, *ours.relayed)
    ours.say(encode_channel_data(0x4001, b"two"))
    hall.pass_time(2)
    ours.say(encode_channel_data(0x4001, b"three"))
    assert theirs.heard() == [(0x4001, b"one"), (0x4001, b"two")]


def test_two_members_of_one_relay_meet_by_channels_and_no_port_sees_it() -> None:
    ours, theirs = pair(Hall())
    for number in range(5):
        ours.say(encode_channel_data(0x4001, b"%d" % number))
        theirs.say(encode_channel_data(0x4001, b"-%d" % number))
    assert theirs.heard() == [(0x4001, b"%d" % number) for number in range(5)]
    assert ours.heard() == [(0x4001, b"-%d" % number) for number in range(5)]
    assert not ours.sent
    assert not theirs.sent


def test_channels_of_two_members_need_not_have_the_same_number() -> None:
    hall = Hall()
    ours, theirs = hall.guest("9.9.9.1"), hall.guest("9.9.9.2")
    ours.allocate()
    theirs.allocate()
    ours.turn.bind(0x4001, *theirs.relayed)
    theirs.turn.bind(0x7FFE, *ours.relayed)
    for _ in range(2):  # the second time by the route that is known
        ours.say(encode_channel_data(0x4001, b"there"))
        theirs.say(encode_channel_data(0x7FFE, b"back"))
    assert theirs.heard() == [(0x7FFE, b"there")] * 2
    assert ours.heard() == [(0x4001, b"back")] * 2


def test_clients_over_streams_are_served_alike() -> None:
    ours, theirs = pair(Hall(), is_stream=True)
    for number in range(3):
        ours.say(encode_channel_data(0x4001, b"x" * number))
    assert theirs.heard() == [(0x4001, b"x" * number) for number in range(3)]


def test_send_and_data_indications_work_without_channels() -> None:
    hall = Hall()
    ours, theirs = hall.guest("9.9.9.1"), hall.guest("9.9.9.2")
    ours.allocate()
    theirs.allocate()
    ours.say(send_indication(*theirs.relayed, b"nobody permitted this"))
    ours.turn.permit(HOST)
    ours.say(send_indication(*theirs.relayed, b"and the other end did not"))
    theirs.turn.permit(HOST)
    ours.say(send_indication(*theirs.relayed, b"hello"))
    assert theirs.heard() == [(ours.relayed, b"hello")]


def test_a_friend_elsewhere_is_reached_and_heard() -> None:
    hall = Hall()
    guest = hall.guest()
    guest.allocate()
    guest.turn.bind(0x4001, FRIEND, 7000)
    guest.say(encode_channel_data(0x4001, b"there"))
    assert list(guest.sent) == [((FRIEND, 7000), b"there")]
    hall.arrive(guest.relayed[1], (FRIEND, 7000), b"back")
    hall.arrive(guest.relayed[1], (FRIEND, 7001), b"from another port of a permitted address")
    assert guest.heard() == [
        (0x4001, b"back"),
        ((FRIEND, 7001), b"from another port of a permitted address"),
    ]


def test_a_permission_ends_after_five_minutes_and_a_channel_after_ten() -> None:
    hall = Hall()
    guest = hall.guest()
    guest.allocate()
    guest.turn.refresh(3600)
    guest.turn.permit("6.6.6.6")
    guest.turn.bind(0x4001, FRIEND, 7000)
    hall.pass_time(299)
    hall.arrive(guest.relayed[1], ("6.6.6.6", 1), b"in time")
    hall.pass_time(2)
    hall.arrive(guest.relayed[1], ("6.6.6.6", 1), b"late")
    guest.say(send_indication("6.6.6.6", 1, b"late"))
    hall.arrive(guest.relayed[1], (FRIEND, 7000), b"by its channel")
    hall.arrive(guest.relayed[1], (FRIEND, 7001), b"by nothing")
    assert guest.heard() == [(("6.6.6.6", 1), b"in time"), (0x4001, b"by its channel")]
    hall.pass_time(300)
    guest.say(encode_channel_data(0x4001, b"late"))
    hall.arrive(guest.relayed[1], (FRIEND, 7000), b"late")
    assert guest.heard() == []
    assert not guest.sent


@pytest.mark.parametrize(
    ("number", "host", "port"), [(0x4001, FRIEND, 7001), (0x4002, FRIEND, 7000)]
)
def test_a_channel_and_a_peer_belong_together(number: int, host: str, port: int) -> None:
    guest = Hall().guest()
    guest.allocate()
    guest.turn.bind(0x4001, FRIEND, 7000)
    guest.turn.bind(0x4001, FRIEND, 7000)  # once more is a refresh
    with pytest.raises(Refused, match="400"):
        guest.turn.bind(number, host, port)


def test_a_channel_can_be_given_to_another_peer_when_its_time_is_over() -> None:
    hall = Hall()
    guest = hall.guest()
    guest.allocate()
    guest.turn.refresh(3600)
    guest.turn.bind(0x4001, FRIEND, 7000)
    hall.pass_time(901)
    guest.turn.bind(0x4001, FRIEND, 7001)
    guest.turn.bind(0x4002, FRIEND, 7000)
    guest.say(encode_channel_data(0x4001, b"one"))
    guest.say(encode_channel_data(0x4002, b"two"))
    assert list(guest.sent) == [((FRIEND, 7001), b"one"), ((FRIEND, 7000), b"two")]


@pytest.mark.parametrize("number", [0x3FFF, 0x8000])
def test_a_channel_outside_the_range_is_a_bad_request(number: int) -> None:
    guest = Hall().guest()
    guest.allocate()
    with pytest.raises(Refused, match="400"):
        guest.turn.bind(number, FRIEND, 7000)


def test_requests_without_what_they_are_about_are_bad() -> None:
    guest = Hall().guest()
    guest.allocate()
    for method, attributes in (
        (Method.CREATE_PERMISSION, ()),
        (Method.CREATE_PERMISSION, ((XOR_PEER_ADDRESS, b"?"),)),
        (Method.CHANNEL_BIND, ((CHANNEL_NUMBER, u16(0x4001) + bytes(2)),)),
        (Method.CHANNEL_BIND, ()),
    ):
        with pytest.raises(Refused, match="400"):
            guest.turn.ask(method, *attributes)


def test_ipv6_peers_do_not_go_with_ipv4_addresses() -> None:
    guest = Hall().guest()
    guest.allocate()
    for host in ("2001:db8::1", "::ffff:5.5.5.5", "::1"):
        with pytest.raises(Refused, match="443"):
            guest.turn.permit(FRIEND, host)
        with pytest.raises(Refused, match="443"):
            guest.turn.bind(0x4001, host, 7000)
    with pytest.raises(Refused, match="443"):
        guest.turn.ask(
            Method.REFRESH, (REQUESTED_ADDRESS_FAMILY, b"\x02\0\0\0"), (LIFETIME, u32(0))
        )
    assert guest.turn.refresh(600) == 600


def test_one_refused_address_refuses_the_whole_permission() -> None:
    hall = Hall()
    guest = hall.guest()
    guest.allocate()
    with pytest.raises(Refused, match="403"):
        guest.turn.permit(FRIEND, "192.168.1.1")
    guest.say(send_indication(FRIEND, 7000, b"not permitted"))
    assert not guest.sent


def test_permissions_and_channels_have_a_limit() -> None:
    limits = evolve(Limits(), peers_per_allocation=3)
    guest = Hall(limits).guest()
    guest.allocate()
    guest.turn.permit("5.5.5.1", "5.5.5.2")
    with pytest.raises(Refused, match="508"):
        guest.turn.permit("5.5.5.3", "5.5.5.4")
    for number in range(3):
        guest.turn.bind(0x4001 + number, "5.5.5.1", 7000 + number)
    with pytest.raises(Refused, match="508"):
        guest.turn.bind(0x4009, "5.5.5.1", 7009)


def test_a_source_and_a_name_have_their_share_of_allocations_and_the_rest_stays_free() -> None:
    limits = evolve(Limits(), allocations=6, allocations_per_source=3, allocations_per_name=2)
    hall = Hall(limits)
    first = hall.guest("9.9.9.1", 1)
    first.allocate()
    second = Guest(hall, "9.9.9.1", 2, first.username, first.password)
    second.allocate()
    third = Guest(hall, "9.9.9.1", 3, first.username, first.password)
    refused(486, third, TO_UDP)  # this name
    hall.guest("9.9.9.1", 4).allocate()
    refused(486, hall.guest("9.9.9.1", 5), TO_UDP)  # this source
    for number in range(3):
        hall.guest("9.9.8.1", number + 1).allocate()
    refused(508, hall.guest("9.9.7.1"), TO_UDP)  # all of us
    second.turn.refresh(0)
    hall.guest("9.9.7.1", 9).allocate()


def test_no_ports_left_is_said_so() -> None:
    hall = Hall(ports_left=1)
    hall.guest("9.9.9.1").allocate()
    refused(508, hall.guest("9.9.9.2"), TO_UDP)


def test_a_relay_that_goes_away_makes_no_new_allocations_and_keeps_the_old() -> None:
    hall = Hall()
    ours, theirs = pair(hall)
    hall.turn.close()
    refused(508, hall.guest("9.9.7.1"), TO_UDP)
    ours.turn.refresh(600)
    ours.say(encode_channel_data(0x4001, b"still here"))
    assert theirs.heard() == [(0x4001, b"still here")]


def test_who_relays_too_much_loses_packets_and_gets_on_later() -> None:
    limits = evolve(Limits(), relayed_per_second=float(CREDIT), relayed_burst=2.0 * CREDIT)
    hall = Hall(limits)
    ours, theirs = pair(hall)
    for _ in range(200):
        ours.say(encode_channel_data(0x4001, bytes(1000)))
    passed = len(theirs.heard())
    assert 2 * CREDIT // 1000 - 34 <= passed <= 2 * CREDIT // 1000 + 1
    hall.pass_time(2)
    ours.say(encode_channel_data(0x4001, b"later"))
    assert theirs.heard() == [(0x4001, b"later")]
    assert hall.turn.relayed_bytes >= passed * 1000


def test_what_comes_from_elsewhere_counts_too() -> None:
    limits = evolve(Limits(), relayed_per_second=1.0, relayed_burst=2.0 * CREDIT)
    hall = Hall(limits)
    guest = hall.guest()
    guest.allocate()
    guest.turn.bind(0x4001, FRIEND, 7000)
    for _ in range(200):
        hall.arrive(guest.relayed[1], (FRIEND, 7000), bytes(1000))
    assert len(guest.heard()) <= 2 * CREDIT // 1000 + 1


def test_all_together_have_a_limit() -> None:
    limits = evolve(Limits(), relayed_total_per_second=1.0, relayed_total_burst=3.0 * CREDIT)
    hall = Hall(limits)
    ours, theirs = pair(hall)
    for _ in range(200):
        ours.say(encode_channel_data(0x4001, bytes(1000)))
        theirs.say(encode_channel_data(0x4001, bytes(1000)))
    assert len(ours.heard()) + len(theirs.heard()) <= 3 * CREDIT // 1000 + 2


def test_a_stream_that_ends_takes_its_allocation_along() -> None:
    hall = Hall()
    guest = hall.guest(is_stream=True)
    guest.allocate()
    assert hall.turn.has_allocation(guest)
    hall.turn.leave(guest)
    hall.turn.leave(guest)
    assert hall.turn.allocations == 0
    assert not hall.ports


def test_a_conversation_outlives_the_credentials_it_began_with() -> None:
    hall = Hall()
    guest = hall.guest()
    guest.allocate()
    for _ in range(3 * LIFE // 300):
        hall.pass_time(300)
        assert guest.turn.refresh(600) == 600
    assert hall.wall > NOON + 2 * LIFE


def test_a_nonce_is_renewed_without_losing_anything() -> None:
    hall = Hall()
    guest = hall.guest()
    guest.allocate()
    guest.turn.refresh(3600)
    old = guest.turn.nonce
    hall.pass_time(301)
    guest.turn.permit(FRIEND)
    assert guest.turn.nonce == old  # the one before is still taken
    hall.pass_time(300)
    guest.turn.permit(FRIEND)
    assert guest.turn.nonce != old


def test_binding_requests_are_answered_over_udp_and_streams() -> None:
    for is_stream in (False, True):
        guest = Hall().guest(is_stream=is_stream)
        guest.say(binding_request(bytes(12)))
        answer = decode_stun(guest.inbox.pop())
        mapped = answer.find(XOR_MAPPED_ADDRESS) or b""
        assert decode_xor_address(mapped, bytes(12)) == ("9.9.9.9", 1000)


def test_answers_and_indications_of_others_are_not_heard() -> None:
    guest = Hall().guest()
    guest.allocate()
    for message_type in (0x0101, 0x0111, 0x0103, 0x0113, 0x0017, 0x0007, 0x0013, 0x0006, 0x3EEF):
        guest.say(encode_stun(StunMessage(message_type, bytes(12))))
    assert not guest.inbox


def test_a_send_indication_with_something_wrong_is_dropped() -> None:
    guest = Hall().guest()
    guest.allocate()
    guest.turn.permit(FRIEND)
    transaction = bytes(12)
    to = peer(FRIEND, 7000, transaction)
    for attributes in (
        (to,),
        ((0x0013, b"packet"),),
        (to, (0x0013, b"packet"), (DONT_FRAGMENT, b"")),
        ((XOR_PEER_ADDRESS, b"x"), (0x0013, b"packet")),
    ):
        guest.say(encode_stun(StunMessage(0x0016, transaction, attributes)))
    assert not guest.inbox
    assert not guest.sent


def test_channel_data_that_is_shorter_than_it_says_is_dropped() -> None:
    ours, theirs = pair(Hall())
    whole = encode_channel_data(0x4001, b"packet")
    for message in (whole[:-1], whole[:4], whole[:3], whole[:1], b"\x40\x02" + whole[2:]):
        ours.say(message)
    ours.say(whole + b"\0\0")  # padded though it need not be (RFC 8656, section 12.5)
    ours.say(whole)
    ours.say(whole[:-1])
    ours.say(whole + b"\0\0")
    assert theirs.heard() == [(0x4001, b"packet")] * 3


def test_nothing_is_answered_to_what_is_not_stun() -> None:
    guest = Hall().guest()
    for message in (b"", b"\0", b"\x40", bytes(20), b"\x16\x03\x01", b"GET / HTTP/1.1\r\n"):
        guest.say(message)
    assert not guest.inbox
    with pytest.raises(Silence):
        guest.turn.ask(Method.SEND)
