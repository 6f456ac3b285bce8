"""The relay on loopback: deposits, push latency, idle connections, start.

The relay runs in a process of its own, with all checks on and limits wide enough that none is
met; the clients share one other process. Deposits are counted per second of the relay's own CPU as
well, which other load on the machine changes less.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio
from attrs import evolve, frozen

from benchmarks.figures import Figure, print_figures
from toheal_p2p.adapters.relay_tls import TlsRelayChannel, dial
from toheal_p2p.services.relay_session import (
    Deposited,
    MailArrived,
    RelaySession,
    WatchedMailbox,
)
from toheal_protocol.crypto import SigningSeed, token_of
from toheal_protocol.model import DepositToken
from toheal_protocol.wire.mailbox import ItemId, MailboxKind
from toheal_protocol.wire.mailbox_answers import Hello, decode_answer
from toheal_protocol.wire.relay_address import RelayAddress, parse_relay_address
from toheal_relay.limits import Limits
from toheal_relay.machine import raise_descriptors, settle_memory
from toheal_relay.server.relay import RelayConfig, serve_relay

FRAME: Final = os.urandom(1_100)
"""An ordinary text's envelope with its seal."""

PAIRS: Final = 16
DEPOSITS: Final = 1_000
"""Deposits of each pair in the throughput run."""
PIPELINE: Final = 50
"""Deposits sent ahead of their answers."""

PACED_PAIRS: Final = 100
PACED: Final = 20
PACE: Final = 0.2
"""Seconds between two deposits of one pair in the latency run: 500 per second in all."""

IDLE: Final = 1_000
CLOCK_TICK: Final = os.sysconf("SC_CLK_TCK")

WIDE: Final = evolve(
    Limits(),
    connections=20_000,
    connections_per_source=20_000,
    arrivals_per_second=1e6,
    arrivals_burst=1e6,
    commands_per_second=1e6,
    commands_burst=1e6,
    bytes_per_second=1e10,
    bytes_burst=1e10,
)


@frozen
class _Relay:
    address: RelayAddress
    pid: int
    seconds_to_ready: float

    def cpu(self) -> float:
        fields = (
            Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        )
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICK

    def memory(self) -> int:
        pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def main() -> list[Figure]:
    raise_descriptors()
    figures = []
    with _relay("-m", "toheal_relay", "run", "--host", "127.0.0.1", "--port", "0") as relay:
        figures.append(Figure("start to ready", relay.seconds_to_ready * 1e3, "ms"))
    with _relay("-m", "benchmarks.bench_relay") as relay:
        figures += trio.run(_idle, relay)  # first: memory freed by the others would hide its own
        figures += trio.run(_throughput, relay)
        figures += trio.run(_latency, relay)
    return figures


@contextmanager
def _relay(*command: str) -> Iterator[_Relay]:
    with tempfile.TemporaryDirectory() as state:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *command, "--state", state],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                address = parse_relay_address(process.stdout.readline().split()[1])
                yield _Relay(address, process.pid, time.perf_counter() - began)
            finally:
                process.terminate()


class _Client:
    """One connection with one mailbox, driven by hand."""

    def __init__(self, channel: TlsRelayChannel, session: RelaySession, seed: SigningSeed) -> None:
        self.channel = channel
        self.session = session
        self.seed = seed
        self.token = DepositToken(seed[:16])
        self.mailbox = WatchedMailbox(seed, token_of(self.token), MailboxKind.MAIL)

    @classmethod
    async def connect(cls, address: RelayAddress) -> _Client:
        channel = await dial(address)
        hello = decode_answer((await channel.receive())[0])
        assert isinstance(hello, Hello)
        session = RelaySession(hello, address.fingerprint)
        return cls(channel, session, SigningSeed(os.urandom(32)))

    async def open(self) -> None:
        await self.channel.send(self.session.open([self.mailbox]))
        await self.answers()

    async def answers(self) -> list[object]:
        return [
            event
            for message in await self.channel.receive()
            for event in self.session.receive(message)
        ]

    async def take_all(self, count: int) -> None:
        """Take this many frames over, giving credit and deleting in batches."""
        items: list[ItemId] = []
        while count:
            arrived = [mail for mail in await self.answers() if isinstance(mail, MailArrived)]
            count -= len(arrived)
            items += [mail.item for mail in arrived]
            if len(items) >= PIPELINE or not count:
                deletes = self.session.delete(self.seed, items)
                await self.channel.send(
                    [*deletes, self.session.credit(self.session.unacknowledged)]
                )
                items = []


