"""One client's connection: WebSocket over TLS, then messages between it and the desk.

    greeted --half_open deadline--> open --client closes, breaks a rule, is cut--> lingering, gone

An idle connection is one task that waits for bytes. Writing is done by whoever has something for
the client, as far as it goes without waiting; only then a second task takes over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio
from attrs import Factory, define, field
from wsproto.frame_protocol import CloseReason

from toheal_protocol.errors import RemoteError
from toheal_protocol.model import Instant
from toheal_relay.desk import Desk, Visitor
from toheal_relay.server.stream import BrokenStream, TlsStream
from toheal_relay.server.websocket import WebSocket, WebSocketOpening

BATCH: Final = 64 * 1024
"""Bytes written at once: what has to be taken within the write deadline."""

TURN: Final = 32
"""Messages of one client that are dealt with before the others have their turn: about 2 ms."""

READS_AT_ONCE: Final = 2
"""Reads of one client without letting the others have their turn."""

GOODBYE: Final = 5.0
"""Seconds a client has to take what is left for it."""

LINGER: Final = 2.0
"""Seconds we wait for the client to close, so that our last words arrive (closing with unread bytes
would make TCP throw them away)."""


@define(eq=False)
class Connection:
    """One connection. `visitor` is None for somebody we have no place for and only tell so.

    `first` is what it said right after the TLS handshake, and `open_by` when the WebSocket must be
    open. `flush_stirred` has the server write to everybody who was given something; `spawn` starts work
    that may outlast its caller.
    """

    stream: TlsStream
    first: bytes
    open_by: float
    visitor: Visitor | None
    desk: Desk
    spawn: Callable[[Callable[[], Awaitable[None]]], None]
    flush_stirred: Callable[[], None]
    heard_at: float = Factory(trio.current_time)
    _pinged_at: float = field(default=0.0, init=False)
    _websocket: WebSocket | None = field(default=None, init=False)
    _unsent: bytes = field(default=b"", init=False)
    _is_writing: bool = field(default=False, init=False)
    _reading: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    _last_word: CloseReason | None = field(default=None, init=False)
    _written: trio.Event | None = field(default=None, init=False)

    async def run(self) -> None:
        """Serve this connection to its end, whatever that is."""
        try:
            if await self._open():
                with self._reading:
                    await self._serve()
                await self._say_goodbye()
        except BrokenStream:
            pass
        finally:
            self.stream.close()

    def flush(self) -> None:
        """Write what there is for the client, as far as that goes without waiting."""
        if self.visitor is not None and self.visitor.is_cut:
            self.end(CloseReason.TRY_AGAIN_LATER)
            if self._is_writing:  # to somebody who does not read: no last word either
                self.stream.close()
            return
        if self._websocket is None or self._is_writing:
            return
        try:
            while self._refill():
                self._write()
                if self._unsent:
                    self._is_writing = True
                    self.spawn(self._write_rest)
                    return
        except BrokenStream:
            self._reading.cancel()

    def end(self, reason: CloseReason) -> None:
        """Stop reading, finish writing and close, telling the client this reason."""
        if self._last_word is None:
            self._last_word = reason
        self._reading.cancel()

    def look_after(self, now: float) -> None:
        """Ping a client who has been silent, or end the connection if nobody is there."""
        limits, silence = self.desk.limits, now - self.heard_at
        if silence > limits.idle_cut:
            self.end(CloseReason.GOING_AWAY)
        elif silence > limits.idle_ping and self._pinged_at < self.heard_at:
            self._pinged_at = now
            if self._websocket is not None:
                self._websocket.answers += self._websocket.ping()
                self.flush()

    async def _open(self) -> bool:
        """Open the WebSocket before the deadline; False if the client did not."""
        opening, part = WebSocketOpening(), self.first
        self.first = b""
        with trio.move_on_at(self.open_by):
            while part:
                try:
                    opened = opening.receive(part)
                except RemoteError:
                    return False
                if opened is not None:
                    self._unsent, self._websocket = opened
                    return True
                part = await self.stream.receive()
        return False

    async def _serve(self) -> None:
        assert self._websocket is not None
        self.flush()
        if self.visitor is None:
            self.end(CloseReason.TRY_AGAIN_LATER)
        reads = 0
        while not self._websocket.is_closed:
            part = self.stream.receive_nowait()
            if part is None:
                await self.stream.wait_for_bytes()
                continue
            if not part:
                raise BrokenStream
            self.heard_at = trio.current_time()
            await self._take(self._websocket, part)
            reads += 1
            if reads % READS_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()

    async def _take(self, websocket: WebSocket, part: bytes) -> None:
        """Deal with everything in these bytes; slowly, if the client is too fast."""
        try:
            messages = websocket.receive(part)
            for start in range(0, len(messages), TURN):
                pause = max(map(self._receive, messages[start : start + TURN]))
                self.flush_stirred()
                if pause or len(messages) > TURN:
                    await trio.sleep(pause)
        except RemoteError:  # every fault of a client looks the same to it
            self.end(CloseReason.POLICY_VIOLATION)
        if websocket.answers:
            self.flush()

    def _receive(self, message: bytes) -> float:
        assert self.visitor is not None
        return self.desk.receive(self.visitor, message, now=_now())

    def _refill(self) -> bool:
        """Take what is to be written next; False if there is nothing."""
        websocket = self._websocket
        assert websocket is not None
        parts, size = [self._unsent, websocket.answers], len(self._unsent)
        websocket.answers = b""
        now = _now()
        while size < BATCH and self.visitor is not None:
            message = self.desk.next_message(self.visitor, now=now)
            if message is None:
                break
            parts.append(websocket.send(message))
            size += len(message)
        self._unsent = b"".join(parts)
        return bool(self._unsent)

    def _write(self) -> None:
        self._unsent = self._unsent[self.stream.send_nowait(self._unsent) :]

    async def _write_rest(self) -> None:
        """Write on for a client who is slower than we are, until there is nothing more."""
        try:
            while self._unsent or self._refill():
                with trio.fail_after(self.desk.limits.write_deadline):
                    await self._write_unsent()
        except (BrokenStream, trio.TooSlowError):
            self._reading.cancel()
            self.stream.close()
        finally:
            self._is_writing = False
            if self._written is not None:
                self._written.set()

    async def _write_unsent(self) -> None:
        while self._unsent:
            self._write()
            if self._unsent:
                await self.stream.wait_for_room()

    async def _say_goodbye(self) -> None:
        """Write what is left and the last word, then wait a little for the client to hang up."""
        assert self._websocket is not None
        with trio.move_on_after(GOODBYE):
            if self._is_writing:
                self._written = trio.Event()
                await self._written.wait()
            self._is_writing = True  # nobody else from here on
            while self._refill():
                await self._write_unsent()
            if self._last_word is not None:
                self._unsent = self._websocket.close(self._last_word)
            await self._write_unsent()
        self.stream.end_writing()
        with trio.move_on_after(LINGER):
            while self.stream.receive_nowait() != b"":
                await self.stream.wait_for_bytes()


def _now() -> Instant:
    return Instant(trio.current_time())
