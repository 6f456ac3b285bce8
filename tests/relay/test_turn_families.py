"""TURN over IPv6: relayed ports of that family, and where nobody gets by it."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from attrs import evolve

from tests.support.turn_client import TO_UDP, Refused, send_indication
from tests.support.turn_hall import FRIEND, HOST, LISTENING, OWN, SIX, Guest, Hall
from toheal_protocol.wire.codec import u32
from toheal_protocol.wire.turn import (
    ADDITIONAL_ADDRESS_FAMILY,
    ADDRESS_ERROR_CODE,
    LIFETIME,
    REQUESTED_ADDRESS_FAMILY,
    Method,
    encode_channel_data,
)
from toheal_relay.limits import Limits
from toheal_relay.server.sockets import own_addresses, relayed_hosts
from toheal_relay.turn.rules import PeerRules, is_special

IPV4, IPV6 = (REQUESTED_ADDRESS_FAMILY, b"\x01\0\0\0"), (REQUESTED_ADDRESS_FAMILY, b"\x02\0\0\0")

IN_OTHER_CLOTHES = [
    *(f"::ffff:{host}" for host in ("10.0.0.1", "127.0.0.1", "169.254.169.254", FRIEND, HOST, OWN)),
    "::127.0.0.1",
    "::ffff:0:10.0.0.1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:505:505::1",  # 6to4 of somebody's on the internet
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",  # Teredo
    "64:ff9b::a00:1",  # NAT64 of 10.0.0.1
    "64:ff9b::505:505",
    "64:ff9b:1::a9fe:a9fe",
]
NOT_THE_INTERNETS_OF_IPV6 = [
    *IN_OTHER_CLOTHES,
    "::",
    "::1",
    "100::1",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # metadata of a cloud
    "fe80::1",
    "fe80::a9fe:a9fe",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


def six_at(hall: Hall, port: int = 1000) -> Guest:
    """Return a guest with a relayed port of IPv6."""
    guest = hall.guest(port=port)
    guest.relayed = guest.turn.allocate(IPV6)
    assert guest.relayed[0] == SIX
    return guest


@pytest.mark.parametrize("host", NOT_THE_INTERNETS_OF_IPV6)
def test_ipv6_leads_into_no_private_network_either_in_whatever_clothes(host: str) -> None:
    assert is_special(host)
    allowed = (IPv4Network("0.0.0.0/0"),)  # says nothing of IPv6, whatever is inside
    guest = six_at(Hall(allowed=allowed, hosts=(HOST, SIX)))
    with pytest.raises(Refused, match="403"):
        guest.turn.bind(0x4001, host, 80)
    with pytest.raises(Refused, match="403"):
        guest.turn.permit(host)
    guest.turn.permit("2606:4700::1")
    guest.say(send_indication(host, 80, b"packet"))
    guest.say(encode_channel_data(0x4001, b"packet"))
    assert not guest.sent


@pytest.mark.parametrize("host", [SIX, "2a01:4f8:1:2::1", "2a01:4f8:1:ffff:1:2:3:4"])
def test_the_relays_neighbours_are_not_its_clients_to_reach(host: str) -> None:
    """Nothing hides them from a machine that is in their network, as NAT does with IPv4."""
    hall = Hall(hosts=(HOST, SIX))
    guest = six_at(hall)
    assert not is_special(host)
    for port in (LISTENING, 22, guest.relayed[1] + 1):
        with pytest.raises(Refused, match="403"):
            guest.turn.bind(0x4001, host, port)
        guest.say(send_indication(host, port, b"packet"))
    assert not guest.sent
    with pytest.raises(Refused, match="403"):
        guest.turn.permit("2a01:4f8:1::1")
    guest.turn.permit("2a01:4f8:2::1")  # another site


def test_an_operator_can_name_a_network_of_ipv6_that_may_be_reached() -> None:
    guest = six_at(Hall(allowed=(IPv6Network("fd00::/8"),), hosts=(HOST, SIX)))
    guest.turn.bind(0x4001, "fd00::5", 80)
    guest.say(encode_channel_data(0x4001, b"packet"))
    assert list(guest.sent) == [(("fd00::5", 80), b"packet")]
    with pytest.raises(Refused, match="403"):
        guest.turn.permit("fe80::5")


def test_a_stranger_of_ipv6_gets_a_handful_of_packets_as_any_other() -> None:
    guest = six_at(Hall(hosts=(HOST, SIX)))
    guest.turn.bind(0x4001, "2606:4700::1", 80)
    for _ in range(1_000):
        guest.say(encode_channel_data(0x4001, b"packet"))
    assert len(guest.sent) == Limits().stranger_packets


def test_ports_of_two_families_with_one_number_are_two() -> None:
    """What is meant for one of them never gets to the other's client."""
    hall = Hall(hosts=(HOST, SIX))
    ours, theirs, third = six_at(hall, 1), six_at(hall, 2), hall.guest(port=3)
    third.allocate()
    with pytest.raises(Refused, match="443"):
        third.turn.bind(0x4001, *ours.relayed)
    with pytest.raises(Refused, match="443"):
        ours.turn.bind(0x4001, *third.relayed)
    with pytest.raises(Refused, match="403"):
        ours.turn.bind(0x4001, SIX, third.relayed[1])
    ours.turn.bind(0x4001, *theirs.relayed)
    theirs.turn.bind(0x4002, *ours.relayed)
    ours.say(encode_channel_data(0x4001, b"hello"))
    assert theirs.heard() == [(0x4002, b"hello")]
    assert not third.heard()
    assert not ours.sent


