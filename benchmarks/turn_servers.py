"""The two TURN servers that `bench_turn` compares, and what /proc tells of their processes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import field, frozen

from tests.support.coturn_tools import coturn_server
from tests.support.wide_relay import wide_relay_process

SECRET: Final = "only-for-benchmarks"

CHECKS: Final = (
    "no-dtls",
    "user-quota=10000",
    "total-quota=10000",
    "max-bps=1000000000",
    "bps-capacity=1000000000000",
)
"""What has coturn count what we count, so that neither saves a check: its permissions are always on,
and quotas and rates are where nobody meets them, as ours in `wide_relay`."""


@frozen
class Spent:
    """What a process used: seconds of CPU, and how often it went to sleep."""

    cpu: float
    sleeps: int

    def since(self, before: Spent) -> Spent:
        """Return what was used after `before`."""
        return Spent(self.cpu - before.cpu, self.sleeps - before.sleeps)


@frozen
class Server:
    """A running server. Its TLS shows `certificate`."""

    name: str
    pid: int
    port: int
    certificate: Path = field(repr=False)

    def spent(self) -> Spent:
        """Return what all its threads used so far, user and system; the scheduler's nanoseconds."""
        cpu = sleeps = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            cpu += int((task / "schedstat").read_text(encoding="ascii").split()[0])
            status = (task / "status").read_text(encoding="ascii")
            sleeps += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        return Spent(cpu / 1e9, sleeps)

    def pin(self, core: int) -> None:
        """Let it run on one core only."""
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})


@contextmanager
def turn_servers() -> Iterator[list[Server]]:
    """Run coturn, if there is one, and our relay; they on the last core, we on the first."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        key = state / "relay.pem"
        with wide_relay_process(state, SECRET) as (port, pid):
            ours = Server("toheal-relay", pid, port, key)
            with _coturn(key) as coturn:
                servers = [*coturn, ours]
                for server in servers:
                    server.pin(cores[-1])
                os.sched_setaffinity(0, cores[:1])
                try:
                    yield servers
                finally:
                    os.sched_setaffinity(0, cores)


@contextmanager
def _coturn(key: Path) -> Iterator[list[Server]]:
    if shutil.which("turnserver") is None:
        yield []
        return
    with coturn_server(SECRET, *CHECKS, f"cert={key}", f"pkey={key}") as coturn:
        yield [Server("coturn", coturn.pid, coturn.port, key)]
