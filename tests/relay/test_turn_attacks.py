"""What somebody could want from a TURN server that is not theirs to have, each by name."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.support.turn_client import (
    TO_UDP,
    Refused,
    Silence,
    TurnClient,
    fresh_transaction,
    send_indication,
)
from tests.support.turn_hall import FRIEND, HOST, LISTENING, OWN, Guest, Hall, pair
from toheal_protocol.wire.codec import u32
from toheal_protocol.wire.stun import (
    BINDING_REQUEST,
    BINDING_SUCCESS,
    ERROR_CODE,
    NONCE,
    REALM,
    XOR_MAPPED_ADDRESS,
    StunMessage,
    binding_request,
    decode_error_code,
    decode_stun,
    encode_stun,
    encode_xor_address,
)
from toheal_protocol.wire.stun_integrity import sign_stun
from toheal_protocol.wire.turn import LIFETIME, Kind, Method, encode_channel_data
from toheal_relay.limits import Limits
from toheal_relay.turn.answers import CHALLENGE_SIZE
from toheal_relay.turn.credentials import LIFE
from toheal_relay.turn.nonces import NONCE_LIFE, Nonces
from toheal_relay.turn.rules import is_special

ICE_CHECK = sign_stun(StunMessage(BINDING_REQUEST, bytes(12)), b"password")
ICE_ANSWER = sign_stun(StunMessage(BINDING_SUCCESS, bytes(12)), b"password")

NOT_ON_THE_INTERNET = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
]


def answered(guest: Guest) -> Guest:
    """Let a guest allocate."""
    guest.allocate()
    return guest


def refused_peer(guest: Guest, host: str, port: int) -> None:
    """See that a peer is refused by channel, by permission, and silently by indication."""
    with pytest.raises(Refused, match="403"):
        guest.turn.bind(0x4001, host, port)
    with pytest.raises(Refused, match="403"):
        guest.turn.permit(host)
    guest.say(send_indication(host, port, b"packet"))
    guest.say(encode_channel_data(0x4001, b"packet"))
    assert not guest.sent


@pytest.mark.parametrize("host", NOT_ON_THE_INTERNET)
def test_nobody_gets_into_private_networks_or_to_metadata_services(host: str) -> None:
    assert is_special(host)
    refused_peer(answered(Hall().guest()), host, 80)


@pytest.mark.parametrize(
    "host",
    [
        *(
            f"::ffff:{host}"
            for host in ("10.0.0.1", "127.0.0.1", "169.254.169.254", FRIEND, HOST, OWN)
        ),
        "::127.0.0.1",  # an older way to dress IPv4
        "::ffff:0:10.0.0.1",  # and another
        "2002:7f00:1::1",  # 6to4 of 127.0.0.1
        "64:ff9b::a00:1",  # NAT64 of 10.0.0.1
        "64:ff9b:1::a9fe:a9fe",
        "::1",
        "fe80::1",
        "fd00::1",
        "2606:4700::1",  # even one that is somebody's on the internet
    ],
)
def test_no_address_of_ipv6_is_a_peer_whatever_ipv4_address_is_inside(host: str) -> None:
    guest = answered(Hall(allowed=(IPv4Network("127.0.0.0/8"),)).guest())
    with pytest.raises(Refused, match="443"):
        guest.turn.bind(0x4001, host, 9)
    with pytest.raises(Refused, match="443"):
        guest.turn.permit(host)
    guest.turn.permit(FRIEND)  # of which one of these is a disguise
    guest.say(send_indication(host, 9, b"packet"))
    guest.say(encode_channel_data(0x4001, b"packet"))
    assert not guest.sent


@pytest.mark.parametrize("host", [OWN, "127.0.0.1"])
def test_nobody_gets_at_the_relays_own_machine(host: str) -> None:
    for port in (LISTENING, 22, 50_000):
        refused_peer(answered(Hall().guest()), host, port)


def test_the_relays_own_address_is_open_at_relayed_ports_only() -> None:
    hall = Hall()
    ours, theirs = pair(hall)
    for port in (LISTENING, 22, theirs.relayed[1] + 1):
        with pytest.raises(Refused, match="403"):
            ours.turn.bind(0x4002, HOST, port)
        ours.say(send_indication(HOST, port, b"packet"))
    assert not ours.sent
    assert theirs.heard() == []


def test_a_relayed_port_that_is_given_back_is_no_peer_any_more() -> None:
    ours, theirs = pair(Hall())
    ours.say(encode_channel_data(0x4001, b"one"))
    theirs.turn.refresh(0)
    ours.say(encode_channel_data(0x4001, b"two"))
    ours.say(send_indication(*theirs.relayed, b"three"))
    assert len(theirs.heard()) == 1
    assert not ours.sent  # whatever program has that port of ours now
    with pytest.raises(Refused, match="403"):
        ours.turn.bind(0x4002, *theirs.relayed)


def test_port_zero_is_nobody() -> None:
    guest = answered(Hall().guest())
    with pytest.raises(Refused, match="403"):
        guest.turn.bind(0x4001, FRIEND, 0)
    guest.turn.permit(FRIEND)
    guest.say(send_indication(FRIEND, 0, b"packet"))
    assert not guest.sent


def test_even_where_loopback_is_allowed_the_relays_own_port_is_not() -> None:
    guest = answered(Hall(allowed=(IPv4Network("127.0.0.0/8"),)).guest())
    guest.turn.bind(0x4001, "127.0.0.1", 9)
    with pytest.raises(Refused, match="403"):
        guest.turn.bind(0x4002, "127.0.0.1", LISTENING)
    guest.say(send_indication("127.0.0.1", LISTENING, b"packet"))
    assert not guest.sent
    refused_peer(answered(guest.hall.guest("6.6.6.6")), "192.168.0.1", 9)


def test_a_stranger_gets_a_handful_of_packets_and_no_more() -> None:
    limits = evolve(Limits(), stranger_packets=20)
    guest = answered(Hall(limits).guest())
    guest.turn.bind(0x4001, FRIEND, 53)
    guest.turn.permit(FRIEND)
    for _ in range(100):
        guest.say(encode_channel_data(0x4001, b"flood"))
        guest.say(send_indication(FRIEND, 53, b"flood"))
    assert len(guest.sent) == 20


@pytest.mark.parametrize("answer", [ICE_CHECK, ICE_ANSWER])
def test_a_peer_that_answers_with_a_check_of_ice_is_no_stranger(answer: bytes) -> None:
    hall = Hall()
    guest = answered(hall.guest())
    guest.turn.bind(0x4001, FRIEND, 7000)
    hall.arrive(guest.relayed[1], (FRIEND, 7000), answer)
    for _ in range(100):
        guest.say(encode_channel_data(0x4001, b"packet"))
    assert len(guest.sent) == 100


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request",
        binding_request(bytes(12)),
        encode_stun(
            StunMessage(
                BINDING_SUCCESS,
                bytes(12),
                ((XOR_MAPPED_ADDRESS, encode_xor_address("1.2.3.4", 5, bytes(12))),),
            )
        ),
        sign_stun(StunMessage(0x0111, bytes(12)), b"key"),
        sign_stun(StunMessage(0x0003, bytes(12)), b"key"),
    ],
    ids=["nothing", "a web server", "a bare request", "a STUN server", "an error", "another TURN"],
)
def test_an_answer_of_a_service_that_never_asked_for_this_keeps_it_a_stranger(
    answer: bytes,
) -> None:
    hall = Hall()
    guest = answered(hall.guest())
    guest.turn.bind(0x4001, FRIEND, 53)
    for _ in range(100):
        guest.say(encode_channel_data(0x4001, b"flood"))
        hall.arrive(guest.relayed[1], (FRIEND, 53), answer)
    assert len(guest.sent) == hall.limits.stranger_packets


def test_somebody_else_cannot_answer_for_a_stranger() -> None:
    hall = Hall()
    guest = answered(hall.guest())
    guest.turn.bind(0x4001, FRIEND, 53)
    for sender in ((FRIEND, 54), ("6.6.6.6", 53)):
        hall.arrive(guest.relayed[1], sender, ICE_CHECK)
    for _ in range(100):
        guest.say(encode_channel_data(0x4001, b"flood"))
    assert len(guest.sent) == hall.limits.stranger_packets


def test_many_strangers_together_get_no_more_than_a_source_may_risk() -> None:
    limits = evolve(Limits(), strangers_burst=100.0, strangers_per_second=0.001)
    hall = Hall(limits)
    sent = 0
    for port in range(1, 4):
        guest = answered(hall.guest("9.9.9.9", port))
        guest.turn.permit(FRIEND)
        for number in range(2_000):  # forgets peers, and begins again
            guest.say(send_indication(FRIEND, 1 + number % 200, b"flood"))
        sent += len(guest.sent)
    assert sent == 100


def test_without_a_permission_nothing_goes_out_or_comes_in() -> None:
    hall = Hall()
    guest = answered(hall.guest())
    guest.say(send_indication(FRIEND, 7000, b"out"))
    guest.say(encode_channel_data(0x4001, b"out"))
    hall.arrive(guest.relayed[1], (FRIEND, 7000), b"in")
    hall.arrive(guest.relayed[1], (FRIEND, 7000), ICE_CHECK)
    assert not guest.sent
    assert guest.heard() == []


def test_a_member_cannot_be_reached_by_one_it_did_not_permit() -> None:
    hall = Hall()
    _, theirs = pair(hall)
    stranger = answered(hall.guest("6.6.6.6"))
    stranger.turn.bind(0x4001, *theirs.relayed)
    theirs.turn.refresh(3600)
    hall.pass_time(301)  # the permission for the relay's own address is over, the channel is not
    for _ in range(3):
        stranger.say(encode_channel_data(0x4001, b"hello"))
        stranger.say(send_indication(*theirs.relayed, b"hello"))
    assert theirs.heard() == []


def test_nobody_uses_the_allocation_of_another_five_tuple() -> None:
    hall = Hall()
    ours, theirs = pair(hall)
    for host, port in (("6.6.6.6", 1001), ("9.9.9.1", 1002), ("9.9.9.1", 1)):
        other = Guest(hall, host, port, ours.username, ours.password)
        if (host, port) == (theirs.host, theirs.port):
            continue
        for method in (Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND):
            with pytest.raises(Refused, match="437"):
                other.turn.ask(method, (LIFETIME, u32(0)))
        other.say(encode_channel_data(0x4001, b"not mine"))
        other.say(send_indication(*theirs.relayed, b"not mine"))
    assert theirs.heard() == []
    assert hall.turn.allocations == 2


def test_a_stream_and_a_datagram_of_one_address_are_two_clients() -> None:
    hall = Hall()
    answered(hall.guest("9.9.9.9", 1000))
    other = hall.guest("9.9.9.9", 1000, is_stream=True)
    with pytest.raises(Refused, match="437"):
        other.turn.refresh(0)


def test_good_credentials_of_somebody_else_do_not_open_an_allocation() -> None:
    hall = Hall()
    guest = answered(hall.guest())
    grant = hall.credentials.grant(2)
    thief = Guest(hall, guest.host, guest.port, grant.username, grant.password)
    for method in (Method.REFRESH, Method.CHANNEL_BIND, Method.CREATE_PERMISSION, Method.ALLOCATE):
        with pytest.raises(Refused, match="441"):
            thief.turn.ask(method, (LIFETIME, u32(0)))
    assert hall.turn.allocations == 1


@pytest.mark.parametrize("after", [LIFE, 10 * LIFE])
def test_credentials_whose_time_is_over_open_nothing(after: float) -> None:
    hall = Hall()
    guest = hall.guest()
    hall.pass_time(after)
    refused_at_the_door(guest)
    answered(hall.guest())


def refused_at_the_door(guest: Guest) -> None:
    with pytest.raises(Refused, match="401"):
        guest.turn.ask(Method.ALLOCATE, TO_UDP)
    assert guest.hall.turn.allocations == 0


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("1900000000:a", "wrong"),
        ("", ""),
        ("nobody", "nothing"),
        ("9" * 300 + ":a", "x"),
        (":" * 600, "x"),
    ],
)
def test_credentials_of_ones_own_making_open_nothing(username: str, password: str) -> None:
    refused_at_the_door(Guest(Hall(), "9.9.9.9", 1, username, password))


def test_a_name_made_longer_lived_does_not_fit_its_password() -> None:
    hall = Hall()
    guest = hall.guest()
    expiry, _, rest = guest.username.partition(":")
    refused_at_the_door(Guest(hall, "9.9.9.9", 1, f"{int(expiry) + 9999}:{rest}", guest.password))


def stale(client: TurnClient, nonce: bytes) -> int:
    """Ask with this nonce, and return the code of the answer."""
    client.nonce = nonce
    transaction = fresh_transaction()
    answer = client.exchange(client.write(Method.ALLOCATE, TO_UDP, transaction=transaction))
    assert answer is not None
    message = decode_stun(answer)
    assert message.find(NONCE) != nonce
    assert message.find(REALM) == b"toheal"
    return decode_error_code(message.find(ERROR_CODE) or b"")


def test_a_forged_nonce_is_stale() -> None:
    hall = Hall()
    guest = hall.guest()
    answered(guest)
    good = guest.turn.nonce
    guest.turn.refresh(0)
    forged = [b"", b"A" * 16, good[:-1], good + b"A", good[:-4] + b"AAA=", b"\xff" * 16]
    for nonce in [each for each in forged if each]:
        assert stale(guest.turn, nonce) == 438
    assert hall.turn.allocations == 0


def test_a_nonce_of_somebody_else_or_of_yesterday_is_stale() -> None:
    hall = Hall()
    theirs = answered(hall.guest("6.6.6.6"))
    guest = hall.guest()
    guest.turn.realm = theirs.turn.realm
    assert stale(guest.turn, theirs.turn.nonce) == 438
    with pytest.raises(Refused, match="437"):
        guest.turn.refresh(0)
    old = guest.turn.nonce
    hall.pass_time(2 * NONCE_LIFE)
    assert stale(guest.turn, old) == 438


@given(nonce=st.binary(max_size=40), elapsed=st.floats(0, 10_000))
def test_no_other_bytes_are_a_nonce(nonce: bytes, elapsed: float) -> None:
    hall = Hall()
    ours = Nonces(b"k" * 32)
    good = ours.make(b"client", now=hall.now)
    hall.pass_time(elapsed)
    assert not ours.is_fresh(nonce, b"client", now=hall.now) or nonce == good
    if elapsed >= 2 * NONCE_LIFE:
        assert not ours.is_fresh(good, b"client", now=hall.now)


def test_a_recorded_request_is_worth_nothing_from_another_address() -> None:
    hall = Hall()
    guest = hall.guest()
    recorded: list[bytes] = []
    exchange = guest.turn.exchange

    def record(request: bytes) -> bytes | None:
        recorded.append(request)
        return exchange(request)

    guest.turn.exchange = record
    answered(guest)
    thief = hall.guest("6.6.6.6")
    for request in recorded:
        thief.say(request)
    codes = [decode_error_code(decode_stun(each).find(ERROR_CODE) or b"") for each in thief.inbox]
    assert codes == [401, 438]
    assert hall.turn.allocations == 1


def test_a_flood_of_requests_is_not_reflected() -> None:
    """A forged source gets no more than a few answers longer than what was sent in its name."""
    limits = evolve(Limits(), short_stun_burst=50.0, short_stun_per_second=5.0)
    hall = Hall(limits)
    victim = hall.guest("6.6.6.6")
    request = encode_stun(StunMessage(Method.ALLOCATE | Kind.REQUEST, bytes(12), (TO_UDP,)))
    for _ in range(10_000):
        victim.say(request)
    assert len(victim.inbox) == 50
    assert {len(answer) for answer in victim.inbox} == {CHALLENGE_SIZE}
    hall.pass_time(10)
    for _ in range(1_000):
        victim.say(request)
    assert len(victim.inbox) == 100


def test_a_request_as_long_as_its_answer_is_answered_more_freely_but_not_for_ever() -> None:
    hall = Hall()
    victim = hall.guest("6.6.6.6")
    padding = (0x8022, b" " * 30)
    long = encode_stun(StunMessage(Method.ALLOCATE | Kind.REQUEST, bytes(12), (TO_UDP, padding)))
    for _ in range(10_000):
        victim.say(long)
    assert len(victim.inbox) == int(hall.limits.stun_burst)


def test_over_a_stream_nobody_can_forge_a_source_and_everybody_is_answered() -> None:
    guest = Hall().guest(is_stream=True)
    request = encode_stun(StunMessage(Method.ALLOCATE | Kind.REQUEST, bytes(12), (TO_UDP,)))
    for _ in range(1_000):
        guest.say(request)
    assert len(guest.inbox) == 1_000


@pytest.mark.parametrize("left_out", ["username", "realm", "nonce"])
def test_a_signed_request_that_does_not_say_by_whom_is_bad(left_out: str) -> None:
    guest = Hall().guest()
    with pytest.raises(Refused, match="437"):
        guest.turn.refresh(0)
    request = decode_stun(guest.turn.write(Method.ALLOCATE, TO_UDP, transaction=bytes(12)))
    names = {"username": 0x0006, "realm": REALM, "nonce": NONCE}
    parts = tuple(each for each in request.attributes if each[0] not in (names[left_out], 0x0008))
    answer = guest.turn.exchange(
        sign_stun(StunMessage(request.type, bytes(12), parts), guest.turn.key)
    )
    assert answer is not None
    assert decode_error_code(decode_stun(answer).find(ERROR_CODE) or b"") == 400


def test_a_changed_request_is_refused_at_every_byte_it_could_be_changed_in() -> None:
    hall = Hall(evolve(Limits(), short_stun_burst=1e6, stun_burst=1e6))
    guest = hall.guest()
    with pytest.raises(Refused, match="437"):
        guest.turn.refresh(0)
    request = guest.turn.write(Method.ALLOCATE, TO_UDP, transaction=bytes(12))
    for place in range(len(request)):
        changed = bytearray(request)
        changed[place] ^= 0x01
        guest.say(bytes(changed))
        assert hall.turn.allocations == 0
    guest.say(request)
    assert hall.turn.allocations == 1


def test_who_is_silent_about_everything_hears_nothing() -> None:
    guest = Hall().guest()
    with pytest.raises(Silence):
        guest.turn.ask(Method.DATA)
