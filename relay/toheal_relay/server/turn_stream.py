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
from toheal_relay.server.lookout import Lookout
from toheal_relay.server.sockets import plain_host
from toheal_relay.server.stream import RECORD, BrokenStream, PlainStream
from toheal_relay.turn.allocation import Client, Outgoing
from toheal_relay.turn.machine import Turn

Spawn: TypeAlias = Callable[[Callable[[], Awaitable[None]]], None]
"""Starts work that may outlast whoever starts it."""

_READS_AT_ONCE: Final = 4
"""Reads of one client without letting the others have their turn: up to 64 kB. Over TLS it is one record:
what is dealt with together leaves together, and there are clients, coturn's own among them, that take the
first message of a record for all of it."""


@define(eq=False)
class Dirty:
    """Streams that were given something during a wake-up: written to once, at its end."""

    streams: dict[TurnStream, None] = Factory(dict)

    def flush(self) -> None:
        """Write to all of them, as far as that goes without waiting."""
        streams, self.streams = self.streams, {}
        for stream in streams:
            stream.flush()


@define(eq=False)
class TurnStream:
    """One client's stream. For the machine it is how the client is reached.

    `queue` is how many bytes may wait for it, `write_deadline` for how many seconds; without an
    allocation it is kept for `patience`. `note_fault` counts a client that found a bug of ours.
    """

    stream: PlainStream
    turn: Turn
    dirty: Dirty
    spawn: Spawn
    queue: int
    write_deadline: float
    patience: float
    lookout: Lookout
    note_fault: Callable[[], None]
    heard_at: float = Factory(trio.current_time)
    _blocks: list[bytes] = field(factory=list, init=False)
    _waiting: int = field(default=0, init=False)
    _is_writing: bool = field(default=False, init=False)

    async def run(self, caller: TurnCaller, host: str, port: int) -> None:
        """Serve until the client goes, breaks a rule, or is not worth keeping."""
        client = Client(self, self.send, None, plain_host(host), port, is_stream=True)
        rest = b""

        def deal_with(received: bytes) -> None:
            nonlocal rest
            rest = self._take(client, rest + received)
            self.dirty.flush()

        def look() -> None:
            try:
                received = self._receive()
                if received:
                    deal_with(received)
            except (RemoteError, BrokenStream):
                self.close()
            except Exception:  # noqa: BLE001 - the border of one client: should its bytes find a bug of ours, everybody else's relay goes on; it is counted, never logged
                self.note_fault()
                self.close()

        try:
            deal_with(caller.first)
            await self.lookout.watch(self.stream.socket, look)
        except (RemoteError, BrokenStream):
            pass
        finally:
            self.turn.leave(self)
            self.close()

    def close(self) -> None:
        """Close it at once; who serves it is told."""
        self.lookout.close(self.stream.socket)

    def _receive(self) -> bytes:
        """Return what has come, up to `_READS_AT_ONCE`, so that it is looked at together; close at the end.

        Raises:
            BrokenStream: the other side broke off.
        """
        parts = []
        for _ in range(_READS_AT_ONCE if self.stream.gives_all else 1):
            part = self.stream.receive_nowait()
            if part is None:
                break
            parts.append(part)
            if not part:
                self.close()
            if len(part) < RECORD:
                break
        return b"".join(parts)

    def send(self, block: bytes, size: int, _to: object, /) -> None:
        """Queue messages of `size` bytes for the client, filled up; lose what does not fit any more."""
        padding = bytes(-size % 4)
        room = (self.queue - self._waiting) // (size + len(padding)) * size
        if room <= 0:
            return
        block = block[:room]
        if padding:
            block = b"".join([each + padding for each in cut(block, size)])
        self._blocks.append(block)
        self._waiting += len(block)
        self.dirty.streams[self] = None

    def flush(self) -> None:
        """Write what waits, as far as that goes without waiting."""
        if self._is_writing or not self._waiting:
            return
        try:
            self._write()
        except BrokenStream:
            self.close()
            return
        if self._waiting:
            self._is_writing = True
            self.spawn(self._write_rest)

    def look_after(self, now: float) -> None:
        """End it if its client has had no allocation for a while."""
        if self.turn.has_allocation(self):
            self.heard_at = now
        elif now - self.heard_at > self.patience:
            self.close()

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
        unsent = b"".join(self._blocks)
        self._blocks = [unsent[self.stream.send_nowait(unsent) :]]
        self._waiting = len(self._blocks[0])

    async def _write_rest(self) -> None:
        try:
            while self._waiting:
                with trio.fail_after(self.write_deadline):
                    await self.stream.wait_for_room()
                self._write()
        except (BrokenStream, trio.TooSlowError):
            self.close()
        finally:
            self._is_writing = False


def _send(out: Outgoing) -> None:
    send, block, size, to = out
    send(block, size, to)
