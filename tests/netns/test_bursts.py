"""Bursts over a link as others have it: 1500 bytes at once, routers, a NAT."""

from __future__ import annotations

import socket

import pytest

from tests.support.netlab import RELAY_ADDRESSES, Nat, an_internet
from toheal_relay.server.bursts import DatagramSender

pytestmark = [pytest.mark.netns]


@pytest.mark.parametrize("size", [200, 1000, 1472, 1473, 2048])
def test_a_burst_arrives_whether_or_not_its_packets_fit_the_link(size: int) -> None:
    """Where they do not, the kernel refuses to send them together, and each goes in fragments."""
    with an_internet() as internet:
        home = internet.home(Nat.EASY)
        ours = home.person.inside(lambda: _udp(home.address))
        relay = internet.public.inside(lambda: _udp(RELAY_ADDRESSES[0]))
        with ours, relay:
            ours.setblocking(False)
            relay.settimeout(5)
            packets = [number.to_bytes(2, "big") + bytes(size - 2) for number in range(70)]
            DatagramSender(ours).send(b"".join(packets), size, relay.getsockname())
            assert [relay.recv(4096) for _ in packets] == packets


def _udp(host: str) -> socket.socket:
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
    end.bind((host, 0))
    return end
