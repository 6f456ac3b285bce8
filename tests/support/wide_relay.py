"""A relay process whose TURN has no quotas that anybody would meet: for clients that measure or flood.

python -m tests.support.wide_relay STATE SECRET        prints the port
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import trio
from attrs import evolve

from toheal_relay.limits import Limits
from toheal_relay.machine import overwrite_freed_memory, raise_descriptors, settle_memory
from toheal_relay.server.relay import RelayConfig, serve_relay
from toheal_relay.turn.config import TurnConfig

HOST = "127.0.0.1"

WIDE = evolve(
    Limits(),
    arrivals_burst=1e6,
    allocations_per_source=10_000,
    allocations_per_name=10_000,
    relayed_per_second=1e10,
    relayed_burst=1e10,
    relayed_total_per_second=1e10,
    relayed_total_burst=1e10,
    short_stun_burst=1e9,
    stun_burst=1e9,
    strangers_per_second=1e9,
    strangers_burst=1e9,
)


@contextmanager
def wide_relay(state: Path, secret: str) -> Iterator[int]:
    """Run it for as long as the block lasts and give its port."""
    with wide_relay_process(state, secret) as (port, _):
        yield port


@contextmanager
def wide_relay_process(state: Path, secret: str) -> Iterator[tuple[int, int]]:
    """Run it for as long as the block lasts and give its port and its process id."""
    command = [sys.executable, "-m", "tests.support.wide_relay", str(state), secret]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), process.pid
        finally:
            process.kill()


async def serve(state: Path, secret: bytes) -> None:
    """Serve until killed; other programs of this machine may be peers."""
    turn = TurnConfig(secret=secret, allowed=(IPv4Network("127.0.0.0/8"),))
    async with trio.open_nursery() as nursery:
        relay = await nursery.start(serve_relay, RelayConfig(state, HOST, limits=WIDE, turn=turn))
        print(relay.address.port, flush=True)
        settle_memory()


if __name__ == "__main__":
    raise_descriptors()
    overwrite_freed_memory()
    trio.run(serve, Path(sys.argv[1]), sys.argv[2].encode())
