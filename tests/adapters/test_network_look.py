"""Looking at the network only after the system told of a change."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
import trio
from attrs import define

from toheal_p2p.adapters import network
from toheal_p2p.adapters.network import LOOK_ANYWAY, NetworkLook

pytestmark = pytest.mark.real


@define
class Looks:
    """A network that a test sets, and how often it was looked at."""

    network: str = "home"
    count: int = 0

    def __call__(self) -> str:
        self.count += 1
        return self.network


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The end at which the system tells."""
    system, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    monkeypatch.setattr(network, "_listen", lambda: ours)
    with system, ours:
        yield system


def test_nothing_is_looked_at_while_nothing_is_told(system: socket.socket) -> None:
    looks = Looks()
    with closing(NetworkLook(looks)) as look:
        assert look() == "home"
        before = looks.count
        for _ in range(LOOK_ANYWAY - 1):
            assert look() == "home"
        assert looks.count == before


def test_what_is_told_is_seen_at_once_and_looked_at_once_more(system: socket.socket) -> None:
    looks = Looks()
    with closing(NetworkLook(looks)) as look:
        look()
        looks.network = "café"
        system.send(b"a message of some length")
        assert look() == "café"
        looks.network = "café, with its route gone"
        assert look() == "café, with its route gone"
        before = looks.count
        look()
        assert looks.count == before


def test_what_a_system_forgets_to_tell_is_seen_in_the_end(system: socket.socket) -> None:
    looks = Looks()
    with closing(NetworkLook(looks)) as look:
        look()
        looks.network = "train"
        assert "train" in [look() for _ in range(LOOK_ANYWAY)]


def test_no_flood_of_news_holds_the_loop(
    system: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "MOST_NEWS", 3)
    ours = network._listen()
    assert ours is not None
    with closing(NetworkLook(Looks())) as look:
        for _ in range(5):
            system.send(b"news")
        look()
        assert [ours.recv(9), ours.recv(9)] == [b"news", b"news"]  # left for the next look


@pytest.mark.trio
async def test_whoever_waits_is_woken_by_what_is_told(system: socket.socket) -> None:
    with closing(NetworkLook(Looks())) as look:
        assert look.told is not None
        with trio.move_on_after(0.05) as silence:
            await look.told()
        assert silence.cancelled_caught
        system.send(b"news")
        with trio.fail_after(5):
            await look.told()
        look()
        with trio.move_on_after(0.05) as silence:
            await look.told()
        assert silence.cancelled_caught
    assert look.told is None


def test_where_nothing_is_told_each_call_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_listen", lambda: None)
    looks = Looks()
    with closing(NetworkLook(looks)) as look:
        look()
        looks.network = "café"
        assert look() == "café"
        looks.network = "train"
        assert look() == "train"


def test_closed_it_looks_each_time(system: socket.socket) -> None:
    looks = Looks()
    look = NetworkLook(looks)
    look()
    look.close()
    look.close()
    looks.network = "café"
    assert look() == "café"


@pytest.mark.netns
def test_linux_tells_of_addresses_and_interfaces() -> None:
    code = """
import subprocess, time
from toheal_p2p.adapters import network
from toheal_p2p.adapters.network import NetworkLook, look_at_network
network.LOOK_ANYWAY = 15
looks = []
def look_and_count():
    looks.append(1)
    return look_at_network()
look = NetworkLook(look_and_count)
def ip(*words):
    subprocess.run(["ip", *words], check=True)
seen = [look(), look(), look()]
quiet = len(looks)
look(); look()
assert len(looks) == quiet, "looked although nothing was told"
for words in (
    ("link", "add", "one", "type", "veth", "peer", "name", "two"),
    ("addr", "add", "10.9.8.7/24", "dev", "one"),
    ("link", "set", "two", "up"),
    ("link", "set", "one", "up"),
    ("route", "add", "default", "via", "10.9.8.1"),
    ("addr", "add", "fd00::7/64", "dev", "one", "nodad"),
    ("link", "set", "one", "down"),
):
    ip(*words)
    for _ in range(10):  # an IPv6 address is told of a moment later
        if (same := look() == look_at_network()):
            break
        time.sleep(0.05)
    assert same, words
    look()
look.close()
"""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
