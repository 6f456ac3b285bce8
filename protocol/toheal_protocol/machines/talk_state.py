"""What is kept of conversations of two that were asked for in a circle.

Spec: docs/protocol/circle.md, section 13.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from toheal_protocol.model import MemberId, WallTime


class TalkStep(StrEnum):
    """How far a conversation has come, as we see it."""

    ASKED = "asked"
    """We asked; there is no answer (and never one that says no)."""
    OFFERED = "offered"
    """We are asked."""
    AGREED = "agreed"
    """We said yes; the other one, or who introduced us, does the rest."""
    OPENING = "opening"
    """Both said yes, and it is for us to begin the circle of two."""
    INVITED = "invited"
    """Both said yes, and here is the way in."""
    DONE = "done"
    INTRODUCING = "introducing"
    """We brought two others together, and wait for the yes of both."""
    DECLINED = "declined"
    """We do not want to, or let it lapse: kept so that we are not asked again soon."""


@frozen
class Talk:
    """One conversation of two on its way.

    Attributes:
        partner: with whom; for who introduces, one of the two.
        other: for who introduces, the other one.
        introducer: who brought us together.
        yes: for who introduces, who has said yes.
        link: the way in, once the other one told it.
        card: what our person wants to say first, if anything.
        is_for_good: never to be asked by this partner again.
    """

    id: bytes
    partner: MemberId
    step: TalkStep
    since: WallTime
    other: MemberId | None = None
    introducer: MemberId | None = None
    yes: tuple[MemberId, ...] = ()
    link: str = field(default="", repr=False)
    card: str = field(default="", repr=False)
    is_for_good: bool = False
