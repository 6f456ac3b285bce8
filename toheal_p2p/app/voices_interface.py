"""Who facilitates until when, who may write, and whose words one wants to read. Plain, as in `interface`."""

from __future__ import annotations

from typing import Protocol

from toheal_p2p.app.act_view import ActView
from toheal_p2p.app.vocabulary import ActReason


class VoicesInterface(Protocol):
    """What an application offers of this. Each method may raise `Refused`."""

    async def circle_term(self, circle: str, who: str, *, weeks: int) -> ActView:
        """Sign that a facilitator goes on for so many weeks from now, 1 to 26.

        Raises:
            Refused: no_such_member, not_a_term, term_unfit, talk_is_for_two.
        """
        ...

    async def circle_mute(
        self, circle: str, who: str, *, hours: int, reason: ActReason, text: str
    ) -> ActView:
        """Sign that somebody's words to the circle are not shown for so many hours, 1 to 24.

        Everybody sees it, the muted included. While one holds, another renews it, once.

        Raises:
            Refused: no_such_member, act_on_oneself, mute_unfit, mute_renewed, mute_so_soon,
                mute_of_listener, text_too_long, talk_is_for_two.
        """
        ...

    async def circle_unmute(self, circle: str, who: str) -> ActView:
        """Sign that a mute is over: no_such_member, not_muted, not_a_facilitator."""
        ...

    async def hide(self, circle: str, who: str, *, hidden: bool) -> None:
        """Show a member's words to the circle to us no more, or again. Only this device knows.

        What they say is kept. Notes to facilitators and requests for intervention are shown anyway.

        Raises:
            Refused: no_such_member, act_on_oneself.
        """
        ...