async def _throughput(relay: _Relay) -> list[Figure]:
    readers = [await _Client.connect(relay.address) for _ in range(PAIRS)]
    writers = [await _Client.connect(relay.address) for _ in range(PAIRS)]
    for reader in readers:
        await reader.open()
    cpu, began = relay.cpu(), time.perf_counter()
    async with trio.open_nursery() as nursery:
        for reader, writer in zip(readers, writers, strict=True):
            nursery.start_soon(_deposit_all, writer, reader.mailbox, reader.token)
            nursery.start_soon(reader.take_all, DEPOSITS)
    seconds, cpu = time.perf_counter() - began, relay.cpu() - cpu
    for client in (*readers, *writers):
        await client.channel.aclose()
    note = f"{PAIRS} pairs, {len(FRAME)} B, stored, pushed and deleted; signatures and limits on"
    return [
        Figure("deposits", PAIRS * DEPOSITS / seconds, "per second", note),
        Figure("deposits per relay CPU", PAIRS * DEPOSITS / cpu, "per second", note),
    ]


async def _deposit_all(writer: _Client, mailbox: WatchedMailbox, token: DepositToken) -> None:
    address, sent, stored = mailbox.address, 0, 0
    while stored < DEPOSITS:
        batch = range(sent, min(DEPOSITS, stored + PIPELINE))
        if batch:
            frames = [each.to_bytes(4, "big") + FRAME for each in batch]
            await writer.channel.send(
                [writer.session.deposit(0, address, token, frame) for frame in frames]
            )
            sent = batch.stop
        stored += sum(isinstance(answer, Deposited) for answer in await writer.answers())


async def _latency(relay: _Relay) -> list[Figure]:
    readers = [await _Client.connect(relay.address) for _ in range(PACED_PAIRS)]
    writers = [await _Client.connect(relay.address) for _ in range(PACED_PAIRS)]
    for reader in readers:
        await reader.open()
    waits: list[float] = []
    async with trio.open_nursery() as nursery:
        for index, (reader, writer) in enumerate(zip(readers, writers, strict=True)):
            nursery.start_soon(_listen, reader, waits)
            nursery.start_soon(_deposit_paced, writer, reader, index)
    for client in (*readers, *writers):
        await client.channel.aclose()
    waits.sort()
    note = f"deposit to push, {PACED_PAIRS} pairs, {PACED_PAIRS / PACE:.0f} deposits/s in all"
    return [
        Figure("push latency p50", waits[len(waits) // 2] * 1e3, "ms", note),
        Figure("push latency p99", waits[len(waits) * 99 // 100] * 1e3, "ms", note),
    ]


async def _deposit_paced(writer: _Client, reader: _Client, index: int) -> None:
    await trio.sleep(PACE * index / PACED_PAIRS)
    for _ in range(PACED):
        frame = time.perf_counter_ns().to_bytes(8, "big") + FRAME
        await writer.channel.send(
            [writer.session.deposit(0, reader.mailbox.address, reader.token, frame)]
        )
        await writer.answers()
        await trio.sleep(PACE)


async def _listen(reader: _Client, waits: list[float]) -> None:
    for _ in range(PACED):
        arrived = next(mail for mail in await reader.answers() if isinstance(mail, MailArrived))
        waits.append((time.perf_counter_ns() - int.from_bytes(arrived.frame[:8], "big")) / 1e9)
        await reader.channel.send(reader.session.delete(reader.seed, [arrived.item]))
        await reader.answers()


async def _idle(relay: _Relay) -> list[Figure]:
    before, began = relay.memory(), time.perf_counter()
    clients: list[_Client] = []
    cpu = relay.cpu()
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(_connect_many, relay, clients)
    seconds = time.perf_counter() - began
    cpu = relay.cpu() - cpu
    await trio.sleep(0.5)
    each = (relay.memory() - before) / IDLE / 1024
    for client in clients:
        await client.channel.aclose()
    note = f"{IDLE} connections, each with one watched mailbox"
    return [
        Figure("idle connection", each, "kB", note),
        Figure("connections opened", IDLE / seconds, "per second", note),
        Figure("connections per relay CPU", IDLE / cpu, "per second", note),
    ]


async def _connect_many(relay: _Relay, clients: list[_Client]) -> None:
    for _ in range(IDLE // 10):
        client = await _Client.connect(relay.address)
        await client.open()
        clients.append(client)


async def _serve(state: Path) -> None:
    async with trio.open_nursery() as nursery:
        running = await nursery.start(serve_relay, RelayConfig(state, "127.0.0.1", limits=WIDE))
        print(f"relay {running.address}", flush=True)
        settle_memory()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--state"]:
        raise_descriptors()
        trio.run(_serve, Path(sys.argv[2]))
    else:
        print_figures(main())
