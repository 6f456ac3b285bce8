"""A thread of our own that makes one call after the other, and wakes the task that waits for it.

A message waits for the disk twice on its way, and each time it crosses over to this thread and
back. So nothing lies between: a call goes into a queue the thread sleeps on, and its result
reschedules the waiting task by one callback of the host loop.

Spec: docs/vault.md, section 3.1; docs/decisions/0032-the-store-has-a-thread-of-our-own.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar, cast

import outcome
import trio
from attrs import define, field

from toheal_p2p.adapters.bridge import caller_from_threads

T = TypeVar("T")


@define(eq=False)
class _Call:
    """One call and who waits for it; nobody once that was cancelled."""

    call: Callable[[], object]
    answer: Callable[..., object]
    task: trio.lowlevel.Task | None

    def wake(self, result: outcome.Outcome[object]) -> None:
        if self.task is not None:
            trio.lowlevel.reschedule(self.task, result)


@define(eq=False)
class Worker:
    """The thread. Whoever started it ends it: it would keep the process alive."""

    interrupt: Callable[[], None]
    """Breaks off the call that is being made. Called from another thread."""
    _calls: SimpleQueue[_Call | None] = field(factory=SimpleQueue, init=False, repr=False)
    _present: _Call | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)
    """Held to change `_present`: an interruption meets the call it is meant for, or none."""
    _thread: threading.Thread = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._thread = threading.Thread(target=self._work, name="store")
        self._thread.start()

    async def run(self, call: Callable[[], T]) -> T:
        """Make a call in the thread, after those asked for before it.

        Cancelled, it returns at once; a call that has begun is then interrupted, one that has not
        is never made. Shield what must be whole.
        """
        ours = _Call(call, caller_from_threads(), trio.lowlevel.current_task())

        def abort(_: object) -> trio.lowlevel.Abort:
            ours.task = None
            with self._lock:
                if self._present is ours:
                    self.interrupt()
            return trio.lowlevel.Abort.SUCCEEDED

        self._calls.put(ours)
        return cast(T, await trio.lowlevel.wait_task_rescheduled(abort))

    def end(self) -> None:
        """End the thread once everything asked for is done; returns when it is gone."""
        self._calls.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (ours := self._calls.get()) is not None:
            if ours.task is None:
                continue
            with self._lock:
                self._present = ours
            result: outcome.Outcome[Any] = outcome.capture(ours.call)
            with self._lock:
                self._present = None
            try:
                ours.answer(ours.wake, result)
            except RuntimeError:
                pass  # the whole run is over, and with it the task that waited
