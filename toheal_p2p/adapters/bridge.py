"""Trio and asyncio in one thread: trio runs as a guest on an asyncio loop.

The client is written for trio; aiortc and zeroconf are asyncio. In guest mode plain calls go both
ways. From asyncio into trio only `Event.set`, `send_nowait` and `CancelScope.cancel` are used, and
a callback never raises. From trio, `aio` waits for asyncio without a worker thread.

`adapters/guest.py` drives trio without the thread that its guest mode would wait in.

The alternatives were measured: trio-asyncio costs three times the CPU and ends with the first stray
asyncio error, a thread for asyncio costs a hop per call in both directions.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Generic, NoReturn, TypeVar

import outcome
import trio
from attrs import define, field

from toheal_p2p.adapters.collecting import collected_seldom
from toheal_p2p.adapters.guest import GuestDriver

T = TypeVar("T")

SHUTDOWN_LONGEST: Final = 5.0
"""Seconds that what is left on the asyncio loop gets to end after trio has ended."""

_log = logging.getLogger(__name__)


class AsyncioTaskCancelled(Exception):
    """Somebody in asyncio cancelled what `aio` waited for; trio's caller was not cancelled."""


def run(
    main: Callable[[], Awaitable[T]],
    *,
    clock: trio.abc.Clock | None = None,
    instruments: Sequence[trio.abc.Instrument] = (),
) -> T:
    """Run `main` under trio as a guest of a fresh asyncio loop (uvloop where it exists).

    SIGINT, SIGTERM and `stop` cancel `main`, so that every clean-up runs. If `main` still returns
    something, that is the result.

    Raises:
        KeyboardInterrupt: SIGINT ended it.
        SystemExit: SIGTERM ended it (code 143), or `stop` (code 0). Either of the two, raised in an
            asyncio callback, cancels `main` and is raised again after the clean-up.
    """
    loop = _new_loop()
    guest = _Guest[T](loop)
    try:
        with _Signals(loop, guest.stop_with), collected_seldom():
            return guest.run(main, clock, instruments)
    finally:
        _close(loop)


def stop() -> None:
    """End the `run` around the caller: from trio, or from a callback of its asyncio loop."""
    guest = _guests.get(threading.get_ident())
    if guest is None:
        raise RuntimeError("there is no run to stop")
    guest.stop_with(SystemExit(0))


