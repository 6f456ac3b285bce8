"""Links and streams through a proxy that is late and loses."""

from __future__ import annotations

import socket
import threading

import pytest
import trio

from tests.support.guest import guest_run
from tests.support.links import key_pair
from tests.support.lossy import Climate, Luck, bad_weather
from tests.support.rewritten import through
from toheal_p2p.adapters.webrtc import WebRtcChannels
from toheal_p2p.services.link import Link
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.model import Frame

in_guest = pytest.mark.trio(run=guest_run)


def fates(climate, flow, count=1000):
    luck = Luck(climate, flow)
    return [luck.next() for _ in range(count)]


def test_the_same_seed_loses_the_same_packets_and_another_flow_loses_others():
    climate = Climate(delay=0.04, loss=0.02, jitter=0.01, seed=7)
    assert fates(climate, 0) == fates(climate, 0) != fates(climate, 1)
    assert fates(climate, 0).count(None) == pytest.approx(20, abs=15)
    assert all(0.04 <= fate <= 0.05 for fate in fates(climate, 0) if fate is not None)


@pytest.mark.real
@in_guest
async def test_a_link_opens_and_carries_everything_in_order_although_one_in_five_is_lost():
    frames = [Frame(b"%d" % number) for number in range(50)]
    with bad_weather(Climate(delay=0.005, loss=0.2, jitter=0.002)) as weather:
        channels = WebRtcChannels(include_loopback=True)
        ours = await channels.prepare(controlling=True, way=LinkWay.LAN, servers=())
        theirs = await channels.prepare(controlling=False, way=LinkWay.LAN, servers=())
        as_ours, as_theirs = through(weather, ours.blob, theirs.blob)
        opened = {}

        async def connect(prepared, blob, keys, nursery):
            opened[prepared] = Link(await prepared.connect(blob), keys)
            await nursery.start(opened[prepared].run)

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                keys = key_pair()
                async with trio.open_nursery() as opening:
                    opening.start_soon(connect, ours, as_theirs, keys[0], nursery)
                    opening.start_soon(connect, theirs, as_ours, keys[1], nursery)
                for frame in frames:
                    opened[ours].send_nowait(frame)
                received = []
                while len(received) < len(frames):
                    received += await opened[theirs].incoming.receive()
                nursery.cancel_scope.cancel()
        assert received == frames
        assert sum(luck.lost for luck in weather.lucks) > 0
        assert min(luck.sent for luck in weather.lucks) > 7, "it went another way"


@pytest.mark.real
def test_a_server_behind_it_is_reached_by_udp_and_tcp_on_one_port():
    server_udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server_udp.bind(("127.0.0.1", 0))
    server_tcp = socket.create_server(server_udp.getsockname())
    with server_udp, server_tcp, bad_weather(Climate(delay=0.01, loss=0.1)) as weather:
        front = weather.before(server_udp.getsockname())
        thread = threading.Thread(target=_echo_until_end, args=(server_tcp,))
        thread.start()
        said = bytes(range(256)) * 100
        with socket.create_connection(front, 10) as ours:
            ours.sendall(said)
            ours.shutdown(socket.SHUT_WR)
            assert b"".join(iter(lambda: ours.recv(65536), b"")) == said
        thread.join(10)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            for number in range(50):
                ours.sendto(b"%d" % number, front)
            server_udp.settimeout(5)
            datagram, client = server_udp.recvfrom(100)
            assert client != ours.getsockname()
            for _ in range(50):
                server_udp.sendto(datagram, client)
            ours.settimeout(5)
            assert ours.recv(100) == datagram


def _echo_until_end(server):
    stream, _ = server.accept()
    with stream:
        while piece := stream.recv(65536):
            stream.sendall(piece)
