"""Real relays for tests: in this process on a free loopback port, or as a process of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio
from attrs import define
from toheal_protocol.wire.relay_address import RelayAddress, parse_relay_address
from toheal_relay.limits import Limits
from toheal_relay.server.relay import RelayConfig, RunningRelay, serve_relay

HOST = "127.0.0.1"


@asynccontextmanager
async def running_relay(
    state: Path, *, limits: Limits | None = None, port: int = 0
) -> AsyncIterator[RunningRelay]:
    """Run a relay in this process; it is stopped in the end as a signal would stop it."""
    config = RelayConfig(state, HOST, port, limits=limits or Limits())
    async with trio.open_nursery() as nursery:
        relay: RunningRelay = await nursery.start(serve_relay, config)
        try:
            yield relay
        finally:
            relay.stop()


@define
class RelayProcess:
    """A relay in a process of its own."""

    address: RelayAddress
    process: subprocess.Popen[str]


@contextmanager
def relay_process(state: Path, *options: str) -> Iterator[RelayProcess]:
    """Start `python -m toheal_relay`, wait until it is ready, and kill it in the end."""
    command = [sys.executable, "-m", "toheal_relay", "--host", HOST, "--allow-loopback"]
    if "--port" not in options:
        command += ["--port", "0"]
    process = subprocess.Popen(
        [*command, "--state", str(state), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("relay "), (line, process.poll())
            yield RelayProcess(parse_relay_address(line.split()[1]), process)
        finally:
            process.kill()
