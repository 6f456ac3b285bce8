"""Requests behind `toheal attach` and `toheal fetch`."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, ClassVar, Final

import msgspec

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.app.vocabulary import ContentNote
from toheal_p2p.cli.requests.base import Give, Request, Word

PIECE: Final = 384 * 1024
"""Bytes of a file in one answer: as text they are half of what a line may have."""


class Attach(Request, frozen=True):
    """`toheal attach`. Who goes away before it is announced has sent nothing."""

    circle: Word
    path: Word
    about: str
    notes: Annotated[tuple[ContentNote, ...], msgspec.Meta(max_length=7)]
    to_facilitators: bool = False
    reply: Word | None = None

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what is being done, then the message's id."""
        message = await app.files.attach(
            self.circle,
            self.path,
            about=self.about,
            notes=self.notes,
            report=give,
            to_facilitators=self.to_facilitators,
            reply=self.reply,
        )
        await give({"id": message})


class Fetch(Request, frozen=True):
    """`toheal fetch`. Who goes away stops it, and it goes on from there the next time."""

    circle: Word
    message: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give how it goes, then what the file is."""
        await give(await app.files.fetch(self.circle, self.message, report=give))


class FetchedFile(Request, frozen=True):
    """The bytes of a file that is here, for `toheal fetch --to`."""

    circle: Word
    message: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the file piece by piece."""
        content = await app.files.content(self.circle, self.message)
        for first in range(0, len(content), PIECE):
            await give({"piece": b64encode(content[first : first + PIECE]).decode("ascii")})


class DropFile(Request, frozen=True):
    """`toheal fetch --remove`."""

    circle: Word
    message: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.files.drop(self.circle, self.message)
