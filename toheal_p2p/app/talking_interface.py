"""What an application offers for saying, reading, and changing what was said."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from toheal_p2p.app.entry_view import DeliveryView, EntryView, RetractionView


class TalkingInterface(Protocol):
    """Part of `AppInterface`. Each method may raise `Refused`."""

    async def say(
        self,
        circle: str,
        text: str,
        *,
        notes: Sequence[str],
        to_facilitators: bool,
        reply: str | None = None,
    ) -> str:
        """Say something; returns the message's id once it would survive a crash.

        Raises:
            Refused: text_empty, text_too_long, listens_only, muted, words_enough; no_facilitator where nobody else
                facilitates; no_such_message, reply_narrower.
        """
        ...

    async def request(self, circle: str, message: str, *, text: str) -> str:
        """Ask the facilitators to look at a message; returns the request's id.

        If its author facilitates, the others are asked.

        Raises:
            Refused: no_such_message, no_facilitator, text_too_long.
        """
        ...

    async def edit(self, circle: str, message: str, text: str) -> str:
        """Say a message of ours differently; returns the id of the change.

        Raises:
            Refused: no_such_message, not_your_message, nothing_to_change, listens_only.
        """
        ...

    async def retract(self, circle: str, message: str) -> RetractionView:
        """Take a message of ours back: no_such_message, not_your_message, nothing_to_change."""
        ...

    async def circle_disappear(self, circle: str, seconds: int) -> None:
        """Choose how long what we say from now on stays with its readers; 0: for ever.

        Raises:
            Refused: disappear_unfit.
        """
        ...

    async def read(
        self,
        circle: str,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int,
        newest: bool = False,
        with_hidden: bool = False,
    ) -> Sequence[EntryView]:
        """Return at most `limit` entries with `after < position < before`, oldest first.

        Where there are more, `newest` decides which end is kept. `with_hidden`: also the words of
        those whom the person hides; otherwise their entries are `hidden` and have no words.
        """
        ...

    async def entry(self, circle: str, message: str) -> EntryView:
        """Return one entry of what was said: no_such_message."""
        ...

    async def first_new(self, circle: str) -> int | None:
        """Return the position of the first entry after the last one that somebody was shown here."""
        ...

    def follow(
        self, circle: str, *, after: int, with_hidden: bool = False
    ) -> AsyncGenerator[EntryView, None]:
        """Give every entry above `after`, and then each new one as it is accepted.

        The reader may be slow: nothing may pile up for it beyond a bound. It may stop at any time.
        """
        ...

    async def deliveries(self, circle: str, message: str | None) -> Sequence[DeliveryView]:
        """Return where our message is per member, or the newest ones, oldest first."""
        ...

    async def search(self, circle: str, query: str) -> Sequence[EntryView]:
        """Return entries that hold every word of the query, newest first."""
        ...
