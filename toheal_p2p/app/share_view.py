"""Consent to show words outside, as the application's doors see it. Plain, as in `interface`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen

from toheal_p2p.app.vocabulary import ShareState


@frozen
class ShareView:
    """One asking whether words may be shown outside the circle.

    Attributes:
        message: the message it is about.
        other_name: who was asked, if `asked_by_me`; else who asks.
        excerpt: the words; empty once the answer was no or the yes is over.
        audience, purpose: to whom, and what for.
        not_after: until when.
    """

    id: str
    message: str
    asked_by_me: bool
    other_name: str = field(repr=False)
    excerpt: str = field(repr=False)
    audience: str = field(repr=False)
    purpose: str = field(repr=False)
    not_after: int
    state: ShareState


@frozen
class ExportView:
    """Words that may leave the circle: our own, or somebody's with their receipt.

    `receipt` is hexadecimal, as docs/protocol/consent.md has it; None for our own words.
    """

    id: str
    author_name: str = field(repr=False)
    mine: bool
    text: str = field(repr=False)
    audience: str | None = field(repr=False)
    purpose: str | None = field(repr=False)
    not_after: int | None
    receipt: str | None = field(repr=False)


class SharingInterface(Protocol):
    """Part of `AppInterface`. Each method may raise `Refused`."""

    async def share_ask(
        self,
        circle: str,
        message: str,
        *,
        excerpt: str | None,
        audience: str,
        purpose: str,
        days: int,
    ) -> ShareView:
        """Ask an author whether words may be shown outside. `excerpt` None: all of them.

        Raises:
            Refused: no_such_message, nothing_to_change, share_own_words, share_other_words,
                share_author_gone, share_too_many, text_empty, text_too_long.
        """
        ...

    async def share_list(self, circle: str) -> Sequence[ShareView]:
        """Return what was asked, by us and of us; oldest first."""
        ...

    async def share_answer(self, circle: str, share: str, *, yes: bool) -> ShareView:
        """Answer what we were asked: no_such_share, share_other_words."""
        ...

    async def share_withdraw(self, circle: str, share: str) -> ShareView:
        """Take a yes of ours back: no_such_share."""
        ...

    async def share_export(self, circle: str, message: str) -> Sequence[ExportView]:
        """Return what of a message may leave the circle.

        Raises:
            Refused: no_such_message, nothing_to_change, share_needs_consent.
        """
        ...
