"""Idleness: for how long nobody has used the profile, and when that is long enough to lock it.

A command, an address of the page that a person asked for, and typing in the page are use; what a
page asks by itself, and what others say, are none. Two clocks are asked, and whichever has gone further
counts: one of them stands still while the machine sleeps.

Docs: docs/command-line.md, section 8.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio
from attrs import define, field

LOOK_EVERY: Final = 5.0
"""Seconds between two looks: as long at most shows a machine that woke what should be locked, and a setting
that changed counts from the next one on."""

MINUTE: Final = 60.0


@define(eq=False)
class Idleness:
    """Belongs to one opened profile.

    Attributes:
        limit: minutes after which it is over; None: never. Asked again at each look.
        wall_clock: goes on while the machine sleeps. Where it was set back the other one counts.
    """

    limit: Callable[[], int | None]
    wall_clock: Callable[[], float]
    _last: float = field(factory=trio.current_time, init=False)
    _last_wall: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._last_wall = self.wall_clock()

    def end(self) -> None:
        """Note that somebody is using it."""
        self._last, self._last_wall = trio.current_time(), self.wall_clock()

    async def lock_when_over(self, lock: Callable[[], Awaitable[None]]) -> None:
        """Lock once nobody has used it for as long as was chosen."""
        await self.over()
        await lock()

    async def over(self) -> None:
        """Return when nobody has used it for as long as was chosen."""
        while True:
            minutes = self.limit()
            left = LOOK_EVERY if minutes is None else MINUTE * minutes - self._unused()
            if left <= 0:
                return
            await trio.sleep(min(left, LOOK_EVERY))

    def _unused(self) -> float:
        return max(trio.current_time() - self._last, self.wall_clock() - self._last_wall)
