"""Everybody who is connected: let in, looked after, told goodbye."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import trio
from wsproto.frame_protocol import CloseReason

from toheal_protocol.model import Instant
from toheal_relay.desk import Desk, Visitor
from toheal_relay.machine import overwrite_cached_memory
from toheal_relay.server.connection import Connection
from toheal_relay.server.greeting import MailboxCaller, TurnCaller, greet
from toheal_relay.server.stream import BrokenStream
from toheal_relay.server.turn_service import TurnService

ACCEPT_AT_ONCE: Final = 64
"""Connections accepted per wake-up, before those who are in have their turn."""

APOLOGIES: Final = 64
"""Newcomers we tell at once that there is no place; any more are just not let in."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What `accept` says when it makes no sense to call it again at once."""


class Callers:
    """All connections of one relay. `nursery` outlives none of them.

    `turn` serves those who come for TURN; None if there is none here.
    """

    def __init__(
        self,
        desk: Desk,
        context: ssl.SSLContext,
        nursery: trio.Nursery,
        turn: TurnService | None = None,
    ) -> None:
        self._desk = desk
        self._context = context
        self._nursery = nursery
        self._turn = turn
        self._connections: dict[Visitor, Connection] = {}
        self._apologies = 0
        self._is_dismissed = False

    async def accept(self, listener: socket.socket) -> None:
        """Let people in until `listener` is closed."""
        while True:
            try:
                await trio.lowlevel.wait_readable(listener)
            except trio.ClosedResourceError:
                return
            try:
                for _ in range(ACCEPT_AT_ONCE):
                    self._welcome(*listener.accept())
            except BlockingIOError:
                pass
            except OSError as problem:  # the caller is gone already, or we have no room at all
                if problem.errno in _EXHAUSTED:
                    await trio.sleep(0.1)

    async def sweep(self) -> None:
        """Look every few seconds at what is over and who is silent."""
        while True:
            await trio.sleep(self._desk.limits.sweep_every)
            now = trio.current_time()
            self._desk.sweep(now=Instant(now))
            for connection in list(self._connections.values()):
                connection.look_after(now)
            overwrite_cached_memory()

    def flush_stirred(self) -> None:
        """Write to everybody for whom there is something new."""
        for visitor in self._desk.take_stirred():
            connection = self._connections.get(visitor)
            if connection is not None:
                connection.flush()

    def dismiss(self) -> None:
        """Tell everybody that this relay goes away."""
        self._is_dismissed = True
        for connection in self._connections.values():
            connection.end(CloseReason.GOING_AWAY)

    def _welcome(self, accepted: socket.socket, peer: tuple[Any, ...]) -> None:
        if not self._prepare(accepted):
            accepted.close()
            return
        visitor = self._desk.enter(str(peer[0]), now=Instant(trio.current_time()))
        if visitor is None and self._apologies >= APOLOGIES:
            accepted.close()
        elif visitor is None:
            self.spawn(partial(self._apologise, accepted))
        else:
            self.spawn(partial(self._serve, accepted, visitor, str(peer[0]), peer[1]))

    def _prepare(self, accepted: socket.socket) -> bool:
        """Set a fresh socket up; False if whoever it was is gone already."""
        try:
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._desk.limits.send_buffer)
        except OSError:
            return False
        return True

    def spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have one client's work done; it may outlast the caller."""
        self._nursery.start_soon(self._guard, work)

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do one client's work; whatever becomes of it concerns nobody else."""
        try:
            await work()
        except BrokenStream:
            pass
        except Exception:  # noqa: BLE001 - the border of one client: should its bytes find a bug of ours, everybody else's relay goes on; it is counted, never logged
            self._desk.note_fault()

    async def _serve(self, accepted: socket.socket, visitor: Visitor, host: str, port: int) -> None:
        try:
            open_by = trio.current_time() + self._desk.limits.half_open
            caller = await self._greet(accepted, open_by)
            if isinstance(caller, MailboxCaller):
                await self._serve_mailboxes(caller, visitor, open_by)
            elif caller is not None and self._turn is not None:
                await self._turn.serve_stream(caller, host, port, spawn=self.spawn)
            elif caller is not None:
                caller.stream.close()
        finally:
            self._desk.leave(visitor, now=Instant(trio.current_time()))

    async def _greet(
        self, accepted: socket.socket, open_by: float
    ) -> TurnCaller | MailboxCaller | None:
        """Find out what somebody wants; None if they did not say in time."""
        with trio.move_on_at(open_by):
            return await greet(accepted, self._context)
        return None

    async def _serve_mailboxes(
        self, caller: MailboxCaller, visitor: Visitor, open_by: float
    ) -> None:
        try:
            connection = self._connections[visitor] = self._connect(caller, visitor, open_by)
            if self._is_dismissed:
                connection.end(CloseReason.GOING_AWAY)
            await connection.run()
        finally:
            self._connections.pop(visitor, None)

    async def _apologise(self, accepted: socket.socket) -> None:
        self._apologies += 1
        try:
            open_by = trio.current_time() + self._desk.limits.half_open
            caller = await self._greet(accepted, open_by)
            if isinstance(caller, MailboxCaller):
                await self._connect(caller, None, open_by).run()
            elif caller is not None:
                caller.stream.close()
        finally:
            self._apologies -= 1

    def _connect(
        self, caller: MailboxCaller, visitor: Visitor | None, open_by: float
    ) -> Connection:
        return Connection(
            caller.stream,
            caller.first,
            open_by,
            visitor,
            self._desk,
            self.spawn,
            self.flush_stirred,
        )
