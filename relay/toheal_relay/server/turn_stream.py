"""TURN over TCP or TLS: a client behind a network that lets no UDP through.

What is relayed to such a client is UDP in spirit: what it does not take in time is lost, so that a
slow reader costs neither memory nor anybody's patience.

Source: RFC 8656, sections 3.1 and 12.5.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import repeat
from typing import Final, TypeAlias

import trio
from attrs import Factory, define, field

from toheal_protocol.errors import RemoteError
from toheal_protocol.model import Instant
from toheal_protocol.wire.turn import CHANNEL_HEADER, split_stream
from toheal_relay.server.bursts import Burst, cut, gather
from toheal_relay.server.greeting import TurnCaller
from toheal_relay.server.sockets import plain_host
from toheal_relay.server.stream import BrokenStream, PlainStream
from toheal_relay.turn.allocation import Client, Outgoing
from toheal_relay.turn.machine import Turn

Spawn: TypeAlias = Callable[[Callable[[], Awaitable[None]]], None]
"""Starts work that may outlast whoever starts it."""

_READS_AT_ONCE: Final = 4
"""Reads of one client (up to 64 kB) without letting the others have their turn."""


@define(eq=False)
class Dirty:
    """Streams that were given something during a wake-up: written to once, at its end."""

    streams: dict[TurnStream, None] = Factory(dict)

    def flush(self) -> None:
        """Write to all of them, as far as that goes without waiting."""
        for stream in list(self.streams):
            stream.flush()
        self.streams.clear()


@define(eq=False)
class TurnStream:
    """One client's stream. For the machine it is how the client is reached.

    `queue` is how many bytes may wait for it, `write_deadline` for how many seconds; without an
    allocation it is kept for `patience`.
    """

    stream: PlainStream
    turn: Turn
    dirty: Dirty
    spawn: Spawn
    queue: int
    write_deadline: float
    patience: float
    heard_at: float = Factory(trio.current_time)
    _unsent: bytearray = field(factory=bytearray, init=False)
    _is_writing: bool = field(default=False, init=False)

    async def run(self, caller: TurnCaller, host: str, port: int) -> None:
        """Serve until the client goes, breaks a rule, or is not worth keeping."""
        client = Client(self, self.send, None, plain_host(host), port, is_stream=True)
        try:
            part, rest, reads = caller.first, b"", 0
            while part:
                rest = self._take(client, rest + part)
                self.dirty.flush()
                reads += 1
                if reads % _READS_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
                part = await self.stream.receive()
        except (RemoteError, BrokenStream):
            pass
        finally:
            self.turn.leave(self)
            self.stream.close()

    def send(self, block: bytes, size: int, _to: object, /) -> None:
        """Queue messages of `size` bytes for the client, filled up; lose what does not fit any more."""
        padding = bytes(-size % 4)
        room = (self.queue - len(self._unsent)) // (size + len(padding)) * size
        if room <= 0:
            return
        self.dirty.streams[self] = None
        block = block[:room]
        if padding:
            block = b"".join([each + padding for each in cut(block, size)])
        self._unsent += block

    def flush(self) -> None:
        """Write what waits, as far as that goes without waiting."""
        if self._is_writing or not self._unsent:
            return
        try:
            self._write()
        except BrokenStream:
            self.stream.close()
            return
        if self._unsent:
            self._is_writing = True
            self.spawn(self._write_rest)

    def look_after(self, now: float) -> None:
        """End it if its client has had no allocation for a while."""
        if self.turn.has_allocation(self):
            self.heard_at = now
        elif now - self.heard_at > self.patience:
            self.stream.close()

    def _take(self, client: Client, received: bytes) -> bytes:
        """Deal with all messages that are whole; return the beginning of the next one."""
        messages, rest = split_stream(received)
        now = Instant(trio.current_time())
        bursts: list[Burst[TurnStream]] = []
        gather(bursts, zip(messages, repeat(self), strict=False), CHANNEL_HEADER)
        for _, alike in bursts:
            out = self.turn.relay(self, alike, now)
            if out is not None:
                _send(out)
                continue
            for message in alike:
                out = self.turn.receive(client, message, now=now)
                if out is not None:
                    _send(out)
        return rest

    def _write(self) -> None:
        # the same bytes again after a part of them: TLS may have begun on them
        del self._unsent[: self.stream.send_nowait(bytes(self._unsent))]

    async def _write_rest(self) -> None:
        try:
            while self._unsent:
                with trio.fail_after(self.write_deadline):
                    await self.stream.wait_for_room()
                self._write()
        except (BrokenStream, trio.TooSlowError):
            self.stream.close()
        finally:
            self._is_writing = False


def _send(out: Outgoing) -> None:
    send, block, size, to = out
    send(block, size, to)
