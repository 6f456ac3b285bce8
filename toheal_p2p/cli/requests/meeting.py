"""Requests behind `toheal meet`."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word


class Meet(Request, frozen=True):
    """`toheal meet`."""

    circle: Word | None
    seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)]
    interfaces: Annotated[tuple[Word, ...], msgspec.Meta(max_length=16)]
    room: bool = False
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give how it goes, for each circle."""
        opened = await app.meeting.open(
            self.circle, seconds=self.seconds, interfaces=self.interfaces, room=self.room
        )
        for view in opened:
            await give(view)


class MeetOff(Request, frozen=True):
    """`toheal meet --off`."""

    circle: Word | None
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.meeting.close(self.circle)


class Meetings(Request, frozen=True):
    """`toheal meet --state`."""

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give how it goes, for each circle."""
        for view in await app.meeting.views():
            await give(view)
