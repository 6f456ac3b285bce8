"""What drives trio as a guest without a second thread.

Trio's own guest mode waits for I/O in a worker thread: each time something happens there, the
thread wakes, tells the host loop, and the host loop wakes in turn. Where trio waits with epoll,
the host loop can watch that epoll itself: one wake-up, no thread.

```
 host loop ── a file of trio's is ready ──┐
           ── trio's next deadline ───────┼──> tick: poll, run what is ready, until trio is idle
           ── a callback woke a task ─────┘
```

`GuestState` is reached through the first call trio makes to its host, and some of its parts are
private. So trio's minor version is pinned, a test checks that the names exist, and where one is
missing, or there is no epoll, trio's own way is taken.

Spec: docs/decisions/0030-one-loop-without-a-waiting-thread.md.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
from collections.abc import Callable, Sequence
from typing import Any, Final

import outcome
import sniffio
from attrs import define, field

_PARTS: Final = ("runner", "unrolled_run_gen", "unrolled_run_next_send", "done_callback")
"""What we need of trio's `GuestState`."""

PASSES_MOST: Final = 3
"""Passes of trio in one turn of the loop: a message wakes one task after the other."""

_TIMER_LONGEST: Final = 24 * 3600.0
"""Seconds a timer is set for at most: trio's own longest is centuries, which no loop takes."""

_TIMERS_PER_SECOND: Final = 1000
"""What uvloop's timers count in, from the beginning of the present millisecond: one set for less than a
whole one more rings early, and trio is then asked again and again until its deadline has come."""


def can_watch(guest: Any) -> bool:
    """Say whether this `GuestState` has everything we drive it by."""
    if not all(hasattr(guest, part) for part in _PARTS):
        return False
    manager = getattr(guest.runner, "io_manager", None)
    is_known = hasattr(guest.runner, "guest_tick_scheduled") and hasattr(manager, "get_events")
    epoll = getattr(select, "epoll", None)
    return (
        is_known
        and epoll is not None
        and isinstance(getattr(manager, "_epoll", None), epoll)
        and hasattr(getattr(manager, "_force_wakeup", None), "wakeup_thread_and_signal_safe")
    )


@define(eq=False)
class GuestDriver:
    """Calls trio when there is something to do. `soon` is what trio is given to be called by."""

    loop: asyncio.AbstractEventLoop
    _guest: Any = None  # a private class of trio's
    _file: int = -1
    _timer: asyncio.TimerHandle | None = None
    _has_files: bool = field(default=False, init=False)
    """The loop has seen a file of trio's ready, and trio was not told yet."""
    _is_idle: bool = field(default=False, init=False)
    """Trio has nothing to do before its deadline, a file or a callback says otherwise."""

    def soon(self, call: Callable[[], object]) -> None:
        """Fulfil trio's `run_sync_soon_not_threadsafe`; the first call begins the run."""
        guest = getattr(call, "__self__", None)
        if self._guest is None and can_watch(guest):
            self._adopt(guest)
            self.loop.call_soon(self._tick)
        else:
            self.loop.call_soon(call)

    def _adopt(self, guest: Any) -> None:
        manager = guest.runner.io_manager
        self._guest = guest
        self._file = os.dup(manager._epoll.fileno())  # trio closes its own before we hear of it
        self.loop.add_reader(self._file, self._look)
        manager._force_wakeup = _Nudge(manager._force_wakeup, self._nudged)

    def _look(self) -> None:
        """One of trio's files is ready."""
        self._has_files = True
        if self._is_idle:
            self._go_on()

    def _ring(self) -> None:
        """Trio's deadline has come."""
        self._timer = None
        if self._is_idle:
            self._go_on()

    def _nudged(self) -> None:
        """A callback woke a task or moved a deadline. Trio says it once until its next pass."""
        self.loop.call_soon(self._answer_nudge)

    def _answer_nudge(self) -> None:
        """Tell trio what it would have read from its socket pair."""
        if self._is_idle:
            woken = self._guest.runner.io_manager._force_wakeup_fd
            self._go_on([(woken, select.EPOLLIN)])

    def _go_on(self, events: Sequence[tuple[int, int]] = ()) -> None:
        self._is_idle = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._give(events)
        self._tick()

    def _give(self, events: Sequence[tuple[int, int]] = ()) -> None:
        """Say what trio's next pass finds; its epoll is asked only if it has something to tell."""
        given: Any = outcome.Value(list(events))
        if self._has_files and not events:
            self._has_files = False
            given = outcome.capture(self._guest.runner.io_manager.get_events, 0)
        self._guest.unrolled_run_next_send = given
        self._guest.runner.guest_tick_scheduled = True

    def _tick(self) -> None:
        """Let trio run what is ready; then let asyncio have its turn, or wait."""
        for _ in range(PASSES_MOST):
            timeout = self._run()
            if timeout is None:
                return
            if timeout > 0:
                self._wait(timeout)
                return
            self._give()
        self.loop.call_soon(self._tick)

    def _wait(self, timeout: float) -> None:
        self._is_idle = True
        self._guest.runner.guest_tick_scheduled = False
        self._timer = self.loop.call_later(_not_before(timeout), self._ring)

    def _run(self) -> float | None:
        """Run one pass of trio; return the seconds it can wait, or None when it has ended."""
        before, sniffio.thread_local.name = sniffio.thread_local.name, "trio"
        try:
            timeout: float = self._guest.unrolled_run_next_send.send(self._guest.unrolled_run_gen)
        except StopIteration:
            self._end(self._guest.runner.main_task_outcome)
        except BaseException as wrong:  # noqa: BLE001  trio's loop itself is broken: tell whoever waits
            self._end(outcome.Error(wrong))
        else:
            return timeout
        finally:
            sniffio.thread_local.name = before
        return None

    def _end(self, result: Any) -> None:
        self.loop.remove_reader(self._file)
        os.close(self._file)
        self._guest.done_callback(result)


def _not_before(timeout: float) -> float:
    """Return for how long a timer is set that must not ring sooner than in so many seconds."""
    timeout = min(timeout, _TIMER_LONGEST)
    return (math.ceil(timeout * _TIMERS_PER_SECOND) + 1) / _TIMERS_PER_SECOND


@define(eq=False)
class _Nudge:
    """In place of trio's socket pair, which is there to wake its thread."""

    replaced: Any
    nudged: Callable[[], None]

    def wakeup_thread_and_signal_safe(self) -> None:
        """Wake trio. Called in the host's thread alone: by callbacks that woke a task."""
        self.nudged()

    def drain(self) -> None:
        """Do nothing: nobody writes to the socket pair."""

    def close(self) -> None:
        """Free the socket pair."""
        self.replaced.close()
