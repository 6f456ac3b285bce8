"""Noticing that the network is another one, or that the machine slept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio
from attrs import define

from toheal_p2p.ports.network import Look
from toheal_protocol.model import WallTime

LOOK_EVERY: Final = 2.0
"""Seconds between two looks. A link that lost its network needs three more to know it, so twice as
often would not be felt; a look costs up to half a millisecond where the system tells of no change."""

LOOK_WHILE_TOLD: Final = 10.0
"""Seconds the same where the system tells of changes: then it is how soon sleep is noticed, and a machine at
rest is woken a fifth as often."""

SETTLING: Final = 1.0
"""Seconds from the first thing the system tells until we look: a change comes in several parts."""

JUMP: Final = 5.0
"""Seconds by which the two clocks may part, or a look be late, before that counts as sleep. The wall
clock goes on while a machine sleeps; the monotonic one stops or goes on, as the system likes."""


@define(eq=False)
class NetworkWatch:
    """Calls `changed` each time the network is another one, and after sleep.

    While `changed` runs nothing is looked at; what happened meanwhile is seen at the next look.

    Attributes:
        told: waits until the system tells that something may have changed; None where it does not tell.
    """

    look: Look
    wall_clock: Callable[[], WallTime]
    changed: Callable[[], Awaitable[None]]
    told: Callable[[], Awaitable[None]] | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch until cancelled."""
        seen, at, wall = self.look(), trio.current_time(), self.wall_clock()
        task_status.started()
        was_told = False
        while True:
            # after news soon once more: routes may go a moment after their interface
            longest = LOOK_EVERY if was_told or self.told is None else LOOK_WHILE_TOLD
            was_told = await self._is_told(within=longest)
            before, seen = seen, self.look()
            passed, at = trio.current_time() - at, trio.current_time()
            passed_outside, wall = self.wall_clock() - wall, self.wall_clock()
            has_slept = passed > longest + SETTLING + JUMP or abs(passed_outside - passed) > JUMP
            if has_slept or seen != before:
                await self.changed()
                at, wall = trio.current_time(), self.wall_clock()

    async def _is_told(self, *, within: float) -> bool:
        """Wait for news, so long at most; say whether there was any."""
        with trio.move_on_after(within):
            if self.told is None:
                await trio.sleep_forever()
            else:
                await self.told()
                await trio.sleep(SETTLING)
                return True
        return False
