"""The connections that come in by the listening socket of the page.

Anybody on this machine can connect, so a connection is worth little: there are at most
`MAX_CONNECTIONS`, one that takes nothing for `PATIENCE` is closed, and whatever goes wrong in one
ends that one. HTTP itself is anycorn's.

anycorn sends in a shielded scope: a reader that stops reading would hold the end of the program
for ever. So the stream it is given has a patience of its own, and ending closes every socket first.

Docs: docs/page.md, section 2.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

import anyio.abc
import trio
from anycorn.app_wrappers import ASGIWrapper
from anycorn.config import Config
from anycorn.tcp_server import tcp_server_handler
from anycorn.typing import ConnectionState
from anycorn.worker_context import WorkerContext
from attrs import define, field

MAX_CONNECTIONS: Final = 64
"""A browser opens six and a stream each for a few pages; the rest of our files belong to the peer."""

PATIENCE: Final = 20.0
"""Seconds a reader may take nothing; a page of ours is on the same machine."""

KEEP_ALIVE: Final = 5
"""Seconds an idle connection stays open."""

MAX_HEAD: Final = 16 * 1024
"""Bytes of a request's first lines that are kept."""


@define(eq=False)
class Connections:
    """Serves one ASGI application on one socket until cancelled."""

    app: Callable[..., Any]
    on_fault: Callable[[BaseException], None]
    _open: set[socket.socket] = field(factory=set, init=False)
    _serve_one: Callable[..., Any] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._serve_one = tcp_server_handler(
            ASGIWrapper(self.app), _config(), WorkerContext(None), ConnectionState({})
        )

    async def serve(self, listening: socket.socket) -> None:
        """Accept from a duplicate of the socket, so that it still listens when this has ended."""
        listener = await anyio.abc.SocketListener.from_socket(listening.dup())
        async with listener, trio.open_nursery() as nursery:
            nursery.start_soon(listener.serve, self._attend)
            try:
                await trio.sleep_forever()
            finally:
                for one in self._open:
                    trio.lowlevel.notify_closing(one)  # or who waits for it would go on waiting
                    one.close()

    async def _attend(self, stream: anyio.abc.SocketStream) -> None:
        raw: Any = stream.extra(anyio.abc.SocketAttribute.raw_socket)
        try:
            if len(self._open) >= MAX_CONNECTIONS:
                return
            self._open.add(raw)
            await self._serve_one(_PatientStream(stream))
        except Exception as error:  # noqa: BLE001  # the border: a fault ends one connection
            self.on_fault(error)
        finally:
            self._open.discard(raw)
            with trio.CancelScope(shield=True), trio.move_on_after(1):
                await stream.aclose()


class _PatientStream:
    """A stream that gives up on a reader which does not read."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def send(self, item: bytes) -> None:
        """Send all of it, or raise as if the other end had closed."""
        with trio.move_on_after(PATIENCE):
            await self._stream.send(item)
            return
        raise anyio.BrokenResourceError


def _config() -> Config:
    config = Config()
    config.include_server_header = False
    config.include_date_header = False
    config.accesslog = config.errorlog = None
    config.h11_max_incomplete_size = MAX_HEAD
    config.keep_alive_timeout = KEEP_ALIVE
    return config
