"""TURN over UDP on loopback, beside coturn: CPU of the server's process per packet from end to end.

Both servers run in processes of their own, one worker each, and the same client drives them with
packets of 1 000 bytes by channels, in turns. *Two members*: both ends have an
allocation at it. *A peer elsewhere*: one end has, the other is a plain UDP socket. *Window 64*: so
many packets are under way at once; *one at a time*: each waits for the one before. What counts is
CPU time, which other load on the machine changes less than the clock. Linux only.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import trio
from attrs import evolve, frozen

from benchmarks.figures import Figure, print_figures
from tests.support.turn_client import TurnClient
from toheal_protocol.crypto.turn import turn_password
from toheal_protocol.wire.stun import BINDING_REQUEST, StunMessage
from toheal_protocol.wire.stun_integrity import sign_stun
from toheal_protocol.wire.turn import encode_channel_data
from toheal_relay.limits import Limits
from toheal_relay.machine import settle_memory
from toheal_relay.server.relay import RelayConfig, serve_relay
from toheal_relay.turn.config import TurnConfig

HOST: Final = "127.0.0.1"
SECRET: Final = b"a secret for benchmarks only"
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
CLOCK_TICK: Final = os.sysconf("SC_CLK_TCK")

Peers: TypeAlias = Literal["two members", "to elsewhere", "from elsewhere"]
_WAYS: Final[tuple[Peers, ...]] = get_args(Peers)

WIDE: Final = evolve(
    Limits(),
    relayed_per_second=1e10,
    relayed_burst=1e10,
    relayed_total_per_second=1e10,
    relayed_total_burst=1e10,
    stranger_packets=10**9,
    strangers_per_second=1e9,
    strangers_burst=1e9,
)

COTURN: Final = """
listening-ip=127.0.0.1
relay-ip=127.0.0.1
realm=toheal
use-auth-secret
allow-loopback-peers
no-cli
no-tls
no-dtls
relay-threads=1
log-file=/dev/null
simple-log
"""


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
    return TurnClient(exchange, name, turn_password(SECRET, name))


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
        command = [sys.executable, "-m", "benchmarks.bench_turn", "--state", state]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield _Server("toheal-relay", process.pid, int(process.stdout.readline()))
            finally:
                process.terminate()


@contextmanager
def _coturn() -> Iterator[_Server | None]:
    """Run a coturn, if there is one."""
    turnserver = shutil.which("turnserver")
    if turnserver is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        config = Path(folder, "turnserver.conf")
        config.write_text(
            f"{COTURN}listening-port={port}\nstatic-auth-secret={SECRET.decode()}\n"
            f"userdb={folder}/db\npidfile={folder}/pid\n",
            encoding="ascii",
        )
        command = [turnserver, "-c", str(config)]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                _await_answer(port)
                yield _Server("coturn", process.pid, port)
            finally:
                process.terminate()


def _free_port() -> int:
    with _end() as end:
        port: int = end.getsockname()[1]
        return port


def _await_answer(port: int) -> None:
    """Wait until a server answers."""
    for _ in range(50):
        with _end() as end:
            try:
                _client(_Server("", 0, port), end).allocate()
                return
            except OSError:
                time.sleep(0.1)
    raise TimeoutError("coturn does not answer")


async def _serve(state: Path) -> None:
    turn = TurnConfig(secret=SECRET, allowed=(IPv4Network("127.0.0.0/8"),))
    config = RelayConfig(state, HOST, limits=WIDE, turn=turn)
    async with trio.open_nursery() as nursery:
        running = await nursery.start(serve_relay, config)
        print(running.address.port, flush=True)
        settle_memory()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--state"]:
        trio.run(_serve, Path(sys.argv[2]))
    else:
        print_figures(main())
