"""Pace: who writes faster than a peer who is there can read waits a little, and not for long.

Beyond what a link carries at once, each message would be written a second time when its turn comes,
and the peer would be told no sooner. So a writer waits while a member that a link reaches is so far
behind, a tenth of a second at most: a link that has fallen silent keeps nobody from writing.

Spec: docs/protocol/circle.md, section 8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

import trio
from attrs import define, field

from toheal_protocol.machines.courier import LINK_WINDOW
from toheal_protocol.machines.state import Circle
from toheal_protocol.model import MAX_FRAME_SIZE, MemberId

AHEAD_MOST: Final = LINK_WINDOW // 2
"""Messages a member may be behind. Half a window, since those let through together all count at once."""

AHEAD_SIZE: Final = 1024 * 1024
"""Bytes the same: half of what is kept in memory, so that nothing has to be read back."""

PACE_LONGEST: Final = 0.1
"""Seconds one message waits at most: a person notices nothing of it."""


@define(eq=False)
class Pace:
    """Lets the writers of one circle through, in the order in which they came.

    One task looks at the clock for all of them: a deadline for each cost more than sealing.

    Attributes:
        size_for: how many bytes a member is owed, as far as they are in memory.
    """

    size_for: Callable[[MemberId], int]
    _waiting: dict[trio.lowlevel.Task, float] = field(factory=dict, init=False, repr=False)
    """Who waits, and until when at most."""
    _came: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _is_running: bool = field(default=False, init=False)

    async def run(self) -> None:
        """Let nobody wait too long, until cancelled. Where it does not run nobody waits at all."""
        self._is_running = True
        try:
            while True:
                while self._waiting:
                    await trio.sleep_until(next(iter(self._waiting.values())))
                    now = trio.current_time()
                    self._let_go([one for one, until in self._waiting.items() if until <= now])
                self._came = trio.Event()
                await self._came.wait()
        finally:
            self._is_running = False
            self._let_go(list(self._waiting))

    async def wait(self, circle: Circle) -> None:
        """Return when one more message is welcome, or it has waited long enough."""
        if not self._is_running or (not self._waiting and self.room(circle) > 0):
            return
        task = trio.lowlevel.current_task()
        self._waiting[task] = trio.current_time() + PACE_LONGEST
        self._came.set()

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._waiting[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def ease(self, circle: Circle) -> None:
        """Let through as many as there is room for now."""
        if self._waiting and (room := self.room(circle)) > 0:
            self._let_go(list(islice(self._waiting, room)))

    def _let_go(self, tasks: Sequence[trio.lowlevel.Task]) -> None:
        for task in tasks:
            del self._waiting[task]
            trio.lowlevel.reschedule(task)

    def room(self, circle: Circle) -> int:
        """Return how many messages, long ones even, every member a link reaches would take."""
        room = AHEAD_MOST
        for member, courier in circle.live.couriers.items():
            pair = circle.pairs.get(member)
            if courier.has_link and pair is not None:
                behind = pair.next_seq - 1 - pair.acked_through
                left = AHEAD_SIZE - self.size_for(member)
                room = min(room, AHEAD_MOST - behind, -(-left // MAX_FRAME_SIZE))
        return room
