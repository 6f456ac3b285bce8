"""TURN over UDP on loopback, beside coturn: CPU of the server's process per packet from end to end.

Both servers run in processes of their own, one worker each, and the same client drives them with
packets of 1 000 bytes by channels, in turns. *Two members*: both ends have an
allocation at it. *A peer elsewhere*: one end has, the other is a plain UDP socket. *Window 64*: so
many packets are under way at once; *one at a time*: each waits for the one before. What counts is
CPU time, which other load on the machine changes less than the clock. Linux only.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from attrs import frozen

from benchmarks.figures import Figure, print_figures
from tests.support.coturn_tools import coturn_server
from tests.support.turn_client import TurnClient
from tests.support.wide_relay import wide_relay_process
from toheal_protocol.crypto.turn import turn_password
from toheal_protocol.wire.stun import BINDING_REQUEST, StunMessage
from toheal_protocol.wire.stun_integrity import sign_stun
from toheal_protocol.wire.turn import encode_channel_data

HOST: Final = "127.0.0.1"
SECRET: Final = "only-for-benchmarks"
CHANNEL: Final = 0x4001
PACKET: Final = bytes(1_000)
PACKETS: Final = {64: 32_000, 1: 8_000}
"""Packets of one round by window."""
ICE_CHECK: Final = sign_stun(StunMessage(BINDING_REQUEST, bytes(12)), b"a password")
ROUNDS: Final = 3
SLOWEST: Final = 1.0
"""Seconds a server has to answer a request."""
PATIENCE: Final = 0.02
"""Seconds after which a packet is lost: some servers drop a part of every burst."""

Peers: TypeAlias = Literal["two members", "to elsewhere", "from elsewhere"]
_WAYS: Final[tuple[Peers, ...]] = get_args(Peers)


@frozen
class _Server:
    name: str
    pid: int
    port: int

    def cpu(self) -> float:
        """Seconds of CPU so far, of all its threads; from the scheduler, in nanoseconds."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


def main() -> list[Figure]:
    figures = []
    with _ours() as ours, _coturn() as coturn:
        servers = [ours] if coturn is None else [coturn, ours]
        for peers in _WAYS:
            for window in PACKETS:
                figures += _compare(servers, peers, window)
    return figures


def _compare(servers: list[_Server], peers: Peers, window: int) -> list[Figure]:
    """Measure the servers in turns and keep the best round of each."""
    best = {server.name: float("inf") for server in servers}
    lost = dict.fromkeys(best, 0)
    for _ in range(ROUNDS):
        for server in servers:
            cost, missing = _measure(server, peers, window)
            best[server.name] = min(best[server.name], cost)
            lost[server.name] += missing
    size = "one at a time" if window == 1 else f"window {window}"
    return [
        Figure(
            f"{server.name}, {peers}, {size}",
            best[server.name] * 1e6,
            "µs",
            note=f"CPU per packet; {lost[server.name]} lost",
            compared_to="" if server is servers[0] else f"{servers[0].name}, {peers}, {size}",
        )
        for server in servers
    ]


def _measure(server: _Server, peers: Peers, window: int) -> tuple[float, int]:
    """Return seconds of CPU per packet that arrived in one round, and how many were lost."""
    with _end() as near, _end() as far:
        client = _client(server, near)
        relayed = client.allocate()
        if peers == "two members":
            other = _client(server, far)
            address = other.allocate()
            other.bind(CHANNEL, *relayed)
        else:
            address = far.getsockname()
        client.bind(CHANNEL, *address)
        sender, receiver, message = near, far, encode_channel_data(CHANNEL, PACKET)
        if peers != "two members":
            far.connect(relayed)
            far.send(ICE_CHECK)  # as every peer does before packets are sent to it
            near.recv(2048)
        if peers == "from elsewhere":
            sender, receiver, message = far, near, PACKET
        receiver.settimeout(PATIENCE)
        _send(sender, receiver, message, count=window * 20, window=window)  # warm
        before, count = server.cpu(), PACKETS[window]
        arrived = _send(sender, receiver, message, count=count, window=window)
        cost = (server.cpu() - before) / max(arrived, 1)
        near.settimeout(SLOWEST)
        client.refresh(0)
        return cost, count - arrived


def _send(
    near: socket.socket, far: socket.socket, message: bytes, *, count: int, window: int
) -> int:
    """Send packets a window at a time; return how many arrived."""
    arrived = 0
    for _ in range(count // window):
        for _ in range(window):
            near.send(message)
        try:
            for _ in range(window):
                far.recv(2048)
                arrived += 1
        except TimeoutError:
            pass
    return arrived


def _client(server: _Server, end: socket.socket) -> TurnClient:
    end.connect((HOST, server.port))

    def exchange(request: bytes) -> bytes:
        end.send(request)
        return end.recv(2048)

    name = f"{int(time.time()) + 3600}:bench"
    return TurnClient(exchange, name, turn_password(SECRET.encode(), name))


@contextmanager
def _end() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind((HOST, 0))
        end.settimeout(SLOWEST)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
        yield end


@contextmanager
def _ours() -> Iterator[_Server]:
    with tempfile.TemporaryDirectory() as state:
        with wide_relay_process(Path(state), SECRET) as (port, pid):
            yield _Server("toheal-relay", pid, port)


@contextmanager
def _coturn() -> Iterator[_Server | None]:
    """Run a coturn, if there is one."""
    if shutil.which("turnserver") is None:
        yield None
        return
    with coturn_server(SECRET) as coturn:
        yield _Server("coturn", coturn.pid, coturn.port)


if __name__ == "__main__":
    print_figures(main())
