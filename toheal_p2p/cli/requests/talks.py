"""Requests behind conversations of two."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word

Card = Annotated[str, msgspec.Meta(max_length=65536)]
"""The application says what is too long."""


class Talks(Request, frozen=True):
    """`toheal talk list`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every conversation."""
        for talk in await app.talks(self.circle):
            await give(talk)


class TalkAsk(Request, frozen=True):
    """`toheal talk ask`."""

    circle: Word
    who: Word
    card: Card
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the conversation as it stands."""
        await give(await app.talk_ask(self.circle, self.who, card=self.card))


class TalkIntroduce(Request, frozen=True):
    """`toheal talk introduce`."""

    circle: Word
    who: Word
    other: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the conversation as it stands."""
        await give(await app.talk_introduce(self.circle, self.who, self.other))


class TalkAccept(Request, frozen=True):
    """`toheal talk accept`."""

    circle: Word
    who: Word
    card: Card
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the conversation as it stands."""
        await give(await app.talk_accept(self.circle, self.who, card=self.card))


class TalkDecline(Request, frozen=True):
    """`toheal talk decline`."""

    circle: Word
    who: Word
    for_good: bool
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.talk_decline(self.circle, self.who, for_good=self.for_good)