async def aio(fn: Callable[..., Coroutine[Any, Any, T]], *args: object) -> T:
    """Wait in a trio task for an asyncio coroutine function, and return what it returns.

    Cancelling the trio task cancels the asyncio task and waits until that has cleaned up. If it
    ends with a result all the same, the result is returned and the cancellation comes at the next
    checkpoint.

    Raises:
        AsyncioTaskCancelled: asyncio itself cancelled it.
    """
    waiting = trio.lowlevel.current_task()
    cancelled: list[trio.lowlevel.RaiseCancelT] = []

    def cancel(raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        cancelled.append(raise_cancel)
        task.cancel()
        return trio.lowlevel.Abort.FAILED

    def wake(done: asyncio.Task[T]) -> None:
        trio.lowlevel.reschedule(waiting, outcome.capture(_result, done, cancelled))

    task = asyncio.get_running_loop().create_task(fn(*args))
    task.add_done_callback(wake)
    result: T = await trio.lowlevel.wait_task_rescheduled(cancel)
    return result


def caller_from_threads() -> Callable[..., object]:
    """Return what other threads have a function called by in this one: `call(function, *args)`.

    The host loop's own way where there is one: trio's goes through a socket and two passes more.
    """
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:  # trio runs by itself, in tests and in commands that start no client
        return trio.lowlevel.current_trio_token().run_sync_soon


def _result(task: asyncio.Task[T], cancelled: list[trio.lowlevel.RaiseCancelT]) -> T:
    if not task.cancelled():
        return task.result()
    if cancelled:
        cancelled[0]()
    raise AsyncioTaskCancelled


@define(eq=False)
class _Guest(Generic[T]):
    """One guest run and what may end it early."""

    loop: asyncio.AbstractEventLoop
    _root: trio.CancelScope = field(factory=trio.CancelScope)
    _reason: BaseException | None = None

    def stop_with(self, reason: BaseException) -> None:
        """Cancel everything. The first reason is the one that is told."""
        if self._reason is None:
            self._reason = reason
        self._root.cancel()

    def run(
        self,
        main: Callable[[], Awaitable[T]],
        clock: trio.abc.Clock | None,
        instruments: Sequence[trio.abc.Instrument],
    ) -> T:
        ended: asyncio.Future[outcome.Outcome[list[T]]] = self.loop.create_future()
        _guests[threading.get_ident()] = self
        try:
            trio.lowlevel.start_guest_run(
                self._main,
                main,
                run_sync_soon_threadsafe=self.loop.call_soon_threadsafe,
                run_sync_soon_not_threadsafe=GuestDriver(self.loop).soon,
                done_callback=ended.set_result,
                host_uses_signal_set_wakeup_fd=True,
                clock=clock,
                instruments=instruments,
            )
            raised = self._wait(ended)
        finally:
            del _guests[threading.get_ident()]
        results = ended.result().unwrap()
        if raised is not None:
            raise raised
        if not results:
            self._tell()
        return results[0]

    async def _main(self, main: Callable[[], Awaitable[T]]) -> list[T]:
        """Return what `main` returned, or nothing if it was cancelled before."""
        with self._root:
            return [await main()]
        return []

    def _wait(
        self, ended: asyncio.Future[outcome.Outcome[list[T]]]
    ) -> SystemExit | KeyboardInterrupt | None:
        """Run the loop until trio has ended, whatever a callback does; return what one raised."""
        raised: SystemExit | KeyboardInterrupt | None = None
        while not ended.done():
            try:
                self.loop.run_until_complete(ended)
            except (SystemExit, KeyboardInterrupt) as reason:
                raised = raised or reason
                self.stop_with(reason)
        return raised

    def _tell(self) -> NoReturn:
        raise self._reason or AssertionError("cancelled without a reason")


_guests: Final[dict[int, _Guest[Any]]] = {}
"""The run of each thread; there is at most one."""


@define
class _Signals:
    """While entered, SIGINT and SIGTERM call `stop_with` inside the loop."""

    loop: asyncio.AbstractEventLoop
    stop_with: Callable[[BaseException], None]
    _before: dict[signal.Signals, Any] = field(factory=dict)

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number, make in (
            (signal.SIGINT, KeyboardInterrupt),
            (signal.SIGTERM, lambda: SystemExit(128 + signal.SIGTERM)),
        ):
            self._before[number] = signal.getsignal(number)
            self._listen(number, make)

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            if sys.platform != "win32":
                self.loop.remove_signal_handler(number)
            signal.signal(number, before)

    def _listen(self, number: signal.Signals, make: Callable[[], BaseException]) -> None:
        def called(*_: object) -> None:
            self.loop.call_soon_threadsafe(self.stop_with, make())

        if sys.platform == "win32":
            signal.signal(number, called)
        else:
            self.loop.add_signal_handler(number, called)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    loop.set_exception_handler(_report)
    return loop


def _report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log that a callback or task failed, without what it worked on: reprs hold addresses."""
    error = context.get("exception")
    _log.error("asyncio: %s", type(error).__name__ if error else context.get("message"))


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """End what asyncio libraries left behind, then the loop."""
    try:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=SHUTDOWN_LONGEST))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(
            asyncio.wait_for(loop.shutdown_default_executor(), SHUTDOWN_LONGEST)
        )
    except TimeoutError:
        _log.error("asyncio: threads that do not end")
    finally:
        _close_loop(loop)


def _close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Close it, and tell of unclosed transports afterwards.

    uvloop never returns from `close` if such a warning is turned into an error (`-W error`).
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop.close()
    for warning in caught:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
