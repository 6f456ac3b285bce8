"""Requests for saying, reading, and how what was said gets there."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.app.vocabulary import ContentNote
from toheal_p2p.cli.requests.base import Give, Request, Word

PAGE: Final = 50
"""Entries that are in memory at once while a circle is read: at most 3 MB of text."""

Position = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class Say(Request, frozen=True):
    """`toheal say`."""

    circle: Word
    text: str
    notes: Annotated[tuple[ContentNote, ...], msgspec.Meta(max_length=7)]
    to_facilitators: bool
    reply: Word | None = None
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the message's id."""
        message = await app.say(
            self.circle,
            self.text,
            notes=self.notes,
            to_facilitators=self.to_facilitators,
            reply=self.reply,
        )
        await give({"id": message})


class AskFacilitators(Request, frozen=True):
    """`toheal request`."""

    circle: Word
    message: Word
    text: str
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the request's id."""
        await give({"id": await app.request(self.circle, self.message, text=self.text)})


class Edit(Request, frozen=True):
    """`toheal edit`."""

    circle: Word
    message: Word
    text: str
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the id of the change."""
        await give({"id": await app.edit(self.circle, self.message, self.text)})


class Retract(Request, frozen=True):
    """`toheal retract`."""

    circle: Word
    message: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give how many may have read it."""
        await give(await app.retract(self.circle, self.message))


class Read(Request, frozen=True):
    """`toheal read`."""

    circle: Word
    after: Position
    follow: bool
    hidden: bool = False

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the entries there are; then, if asked to follow, each new one, without an end."""
        after, has_more = self.after, True
        while has_more:
            page = await app.read(self.circle, after=after, limit=PAGE, with_hidden=self.hidden)
            for entry in page:
                await give(entry)
                after = entry.position
            has_more = len(page) == PAGE
        if self.follow:
            following = app.follow(self.circle, after=after, with_hidden=self.hidden)
            async with aclosing(following) as entries:
                async for entry in entries:
                    await give(entry)


class Hide(Request, frozen=True):
    """`toheal hide` and `toheal show`."""

    circle: Word
    who: Word
    hidden: bool
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.hide(self.circle, self.who, hidden=self.hidden)


class Deliveries(Request, frozen=True):
    """`toheal deliveries`."""

    circle: Word
    message: Word | None

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give where our messages are."""
        for delivery in await app.deliveries(self.circle, self.message):
            await give(delivery)


class SafetyWords(Request, frozen=True):
    """`toheal safety-words`."""

    circle: Word
    who: Word
    language: Literal["ar", "en"]

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the words as one value."""
        words = await app.safety_words(self.circle, self.who, language=self.language)
        await give({"words": list(words)})


class Search(Request, frozen=True):
    """`toheal search`."""

    circle: Word
    query: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what was found."""
        for entry in await app.search(self.circle, self.query):
            await give(entry)
