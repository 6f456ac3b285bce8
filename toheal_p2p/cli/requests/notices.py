"""Requests behind notices and words at the door."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word
from toheal_p2p.cli.requests.doors import Seconds

Text = Annotated[str, msgspec.Meta(max_length=8192)]
"""The application says what is too long."""


class NoticeOpen(Request, frozen=True):
    """`toheal notice open`."""

    circle: Word
    topic: Word
    text: Text
    name: Word
    expires_in: Seconds
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the notice with its link."""
        made = await app.notice_open(
            self.circle,
            topic=self.topic,
            text=self.text,
            name=self.name,
            expires_in=self.expires_in,
        )
        await give(made)


class Notices(Request, frozen=True):
    """`toheal notice list`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every notice."""
        for notice in await app.notices(self.circle):
            await give(notice)


class NoticeClose(Request, frozen=True):
    """`toheal notice close`."""

    circle: Word
    notice: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.notice_close(self.circle, self.notice)


class Door(Request, frozen=True):
    """`toheal door`."""

    circle: Word
    who: Word | None

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what was said."""
        for line in await app.door(self.circle, self.who):
            await give(line)


class DoorSay(Request, frozen=True):
    """`toheal door` with words."""

    circle: Word
    who: Word | None
    text: Text
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.door_say(self.circle, self.who, self.text)
