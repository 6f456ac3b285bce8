"""The running process's end of the local channel.

```
  command ---- connects ----> one task per connection, at most MAX_ASKERS at work
          ---- request ---->  parse_request, then Request.carry_out on the app
          <--- items ------   each waits until the asker has room: nothing piles up here
          <--- done / refused
```
Any process of this person can connect and send anything. Whatever it sends, and whenever it goes
away, the application does not notice: a reading request is cancelled, a changing one is carried
out to its end. Faults of ours end one request with `internal` and are told to `on_fault`.

Docs: docs/command-line.md, section 7.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import trio
from attrs import define, field

from toheal_p2p.app.interface import AppInterface, ProgressView
from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli.local_place import place_socket, remove_socket
from toheal_p2p.cli.local_wire import MAX_LINE, encode_line
from toheal_p2p.cli.refusing import refusal_in
from toheal_p2p.cli.requests import MalformedRequest, OtherVersion, Request, parse_request

MAX_ASKERS: Final = 64
"""Requests at work at once: more than one person's terminals and scripts, and few in memory."""

REQUEST_PATIENCE: Final = 5.0
"""Seconds an asker has for sending its one line: a command sends it at once."""

LAST_WORD_PATIENCE: Final = 1.0
"""Seconds for the last line, which is sent even while the process ends."""

_BACKLOG: Final = 64
_PIECE: Final = 65536


def _ignore(_fault: BaseException) -> None:
    """Tell nobody."""


async def serve(
    app: AppInterface,
    home: Path,
    *,
    on_fault: Callable[[BaseException], None] = _ignore,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer commands until cancelled. Started when the socket listens.

    Raises:
        Refused: not_supported_here; storage_failed where the socket cannot be made.
    """
    channel = _LocalChannel(app, on_fault)
    path, listener = _listen(str(home))
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, channel.attend, [listener])
            task_status.started()
    finally:
        remove_socket(str(home), path)


@define(eq=False)
class _LocalChannel:
    """All connections of one app."""

    app: AppInterface
    on_fault: Callable[[BaseException], None]
    at_work: int = field(default=0, init=False)

    async def attend(self, stream: trio.SocketStream) -> None:
        """Answer one connection."""
        asker = _Asker(stream)
        async with stream:
            try:
                outcome = await self._outcome(await asker.request_line(), asker)
                await asker.last_word(outcome)
            except _AskerGone:
                pass

    async def _outcome(self, line: bytes, asker: _Asker) -> Refused | None:
        try:
            request = parse_request(line)
        except OtherVersion:
            return Refused("other_version")
        except MalformedRequest:
            return Refused("internal")
        if self.at_work >= MAX_ASKERS:
            return Refused("busy")
        self.at_work += 1
        try:
            return await self._carry_out(request, asker)
        finally:
            self.at_work -= 1

    async def _carry_out(self, request: Request, asker: _Asker) -> Refused | None:
        outcome: Refused | None = None
        self.app.idleness.end()
        async with trio.open_nursery() as nursery:
            if not request.changes:
                nursery.start_soon(asker.cancel_when_gone, nursery.cancel_scope)
            try:
                await request.carry_out(self.app, asker.give)
            except _AskerGone:
                pass
            except Exception as error:  # noqa: BLE001  # the border: a fault ends one request
                outcome = refusal_in(error) or self._fault(error)
            nursery.cancel_scope.cancel()
        return outcome

    def _fault(self, error: Exception) -> Refused:
        self.on_fault(error)
        return Refused("internal")


class _AskerGone(Exception):
    """The other end is closed, or took too long to say what it wants."""


@define(eq=False)
class _Asker:
    """One connection: a line in, lines out."""

    _stream: trio.SocketStream

    async def request_line(self) -> bytes:
        """Return the first line without its end; at most `MAX_LINE` bytes are ever kept."""
        received = bytearray()
        with trio.move_on_after(REQUEST_PATIENCE):
            while b"\n" not in received and len(received) <= MAX_LINE:
                received += await self._receive()
            return bytes(received.partition(b"\n")[0])
        raise _AskerGone

    async def give(self, value: object) -> None:
        """Send one value, or what is being tried; waits for as long as the asker has no room."""
        name = "progress" if isinstance(value, ProgressView) else "item"
        await self._send(msgspec.json.encode({name: value}) + b"\n")

    async def last_word(self, outcome: Refused | None) -> None:
        """Send the last line, also while we are being cancelled: a lock is answered too."""
        line = encode_line(
            {"done": True}
            if outcome is None
            else {"refused": outcome.code, "facts": dict(outcome.facts)}
        )
        with trio.CancelScope(shield=True), trio.move_on_after(LAST_WORD_PATIENCE):
            await self._send(line)

    async def cancel_when_gone(self, scope: trio.CancelScope) -> None:
        """Cancel the scope when the asker closes, or sends what nobody asked it for."""
        try:
            await self._receive()
        except _AskerGone:
            pass
        scope.cancel()

    async def _receive(self) -> bytes:
        try:
            piece = bytes(await self._stream.receive_some(_PIECE))
        except trio.BrokenResourceError:
            raise _AskerGone from None
        if not piece:
            raise _AskerGone
        return piece

    async def _send(self, line: bytes) -> None:
        try:
            await self._stream.send_all(line)
        except trio.BrokenResourceError:
            raise _AskerGone from None


def _listen(home: str) -> tuple[str, trio.SocketListener]:
    if not hasattr(socket, "AF_UNIX"):
        raise Refused("not_supported_here")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path = place_socket(home)
        narrow = os.umask(0o177)  # from its first moment the socket is for its owner only
        try:
            listening.bind(path)
        finally:
            os.umask(narrow)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise Refused("storage_failed") from None
    return path, trio.SocketListener(trio.socket.from_stdlib_socket(listening))
