"""Conversations of two, as the application's doors see them. Plain, as in `interface`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen

from toheal_p2p.app.vocabulary import TalkState


@frozen
class TalkView:
    """One conversation of two that was asked for in a circle.

    Attributes:
        partner, partner_name: with whom. For `introducing` one of the two, `other_name` the other.
        introducer_name: who brought us together; None where the partner asked, or we did.
        circle: id of the circle of two, once it is here.
    """

    id: str
    state: TalkState
    partner: str
    partner_name: str = field(repr=False)
    other_name: str | None = field(repr=False)
    introducer_name: str | None = field(repr=False)
    since: int
    circle: str | None


class TalksInterface(Protocol):
    """What an application offers of this."""

    async def talks(self, circle: str) -> Sequence[TalkView]:
        """Return what was asked for, oldest first; what we said no to is not among it."""
        ...

    async def talk_ask(self, circle: str, who: str, *, card: str) -> TalkView:
        """Ask a member for a conversation of two. No words go with it.

        Args:
            card: said first in the circle of two, once it is there; empty: nothing.

        Raises:
            Refused: no_such_member, act_on_oneself, no_relay, talk_is_for_two, talk_open_already,
                talk_asked_enough, text_too_long.
        """
        ...

    async def talk_introduce(self, circle: str, who: str, other: str) -> TalkView:
        """Ask two members whether they would talk with each other. Also Refused: not_a_facilitator."""
        ...

    async def talk_accept(self, circle: str, who: str, *, card: str) -> TalkView:
        """Say yes to being asked by, or introduced to, this member. Refused: no_such_talk."""
        ...

    async def talk_decline(self, circle: str, who: str, *, for_good: bool) -> None:
        """Say no, which nobody is told; or take a question of ours back. Refused: no_such_talk."""
        ...
