"""The lab itself: it does to packets what its NATs promise."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, suppress

import pytest

from tests.support.netlab import RELAY_ADDRESSES, Internet, Namespace, Nat, a_room, an_internet
from tests.support.sniff import TCP, UDP, sniffing

pytestmark = [pytest.mark.netns]

RELAY = RELAY_ADDRESSES[0]


def _udp(inside: Namespace, host: str) -> socket.socket:
    def make() -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((host, 0))
        one.settimeout(0.3)
        return one

    return inside.inside(make)


def _outer_ports(internet: Internet, kind: Nat) -> list[int]:
    """Return the outer ports that two relays see of one socket."""
    home = internet.home(kind)
    ports = []
    with _udp(home.person, home.address) as ours:
        for address in RELAY_ADDRESSES:
            with _udp(internet.public, address) as relay:
                ours.sendto(b"hello", relay.getsockname())
                _, (host, port) = relay.recvfrom(100)
                assert host == home.outer
                ports.append(port)
                relay.sendto(b"answer", (host, port))
                assert ours.recv(100) == b"answer"
    return ports


def test_an_easy_nat_keeps_one_outer_port_and_a_symmetric_one_does_not() -> None:
    with an_internet() as internet:
        assert len(set(_outer_ports(internet, Nat.EASY))) == 1
        assert len(set(_outer_ports(internet, Nat.SYMMETRIC))) == 2


def test_where_udp_is_blocked_tcp_passes() -> None:
    with an_internet() as internet:
        home = internet.home(Nat.BLOCKED)
        with _udp(internet.public, RELAY) as relay, _udp(home.person, home.address) as ours:
            ours.sendto(b"hello", relay.getsockname())
            with pytest.raises(TimeoutError):
                relay.recv(100)
        _connects(internet, home.person)


def _connects(internet: Internet, person: Namespace) -> None:
    with internet.public.inside(lambda: socket.create_server((RELAY, 0))) as server:
        address = server.getsockname()
        person.inside(lambda: socket.create_connection(address, 5)).close()


def test_nobody_reaches_a_person_unasked_nor_anything_outside_the_lab() -> None:
    with an_internet() as internet:
        home, other = internet.home(Nat.EASY), internet.home(Nat.EASY)
        with _udp(home.person, home.address) as ours, _udp(other.person, other.address) as theirs:
            port = ours.getsockname()[1]
            theirs.sendto(b"x", (home.outer, port))
            with pytest.raises(TimeoutError):
                ours.recv(100)
        with pytest.raises(OSError, match=r"unreachable|Invalid"):
            internet.public.inside(lambda: socket.create_connection(("11.9.9.9", 9), 2))


def test_two_easy_nats_let_packets_cross_once_both_have_sent() -> None:
    with an_internet() as internet:
        homes = [internet.home(Nat.EASY) for _ in range(2)]
        ours, theirs = (_udp(home.person, home.address) for home in homes)
        with ours, theirs:
            outer = [
                (home.outer, end.getsockname()[1])
                for home, end in zip(homes, (ours, theirs), strict=True)
            ]
            ours.sendto(b"opens our side", outer[1])
            theirs.sendto(b"opens theirs", outer[0])
            assert ours.recv(100) == b"opens theirs"


def test_a_pulled_cable_ends_talk_until_it_is_in_again() -> None:
    with an_internet() as internet:
        home = internet.home(Nat.EASY)
        for is_in in (False, True):
            home.plug(is_in=is_in)
            with _udp(internet.public, RELAY) as relay:
                with _udp(home.person, home.address) as ours:
                    ours.sendto(b"hello", relay.getsockname())
                if is_in:
                    assert relay.recv(100) == b"hello"
                else:
                    with pytest.raises(TimeoutError):
                        relay.recv(100)


def test_a_room_has_no_way_out_and_a_cable_each() -> None:
    with a_room(3) as room, ExitStack() as held:
        ends = [
            held.enter_context(_udp(one, room.address(number)))
            for number, one in enumerate(room.people)
        ]
        room.plug(2, is_in=False)
        for target in (1, 2):
            ends[0].sendto(b"hello", ends[target].getsockname())
        assert ends[1].recv(100) == b"hello"
        with pytest.raises(TimeoutError):
            ends[2].recv(100)
        with pytest.raises(OSError, match="unreachable"):
            ends[0].sendto(b"hello", ("11.0.1.1", 9))


def test_a_sniffer_tells_who_talks_to_whom_by_what() -> None:
    with an_internet() as internet:
        home = internet.home(Nat.EASY)
        with sniffing("eth0", home.person) as seen, _udp(home.person, home.address) as ours:
            ours.sendto(b"a word that is looked for", (RELAY, 9))
            _connects(internet, home.person)
        assert seen.contacts() == {(RELAY, UDP), (RELAY, TCP)}
        [packet] = seen.wanted(lambda one: one.protocol == UDP)
        assert packet.is_outgoing
        assert packet.ends == (home.address, packet.source_port, RELAY, 9)
        assert packet.body == b"a word that is looked for"
        assert any(b"looked for" in stream for stream in seen.streams())


def test_nothing_of_a_lab_is_left_when_it_is_over() -> None:
    before = _held_namespaces()
    with suppress(ZeroDivisionError), an_internet() as internet, a_room(2):
        internet.home(Nat.EASY)
        assert len(_held_namespaces() - before) == 6
        raise ZeroDivisionError
    assert _held_namespaces() == before


def _held_namespaces() -> set[str]:
    """Return the network namespaces that open files of this process hold."""
    held = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that reads this folder
            held.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    return {one for one in held if one.startswith("net:")}
