"""Real relays for tests: in this process on a free loopback port, or as a process of their own.

`Caller` is a client that does one thing at a time, and what a well-behaved one would not do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio
from attrs import define, field

from toheal_p2p.adapters.relay_tls import OpenStream, TlsRelayChannel, dial_through
from toheal_p2p.services.relay_session import (
    Answered,
    Deposited,
    MailArrived,
    RelaySession,
    WatchedMailbox,
)
from toheal_protocol.crypto import SigningSeed, token_of
from toheal_protocol.model import DepositToken
from toheal_protocol.wire.mailbox import MailboxKind
from toheal_protocol.wire.mailbox_answers import WINDOW, Hello, decode_answer
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


def relay_command(state: Path, *options: str) -> list[str]:
    """Return the command line of a relay on loopback, on a free port if `options` name none."""
    command = [sys.executable, "-m", "toheal_relay", "run", "--host", HOST, "--allow-loopback"]
    if "--port" not in options:
        command += ["--port", "0"]
    return [*command, "--state", str(state), *options]


@contextmanager
def relay_process(state: Path, *options: str) -> Iterator[RelayProcess]:
    """Start a relay in a process of its own, wait until it is ready, and kill it in the end."""
    process = subprocess.Popen(
        relay_command(state, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("relay "), (line, process.poll())
            yield RelayProcess(parse_relay_address(line.split()[1]), process)
        finally:
            process.kill()


@define(eq=False)
class Caller:
    """One connection to a real relay, with one mailbox, driven by hand."""

    channel: TlsRelayChannel
    session: RelaySession
    hello: Hello
    seed: SigningSeed
    events: deque[Answered] = field(factory=deque)
    credit: int = 0
    stored: int = 0

    @property
    def token(self) -> DepositToken:
        return DepositToken(self.seed[:16])

    @property
    def mailbox(self) -> WatchedMailbox:
        return WatchedMailbox(self.seed, token_of(self.token), MailboxKind.MAIL)

    async def say(self, *messages: bytes) -> None:
        await self.channel.send(messages)

    async def open(self) -> None:
        """Open and watch the mailbox, and wait until the relay has done so."""
        await self.say(*self.session.open([self.mailbox]))
        await self.settle()

    async def settle(self) -> None:
        """Wait until everything asked so far is answered."""
        while self.session.is_waiting:
            await self.receive()

    async def receive(self) -> None:
        for message in await self.channel.receive():
            self.events += self.session.receive(message)

    async def deposit(self, reader: Caller, *frames: bytes) -> None:
        """Deposit frames in a reader's mailbox, all ahead of their answers."""
        address, token = reader.mailbox.address, reader.token
        await self.say(*(self.session.deposit(0, address, token, frame) for frame in frames))

    async def next_mail(self) -> MailArrived:
        """Take the next frame over; the relay hears of it now and then."""
        while True:
            while self.events:
                event = self.events.popleft()
                if isinstance(event, MailArrived):
                    self.credit += len(event.frame)
                    if self.credit >= WINDOW // 8:
                        await self.say(self.session.credit(self.credit))
                        self.credit = 0
                    return event
                self.stored += isinstance(event, Deposited)
            await self.receive()

    def count_stored(self) -> int:
        """Return how many deposits were stored, of those whose answers are here."""
        while self.events:
            self.stored += isinstance(self.events.popleft(), Deposited)
        return self.stored


@asynccontextmanager
async def calling(
    address: RelayAddress, *, open_stream: OpenStream = trio.open_tcp_stream
) -> AsyncIterator[Caller]:
    """Connect to a relay for as long as the block lasts."""
    channel = await dial_through(open_stream, address)
    try:
        first, *more = await channel.receive()
        hello = decode_answer(first)
        assert isinstance(hello, Hello)
        assert not more
        session = RelaySession(hello, address.fingerprint)
        yield Caller(channel, session, hello, SigningSeed(os.urandom(32)))
    finally:
        await channel.aclose()
