"""Requests about the ways to members."""

from __future__ import annotations

from typing import ClassVar

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word


class Links(Request, frozen=True):
    """`toheal links`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give how each member is reached."""
        for link in await app.links(self.circle):
            await give(link)


class Direct(Request, frozen=True):
    """`toheal direct`."""

    circle: Word
    who: Word
    allow: bool
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what the two have said by now."""
        await give(await app.direct(self.circle, self.who, allow=self.allow))
