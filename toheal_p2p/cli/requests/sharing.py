"""Requests behind `toheal share ...`."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word


class ShareAsk(Request, frozen=True):
    """`toheal share ask`."""

    circle: Word
    message: Word
    excerpt: str | None
    audience: Word
    purpose: Word
    days: Annotated[int, msgspec.Meta(ge=1, le=90)]
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the asking."""
        share = await app.share_ask(
            self.circle,
            self.message,
            excerpt=self.excerpt,
            audience=self.audience,
            purpose=self.purpose,
            days=self.days,
        )
        await give(share)


class ShareList(Request, frozen=True):
    """`toheal share list`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every asking."""
        for share in await app.share_list(self.circle):
            await give(share)


class ShareAnswer(Request, frozen=True):
    """`toheal share answer`."""

    circle: Word
    share: Word
    yes: bool
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what became of it."""
        await give(await app.share_answer(self.circle, self.share, yes=self.yes))


class ShareWithdraw(Request, frozen=True):
    """`toheal share withdraw`."""

    circle: Word
    share: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what became of it."""
        await give(await app.share_withdraw(self.circle, self.share))


class ShareExport(Request, frozen=True):
    """`toheal share export`."""

    circle: Word
    message: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what may leave the circle."""
        for words in await app.share_export(self.circle, self.message):
            await give(words)