def test_a_relay_with_ipv6_alone_lends_it_to_whoever_asks_for_it() -> None:
    guest = Hall(hosts=(SIX,)).guest()
    for asked in ((), (IPV4,), (ADDITIONAL_ADDRESS_FAMILY, b"\x02\0\0\0")):
        attributes = (asked,) if asked and isinstance(asked[0], int) else asked
        with pytest.raises(Refused, match="440"):
            guest.turn.ask(Method.ALLOCATE, TO_UDP, *attributes)
    assert guest.turn.allocate(IPV6)[0] == SIX


@pytest.mark.parametrize("value", [b"", b"\x02", b"\x02\0\0", b"\x02\0\0\0\0"])
def test_half_a_family_is_none(value: bytes) -> None:
    with pytest.raises(Refused, match="400"):
        Hall(hosts=(HOST, SIX)).guest().turn.allocate((REQUESTED_ADDRESS_FAMILY, value))


def test_a_family_nobody_knows_is_not_supported() -> None:
    with pytest.raises(Refused, match="440"):
        Hall(hosts=(HOST, SIX)).guest().turn.allocate((REQUESTED_ADDRESS_FAMILY, b"\x03\0\0\0"))


def test_both_at_once_cannot_be_had_and_one_can() -> None:
    guest = Hall(hosts=(HOST, SIX)).guest()
    assert guest.turn.allocate((ADDITIONAL_ADDRESS_FAMILY, b"\x02\0\0\0"))[0] == HOST
    assert guest.turn.answer is not None
    assert guest.turn.answer.find(ADDRESS_ERROR_CODE) is not None


def test_an_allocation_is_refreshed_by_its_own_family_only() -> None:
    guest = six_at(Hall(hosts=(HOST, SIX)))
    with pytest.raises(Refused, match="443"):
        guest.turn.ask(Method.REFRESH, IPV4, (LIFETIME, u32(0)))
    guest.turn.ask(Method.REFRESH, IPV6, (LIFETIME, u32(600)))


def test_the_same_allocate_again_gets_the_same_answer_of_either_family() -> None:
    guest = Hall(hosts=(HOST, SIX)).guest()
    again = bytes(range(12))
    assert guest.turn.allocate(IPV6, transaction=again) == guest.turn.allocate(
        IPV6, transaction=again
    )


@pytest.mark.parametrize(
    ("bound", "public", "told", "hosts"),
    [
        ("198.51.100.7", None, None, {"198.51.100.7": "198.51.100.7"}),
        ("198.51.100.7", None, "5.5.5.5", {"5.5.5.5": "198.51.100.7"}),
        ("198.51.100.7", "2a01::7", None, {"198.51.100.7": "198.51.100.7"}),
        ("2a01::7", None, None, {"2a01::7": "2a01::7"}),
        ("2a01::7", "relay.example", "5.5.5.5", {"5.5.5.5": "0.0.0.0", "2a01::7": "2a01::7"}),
        ("0.0.0.0", "5.5.5.5", "2a01::7", {"5.5.5.5": "0.0.0.0", "2a01::7": "::"}),
        ("::", "2a01::7", "5.5.5.5", {"5.5.5.5": "0.0.0.0", "2a01::7": "::"}),
    ],
)
def test_relayed_ports_are_where_the_relay_listens_or_where_its_operator_says(
    bound: str, public: str | None, told: str | None, hosts: dict[str, str]
) -> None:
    assert relayed_hosts(bound, public, told) == hosts


def test_the_address_of_the_router_in_front_of_a_relay_is_the_relays_own() -> None:
    rules = PeerRules(own_addresses({"5.5.5.5"}), frozenset({443}))
    assert rules.refuses("5.5.5.5", 22)  # a port that leads back here, or to the router itself
    assert rules.refuses("5.5.5.5", None)
    assert not rules.refuses("5.5.5.6", 22)
    assert own_addresses(())("127.0.0.1")


def test_all_addresses_of_one_household_share_what_one_may_have() -> None:
    hall = Hall(evolve(Limits(), allocations_per_source=2))
    guests = [hall.guest(f"2a01:4:5:6::{n:x}", 1000) for n in range(1, 4)]
    for guest in guests[:2]:
        guest.allocate()
    with pytest.raises(Refused, match="486"):
        guests[2].allocate()
    hall.guest("2a01:4:5:7::1", 1000).allocate()
