"""Requests about spoken codes."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, ClassVar, Literal

import msgspec

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word
from toheal_p2p.cli.requests.doors import Seconds


class InviteSpoken(Request, frozen=True):
    """`toheal invite --spoken`."""

    circle: Word
    expires_in: Seconds
    language: Literal["ar", "en"]
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the code."""
        made = await app.spoken.offer(
            self.circle, expires_in=self.expires_in, language=self.language
        )
        await give(made)


class SpokenCodes(Request, frozen=True):
    """The part of `toheal invitations` that is said aloud."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every code that waits for somebody."""
        for code in await app.spoken.codes(self.circle):
            await give(code)


class FollowSpoken(Request, frozen=True):
    """`toheal invite --spoken --wait`."""

    circle: Word
    code: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give how the code stands whenever that changes, until it is over."""
        async with aclosing(app.spoken.follow(self.circle, self.code)) as views:
            async for view in views:
                await give(view)


class LookUpSpoken(Request, frozen=True):
    """What comes before `toheal join` where a code was said instead of a link sent."""

    code: Word
    relays: Annotated[tuple[Word, ...], msgspec.Meta(max_length=16)]

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the link of the invitation."""
        await give(await app.spoken.look_up(self.code, relays=self.relays))
