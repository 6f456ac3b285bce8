"""Letting time pass: what disappears does so while the program runs, and when it starts again.

What is over is decided by `machines.lifetime`, and erased by the vault in the transaction that
notes how much time passed. So a crash neither loses time nor leaves half a message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio
from attrs import define

from toheal_p2p.services.committer import Committer
from toheal_protocol.machines.lifetime import Ages, pass_time
from toheal_protocol.machines.records import PutAges
from toheal_protocol.model import WallTime

LOOK_EVERY: Final = 15 * 60.0
"""Seconds between two looks at the clock. The shortest time a person can choose is a day; a quarter of
an hour more or less is not felt, and a machine is not woken for nothing."""


@define(eq=False)
class Forgetting:
    """Lets the counts of a vault go on, and has forgotten what is over."""

    committer: Committer
    wall_clock: Callable[[], WallTime]

    async def run(
        self, ages: Ages, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until cancelled. Started once what was over at the start is forgotten."""
        ages = self._look(ages)
        await self.committer.flushed()
        task_status.started()
        while True:
            await trio.sleep(LOOK_EVERY)
            ages = self._look(ages)
            await self.committer.room()

    def _look(self, ages: Ages) -> Ages:
        passed = pass_time(ages, self.wall_clock())
        self.committer.submit([PutAges(passed)])
        return passed
