"""Requests behind what a circle decides about its members."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.app.vocabulary import ActReason, Role
from toheal_p2p.cli.requests.base import Give, Request, Word

Reasoning = Annotated[str, msgspec.Meta(max_length=4096)]
"""Why, in words: the application says what is too long."""


Amount = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
"""Weeks or hours: the application says what does not fit."""


class CircleActs(Request, frozen=True):
    """`toheal circle acts`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every act."""
        for act in await app.circle_acts(self.circle):
            await give(act)


class CircleRemove(Request, frozen=True):
    """`toheal circle remove`."""

    circle: Word
    who: Word
    reason: ActReason
    text: Reasoning
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what became of it."""
        await give(
            await app.circle_remove(self.circle, self.who, reason=self.reason, text=self.text)
        )


class CircleRole(Request, frozen=True):
    """`toheal circle role`."""

    circle: Word
    who: Word
    role: Role
    reason: ActReason
    text: Reasoning
    weeks: Amount = 4
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what became of it."""
        act = await app.circle_role(
            self.circle,
            self.who,
            self.role,
            reason=self.reason,
            text=self.text,
            weeks=self.weeks,
        )
        await give(act)


class CircleTerm(Request, frozen=True):
    """`toheal circle term`."""

    circle: Word
    who: Word
    weeks: Amount
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what became of it."""
        await give(await app.circle_term(self.circle, self.who, weeks=self.weeks))


class CircleMute(Request, frozen=True):
    """`toheal circle mute`."""

    circle: Word
    who: Word
    hours: Amount
    reason: ActReason
    text: Reasoning
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what became of it."""
        act = await app.circle_mute(
            self.circle, self.who, hours=self.hours, reason=self.reason, text=self.text
        )
        await give(act)


class CircleUnmute(Request, frozen=True):
    """`toheal circle unmute`."""

    circle: Word
    who: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what became of it."""
        await give(await app.circle_unmute(self.circle, self.who))


class CircleSecond(Request, frozen=True):
    """`toheal circle second`."""

    circle: Word
    act: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what became of what is supported."""
        await give(await app.circle_second(self.circle, self.act))


class CircleReadmit(Request, frozen=True):
    """`toheal circle readmit`."""

    circle: Word
    who: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.circle_readmit(self.circle, self.who)
