"""Who notices that packets have come: trio, or we ourselves just before trio would go to sleep.

Trio's round for a single packet (wake a task, run it, have it wait anew) costs more than to pass the
packet on. `KeenLookout` sleeps in trio's place, on an epoll of its own that holds our sockets and
trio's epoll as one more file, and deals with packets in plain calls:

```
 trio has nothing to do ──> asleep ──┬── one of our sockets ─────────> look, asleep again
                                     ├── a file of trio's ───────────┐
                                     ├── trio's next deadline ───────┼─> trio goes on
                                     └── a look woke a task of trio's ┘
```

Trio tells nobody where its epoll is, so two of its private names are used. Where one is missing, where
trio is a guest of somebody else's loop, or where there is no epoll, `trio` notices as ever.

Why: docs/decisions/0076-a-single-packet-without-a-round-of-trio.md.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeAlias

import trio
from attrs import define, field

Look: TypeAlias = Callable[[], None]
"""Reads what has come to a socket and deals with it; never waits, and raises nothing."""


class Lookout(Protocol):
    """Has looks called for sockets that can be read."""

    async def watch(self, bound: socket.socket, look: Look) -> None:
        """Have `look` called whenever there is something, until the socket is closed by `close`."""

    def close(self, bound: socket.socket) -> None:
        """Close a socket; who watches it is told."""


class PlainLookout:
    """Lets trio notice."""

    async def watch(self, bound: socket.socket, look: Look) -> None:
        """Have `look` called whenever there is something, until the socket is closed by `close`."""
        while bound.fileno() >= 0:  # it may be closed before we begin to wait
            try:
                await trio.lowlevel.wait_readable(bound)
            except trio.ClosedResourceError:
                return
            look()

    def close(self, bound: socket.socket) -> None:
        """Close a socket; who watches it is told."""
        if bound.fileno() >= 0:
            trio.lowlevel.notify_closing(bound)
            bound.close()


@define(eq=False)
class KeenLookout(trio.abc.Instrument):
    """Notices before trio would sleep. There is one in a run of trio, however many relays are in it.

    `trios` is the number of trio's epoll.
    """

    trios: int
    token: trio.lowlevel.TrioToken
    users: int = 0
    _epoll: Any = field(factory=lambda: select.epoll(), init=False)
    _looks: dict[int, Look] = field(factory=dict, init=False)
    _closed: dict[int, trio.Event] = field(factory=dict, init=False)
    _has_woken: bool = field(default=False, init=False)
    """Whether a task became ready since trio decided how long it can sleep."""

    def __attrs_post_init__(self) -> None:
        self._epoll.register(self.trios, select.EPOLLIN)

    async def watch(self, bound: socket.socket, look: Look) -> None:
        """Have `look` called whenever there is something, until the socket is closed by `close`."""
        file = bound.fileno()
        if file < 0:  # closed before we began
            return
        closed = self._closed[file] = trio.Event()
        self._looks[file] = look
        self._epoll.register(file, select.EPOLLIN)
        try:
            await closed.wait()
        finally:
            if self._closed.get(file) is closed:
                self._forget(file)

    def close(self, bound: socket.socket) -> None:
        """Close a socket; who watches it is told."""
        if bound.fileno() < 0:
            return
        if bound.fileno() in self._closed:
            self._forget(bound.fileno()).set()
        trio.lowlevel.notify_closing(bound)  # somebody may wait until there is room
        bound.close()

    def before_io_wait(self, timeout: float) -> None:
        """Sleep in trio's place until there is something for it; trio then asks its files once more."""
        until = time.monotonic() + timeout
        self._has_woken = False
        while not self._serve(timeout):
            timeout = until - time.monotonic()
            if self._has_woken or timeout <= 0:
                # or trio would sleep all of it once more (so its tests cannot wait for a quiet while)
                self.token.run_sync_soon(_nothing, idempotent=True)
                return

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        """A task can go on: what trio knew when it decided to sleep is no longer so."""
        self._has_woken = True

    def end(self) -> None:
        """Watch nothing any more."""
        self._epoll.close()

    def _serve(self, timeout: float) -> bool:
        """Wait, and look once at every socket that has something; say whether trio has, or is in no
        mood for sleep."""
        is_trios = timeout <= 0
        for file, _ in self._epoll.poll(max(timeout, 0)):
            look = self._looks.get(file)  # none: trio's, or one that a look before this has closed
            if look is None:
                is_trios = True
            else:
                look()
        return is_trios

    def _forget(self, file: int) -> trio.Event:
        self._epoll.unregister(file)
        del self._looks[file]
        return self._closed.pop(file)


_KEEN: Final[trio.lowlevel.RunVar[KeenLookout | None]] = trio.lowlevel.RunVar("keen", None)
"""The one of this run of trio."""


@contextmanager
def open_lookout() -> Iterator[Lookout]:
    """Give the best there is, for as long as the block lasts."""
    keen = _KEEN.get()
    if keen is None:
        keen = _make_keen()
    if keen is None:
        yield PlainLookout()
        return
    keen.users += 1
    try:
        yield keen
    finally:
        keen.users -= 1
        if not keen.users:
            trio.lowlevel.remove_instrument(keen)
            _KEEN.set(None)
            keen.end()


def trios_epoll() -> int | None:
    """Return the number of the epoll that trio sleeps in; None if it cannot be known, or trio does
    not sleep by itself."""
    if sys.platform != "linux":
        return None
    runner = _runner()
    epoll = getattr(getattr(runner, "io_manager", None), "_epoll", None)
    if not isinstance(epoll, select.epoll) or getattr(runner, "is_guest", True):
        return None
    return epoll.fileno()


def _runner() -> object:
    """Return the run of trio that we are in; None if trio keeps it elsewhere by now."""
    run = getattr(getattr(trio, "_core", None), "_run", None)
    return getattr(getattr(run, "GLOBAL_RUN_CONTEXT", None), "runner", None)


def _make_keen() -> KeenLookout | None:
    trios = trios_epoll()
    if trios is None:
        return None
    keen = KeenLookout(trios, trio.lowlevel.current_trio_token())
    trio.lowlevel.add_instrument(keen)
    _KEEN.set(keen)
    return keen


def _nothing() -> None:
    """Be what trio wakes up for."""
